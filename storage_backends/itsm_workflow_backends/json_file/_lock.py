"""The locks between processes: on a lock file next to the log, and on the log itself.

Processes queue for the lock file. If it is removed while a process holds its lock, the next process makes a new lock
file and locks that one. So the log is locked as well, and its path is checked again once the lock is held, because a
lock on a log that was replaced meanwhile excludes no other process.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.files import look_at, unavailable

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_POLL = 0.002


class Lock:
    """The lock file next to the log; the operating system releases its lock when the process that holds it dies."""

    def __init__(self, path: Path, *, timeout: float) -> None:
        self._path = path.with_name(f"{path.name}.lock")
        self._timeout = timeout
        self._lock = FileLock(self._path, mode=0o600, thread_local=False)

    @contextmanager
    def held(self, *, until: float | None = None) -> Iterator[LockDeadline]:
        """Wait for the lock and hold it; yield the rest of the time-out for further locks.

        Args:
            until: The time, by `time.monotonic`, until which to wait; by default, for the time-out.

        Raises:
            StorageUnavailable: Others held it for longer than the time-out, or the lock file cannot be used.
        """
        deadline = LockDeadline(self._timeout, until)
        look_at(self._path)
        with unavailable("lock", self._path):
            self._path.parent.stat()  # filelock would make a directory that was removed
            try:
                self._lock.acquire(timeout=deadline.left, poll_interval=_POLL)
            except Timeout as error:
                raise deadline.exceeded(self._path) from error
        try:
            yield deadline
        finally:
            self._lock.release()


class LockDeadline:
    """The time-out of a call, which limits the waiting for all of its locks together."""

    def __init__(self, timeout: float, until: float | None = None) -> None:
        self._timeout = timeout
        self._until = time.monotonic() + timeout if until is None else until

    @property
    def left(self) -> float:
        """The number of seconds that are left."""
        return max(0.0, self._until - time.monotonic())

    def lock(self, descriptor: int, path: Path) -> None:
        """Wait for the lock of an open file or directory.

        Raises:
            StorageUnavailable: Another process held it for longer than the time-out, or the system cannot lock it.
        """
        while not try_lock(descriptor, path):
            if time.monotonic() >= self._until:
                raise self.exceeded(path)
            time.sleep(_POLL)

    def exceeded(self, path: Path) -> StorageUnavailable:
        """Return the error to raise when the time-out has passed."""
        return StorageUnavailable(
            f"cannot lock {path}: another process held its lock for {self._timeout} s; nothing was stored: try again",
            path=str(path),
        )


def try_lock(descriptor: int, path: Path) -> bool:
    """Lock an open file or directory, unless another process or another object of this process holds its lock.

    The lock belongs to the descriptor and its copies, not to the process. It is not released when another descriptor of
    the same file is closed, nor when a forked child closes its copy.
    """
    if sys.platform == "win32":  # pragma: no cover  # where a file that is open cannot be removed
        return True
    with unavailable("lock", path):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def unlock(descriptor: int) -> None:
    """Release the lock of an open file or directory."""
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextmanager
def directory_locked(path: Path, deadline: LockDeadline) -> Iterator[None]:
    """Hold the lock of a directory, for the time before there is a file that could be locked."""
    if sys.platform == "win32":  # pragma: no cover  # where a directory cannot be opened
        yield
        return
    with unavailable("lock", path):
        descriptor = os.open(path, os.O_RDONLY)
    try:
        deadline.lock(descriptor, path)
        try:
            yield
        finally:
            unlock(descriptor)
    finally:
        os.close(descriptor)
