"""Broken backends that do the wrong thing when an error comes: each a good one with one defect, in at most 15 lines.

Each is next to the promise of the kit that catches it, and to no other promise about errors.
"""

# ruff: noqa: D102  # a class says what is broken, the port says what each method is for

from __future__ import annotations

import errno
import logging
import os
import sqlite3
from contextlib import closing, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING
from unittest import mock

from filelock import FileLock, Timeout

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.files import unavailable
from itsm_workflow.storage.protocol import Conflict, ConflictKind, EntryRows, Order, Rows
from itsm_workflow_backends.json_file import JSONFileBackend, _log
from itsm_workflow_backends.json_file._log import Log
from itsm_workflow_backends.sqlite import SQLiteBackend
from tests.conformance.caught import Caught
from tests.conformance.good import OneFile, TwoTables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from itsm_workflow.storage.protocol import Query, Row, Write
    from tests.conformance.good import Changes

logger = logging.getLogger(__name__)


class LetsErrorsOfTheSystemThrough(JSONFileBackend):
    """Raises the error of the operating system as it is."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        with mock.patch.object(_log, "unavailable", return_value=nullcontext()):
            return super().commit(writes)


class LetsErrorsOfTheDriverThrough(SQLiteBackend):
    """Raises the error of the database driver as it is."""

    def get(self, change_id: str, /) -> Row | None:
        try:
            return super().get(change_id)
        except StorageUnavailable as error:
            raise error.__cause__ or error from None


class LogsAFailedWrite(SQLiteBackend):
    """Logs a write that failed, and answers as if it were stored."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        try:
            return super().commit(writes)
        except StorageUnavailable as error:
            if vars(error).get("sqlite_error") != "SQLITE_IOERR_WRITE":
                raise
            logger.exception("the changes were not stored")
            return [None for _ in writes]


class IgnoresAFailedSync(JSONFileBackend):
    """Answers as stored what a failed sync has left in the cache."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        def sync(descriptor: int) -> None:
            with suppress(OSError):
                os.fdatasync(descriptor)

        with mock.patch.object(_log, "sync", sync):
            return super().commit(writes)


class IgnoresAFullDiskAtASync(JSONFileBackend):
    """Takes a full disk at a sync for a warning, and answers as stored what is in the cache."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        def sync(descriptor: int) -> None:
            try:
                os.fdatasync(descriptor)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

        with mock.patch.object(_log, "sync", sync):
            return super().commit(writes)


class RepeatsAFailedSync(JSONFileBackend):
    """Believes the second sync, which does not report the data that the first one lost."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        def sync(descriptor: int) -> None:
            try:
                os.fdatasync(descriptor)
            except OSError:
                os.fdatasync(descriptor)

        with mock.patch.object(_log, "sync", sync):
            return super().commit(writes)


class RepeatsTheSyncOfANewFile(OneFile):
    """Renames a new file after its second sync, although the first one has lost what was written."""

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        once = os.fsync

        def sync(descriptor: int) -> None:
            try:
                once(descriptor)
            except OSError:
                once(descriptor)

        with mock.patch.object(os, "fsync", sync):
            super()._store(after, stored)


class AppendsToATornLine(JSONFileBackend):
    """Writes the next line after the part of a line that a failed write has left."""

    torn, cut = False, staticmethod(Log.cut)

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        def append(log: Log, end: int, data: bytes) -> None:
            log._file.seek(log.size() if self.torn else end)
            self.torn = True
            log.write(data)
            self.torn = False
            log.sync()

        with mock.patch.multiple(Log, append=append, cut=lambda log, end: self.torn or self.cut(log, end)):
            return super().commit(writes)


class RemembersAFailedWrite(JSONFileBackend):
    """Serves rows from memory while they are written, and does not drop them when that fails."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        ahead: dict[str, Row] = vars(self).setdefault("ahead", {})
        ahead |= {write.row.id: write.row for write in writes}
        answer = super().commit(writes)
        ahead.clear()
        return answer

    def get(self, change_id: str, /) -> Row | None:
        return vars(self).get("ahead", {}).get(change_id) or super().get(change_id)


class KeepsTheLock(JSONFileBackend):
    """Holds the lock of other processes after a commit that failed."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        try:
            return super().commit(writes)
        except StorageUnavailable:
            self._shared._lock._lock.acquire()
            raise


class KeepsTheLockOfAReader(JSONFileBackend):
    """Holds the lock of other processes after a read that failed."""

    def get(self, change_id: str, /) -> Row | None:
        try:
            return super().get(change_id)
        except StorageUnavailable as error:
            if isinstance(error.__cause__, OSError):
                self._shared._lock._lock.acquire()
            raise


class RepeatsACommit(JSONFileBackend):
    """Commits again after an error, and conflicts with what it has stored the first time."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        with mock.patch.object(Log, "cut", side_effect=StorageUnavailable("cannot undo it")):
            try:
                return super().commit(writes)
            except StorageUnavailable:
                return super().commit(writes)


