"""The file itself: opened, locked, read, appended to, replaced as a whole."""

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

    from itsm_workflow_backends.json_file._lock import Patience

_BLOCK = 64 * 1024


class Log:
    """One opened file."""

    def __init__(self, path: Path, file: FileIO) -> None:
        self._path = path
        self._file = file
        found = os.fstat(file.fileno())
        self._identity = found.st_dev, found.st_ino

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file at the path.

        Raises:
            StorageUnavailable: There is none, it is not a regular file, or it cannot be read and written.
        """
        with unavailable("open", path):
            return cls(path, open(path, "r+b", buffering=0, opener=_open_plain))  # closed by close

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make a file at the path, readable by its owner only.

        Raises:
            FileExistsError: There is one.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | SAFE_FLAGS, 0o600)
        return cls(path, os.fdopen(descriptor, "r+b", buffering=0))

    def is_at_path(self, found: os.stat_result | None) -> bool:
        """Return whether what was found at the path is still this file."""
        return found is not None and self._identity == (found.st_dev, found.st_ino)

    def is_same_file(self, other: Log) -> bool:
        """Return whether the other one is this file, opened once more."""
        return self._identity == other._identity  # of its own class

    def lock(self, patience: Patience) -> None:
        """Wait for the lock of the file; until it is held, another process may replace the file at its path."""
        patience.lock(self._file.fileno(), self._path)

    def try_lock(self) -> bool:
        """Lock the file unless another process holds its lock."""
        return try_lock(self._file.fileno(), self._path)

    def unlock(self) -> None:
        """Free the lock; a file that was closed holds none."""
        if not self._file.closed:
            unlock(self._file.fileno())

    def size(self) -> int:
        """Return how many bytes there are."""
        with unavailable("read", self._path):
            return os.fstat(self._file.fileno()).st_size

    def read(self, start: int, end: int | None = None) -> bytes:
        """Return everything from the offset on, or up to another one."""
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
        """Return the offset after the last line that has its end; no process changes what is before it."""
        end = self.size()
        while end:
            start = max(0, end - _BLOCK)
            newline = self.read(start, end).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
        return 0

    def append(self, end: int, data: bytes) -> None:
        """Write at the offset, over whatever a crash left there, and make it durable."""
        with unavailable("write to", self._path):
            if os.fstat(self._file.fileno()).st_size != end:
                os.ftruncate(self._file.fileno(), end)
            self._file.seek(end)
            _write_all(self._file, data)
            sync(self._file.fileno())

    def write(self, data: bytes) -> None:
        """Write on; not durable before the next sync."""
        with unavailable("write to", self._path):
            _write_all(self._file, data)

    def write_at_the_start(self, data: bytes) -> None:
        """Write over the first bytes, and be ready to write on at the end."""
        with unavailable("write to", self._path):
            self._file.seek(0)
            _write_all(self._file, data)
            self._file.seek(0, os.SEEK_END)

    def sync(self) -> None:
        """Make everything durable that is in the file."""
        with unavailable("write to", self._path):
            sync(self._file.fileno())

    def cut(self, end: int) -> None:
        """Take back what was written behind the offset, durably."""
        with unavailable("write to", self._path):
            os.ftruncate(self._file.fileno(), end)
            sync(self._file.fileno())

    def move(self, path: Path) -> None:
        """Put the file, which is durable, in place of the one at the path, durably.

        It gets the owner and the mode of that one.
        """
        with unavailable("replace", path):
            _take_after(path, self._file.fileno())
            sync(self._file.fileno())
            if os.name == "nt":  # pragma: no cover  # where a file that is open cannot be renamed
                self._file.close()
            self._path.replace(path)
            self._path = path
            sync_directory(path.parent)
            if self._file.closed:  # pragma: no cover  # the same
                self._file = open(path, "r+b", buffering=0, opener=_open_plain)  # noqa: SIM115  # closed by close

    def close(self) -> None:
        """Close the file, which frees its lock."""
        self._file.close()


def replace(path: Path, pieces: Iterable[bytes]) -> None:
    """Put a file made of the pieces at the path in one step, durably; the lock is held.

    It has the owner and the mode of the file that it replaces; a new one is readable by its owner only.
    """
    new = path.with_name(f"{path.name}.new")
    with unavailable("replace", path):
        look_at(new)
        # What a crash left; another process does not write it, since the lock is held.
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
    """Yield the same bytes in pieces that are worth a call of the system."""
    block = bytearray()
    for piece in pieces:
        block += piece
        if len(block) >= _BLOCK:
            yield bytes(block)
            block.clear()
    yield bytes(block)


def _take_after(path: Path, descriptor: int) -> None:
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
