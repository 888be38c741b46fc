"""Translate the errors of the drivers to errors of this library.

A message contains the server's own sentence, but neither the statement nor its parameters, which hold the data of
changes.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from itsm_workflow.errors import StorageCorrupt, StorageError, StorageSchemaError, StorageUnavailable
from itsm_workflow.storage.server_errors import Cause, cause_by_code, cause_by_words, sentence_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def cause_of(error: SQLAlchemyError) -> Cause:
    """Return the cause of an error that SQLAlchemy raised."""
    if isinstance(error, PoolTimeout):
        return Cause.BUSY
    if not isinstance(error, DBAPIError):
        return Cause.OTHER
    found = cause_by_code(error.orig)
    if found is not None:
        return found
    return Cause.LOST if error.connection_invalidated else cause_by_words(error.orig)


def translated(error: SQLAlchemyError, doing: str, *, outcome: str = "", **facts: str) -> StorageError:
    """Return the error of this library for an error that SQLAlchemy raised.

    Args:
        error: The error.
        doing: The attempted action, as in "cannot <doing>".
        outcome: What is known of the outcome.
        facts: Further attributes of the error.
    """
    cause = cause_of(error)
    if isinstance(error, PoolTimeout):
        advice = "all connections of the pool are in use; raise pool_size or max_overflow, or use fewer threads"
    else:
        reason = sentence_of(getattr(error, "orig", None) or error)
        advice = f"{reason}; {cause.value}" if cause.value else reason
    message = f"cannot {doing}: {advice}{outcome and f'; {outcome}'}"
    if cause is Cause.DAMAGED:
        return StorageCorrupt(message, **facts)
    if cause is Cause.NO_TABLE:
        return StorageSchemaError(message, **facts)
    return StorageUnavailable(message, **facts)


def original_of(error: SQLAlchemyError) -> BaseException | None:
    """Return the driver's error, as the cause of that of this library, or None.

    The error of SQLAlchemy quotes the parameters of the statement; that of the driver does not. The variables in its
    traceback are the parameters too, or the password with which an engine of the host connects.
    """
    original: BaseException | None = getattr(error, "orig", None)
    return None if original is None else original.with_traceback(None)


@contextmanager
def translating(doing: str, *, outcome: str = "", **facts: str) -> Iterator[None]:
    """Raise an error of SQLAlchemy in the block as an error of this library, see `translated`."""
    try:
        yield
    except SQLAlchemyError as error:
        raise translated(error, doing, outcome=outcome, **facts) from original_of(error)
