"""The storage port over one file of JSON lines: a commit is one line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from itsm_workflow.storage.checks import check_history, check_id, check_query, check_timeout, check_writes
from itsm_workflow.storage.files import check_writable
from itsm_workflow.storage.group_commit import GroupCommit
from itsm_workflow.storage.protocol import PROTOCOL_VERSION, Conflict, EntryRows, Query, Row, Rows, Schema, Write
from itsm_workflow.storage.url import path_of
from itsm_workflow_backends.json_file._backup import backup
from itsm_workflow_backends.json_file._compactor import Compactor
from itsm_workflow_backends.json_file._format import SCHEMA
from itsm_workflow_backends.json_file._repair import repair
from itsm_workflow_backends.json_file._restore import restore
from itsm_workflow_backends.json_file._rewrite import encode_writes
from itsm_workflow_backends.json_file._schema import read_schema
from itsm_workflow_backends.json_file._shared import SharedLog

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from itsm_workflow.storage.abilities import ContentCheck, Repair, Restored
    from itsm_workflow.storage.group_commit import Group

_COMPACT_AT = 1024 * 1024


class JSONFileBackend:
    """A store in one file of JSON lines, on a local disk of this machine.

    Each commit is synced; threads that commit at the same time share a sync, see `GroupCommit`.

    If the file does not exist, it is made, readable by its owner only; its directory must exist. Processes exclude each
    other by a lock on the file ``<name>.lock`` next to it and by a lock on the file itself. The file ``<name>.end``
    records the last commit, so that a store that was cut at its end is noticed, unless ``<name>.end`` is missing or out
    of date. All rows are held in memory, so this backend is meant for thousands of changes, not for millions.

    Each call raises StorageUnavailable if the file was removed, or was replaced by another file or by an older copy,
    until the right file is back or the store is opened again. When an older copy is opened, its missing commits are
    noticed, unless it was put there by `restore`.
    """

    protocol_version: ClassVar[int] = PROTOCOL_VERSION
    abilities: ClassVar[frozenset[str]] = frozenset({"durable", "multi_process", "fsync", "checksums"})

    def __init__(self, path: str | PathLike[str], *, timeout: float = 30.0, compact_at: int = _COMPACT_AT) -> None:
        """Open the store.

        Args:
            path: The path of the file.
            timeout: The number of seconds that a call waits for the calls of other processes, and a commit also for
                those of other threads.
            compact_at: The size in bytes from which on the file is compacted: it is rewritten without obsolete lines
                whenever they make up about half of it or more. The commits of the process do this in small steps.

        Raises:
            TypeError: An option is not a number.
            ValueError: The time-out is below 0 or too long.
            StorageUnavailable: The path cannot be used; nothing was changed.
            StorageCorrupt: The file is not a store of this library, or is entirely unreadable.
            StorageSchemaError: A newer version wrote it.
        """
        check_timeout(timeout)
        file = Path(path).absolute()
        self._shared = SharedLog(file, timeout=timeout)
        self._compactor = Compactor(file, self._shared, compact_at=compact_at)
        self._commits = GroupCommit(self._store, where=str(file), timeout=timeout)
        check_writable(file)
        try:
            self._shared.create_if_missing()
            with self._shared.reading():
                pass
        except BaseException:
            self._shared.close()
            raise

    @classmethod
    def from_url(cls, url: str, /, *, timeout: float = 30.0, compact_at: int = _COMPACT_AT) -> Self:
        """Open the store at ``json:///relative/path`` or ``json:////absolute/path``."""
        return cls(path_of(url), timeout=timeout, compact_at=compact_at)

    @classmethod
    def schema_of(cls, url: str, /) -> Schema:
        """Return the schema that the store was written with; nothing is written.

        Raises:
            StorageUnavailable: The file does not exist, or it cannot be read.
            StorageCorrupt: It is not a store of this library, or is entirely unreadable.
            StorageSchemaError: A newer version wrote it.
        """
        return Schema(found=read_schema(path_of(url)), known=SCHEMA)

    @classmethod
    def backup(cls, url: str, target: str, /, *, timeout: float = 30.0) -> None:
        """Copy the store to a new file, see `SupportsBackup.backup`."""
        backup(path_of(url), Path(target).absolute(), timeout=timeout)

    @classmethod
    def restore(cls, url: str, source: str, /, *, timeout: float = 30.0, check: ContentCheck | None = None) -> Restored:
        """Replace the store by a backup, see `SupportsRestore.restore`.

        In a process that has the store open, each call fails after that, until the process opens the store again.
        """
        return restore(path_of(url), Path(source).absolute(), timeout=timeout, check=check)

    @classmethod
    def repair(
        cls, path: str | PathLike[str], /, *, timeout: float = 30.0, check: ContentCheck | None = None
    ) -> Repair:
        """Make a damaged store usable again and report what was lost, see `SupportsRepair.repair`.

        Raises:
            StorageUnavailable: The path cannot be used.
            StorageCorrupt: The store is entirely unreadable.
            StorageSchemaError: A newer version wrote it.
        """
        return repair(Path(path).absolute(), timeout=timeout, check=check)

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store the writes without a conflict as one line, see `StorageBackend.commit`."""
        check_writes(writes)
        results = self._commits.commit(writes)
        self._compactor.step()
        return results

    def _store(self, group: Group) -> list[list[Conflict | None]]:
        with self._shared.writing(until=group.deadline) as opened:
            replay, batches = opened.replay, []
            for batch in group:
                # A batch that is refused here fails alone: nothing was applied yet.
                replay.check_writable(write.row.id for write in batch)
                replay.table.check(batch)
                batches.append(batch)
            lines: list[bytes] = []
            try:
                results = [replay.commit(batch) for batch in batches]
                for batch, conflicts in zip(batches, results, strict=True):
                    won = [write for write, conflict in zip(batch, conflicts, strict=True) if conflict is None]
                    if won:
                        lines.append(encode_writes(replay.table, replay.next_number + len(lines), won))
                if lines:
                    self._shared.append(opened, lines)
            except BaseException:
                # The index may be ahead of the file now, so read the file again.
                self._shared.forget()
                raise
            if lines:
                self._compactor.note(opened, sum(map(len, lines)))
        return results

    def get(self, change_id: str, /) -> Row | None:
        """Return the row of that id, see `StorageBackend.get`."""
        check_id(change_id)
        with self._shared.reading() as replay:
            replay.check(change_id)
            return replay.table.rows.get(change_id)

    def find(self, query: Query, /) -> Rows:
        """Return one page of the rows that can be read, see `StorageBackend.find`.

        Raises:
            StorageCorrupt: The query names the id of a change that cannot be read. Or it asks for the newest
                submission or the holder of a subject, which may be a change that cannot be read.
        """
        check_query(query)
        with self._shared.reading() as replay:
            for change_id in query.ids or ():
                replay.check(change_id)
            replay.check_newest(query)
            return replay.table.find(query)

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Return one page of history, see `StorageBackend.history`."""
        check_history(change_id, after_seq, limit)
        with self._shared.reading() as replay:
            replay.check(change_id)
            return replay.table.history(change_id, after_seq, limit)

    def damage(self) -> tuple[str, ...]:
        """Return the changes and lines that cannot be read, see `TellsDamage.damage`; opening has read all lines."""
        with self._shared.reading() as replay:
            return replay.problems()

    def compact(self) -> None:
        """Rewrite the file without rows that later lines made obsolete; the whole history is kept.

        Other threads and processes can use the store meanwhile. If one of them is compacting the file already, nothing
        is done.

        Raises:
            StorageCorrupt: The store is damaged; a rewrite would lose what is left of the damaged lines.
            StorageUnavailable: The new file cannot be written; the old file is still there.
        """
        self._compactor.compact()

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._shared.close()
        self._compactor.close()
