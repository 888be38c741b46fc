"""The mark in a database file which means that the file is incomplete without its write-ahead log.

The mark is in the file only. It is committed, copied into the file by a checkpoint, and removed by the next commit,
which is in the log. A reader of the file and the log does not see the mark; a reader of a file without its log does.
When the last process closes the store, SQLite copies the log into the file, which removes the mark.

Each checkpoint removes the mark, so SQLite's automatic checkpoints are turned off. This package makes all checkpoints,
and marks the file again after each of them.

A backup has a mark with the opposite meaning: the file is complete, and has no log. That mark is removed from the file
itself when the backup is first opened as a store, before a log is begun. So a log next to a file with that mark belongs
to another store, over which the backup was copied, and SQLite would apply it to the backup.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
from itsm_workflow.storage.files import look_at
from itsm_workflow_backends.sqlite._companions import log_of
from itsm_workflow_backends.sqlite._schema import APPLICATION_ID, BACKUP_ID, MARKED_ID

if TYPE_CHECKING:
    from pathlib import Path

LOG_BYTES = 4 * 1024 * 1024
"""The size beyond which the log is copied into the file."""

_ATTEMPTS = 3


def settings() -> tuple[str, ...]:
    """Return the settings that turn off automatic checkpoints, and keep a log that begins again at `LOG_BYTES`.

    To sync a commit that overwrites a part of the log is cheaper than to sync one that makes the log longer. A log that
    is longer than that has more content than that.
    """
    return ("wal_autocheckpoint = 0", f"journal_size_limit = {LOG_BYTES}")


def is_without_log(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether the file's log is missing."""
    return _application_id(connection) == MARKED_ID and not log_size(log_of(path))


def check_log(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file whose log is missing.

    Raises:
        StorageCorrupt: The log is missing.
    """
    if is_without_log(connection, path):
        raise StorageCorrupt(
            f"cannot open {path}: it was copied or kept without its write-ahead log ({path.name}-wal), which contains "
            "the last commits. Nothing was changed: put the log back next to it, or restore a backup with "
            "`itsm-workflow storage restore`. `itsm-workflow storage repair` continues without those commits and keeps "
            "the original",
            path=str(path),
        )


def check_log_is_own(path: Path) -> None:
    """Refuse a backup with a log next to it; call it before SQLite opens the file, because SQLite applies the log.

    Raises:
        StorageCorrupt: The log belongs to another store.
    """
    # In this order: a process that turns the backup into a store removes the mark before it begins the log.
    if log_size(log_of(path)) and is_backup(path):
        raise StorageCorrupt(
            f"cannot open {path}: it is a backup, and {path.name}-wal next to it is the write-ahead log of the store "
            "that was there before, which would damage the backup. Nothing was changed: restore the backup with "
            f"`itsm-workflow storage restore`, or move {path.name}-wal and {path.name}-shm away",
            path=str(path),
        )


def log_size(log: Path) -> int:
    """Return the size of the log at the path in bytes, or 0 if it does not exist."""
    found = look_at(log)
    return 0 if found is None else found.st_size


def mark(connection: sqlite3.Connection, path: Path) -> bool:
    """Copy the log into the file as far as readers allow, and mark the file.

    Returns:
        Whether the file is marked. If other processes read or wrote meanwhile, it may not be; then a later commit tries
        again.
    """
    for _ in range(_ATTEMPTS):
        _set(connection, MARKED_ID)
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        finally:  # another program may close the file last, and would leave the mark without a log
            _set(connection, APPLICATION_ID)
        if is_marked(path):
            return True
    return False


def begin_log_again(connection: sqlite3.Connection, path: Path) -> None:
    """Copy the whole log into the file, and let the next commit begin it again; the file is not marked then.

    Raises:
        StorageUnavailable: A reader still needs the log.
    """
    busy = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[0]
    if busy:
        raise StorageUnavailable(
            f"cannot write to {path}: an earlier write failed, and its log cannot be begun again while it is read; "
            "nothing was stored: try again",
            path=str(path),
        )


def is_marked(path: Path) -> bool:
    """Return whether the file itself, without its log, is marked."""
    return _id_in_file(path) == MARKED_ID


def is_backup(path: Path) -> bool:
    """Return whether the file is a backup that was not opened as a store."""
    return _id_in_file(path) == BACKUP_ID


def mark_as_backup(connection: sqlite3.Connection) -> None:
    """Mark a file without a log as a backup."""
    _set(connection, BACKUP_ID)


def begin_from_backup(connection: sqlite3.Connection) -> None:
    """Turn a backup into a store, before a log is begun."""
    if _application_id(connection) == BACKUP_ID:
        # Another program may have opened the backup in WAL mode; the mark must be removed from the file itself.
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = EXTRA")
        _set(connection, APPLICATION_ID)
        connection.execute("PRAGMA synchronous = FULL")


def complete_mark(connection: sqlite3.Connection) -> None:
    """Remove a mark that a crash left in the log; since the log is there, nothing is missing."""
    if ends_with_mark(connection):
        _set(connection, APPLICATION_ID)


def ends_with_mark(connection: sqlite3.Connection) -> bool:
    """Return whether a reader of the file and its log sees the mark."""
    return _application_id(connection) == MARKED_ID


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
