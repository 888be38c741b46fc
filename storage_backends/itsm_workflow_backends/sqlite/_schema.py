"""The tables, and how a file becomes or is recognised as a store of this version.

``application_id`` says that the file is ours, ``user_version`` which migrations it has been through. A migration is
appended, never edited: files that went through it exist.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageCorrupt, StorageSchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APPLICATION_ID = 0x49545357  # "ITSW"
MARKED_ID = 0x4954534D  # "ITSM", see _marking
BACKUP_ID = 0x49545342  # "ITSB", the same

_VERSION_1 = (
    """
    CREATE TABLE changes (
        id TEXT NOT NULL PRIMARY KEY,
        workflow TEXT NOT NULL,
        state TEXT NOT NULL,
        attention TEXT,
        version INTEGER NOT NULL CHECK (version >= 1),
        seq INTEGER NOT NULL CHECK (seq >= 0),
        subject TEXT NOT NULL,
        open_subject TEXT,
        ticket_key TEXT,
        ticket_sn TEXT,
        due_at INTEGER,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        form TEXT NOT NULL,
        document TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE entries (
        change_id TEXT NOT NULL,
        seq INTEGER NOT NULL CHECK (seq >= 1),
        at INTEGER NOT NULL,
        "trigger" TEXT NOT NULL,
        source TEXT NOT NULL,
        dest TEXT NOT NULL,
        actor TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (change_id, seq)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE UNIQUE INDEX changes_open_subject ON changes (open_subject) WHERE open_subject IS NOT NULL",
    "CREATE UNIQUE INDEX changes_ticket_key ON changes (ticket_key) WHERE ticket_key IS NOT NULL",
    "CREATE INDEX changes_ticket_sn ON changes (ticket_sn) WHERE ticket_sn IS NOT NULL",
    "CREATE INDEX changes_subject ON changes (subject)",
    "CREATE INDEX changes_due_at ON changes (due_at, id) WHERE due_at IS NOT NULL",
    "CREATE INDEX changes_updated_at ON changes (updated_at, id)",
    # An entry is never changed and never deleted, not even by a statement typed into a shell.
    """
    CREATE TRIGGER entries_are_never_changed BEFORE UPDATE ON entries
    BEGIN SELECT RAISE(ABORT, 'an entry is never changed'); END
    """,
    """
    CREATE TRIGGER entries_are_never_deleted BEFORE DELETE ON entries
    BEGIN SELECT RAISE(ABORT, 'an entry is never deleted'); END
    """,
)

_VERSION_2 = (
    "ALTER TABLE changes ADD COLUMN submission INTEGER",
    "DROP INDEX changes_subject",
    # In the order in which the gate asks: the newest submission of a subject first. The workflow is part of it so that
    # the changes that another workflow made for the subject are passed over without reading their rows.
    "CREATE INDEX changes_subject_submission ON changes (subject, submission DESC, id, workflow)",
)

# Each index that decides has a second one beside it, see _indexes. That of the submissions runs the other way, or a
# damaged header, which lets SQLite overlook what is descending, would turn the order of both.
_VERSION_3 = (
    "CREATE INDEX second_subject_submission ON changes (subject, submission, id DESC, workflow)",
    "CREATE INDEX second_open_subject ON changes (open_subject, id) WHERE open_subject IS NOT NULL",
    "CREATE INDEX second_ticket_key ON changes (ticket_key, id) WHERE ticket_key IS NOT NULL",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_VERSION_1, _VERSION_2, _VERSION_3)
"""What leads from each ``user_version`` to the next one."""

SCHEMA_VERSION = len(MIGRATIONS)


def differences(connection: sqlite3.Connection, version: int) -> Iterator[str]:
    """Yield what of the tables, indexes and triggers is not as the migrations up to the version made it."""
    expected, found = _as_made(version), _objects(connection)
    for name, (kind, sql) in expected.items():
        if name not in found:
            yield f"its {kind} {name} is missing"
        # The text of a table depends on the release of SQLite that altered it.
        elif kind != "table" and found[name] != (kind, sql):
            yield f"its {kind} {name} is not as it was made"


def stored_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the store, 0 for an empty file; only reads.

    Raises:
        StorageCorrupt: It is the database of another application, or one without its log.
        StorageSchemaError: It was written by a newer version of this library.
    """
    # In one transaction, or a store that somebody is just making would look like a mixture.
    connection.execute("BEGIN")
    try:
        application = _number(connection, "PRAGMA application_id")
        version = _number(connection, "PRAGMA user_version")
        objects = _number(connection, "SELECT count(*) FROM sqlite_schema")
        pages = _number(connection, "PRAGMA page_count")
    finally:
        if connection.in_transaction:  # SQLite may have ended it, as it does when the disk is full
            connection.execute("ROLLBACK")
    if application == 0 and version == 0 and objects == 0:
        if pages:
            # A store has its tables from its first page on, so this one has lost them.
            raise StorageCorrupt(
                f"{path} is an empty database: it looks like a copy of a store without its write-ahead log. It was "
                "left as it is: bring back a backup (`itsm-workflow storage backup` makes one), or remove the file if "
                "nothing was ever stored in it",
                path=str(path),
            )
        return 0
    if application not in {APPLICATION_ID, MARKED_ID, BACKUP_ID} or version < 1:
        raise StorageCorrupt(
            f"{path} is a SQLite database of another application: it was left as it is, give another path",
            path=str(path),
        )
    if version > SCHEMA_VERSION:
        raise StorageSchemaError(
            f"{path} was written with schema {version}, this version of itsm-workflow knows {SCHEMA_VERSION} and left "
            "it as it is: install a newer itsm-workflow",
            path=str(path),
            found=version,
            known=SCHEMA_VERSION,
        )
    return version


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the store to this version, in one transaction, whoever else tries it at the same time.

    Raises:
        StorageCorrupt: As `stored_version`.
        StorageSchemaError: As `stored_version`.
    """
    if stored_version(connection, path) == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again under the write lock: another process may have been faster.
        for migration in MIGRATIONS[_number(connection, "PRAGMA user_version") :]:
            for statement in migration:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _as_made(version: int) -> dict[str, tuple[str, str | None]]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        for migration in MIGRATIONS[:version]:
            for statement in migration:
                made.execute(statement)
        return _objects(made)


def _objects(connection: sqlite3.Connection) -> dict[str, tuple[str, str | None]]:
    return {name: (kind, sql) for name, kind, sql in connection.execute("SELECT name, type, sql FROM sqlite_schema")}


def _number(connection: sqlite3.Connection, statement: str) -> int:
    return int(connection.execute(statement).fetchone()[0])
