"""The pool of connections to one file, which the threads of a process share.

Readers run concurrently with each other and with one writer (WAL). The writers of one process queue for a lock of this
pool, because polling SQLite's lock from many threads costs more than the work itself. A connection on which anything
failed is closed and never used again: after a failed commit it reads the old row although the new one may be on the
disk. After a fork, the child closes the inherited connections and opens its own, see `_forks`. For a removed log, see
`_companions`.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from itsm_workflow.errors import StorageError, StorageUnavailable
from itsm_workflow.storage.files import check_writable, look_at
from itsm_workflow_backends.sqlite import _forks, _marking
from itsm_workflow_backends.sqlite._companions import Companions, check_companions, identity_of, log_of, replaced_error
from itsm_workflow_backends.sqlite._creation import create_if_missing
from itsm_workflow_backends.sqlite._errors import FOREIGN, is_of_disk, translation
from itsm_workflow_backends.sqlite._opening import (
    check_before_writing,
    check_finished,
    close_without_checkpoint,
    connect,
    prepare,
    shut,
)
from itsm_workflow_backends.sqlite._schema import check_not_newer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from itsm_workflow_backends.sqlite._companions import Identity

logger = logging.getLogger("itsm_workflow_backends.sqlite")

_MAX_IDLE = 8
_NOT_STORED = "; nothing was stored"
_UNKNOWN = "; whether it was stored is unknown: read again"

# After a fork, several threads of the child may notice it at the same time.
_AFTER_FORK = threading.Lock()


class Connections:
    """The connections to the file at the path, which is made if it does not exist."""

    _idle: list[sqlite3.Connection]
    _busy: dict[int, int]

    def __init__(self, path: Path, *, timeout: float, as_it_is: bool = False) -> None:
        """Open the first connection.

        Args:
            path: The path of the file.
            timeout: The number of seconds to wait for other threads and processes.
            as_it_is: Neither make nor migrate a store.
        """
        self._path, self._log_path = path, log_of(path)
        self._as_it_is = as_it_is
        self._timeout = timeout
        self._checked: Identity | None = None
        # Once set, it stays set, also in a forked child: only the operator can decide which of the two logs is right.
        self._replaced: Path | None = None
        self._closed = False
        self._start()
        _forks.register(self)
        with self.reading():
            pass

    def _start(self) -> None:
        self._mutex = threading.RLock()
        self._calls = threading.Condition(self._mutex)
        self._writers = threading.Lock()
        self._idle = []
        # The number of open connections, idle or in use, and the log that all of them have opened.
        self._live = 0
        self._log: Companions | None = None
        self._log_size = 0  # when it was last compared, which is after each commit
        self._lost = self._keep_log = False
        # Whether the file is marked, and the size beyond which the log is copied into it.
        self._marked = False
        # Whether a sync of the log may have failed: its data may be in the cache only, and no later sync reports that.
        self._doubtful = False
        # The size differs between processes, so that they do not all copy the log at the same time.
        self._copy_at = _marking.LOG_BYTES + os.getpid() % 16 * _marking.LOG_BYTES // 64
        # The number of unfinished calls of each thread.
        self._busy = {}
        self._held = False
        self._pid = os.getpid()
        self._unusable = False

    def reading(self, **about: str) -> AbstractContextManager[sqlite3.Connection]:
        """Return the context of a connection for statements that read; errors of SQLite get the facts in ``about``."""
        self._reset_after_fork()
        return self._lent("read", "", check=check_not_newer, **about)

    @contextmanager
    def writing(self, *, until: float | None = None) -> Iterator[sqlite3.Connection]:
        """Yield a connection for a transaction that writes, to one thread of this process at a time; see `commit`.

        Args:
            until: The time, by `time.monotonic`, until which to wait for other threads; by default, for the time-out.
        """
        self._reset_after_fork()
        if not self._writers.acquire(timeout=self._timeout if until is None else max(0.0, until - time.monotonic())):
            raise StorageUnavailable(
                f"cannot write to {self._path}: other threads kept it busy for {self._timeout} s; nothing was stored: "
                "try again",
                path=str(self._path),
            )
        try:
            with self._lent("write to", _NOT_STORED) as connection:
                if self._doubtful:
                    self._begin_log_again(connection)
                self._marked = self._marked or _marking.is_marked(self._path)
                if not self._marked:
                    self._mark(connection)
                yield connection
                # An acknowledged commit must be in a log that other processes can find.
                if (lost := self._change_of_log(_UNKNOWN)) is not None:
                    raise lost
            self._copy_log()
        finally:
            self._writers.release()

    def begin(self, connection: sqlite3.Connection, *, until: float | None = None) -> None:
        """Begin a transaction that writes, once other processes allow it.

        Args:
            connection: A connection for writing.
            until: The time, by `time.monotonic`, until which to wait for other processes; by default, for the time-out.
        """
        if until is not None:
            _wait_for_locks(connection, until - time.monotonic())
        connection.execute("BEGIN IMMEDIATE")
        check_not_newer(connection, self._path)
        if until is not None:
            _wait_for_locks(connection, self._timeout)

    def commit(self, connection: sqlite3.Connection) -> None:
        """Commit the transaction of a connection for writing: the only statement whose failure can leave it stored."""
        try:
            connection.execute("COMMIT")
        except FOREIGN as error:
            raise translation(error, self._path, "write to", outcome=_UNKNOWN) from error

    def _mark(self, connection: sqlite3.Connection) -> None:
        """Copy the log into the file and mark the file, so that a loss of the log after later commits is noticed."""
        try:
            self._marked = _marking.mark(connection, self._path)
        except BaseException:
            # If this were the last connection, closing it would leave a marked file without a log, and nothing missing.
            with self._mutex:
                self._keep_log = True
            raise

    def _begin_log_again(self, connection: sqlite3.Connection) -> None:
        """Copy the log into the file and begin it again, so that no later commit depends on its earlier content."""
        _marking.begin_log_again(connection, self._path)
        self._marked = self._doubtful = False

    def _copy_log(self) -> None:
        """Copy the log into the file if it has grown; a failure is logged, because the last commit was stored."""
        if self._log_size <= self._copy_at:
            return
        try:
            with self._lent("write to", "; the last commit was stored") as connection:
                self._mark(connection)
        except StorageError as error:
            logger.warning("the log of %s was not copied into it: %s", self._path, error)
        # Because of a reader, a part of the log may not have been copied, or the log may not have begun again.
        size = _marking.log_size(self._log_path)
        self._copy_at = _marking.LOG_BYTES if size <= _marking.LOG_BYTES else _marking.LOG_BYTES + size

    def close(self) -> None:
        """Close the idle connections now, and those in use as soon as their calls end."""
        self._reset_after_fork()
        with self._mutex:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            self._shut(connection)

    def has_open(self, file: Identity | None) -> bool:
        """Return whether there is an open connection to that file."""
        return self._live > 0 and self._checked == file

    def hold(self) -> None:
        """Before a fork, wait for the calls of other threads, and keep new calls waiting."""
        with self._mutex:
            self._held = True
            self._calls.wait_for(lambda: self._busy.keys() <= {threading.get_ident()}, self._timeout)

    def release(self) -> None:
        """After a fork, let calls begin again."""
        with self._mutex:
            self._held = False
            self._calls.notify_all()

    def close_inherited(self) -> None:
        """In a forked child, close the connections that no call was using."""
        for connection in self._idle:
            connection.close()

    def restart(self) -> None:
        """In a forked child, start without connections; become unusable if the fork interrupted a call."""
        interrupted = bool(self._busy)
        self._start()
        self._unusable = interrupted

    def _begin_call(self, me: int) -> None:
        """Wait until no fork is in progress, and count a call of this thread as unfinished."""
        with self._mutex:
            if self._held and me not in self._busy and not self._calls.wait_for(lambda: not self._held, self._timeout):
                raise StorageUnavailable(
                    f"cannot use {self._path}: a fork of this process took longer than {self._timeout} s: try again",
                    path=str(self._path),
                )
            self._busy[me] = self._busy.get(me, 0) + 1

    def _end_call(self, me: int) -> None:
        with self._mutex:
            self._busy[me] -= 1
            if not self._busy[me]:
                del self._busy[me]
                if self._held:
                    self._calls.notify_all()

    @contextmanager
    def _lent(
        self,
        doing: str,
        outcome: str,
        *,
        check: Callable[[sqlite3.Connection, Path], object] | None = None,
        **about: str,
    ) -> Iterator[sqlite3.Connection]:
        connection, me = None, threading.get_ident()
        self._begin_call(me)
        try:
            try:
                connection = self._take()
                if check is not None:
                    check(connection, self._path)
                yield connection
            except BaseException as error:
                if connection is not None:
                    self._shut_in_transaction(connection)
                self._doubtful = self._doubtful or is_of_disk(error)
                raise
            self._give_back(connection)
        except FOREIGN as error:
            raise translation(error, self._path, doing, outcome=outcome, **about) from error
        finally:
            self._end_call(me)

    def _take(self) -> sqlite3.Connection:
        found = look_at(self._path)
        idle: list[sqlite3.Connection] = []
        with self._mutex:
            if self._closed:
                raise StorageUnavailable(f"the store {self._path} was closed: open it again", path=str(self._path))
            if self._replaced is not None:
                raise replaced_error(self._path, self._replaced)
            if self._unusable:
                raise StorageUnavailable(
                    f"cannot use {self._path}: this process was forked while a thread was using the store, and a child "
                    "does not inherit its parent's locks. Fork when no thread uses the store, or start the process by "
                    "spawn",
                    path=str(self._path),
                )
            if self._checked is not None and self._checked != identity_of(found):
                self._refuse_replaced(found)
            if (lost := self._change_of_log()) is not None:
                idle, self._idle = self._idle, idle
            elif self._idle:
                return self._idle.pop()
        for connection in idle:
            self._shut(connection)
        if lost is not None:
            raise lost
        return self._open()

    def _change_of_log(self, outcome: str = "") -> StorageError | None:
        """Return the error to raise if the log is not the one that the connections have opened, or None."""
        with self._mutex:
            if self._log is None:
                return None
            if (size := self._log.log_size()) is not None:
                self._log_size = size
                return None
            self._lost = True
            return self._changed(self._log, outcome)

    def _changed(self, log: Companions, outcome: str = "") -> StorageError:
        file = log.replaced()
        if file is None:
            return log.removed_error(outcome)
        self._keep_log, self._replaced = True, file
        return replaced_error(self._path, file, outcome)

    def _refuse_replaced(self, found: os.stat_result | None) -> NoReturn:
        # A write through an old connection would go into a file that no other process can open.
        what = "was removed" if found is None else "was replaced by another file"
        raise StorageUnavailable(
            f"the store {self._path} {what} while it was open: put the file back, or open the store again",
            path=str(self._path),
        )

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._mutex:
            if not self._closed and not self._lost and len(self._idle) < _MAX_IDLE:
                self._idle.append(connection)
                return
        self._shut(connection)

    def _shut(self, connection: sqlite3.Connection) -> None:
        with self._mutex:
            keep_log = self._keep_log
            # Counted before the close: the last close removes the log, which other threads must not take for a loss.
            self._live -= 1
            if not self._live:
                self._log, self._lost, self._keep_log, self._marked = None, False, False, False
        if keep_log:
            close_without_checkpoint(connection)
        else:
            shut(connection, self._path)

    def _shut_in_transaction(self, connection: sqlite3.Connection) -> None:
        try:
            # SQLite keeps a closed connection, with its locks, until its last statement is gone, and an error's
            # traceback may hold a statement for as long as the host holds the error.
            connection.rollback()
        except sqlite3.Error as error:
            logger.debug("the transaction of a broken connection to %s ends with the connection: %s", self._path, error)
        finally:
            self._shut(connection)

    def _reset_after_fork(self) -> None:
        if self._pid != os.getpid():
            with _AFTER_FORK:
                if self._pid != os.getpid():
                    _forks.reset_in_child()

    def _open(self) -> sqlite3.Connection:
        path = self._path
        check_writable(path)
        check_finished(path)
        if self._checked is None and look_at(path) is None and not self._as_it_is:
            check_companions(path, None)
            create_if_missing(path, timeout=self._timeout)
        before = look_at(path)
        if before is None:
            self._refuse_replaced(before)
        check_companions(path, before)
        if self._checked is None or not self._live:
            check_before_writing(path, timeout=self._timeout, first=not self._live)
        connection = connect(path, "rw", timeout=self._timeout)
        try:
            prepare(connection, path, timeout=self._timeout, as_it_is=self._as_it_is)
            after = look_at(path)
            if after is None or identity_of(after) != identity_of(before):
                self._refuse_replaced(after)
            self._count(Companions.at(path))
        except BaseException:
            shut(connection, path)
            raise
        self._checked = identity_of(before)
        return connection

    def _count(self, log: Companions) -> None:
        """Count a connection, and record the log that it has opened."""
        with self._mutex:
            known = self._log or log
            if not log.complete or known.log_size() is None:
                raise self._changed(known)
            self._log = known
            self._live += 1


def _wait_for_locks(connection: sqlite3.Connection, seconds: float) -> None:
    connection.execute(f"PRAGMA busy_timeout = {max(0, round(seconds * 1000))}")


def is_open_here(path: Path) -> bool:
    """Return whether this process has connections to the file at the path."""
    file = identity_of(look_at(path))
    return any(isinstance(each, Connections) and each.has_open(file) for each in _forks.registered())
