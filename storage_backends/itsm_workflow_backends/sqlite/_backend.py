"""The storage port over one SQLite file: a commit is one transaction."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

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
from itsm_workflow.storage.group_commit import GroupCommit
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
)
from itsm_workflow.storage.url import path_of
from itsm_workflow_backends.sqlite import _queries as sql
from itsm_workflow_backends.sqlite._backup import backup
from itsm_workflow_backends.sqlite._connections import Connections
from itsm_workflow_backends.sqlite._indexes import find, other_holder, read
from itsm_workflow_backends.sqlite._opening import read_version
from itsm_workflow_backends.sqlite._repair import problems_of_the_file, repair
from itsm_workflow_backends.sqlite._restore import restore
from itsm_workflow_backends.sqlite._schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from itsm_workflow.storage.abilities import ContentCheck, Repair, Restored
    from itsm_workflow.storage.group_commit import Group

_LAST_SEQ = 2**63 - 1


class SQLiteBackend:
    """A store in one SQLite file (WAL, one sync per commit) on a local disk of this machine.

    If the file does not exist, it is made, readable by its owner only; its directory must exist.
    """

    protocol_version: ClassVar[int] = PROTOCOL_VERSION
    abilities: ClassVar[frozenset[str]] = frozenset({"durable", "multi_process"})

    def __init__(self, path: str | PathLike[str], *, timeout: float = 30.0) -> None:
        """Open the store.

        Args:
            path: The path of the file.
            timeout: The number of seconds that a write waits for the writes of other threads and processes.

        Raises:
            StorageUnavailable: The path cannot be used; nothing was changed.
            StorageCorrupt: The file is damaged, or is not a store of this library.
            StorageSchemaError: A newer version wrote it.
        """
        check_timeout(timeout)
        file = Path(path).absolute()
        self._connections = Connections(file, timeout=timeout)
        self._commits = GroupCommit(self._store, where=str(file), timeout=timeout)

    @classmethod
    def from_url(cls, url: str, /, *, timeout: float = 30.0) -> Self:
        """Open the store at ``sqlite:///relative/path`` or ``sqlite:////absolute/path``."""
        return cls(path_of(url), timeout=timeout)

    @classmethod
    def schema_of(cls, url: str, /) -> Schema:
        """Return the schema that the store was written with; nothing is written.

        Raises:
            StorageUnavailable: The file does not exist, or it cannot be read.
            StorageCorrupt: It is damaged, or is not a store of this library.
            StorageSchemaError: A newer version wrote it.
        """
        return Schema(found=read_version(path_of(url)), known=SCHEMA_VERSION)

    @classmethod
    def backup(cls, url: str, target: str, /, *, timeout: float = 30.0) -> None:
        """Copy the store to a new file with SQLite's backup API, in one transaction, see `SupportsBackup.backup`."""
        backup(path_of(url), Path(target).absolute(), timeout=timeout)

    @classmethod
    def restore(cls, url: str, source: str, /, *, check: ContentCheck | None = None) -> Restored:
        """Replace the store by a backup, see `SupportsRestore.restore`; refused while a process has the store open."""
        return restore(path_of(url), Path(source).absolute(), check=check)

    @classmethod
    def repair(
        cls, path: str | PathLike[str], /, *, timeout: float = 30.0, check: ContentCheck | None = None
    ) -> Repair:
        """Make a damaged store usable again and report what was lost, see `SupportsRepair.repair`."""
        return repair(Path(path).absolute(), timeout=timeout, check=check)

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store the writes in one transaction, which threads that commit at the same time share, see `GroupCommit`."""
        check_writes(writes)
        return self._commits.commit(writes)

    def _store(self, group: Group) -> list[list[Conflict | None]]:
        with self._connections.writing(until=group.deadline) as connection:
            self._connections.begin(connection, until=group.deadline if group.has_waited else None)
            # The first statement of a write that changes anything cannot be followed by a conflict: nothing to undo.
            results = [[_write(connection, write) for write in writes] for writes in group]
            if any(None in each for each in results):
                self._connections.commit(connection)
            else:
                connection.execute("ROLLBACK")
        return results

    def get(self, change_id: str, /) -> Row | None:
        """Return the row of that id, see `StorageBackend.get`."""
        check_id(change_id)
        with self._connections.reading(change_id=change_id) as connection:
            if not is_keepable(change_id):
                return None
            found = read(connection, sql.SELECT_ROW, (change_id,))
            if not found:
                _check_not_lost(connection, change_id)
        return sql.to_row(found[0]) if found else None

    def find(self, query: Query, /) -> Rows:
        """Return one page of rows, see `StorageBackend.find`."""
        check_query(query)
        with self._connections.reading() as connection:
            return find(connection, query)

    def count(self, query: Query, before: Sequence[int] = (), /) -> tuple[int, ...]:
        """Count the rows of a page, see `SupportsCounts.count`."""
        check_query(query)
        counted = sql.count_page(query, before)
        if counted is None:
            return (0,) * (1 + len(before))
        with self._connections.reading() as connection:
            [found] = read(connection, *counted)
        return tuple(found)

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Return one page of history, see `StorageBackend.history`."""
        check_history(change_id, after_seq, limit)
        with self._connections.reading() as connection:
            if not is_keepable(change_id):
                return EntryRows(entries=())
            after = min(after_seq, _LAST_SEQ)
            found = read(connection, sql.SELECT_ENTRIES, (change_id, after, limit + 1))
        entries = tuple(map(sql.to_entry, found[:limit]))
        return EntryRows(entries=entries, next_seq=entries[-1].seq if len(found) > limit else None)

    def damage(self) -> tuple[str, ...]:
        """Return the damage of the file, see `TellsDamage.damage`; SQLite's integrity check reads all of it."""
        with self._connections.reading() as connection:
            return tuple(problems_of_the_file(connection))

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._connections.close()


