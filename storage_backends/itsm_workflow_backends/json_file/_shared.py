"""The file that processes share: locked, known again, and read up to where they have written it.

Whatever takes long is read without the locks. What is before the last end of a line is changed by no process, so a
process that has to read much, since it opens the store or since the file was compacted, holds the locks only to see how
far it may read, and once more to read the rest.

Another file at the path is noticed. One that continues what this process has read, as a compacted one does, is read
instead; any other is refused until the right one is put back or the store is opened once more: this process may have
acted on something that is missing there.
"""

from __future__ import annotations

import logging
import os
import threading
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
    from collections.abc import Iterator
    from pathlib import Path

    from itsm_workflow_backends.json_file._lock import Patience

logger = logging.getLogger("itsm_workflow_backends.json_file")

_MOST_READ_UNDER_THE_LOCK = 256 * 1024
_FIRST_LINE = 1024
_ANOTHER = "was replaced by another file or by an older copy"

# Several threads of a new child may be the first to notice that it is one.
_AFTER_FORK = threading.Lock()


@attrs.define
class Opened:
    """The file as this process has read it.

    Attributes:
        placed: Whether its name is known to be durable: the process that put it in place may have been killed before
            it synced the directory.
        reported: Whether its damage was logged.
        compact_from: It is not compacted before it has this size.
    """

    log: Log
    replay: Replay
    placed: bool = False
    reported: bool = False
    compact_from: int = 0


@attrs.frozen
class _Known:
    """What this process has read of a file that it no longer has open."""

    store: str
    generation: int
    end: int
    mark: bytes

    @property
    def reach(self) -> tuple[int, int]:
        """How far that is, to be compared."""
        return self.generation, self.end


