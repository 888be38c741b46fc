"""The causes of errors of database servers, by the codes and sentences of their drivers.

A message contains the server's own sentence, but no details of it, which quote data.
"""

from __future__ import annotations

import enum
import re


class Cause(enum.Enum):
    """The cause of an error, as far as it decides what to do."""

    RACE = "the write lost a race with another transaction, and was undone: try again"
    LOCKED = "another transaction held a lock for too long: try again"
    SLOW = "the statement took longer than the statement time-out: try again, or raise statement_timeout"
    NO_TABLE = "a table is missing: create the tables with `itsm-workflow storage migrate`"
    READ_ONLY = (
        "the server accepts no writes, since it is a read replica or in read-only mode: use the URL of the primary"
    )
    DENIED = "the server refused the account: check the user, the password and its rights"
    NO_DATABASE = "the database does not exist: create it, or correct its name in the URL"
    BUSY = "the server has no free connection: lower pool_size, or raise the server's limit"
    FULL = "the disk of the server is full: free some space"
    DAMAGED = "the server reports damaged data"
    LOST = "the connection to the server was lost"
    OTHER = ""


_BY_CODE: dict[str | int | None, Cause] = {
    # SQLSTATE of PostgreSQL
    "40001": Cause.RACE,
    "40P01": Cause.RACE,
    "55P03": Cause.LOCKED,
    "57014": Cause.SLOW,
    "42P01": Cause.NO_TABLE,
    "3F000": Cause.NO_TABLE,
    "25006": Cause.READ_ONLY,
    "28000": Cause.DENIED,
    "28P01": Cause.DENIED,
    "42501": Cause.DENIED,
    "3D000": Cause.NO_DATABASE,
    "53300": Cause.BUSY,
    "53100": Cause.FULL,
    "XX001": Cause.DAMAGED,
    "XX002": Cause.DAMAGED,
    "57P01": Cause.LOST,
    "57P02": Cause.LOST,
    "57P03": Cause.LOST,
    # numbers of MySQL and MariaDB
    1213: Cause.RACE,
    1020: Cause.RACE,
    1205: Cause.LOCKED,
    1969: Cause.SLOW,
    3024: Cause.SLOW,
    1146: Cause.NO_TABLE,
    1290: Cause.READ_ONLY,
    1792: Cause.READ_ONLY,
    1836: Cause.READ_ONLY,
    1044: Cause.DENIED,
    1045: Cause.DENIED,
    1142: Cause.DENIED,
    1698: Cause.DENIED,
    1049: Cause.NO_DATABASE,
    1040: Cause.BUSY,
    1203: Cause.BUSY,
    1021: Cause.FULL,
    1114: Cause.FULL,
    1034: Cause.DAMAGED,
    1712: Cause.DAMAGED,
    1053: Cause.LOST,
    1317: Cause.LOST,
    1927: Cause.LOST,
    2003: Cause.LOST,
    2006: Cause.LOST,
    2013: Cause.LOST,
}
# libpq gives no code for an error of the connecting itself.
_BY_WORDS = (
    (
        re.compile(r"password authentication failed|no pg_hba\.conf entry|no password supplied|role .* does not"),
        Cause.DENIED,
    ),
    (re.compile(r"database .* does not exist"), Cause.NO_DATABASE),
    (re.compile(r"too many (clients|connections)|connection slots"), Cause.BUSY),
)
UNDO = "undo the transaction"
OUTRUN = f"another transaction wrote the same data, which this one does not see: {UNDO}, and begin again"
UNKNOWN = "whether it was stored is unknown: read the change again before you act on it"


def cause_by_code(original: BaseException | None) -> Cause | None:
    """Return the cause that a driver's error has by its code, or None."""
    return _BY_CODE.get(_code(original))


def cause_by_words(original: BaseException | None) -> Cause:
    """Return the cause that a driver's error has by its sentence."""
    text = str(original)
    return next((cause for words, cause in _BY_WORDS if words.search(text)), Cause.OTHER)


def sentence_of(error: BaseException) -> str:
    """Return the server's sentence on one line, without details, which quote data."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    args = error.args
    text = primary or (args[1] if len(args) > 1 and isinstance(args[0], int) else str(error))
    lines = [line for line in str(text).splitlines() if line.strip()] or [type(error).__name__]
    last = lines[0].rpartition("FATAL:")[2] if "FATAL:" in lines[0] else lines[0]
    return " ".join(last.split()).rstrip(".")


def _code(original: BaseException | None) -> str | int | None:
    """Return the number of a MariaDB error, or the SQLSTATE of a PostgreSQL error."""
    args = getattr(original, "args", ())
    if args and isinstance(args[0], int):
        return args[0]
    return getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)  # of psycopg 3, of psycopg2
