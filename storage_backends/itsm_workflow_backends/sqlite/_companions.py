"""The two files that SQLite keeps beside the database while it is open: the write-ahead log and its index.

Until a checkpoint copies it into the database, a commit is in the log alone. A process keeps the log that it has opened
whatever happens to the name: if that is removed, its commits go into a file that no other process can find, and if
another process begins a second log, the two overwrite each other's pages. So both names are compared with what was
opened, before each call and after each commit. The files are never opened here: closing one drops SQLite's locks on it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

import attrs

from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
from itsm_workflow.storage.files import look_at

if TYPE_CHECKING:
    from pathlib import Path

    Identity = tuple[int, int]


@attrs.frozen
class Companions:
    """Which files stand beside a database.

    Attributes:
        path: The database.
        files: The path of each and its identity, None where there is no file.
    """

    path: Path
    files: tuple[tuple[Path, Identity | None], ...]

    @classmethod
    def beside(cls, path: Path) -> Self:
        """Look at the files beside the database.

        Raises:
            StorageUnavailable: One of them is not a plain file.
        """
        return cls(
            path, tuple((file, identity_of(look_at(file))) for file in (_named(path, "-wal"), _named(path, "-shm")))
        )

    @property
    def complete(self) -> bool:
        """Whether both are there, so whether a process has the database open, or died while it had."""
        return all(identity is not None for _, identity in self.files)

    def unchanged(self) -> bool:
        """Whether the same files still stand there."""
        for file, before in self.files:
            try:
                found = os.lstat(file)
            except OSError:
                return False
            if before != (found.st_dev, found.st_ino):
                return False
        return True

    def replaced(self) -> Path | None:
        """Return which of the files is another one now, or None."""
        for file, before in self.files:
            now = identity_of(look_at(file))
            if now is not None and now != before:
                return file
        return None

    def removal(self, outcome: str = "") -> StorageUnavailable:
        """Return the error that says that one was removed; the last connection to be closed writes what was committed.

        Args:
            outcome: A clause on what is known about the attempt.
        """
        gone = next((file for file, _ in self.files if look_at(file) is None), self.files[0][0])
        return StorageUnavailable(
            f"{gone} was removed while the store was open{outcome}. What was committed is written to {self.path} when "
            "the last process that has it open closes it: put nothing in its place, and open the store again",
            path=str(self.path),
        )


def replacement(path: Path, file: Path, outcome: str = "") -> StorageCorrupt:
    """Return the error that says that a file beside a database was replaced, so that nobody may write what it held.

    Args:
        path: The database.
        file: The file beside it.
        outcome: A clause on what is known about the attempt.
    """
    return StorageCorrupt(
        f"{file} was replaced by another file while the store was open{outcome}: each call is refused. Two programs "
        "may have written to the store without seeing each other: stop both, compare it with a backup, then open it "
        "anew",
        path=str(path),
    )


def check_companions(path: Path, found: os.stat_result | None) -> None:
    """Refuse links in place of the files that SQLite makes beside it, and a database that has gone or is empty.

    Args:
        path: The database.
        found: What stands there, or None if it is about to be made.

    Raises:
        StorageUnavailable: A file beside the database is not a plain file.
        StorageCorrupt: The database is empty, or is missing although its log is not.
    """
    log, *_ = (look_at(_named(path, end)) for end in ("-wal", "-shm", "-journal"))
    if found is not None and found.st_size:
        return
    what = "missing" if found is None else "empty"
    if log is not None and log.st_size > 0:
        raise StorageCorrupt(f"{path} is {what} although its write-ahead log is not: restore it", path=str(path))
    if found is not None:
        raise emptiness(path)


def emptiness(path: Path) -> StorageCorrupt:
    """Return the error that says that the file is empty: a store has its tables before it has its name."""
    return StorageCorrupt(
        f"{path} is empty, and a store never is: it has lost its content, or something else made it. It was left as "
        "it is: bring back a backup (`itsm-workflow storage restore`), or remove the file if nothing was ever stored "
        "in it",
        path=str(path),
    )


def identity_of(found: os.stat_result | None) -> Identity | None:
    """Return what a file keeps when it is renamed, and no other file has at the same time."""
    return None if found is None else (found.st_dev, found.st_ino)


def _named(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)
