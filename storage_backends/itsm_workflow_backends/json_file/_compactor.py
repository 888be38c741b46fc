"""Compact the log in steps, one after each commit, from the time when half of it is obsolete.

A commit that finds half of the log obsolete begins a compaction. It and the following commits of the process each do a
step of it, after they have released the locks, so no commit takes long, and no thread is started. Only if the commits
of the processes are too few for that, because each process ends soon, does the log reach four times its size without
obsolete lines. Then one commit does everything, which takes a fraction of the time in which the log was opened.
"""

from __future__ import annotations

import logging
import math
import os
import threading
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageError, StorageUnavailable
from itsm_workflow_backends.json_file._compaction import Compaction

if TYPE_CHECKING:
    from pathlib import Path

    from itsm_workflow_backends.json_file._shared import Opened, SharedLog

logger = logging.getLogger("itsm_workflow_backends.json_file")

STEP = 64 * 1024
"""The number of bytes by which the new file grows in a step, or twice as many as the commit appended, if that is more.
"""

_DO_EVERYTHING_AT = 4
"""How many times as long as without obsolete lines a log is that is compacted within one commit."""

# After a fork, several threads of the child may notice it at the same time.
_AFTER_FORK = threading.Lock()


class Compactor:
    """The compactions of the log by this process, one at a time."""

    def __init__(self, path: Path, shared: SharedLog, *, compact_at: int) -> None:
        """Make it without looking at the log.

        Args:
            path: The path of the log.
            shared: The log.
            compact_at: The size in bytes from which on the log is compacted.

        Raises:
            TypeError: The size is not an int.
        """
        _check_compact_at(compact_at)
        self._path = path
        self._shared = shared
        self._compact_at = compact_at
        self._current: Compaction | None = None
        self._start()

    def _start(self) -> None:
        self._stepping = threading.Lock()
        self._current = None
        self._due: float = 0
        self._pid = os.getpid()

    def note(self, opened: Opened, size: int) -> None:
        """Begin a compaction if it is worth it, after a commit of so many bytes; the caller holds the lock."""
        self._reset_after_fork()
        self._due = max(STEP, 2 * size)
        replay = opened.replay
        if self._current is not None or not replay.is_sound:
            return
        if replay.end < max(self._compact_at, opened.compact_from, 2 * replay.live):
            return
        # If the compaction fails, the next one is tried when the file has grown by half.
        opened.compact_from = replay.end + replay.end // 2
        try:
            self._current = Compaction.begin(self._path, replay)
        except StorageUnavailable as error:
            self._report(error)
        if replay.end >= _DO_EVERYTHING_AT * replay.live:
            self._due = math.inf

    def step(self) -> None:
        """Do a step of the compaction, unless another thread does one; the caller holds no lock.

        An error is logged, since the commit before it is durable, so it has succeeded.
        """
        self._reset_after_fork()
        if not self._stepping.acquire(blocking=False):
            return
        try:
            size, self._due = self._due, 0
            if self._current is not None and size:
                self._step(self._current, size)
        finally:
            self._stepping.release()

    def _step(self, current: Compaction, size: float) -> None:
        has_ended = True
        try:
            if current.is_overtaken:
                current.give_up()
            else:
                has_ended = current.step(self._shared, size)
        except StorageError as error:
            self._report(error)
        finally:
            if has_ended:
                self._current = None

    def compact(self) -> None:
        """Compact the log now, see `JSONFileBackend.compact`."""
        self._give_up()
        with self._shared.writing() as opened:
            opened.replay.check_writable(opened.replay.quarantined)
            compaction = Compaction.begin(self._path, opened.replay)
        if compaction is not None:
            compaction.step(self._shared, math.inf)

    def close(self) -> None:
        """Give up the compaction; the log must be closed, so that no other one is begun."""
        self._give_up()

    def _give_up(self) -> None:
        self._reset_after_fork()
        with self._stepping:
            current, self._current = self._current, None
            if current is not None:
                current.give_up()

    def _report(self, error: StorageError) -> None:
        logger.warning("%s was not compacted: %s", self._path, error)

    def _reset_after_fork(self) -> None:
        """Leave a compaction to the parent in a forked child."""
        if self._pid != os.getpid():
            with _AFTER_FORK:
                if self._pid != os.getpid():
                    if self._current is not None:
                        self._current.leave()
                    self._start()


def _check_compact_at(size: object) -> None:
    if not isinstance(size, int) or isinstance(size, bool):
        raise TypeError(f"compact_at must be a number of bytes, not {type(size).__name__}")
