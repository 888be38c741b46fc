"""The file itself: opened, read, appended to, replaced as a whole. Its user holds the lock between processes."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from itsm_workflow.storage.files import SAFE_FLAGS, look_at, sync, sync_directory, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from io import FileIO
    from pathlib import Path


class Log:
    """One opened file."""

    def __init__(self, path: Path) -> None:
        """Open the file that stands at the path.

        Raises:
            StorageUnavailable: There is none, it is no regular file, or it cannot be read and written.
        """
        self._path = path
        with unavailable("open", path):
            self._file: FileIO = open(path, "r+b", buffering=0, opener=_open_plain)  # noqa: SIM115  # closed by close
            found = os.fstat(self._file.fileno())
        self._identity = found.st_dev, found.st_ino

    def is_at_path(self, found: os.stat_result) -> bool:
        """Tell whether what was found at the path is still this file."""
        return self._identity == (found.st_dev, found.st_ino)

    def read(self, start: int) -> bytes:
        """Return everything from the offset on."""
        with unavailable("read", self._path):
            self._file.seek(start)
            return self._file.readall()

    def append(self, end: int, data: bytes) -> None:
        """Write behind the offset, over whatever a crash left there, and make it durable."""
        with unavailable("write to", self._path):
            if os.fstat(self._file.fileno()).st_size != end:
                os.ftruncate(self._file.fileno(), end)
            self._file.seek(end)
            _write_all(self._file, data)
            sync(self._file.fileno())

    def cut(self, end: int) -> None:
        """Take back what was written behind the offset, durably."""
        with unavailable("write to", self._path):
            os.ftruncate(self._file.fileno(), end)
            sync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def replace(path: Path, pieces: Iterable[bytes]) -> int:
    """Put a file made of the pieces at the path in one step, durably, and return its size.

    It has the owner and the mode of the file that it replaces; a new one is readable by its owner only.
    """
    new = path.with_name(f"{path.name}.new")
    with unavailable("replace", path):
        look_at(new)
        # What a crash left; nobody else is writing it, since the lock is held.
        new.unlink(missing_ok=True)
        before = look_at(path)
        try:
            descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | SAFE_FLAGS, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.writelines(pieces)
                file.flush()
                if before is not None and hasattr(os, "fchown"):
                    with suppress(PermissionError):  # only the superuser may give files away
                        os.fchown(file.fileno(), before.st_uid, before.st_gid)
                    os.fchmod(file.fileno(), before.st_mode & 0o777)
                sync(file.fileno())
                size = file.tell()
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)
    return size


def _open_plain(path: str, flags: int) -> int:
    return os.open(path, flags | SAFE_FLAGS)


def _write_all(file: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
