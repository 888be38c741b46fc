"""Translate the errors of ``sqlite3`` to errors of this library."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageCorrupt, StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOREIGN = (sqlite3.Error, UnicodeDecodeError)
"""The errors that ``sqlite3`` raises; the second one if its message quotes damaged bytes."""

_PRIMARY = 0xFF
_CORRUPT = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        # "No such table" and the like: the statements are fixed, so the tables have been changed.
        sqlite3.SQLITE_ERROR,
        # A constraint that fails although the write has no conflict fails because of damaged data.
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
    }
)
_ADVICE = {
    sqlite3.SQLITE_BUSY: "another process held it locked for too long: try again",
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    # SQLite does not report why the index of the log could not be enlarged; a full disk is the usual cause.
    sqlite3.SQLITE_IOERR_SHMSIZE: "the disk is full: free some space",
    sqlite3.SQLITE_READONLY: "it is read-only: check the mode of the file and of its directory",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: check that it exists and that this user may read and write it",
    sqlite3.SQLITE_IOERR: "reading or writing failed: check the disk",
}


def is_of_disk(error: BaseException | None) -> bool:
    """Return whether a read, a write or a sync of a file failed; the error may be one that `translated` raised."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return error is not None and is_of_disk(error.__cause__)
    return bool(code & _PRIMARY == sqlite3.SQLITE_IOERR)


def is_undecodable(error: BaseException) -> bool:
    """Return whether the error is about bytes that are not UTF-8."""
    return isinstance(error, UnicodeDecodeError) or "decode to UTF-8" in str(error)


@contextmanager
def translated(path: Path, doing: str, *, outcome: str = "") -> Iterator[None]:
    """Raise an error of ``sqlite3`` in the block as an error of this library, see `translation`."""
    try:
        yield
    except FOREIGN as error:
        raise translation(error, path, doing, outcome=outcome) from error


def translation(
    error: sqlite3.Error | UnicodeDecodeError, path: Path, doing: str, *, outcome: str = "", **about: str
) -> StorageCorrupt | StorageUnavailable:
    """Return the error of this library for one of `FOREIGN`.

    Args:
        error: The error that ``sqlite3`` raised.
        path: The path of the file.
        doing: The attempted action, as in "cannot <doing>".
        outcome: A clause that describes the known outcome of the action.
        about: Further attributes of the error.
    """
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & _PRIMARY
    facts = {"path": str(path), "sqlite_error": getattr(error, "sqlite_errorname", type(error).__name__), **about}
    if code in _CORRUPT or is_undecodable(error):
        return StorageCorrupt(f"cannot {doing} {path}: it is damaged or not a store ({error}){outcome}", **facts)
    advice = _ADVICE.get(extended) or _ADVICE.get(code) or str(error)
    return StorageUnavailable(f"cannot {doing} {path}: {advice}{outcome}", **facts)
