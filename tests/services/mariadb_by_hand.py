"""A correct backend of another build than the shipped one: MariaDB by PyMySQL alone.

Each thread that makes a call takes a connection of its own. Texts are kept as bytes, so that no collation takes one for
another, and rows are looked up by digests, so that no index limits their length. A commit locks the one row of a table.
"""

# ruff: noqa: D102, S608  # the port says what each method is for; the names of the tables are the test's own

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import attrs
import pymysql  # type: ignore[import-untyped]  # it has no types

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage import checks
from itsm_workflow.storage.protocol import (
    PROTOCOL_VERSION,
    Conflict,
    ConflictKind,
    EntryRow,
    EntryRows,
    Order,
    Row,
    Rows,
    cursor_at,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from itsm_workflow.storage.protocol import Query, Write

_NUMBERS = frozenset({"version", "seq", "submission", "due_at", "created_at", "updated_at", "at"})
_ROW, _ENTRY = tuple(attrs.fields_dict(Row)), tuple(attrs.fields_dict(EntryRow))
_DIGESTS = ("id", "open_subject", "ticket_key", "ticket_sn", "subject")
_UNIQUE = ((ConflictKind.SUBJECT, "open_subject"), (ConflictKind.TICKET, "ticket_key"))
_LARGEST = 7 << 20  # a message has 16 MiB at most, in which a byte may need two
_LAST_SEQ = 2**62
_SECONDS = 20


class MariaDBByHand:
    """Changes in three tables of MariaDB, with statements written by hand."""

    protocol_version: ClassVar[int] = PROTOCOL_VERSION
    abilities: ClassVar[frozenset[str]] = frozenset({"durable", "multi_process"})

    def __init__(self, url: str, prefix: str) -> None:
        parts = urlsplit(url)
        self._server = {
            "host": parts.hostname,
            "port": parts.port or 3306,
            "user": parts.username,
            "password": parts.password or "",
            "database": parts.path.strip("/"),
        }
        self._changes, self._entries, self._lock = (f"{prefix}{name}" for name in ("changes", "entries", "lock"))
        self._closed, self._process = False, os.getpid()
        self._mutex, self._idle, self._inherited = threading.Lock(), list[Any](), list[object]()
        keys = [f"`{name}_digest` BINARY(32), KEY (`{name}_digest`)" for name in _DIGESTS[1:]]
        tables = (
            (self._changes, [*_columns(_ROW), "`id_digest` BINARY(32) PRIMARY KEY", *keys]),
            (self._entries, [*_columns(_ENTRY), "`digest` BINARY(32)", "PRIMARY KEY (`digest`, `seq`)"]),
            (self._lock, ["`one` INT PRIMARY KEY"]),
        )
        with self._connected() as cursor:
            for table, columns in tables:
                cursor.execute(f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(columns)}) ENGINE=InnoDB")
            cursor.execute(f"INSERT IGNORE INTO {self._lock} VALUES (1)")

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        checks.check_writes(writes)
        for write in writes:
            values: tuple[Row | EntryRow, ...] = (write.row, *write.entries)
            for value in values:
                if sum(len(each) for each in _stored(value) if isinstance(each, bytes)) > _LARGEST:
                    raise ValueError(f"change {write.row.id!r}: a line has more than {_LARGEST:,} bytes")
        with self._connected() as cursor:
            cursor.execute("START TRANSACTION")
            cursor.execute(f"SELECT one FROM {self._lock} FOR UPDATE")
            answer = self._written(cursor, writes)
            cursor.execute("COMMIT" if None in answer else "ROLLBACK")
        return answer

    def get(self, change_id: str, /) -> Row | None:
        checks.check_id(change_id)
        with self._connected() as cursor:
            return self._found(cursor, "id", [change_id]).get(change_id)

    def find(self, query: Query, /) -> Rows:
        checks.check_query(query)
        where, values = _conditions(query)
        keys = f"SELECT `id`, `{query.order}` FROM {self._changes} WHERE {' AND '.join(where)}"
        with self._connected() as cursor:
            # Both statements read what was there when the first one began.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION READ ONLY")
            cursor.execute(keys, values)
            up = -1 if query.order is Order.SUBMISSION else 1
            ordered = sorted((0 if query.order is Order.ID else up * value, name) for name, value in cursor.fetchall())
            names = [name.decode() for _, name in ordered[: query.limit]]
            found = self._found(cursor, "id", names)
            cursor.execute("COMMIT")
        rows = tuple(found[name] for name in names)
        return Rows(rows=rows, next=cursor_at(rows[-1], query.order) if len(ordered) > query.limit else None)

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        checks.check_history(change_id, after_seq, limit)
        statement = (
            f"SELECT {_names(_ENTRY)} FROM {self._entries} WHERE `digest` = %s AND `seq` > %s ORDER BY `seq` LIMIT %s"
        )
        with self._connected() as cursor:
            cursor.execute(statement, (_digest(change_id), min(after_seq, _LAST_SEQ), limit + 1))
            found = [EntryRow(**_loaded(_ENTRY, line)) for line in cursor.fetchall()]
        return EntryRows(entries=tuple(found[:limit]), next_seq=found[limit - 1].seq if len(found) > limit else None)

    def close(self) -> None:
        self._begin_anew_after_a_fork()
        with self._mutex:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """Yield a cursor of a connection that no other thread uses; one that met an error is closed."""
        self._begin_anew_after_a_fork()
        with self._mutex:
            if self._closed:
                raise StorageUnavailable("the store was closed")
            connection = self._idle.pop() if self._idle else None
        try:
            connection = connection or self._new_connection()
            with connection.cursor() as cursor:
                yield cursor
        except BaseException as error:
            if connection is not None:
                with suppress(Exception):  # its socket may be closed already
                    connection.close()
            if isinstance(error, (pymysql.Error, OSError)):
                raise StorageUnavailable(f"MariaDB did not do it: {error}") from error
            raise
        self._give_back(connection)

    def _give_back(self, connection: Any) -> None:  # noqa: ANN401  # PyMySQL has no types
        with self._mutex:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _new_connection(self) -> Any:  # noqa: ANN401  # PyMySQL has no types
        return pymysql.connect(
            **self._server,
            charset="utf8mb4",
            autocommit=True,
            init_command="SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            connect_timeout=_SECONDS,
            read_timeout=_SECONDS,
            write_timeout=_SECONDS,
        )

    def _begin_anew_after_a_fork(self) -> None:
        """Leave the parent its connections, and its lock, which a thread of the parent may have held at the fork."""
        if self._process != os.getpid():
            self._inherited += self._idle
            self._mutex, self._idle, self._process = threading.Lock(), [], os.getpid()

    def _written(self, cursor: Any, writes: Sequence[Write]) -> list[Conflict | None]:  # noqa: ANN401  # the same
        """Store the writes that have no conflict with the stored rows, or with those before them, and return all."""
        stored = self._found(cursor, "id", [write.row.id for write in writes])
        for write in writes:
            old = stored.get(write.row.id)
            if old is not None and old.version == write.expected_version:
                checks.check_follows(write, stored_seq=old.seq)
        holders: dict[ConflictKind, dict[str | None, str]] = {}
        for kind, column in _UNIQUE:
            sought = [value for write in writes if (value := getattr(write.row, column)) is not None]
            holders[kind] = {value: row.id for value, row in self._found(cursor, column, sought).items()}
        answer = []
        after: dict[str, Row] = {}
        lines: list[EntryRow] = []
        for write in writes:
            answer.append(conflict := _judged(write, stored.get(write.row.id), holders))
            if conflict is None:
                after[write.row.id] = row = _moved(write, stored.get(write.row.id))
                lines += write.entries
                for kind, column in _UNIQUE:
                    held = getattr(stored.get(row.id), column, None)
                    if holders[kind].get(held) == row.id:
                        del holders[kind][held]
                    holders[kind][getattr(row, column)] = row.id
        self._put(cursor, after.values(), lines)
        return answer

    def _put(self, cursor: Any, rows: Iterable[Row], lines: Sequence[EntryRow]) -> None:  # noqa: ANN401  # the same
        digests = tuple(f"{name}_digest" for name in _DIGESTS)
        values = [(*_stored(row), *(_digest(getattr(row, name)) for name in _DIGESTS)) for row in rows]
        for table, columns, several in (
            (self._changes, (*_ROW, *digests), values),
            (self._entries, (*_ENTRY, "digest"), [(*_stored(line), _digest(line.change_id)) for line in lines]),
        ):
            if several:
                places = ", ".join(["%s"] * len(columns))
                cursor.executemany(f"REPLACE INTO {table} ({_names(columns)}) VALUES ({places})", several)

    def _found(self, cursor: Any, column: str, texts: Iterable[str]) -> dict[str, Row]:  # noqa: ANN401  # the same
        """Return the rows that have one of these texts in a column, by that text."""
        digests = [_digest(text) for text in texts if checks.is_keepable(text)]
        if not digests:
            return {}
        cursor.execute(f"SELECT {_names(_ROW)} FROM {self._changes} WHERE `{column}_digest` IN %s", (digests,))
        rows = [Row(**_loaded(_ROW, line)) for line in cursor.fetchall()]
        return {getattr(row, column): row for row in rows}


