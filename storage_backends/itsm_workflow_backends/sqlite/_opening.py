"""Open connections to the file: check what it is and which processes have it open, and set up a writer's connection."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.files import look_at
from itsm_workflow_backends.sqlite import _marking
from itsm_workflow_backends.sqlite._companions import Companions, empty_error, log_of
from itsm_workflow_backends.sqlite._errors import translated
from itsm_workflow_backends.sqlite._schema import migrate, stored_version

if TYPE_CHECKING:
    from pathlib import Path

_EXCLUSIVE_SECONDS = 5.0
"""The number of seconds for which a process that opens or closes the store may have it open without its log."""

_ABANDONED: list[sqlite3.Connection] = []


def connect(path: Path, mode: str, *, timeout: float) -> sqlite3.Connection:
    """Open the file in a mode of SQLite, but never ``rwc``, because a missing store must not be made again empty.

    A connection that can write makes no checkpoint when it is closed, however that happens, unless `shut` closes it.
    """
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}", uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
    )
    if mode == "rw":
        _let_close_checkpoint(connection, allowed=False)
    return connection


def check_before_writing(path: Path, *, timeout: float, first: bool) -> None:
    """Refuse a file that is not a store, or that is open elsewhere without its log, before SQLite makes any file.

    Args:
        path: The path of the file.
        timeout: The number of seconds to wait for other processes.
        first: Whether this is the first open connection of a `Connections`.

    Raises:
        StorageUnavailable: Another process has the file open, and its log is missing.
        StorageCorrupt: The log next to the file belongs to another store.
        StorageError: As `stored_version`.
    """
    _marking.check_log_is_own(path)
    if first and not Companions.at(path).complete and _wait_for_exclusive_access(path, timeout=timeout):
        return
    connection = connect(path, "ro", timeout=timeout)
    try:
        stored_version(connection, path)
        _marking.check_log(connection, path)
    except sqlite3.OperationalError as error:
        # After a crash, SQLite may need a writer to roll back; the writer's connection checks the version again.
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
            raise
    finally:
        connection.close()


def prepare(connection: sqlite3.Connection, path: Path, *, timeout: float, as_it_is: bool) -> None:
    """Set up a connection for writing: durable commits, a write-ahead log, and the tables of this version.

    Raises:
        StorageCorrupt: The file is empty.
        StorageError: As `migrate`.
    """
    for setting in (
        # One sync per commit. This is the default of most builds of SQLite, but not of all.
        "synchronous = FULL",
        "fullfsync = ON",
        "checkpoint_fullfsync = ON",
        "cell_size_check = ON",
        "trusted_schema = OFF",
        *_marking.settings(),
    ):
        connection.execute(f"PRAGMA {setting}")
    if stored_version(connection, path) == 0:
        raise empty_error(path)
    if as_it_is:
        _marking.complete_mark(connection)
        return
    _marking.begin_from_backup(connection)
    _use_wal(connection, path, timeout)
    migrate(connection, path)
    _marking.complete_mark(connection)


def shut(connection: sqlite3.Connection, path: Path) -> None:
    """Close a connection; the last one copies the log into the file and removes it, unless the log ends with the mark.

    The file would then be marked and have no log, which counts as damaged although nothing is missing. The log ends
    with the mark if a process died, was interrupted or had no space left while it marked the file.
    """
    try:
        ends_with_mark = _marking.ends_with_mark(connection) and bool(_marking.log_size(log_of(path)))
    except sqlite3.Error:
        ends_with_mark = True  # it cannot be read, and to keep the log is right in any case
    if ends_with_mark:
        close_without_checkpoint(connection)
    else:
        _let_close_checkpoint(connection, allowed=True)
        connection.close()


def close_without_checkpoint(connection: sqlite3.Connection) -> None:
    """Close a connection without the checkpoint that SQLite makes when the last connection is closed."""
    if hasattr(connection, "setconfig"):
        _let_close_checkpoint(connection, allowed=False)
        connection.close()
    else:  # before Python 3.12: kept open, since closing it would make the checkpoint
        _ABANDONED.append(connection)


def _let_close_checkpoint(connection: sqlite3.Connection, *, allowed: bool) -> None:
    if hasattr(connection, "setconfig"):
        # 1006 is SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE; the constant is as new as the method.
        connection.setconfig(1006, not allowed)


def check_finished(path: Path) -> None:
    """Refuse a store with an interrupted repair or restore, before a file is made at its path.

    Raises:
        StorageUnavailable: A repair or a restore was interrupted.
    """
    for left, what in ((repaired_name(path), "repair"), (restored_name(path), "restore")):
        if os.path.lexists(left):
            raise StorageUnavailable(
                f"cannot open {path}: a {what} of it was interrupted; run `itsm-workflow storage {what}` again",
                path=str(path),
            )


def restored_name(path: Path) -> Path:
    """Return the path of the new file of a restore, which it has until the old file was moved."""
    return path.with_name(f"{path.name}.restored")


def repaired_name(path: Path) -> Path:
    """Return the path of the new file of a repair, which it has until the old file was moved."""
    return path.with_name(f"{path.name}.repaired")


def read_version(path: Path) -> int:
    """Return the version of the store at the path, through a connection that cannot write to it.

    Raises:
        StorageError: The store does not exist, or it cannot be read.
    """
    look_at(path)
    check_finished(path)
    _marking.check_log_is_own(path)
    # Without its log and index the file is opened as immutable, since SQLite would make them even for a reader.
    how = "ro" if Companions.at(path).complete else "ro&immutable=1"
    with translated(path, "read"), closing(connect(path, how, timeout=5.0)) as connection:
        version = stored_version(connection, path)
        _marking.check_log(connection, path)
    if version == 0:
        raise empty_error(path)
    return version


def _wait_for_exclusive_access(path: Path, *, timeout: float) -> bool:
    """Wait until no process has the database open, and return True; return False if its log appears meanwhile.

    A process that began a second log while another process uses a log that cannot be seen here would overwrite the
    commits of that process.

    Raises:
        StorageUnavailable: A process has the database open, and its log is missing.
        StorageError: As `stored_version`.
    """
    deadline = time.monotonic() + min(timeout, _EXCLUSIVE_SECONDS)
    while not _has_exclusive_access(path):
        if Companions.at(path).complete:
            return False
        if time.monotonic() > deadline:
            raise StorageUnavailable(
                f"cannot open {path}: another process has it open, and its write-ahead log is missing. The log was "
                "removed, or that process opened the file by another path (a mount): close the store in all processes, "
                "so that the last one copies the log into the file, and then use the same path in all of them",
                path=str(path),
            )
        # Processes that check at the same time block each other; different waits keep that from repeating.
        threading.Event().wait(0.001 * (1 + os.getpid() % 17))
    return True


def _has_exclusive_access(path: Path) -> bool:
    connection = connect(path, "rw", timeout=0.0)
    try:
        # In this mode SQLite locks the database itself or fails, and does not begin a log that others could share.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        stored_version(connection, path)
        _marking.check_log(connection, path)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    finally:
        shut(connection, path)
    return True


def _use_wal(connection: sqlite3.Connection, path: Path, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            # SQLite does not wait here for another process that is doing the same.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            threading.Event().wait(0.005)
        else:
            break
    if mode != "wal":
        raise StorageUnavailable(
            f"cannot use {path}: its file system does not support the shared memory of a write-ahead log: move the "
            "store to a local file system",
            path=str(path),
        )
