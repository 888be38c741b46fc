"""Make an engine of SQLAlchemy from a URL.

The password stays in a `Secret` until the driver connects, so that neither the engine's repr nor the local variables of
a traceback show it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, create_engine, event

from itsm_workflow.secrets import Secret, without_frames
from itsm_workflow_backends.sql._url import DRIVERS, ServerURL

if TYPE_CHECKING:
    from sqlalchemy import Dialect, Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection

_GRACE = 10.0
"""Seconds by which the client waits longer than the server, whose error says more."""
_LARGEST_PACKET = 64 * 1024 * 1024


def make_engine(url: ServerURL) -> Engine:
    """Return an engine with a pool of its own; nothing is connected yet."""
    options = url.options
    engine = create_engine(
        URL.create(DRIVERS[url.scheme], username=url.user, host=url.host, port=url.port, database=url.database),
        isolation_level="READ COMMITTED",
        connect_args=_CONNECT_ARGUMENTS[url.scheme](url),
        pool_size=options.pool_size,
        max_overflow=options.max_overflow,
        pool_timeout=options.pool_timeout,
        pool_recycle=options.pool_recycle,
        pool_pre_ping=options.pre_ping,
        # A connection is returned after a commit or a rollback. PyMySQL would send a second rollback after a commit.
        pool_reset_on_return="rollback" if url.scheme == "postgresql" else None,
        hide_parameters=True,
    )
    password = url.password

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Dialect, _record: object, args: list[Any], arguments: dict[str, Any]) -> DBAPIConnection:
        return without_frames(_connect, dialect, args, arguments, password)

    statements = _SESSION[url.scheme](options.statement_timeout)

    @event.listens_for(engine, "connect")
    def set_up(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        try:
            for statement in statements:
                cursor.execute(statement)
            connection.commit()
        finally:
            cursor.close()

    return engine


def _connect(dialect: Dialect, args: list[Any], arguments: dict[str, Any], password: Secret | None) -> DBAPIConnection:
    if password is not None:
        arguments = {**arguments, "password": password.reveal()}
    return dialect.connect(*args, **arguments)


def _postgresql_arguments(url: ServerURL) -> dict[str, Any]:
    timeout = url.options.statement_timeout
    # Without these, a call would wait for hours for a server that has vanished without closing the connection.
    unanswered = {"tcp_user_timeout": math.ceil((timeout + _GRACE) * 1000)} if timeout else {}
    alive = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
    named = {"application_name": "itsm-workflow", **url.passed}
    return {"connect_timeout": math.ceil(url.options.connect_timeout), **alive, **unanswered, **named}


def _mysql_arguments(url: ServerURL) -> dict[str, Any]:
    timeout = url.options.statement_timeout
    waits = {"read_timeout": math.ceil(timeout + _GRACE), "write_timeout": math.ceil(timeout + _GRACE)}
    return {
        "charset": "utf8mb4",
        "connect_timeout": math.ceil(url.options.connect_timeout),
        "max_allowed_packet": _LARGEST_PACKET,
        **(waits if timeout else {}),
        **url.passed,
    }


def _postgresql_session(timeout: float) -> list[str]:
    milliseconds = math.ceil(timeout * 1000)
    settings = (
        "synchronous_commit = on",  # a role or a database may have another default
        f"statement_timeout = {milliseconds}",
        # A process that was stopped in a transaction does not hold its locks without limit.
        f"idle_in_transaction_session_timeout = {milliseconds}",
    )
    return ["; ".join(f"SET {setting}" for setting in settings)]  # one round trip


def _mysql_session(timeout: float) -> list[str]:
    # Without the strict mode, a text that is too long would be cut off in silence.
    statements = ["SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"]
    if timeout:
        statements.append(f"SET SESSION innodb_lock_wait_timeout = {max(1, math.ceil(timeout))}")
    return statements


_CONNECT_ARGUMENTS = {"postgresql": _postgresql_arguments, "mysql": _mysql_arguments}
_SESSION = {"postgresql": _postgresql_session, "mysql": _mysql_session}
