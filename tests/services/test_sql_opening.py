"""Opening and migrating a store: what is refused, in one sentence, and without the password of the URL."""

from __future__ import annotations

import logging
import secrets
import threading
import traceback
from contextlib import ExitStack, closing
from typing import Any

import attrs
import pytest
from sqlalchemy import create_engine, make_url, text

from itsm_workflow import open_storage
from itsm_workflow.cli.app import run
from itsm_workflow.errors import StorageError, StorageSchemaError, StorageUnavailable
from itsm_workflow.storage.registry import schema_of
from itsm_workflow.testing.conformance._rows import create, follow
from itsm_workflow_backends.sql import SQLBackend
from itsm_workflow_backends.sql._url import DRIVERS
from tests.services.servers import MARIADB, Server, new_store

SECRET = "geheim-7-xyz"


@pytest.fixture
def bare_url(store_url: str) -> str:
    """The URL of a store whose tables are not created when it is opened."""
    return make_url(store_url).difference_update_query(["migrate"]).render_as_string(hide_password=False)


def prefix_of(url: str) -> str:
    """Return the beginning of the names of the store's tables."""
    return str(make_url(url).query["prefix"])


def commanded(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run the command, and return its exit code and all of its output."""
    code = run(arguments)
    return code, "".join(capsys.readouterr())


def test_migrating_creates_the_tables_once(bare_url: str) -> None:
    """A dry run prints the statements and changes nothing; a second migration does nothing."""
    assert SQLBackend.schema_of(bare_url).found == 0
    sql = SQLBackend.migration_sql(bare_url)
    assert sql.count("CREATE TABLE") == 3
    assert f"{prefix_of(bare_url)}entries" in sql
    assert SQLBackend.schema_of(bare_url).found == 0
    assert SQLBackend.migrate(bare_url).found == 0
    done = SQLBackend.migrate(bare_url)
    assert done.found == done.known == 1
    assert SQLBackend.migration_sql(bare_url) == ""
    with closing(open_storage(bare_url)) as backend:
        assert backend.commit([create("c1")]) == [None]


def test_the_printed_statements_create_the_same_tables(bare_url: str, server: Server) -> None:
    """An administrator can execute them in place of the command."""
    with server.administration() as connection:
        for statement in SQLBackend.migration_sql(bare_url).split(";"):
            lines = [line for line in statement.splitlines() if line.strip() and not line.startswith("--")]
            if lines:
                connection.execute(text("\n".join(lines)))
    with closing(open_storage(bare_url)) as backend:
        conflicts = backend.commit([create("c1", open_subject="s"), create("c2", open_subject="s")])
        assert [conflict and conflict.kind.value for conflict in conflicts] == [None, "subject"]


def test_two_migrations_at_the_same_time(store_url: str) -> None:
    """Each opens the store, which creates the tables; one waits for the other."""
    opened: list[object] = []

    def migrate() -> None:
        with closing(open_storage(store_url)) as backend:
            opened.append(backend.get("c1"))

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [None] * 4


def test_threads_create_several_stores_at_the_same_time(server: Server) -> None:
    """Alembic itself can run only one migration in a process."""
    opened: list[object] = []

    def migrate(url: str) -> None:
        with closing(open_storage(url)) as backend:
            opened.append(backend.get("c1"))

    with ExitStack() as stores:
        urls = [stores.enter_context(new_store(server, f"test_{secrets.token_hex(4)}")) for _ in range(8)]
        threads = [threading.Thread(target=migrate, args=(url,)) for url in urls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert opened == [None] * len(urls)


def test_a_missing_table_is_one_sentence(bare_url: str) -> None:
    """It names the command that creates the tables."""
    with pytest.raises(StorageSchemaError, match=r"there is no store in .*itsm-workflow storage migrate") as caught:
        open_storage(bare_url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("number", "words"), [("7", "install a newer itsm-workflow"), ("0", "there is no store")])
def test_another_schema_is_refused(store_url: str, bare_url: str, server: Server, number: str, words: str) -> None:
    """Neither opening nor migrating touches the tables of a newer release."""
    open_storage(store_url).close()
    with server.administration() as connection:
        connection.execute(text(f"UPDATE {prefix_of(bare_url)}schema SET version_num = '{number}'"))  # noqa: S608 - made by the test
    with pytest.raises(StorageSchemaError, match=words):
        open_storage(bare_url)


def test_a_table_dropped_while_the_store_is_open(store_url: str, server: Server) -> None:
    """The next call says that a table is missing."""
    with closing(open_storage(store_url)) as backend:
        with server.administration() as connection:
            connection.execute(text(f"DROP TABLE {prefix_of(store_url)}changes"))
        with pytest.raises(StorageSchemaError, match="a table is missing"):
            backend.get("c1")
        with pytest.raises(StorageSchemaError, match=r"a table is missing.*nothing was stored"):
            backend.commit([create("c1")])


def test_no_output_shows_the_password(
    store_url: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong credentials, a wrong host and a wrong database; by the library, by the command, and in a traceback."""
    caplog.set_level(logging.DEBUG)
    parts = make_url(store_url).set(username="nobody_here", password=SECRET)
    wrong = [parts, parts.set(port=9), make_url(store_url).set(password=SECRET, database="missing_database")]
    for each in wrong:
        url = each.render_as_string(hide_password=False)
        with pytest.raises(StorageUnavailable) as caught:
            open_storage(url)
        assert "\n" not in str(caught.value)
        trace = caught.value.__traceback__
        assert trace is not None
        below = trace.tb_next  # the frame of this test holds the URL
        shown = "".join(
            traceback.TracebackException(type(caught.value), caught.value, below, capture_locals=True).format()
        )
        code, output = commanded(capsys, "storage", "migrate", url)
        assert code == 4
        assert SECRET not in shown + output + repr(vars(caught.value)) + caplog.text


def test_a_replica_refuses_a_commit_in_one_sentence(store_url: str, server: Server) -> None:
    """Reads are answered. A session that is read-only stands for a replica."""
    with closing(open_storage(store_url)) as direct:
        assert direct.commit([create("c1")]) == [None]
    parts = make_url(store_url)
    read_only = {
        "postgresql": {"options": "-c default_transaction_read_only=on"},
        "mysql": {"init_command": "SET SESSION TRANSACTION READ ONLY"},
    }[server.scheme]
    engine = create_engine(parts.set(drivername=DRIVERS[server.scheme], query={}), connect_args=read_only)
    try:
        backend = SQLBackend(engine, prefix=prefix_of(store_url))
        assert backend.get("c1") == create("c1").row
        with pytest.raises(StorageUnavailable, match=r"read replica or in read-only mode.*nothing was stored"):
            backend.commit([create("c2")])
    finally:
        engine.dispose()


def test_an_engine_that_commits_each_statement_is_not_used_so(store_url: str, server: Server) -> None:
    """A write would be stored in part; PostgreSQL's driver switches it off, and an engine of MariaDB is refused."""
    open_storage(store_url).close()
    parts = make_url(store_url).set(drivername=DRIVERS[server.scheme], query={})
    engine = create_engine(parts, isolation_level="AUTOCOMMIT")
    try:
        if server is MARIADB:
            with pytest.raises(StorageError, match="commits after each statement"):
                SQLBackend(engine, prefix=prefix_of(store_url))
            return
        backend = SQLBackend(engine, prefix=prefix_of(store_url))
        assert backend.commit([create("c1")]) == [None]
        with pytest.raises(ValueError, match="do not follow"):
            backend.commit([create("c2"), follow(attrs.evolve(create("c1").row, seq=5))])
        assert backend.get("c2") is None
    finally:
        engine.dispose()


def test_closing_leaves_the_hosts_engine_open(store_url: str, server: Server) -> None:
    """The host goes on with its engine."""
    open_storage(store_url).close()
    engine = create_engine(make_url(store_url).set(drivername=DRIVERS[server.scheme], query={}))
    try:
        backend = SQLBackend(engine, prefix=prefix_of(store_url))
        backend.close()
        with pytest.raises(StorageUnavailable, match="was closed"):
            backend.get("c1")
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
    finally:
        engine.dispose()


def test_a_connection_that_is_in_use_when_the_store_is_closed_is_closed_after_that(store_url: str) -> None:
    """Another thread may still wait for its commit."""
    backend = open_storage(store_url)
    assert isinstance(backend, SQLBackend)
    with backend._engine.connect() as connection:
        used: Any = connection.connection.dbapi_connection
        backend.close()
        assert not used.closed if hasattr(used, "closed") else used.open
    assert used.closed if hasattr(used, "closed") else not used.open


def test_an_empty_database_is_reported_as_schema_0(bare_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that only reads names the command that creates the tables."""
    schema = schema_of(bare_url)
    assert schema is not None
    assert schema.found == 0
    code, output = commanded(capsys, "list", "--store", bare_url)
    assert code == 4
    assert "storage migrate" in output
