"""The storage port over a database: a commit is one transaction."""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from itsm_workflow.errors import StorageError, StorageUnavailable
from itsm_workflow.storage.checks import check_history, check_id, check_query, check_writes, is_keepable
from itsm_workflow.storage.column_sizes import check_sizes
from itsm_workflow.storage.protocol import (
    PROTOCOL_VERSION,
    Conflict,
    EntryRows,
    Query,
    Row,
    Rows,
    Schema,
    Write,
    cursor_at,
)
from itsm_workflow.storage.server_errors import UNDO, UNKNOWN, Cause
from itsm_workflow_backends.sql import _forks, _host_transactions, _schema
from itsm_workflow_backends.sql._engine import make_engine
from itsm_workflow_backends.sql._errors import cause_of, original_of, translated, translating
from itsm_workflow_backends.sql._statements import Statements, to_entry, to_row
from itsm_workflow_backends.sql._url import PREFIX, Options, checked, parse
from itsm_workflow_backends.sql._writing import write_boldly, write_carefully, write_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection, Engine
    from sqlalchemy.pool import ConnectionPoolEntry

    from itsm_workflow_backends.sql._host_transactions import HostConnection
    from itsm_workflow_backends.sql._writing import Results

T = TypeVar("T")

logger = logging.getLogger("itsm_workflow_backends.sql")

_DIALECTS = {"postgresql": "PostgreSQL", "mysql": "MariaDB", "mariadb": "MariaDB"}
_ATTEMPTS = 20
_LONGEST_PAUSE = 0.1
_LAST_SEQ = 2**63 - 1
_NOTHING_STORED = "nothing was stored"