def _judged(write: Write, old: Row | None, holders: dict[ConflictKind, dict[str | None, str]]) -> Conflict | None:
    row = write.row
    if (old.version if old else 0) != write.expected_version:
        return Conflict(kind=ConflictKind.VERSION, change_id=row.id)
    if old is not None and not write.entries:
        return None
    for kind, column in _UNIQUE:
        value = getattr(row, column)
        holder = None if value is None else holders[kind].get(value)
        if holder is not None and holder != row.id:
            return Conflict(kind=kind, change_id=row.id, holder=holder)
    return None


def _moved(write: Write, old: Row | None) -> Row:
    """Return the row that a write leads to."""
    if old is None:
        return write.row
    if not write.entries:
        return attrs.evolve(old, version=write.row.version, due_at=write.row.due_at)
    return attrs.evolve(write.row, form=old.form if write.row.form is None else write.row.form)


def _columns(names: Sequence[str]) -> list[str]:
    return [f"`{name}` {'BIGINT' if name in _NUMBERS else 'LONGBLOB'}" for name in names]


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in columns)


def _digest(text: str | None) -> bytes | None:
    """Return the digest of a text; that of a text that cannot be kept is one that no row has."""
    return None if text is None else hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def _stored(value: Row | EntryRow) -> list[Any]:
    return [each.encode() if isinstance(each, str) else each for each in attrs.astuple(value)]


