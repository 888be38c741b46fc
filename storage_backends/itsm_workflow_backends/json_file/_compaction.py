"""Compaction: rewrite the log without obsolete lines, while other processes use it.

The long part is done without the lock of the log, in a new file next to it:

1. under the lock, a snapshot of the rows is taken, and the offset up to which they were read;
2. the rows are written to the new file and synced;
3. the lines that were appended to the log meanwhile are copied to the new file, until little is left;
4. under the lock, the remaining lines are copied and synced, and the new file replaces the log.

All of this can be done in steps of a bounded size, between which the process does something else. The new file is
locked as long as its process may go on with it. If the process is killed at any point, the log is intact, and the next
compaction removes the new file. The first line of the new file says how long the log was at the start. If the log has
grown by half since then, the process has stopped or is too slow, and another process removes the new file and starts
again.
"""

from __future__ import annotations

import os
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Self

import attrs

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.files import look_at, unavailable
from itsm_workflow_backends.json_file._format import decode_header, encode_header
from itsm_workflow_backends.json_file._log import Log, in_blocks
from itsm_workflow_backends.json_file._rewrite import rewritten

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from itsm_workflow_backends.json_file._replay import Replay
    from itsm_workflow_backends.json_file._shared import SharedLog

_LITTLE = 64 * 1024
_MOST_ROUNDS = 8
_COPIED_PER_WRITTEN = 16  # to copy a line takes less time than to make it
_BLOCK = 1024 * 1024
_FIRST_LINE = 1024


class Compaction:
    """A single compaction of the log, which may be given up on the way."""

    def __init__(self, path: Path, log: Log, source: Log, replay: Replay) -> None:
        self._path = path
        self._log = log
        self._placed = False
        self._source = source
        self._places = ((path, source), (_new_path(path), log))
        self._copied = replay.end
        self._header = replay.next_header(continues=(replay.end, 0))
        # A snapshot: the table changes while the lines are written.
        self._lines = rewritten(self._header, replay.table.writes())
        self._blocks: Iterator[bytes] | None = None
        self._live = replay.live
        self._size = self._synced = self._rounds = 0
        self._is_written = False

    @classmethod
    def begin(cls, path: Path, replay: Replay) -> Self | None:
        """Take a snapshot and make the new file; the caller holds the lock.

        Returns:
            The compaction, or None if another process or thread is compacting the log.

        Raises:
            StorageUnavailable: The new file cannot be made.
        """
        # A second descriptor, because the one in use may be closed while this one is read.
        source = Log.open(path)
        try:
            log = _create(_new_path(path), replay.end)
        except BaseException:
            source.close()
            raise
        if log is None:
            source.close()
            return None
        compaction = cls(path, log, source, replay)
        try:
            compaction._add(next(compaction._lines))  # the first line, which says that the log is being compacted
        except BaseException:
            compaction.give_up()
            raise
        return compaction

    @property
    def is_overtaken(self) -> bool:
        """Whether another process has replaced the log or compacts it, so that this compaction cannot succeed."""
        return not all(log.is_at_path(look_at(place)) for place, log in self._places)

    def step(self, shared: SharedLog, size: float) -> bool:
        """Do a part of it, in which the new file grows by about so many bytes, or all of it with `math.inf`.

        Returns:
            Whether it has ended: the new file has replaced the log, or was removed since another process changed the
            log.

        Raises:
            StorageUnavailable: The new file cannot be written; the log was not changed, and the compaction has ended.
        """
        has_ended = True
        try:
            has_ended = self._step(shared, size)
        finally:
            if has_ended:
                self.give_up()
        return has_ended

    def _step(self, shared: SharedLog, size: float) -> bool:
        if not self._is_written and not self._write(size):
            return False
        while (far := self._finish(shared, far=self._rounds < _MOST_ROUNDS)) is not None:
            self._copy(int(min(far, self._copied + _COPIED_PER_WRITTEN * size)))
            self._log.sync()
            if self._copied < far:
                return False
            self._rounds += 1
        return True

    def _write(self, size: float) -> bool:
        """Write about so many bytes of the rows, at least one change; return whether all were written."""
        until = self._size + size
        if self._blocks is None:
            self._blocks = in_blocks(self._lines)
        for block in self._blocks:
            self._add(block)
            if self._size - self._synced >= _BLOCK:
                # A sync of the whole file at the end would take long.
                self._log.sync()
                self._synced = self._size
            if self._size >= until:
                return False
        self._log.write_at_the_start(encode_header(attrs.evolve(self._header, continues=(self._copied, self._size))))
        # From here on, the error of the estimate of the size without obsolete lines.
        self._live -= self._size
        self._log.sync()
        self._is_written = True
        return True

    def _add(self, data: bytes) -> None:
        self._log.write(data)
        self._size += len(data)

    def _copy(self, far: int) -> None:
        while self._copied < far:
            data = self._source.read(self._copied, min(far, self._copied + _BLOCK))
            if not data:
                raise StorageUnavailable(
                    f"cannot compact {self._path}: the file was truncated while it was copied", path=str(self._path)
                )
            self._add(data)
            self._copied += len(data)

    def _finish(self, shared: SharedLog, *, far: bool) -> int | None:
        """Replace the log by the new file, unless much of the log is still to be copied.

        Returns:
            The offset up to which to copy the log without the lock, or None if the log was replaced or the compaction
            is given up.
        """
        with shared.writing() as opened:
            replay = opened.replay
            if not opened.log.is_same_file(self._source) or not replay.is_sound:
                return None  # another file is at the path by now, or the log must be repaired first
            if far and replay.end - self._copied > _LITTLE:
                return replay.end
            self._copy(replay.end)
            for place, log in self._places:
                if not log.is_at_path(look_at(place)):
                    raise StorageUnavailable(
                        f"cannot replace {self._path} by its compacted copy: {place} was removed or replaced",
                        path=str(place),
                    )
            try:
                if os.name == "nt":  # pragma: no cover  # where a file that is open cannot be replaced
                    self._source.close()
                    opened.log.close()
                self._log.move(self._path)
                shared.switch(opened, self._log, self._size, replay.live - self._live)
                self._placed = True
            except BaseException:
                shared.forget()
                raise
        return None

    def give_up(self) -> None:
        """Remove the new file unless it has replaced the log; doing it again does no harm."""
        if not self._placed:
            with suppress(OSError, StorageUnavailable):
                new_path = _new_path(self._path)
                if self._log.is_at_path(look_at(new_path)):
                    new_path.unlink()
        self.leave()

    def leave(self) -> None:
        """Close the files; in a forked child, the parent goes on with them."""
        self._source.close()
        if not self._placed:
            self._log.close()


def _new_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.compacting")


def _create(new_path: Path, end: int) -> Log | None:
    """Return a new, locked file, or None if another process is writing one; remove the file of one that has stopped."""
    with unavailable("write to", new_path):
        if look_at(new_path) is not None:
            with closing(Log.open(new_path)) as stale:
                is_free = stale.try_lock() or _has_stopped(stale, end)
                if not is_free or not stale.is_at_path(look_at(new_path)):
                    return None
                new_path.unlink()
        try:
            log = Log.create(new_path)
        except FileExistsError:
            return None
    if log.try_lock():
        return log
    log.close()
    return None


def _has_stopped(log: Log, end: int) -> bool:
    """Return whether the log, which is this long, has grown by half since another process began to write a new file."""
    header = decode_header(log.read(0, _FIRST_LINE).partition(b"\n")[0] + b"\n")
    return header is not None and header.continues is not None and 2 * end >= 3 * header.continues[0]