def _check_not_lost(connection: sqlite3.Connection, change_id: str) -> None:
    if connection.execute(sql.SELECT_IS_LOST, (change_id, change_id)).fetchone()[0]:
        raise StorageCorrupt(
            f"cannot read change {change_id}: it has a history but no row, so the store is damaged: run "
            "`itsm-workflow storage repair`",
            change_id=change_id,
        )


def _write(connection: sqlite3.Connection, write: Write) -> Conflict | None:
    """Store one write, or return its conflict; what it conflicts with is read only then."""
    refusal = None
    try:
        is_stored = _update(connection, write) if write.expected_version else _insert(connection, write)
    except sqlite3.IntegrityError as error:
        is_stored, refusal = False, error
    if not is_stored:
        conflict = _conflict(connection, write)
        if conflict is None:
            raise StorageCorrupt(
                f"cannot write change {write.row.id}: the store refused it without a conflict, so it is damaged: run "
                "`itsm-workflow storage repair`",
                change_id=write.row.id,
            ) from refusal
        return conflict
    if write.entries:
        connection.executemany(sql.INSERT_ENTRY, map(sql.entry_values, write.entries))
    return None


def _insert(connection: sqlite3.Connection, write: Write) -> bool:
    connection.execute(sql.INSERT_ROW, sql.insert_values(write.row))
    return True


def _update(connection: sqlite3.Connection, write: Write) -> bool:
    """Return whether the row is as the write expects it; if not, or if it fails, nothing was changed."""
    if not write.entries:
        return bool(connection.execute(sql.CLAIM_ROW, sql.claim_values(write)).rowcount)
    changed = connection.execute(sql.SELECT_CHANGED, sql.changed_values(write)).fetchone()
    if changed is None:
        return False
    return bool(connection.execute(sql.update_row(changed), sql.update_values(write, changed)).rowcount)


def _conflict(connection: sqlite3.Connection, write: Write) -> Conflict | None:
    """Return the conflict because of which a write was not stored, or None if the reason is another one.

    Raises:
        ValueError: The entries do not follow the stored ones.
        StorageCorrupt: The row of the change is lost, or two indexes give different results.
    """
    row = write.row
    found = connection.execute(sql.SELECT_VERSION, (row.id,)).fetchone()
    if found is None and write.expected_version:
        _check_not_lost(connection, row.id)
    version, seq = found or (0, 0)
    if version != write.expected_version:
        return Conflict(kind=ConflictKind.VERSION, change_id=row.id)
    check_follows(write, stored_seq=seq)
    for kind, column, value in (
        (ConflictKind.SUBJECT, "open_subject", row.open_subject),
        (ConflictKind.TICKET, "ticket_key", row.ticket_key),
    ):
        holder = None if value is None else other_holder(connection, column, value, row.id)
        if holder is not None:
            return Conflict(kind=kind, change_id=row.id, holder=holder)
    return None