class SQLBackend:
    """A store in a PostgreSQL or MariaDB database, shared by the processes of many machines.

    The tables must exist: ``itsm-workflow storage migrate`` creates and upgrades them. In a child process that was
    forked, the engine begins with new connections.
    """

    protocol_version: ClassVar[int] = PROTOCOL_VERSION
    abilities: ClassVar[frozenset[str]] = frozenset({"durable", "multi_process"})

    def __init__(self, engine: Engine, *, prefix: str = PREFIX, migrate: bool = False) -> None:
        """Open the store in the database of an engine, which stays open when the store is closed.

        Args:
            engine: An engine of SQLAlchemy for PostgreSQL (psycopg 3) or MariaDB (PyMySQL).
            prefix: The beginning of the names of all tables and indexes: lower-case letters, digits and underscores.
            migrate: Whether to create and upgrade the tables.

        Raises:
            StorageError: The engine is for another database, or the prefix is invalid.
            StorageUnavailable: The server cannot be reached, or refused the account.
            StorageSchemaError: The database has no store, or one of another schema.
        """
        options = checked(Options(prefix=prefix, migrate=migrate))
        if engine.dialect.is_async:
            raise StorageError(
                "the engine is asynchronous, but the library calls the store from ordinary functions: pass an engine "
                "of create_engine"
            )
        if engine.dialect.name not in _DIALECTS:
            raise StorageError(
                f"the engine is for {engine.dialect.name}, but the SQL backend needs PostgreSQL or MariaDB; for a "
                "SQLite store use open_storage('sqlite:///…')"
            )
        is_postgresql = engine.dialect.name == "postgresql"
        self._engine = engine
        self._owned = False
        self._closed = threading.Event()
        self._writing = self._reading = engine
        self._preamble = ""
        if is_postgresql:
            # psycopg keeps both on the client, so that they cost no round trip.
            self._writing = engine.execution_options(isolation_level="READ COMMITTED")
            self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        else:
            # Not as an option of the engine: SQLAlchemy would set it when it takes a connection from the pool, and
            # would not replace a connection that turns out to be closed.
            self._preamble = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
        self._statements = Statements(options.prefix, is_postgresql=is_postgresql)
        self._place = _place_of(engine)
        _forks.register(engine)
        self._open(options.prefix, migrate=migrate)

    @classmethod
    def from_url(cls, url: str, /, **options: Any) -> Self:
        """Open the store at ``postgresql://user:password@host:port/database``, or the same with ``mysql://``.

        Args:
            url: The URL, which may contain each option as a parameter.
            options: As described for `itsm_workflow_backends.sql._url.Options`; each replaces the URL's parameter.

        Raises:
            StorageError: The URL has no database, or an option is invalid.
            StorageUnavailable: The server cannot be reached, or refused the account.
            StorageSchemaError: The database has no store, or one of another schema.
        """
        parts = parse(url, **options)
        engine = make_engine(parts)
        try:
            backend = cls(engine, prefix=parts.options.prefix, migrate=parts.options.migrate)
        except BaseException:
            engine.dispose()
            raise
        backend._own(engine)
        # The pool's connections have the isolation level from the beginning.
        backend._writing, backend._preamble = engine, ""
        return backend

    def _own(self, engine: Engine) -> None:
        """Close the engine's connections when the store is closed, and those in use when they are no longer used."""
        self._owned = True

        @sa.event.listens_for(engine, "checkin")
        def _close_if_closed(_connection: object, record: ConnectionPoolEntry) -> None:
            if self._closed.is_set():
                record.invalidate()

    @classmethod
    def from_engine(cls, engine: Engine, /, **options: Any) -> Self:
        """Open the store in the database of the host's engine, see `OpensEngine.from_engine`."""
        return cls(engine, **options)

    @classmethod
    def schema_of(cls, url: str, /) -> Schema:
        """Return the schema of the store, 0 if the database has none; nothing is written.

        Raises:
            StorageUnavailable: The server cannot be reached, or refused the account.
        """
        with _connected(url) as (connection, prefix, _):
            return Schema(found=_schema.found_schema(connection, prefix), known=_schema.KNOWN)

    @classmethod
    def migrate(cls, url: str, /) -> Schema:
        """Create or upgrade the tables, see `SupportsMigration.migrate`."""
        with _connected(url) as (connection, prefix, place):
            return Schema(found=_schema.migrate(connection, prefix, place), known=_schema.KNOWN)

    @classmethod
    def migration_sql(cls, url: str, /) -> str:
        """Return the statements that `migrate` would execute, see `SupportsMigration.migration_sql`."""
        with _connected(url) as (connection, prefix, place):
            return _schema.migration_sql(connection, prefix, place)

    @classmethod
    def scratch_url(cls, url: str, name: str, /) -> str:
        """Return the URL of an empty store in the same database, see `MakesScratch.scratch_url`."""
        return (
            sa.make_url(url)
            .update_query_dict({"prefix": f"{name}_", "migrate": "true"})
            .render_as_string(hide_password=False)
        )

    @classmethod
    def remove_scratch(cls, url: str, /) -> None:
        """Drop the tables of a store that `scratch_url` named, see `RemovesScratch.remove_scratch`."""
        with _connected(url) as (connection, prefix, _):
            for table in ("changes", "entries", "schema"):
                connection.execute(sa.schema.DropTable(sa.Table(f"{prefix}{table}", sa.MetaData()), if_exists=True))
            connection.commit()

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store the writes in one transaction, see `StorageBackend.commit`."""
        check_writes(writes)
        check_sizes(writes)
        self._check_open()
        if not writes:
            return []
        ordered = sorted(writes, key=lambda write: write.row.id)
        connection = self._joined_connection()
        results = self._stored(ordered) if connection is None else self._stored_in(connection, ordered)
        return [results[write.row.id] for write in writes]

    def get(self, change_id: str, /) -> Row | None:
        """Return the row of that id, see `StorageBackend.get`."""
        check_id(change_id)
        self._check_open()
        if not is_keepable(change_id):
            return None
        found = self._read(
            lambda connection: connection.execute(self._statements.one, {"id": change_id}).first(), change_id=change_id
        )
        return None if found is None else to_row(found)

    def find(self, query: Query, /) -> Rows:
        """Return one page of rows, see `StorageBackend.find`."""
        check_query(query)
        self._check_open()
        statement = self._statements.page(query)
        if statement is None:
            return Rows(rows=())
        found = self._read(lambda connection: connection.execute(statement).all())
        rows = tuple(map(to_row, found[: query.limit]))
        return Rows(rows=rows, next=cursor_at(rows[-1], query.order) if len(found) > query.limit else None)

    def count(self, query: Query, before: Sequence[int] = (), /) -> tuple[int, ...]:
        """Count the rows of a page, see `SupportsCounts.count`."""
        check_query(query)
        self._check_open()
        statement = self._statements.counted(query, before)
        if statement is None:
            return (0,) * (1 + len(before))
        return tuple(map(int, self._read(lambda connection: connection.execute(statement).one())))

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Return one page of history, see `StorageBackend.history`."""
        check_history(change_id, after_seq, limit)
        self._check_open()
        if not is_keepable(change_id):
            return EntryRows(entries=())
        sought = {"change_id": change_id, "after": min(after_seq, _LAST_SEQ), "limit": limit + 1}
        found = self._read(
            lambda connection: connection.execute(self._statements.entries, sought).all(), change_id=change_id
        )
        entries = tuple(map(to_entry, found[:limit]))
        return EntryRows(entries=entries, next_seq=entries[-1].seq if len(found) > limit else None)

    def close(self) -> None:
        """Close the connections, unless the engine belongs to the host; closing twice is fine."""
        self._closed.set()
        if self._owned:
            self._engine.dispose()

    def host_transaction(self) -> HostConnection | None:
        """Return a transaction that was joined in this context and is still open, see `JoinsTransactions`."""
        return _host_transactions.open_in(self._place)

    def transaction_to_join(self, within: object, /) -> HostConnection:
        """Return the transaction of the host's connection, see `JoinsTransactions.transaction_to_join`."""
        self._check_open()
        return _host_transactions.connection_to_join(self._engine, self._place, within)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._place}>"

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise StorageUnavailable(f"this store in {self._place} was closed: open it again")

    def _open(self, prefix: str, *, migrate: bool) -> None:
        with translating(f"open the store in {self._place}"):
            with self._writing.connect() as connection:
                _refuse_autocommit(connection)
                found = _schema.found_schema(connection, prefix)
                _warn_unless_durable(connection, self._place)
            if migrate and found < _schema.KNOWN:
                with self._writing.connect() as connection:
                    _schema.migrate(connection, prefix, self._place)
                    return
        _schema.check_schema(found, self._place)

    def _joined_connection(self) -> Connection | None:
        """Return the host's connection, on which to commit, or None.

        Raises:
            StorageUnavailable: The commit may not join the host's transaction, which is still open.
        """
        connection = _host_transactions.connection_in_use(self._place)
        transaction = self.host_transaction()
        if connection is None and transaction is not None and not _host_transactions.is_apart(self._place):
            raise StorageUnavailable(f"{_NOTHING_STORED}, since {transaction.refusal}. {transaction.advice}")
        return connection

    def _stored_in(self, connection: Connection, writes: Sequence[Write]) -> Results:
        """Store writes in the host's transaction, which a refused write leaves usable; nothing is repeated."""
        with translating(f"store {len(writes)} changes in {self._place}", outcome=UNDO):
            return write_once(connection, self._statements, writes)

    def _stored(self, writes: Sequence[Write]) -> Results:
        """Store writes that are sorted by id, again from the beginning while nothing was committed."""
        write = write_boldly
        doing, lost = f"store {len(writes)} changes in {self._place}", False
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._in_transaction(lambda connection: write(connection, self._statements, writes), doing)  # noqa: B023 - called before the loop goes on
            except IntegrityError:
                write = write_carefully
            except SQLAlchemyError as error:
                if cause_of(error) is Cause.RACE and attempt < _ATTEMPTS:
                    time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.001 * 2**attempt)))  # noqa: S311 - spreads the attempts
                elif _is_cut(error) and not lost:
                    lost = True  # the pool replaces its connections, for example after a restart of the server
                else:
                    raise translated(error, doing, outcome=_NOTHING_STORED) from original_of(error)
        raise StorageUnavailable(
            f"cannot {doing}: other transactions were in the way {_ATTEMPTS} times; {_NOTHING_STORED}"
        )

    def _in_transaction(self, work: Callable[[Connection], Results], doing: str) -> Results:
        """Do the work in a transaction, and commit it unless all writes conflict.

        Raises:
            SQLAlchemyError: The work failed, or the server undid the transaction; nothing was stored.
            StorageUnavailable: The commit failed; its outcome is unknown.
        """
        with self._writing.connect() as connection:
            if self._preamble:
                connection.exec_driver_sql(self._preamble)
            results = work(connection)
            if None not in results.values():
                return results  # closing undoes the transaction, which changed nothing
            try:
                connection.commit()
            except SQLAlchemyError as error:
                if cause_of(error) is Cause.RACE:
                    raise
                raise translated(error, doing, outcome=UNKNOWN) from original_of(error)
            return results

    def _read(self, work: Callable[[Connection], T], **about: str) -> T:
        doing = f"read from {self._place}"
        joined = _host_transactions.connection_in_use(self._place)
        if joined is not None:
            with translating(doing, outcome=UNDO, **about):
                return work(joined)
        try:
            with self._reading.connect() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            if not _is_cut(error):
                raise translated(error, doing, **about) from original_of(error)
        with translating(doing, **about), self._reading.connect() as connection:
            return work(connection)


