"""The storage port over one file of JSON lines: a commit is one line."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from itsm_workflow.errors import StorageError, StorageUnavailable
from itsm_workflow.storage.checks import check_history, check_id, check_query, check_timeout, check_writes
from itsm_workflow.storage.files import check_writable
from itsm_workflow.storage.protocol import PROTOCOL_VERSION, Conflict, EntryRows, Query, Row, Rows, Schema, Write
from itsm_workflow.storage.url import path_of
from itsm_workflow_backends.json_file._backup import backup
from itsm_workflow_backends.json_file._compaction import Compaction, check_compact_at
from itsm_workflow_backends.json_file._format import SCHEMA
from itsm_workflow_backends.json_file._repair import repair
from itsm_workflow_backends.json_file._restore import restore
from itsm_workflow_backends.json_file._rewrite import encode_writes
from itsm_workflow_backends.json_file._schema import read_schema
from itsm_workflow_backends.json_file._shared import Opened, SharedLog

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from itsm_workflow.storage.abilities import ContentCheck, Repair, Restored

logger = logging.getLogger("itsm_workflow_backends.json_file")

_COMPACT_AT = 1024 * 1024


class JSONFileBackend:
    """A store in one file of JSON lines, synced once per commit, on a local disk of this machine.

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
            timeout: The number of seconds that a call waits for the calls of other processes.
            compact_at: The size in bytes from which on the file is compacted: it is rewritten without obsolete lines
                whenever they make up about half of it or more.

        Raises:
            TypeError: An option is not a number.
            ValueError: The time-out is below 0 or too long.
            StorageUnavailable: The path cannot be used; nothing was changed.
            StorageCorrupt: The file is not a store of this library, or is entirely unreadable.
            StorageSchemaError: A newer version wrote it.
        """
        check_timeout(timeout)
        check_compact_at(compact_at)
        self._path = Path(path).absolute()
        self._compact_at = compact_at
        self._shared = SharedLog(self._path, timeout=timeout)
        check_writable(self._path)
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
        with self._shared.writing() as opened:
            replay = opened.replay
            replay.check_writable(write.row.id for write in writes)
            try:
                results = replay.commit(writes)
                won = [write for write, conflict in zip(writes, results, strict=True) if conflict is None]
                if won:
                    self._shared.append(opened, encode_writes(replay.table, replay.next_number, won))
            except ValueError:
                raise
            except BaseException:
                # The index may be ahead of the file now, so read the file again.
                self._shared.forget()
                raise
            compaction = self._compaction_if_worth_it(opened)
        if compaction is not None:
            try:
                compaction.run(self._shared)
            except StorageError as error:
                # The commit is durable, so it has succeeded.
                logger.warning("%s was not compacted: %s", self._path, error)
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
        with self._shared.writing() as opened:
            opened.replay.check_writable(opened.replay.quarantined)
            compaction = Compaction.begin(self._path, opened.replay)
        if compaction is not None:
            compaction.run(self._shared)

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._shared.close()

    def _compaction_if_worth_it(self, opened: Opened) -> Compaction | None:
        replay = opened.replay
        if replay.end < max(self._compact_at, opened.compact_from, 2 * replay.live) or not replay.is_sound:
            return None
        # If the compaction fails, the next one is tried when the file has grown by half.
        opened.compact_from = replay.end + replay.end // 2
        try:
            return Compaction.begin(self._path, opened.replay)
        except StorageUnavailable as error:
            logger.warning("%s was not compacted: %s", self._path, error)
            return None
