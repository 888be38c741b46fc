"""The one place where what ``sqlite3`` raises becomes an error of the library."""

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
        # "No such table" and the like: the statements are fixed, so the tables are not those that were made.
        sqlite3.SQLITE_ERROR,
        # Under the write lock, after the checks, a constraint can only fail on what is stored already.
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
    }
)
_ADVICE = {
    sqlite3.SQLITE_BUSY: "another process held it locked for too long",
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    # The index of the log, beside the file, could not be made large enough; SQLite does not say why.
    sqlite3.SQLITE_IOERR_SHMSIZE: "the disk is full: free some space",
    sqlite3.SQLITE_READONLY: "it is read-only: check the mode of the file and of its directory",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: check that it exists and who may read it",
    sqlite3.SQLITE_IOERR: "reading or writing failed: check the disk",
}


def is_of_sqlite(error: BaseException) -> TypeGuard[sqlite3.Error | UnicodeDecodeError]:
    """Tell whether ``sqlite3`` raised it; a message that quotes damaged bytes is one that it cannot decode."""
    return isinstance(error, sqlite3.Error | UnicodeDecodeError)


def is_undecodable(error: BaseException) -> bool:
    """Return whether the error is about bytes that are not UTF-8."""
    return isinstance(error, UnicodeDecodeError) or "decode to UTF-8" in str(error)


def translate(
    error: sqlite3.Error | UnicodeDecodeError, path: Path, doing: str, *, outcome: str = "", **about: str
) -> StorageError:
    """Return the error to raise instead.

    Args:
        error: What ``sqlite3`` raised.
        path: The file.
        doing: What was attempted, as in "cannot <doing>".
        outcome: A clause on what is known about the attempt.
        about: Further facts that the error carries.
    """
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & _PRIMARY
    facts = {"path": str(path), "sqlite_error": getattr(error, "sqlite_errorname", type(error).__name__), **about}
    if code in _CORRUPT or is_undecodable(error):
        return StorageCorrupt(f"cannot {doing} {path}: it is damaged or no store ({error}){outcome}", **facts)
    advice = _ADVICE.get(extended) or _ADVICE.get(code) or str(error)
    return StorageUnavailable(f"cannot {doing} {path}: {advice}{outcome}", **facts)
