"""The two files that SQLite keeps next to the database while it is open: the write-ahead log and its index.

Until a checkpoint copies it into the database, a commit is only in the log. A process keeps writing to the log that it
has opened, even if its name is removed or replaced. If the name is removed, the commits go into a file that no other
process can find. If another process then begins a second log, the two processes overwrite each other's pages. So the
files at both names are compared with those that were opened, before each call and after each commit. This module never
opens the files, because closing one would release SQLite's locks on it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs

from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
from itsm_workflow.storage.files import look_at

if TYPE_CHECKING:
    Identity = tuple[int, int]


@attrs.frozen
class Companions:
    """The log and its index next to a database, as they were found at one time.

    Attributes:
        path: The path of the database.
        files: The path of each file, as text, and its identity, or None if the file does not exist.
    """

    path: Path
    files: tuple[tuple[str, Identity | None], ...]

    @classmethod
    def at(cls, path: Path) -> Self:
        """Return the current files next to the database.

        Raises:
            StorageUnavailable: One of them is not a regular file.
        """
        files = (log_of(path), _named(path, "-shm"))
        return cls(path, tuple((str(file), identity_of(look_at(file))) for file in files))

    @property
    def complete(self) -> bool:
        """Whether both files exist, which means that a process has the database open, or died while it did."""
        return all(identity is not None for _, identity in self.files)

    def log_size(self) -> int | None:
        """Return the size of the log in bytes, or None if one of the files is not the same any more."""
        sizes = []
        for file, before in self.files:
            try:
                found = os.lstat(file)
            except OSError:
                return None
            if before != (found.st_dev, found.st_ino):
                return None
            sizes.append(found.st_size)
        return sizes[0]

    def replaced(self) -> Path | None:
        """Return the path of a file that was replaced by another file, or None."""
        for name, before in self.files:
            now = identity_of(look_at(file := Path(name)))
            if now is not None and now != before:
                return file
        return None

    def removed_error(self, outcome: str = "") -> StorageUnavailable:
        """Return the error for a removed file; the last connection that is closed writes what was committed.

        Args:
            outcome: A clause that describes the known outcome of the call.
        """
        gone = next((file for file, _ in self.files if look_at(Path(file)) is None), self.files[0][0])
        return StorageUnavailable(
            f"{gone} was removed while the store was open{outcome}. The committed changes will be written to "
            f"{self.path} when the last process closes the store: do not put another file in its place, close the "
            "store in all processes, and open it again",
            path=str(self.path),
        )


def replaced_error(path: Path, file: Path, outcome: str = "") -> StorageCorrupt:
    """Return the error for a replaced file next to a database, after which no process may write to the database.

    Args:
        path: The path of the database.
        file: The path of the replaced file.
        outcome: A clause that describes the known outcome of the call.
    """
    return StorageCorrupt(
        f"{file} was replaced by another file while the store was open{outcome}: each call is refused. Two programs "
        "may have written to the store without seeing each other's changes: stop both, compare the store with a "
        "backup, then open it again",
        path=str(path),
    )


def check_companions(path: Path, found: os.stat_result | None) -> None:
    """Refuse links in place of the files that SQLite makes next to a database, and a missing or empty database.

    Args:
        path: The path of the database.
        found: The status of the file at the path, or None if it is about to be made.

    Raises:
        StorageUnavailable: A file next to the database is not a regular file.
        StorageCorrupt: The database is empty, or is missing although its log is not.
    """
    log, *_ = (look_at(_named(path, end)) for end in ("-wal", "-shm", "-journal"))
    if found is not None and found.st_size:
        return
    what = "missing" if found is None else "empty"
    if log is not None and log.st_size > 0:
        raise StorageCorrupt(
            f"cannot open {path}: it is {what} although its write-ahead log is not: restore it from a backup with "
            "`itsm-workflow storage restore`",
            path=str(path),
        )
    if found is not None:
        raise empty_error(path)


def empty_error(path: Path) -> StorageCorrupt:
    """Return the error for an empty file, which is never a store: a store gets its tables before its name."""
    return StorageCorrupt(
        f"cannot open {path}: it is empty, and a store is never empty. It has lost its content, or another program "
        "made it. Nothing was changed: restore a backup with `itsm-workflow storage restore`, or remove the file if "
        "nothing was ever stored in it",
        path=str(path),
    )


def identity_of(found: os.stat_result | None) -> Identity | None:
    """Return the device and the inode of a file, which stay the same when it is renamed; None if there is no file."""
    return None if found is None else (found.st_dev, found.st_ino)


def log_of(path: Path) -> Path:
    """Return the path of the log of a database."""
    return _named(path, "-wal")


def _named(path: Path, end: str) -> Path:
    return Path(f"{path}{end}")
