"""Compaction: rewrite the log without obsolete lines, while other processes use it.

The long part is done without the lock of the log, in a new file next to it:

1. under the lock, a snapshot of the rows is taken, and the offset up to which they were read;
2. the rows are written to the new file and synced;
3. the lines that were appended to the log meanwhile are copied to the new file, until little is left;
4. under the lock, the remaining lines are copied and synced, and the new file replaces the log.

The new file is locked while it is written. If the process is killed at any point, the log is intact, and the next
compaction removes the new file.
"""

from __future__ import annotations

import os
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Self

import attrs

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.files import look_at, unavailable
from itsm_workflow_backends.json_file._format import encode_header
from itsm_workflow_backends.json_file._log import Log, in_blocks
from itsm_workflow_backends.json_file._rewrite import rewritten

if TYPE_CHECKING:
    from pathlib import Path

    from itsm_workflow_backends.json_file._replay import Replay
    from itsm_workflow_backends.json_file._shared import SharedLog

_LITTLE = 64 * 1024
_MOST_ROUNDS = 8
_BLOCK = 1024 * 1024


class Compaction:
    """A single compaction of the log, which may be given up on the way."""

    def __init__(self, path: Path, log: Log, source: Log, replay: Replay) -> None:
        self._path = path
        self._log = log
        self._placed = False
        self._source = source
        self._copied = replay.end
        self._header = replay.next_header(continues=(replay.end, 0))
        # A snapshot: the table changes while the lines are written.
        self._lines = rewritten(self._header, replay.table.writes())
        self._live = replay.live
        self._size = 0

    @classmethod
    def begin(cls, path: Path, replay: Replay) -> Self | None:
        """Take a snapshot; the caller holds the lock.

        Returns:
            The compaction, or None if another process or thread is compacting the log.

        Raises:
            StorageUnavailable: The new file cannot be made.
        """
        # A second descriptor, because the one in use may be closed while this one is read.
        source = Log.open(path)
        try:
            log = _create(_new_path(path))
        except BaseException:
            source.close()
            raise
        if log is None:
            source.close()
            return None
        return cls(path, log, source, replay)

    def run(self, shared: SharedLog) -> None:
        """Write the new file, and replace the log by it or remove it.

        Raises:
            StorageUnavailable: The new file cannot be written; the log was not changed.
        """
        try:
            self._write()
            rounds = 0
            while (far := self._finish(shared, far=rounds < _MOST_ROUNDS)) is not None:
                self._copy(far)
                self._log.sync()
                rounds += 1
        finally:
            self._clear_away()

    def _write(self) -> None:
        for block in in_blocks(self._lines):
            self._log.write(block)
            self._size += len(block)
        self._log.write_at_the_start(encode_header(attrs.evolve(self._header, continues=(self._copied, self._size))))
        # From here on, the error of the estimate of the size without obsolete lines.
        self._live -= self._size
        self._log.sync()

    def _copy(self, far: int) -> None:
        while self._copied < far:
            data = self._source.read(self._copied, min(far, self._copied + _BLOCK))
            if not data:
                raise StorageUnavailable(
                    f"cannot compact {self._path}: the file was truncated while it was copied", path=str(self._path)
                )
            self._log.write(data)
            self._copied += len(data)
            self._size += len(data)

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
            for place, log in ((self._path, self._source), (_new_path(self._path), self._log)):
                if not log.is_at_path(look_at(place)):
                    raise StorageUnavailable(
                        f"cannot replace {self._path} by its compacted copy: {place} was removed", path=str(place)
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

    def _clear_away(self) -> None:
        self._source.close()
        if not self._placed:
            with suppress(OSError, StorageUnavailable):
                new_path = _new_path(self._path)
                if self._log.is_at_path(look_at(new_path)):
                    new_path.unlink()
            self._log.close()


def check_compact_at(size: object) -> None:
    """Reject a value of ``compact_at`` that is not a number of bytes.

    Raises:
        TypeError: The value is not an int.
    """
    if not isinstance(size, int) or isinstance(size, bool):
        raise TypeError(f"compact_at must be a number of bytes, not {type(size).__name__}")


def _new_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.compacting")


def _create(new_path: Path) -> Log | None:
    """Return a new, locked file, or None if another process has one; remove the file that a crash left."""
    with unavailable("write to", new_path):
        if look_at(new_path) is not None:
            with closing(Log.open(new_path)) as stale:
                if not stale.try_lock() or not stale.is_at_path(look_at(new_path)):
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
