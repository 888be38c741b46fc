"""The storage port over one SQLite file: a commit is one transaction."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from itsm_workflow.errors import StorageCorrupt
from itsm_workflow.storage.checks import (
    check_follows,
    check_history,
    check_id,
    check_query,
    check_timeout,
    check_writes,
    is_keepable,
)
from itsm_workflow.storage.protocol import (
    PROTOCOL_VERSION,
    Conflict,
    ConflictKind,
    EntryRows,
    Query,
    Row,
    Rows,
    Schema,
    Write,
    cursor_at,
)
from itsm_workflow.storage.url import path_of
from itsm_workflow_backends.sqlite import _queries as sql
from itsm_workflow_backends.sqlite._backup import backup
from itsm_workflow_backends.sqlite._connections import Connections
from itsm_workflow_backends.sqlite._errors import is_undecodable
from itsm_workflow_backends.sqlite._opening import read_version
from itsm_workflow_backends.sqlite._repair import repair
from itsm_workflow_backends.sqlite._schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from itsm_workflow.storage.abilities import ContentCheck, Repair

_LAST_SEQ = 2**63 - 1


class SQLiteBackend:
    """Changes in one SQLite file (WAL, one sync per commit) on a local disk of this machine.

    The file is made, readable by its owner only, if there is none; its directory must exist.
    """

    protocol_version: ClassVar[int] = PROTOCOL_VERSION
    abilities: ClassVar[frozenset[str]] = frozenset({"durable", "multi_process"})

    def __init__(self, path: str | PathLike[str], *, timeout: float = 30.0) -> None:
        """Open the store.

        Args:
            path: The file.
            timeout: For how many seconds a write waits for those of others.

        Raises:
            StorageUnavailable: The path cannot be used; nothing was changed.
            StorageCorrupt: It is damaged, or not a store of this library.
            StorageSchemaError: A newer version wrote it.
        """
        check_timeout(timeout)
        self._connections = Connections(Path(path).absolute(), timeout=timeout)

    @classmethod
    def from_url(cls, url: str, /, *, timeout: float = 30.0) -> Self:
        """Open the store at ``sqlite:///relative/path`` or ``sqlite:////absolute/path``."""
        return cls(path_of(url), timeout=timeout)

    @classmethod
    def schema_of(cls, url: str, /) -> Schema:
        """Tell with which schema the store was written; only reads.

        Raises:
            StorageUnavailable: There is no file, or it cannot be read.
            StorageCorrupt: It is damaged, or not a store of this library.
            StorageSchemaError: A newer version wrote it.
        """
        return Schema(found=read_version(path_of(url)), known=SCHEMA_VERSION)

    @classmethod
    def backup(cls, url: str, target: str, /, *, timeout: float = 30.0) -> None:
        """Copy the store to a new file, see `SupportsBackup.backup`; SQLite's own backup, in one transaction."""
        backup(path_of(url), Path(target).absolute(), timeout=timeout)

    @classmethod
    def repair(
        cls, path: str | PathLike[str], /, *, timeout: float = 30.0, check: ContentCheck | None = None
    ) -> Repair:
        """Make a damaged store usable again and say what was lost, see `SupportsRepair.repair`."""
        return repair(Path(path).absolute(), timeout=timeout, check=check)

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store the writes in one transaction, see `StorageBackend.commit`."""
        check_writes(writes)
        with self._connections.writing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            stored = _stored_versions(connection, writes)
            # Every write is judged before its first statement, so one that loses has left nothing to undo.
            results = [_write(connection, write, stored.get(write.row.id, 0)) for write in writes]
            connection.execute("COMMIT" if None in results else "ROLLBACK")
        return results

    def get(self, change_id: str, /) -> Row | None:
        """Return the row of that id, see `StorageBackend.get`."""
        check_id(change_id)
        with self._connections.reading() as connection:
            if not is_keepable(change_id):
                return None
            found = _read(connection, sql.SELECT_ROW, (change_id,))
            values = found[0] if found else None
            if values is None and connection.execute(sql.SELECT_IS_LOST, (change_id,)).fetchone()[0]:
                raise StorageCorrupt(
                    f"change {change_id} has a history and cannot be found: the file is damaged", change_id=change_id
                )
        return None if values is None else sql.to_row(values)

    def find(self, query: Query, /) -> Rows:
        """Return one page of rows, see `StorageBackend.find`."""
        check_query(query)
        with self._connections.reading() as connection:
            selected = sql.select_page(query)
            if selected is None:
                return Rows(rows=())
            read = _read(connection, *selected)
        rows = tuple(map(sql.to_row, read[: query.limit]))
        if len(read) <= query.limit:
            return Rows(rows=rows)
        if not is_keepable(rows[-1].id):
            raise StorageCorrupt(
                f"the id {rows[-1].id!r} is damaged, so nothing can be read on from it: "
                "run `itsm-workflow storage repair`"
            )
        return Rows(rows=rows, next=cursor_at(rows[-1], query.order))

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Return one page of history, see `StorageBackend.history`."""
        check_history(change_id, after_seq, limit)
        with self._connections.reading() as connection:
            if not is_keepable(change_id):
                return EntryRows(entries=())
            after = min(after_seq, _LAST_SEQ)
            read = _read(connection, sql.SELECT_ENTRIES, (change_id, after, limit + 1))
        entries = tuple(map(sql.to_entry, read[:limit]))
        return EntryRows(entries=entries, next_seq=entries[-1].seq if len(read) > limit else None)

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._connections.close()


def _read(connection: sqlite3.Connection, statement: str, values: Sequence[sql.Value]) -> list[Any]:
    """Return the rows that a statement selects.

    Bytes that are not UTF-8 fail the whole statement. They are in one row, so the rows are read once more with these
    bytes escaped: whoever decodes the damaged row finds its digest wrong, and the other rows are read.
    """
    try:
        return connection.execute(statement, values).fetchall()
    except (sqlite3.OperationalError, UnicodeDecodeError) as error:
        if not is_undecodable(error):
            raise
    connection.text_factory = _escaped
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.text_factory = str


def _escaped(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _stored_versions(connection: sqlite3.Connection, writes: Sequence[Write]) -> dict[str, int]:
    stored: dict[str, int] = {}
    for write in writes:
        found = connection.execute(sql.SELECT_VERSION, (write.row.id,)).fetchone()
        if found is not None:
            stored[write.row.id], seq = found
            if stored[write.row.id] == write.expected_version:
                check_follows(write, stored_seq=seq)
    return stored


def _write(connection: sqlite3.Connection, write: Write, stored_version: int) -> Conflict | None:
    """Judge one write and store it if it wins."""
    row = write.row
    if stored_version != write.expected_version:
        return Conflict(kind=ConflictKind.VERSION, change_id=row.id)
    if stored_version and not write.entries:
        connection.execute(sql.CLAIM_ROW, (row.version, row.due_at, row.id))
        return None
    for kind, statement, value in (
        (ConflictKind.SUBJECT, sql.SELECT_SUBJECT_HOLDER, row.open_subject),
        (ConflictKind.TICKET, sql.SELECT_TICKET_HOLDER, row.ticket_key),
    ):
        holder = None if value is None else connection.execute(statement, (value, row.id)).fetchone()
        if holder is not None:
            return Conflict(kind=kind, change_id=row.id, holder=holder[0])
    if stored_version:
        connection.execute(sql.UPDATE_ROW, sql.update_values(row))
    else:
        connection.execute(sql.INSERT_ROW, sql.insert_values(row))
    connection.executemany(sql.INSERT_ENTRY, map(sql.entry_values, write.entries))
    return None
