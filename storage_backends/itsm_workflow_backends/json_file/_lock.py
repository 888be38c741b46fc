"""The locks between processes: on a file beside the log, and on the log itself.

Processes queue at the file beside the log. It can be removed while it is held, and the next process would make a new
one and hold that. So the log is locked as well, and its path is looked at again once the lock is held: a process that
has locked a log that was replaced meanwhile holds nothing.
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
    """The file beside the log: held by one process at a time; the system frees it when that dies."""

    def __init__(self, path: Path, *, timeout: float) -> None:
        self._path = path.with_name(f"{path.name}.lock")
        self._timeout = timeout
        self._lock = FileLock(self._path, mode=0o600, thread_local=False)

    @contextmanager
    def held(self) -> Iterator[Patience]:
        """Wait for the lock and hold it; what is left of the time is for further locks.

        Raises:
            StorageUnavailable: Others held it for longer than the timeout, or the lock file cannot be used.
        """
        patience = Patience(self._timeout)
        look_at(self._path)
        with unavailable("lock", self._path):
            try:
                self._lock.acquire(timeout=self._timeout, poll_interval=_POLL)
            except Timeout as error:
                raise patience.ended(self._path) from error
        try:
            yield patience
        finally:
            self._lock.release()


class Patience:
    """How long a call waits for other processes, all its locks together."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._until = time.monotonic() + timeout

    def lock(self, descriptor: int, path: Path) -> None:
        """Wait for the lock of an open file or directory.

        Raises:
            StorageUnavailable: Another process held it for longer than the timeout, or the system cannot lock it.
        """
        while not try_lock(descriptor, path):
            if time.monotonic() >= self._until:
                raise self.ended(path)
            time.sleep(_POLL)

    def ended(self, path: Path) -> StorageUnavailable:
        """Return the error of a call that has waited for too long."""
        return StorageUnavailable(
            f"another process held {path} for {self._timeout} s; nothing was stored", path=str(path)
        )


def try_lock(descriptor: int, path: Path) -> bool:
    """Lock an open file or directory unless another process, or another object of this one, holds its lock.

    The lock belongs to the descriptor and its copies, not to the process: closing another descriptor of the same file
    does not free it, and a forked child that closes its copy does not either.
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
    """Free the lock of an open file or directory."""
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextmanager
def directory_locked(path: Path, patience: Patience) -> Iterator[None]:
    """Hold the lock of a directory, which protects what has no file yet that could be locked."""
    if sys.platform == "win32":  # pragma: no cover  # where a directory cannot be opened
        yield
        return
    with unavailable("lock", path):
        descriptor = os.open(path, os.O_RDONLY)
    try:
        patience.lock(descriptor, path)
        try:
            yield
        finally:
            unlock(descriptor)
    finally:
        os.close(descriptor)
