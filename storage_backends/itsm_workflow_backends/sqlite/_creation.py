"""Make a store: its file gets its tables before its name, so that an empty file is never a store.

The lock of the directory is held meanwhile, so only one of several threads and processes makes the store, and the
others find it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.files import sync_directory, unavailable
from itsm_workflow_backends.sqlite._opening import connect
from itsm_workflow_backends.sqlite._schema import migrate

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator


def create_if_missing(path: Path, *, timeout: float) -> None:
    """Make an empty store, readable by its owner only, unless the path exists.

    Raises:
        StorageUnavailable: The directory is missing or read-only, or other processes held its lock for too long.
    """
    with _directory_locked(path.parent, path, timeout), unavailable("create", path):
        if os.path.lexists(path):
            return
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(descriptor)
        try:
            with closing(connect(Path(name), "rw", timeout=timeout)) as connection:
                for setting in ("synchronous = EXTRA", "fullfsync = ON"):
                    connection.execute(f"PRAGMA {setting}")
                migrate(connection, path)
            Path(name).rename(path)
            sync_directory(path.parent)
        finally:
            for end in ("", "-journal"):
                Path(name + end).unlink(missing_ok=True)


@contextmanager
def _directory_locked(directory: Path, path: Path, timeout: float) -> Iterator[None]:
    if sys.platform == "win32":  # pragma: no cover  # where a directory cannot be opened
        yield
        return
    with unavailable("create", path):
        descriptor = os.open(directory, os.O_RDONLY)
    try:
        _lock(descriptor, path, time.monotonic() + timeout)
        yield
    finally:
        # Unlocked explicitly, because a child that was forked meanwhile has a copy of the descriptor.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _lock(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StorageUnavailable(
                    f"cannot create {path}: another process held the lock of its directory for too long: try again",
                    path=str(path),
                ) from None
            threading.Event().wait(0.002)
        except OSError:
            return  # this file system cannot lock a directory: of two stores made at the same time, one remains
        else:
            return
