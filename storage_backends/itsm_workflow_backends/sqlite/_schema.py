"""The tables of a store, its version, and its migration to the current version.

``application_id`` identifies the file as a store of this library, and ``user_version`` is the number of migrations that
were applied to it. New migrations are appended. An existing migration is never edited, because files exist to which it
was applied.
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
    # An entry is never changed and never deleted, not even by a statement in an SQL shell.
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
    # In the order of the gate's query: the newest submission of a subject first. The workflow is part of the index, so
    # that changes of other workflows for the same subject are skipped without reading their rows.
    "CREATE INDEX changes_subject_submission ON changes (subject, submission DESC, id, workflow)",
)

# Each index on which a decision depends has a second one, see _indexes. The second index of submissions has the
# opposite order: a damaged header can make SQLite ignore descending orders, which would affect both in the same way.
_VERSION_3 = (
    "CREATE INDEX second_subject_submission ON changes (subject, submission, id DESC, workflow)",
    "CREATE INDEX second_open_subject ON changes (open_subject, id) WHERE open_subject IS NOT NULL",
    "CREATE INDEX second_ticket_key ON changes (ticket_key, id) WHERE ticket_key IS NOT NULL",
)

# Both indexes of a unique column refuse a second holder, so a commit need not read them first. The other two are
# for lists of one state, and of one reason for attention.
_VERSION_4 = (
    "DROP INDEX second_open_subject",
    "DROP INDEX second_ticket_key",
    "CREATE UNIQUE INDEX second_open_subject ON changes (open_subject) WHERE open_subject IS NOT NULL",
    "CREATE UNIQUE INDEX second_ticket_key ON changes (ticket_key) WHERE ticket_key IS NOT NULL",
    "CREATE INDEX changes_state ON changes (state, id)",
    "CREATE INDEX changes_attention ON changes (attention, id) WHERE attention IS NOT NULL",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4)
"""The statements of each migration; the first one makes the tables in an empty file."""

SCHEMA_VERSION = len(MIGRATIONS)


def differences(connection: sqlite3.Connection, version: int) -> Iterator[str]:
    """Yield the tables, indexes and triggers that differ from those that the migrations up to the version make."""
    expected, found = _as_made(version), _objects(connection)
    for name, (kind, sql) in expected.items():
        if name not in found:
            yield f"its {kind} {name} is missing"
        # The text of a table depends on the release of SQLite that altered it.
        elif kind != "table" and found[name] != (kind, sql):
            yield f"its {kind} {name} was changed"


def stored_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the store, or 0 for an empty file; nothing is written.

    Raises:
        StorageCorrupt: The file is a database of another application, or has lost its log.
        StorageSchemaError: A newer version of this library wrote it.
    """
    # In one transaction, because another process may be making the store at the same time.
    connection.execute("BEGIN")
    try:
        application = _number(connection, "PRAGMA application_id")
        version = _number(connection, "PRAGMA user_version")
        objects = _number(connection, "SELECT count(*) FROM sqlite_schema")
        pages = _number(connection, "PRAGMA page_count")
    finally:
        if connection.in_transaction:  # on some errors, such as a full disk, SQLite ends the transaction itself
            connection.execute("ROLLBACK")
    if application == 0 and version == 0 and objects == 0:
        if pages:
            # A store has its tables from its first page on, so this file has lost them.
            raise StorageCorrupt(
                f"cannot open {path}: it is an empty database, probably a copy of a store without its write-ahead log. "
                "Nothing was changed: restore a backup with `itsm-workflow storage restore`, or remove the file if "
                "nothing was ever stored in it",
                path=str(path),
            )
        return 0
    if application not in {APPLICATION_ID, MARKED_ID, BACKUP_ID} or version < 1:
        raise StorageCorrupt(
            f"cannot open {path}: it is a SQLite database of another application. Nothing was changed: give another "
            "path",
            path=str(path),
        )
    _refuse_newer(version, path)
    return version


def check_not_newer(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a store that a newer version of this library upgraded while this process had it open.

    Raises:
        StorageSchemaError: As `stored_version`.
    """
    if (version := _number(connection, "PRAGMA user_version")) > SCHEMA_VERSION:
        _refuse_newer(version, path)


def _refuse_newer(version: int, path: Path) -> None:
    if version > SCHEMA_VERSION:
        raise StorageSchemaError(
            f"{path} was written with schema {version}, this version of itsm-workflow knows {SCHEMA_VERSION}. Nothing "
            "was changed: install a newer itsm-workflow",
            path=str(path),
            found=version,
            known=SCHEMA_VERSION,
        )


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Migrate the store to this version in one transaction; other processes may do the same at the same time.

    Raises:
        StorageCorrupt: As `stored_version`; or two changes have a value that must be unique, because of earlier damage.
        StorageSchemaError: As `stored_version`.
    """
    if stored_version(connection, path) == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again under the write lock, because another process may have migrated the store meanwhile.
        check_not_newer(connection, path)
        for migration in MIGRATIONS[_number(connection, "PRAGMA user_version") :]:
            for statement in migration:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.IntegrityError):
            raise StorageCorrupt(
                f"cannot upgrade {path}: it is damaged, so that two changes have the same subject or ticket ({error}). "
                "Nothing was changed: run `itsm-workflow storage repair`",
                path=str(path),
            ) from error
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