def _loaded(columns: Sequence[str], line: Sequence[Any]) -> dict[str, Any]:
    values = (each.decode() if isinstance(each, bytes) else each for each in line)
    return dict(zip(columns, values, strict=True))


def _conditions(query: Query) -> tuple[list[str], list[Any]]:
    several = {"id": query.ids, "state": query.states, "attention": query.attention, "ticket_sn": query.ticket_sns}
    one = {"workflow": query.workflow, "subject": query.subject, "open_subject": query.open_subject}
    wanted = [*several.items(), *((name, (value,)) for name, value in one.items() if value is not None)]
    texts = {name: [*filter(checks.is_keepable, each)] for name, each in wanted if each is not None}
    where, values = [f"`{query.order}` IS NOT NULL"], list[Any]()
    for column, several_texts in texts.items():
        by_digest = column in _DIGESTS
        where.append(f"`{column}{'_digest' if by_digest else ''}` IN %s" if several_texts else "FALSE")
        if several_texts:
            values.append([_digest(text) if by_digest else text.encode() for text in several_texts])
    for name, time in (("due_at", query.due_before), ("updated_at", query.updated_before)):
        if time is not None:
            where.append(f"`{name}` <= %s")
            values.append(time)
    if query.after is not None:
        after = query.after.id.encode()
        if query.order is Order.ID:
            return [*where, "`id` > %s"], [*values, after]
        later = f"`{query.order}` {'<' if query.order is Order.SUBMISSION else '>'} %s"
        where.append(f"({later} OR `{query.order}` = %s AND `id` > %s)")
        values += [query.after.value, query.after.value, after]
    return where, values
