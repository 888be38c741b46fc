"""Translate the errors of Django's database layer to errors of this library.

Django's errors have the driver's error as their cause, whose code decides.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import Error, InterfaceError, OperationalError

from itsm_workflow.errors import StorageCorrupt, StorageError, StorageSchemaError, StorageUnavailable
from itsm_workflow.storage.server_errors import Cause, cause_by_code, cause_by_words, sentence_of

if TYPE_CHECKING:
    from collections.abc import Iterator

MIGRATE = "`manage.py migrate itsm_workflow --database {alias}`"
_PRIMARY = 0xFF
_BY_SQLITE_CODE = {
    sqlite3.SQLITE_BUSY: Cause.LOCKED,
    sqlite3.SQLITE_LOCKED: Cause.LOCKED,
    sqlite3.SQLITE_FULL: Cause.FULL,
    sqlite3.SQLITE_CORRUPT: Cause.DAMAGED,
    sqlite3.SQLITE_NOTADB: Cause.DAMAGED,
    sqlite3.SQLITE_READONLY: Cause.READ_ONLY,
}
_ADVICE = {
    Cause.NO_TABLE: f"a table is missing: create the tables with {MIGRATE}",
    Cause.NO_DATABASE: "the database does not exist: create it, or correct its name in DATABASES",
    Cause.READ_ONLY: "the database accepts no writes: check the mode of its file, or whether it is a read replica",
    Cause.BUSY: "the server has no free connection: raise its limit, or use fewer processes and threads",
    Cause.SLOW: "the statement took longer than its time-out: try again, or raise it",
}


def cause_of(error: Error) -> Cause:
    """Return the cause of an error that Django raised."""
    original = error.__cause__
    code = getattr(original, "sqlite_errorcode", None)
    if code is not None:
        if "no such table" in str(original):
            return Cause.NO_TABLE
        return _BY_SQLITE_CODE.get(code & _PRIMARY, Cause.OTHER)
    found = cause_by_code(original)
    if found is not None:
        return found
    words = cause_by_words(original or error)
    if words is Cause.OTHER and isinstance(error, InterfaceError | OperationalError) and original is not None:
        return Cause.LOST  # the drivers give no code for a connection that was lost
    return words


def is_lost(error: Error) -> bool:
    """Return whether the connection was lost."""
    return cause_of(error) is Cause.LOST


def translated(error: Error, alias: str, doing: str, *, outcome: str = "", **facts: str) -> StorageError:
    """Return the error of this library for an error that Django raised.

    Args:
        error: The error.
        alias: The name of the database in ``DATABASES``.
        doing: The attempted action, as in "cannot <doing>".
        outcome: What is known of the outcome.
        facts: Further attributes of the error.
    """
    cause = cause_of(error)
    advice = _ADVICE.get(cause, cause.value).format(alias=alias)
    reason = sentence_of(error.__cause__ or error)
    message = f"cannot {doing}: {reason}{advice and f'; {advice}'}{outcome and f'; {outcome}'}"
    if cause is Cause.DAMAGED:
        return StorageCorrupt(message, **facts)
    if cause is Cause.NO_TABLE:
        return StorageSchemaError(message, **facts)
    return StorageUnavailable(message, **facts)


@contextmanager
def translating(alias: str, doing: str, **facts: str) -> Iterator[None]:
    """Raise an error of Django in the block as an error of this library, see `translated`."""
    try:
        yield
    except Error as error:
        # The error of Django can quote the parameters of the statement; that of the driver does not.
        raise translated(error, alias, doing, **facts) from error.__cause__
