"""The database servers of this machine, each with the statements by which a test disturbs it."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from itsm_workflow_backends.sql import SQLBackend
from itsm_workflow_backends.sql._url import DRIVERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection


@attrs.frozen(kw_only=True)
class Server:
    """A server for tests.

    Attributes:
        name: Its name in a message.
        scheme: The scheme of its URL.
        variable: The environment variable that names another server.
        default: The URL if the variable is not set.
        waiting: Selects the sessions whose statement, like ``words``, waits for a lock.
        by_port: Selects the number of the session that comes from the client's ``port``.
        kill: Ends the session ``id``.
    """

    name: str
    scheme: str
    variable: str
    default: str
    waiting: str
    by_port: str
    kill: str

    @property
    def url(self) -> str:
        """The URL of a database in which a test may create tables."""
        return os.environ.get(self.variable, self.default)

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Yield a connection in autocommit mode."""
        engine = create_engine(make_url(self.url).set(drivername=DRIVERS[self.scheme]), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    @contextmanager
    def administration(self) -> Iterator[Connection]:
        """Yield a connection in autocommit mode, for a test that disturbs other sessions."""
        try:
            with self.connected() as connection:
                yield connection
        except OperationalError as error:
            pytest.fail(
                f"{self.name} does not answer ({error.orig}): start it, or name another server with {self.variable}",
                pytrace=False,
            )

    def end_session(self, connection: Connection, number: int) -> None:
        """Kill a session."""
        connection.execute(text(self.kill.format(id=number)))


POSTGRESQL = Server(
    name="PostgreSQL",
    scheme="postgresql",
    variable="TEST_POSTGRESQL_URL",
    default="postgresql://postgres@127.0.0.1:5432/test",
    waiting="SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE :words",
    by_port="SELECT pid FROM pg_stat_activity WHERE client_port = CAST(:port AS integer)",
    kill="SELECT pg_terminate_backend({id})",
)
MARIADB = Server(
    name="MariaDB",
    scheme="mysql",
    variable="TEST_MYSQL_URL",
    default="mysql://root@127.0.0.1:3306/test",
    # The table of transactions is not refreshed for a client that reads it again and again.
    waiting="SELECT id FROM information_schema.processlist WHERE state LIKE 'Updating%' AND info LIKE :words",
    by_port="SELECT id FROM information_schema.processlist WHERE host LIKE concat('%:', :port)",
    kill="KILL {id}",
)
SERVERS = (POSTGRESQL, MARIADB)


@contextmanager
def new_store(server: Server, name: str, **parameters: str) -> Iterator[str]:
    """Yield the URL of an empty store, whose tables are created when it is opened and removed in the end."""
    with server.administration():
        pass  # fails with one sentence if the server is missing
    url = SQLBackend.scratch_url(server.url, name)
    try:
        yield make_url(url).update_query_dict(parameters).render_as_string(hide_password=False)
    finally:
        SQLBackend.remove_scratch(url)


@contextmanager
def empty_database(server: Server) -> Iterator[str]:
    """Yield the URL of a new database without tables; it is dropped in the end."""
    name = f"test_{secrets.token_hex(4)}"
    with server.administration() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield make_url(server.url).set(database=name).render_as_string(hide_password=False)
    finally:
        force = " WITH (FORCE)" if server is POSTGRESQL else ""
        with server.administration() as connection:
            connection.execute(text(f"DROP DATABASE {name}{force}"))


REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
"""A Redis server, for a backend of the tests, and as a broker of Celery."""
RABBITMQ_URL = os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")
"""A RabbitMQ server, as a broker of Celery."""
