"""The storage port over one file of JSON lines: a commit is one line."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import attrs

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.checks import check_history, check_id, check_query, check_writes
from itsm_workflow.storage.files import check_writable, look_at
from itsm_workflow.storage.protocol import (
    PROTOCOL_VERSION,
    Conflict,
    EntryRows,
    Query,
    Row,
    Rows,
    Write,
)
from itsm_workflow.storage.url import path_of
from itsm_workflow_backends.json_file._format import SCHEMA, encode_header
from itsm_workflow_backends.json_file._lock import Lock
from itsm_workflow_backends.json_file._log import Log, replace
from itsm_workflow_backends.json_file._repair import Repair, repair
from itsm_workflow_backends.json_file._replay import Replay
from itsm_workflow_backends.json_file._rewrite import encode_writes, rewritten, with_current_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike

logger = logging.getLogger(__name__)

_COMPACT_AT = 1024 * 1024

# Several threads of a new child may be the first to notice that it is one.
_AFTER_FORK = threading.Lock()


@attrs.define
class _Opened:
    """The file as it was last read, and how large it was when it held nothing obsolete."""

    log: Log
    replay: Replay
    compacted_size: int


class JSONFileBackend:
    """Changes in one file of JSON lines, synced once per commit, on a local disk of this machine.

    The file is made, readable by its owner only, if there is none; its directory must exist. A file ``<name>.lock``
    beside it keeps processes apart. All rows are held in memory: meant for thousands of changes, not for millions.
    """

    protocol_version: ClassVar[int] = PROTOCOL_VERSION
    abilities: ClassVar[frozenset[str]] = frozenset({"durable", "multi_process", "fsync", "checksums"})

    def __init__(self, path: str | PathLike[str], *, timeout: float = 30.0, compact_at: int = _COMPACT_AT) -> None:
        """Open the store.

        Args:
            path: The file.
            timeout: For how many seconds a call waits for those of other processes.
            compact_at: From how many bytes on the file is rewritten without what later lines made obsolete, each time
                that it has doubled.

        Raises:
            StorageUnavailable: The path cannot be used; nothing was changed.
            StorageCorrupt: It is not a store of this library, or nothing of it is left.
            StorageSchemaError: A newer version wrote it.
        """
        self._path = Path(path).absolute()
        self._timeout = timeout
        self._compact_at = compact_at
        self._closed = False
        self._doubtful = False
        self._start()
        check_writable(self._path)
        with self._mutex, self._lock.held():
            if look_at(self._path) is None:
                replace(self._path, [encode_header(1)])
            self._catch_up()

    @classmethod
    def from_url(cls, url: str, /, *, timeout: float = 30.0, compact_at: int = _COMPACT_AT) -> Self:
        """Open the store at ``json:///relative/path`` or ``json:////absolute/path``."""
        return cls(path_of(url), timeout=timeout, compact_at=compact_at)

    @classmethod
    def repair(cls, path: str | PathLike[str], *, timeout: float = 30.0) -> Repair:
        """Make a damaged store usable again and say what was lost, see `Repair`.

        Raises:
            StorageUnavailable: The path cannot be used.
            StorageCorrupt: Nothing of the store is left.
            StorageSchemaError: A newer version wrote it.
        """
        return repair(Path(path).absolute(), timeout=timeout)

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store the writes that win as one line, see `StorageBackend.commit`."""
        check_writes(writes)
        with self._current(to_write=True) as opened:
            opened.replay.check_writable(write.row.id for write in writes)
            try:
                results = opened.replay.table.commit(writes)
                won = [write for write, conflict in zip(writes, results, strict=True) if conflict is None]
                if won:
                    self._append(opened, won)
            except ValueError:
                raise
            except BaseException:
                # The index may be ahead of the file now: read it again.
                self._forget()
                raise
            self._compact_if_worth_it(opened)
        return results

    def get(self, change_id: str, /) -> Row | None:
        """Return the row of that id, see `StorageBackend.get`."""
        check_id(change_id)
        with self._current() as opened:
            opened.replay.check(change_id)
            return opened.replay.table.rows.get(change_id)

    def find(self, query: Query, /) -> Rows:
        """Return one page of the rows that can be read, see `StorageBackend.find`.

        Raises:
            StorageCorrupt: The query names the id of a change that cannot be read; or it asks for the newest
                submission or the holder of a subject, and that may be such a change.
        """
        check_query(query)
        with self._current() as opened:
            for change_id in query.ids or ():
                opened.replay.check(change_id)
            opened.replay.check_newest(query)
            return opened.replay.table.find(query)

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Return one page of history, see `StorageBackend.history`."""
        check_history(change_id, after_seq, limit)
        with self._current() as opened:
            opened.replay.check(change_id)
            return opened.replay.table.history(change_id, after_seq, limit)

    def compact(self) -> None:
        """Rewrite the file without what later lines made obsolete; history stays.

        Raises:
            StorageCorrupt: Something is damaged, and rewriting would lose what is left of it.
            StorageUnavailable: It cannot be written; the old file is still there.
        """
        with self._current(to_write=True) as opened:
            opened.replay.check_writable(opened.replay.quarantined)
            self._compact(opened)

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._leave_parent()
        with self._mutex:
            self._closed = True
            self._forget()

    def _start(self) -> None:
        self._mutex = threading.Lock()
        self._lock = Lock(self._path, timeout=self._timeout)
        self._opened: _Opened | None = None
        self._pid = os.getpid()

    def _leave_parent(self) -> None:
        """In a forked child, start anew: offset, lock and index are those of the parent's threads."""
        if self._pid != os.getpid():
            with _AFTER_FORK:
                if self._pid != os.getpid():
                    self._forget()
                    self._start()

    @contextmanager
    def _current(self, *, to_write: bool = False) -> Iterator[_Opened]:
        """Give the index, brought up to the file; to write, no other process may touch the file meanwhile."""
        self._leave_parent()
        with self._mutex:
            if self._closed:
                raise StorageUnavailable(f"the store {self._path} was closed", path=str(self._path))
            if not to_write and (opened := self._if_current()) is not None:
                yield opened
                return
            # A reader waits as well: a line counts when it is durable, which is when its writer lets go of the lock.
            with self._lock.held():
                yield self._catch_up()

    def _if_current(self) -> _Opened | None:
        opened, found = self._opened, look_at(self._path)
        if opened is None or found is None or not opened.log.is_at_path(found):
            return None
        return opened if found.st_size == opened.replay.end else None

    def _catch_up(self) -> _Opened:
        opened, found = self._opened, look_at(self._path)
        if found is None:
            raise StorageUnavailable(
                f"the store {self._path} was removed while it was open: put it back", path=str(self._path)
            )
        if opened is None or not opened.log.is_at_path(found) or found.st_size < opened.replay.end:
            return self._reload()
        if found.st_size > opened.replay.end:
            opened.replay.feed(opened.log.read(opened.replay.end))
            opened.replay.hide()
        return opened

    def _reload(self) -> _Opened:
        self._forget()
        log = Log(self._path)
        try:
            data = log.read(0)
            replay = Replay(self._path)
            replay.begin(data)
            # What a failed sync left may be in memory only, and no later sync would tell. A new file is certain.
            if self._doubtful or (replay.schema < SCHEMA and not replay.unattributed):
                log.close()
                replace(self._path, with_current_header(data[: replay.end]))
                self._doubtful = False
                log = Log(self._path)
        except BaseException:
            log.close()
            raise
        replay.hide()
        for problem in replay.problems():
            logger.error("%s is damaged: %s; %s", self._path, problem, replay.advice())
        self._opened = _Opened(log, replay, replay.end)
        return self._opened

    def _forget(self) -> None:
        if self._opened is not None:
            self._opened.log.close()
        self._opened = None

    def _append(self, opened: _Opened, won: Sequence[Write]) -> None:
        replay = opened.replay
        line = encode_writes(replay.table, replay.next_number, won)
        try:
            opened.log.append(replay.end, line)
        except BaseException as error:
            self._take_back(opened)
            if isinstance(error, StorageUnavailable):
                raise StorageUnavailable(
                    f"{error}; whether it was stored is unknown: read again", path=str(self._path)
                ) from error
            raise
        replay.end += len(line)
        replay.next_number += 1

    def _take_back(self, opened: _Opened) -> None:
        self._doubtful = True
        try:
            with suppress(StorageUnavailable):
                opened.log.cut(opened.replay.end)
                self._doubtful = False
        finally:
            self._forget()

    def _compact_if_worth_it(self, opened: _Opened) -> None:
        size = opened.replay.end
        if size < max(self._compact_at, 2 * opened.compacted_size) or opened.replay.quarantined:
            return
        try:
            self._compact(opened)
        except StorageUnavailable as error:
            # The commit is durable, so it has succeeded. Tried again when the file has doubled once more.
            logger.warning("%s was not compacted: %s", self._path, error)

    def _compact(self, opened: _Opened) -> None:
        replay = opened.replay
        self._forget()
        size = replace(self._path, rewritten(replay.table, replay.next_number))
        replay.next_number += len(replay.table.rows)
        replay.end = size
        self._opened = _Opened(Log(self._path), replay, size)
