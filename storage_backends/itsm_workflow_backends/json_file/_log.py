"""The file operations on the log: open, lock, read, append, replace."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from itsm_workflow.storage.files import SAFE_FLAGS, look_at, sync, sync_directory, unavailable
from itsm_workflow_backends.json_file._lock import try_lock, unlock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import FileIO
    from pathlib import Path

    from itsm_workflow_backends.json_file._lock import LockDeadline

_BLOCK = 64 * 1024


class Log:
    """An open file."""

    def __init__(self, path: Path, file: FileIO) -> None:
        self._path = path
        self._file = file
        found = os.fstat(file.fileno())
        self._identity = found.st_dev, found.st_ino

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file at the path.

        Raises:
            StorageUnavailable: The file does not exist, is not a regular file, or cannot be read and written.
        """
        with unavailable("open", path):
            return cls(path, open(path, "r+b", buffering=0, opener=_open_plain))  # closed by close

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make a file at the path, readable by its owner only.

        Raises:
            FileExistsError: The path exists.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | SAFE_FLAGS, 0o600)
        return cls(path, os.fdopen(descriptor, "r+b", buffering=0))

    def is_at_path(self, found: os.stat_result | None) -> bool:
        """Return whether the status that was read at the path is that of this file."""
        return found is not None and self._identity == (found.st_dev, found.st_ino)

    def is_same_file(self, other: Log) -> bool:
        """Return whether both objects have the same file open."""
        return self._identity == other._identity

    def lock(self, deadline: LockDeadline) -> None:
        """Wait for the lock of the file; until it is held, another process may replace the file at its path."""
        deadline.lock(self._file.fileno(), self._path)

    def try_lock(self) -> bool:
        """Lock the file unless another process holds its lock."""
        return try_lock(self._file.fileno(), self._path)

    def unlock(self) -> None:
        """Release the lock; does nothing if the file is closed, since closing releases it."""
        if not self._file.closed:
            unlock(self._file.fileno())

    def size(self) -> int:
        """Return the size of the file in bytes."""
        with unavailable("read", self._path):
            return os.fstat(self._file.fileno()).st_size

    def read(self, start: int, end: int | None = None) -> bytes:
        """Return the bytes from one offset up to another one, by default up to the end."""
        with unavailable("read", self._path):
            self._file.seek(start)
            if end is None:
                return self._file.readall()
            pieces, rest = [], end - start
            while rest > 0 and (piece := self._file.read(rest)):
                pieces.append(piece)
                rest -= len(piece)
            return b"".join(pieces)

    def whole_end(self) -> int:
        """Return the offset after the last complete line; no process changes the part before it."""
        end = self.size()
        while end:
            start = max(0, end - _BLOCK)
            newline = self.read(start, end).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
        return 0

    def append(self, end: int, data: bytes) -> None:
        """Write at the offset, in place of anything that a crash left there, and make it durable."""
        with unavailable("write to", self._path):
            if os.fstat(self._file.fileno()).st_size != end:
                os.ftruncate(self._file.fileno(), end)
            self._file.seek(end)
            _write_all(self._file, data)
            sync(self._file.fileno())

    def write(self, data: bytes) -> None:
        """Write at the current position; the data is not durable before the next sync."""
        with unavailable("write to", self._path):
            _write_all(self._file, data)

    def write_at_the_start(self, data: bytes) -> None:
        """Overwrite the first bytes, then move the position to the end of the file."""
        with unavailable("write to", self._path):
            self._file.seek(0)
            _write_all(self._file, data)
            self._file.seek(0, os.SEEK_END)

    def sync(self) -> None:
        """Make everything in the file durable."""
        with unavailable("write to", self._path):
            sync(self._file.fileno())

    def cut(self, end: int) -> None:
        """Remove everything after the offset, durably."""
        with unavailable("write to", self._path):
            os.ftruncate(self._file.fileno(), end)
            sync(self._file.fileno())

    def move(self, path: Path) -> None:
        """Replace the file at the path by this file, durably; it takes over the owner and the mode.

        The content of this file must be durable already.
        """
        with unavailable("replace", path):
            _copy_owner_and_mode(path, self._file.fileno())
            sync(self._file.fileno())
            if os.name == "nt":  # pragma: no cover  # where a file that is open cannot be renamed
                self._file.close()
            self._path.replace(path)
            self._path = path
            sync_directory(path.parent)
            if self._file.closed:  # pragma: no cover  # the same
                self._file = open(path, "r+b", buffering=0, opener=_open_plain)  # noqa: SIM115  # closed by close

    def close(self) -> None:
        """Close the file, which releases its lock, even if the system reports an error: the data was synced before."""
        with suppress(OSError):
            self._file.close()


def replace(path: Path, pieces: Iterable[bytes]) -> None:
    """Put a file with these bytes at the path in one step, durably; the caller holds the lock.

    The file takes over the owner and the mode of the file that it replaces. A new file is readable by its owner only.
    """
    new = path.with_name(f"{path.name}.new")
    with unavailable("replace", path):
        look_at(new)
        # A crash can leave this file. Because the lock is held, no other process is writing it.
        new.unlink(missing_ok=True)
        log = Log.create(new)
        try:
            for block in in_blocks(pieces):
                log.write(block)
            log.move(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        finally:
            log.close()


def in_blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in larger pieces, for fewer system calls."""
    block = bytearray()
    for piece in pieces:
        block += piece
        if len(block) >= _BLOCK:
            yield bytes(block)
            block.clear()
    yield bytes(block)


def _copy_owner_and_mode(path: Path, descriptor: int) -> None:
    before = look_at(path)
    if before is not None and hasattr(os, "fchown"):
        with suppress(PermissionError):  # only the superuser may give files away
            os.fchown(descriptor, before.st_uid, before.st_gid)
        os.fchmod(descriptor, before.st_mode & 0o777)


def _open_plain(path: str, flags: int) -> int:
    return os.open(path, flags | SAFE_FLAGS)


def _write_all(file: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
