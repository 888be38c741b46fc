"""A correct backend of another build than the shipped one: PostgreSQL by psycopg alone.

All threads share one connection, and a commit locks the whole table. No index is unique, since an index over long texts
would refuse them.
"""

# ruff: noqa: D102, S608  # the port says what each method is for; the names of the tables are the test's own

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import psycopg
from psycopg.rows import class_row

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage import checks
from itsm_workflow.storage.protocol import PROTOCOL_VERSION, EntryRow, EntryRows, Order, Row, Rows, cursor_at
from itsm_workflow.storage.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow.storage.protocol import Conflict, Query, Write

    Cursor = psycopg.Cursor[Any]

_NUMBERS = frozenset({"version", "seq", "submission", "due_at", "created_at", "updated_at", "at"})
_LAST_SEQ = 2**62


class PostgreSQLByHand:
    """Changes in two tables of PostgreSQL, with statements written by hand."""

    protocol_version: ClassVar[int] = PROTOCOL_VERSION
    abilities: ClassVar[frozenset[str]] = frozenset({"durable", "multi_process"})

    def __init__(self, url: str, prefix: str) -> None:
        self._url, self._changes, self._entries = url, f"{prefix}changes", f"{prefix}entries"
        self._mutex, self._closed = threading.RLock(), False
        self._connection: psycopg.Connection[Any] | None = None
        self._process, self._inherited = os.getpid(), list[object]()
        with self._transaction(Row) as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(1)")  # two tables of one name cannot be created at a time
            for table, kind, keys in (
                (self._changes, Row, ("id", "open_subject", "ticket_key")),
                (self._entries, EntryRow, ("change_id",)),
            ):
                columns = [f"{n} {'bigint' if n in _NUMBERS else 'text'}" for n in attrs.fields_dict(kind)]
                statements = [f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(columns)})"]
                statements += [f"CREATE INDEX IF NOT EXISTS {table}_{k} ON {table} USING hash ({k})" for k in keys]
                cursor.execute(";".join(statements).encode())

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        checks.check_writes(writes)
        with self._transaction(Row) as cursor:
            cursor.execute(f"LOCK TABLE {self._changes} IN SHARE ROW EXCLUSIVE MODE".encode())
            table = Table()
            for column in ("id", "open_subject", "ticket_key"):
                for row in self._rows(cursor, column, [getattr(write.row, column) for write in writes]):
                    table.put(row)
            answer = table.commit(writes)
            won = [write for write, conflict in zip(writes, answer, strict=True) if conflict is None]
            rows = [table.rows[write.row.id] for write in won]
            cursor.execute(f"DELETE FROM {self._changes} WHERE id = ANY(%s)".encode(), [[row.id for row in rows]])
            _insert(cursor, self._changes, rows)
            _insert(cursor, self._entries, [entry for write in won for entry in write.entries])
        return answer

    def get(self, change_id: str, /) -> Row | None:
        checks.check_id(change_id)
        with self._transaction(Row) as cursor:
            return next(iter(self._rows(cursor, "id", [change_id])), None)

    def find(self, query: Query, /) -> Rows:
        checks.check_query(query)
        where, values = _conditions(query)
        first = (
            "" if query.order is Order.ID else f"{query.order} {'DESC' if query.order is Order.SUBMISSION else ''}, "
        )
        statement = (
            f'SELECT * FROM {self._changes} WHERE {" AND ".join(where)} ORDER BY {first} id COLLATE "C" LIMIT %s'
        )
        with self._transaction(Row) as cursor:
            found = cursor.execute(statement.encode(), [*values, query.limit + 1]).fetchall()
        rows = tuple(found[: query.limit])
        return Rows(rows=rows, next=cursor_at(rows[-1], query.order) if len(found) > query.limit else None)

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        checks.check_history(change_id, after_seq, limit)
        sought = [change_id] if checks.is_keepable(change_id) else []
        statement = f"SELECT * FROM {self._entries} WHERE change_id = ANY(%s) AND seq > %s ORDER BY seq LIMIT %s"
        with self._transaction(EntryRow) as cursor:
            values = [sought, min(after_seq, _LAST_SEQ), limit + 1]
            found = cursor.execute(statement.encode(), values).fetchall()
        return EntryRows(entries=tuple(found[:limit]), next_seq=found[limit - 1].seq if len(found) > limit else None)

    def close(self) -> None:
        self._begin_anew_after_a_fork()
        with self._mutex:
            self._closed = True
            self._drop()

    @contextmanager
    def _transaction(self, kind: type[Row | EntryRow]) -> Iterator[Cursor]:
        """Yield a cursor that returns lines of this class, in a transaction of its own."""
        self._begin_anew_after_a_fork()
        with self._mutex:
            if self._closed:
                raise StorageUnavailable("the store was closed")
            try:
                if self._connection is None:
                    self._connection = psycopg.connect(self._url)
                with self._connection.transaction(), self._connection.cursor(row_factory=class_row(kind)) as cursor:
                    yield cursor
            except psycopg.Error as error:
                self._drop()
                raise StorageUnavailable(f"PostgreSQL did not do it: {error}") from error

    def _begin_anew_after_a_fork(self) -> None:
        """Leave the parent its connection, and its lock, which a thread of the parent may have held at the fork."""
        if self._process != os.getpid():
            self._inherited.append(self._connection)
            self._mutex, self._connection, self._process = threading.RLock(), None, os.getpid()

    def _drop(self) -> None:
        if self._connection is not None and self._process == os.getpid():
            self._connection.close()
        self._connection = None

    def _rows(self, cursor: Cursor, column: str, values: Sequence[str | None]) -> list[Row]:
        sought = [value for value in values if value is not None and checks.is_keepable(value)]
        return cursor.execute(f"SELECT * FROM {self._changes} WHERE {column} = ANY(%s)".encode(), [sought]).fetchall()


def _insert(cursor: Cursor, table: str, lines: Sequence[Row | EntryRow]) -> None:
    for line in lines[:1]:
        places = ", ".join(["%s"] * len(attrs.astuple(line)))
        cursor.executemany(f"INSERT INTO {table} VALUES ({places})".encode(), [*map(attrs.astuple, lines)])


def _conditions(query: Query) -> tuple[list[str], list[Any]]:
    several = {"id": query.ids, "state": query.states, "attention": query.attention, "ticket_sn": query.ticket_sns}
    one = {"workflow": query.workflow, "subject": query.subject, "open_subject": query.open_subject}
    wanted = [*several.items(), *((name, (value,)) for name, value in one.items() if value is not None)]
    texts = {name: [*filter(checks.is_keepable, values)] for name, values in wanted if values is not None}
    times = {"due_at": query.due_before, "updated_at": query.updated_before}
    latest = {name: value for name, value in times.items() if value is not None}
    where = [f"{query.order} IS NOT NULL", *(f"{n} = ANY(%s)" for n in texts), *(f"{n} <= %s" for n in latest)]
    values: list[Any] = [*texts.values(), *latest.values()]
    if query.after is not None:
        later = f"{query.order} {'<' if query.order is Order.SUBMISSION else '>'} %s"
        if query.order is Order.ID:
            return [*where, 'id COLLATE "C" > %s'], [*values, query.after.id]
        where.append(f'({later} OR {query.order} = %s AND id COLLATE "C" > %s)')
        values += [query.after.value, query.after.value, query.after.id]
    return where, values