def _is_cut(error: SQLAlchemyError) -> bool:
    """Return whether an open connection was lost."""
    return bool(getattr(error, "connection_invalidated", False))


def _place_of(engine: Engine) -> str:
    url = engine.url
    host = f" at {url.host}{f':{url.port}' if url.port else ''}" if url.host else ""
    return f"the {_DIALECTS[engine.dialect.name]} database {url.database}{host}"


@contextmanager
def _connected(url: str) -> Iterator[tuple[Connection, str, str]]:
    """Yield a connection for the upkeep of a store, the prefix of its tables, and its place in words."""
    # A migration of a large table takes as long as it takes.
    parts = parse(url, statement_timeout=0.0, pool_size=1, max_overflow=0)
    engine = make_engine(parts)
    place = _place_of(engine)
    try:
        with translating(f"use {place}"), engine.connect() as connection:
            yield connection, parts.options.prefix, place
    finally:
        engine.dispose()


def _refuse_autocommit(connection: Connection) -> None:
    """Refuse an engine of MariaDB that commits each statement, so that a write could be stored in part."""
    if connection.dialect.name != "postgresql" and connection.exec_driver_sql("SELECT @@autocommit").scalar():
        raise StorageError(
            "the engine commits after each statement, but a change and its history must be stored together: make the "
            "engine without the isolation level AUTOCOMMIT"
        )


def _warn_unless_durable(connection: Connection, place: str) -> None:
    """Log a warning if the server acknowledges commits that a power cut can undo."""
    setting = "synchronous_commit" if connection.dialect.name == "postgresql" else "innodb_flush_log_at_trx_commit"
    show = "SHOW synchronous_commit" if connection.dialect.name == "postgresql" else f"SELECT @@{setting}"
    found = str(connection.exec_driver_sql(show).scalar())
    if found in {"off", "0", "2"}:
        logger.warning(
            "%s can lose acknowledged changes in a power cut, because its %s is %s: set it to %s",
            place,
            setting,
            found,
            "on" if setting == "synchronous_commit" else "1",
        )
