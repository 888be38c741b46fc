"""The file that processes share: lock it, recognize it, and read the lines that other processes have appended.

Long reads are done without the locks, which is safe because no process changes the complete lines of a file. A process
that has to read much, because it opens the store or because the file was compacted, holds the locks only to find how
far it may read, and then again to read the rest.

A process notices another file at the path. If that file continues what the process has read, as a compacted file does,
the process goes on in it. Any other file is refused until the right one is put back or the store is opened again,
because the process may have acted on changes that are missing in that file.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.files import look_at, sync_directory, unavailable
from itsm_workflow_backends.json_file._acknowledged import last_acknowledged, note_acknowledged
from itsm_workflow_backends.json_file._format import SCHEMA, Header, decode_header, encode_header, new_header
from itsm_workflow_backends.json_file._lock import Lock, directory_locked
from itsm_workflow_backends.json_file._log import Log, replace
from itsm_workflow_backends.json_file._replay import Replay
from itsm_workflow_backends.json_file._rewrite import with_current_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from itsm_workflow_backends.json_file._lock import LockDeadline

logger = logging.getLogger("itsm_workflow_backends.json_file")

_MOST_READ_UNDER_THE_LOCK = 256 * 1024
_FIRST_LINE = 1024
_ANOTHER = "was replaced by another file or by an older copy"

# After a fork, several threads of the child may notice it at the same time.
_AFTER_FORK = threading.Lock()


@attrs.define
class Opened:
    """The file as this process has read it.

    Attributes:
        placed: Whether its name is known to be durable. The process that put the file in place may have been killed
            before it synced the directory.
        reported: Whether its damage was logged.
        compact_from: The size from which on it is compacted.
    """

    log: Log
    replay: Replay
    placed: bool = False
    reported: bool = False
    compact_from: int = 0


@attrs.frozen
class _Known:
    """The part that this process has read of a file that it no longer has open."""

    store: str
    generation: int
    end: int
    mark: bytes

    @property
    def reach(self) -> tuple[int, int]:
        """The position up to which the process has read, for comparison."""
        return self.generation, self.end


class SharedLog:
    """The file at the path, shared by the threads of this process, which use it one at a time."""

    _opened: Opened | None

    def __init__(self, path: Path, *, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._closed = False
        # After a failed sync, cached data may not be on the medium, and a later sync would not report that.
        self._sync_failed = False
        self._known: _Known | None = None
        self._start()

    def create_if_missing(self) -> None:
        """Make an empty store if the file does not exist.

        Raises:
            StorageUnavailable: The path cannot be used.
        """
        if look_at(self._path) is not None:
            return
        # The directory is locked as well, since the lock file may be removed while another process makes the log.
        with self._mutex, self._lock.held() as deadline, directory_locked(self._path.parent, deadline):
            if look_at(self._path) is None:
                replace(self._path, [encode_header(new_header())])

    @contextmanager
    def reading(self) -> Iterator[Replay]:
        """Yield the current content of the file."""
        self._reset_after_fork()
        with self._mutex:
            self._check_open()
            if (opened := self._if_current()) is not None:
                yield opened.replay
                return
            # A reader waits as well: a line is not committed before its writer has synced it and released the lock.
            with self._locked() as opened:
                yield opened.replay

    @contextmanager
    def writing(self, *, until: float | None = None) -> Iterator[Opened]:
        """Yield the file, which no other process changes during the block.

        Args:
            until: The time, by `time.monotonic`, until which to wait for the locks; by default, for other threads
                without a limit, and then for other processes for the time-out.

        Raises:
            StorageUnavailable: Another thread or process held a lock for longer than that.
        """
        self._reset_after_fork()
        if not self._mutex.acquire(timeout=-1 if until is None else max(0.0, until - time.monotonic())):
            raise StorageUnavailable(
                f"cannot write to {self._path}: other threads kept it busy for {self._timeout} s; nothing was stored: "
                "try again",
                path=str(self._path),
            )
        try:
            self._check_open()
            with self._locked(until) as opened:
                yield opened
        finally:
            self._mutex.release()

    def append(self, opened: Opened, lines: Sequence[bytes]) -> None:
        """Append the lines of commits that were applied to the index, durably, with one sync.

        Raises:
            StorageUnavailable: The append failed; whether the commit was stored is unknown.
        """
        replay, data = opened.replay, b"".join(lines)
        try:
            opened.log.append(replay.end, data)
            if not opened.placed:
                with unavailable("sync the directory of", self._path):
                    sync_directory(self._path.parent)
                opened.placed = True
            self._check_in_place(opened.log)
        except BaseException as error:
            self._undo_append(opened)
            if isinstance(error, StorageUnavailable):
                raise StorageUnavailable(
                    f"{error}; whether it was stored is unknown: read again", path=str(self._path)
                ) from error
            raise
        replay.moved_to(replay.end + len(data), data)
        replay.next_number += len(lines)
        note_acknowledged(self._path, replay.store, replay.next_number - 1)

    def switch(self, opened: Opened, log: Log, size: int, live: int) -> None:
        """Use a compacted file from now on, which has the content of the index, is at the path, and is locked."""
        opened.log.close()
        replay = opened.replay
        opened.log = log
        replay.generation += 1
        replay.live = live
        replay.moved_to(size, log.read(max(0, size - _FIRST_LINE), size))
        opened.placed = True
        opened.compact_from = 0

    def forget(self) -> None:
        """Discard the index, which may be ahead of the file, so that the file is read again before it is used."""
        opened = self._opened
        if opened is not None:
            replay = opened.replay
            read = _Known(replay.store, replay.generation, replay.end, replay.mark)
            # A file that was read only in part does not replace what is known from before.
            if read.store and (self._known is None or read.reach >= self._known.reach):
                self._known = read
            opened.log.close()
        self._opened = None

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._reset_after_fork()
        with self._mutex:
            self._closed = True
            self.forget()

    def _start(self) -> None:
        self._mutex = threading.Lock()
        self._lock = Lock(self._path, timeout=self._timeout)
        self._opened = None
        self._pid = os.getpid()

    def _reset_after_fork(self) -> None:
        """Start again without a file in a forked child, whose offset, lock and index belong to the parent's threads."""
        if self._pid != os.getpid():
            with _AFTER_FORK:
                if self._pid != os.getpid():
                    self.forget()
                    self._known = None
                    self._start()

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable(f"the store {self._path} was closed: open it again", path=str(self._path))

    def _check_in_place(self, log: Log) -> None:
        if not log.is_at_path(look_at(self._path)):
            raise self._replaced_error("was removed or replaced")

    def _if_current(self) -> Opened | None:
        opened, found = self._opened, look_at(self._path)
        if opened is None or found is None or not opened.log.is_at_path(found):
            return None
        return opened if 0 < opened.replay.end == found.st_size else None

    @contextmanager
    def _locked(self, until: float | None = None) -> Iterator[Opened]:
        """Hold the locks, and yield the file after it was read to its end."""
        read_ahead = True
        while True:
            with self._lock.held(until=until) as deadline:
                opened = self._lock_log(deadline)
                try:
                    self._check_content(opened)
                    far = self._far_end(opened) if read_ahead else None
                    if far is None:
                        self._read_on(opened)
                        if not self._renew(opened):
                            yield opened
                            return
                finally:
                    opened.log.unlock()
            if far is not None:
                before = opened.replay.end
                self._read(opened, far)
                # If nothing was read, a line is shorter than its names say, so the rest is read under the locks.
                read_ahead = opened.replay.end > before

    def _lock_log(self, deadline: LockDeadline) -> Opened:
        """Lock the file at the path."""
        while True:
            found = look_at(self._path)
            if found is None:
                self.forget()
                raise self._replaced_error("was removed")
            opened = self._opened
            if opened is None or not opened.log.is_at_path(found):
                opened = self._open(opened)
            opened.log.lock(deadline)
            try:
                if opened.log.is_at_path(look_at(self._path)):
                    return opened
            except BaseException:
                opened.log.unlock()
                raise
            # Another process has put a compacted file at the path while this process waited.
            opened.log.unlock()

    def _open(self, before: Opened | None) -> Opened:
        """Open the file at the path, which another process may have put in place of the file that was open before."""
        log = Log.open(self._path)
        try:
            carried = before is not None and self._carry_over(before, log)
            self.forget()
        except BaseException:
            log.close()
            raise
        opened = self._opened = Opened(log, before.replay if before and carried else Replay(self._path))
        opened.reported = carried
        return opened

    def _carry_over(self, before: Opened, log: Log) -> bool:
        """Move the index to the corresponding position in a compacted file; return whether that position is known.

        Both files no longer change up to that position, so no lock is needed.
        """
        replay, header = before.replay, self._header(log)
        if header is None or header.continues is None:
            return False
        if (header.store, header.generation) != (replay.store, replay.generation + 1):
            return False
        old, new = header.continues
        if before.log.size() < old:
            raise self._replaced_error(_ANOTHER)
        if replay.end < old:
            if old - replay.end > _MOST_READ_UNDER_THE_LOCK:
                return False
            self._read(before, old)
        if replay.end < old or not replay.is_sound:
            return False
        end, common = new + replay.end - old, min(len(replay.mark), replay.end - old)
        if not self._is_as_read(log, end, replay.mark[len(replay.mark) - common :]):
            raise self._replaced_error(_ANOTHER)
        replay.generation = header.generation
        replay.moved_to(end, log.read(max(0, end - _FIRST_LINE), end))
        return True

    @staticmethod
    def _header(log: Log) -> Header | None:
        return decode_header(log.read(0, _FIRST_LINE).lstrip().partition(b"\n")[0] + b"\n")

    def _far_end(self, opened: Opened) -> int | None:
        """Return the offset up to which to read the file without the lock, or None if little of it is left."""
        log, read = opened.log, opened.replay.end
        if log.size() - read <= _MOST_READ_UNDER_THE_LOCK:
            return None
        far = log.whole_end()
        return far if far - read > _MOST_READ_UNDER_THE_LOCK else None

    def _check_content(self, opened: Opened) -> None:
        log, replay = opened.log, opened.replay
        if not (self._is_as_read(log, replay.end, replay.mark) if replay.end else self._continues(log)):
            raise self._replaced_error(_ANOTHER)

    def _read_on(self, opened: Opened) -> None:
        """Read the rest of the file, and log its damage once."""
        replay = opened.replay
        if opened.log.size() > replay.end or not replay.end:
            self._read(opened)
        if not opened.reported:
            replay.check_end(last_acknowledged(self._path, replay.store))
            for problem in replay.problems():
                logger.error("%s is damaged: %s; %s", self._path, problem, replay.advice())
            opened.reported = True

    def _read(self, opened: Opened, far: int | None = None) -> None:
        try:
            opened.replay.feed(opened.log.read(opened.replay.end, far))
        except BaseException:
            self.forget()
            raise
        opened.replay.hide()

    def _continues(self, log: Log) -> bool:
        """Return whether a file that was not read yet holds all that this process has read of the previous file."""
        known, header = self._known, self._header(log)
        if known is None or header is None:  # with a damaged first line, the store is read-only anyway
            return True
        if header.store != known.store:
            return False
        return header.generation > known.generation or self._is_as_read(log, known.end, known.mark)

    @staticmethod
    def _is_as_read(log: Log, end: int, mark: bytes) -> bool:
        return log.read(end - len(mark), end) == mark

    def _renew(self, opened: Opened) -> bool:
        """Replace the file by a copy if a sync of it failed or its first line is outdated; return whether it was."""
        replay = opened.replay
        is_old = (replay.schema < SCHEMA or not replay.store) and not replay.unattributed
        if not (self._sync_failed or is_old):
            return False
        replace(self._path, with_current_header(opened.log.read(0, replay.end)))
        self._sync_failed = False
        self.forget()
        return True

    def _undo_append(self, opened: Opened) -> None:
        self._sync_failed = True
        try:
            with suppress(StorageUnavailable):
                opened.log.cut(opened.replay.end)
                self._sync_failed = False
        finally:
            self.forget()

    def _replaced_error(self, what: str) -> StorageUnavailable:
        return StorageUnavailable(
            f"the store {self._path} {what} while it was open: put the file back, or open the store again",
            path=str(self._path),
        )
