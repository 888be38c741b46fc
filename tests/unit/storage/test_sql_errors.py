"""The errors of the database drivers, translated."""

from __future__ import annotations

import psycopg
import pymysql  # type: ignore[import-untyped]  # it has no types
import pytest
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from itsm_workflow.errors import StorageCorrupt, StorageError, StorageSchemaError, StorageUnavailable
from itsm_workflow.storage.server_errors import UNKNOWN, Cause
from itsm_workflow_backends.sql._errors import cause_of, translated


def of_postgresql(state: str, message: str = "words") -> DBAPIError:
    """Return an error as SQLAlchemy raises it, with data in its parameters."""
    original = psycopg.errors.lookup(state)(message)
    return OperationalError("UPDATE t SET form = %s", {"form": "private"}, original)


def of_mysql(number: int, message: str = "words") -> DBAPIError:
    """Return an error as SQLAlchemy raises it."""
    return OperationalError("UPDATE t", {"form": "private"}, pymysql.err.OperationalError(number, message))


@pytest.mark.parametrize(
    ("error", "cause", "kind"),
    [
        (of_postgresql("40P01"), Cause.RACE, StorageUnavailable),
        (of_postgresql("40001"), Cause.RACE, StorageUnavailable),
        (of_postgresql("57014"), Cause.SLOW, StorageUnavailable),
        (of_postgresql("25006"), Cause.READ_ONLY, StorageUnavailable),
        (of_postgresql("42P01"), Cause.NO_TABLE, StorageSchemaError),
        (of_postgresql("XX001"), Cause.DAMAGED, StorageCorrupt),
        (of_mysql(1213), Cause.RACE, StorageUnavailable),
        (of_mysql(1205), Cause.LOCKED, StorageUnavailable),
        (of_mysql(1290), Cause.READ_ONLY, StorageUnavailable),
        (of_mysql(1045), Cause.DENIED, StorageUnavailable),
        (of_mysql(1146), Cause.NO_TABLE, StorageSchemaError),
        (of_mysql(9999), Cause.OTHER, StorageUnavailable),
    ],
)
def test_each_error_has_its_cause(error: DBAPIError, cause: Cause, kind: type[StorageError]) -> None:
    """The cause decides the type and the advice; no message quotes the parameters."""
    assert cause_of(error) is cause
    raised = translated(error, "store 1 change")
    assert type(raised) is kind
    assert str(raised).startswith("cannot store 1 change: words")
    assert cause.value in str(raised)
    assert "private" not in str(raised)


def test_the_words_of_a_refused_connection() -> None:
    """The driver names no code, and repeats its sentence for each address of the host."""
    words = 'connection to server at "::1", port 5432 failed: FATAL:  password authentication failed for user "x"'
    error = OperationalError(None, None, psycopg.OperationalError(f"{words}\n{words}"))
    assert cause_of(error) is Cause.DENIED
    assert str(translated(error, "open it")).startswith(
        'cannot open it: password authentication failed for user "x"; the server refused the account'
    )


def test_an_exhausted_pool() -> None:
    """Its sentence is short, and says what the caller can do."""
    assert str(translated(PoolTimeout("QueuePool limit of size 5 …"), "read")) == (
        "cannot read: all connections of the pool are in use; raise pool_size or max_overflow, or use fewer threads"
    )


def test_an_unknown_outcome_is_said() -> None:
    """The sentence about the outcome follows the reason."""
    assert str(translated(of_mysql(2013, "Lost connection"), "store", outcome=UNKNOWN)).endswith(UNKNOWN)
