"""Translate the errors of ``sqlite3`` to errors of this library."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, TypeGuard

from itsm_workflow.errors import StorageCorrupt, StorageError, StorageUnavailable

if TYPE_CHECKING:
    from pathlib import Path

_PRIMARY = 0xFF
_CORRUPT = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        # "No such table" and the like: the statements are fixed, so the tables have been changed.
        sqlite3.SQLITE_ERROR,
        # Under the write lock, after the checks, a constraint can only fail because of damaged data.
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
    }
)
_ADVICE = {
    sqlite3.SQLITE_BUSY: "another process held it locked for too long",
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    # SQLite does not report why the index of the log could not be enlarged; a full disk is the usual cause.
    sqlite3.SQLITE_IOERR_SHMSIZE: "the disk is full: free some space",
    sqlite3.SQLITE_READONLY: "it is read-only: check the mode of the file and of its directory",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: check that it exists and that this user may read and write it",
    sqlite3.SQLITE_IOERR: "reading or writing failed: check the disk",
}


def is_of_sqlite(error: BaseException) -> TypeGuard[sqlite3.Error | UnicodeDecodeError]:
    """Return whether ``sqlite3`` raised the error; it raises UnicodeDecodeError if its message quotes damaged bytes."""
    return isinstance(error, sqlite3.Error | UnicodeDecodeError)


def is_undecodable(error: BaseException) -> bool:
    """Return whether the error is about bytes that are not UTF-8."""
    return isinstance(error, UnicodeDecodeError) or "decode to UTF-8" in str(error)


def translate(
    error: sqlite3.Error | UnicodeDecodeError, path: Path, doing: str, *, outcome: str = "", **about: str
) -> StorageError:
    """Return the error of this library to raise instead of an error of ``sqlite3``.

    Args:
        error: The error of ``sqlite3``.
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