class TakesALockForAConflict(JSONFileBackend):
    """Answers with a conflict if it was not given the lock in time."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        try:
            return super().commit(writes)
        except StorageUnavailable as error:
            if "held its lock" not in str(error):
                raise
            return [Conflict(kind=ConflictKind.VERSION, change_id=write.row.id) for write in writes]


class TakesALockForALostClaim(JSONFileBackend):
    """Answers that another worker has a change if it was not given the lock for a claim in time."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        try:
            return super().commit(writes)
        except StorageUnavailable as error:
            if "held its lock" not in str(error) or any(write.entries for write in writes):
                raise
            return [Conflict(kind=ConflictKind.VERSION, change_id=write.row.id) for write in writes]


class LetsATimeoutThrough(JSONFileBackend):
    """Raises the time-out of the lock as it is if rows are looked for."""

    def find(self, query: Query, /) -> Rows:
        try:
            return super().find(query)
        except StorageUnavailable as error:
            if isinstance(error.__cause__, Timeout):
                raise error.__cause__ from None
            raise


class TakesAnyVersionForItsOwn(JSONFileBackend):
    """Looks after an error whether the version that it was to store is there, and not who has stored it."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        try:
            return super().commit(writes)
        except StorageUnavailable as error:
            rows = [self.get(write.row.id) for write in writes] if isinstance(error.__cause__, OSError) else [None]
            if all(row and row.version >= write.row.version for row, write in zip(rows, writes, strict=False)):
                return [None] * len(writes)
            raise


class MakesItsTablesInTwoSteps(TwoTables):
    """Makes its tables in a commit each, and takes the first for both."""

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path)) as connection:
            connection.execute("PRAGMA synchronous = EXTRA")
            if not connection.execute("SELECT name FROM sqlite_master").fetchall():
                connection.execute("CREATE TABLE changes (id TEXT PRIMARY KEY, data BLOB)")
                connection.execute("CREATE TABLE entries (id TEXT, seq INTEGER, data BLOB, PRIMARY KEY (id, seq))")
            yield connection

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.get("")  # makes them


class FindsNothingWhenAReadFails(JSONFileBackend):
    """Answers that there is no such change if the file cannot be read."""

    def get(self, change_id: str, /) -> Row | None:
        try:
            return super().get(change_id)
        except StorageUnavailable as error:
            if isinstance(error.__cause__, Timeout):
                raise
            return None


class EndsPagesWhenAReadFails(SQLiteBackend):
    """Takes an error at a page after the first for the end of the pages."""

    def find(self, query: Query, /) -> Rows:
        try:
            return super().find(query)
        except StorageUnavailable as error:
            if query.after is None or error.__cause__ is None:
                raise
            return Rows(rows=())


class EndsAHistoryWhenAReadFails(SQLiteBackend):
    """Takes an error at a page of a history after the first for its end."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        try:
            return super().history(change_id, after_seq, limit)
        except StorageUnavailable as error:
            if not after_seq or error.__cause__ is None:
                raise
            return EntryRows(entries=())


class FindsNoSubmissionWhenAReadFails(SQLiteBackend):
    """Answers that a subject was never submitted if the file cannot be read."""

    def find(self, query: Query, /) -> Rows:
        try:
            return super().find(query)
        except StorageUnavailable as error:
            if query.order is not Order.SUBMISSION or error.__cause__ is None:
                raise
            return Rows(rows=())


class FindsNothingWhileLocked(OneFile):
    """Answers that there is no such change if it was not given the lock in time."""

    def get(self, change_id: str, /) -> Row | None:
        try:
            with unavailable("use", self._path), FileLock(f"{self._path}.lock").acquire(timeout=30):
                pass
        except StorageUnavailable as error:
            if isinstance(error.__cause__, Timeout):
                return None
            raise
        return super().get(change_id)


class KeepsItsJournalInMemory(TwoTables):
    """Keeps in memory what a transaction replaces, as a setting of SQLite does to save two syncs."""

    journal = "MEMORY"


class SyncsNoDirectory(JSONFileBackend):
    """Makes the content of the file durable, but not its name."""

    def __init__(self, path: Path) -> None:
        with mock.patch.object(_log, "sync_directory"):
            super().__init__(path)

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        with mock.patch("itsm_workflow_backends.json_file._shared.sync_directory"):
            return super().commit(writes)


