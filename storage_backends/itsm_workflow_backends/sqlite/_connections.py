"""The connections to one file, lent to the threads of a process.

Readers run beside each other and beside one writer (WAL). Writers of one process queue at a lock of their own: polling
SQLite's lock from many threads costs more than the work. A connection on which anything failed is closed, never lent
again: after a failed commit it reads the old row although the new one may be on the disk. After a fork, the child
leaves the inherited connections alone, as closing them would interfere with the parent, and opens its own.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, ClassVar, NoReturn

from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
from itsm_workflow.storage.files import check_writable, create_private, look_at
from itsm_workflow_backends.sqlite._errors import is_of_sqlite, translate
from itsm_workflow_backends.sqlite._schema import migrate, stored_version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Identity = tuple[int, int]

_MAX_IDLE = 8

_LEFT_TO_THE_PARENT: list[sqlite3.Connection] = []

# Several threads of a new child may be the first to notice that it is one.
_AFTER_FORK = threading.Lock()


class Connections:
    """Opens, lends, takes back and closes connections to the file at the path, and makes the file if there is none."""

    # Closing any descriptor of a file drops all locks of this process on it, SQLite's too. So a file is created, which
    # opens and closes one, only while no other thread is about to open it.
    _creating: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, path: Path, *, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._checked: Identity | None = None
        self._closed = False
        self._start()
        with self.reading():
            pass

    def _start(self) -> None:
        self._mutex = threading.Lock()
        self._writers = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._pid = os.getpid()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection for statements that read."""
        with self._lent("read", "") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection to the one thread of this process that may write now."""
        self._leave_parent()
        if not self._writers.acquire(timeout=self._timeout):
            raise StorageUnavailable(
                f"cannot write to {self._path}: other threads kept it busy for {self._timeout} s; nothing was stored",
                path=str(self._path),
            )
        try:
            with self._lent("write to", "; whether it was stored is unknown: read again") as connection:
                yield connection
        finally:
            self._writers.release()

    def close(self) -> None:
        """Close what is idle now, and what is lent as soon as it comes back."""
        self._leave_parent()
        with self._mutex:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _lent(self, doing: str, outcome: str) -> Iterator[sqlite3.Connection]:
        connection = None
        try:
            connection = self._take()
            yield connection
        except BaseException as error:
            if connection is not None:
                connection.close()
            if is_of_sqlite(error):
                raise translate(error, self._path, doing, outcome=outcome) from error
            raise
        self._give_back(connection)

    def _take(self) -> sqlite3.Connection:
        self._leave_parent()
        found = look_at(self._path)
        with self._mutex:
            if self._closed:
                raise StorageUnavailable(f"the store {self._path} was closed", path=str(self._path))
            if found is not None and self._checked == _identity(found):
                if self._idle:
                    return self._idle.pop()
            elif self._checked is not None:
                self._refuse_replaced(found)
        return self._open()

    def _refuse_replaced(self, found: os.stat_result | None) -> NoReturn:
        # What would be written through an old connection would be in no file that anybody can open.
        what = "was removed" if found is None else "was replaced by another file"
        raise StorageUnavailable(
            f"the store {self._path} {what} while it was open: put it back, or open it anew", path=str(self._path)
        )

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._mutex:
            if not self._closed and len(self._idle) < _MAX_IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def _leave_parent(self) -> None:
        if self._pid != os.getpid():
            with _AFTER_FORK:
                if self._pid != os.getpid():
                    _LEFT_TO_THE_PARENT.extend(self._idle)
                    self._start()

    def _open(self) -> sqlite3.Connection:
        path = self._path
        check_writable(path)
        if self._checked is None:
            with self._creating:
                if look_at(path) is None:
                    create_private(path)
        before = look_at(path)
        if before is None:
            self._refuse_replaced(before)
        self._check_companions(before)
        if self._checked is None:
            self._check_before_writing()
        connection = self._connect("rw")
        try:
            self._prepare(connection)
            after = look_at(path)
            if after is None or _identity(after) != _identity(before):
                self._refuse_replaced(after)
        except BaseException:
            connection.close()
            raise
        self._checked = _identity(before)
        return connection

    def _check_companions(self, found: os.stat_result) -> None:
        """Refuse links in place of the files that SQLite makes beside it, and a log whose database has gone."""
        sizes = {}
        for end in ("-wal", "-shm", "-journal"):
            beside = look_at(self._path.with_name(self._path.name + end))
            sizes[end] = 0 if beside is None else beside.st_size
        if found.st_size == 0 and sizes["-wal"] > 0:
            raise StorageCorrupt(
                f"{self._path} is empty although its write-ahead log is not: restore it", path=str(self._path)
            )

    def _check_before_writing(self) -> None:
        """Refuse a file that is not ours through a connection that cannot write to it."""
        connection = self._connect("ro")
        try:
            stored_version(connection, self._path)
        except sqlite3.OperationalError as error:
            # A rollback that a crash left to be done needs a writer; stored_version is asked again there.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
                raise
        finally:
            connection.close()

    def _connect(self, mode: str) -> sqlite3.Connection:
        # Never mode=rwc: a store that has gone must not come back empty.
        return sqlite3.connect(
            f"{self._path.as_uri()}?mode={mode}",
            uri=True,
            timeout=self._timeout,
            isolation_level=None,
            check_same_thread=False,
        )

    def _prepare(self, connection: sqlite3.Connection) -> None:
        for setting in (
            # One sync per commit. The default of most builds, but not of all.
            "synchronous = FULL",
            "fullfsync = ON",
            "checkpoint_fullfsync = ON",
            "cell_size_check = ON",
            "trusted_schema = OFF",
        ):
            connection.execute(f"PRAGMA {setting}")
        stored_version(connection, self._path)
        self._use_wal(connection)
        migrate(connection, self._path)

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        deadline = time.monotonic() + self._timeout
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
                f"cannot use {self._path}: its file system has no shared memory for a write-ahead log; use a local one",
                path=str(self._path),
            )


def read_version(path: Path) -> int:
    """Return the version of the store at the path, through a connection that cannot write to it.

    Raises:
        StorageError: There is none, or it cannot be read.
    """
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
            return stored_version(connection, path)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise translate(error, path, "read") from error


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino


def _renew_lock() -> None:
    Connections._creating = threading.Lock()  # noqa: SLF001  # its own module


if hasattr(os, "register_at_fork"):
    # The thread that held the lock when the process forked does not exist in the child.
    os.register_at_fork(after_in_child=_renew_lock)