class SharedLog:
    """The file at the path, for the threads of this process, which take turns."""

    _opened: Opened | None

    def __init__(self, path: Path, *, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._closed = False
        # After a sync that failed: what is in memory may not be on the medium, and no later sync would tell.
        self._doubtful = False
        self._known: _Known | None = None
        self._start()

    def create_if_missing(self) -> None:
        """Make an empty store if there is no file.

        Raises:
            StorageUnavailable: The path cannot be used.
        """
        if look_at(self._path) is not None:
            return
        # The directory as well: the file beside the log may be removed while another process holds it to make the log.
        with self._mutex, self._lock.held() as patience, directory_locked(self._path.parent, patience):
            if look_at(self._path) is None:
                replace(self._path, [encode_header(new_header())])

    @contextmanager
    def reading(self) -> Iterator[Replay]:
        """Give what the file holds."""
        self._leave_parent()
        with self._mutex:
            self._check_open()
            if (opened := self._if_current()) is not None:
                yield opened.replay
                return
            # A reader waits as well: a line counts when it is durable, which is when its writer frees the lock.
            with self._locked() as opened:
                yield opened.replay

    @contextmanager
    def writing(self) -> Iterator[Opened]:
        """Give the file, which no other process touches meanwhile."""
        self._leave_parent()
        with self._mutex:
            self._check_open()
            with self._locked() as opened:
                yield opened

    def append(self, opened: Opened, line: bytes) -> None:
        """Write a commit that the index has taken in, durably.

        Raises:
            StorageUnavailable: Whether it was stored is unknown.
        """
        replay = opened.replay
        try:
            opened.log.append(replay.end, line)
            if not opened.placed:
                with unavailable("sync the directory of", self._path):
                    sync_directory(self._path.parent)
                opened.placed = True
            self._check_in_place(opened.log)
        except BaseException as error:
            self._take_back(opened)
            if isinstance(error, StorageUnavailable):
                raise StorageUnavailable(
                    f"{error}; whether it was stored is unknown: read again", path=str(self._path)
                ) from error
            raise
        replay.moved_to(replay.end + len(line), line)
        note_acknowledged(self._path, replay.store, replay.next_number)
        replay.next_number += 1

    def switch(self, opened: Opened, log: Log, size: int, live: int) -> None:
        """Go on with a compacted file that holds what the index holds, is in place and locked."""
        opened.log.close()
        replay = opened.replay
        opened.log = log
        replay.generation += 1
        replay.live = live
        replay.moved_to(size, log.read(max(0, size - _FIRST_LINE), size))
        opened.placed = True
        opened.compact_from = 0

    def forget(self) -> None:
        """Read the file again before anything else: the index may be ahead of it."""
        opened = self._opened
        if opened is not None:
            replay = opened.replay
            read = _Known(replay.store, replay.generation, replay.end, replay.mark)
            # What was read only in part is no better known than before.
            if read.store and (self._known is None or read.reach >= self._known.reach):
                self._known = read
            opened.log.close()
        self._opened = None

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._leave_parent()
        with self._mutex:
            self._closed = True
            self.forget()

    def _start(self) -> None:
        self._mutex = threading.Lock()
        self._lock = Lock(self._path, timeout=self._timeout)
        self._opened = None
        self._pid = os.getpid()

    def _leave_parent(self) -> None:
        """In a forked child, start afresh: offset, lock and index are those of the parent's threads."""
        if self._pid != os.getpid():
            with _AFTER_FORK:
                if self._pid != os.getpid():
                    self.forget()
                    self._known = None
                    self._start()

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable(f"the store {self._path} was closed", path=str(self._path))

    def _check_in_place(self, log: Log) -> None:
        if not log.is_at_path(look_at(self._path)):
            raise self._replaced("was removed or replaced")

    def _if_current(self) -> Opened | None:
        opened, found = self._opened, look_at(self._path)
        if opened is None or found is None or not opened.log.is_at_path(found):
            return None
        return opened if 0 < opened.replay.end == found.st_size else None

    @contextmanager
    def _locked(self) -> Iterator[Opened]:
        """Hold the locks, and give the file, read to its end."""
        read_ahead = True
        while True:
            with self._lock.held() as patience:
                opened = self._lock_log(patience)
                try:
                    self._check_content(opened)
                    far = self._far_end(opened) if read_ahead else None
                    if far is None:
                        self._read_on(opened)
                        if not self._renewed(opened):
                            yield opened
                            return
                finally:
                    opened.log.unlock()
            if far is not None:
                before = opened.replay.end
                self._read(opened, far)
                # A line may have lost its end, although what it has of it looks whole.
                read_ahead = opened.replay.end > before

    def _lock_log(self, patience: Patience) -> Opened:
        """Lock the file that is at the path."""
        while True:
            found = look_at(self._path)
            if found is None:
                self.forget()
                raise self._replaced("was removed")
            opened = self._opened
            if opened is None or not opened.log.is_at_path(found):
                opened = self._open(opened)
            opened.log.lock(patience)
            try:
                if opened.log.is_at_path(look_at(self._path)):
                    return opened
            except BaseException:
                opened.log.unlock()
                raise
            # Another process has put a compacted file at the path while this one waited.
            opened.log.unlock()

    def _open(self, before: Opened | None) -> Opened:
        """Open the file at the path, which another process has put in place of the one before, if there was one."""
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
        """Go on in a compacted file where this process was in the file before, if it knows the place.

        Neither file is changed any more up to there, so no lock is needed.
        """
        replay, header = before.replay, self._header(log)
        if header is None or header.continues is None:
            return False
        if (header.store, header.generation) != (replay.store, replay.generation + 1):
            return False
        old, new = header.continues
        if before.log.size() < old:
            raise self._replaced(_ANOTHER)
        if replay.end < old:
            if old - replay.end > _MOST_READ_UNDER_THE_LOCK:
                return False
            self._read(before, old)
        if replay.end < old or not replay.is_sound:
            return False
        end, common = new + replay.end - old, min(len(replay.mark), replay.end - old)
        if not self._is_as_read(log, end, replay.mark[len(replay.mark) - common :]):
            raise self._replaced(_ANOTHER)
        replay.generation = header.generation
        replay.moved_to(end, log.read(max(0, end - _FIRST_LINE), end))
        return True

    @staticmethod
    def _header(log: Log) -> Header | None:
        return decode_header(log.read(0, _FIRST_LINE).lstrip().partition(b"\n")[0] + b"\n")

    def _far_end(self, opened: Opened) -> int | None:
        """Return up to where to read the file without the lock, or None if little of it is left."""
        log, read = opened.log, opened.replay.end
        if log.size() - read <= _MOST_READ_UNDER_THE_LOCK:
            return None
        far = log.whole_end()
        return far if far - read > _MOST_READ_UNDER_THE_LOCK else None

    def _check_content(self, opened: Opened) -> None:
        log, replay = opened.log, opened.replay
        if not (self._is_as_read(log, replay.end, replay.mark) if replay.end else self._continues(log)):
            raise self._replaced(_ANOTHER)

    def _read_on(self, opened: Opened) -> None:
        """Read the rest of the file; what is damaged is logged once."""
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
        """Return whether a file that was not read yet holds all that this process has read of the one before."""
        known, header = self._known, self._header(log)
        if known is None or header is None:  # a damaged first line makes the store read-only
            return True
        if header.store != known.store:
            return False
        return header.generation > known.generation or self._is_as_read(log, known.end, known.mark)

    @staticmethod
    def _is_as_read(log: Log, end: int, mark: bytes) -> bool:
        return log.read(end - len(mark), end) == mark

    def _renewed(self, opened: Opened) -> bool:
        """Replace the file by a new one with the same lines if a sync of it failed or its first line is of old."""
        replay = opened.replay
        is_old = (replay.schema < SCHEMA or not replay.store) and not replay.unattributed
        if not (self._doubtful or is_old):
            return False
        replace(self._path, with_current_header(opened.log.read(0, replay.end)))
        self._doubtful = False
        self.forget()
        return True

    def _take_back(self, opened: Opened) -> None:
        self._doubtful = True
        try:
            with suppress(StorageUnavailable):
                opened.log.cut(opened.replay.end)
                self._doubtful = False
        finally:
            self.forget()

    def _replaced(self, what: str) -> StorageUnavailable:
        return StorageUnavailable(
            f"the store {self._path} {what} while it was open: put it back, or open the store once more",
            path=str(self._path),
        )
