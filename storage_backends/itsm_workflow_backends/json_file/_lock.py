"""The lock between processes, in a file beside the store."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.files import look_at, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_POLL = 0.002


class Lock:
    """Held by one process at a time; the system frees it when that dies."""

    def __init__(self, path: Path, *, timeout: float) -> None:
        self._path = path.with_name(f"{path.name}.lock")
        self._timeout = timeout
        self._lock = FileLock(self._path, mode=0o600, thread_local=False)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait for the lock and hold it.

        Raises:
            StorageUnavailable: Others held it for longer than the timeout, or the lock file cannot be used.
        """
        look_at(self._path)
        with unavailable("lock", self._path):
            try:
                self._lock.acquire(timeout=self._timeout, poll_interval=_POLL)
            except Timeout as error:
                raise StorageUnavailable(
                    f"another process held {self._path} for {self._timeout} s; nothing was stored", path=str(self._path)
                ) from error
        try:
            yield
        finally:
            self._lock.release()