ZOO: dict[type, Caught] = {
    LetsErrorsOfTheSystemThrough: Caught(
        "each error is one of the port",
        "raised as one of the two",
        "A worker that handles StorageError ends with an OSError when the disk is full.",
    ),
    LetsErrorsOfTheDriverThrough: Caught(
        "each error is one of the port",
        "raised as one of the two",
        "A worker that handles StorageError ends with an error of a driver that it does not know.",
    ),
    LogsAFailedWrite: Caught(
        "a failed write is not answered as stored",
        "answered as stored only if it is stored",
        "A ticket is filed for a change that is gone after a restart.",
    ),
    IgnoresAFailedSync: Caught(
        "a failed sync is not answered as stored",
        "cannot be written or synced",
        "An approval is gone after a power cut, although the disk had reported the error.",
    ),
    RepeatsAFailedSync: Caught(
        "a failed sync is not answered as stored",
        "cannot be written or synced",
        "An approval is gone after a power cut, since the system reports a lost write to the first sync only.",
    ),
    RepeatsTheSyncOfANewFile: Caught(
        "a failed sync is not answered as stored",
        "cannot be written or synced",
        "After a power cut the store cannot be read, although the disk had reported the error.",
    ),
    AppendsToATornLine: Caught(
        "a failed write does not spoil the next",
        "does not affect the following ones",
        "The first change after a full disk cannot be read, with all that follows it.",
    ),
    RemembersAFailedWrite: Caught(
        "a failed write is not read",
        "reads what a newly opened store would read",
        "The process files a ticket for a change that no other process can see.",
    ),
    KeepsTheLock: Caught(
        "an error leaves no lock",
        "it holds no lock",
        "After one failed write, every other process waits until this one is restarted.",
    ),
    RepeatsACommit: Caught(
        "an error is not answered as a conflict",
        "nothing of it was stored",
        "The caller believes that another worker was faster, and no one sends the ticket.",
    ),
    TakesALockForAConflict: Caught(
        "a lock that is not given is not a conflict",
        "none of them is answered as a conflict",
        "A click on a busy system is refused as a duplicate of a change that does not exist.",
    ),
    FindsNothingWhileLocked: Caught(
        "a lock that is not given is not an empty answer",
        "A read that fails raises",
        "A change is reported as unknown on a busy system, and is applied for once more.",
    ),
    KeepsItsJournalInMemory: Caught(
        "a process killed at any call leaves whole commits",
        "every other write whole or not at all",
        "A deployment that kills the process leaves an approved change without the entry that says by whom.",
    ),
    FindsNothingWhenAReadFails: Caught(
        "a failed read does not find nothing",
        "A read that fails raises",
        "A change that waits for its approval is reported as unknown, and is applied for once more.",
    ),
    IgnoresAFullDiskAtASync: Caught(
        "a failed sync is not answered as stored",
        "cannot be written or synced",
        "What was approved on a full disk is gone after a power cut.",
    ),
    KeepsTheLockOfAReader: Caught(
        "a failed read leaves no lock",
        "it holds no lock",
        "After one failed read, every other process waits until this one is restarted.",
    ),
    TakesALockForALostClaim: Caught(
        "a lock that is not given is not a conflict",
        "none of them is answered as a conflict",
        "On a busy system each worker believes that another one has the change, and no one sends the ticket.",
    ),
    LetsATimeoutThrough: Caught(
        "a lock that is not given is not an empty answer",
        "raised as one of the two",
        "A page on a busy system ends with an error of a lock that the host does not know.",
    ),
    TakesAnyVersionForItsOwn: Caught(
        "a failed read does not find nothing",
        "A read that fails raises",
        "Two workers send the same ticket, because each takes the claim of the other for its own.",
    ),
    MakesItsTablesInTwoSteps: Caught(
        "a store whose maker was killed can be used",
        "A power cut or a crash at any moment",
        "A deployment that is killed in its first second leaves a store that no process can use.",
    ),
    EndsPagesWhenAReadFails: Caught(
        "a failed read does not find nothing",
        "A read that fails raises",
        "A pass ends in the middle without an error, and the changes after it are not reconciled.",
    ),
    EndsAHistoryWhenAReadFails: Caught(
        "a failed read does not find nothing",
        "A read that fails raises",
        "The end of a long history is missing, and the change is reported as damaged.",
    ),
    FindsNoSubmissionWhenAReadFails: Caught(
        "a failed read does not find nothing",
        "A read that fails raises",
        "A gate refuses what was approved, because it finds no submission of the subject.",
    ),
    SyncsNoDirectory: Caught(
        "a power cut at any moment leaves whole commits",
        "leaves every acknowledged write",
        "The store is gone after a power cut in its first minute.",
    ),
}
"""By broken backend: the promise that catches it, and no other promise about errors does."""
