"""The mark in a database file that says: this is not the whole store, a write-ahead log belongs to it.

The mark is in the file alone. It is committed, copied into the file by a checkpoint, and taken back by the next commit,
which is in the log. A reader of file and log sees it taken back; a reader of a file without its log sees the mark. When
the last process closes the store, SQLite copies the log into the file, and the mark is gone with it.

Each checkpoint takes the mark away, so none is left to SQLite: whoever makes one marks the file again.

A backup has a mark of the opposite meaning: it is the whole store, and no log belongs to it. It is taken away, in the
file itself, when the backup is first opened as a store, before a log is begun. So a log beside a file with that mark is
another one's, left behind where a backup was copied over a store, and SQLite would apply it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageCorrupt
from itsm_workflow.storage.files import look_at
from itsm_workflow_backends.sqlite._schema import APPLICATION_ID, BACKUP_ID, MARKED_ID

if TYPE_CHECKING:
    from pathlib import Path

LOG_BYTES = 4 * 1024 * 1024
"""How much the log grows before it is copied into the file."""

_ATTEMPTS = 3

SETTINGS = ("wal_autocheckpoint = 0", "journal_size_limit = 0")
"""No checkpoint but ours, and a log that is as large as what it holds."""


def is_without_log(connection: sqlite3.Connection, path: Path) -> bool:
    """Tell whether the file's log is missing."""
    return _application_id(connection) == MARKED_ID and not log_size(path)


def check_log(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file whose log is missing.

    Raises:
        StorageCorrupt: It is.
    """
    if is_without_log(connection, path):
        raise StorageCorrupt(
            f"{path} was copied or kept without its write-ahead log ({path.name}-wal), which holds the last commits. "
            "It was left as it is: put the log back beside it, or bring back a backup (`itsm-workflow storage backup` "
            "makes one). `itsm-workflow storage repair` goes on without those commits and keeps the original",
            path=str(path),
        )


def check_log_is_own(path: Path) -> None:
    """Refuse a backup that has a log beside it; called before SQLite opens the file, since it would apply the log.

    Raises:
        StorageCorrupt: The log is another file's.
    """
    # In this order: a process that makes a store of the backup takes the mark away before it begins the log.
    if log_size(path) and is_backup(path):
        raise StorageCorrupt(
            f"{path} is a backup, and {path.name}-wal beside it is the write-ahead log of the store that was there "
            "before: applied to the backup, it would spoil it. Both were left as they are: bring the backup back with "
            f"`itsm-workflow storage restore`, or move {path.name}-wal and {path.name}-shm away",
            path=str(path),
        )


def log_size(path: Path) -> int:
    """Return how many bytes the log has, 0 if there is none."""
    found = look_at(path.with_name(f"{path.name}-wal"))
    return 0 if found is None else found.st_size


def mark(connection: sqlite3.Connection, path: Path) -> bool:
    """Copy the log into the file as far as readers allow, and leave the file marked.

    Returns:
        Whether it is. If not, because others read or wrote meanwhile, it is tried again with a later commit.
    """
    for _ in range(_ATTEMPTS):
        _set(connection, MARKED_ID)
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        _set(connection, APPLICATION_ID)
        if is_marked(path):
            return True
    return False


def is_marked(path: Path) -> bool:
    """Tell whether the file itself, without its log, is marked."""
    return _id_in_file(path) == MARKED_ID


def is_backup(path: Path) -> bool:
    """Tell whether the file is a backup that was not opened as a store."""
    return _id_in_file(path) == BACKUP_ID


def mark_as_backup(connection: sqlite3.Connection) -> None:
    """Note in a file that has no log that none belongs to it."""
    _set(connection, BACKUP_ID)


def begin_from_backup(connection: sqlite3.Connection) -> None:
    """Make a store of a backup, before a log is begun."""
    if _application_id(connection) == BACKUP_ID:
        # Somebody may have opened the backup with a log of SQLite's; the mark must go from the file itself.
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = EXTRA")
        _set(connection, APPLICATION_ID)
        connection.execute("PRAGMA synchronous = FULL")


def complete_mark(connection: sqlite3.Connection) -> None:
    """Take back a mark that a crash left in the log: the log is there, so nothing is missing."""
    if _application_id(connection) == MARKED_ID:
        _set(connection, APPLICATION_ID)


def _id_in_file(path: Path) -> int | None:
    # SQLite keeps the file's descriptor open after this if other connections of the process have locks on it.
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as file:
        return _application_id(file)
    return None


def _set(connection: sqlite3.Connection, application_id: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA application_id = {application_id}")
    connection.execute("COMMIT")


def _application_id(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA application_id").fetchone()[0])
