"""How a connection to the file is opened: whose file it is, who else has it open, and the settings of a writer."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow_backends.sqlite import _marking
from itsm_workflow_backends.sqlite._companions import Companions, emptiness
from itsm_workflow_backends.sqlite._errors import translate
from itsm_workflow_backends.sqlite._schema import migrate, stored_version

if TYPE_CHECKING:
    from pathlib import Path

_ALONE_SECONDS = 5.0
"""For how long a process that is opening or closing the store may hold it without its log."""

_ABANDONED: list[sqlite3.Connection] = []


def connect(path: Path, mode: str, *, timeout: float) -> sqlite3.Connection:
    """Open the file in a mode of SQLite's; never ``rwc``, since a store that has gone must not come back empty."""
    return sqlite3.connect(
        f"{path.as_uri()}?mode={mode}", uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
    )


def check_before_writing(path: Path, *, timeout: float, first: bool) -> None:
    """Refuse a file that is not ours, or that others hold without its log, before SQLite makes anything beside it.

    Args:
        path: The file.
        timeout: For how many seconds to wait for others.
        first: Whether it is to be the first connection of this process's `Connections`.

    Raises:
        StorageUnavailable: Another process has it open without a log that can be found here.
        StorageCorrupt: The log beside it is another file's.
        StorageError: As `stored_version`.
    """
    _marking.check_log_is_own(path)
    if first and not Companions.beside(path).complete and _await_alone(path, timeout=timeout):
        return
    connection = connect(path, "ro", timeout=timeout)
    try:
        stored_version(connection, path)
        _marking.check_log(connection, path)
    except sqlite3.OperationalError as error:
        # A rollback that a crash left to be done needs a writer; stored_version is asked again there.
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
            raise
    finally:
        connection.close()


def prepare(connection: sqlite3.Connection, path: Path, *, timeout: float, as_it_is: bool) -> None:
    """Make a writer's connection of it: durable, with a log, and the tables of this version.

    Raises:
        StorageCorrupt: The file is empty.
        StorageError: As `migrate`.
    """
    for setting in (
        # One sync per commit. The default of most builds, but not of all.
        "synchronous = FULL",
        "fullfsync = ON",
        "checkpoint_fullfsync = ON",
        "cell_size_check = ON",
        "trusted_schema = OFF",
        *_marking.SETTINGS,
    ):
        connection.execute(f"PRAGMA {setting}")
    if stored_version(connection, path) == 0:
        raise emptiness(path)
    if as_it_is:
        _marking.complete_mark(connection)
        return
    _marking.begin_from_backup(connection)
    _use_wal(connection, path, timeout)
    migrate(connection, path)
    _marking.complete_mark(connection)


def close_without_checkpoint(connection: sqlite3.Connection) -> None:
    """Close a connection without the checkpoint that SQLite does when the last one is closed."""
    if hasattr(connection, "setconfig"):
        # Its name, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, is as new as the method.
        connection.setconfig(1006, True)  # noqa: FBT003  # sqlite3's own
        connection.close()
    else:  # before Python 3.12
        _ABANDONED.append(connection)


def check_finished(path: Path) -> None:
    """Refuse a store that a repair or a restore has left half-way, before anything is made at its path.

    Raises:
        StorageUnavailable: One was interrupted.
    """
    for left, what in ((repaired_name(path), "repair"), (restored_name(path), "restore")):
        if os.path.lexists(left):
            raise StorageUnavailable(
                f"cannot open {path}: a {what} of it was interrupted; run `itsm-workflow storage {what}` again",
                path=str(path),
            )


def restored_name(path: Path) -> Path:
    """Return where a restore puts the new file before the old one is moved."""
    return path.with_name(f"{path.name}.restored")


def repaired_name(path: Path) -> Path:
    """Return where a repair puts the new file before the old one is moved."""
    return path.with_name(f"{path.name}.repaired")


def read_version(path: Path) -> int:
    """Return the version of the store at the path, through a connection that cannot write to it.

    Raises:
        StorageError: There is none, or it cannot be read.
    """
    check_finished(path)
    _marking.check_log_is_own(path)
    # Without its companions the file is read as it is, since SQLite would make them even for a reader.
    how = "ro" if Companions.beside(path).complete else "ro&immutable=1"
    try:
        with closing(connect(path, how, timeout=5.0)) as connection:
            version = stored_version(connection, path)
            _marking.check_log(connection, path)
        if version == 0:
            raise emptiness(path)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise translate(error, path, "read") from error
    return version


def _await_alone(path: Path, *, timeout: float) -> bool:
    """Return whether no process has the database open; False once its log is there after all.

    A process that began a second log beside one that it cannot see would overwrite what others commit.

    Raises:
        StorageUnavailable: A process has it open, and there is no log.
        StorageError: As `stored_version`.
    """
    deadline = time.monotonic() + min(timeout, _ALONE_SECONDS)
    while not _is_alone(path):
        if Companions.beside(path).complete:
            return False
        if time.monotonic() > deadline:
            raise StorageUnavailable(
                f"cannot open {path}: another process has it open, and its write-ahead log is missing here. The log "
                "was removed, or that process opened the file by another path (a mount): close the store in all "
                "processes, so that the last one writes its log to the file, and use one path",
                path=str(path),
            )
        # Processes that look at the same time get in each other's way, but not again after different times.
        threading.Event().wait(0.001 * (1 + os.getpid() % 17))
    return True


def _is_alone(path: Path) -> bool:
    connection = connect(path, "rw", timeout=0.0)
    try:
        # In this mode SQLite locks the database itself, or fails: it begins no log that others could share.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        stored_version(connection, path)
        _marking.check_log(connection, path)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    finally:
        connection.close()
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
            f"cannot use {path}: its file system has no shared memory for a write-ahead log; use a local one",
            path=str(path),
        )
