"""The storage port over one file of JSON lines: a commit is one line."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from itsm_workflow.errors import StorageError, StorageUnavailable
from itsm_workflow.storage.checks import check_history, check_id, check_query, check_timeout, check_writes
from itsm_workflow.storage.files import check_writable
from itsm_workflow.storage.protocol import (
    PROTOCOL_VERSION,
    Conflict,
    EntryRows,
    Query,
    Row,
    Rows,
    Schema,
    Write,
)
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
    """Changes in one file of JSON lines, synced once per commit, on a local disk of this machine.

    The file is made, readable by its owner only, if there is none; its directory must exist. A file ``<name>.lock``
    beside it keeps processes apart, and so does a lock on the file itself. A file ``<name>.end`` says which commit was
    the last, so that a file that was cut at its end is noticed, unless that one is missing or behind. All rows are held
    in memory: meant for thousands of changes, not for millions.

    A file at the path that does not continue what this object has read, since the file was removed, replaced by another
    one or by an older copy, raises StorageUnavailable until the right one is back or the store is opened once more. An
    older copy is then found to lack commits, unless it was brought back by `restore`.
    """

    protocol_version: ClassVar[int] = PROTOCOL_VERSION
    abilities: ClassVar[frozenset[str]] = frozenset({"durable", "multi_process", "fsync", "checksums"})

    def __init__(self, path: str | PathLike[str], *, timeout: float = 30.0, compact_at: int = _COMPACT_AT) -> None:
        """Open the store.

        Args:
            path: The file.
            timeout: For how many seconds a call waits for those of other processes.
            compact_at: From how many bytes on the file is rewritten without what later lines made obsolete, each time
                that this is about half of it or more.

        Raises:
            TypeError: An option is not a number.
            ValueError: The time-out is below 0 or too long.
            StorageUnavailable: The path cannot be used; nothing was changed.
            StorageCorrupt: It is not a store of this library, or nothing of it is left.
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
        """Tell with which schema the store was written; only reads.

        Raises:
            StorageUnavailable: There is no file, or it cannot be read.
            StorageCorrupt: It is not a store of this library, or nothing of it is left.
            StorageSchemaError: A newer version wrote it.
        """
        return Schema(found=read_schema(path_of(url)), known=SCHEMA)

    @classmethod
    def backup(cls, url: str, target: str, /, *, timeout: float = 30.0) -> None:
        """Copy the store to a new file, see `SupportsBackup.backup`."""
        backup(path_of(url), Path(target).absolute(), timeout=timeout)

    @classmethod
    def restore(cls, url: str, source: str, /, *, timeout: float = 30.0, check: ContentCheck | None = None) -> Restored:
        """Put a backup in the store's place, see `SupportsRestore.restore`.

        A process that has the store open refuses each call after that, until it opens the store once more.
        """
        return restore(path_of(url), Path(source).absolute(), timeout=timeout, check=check)

    @classmethod
    def repair(
        cls, path: str | PathLike[str], /, *, timeout: float = 30.0, check: ContentCheck | None = None
    ) -> Repair:
        """Make a damaged store usable again and say what was lost, see `SupportsRepair.repair`.

        Raises:
            StorageUnavailable: The path cannot be used.
            StorageCorrupt: Nothing of the store is left.
            StorageSchemaError: A newer version wrote it.
        """
        return repair(Path(path).absolute(), timeout=timeout, check=check)

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store the writes that win as one line, see `StorageBackend.commit`."""
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
                # The index may be ahead of the file now: read it again.
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
            StorageCorrupt: The query names the id of a change that cannot be read; or it asks for the newest
                submission or the holder of a subject, and that may be such a change.
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
        """Return which changes and lines cannot be read, see `TellsDamage.damage`; all lines were read to open it."""
        with self._shared.reading() as replay:
            return replay.problems()

    def compact(self) -> None:
        """Rewrite the file without what later lines made obsolete; history stays.

        Other threads and processes go on meanwhile. If one of them is compacting the file already, nothing is done.

        Raises:
            StorageCorrupt: Something is damaged, and rewriting would lose what is left of it.
            StorageUnavailable: It cannot be written; the old file is still there.
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
        # If it fails, it is tried again when the file has grown by half.
        opened.compact_from = replay.end + replay.end // 2
        try:
            return Compaction.begin(self._path, opened.replay)
        except StorageUnavailable as error:
            logger.warning("%s was not compacted: %s", self._path, error)
            return None
