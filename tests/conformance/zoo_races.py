"""Broken backends that are right as long as one thread or process works at a time."""

# ruff: noqa: D102  # a class says what is broken, the port says what each method is for

from __future__ import annotations

import fcntl
import multiprocessing
import os
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from unittest import mock

from itsm_workflow.storage.protocol import Conflict, ConflictKind, EntryRows, Order, Row, Write
from itsm_workflow_backends.memory import MemoryBackend
from tests.conformance.caught import Caught
from tests.conformance.good import OneFile, PlainDict, TwoTables

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection

    from itsm_workflow.storage.protocol import Query, Rows
    from tests.conformance.good import Changes

_MOMENT = 0.002


class LooksForSubjectsFirst(PlainDict):
    """Looks whether a subject is free before it takes its lock, and not again."""

    column = "open_subject"
    kind = ConflictKind.SUBJECT
    unique = ((ConflictKind.TICKET, "ticket_key"),)

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        with self._opened() as changes:
            held = {getattr(row, self.column): row.id for row, _ in changes.values()} | {None: ""}
        time.sleep(_MOMENT)
        lost = [held.get(getattr(w.row, self.column)) not in {w.row.id, None, ""} for w in writes]
        stored = iter(super().commit([write for write, is_lost in zip(writes, lost, strict=True) if not is_lost]))
        conflicts = [Conflict(kind=self.kind, change_id=write.row.id) for write in writes]
        return [conflict if is_lost else next(stored) for conflict, is_lost in zip(conflicts, lost, strict=True)]


class LooksForTicketsFirst(LooksForSubjectsFirst):
    """Looks whether a ticket is free before it takes its lock, and not again."""

    column = "ticket_key"
    kind = ConflictKind.TICKET
    unique = ((ConflictKind.SUBJECT, "open_subject"),)


class LooksForSubjectsInTheFile(LooksForSubjectsFirst, OneFile):
    """Looks whether a subject is free before it locks the file, and not again."""


class LooksForTicketsInTheFile(LooksForTicketsFirst, OneFile):
    """Looks whether a ticket is free before it locks the file, and not again."""


class ClaimsWithoutALock(PlainDict):
    """Locks for writes with entries only, since a claim changes little."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        if any(write.entries for write in writes):
            return super().commit(writes)
        after = dict(self._changes)
        answer = [self._put(after, write) for write in writes]
        time.sleep(_MOMENT)
        self._changes = self._changes | {write.row.id: after[write.row.id] for write in writes}
        return answer


class ClaimsInTheFileWithoutALock(OneFile):
    """Locks the file for writes with entries only, since a claim changes little."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        if any(write.entries for write in writes):
            return super().commit(writes)
        after = self._read()
        answer = [self._put(after, write) for write in writes]
        time.sleep(_MOMENT)
        with self._opened() as changes:
            self._store(changes | {write.row.id: after[write.row.id] for write in writes}, ())
        return answer


class ShowsWhatItTakesBack(MemoryBackend):
    """Writes first and checks tickets after that; others read meanwhile what is then taken back."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        table = self._open_table()
        for write in writes:
            old = table.rows.get(write.row.id)
            if old is not None and old.version == write.expected_version and table.judge(write) is not None:
                table.rows[write.row.id] = write.row
                time.sleep(_MOMENT)
                table.rows[write.row.id] = old
        return super().commit(writes)


class WritesTheRowBeforeItsEntries(MemoryBackend):
    """Lets others read between the row and its entries."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        born: float = vars(self).get("born", 0.0)
        page = super().history(change_id, after_seq, limit)
        if threading.current_thread() is vars(self).get("writer") or time.monotonic() > born + _MOMENT:
            return page
        return EntryRows(entries=page.entries[:-2], next_seq=page.next_seq)

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        vars(self).update(born=time.monotonic(), writer=threading.current_thread())
        return super().commit(writes)


class LocksThreadsOnly(OneFile):
    """Takes it that one process alone writes to the file."""

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        with PlainDict._opened(self):
            yield self._read()

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        with suppress(FileNotFoundError):  # another process has renamed it
            super()._store(after, stored)


class RemembersConflicts(OneFile):
    """Answers that a subject is held as it was when this process last stored something."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        known: set[str | None] = vars(self).setdefault("known", set())
        subject, change_id = (writes[0].row.open_subject, writes[0].row.id) if len(writes) == 1 else (None, "")
        if subject in known:
            return [Conflict(kind=ConflictKind.SUBJECT, change_id=change_id)]
        answer = super().commit(writes)
        if any(conflict is None for conflict in answer):
            known.clear()
        elif subject is not None and answer[0] is not None and answer[0].kind is ConflictKind.SUBJECT:
            known.add(subject)
        return answer


class FindsInACopy(OneFile):
    """Finds rows in a copy that is up to half a second old, and reads by id where they are written."""

    def find(self, query: Query, /) -> Rows:
        with mock.patch.object(self, "_opened", return_value=nullcontext(copied(self, 0.5))):
            return super().find(query)


class ReadsFromAReplica(OneFile):
    """Reads from a copy that is some milliseconds behind, in a process that has not written yet."""

    lag: ClassVar[float] = 0.02
    _wrote: ClassVar[set[int]] = set()

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        self._wrote.add(os.getpid())
        super()._store(after, stored)

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        with super()._opened() if os.getpid() in self._wrote else nullcontext(copied(self, self.lag)) as changes:
            yield changes


def copied(store: OneFile, lag: float) -> Changes:
    """Return what the store held at most so many seconds ago."""
    since, changes = vars(store).get("copy", (0.0, {}))
    if time.monotonic() > since + lag:
        since, changes = vars(store)["copy"] = time.monotonic(), store._read()
    return dict(changes)


class ReadsHistoryFromAReplica(ReadsFromAReplica):
    """Reads rows where they are written, and entries from a copy, so that a row is seen before its history."""

    lag = 0.5  # longer than a read of the row waits for the lock

    def get(self, change_id: str, /) -> Row | None:
        with OneFile._opened(self) as changes:
            return changes.get(change_id, (None, ()))[0]

    def find(self, query: Query, /) -> Rows:
        with mock.patch.object(self, "_opened", partial(OneFile._opened, self)):
            return super().find(query)


class LocksForASecond(OneFile):
    """Holds a lock that ends after a second, and writes without looking whether it still holds it."""

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        with PlainDict._opened(self):
            lease = self._path.with_suffix(".lease")
            while True:
                with suppress(FileNotFoundError):
                    lease.unlink() if time.time() > lease.stat().st_mtime + 1 else time.sleep(_MOMENT)
                with suppress(FileExistsError):
                    lease.touch(exist_ok=False)
                    break
            yield self._read()
            lease.unlink(missing_ok=True)


class SharesItsLockAcrossAFork(OneFile):
    """Opens the file of its lock once, so that a forked process holds the lock of its parent."""

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        if "lock" not in vars(self):
            self.lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        try:
            self._check_open()
            yield self._read()
        finally:
            fcntl.flock(self.lock, fcntl.LOCK_UN)


class FindsSubmissionsInACopy(OneFile):
    """Reads the submissions of a subject again after a moment only."""

    def find(self, query: Query, /) -> Rows:
        known: dict[Query, tuple[float, Rows]] = vars(self).setdefault("known", {})
        page = super().find(query)
        if query.order is Order.SUBMISSION and time.monotonic() < known.get(query, (0.0,))[0] + 0.05:
            return known[query][1]
        known[query] = (time.monotonic(), page)
        return page


class SharesItsConnection(OneFile):
    """Reads over a connection to a server, which a forked process goes on to use."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._asking, (self._ours, theirs) = threading.Lock(), multiprocessing.Pipe()
        threading.Thread(target=serve, args=(theirs, OneFile(path)), daemon=True).start()

    def get(self, change_id: str, /) -> Row | None:
        with self._asking, super()._opened():
            self._ours.send(change_id)
            row: Row | None = self._ours.recv()
            return row


def serve(pipe: Connection, store: OneFile) -> None:
    """Answer which row has an id, as long as somebody asks."""
    with suppress(EOFError, OSError):
        while True:
            pipe.send(store._read().get(pipe.recv(), (None, ()))[0])


class LocksItsThreadsAcrossAFork(OneFile):
    """Keeps its threads apart by a lock that is made when the store is opened, and held while another thread forks."""

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        with self._mutex, super()._opened() as changes:
            yield changes


class LocksTheProcess(OneFile):
    """Locks by lockf, which ends as soon as any thread of the process has read and closes the file of the lock."""

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            yield self._read()
        finally:
            os.close(lock)


class UnlocksByClosing(OneFile):
    """Releases its lock by closing the file, which a process that was forked meanwhile still has open."""

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self._read()
        finally:
            os.close(lock)


class LocksOncePerProcess(OneFile):
    """Locks the file by a lock that a process holds for all its objects."""

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        with PlainDict._opened(self), Path(f"{self._path}.lock").open("w", encoding="utf-8") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            yield self._read()


class KeepsItsConnection(TwoTables):
    """Keeps its connection to SQLite in a forked process, with what a thread of the parent was reading from it."""

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        if "connection" not in vars(self):
            self.connection = self._connect()
        yield self.connection

    def close(self) -> None:
        super().close()
        if connection := vars(self).pop("connection", None):
            connection.close()


class GoesOnWithWhatWasRead(OneFile):
    """Answers the first call of a forked process from what a thread of its parent was reading at the fork."""

    reading: ClassVar[tuple[int, Changes]] = (0, {})

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        with super()._opened() as changes:
            reader, before = self.reading
            vars(self)["reading"] = os.getpid(), changes
            yield changes if reader in {0, os.getpid()} else before
            vars(self)["reading"] = 0, {}


class KeepsAShortPath(OneFile):
    """Keeps the path from the directory in which the process is when it opens the store."""

    def __init__(self, path: Path) -> None:
        super().__init__(Path(os.path.relpath(path)))


class KeepsItsLog(KeepsItsConnection):
    """Lets no thread be in a call at a fork, and keeps its connection to SQLite, whose log its parent removes."""

    journal = "WAL"
    calls = threading.RLock()

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        with self.calls, super()._opened() as changes:
            yield changes


if hasattr(os, "register_at_fork"):
    calls = KeepsItsLog.calls
    os.register_at_fork(before=calls.acquire, after_in_parent=calls.release, after_in_child=calls.release)


ZOO = {
    LocksOncePerProcess: Caught(
        "objects of one process do not lose each others writes",
        "shared by the threads of a process",
        "A web server that opens its store twice overwrites its own changes.",
    ),
    LooksForSubjectsFirst: Caught(
        "one thread opens each subject",
        "while the change holds its subject, else None. Unique.",
        "A double click files two tickets for one collector.",
    ),
    LooksForTicketsFirst: Caught(
        "one thread binds each ticket",
        "Gateway name and ticket id, or None. Unique.",
        "One approval is applied to two changes.",
    ),
    LooksForSubjectsInTheFile: Caught(
        "one process opens each subject",
        "while the change holds its subject, else None. Unique.",
        "Two servers file two tickets for one collector.",
    ),
    LooksForTicketsInTheFile: Caught(
        "one process binds each ticket",
        "Gateway name and ticket id, or None. Unique.",
        "Two servers apply one approval to two changes.",
    ),
    ClaimsWithoutALock: Caught(
        "threads claim each due row once",
        "the version that the writer has read",
        "Two workers send the same ticket.",
    ),
    ClaimsInTheFileWithoutALock: Caught(
        "processes claim each due row once",
        "the version that the writer has read",
        "Two servers send the same ticket.",
    ),
    ShowsWhatItTakesBack: Caught(
        "calls of threads have an order",
        "Each write succeeds or conflicts independently",
        "A gate decides by a state that was never stored.",
    ),
    WritesTheRowBeforeItsEntries: Caught(
        "a reader never sees half a write",
        "A write is stored whole, row and entries",
        "A page shows an approved change without the entry that says by whom.",
    ),
    LocksThreadsOnly: Caught(
        "processes do not lose each others writes",
        "the store behind it is shared by processes",
        "Two servers overwrite each other's changes.",
    ),
    RemembersConflicts: Caught(
        "a value that was released elsewhere is free",
        "while the change holds its subject, else None. Unique.",
        "An application is refused because of a change that has ended.",
    ),
    FindsInACopy: Caught(
        "calls of processes have an order",
        "as of the last commit",
        "A list of open changes has one that this process has just ended.",
    ),
    ReadsFromAReplica: Caught(
        "a reader elsewhere sees each commit",
        "as of the last commit",
        "A gate on another server opens by an approval that was withdrawn a moment ago.",
    ),
    ReadsHistoryFromAReplica: Caught(
        "a reader elsewhere sees each commit",
        "as of the last commit",
        "Another server reports a change as damaged that was filed a moment ago.",
    ),
    LocksForASecond: Caught(
        "a stopped writer does not write over others",
        "the version that the writer has read",
        "A server that paused overwrites what another has stored meanwhile.",
    ),
    FindsSubmissionsInACopy: Caught(
        "two objects see each others commits",
        "as of the last commit",
        "A gate opens by an approval that was withdrawn a moment ago.",
    ),
    SharesItsLockAcrossAFork: Caught(
        "a forked process does not disturb its parent",
        "the store behind it is shared by processes",
        "Two workers of a server overwrite each other's changes.",
    ),
    SharesItsConnection: Caught(
        "a forked process does not disturb its parent",
        "the store behind it is shared by processes",
        "A worker of a server reads the change that another worker asked for.",
    ),
    LocksItsThreadsAcrossAFork: Caught(
        "a forked process does not disturb its parent",
        "shared by the threads of a process",
        "A worker of a server stands still from its first commit on.",
        patience=5.0,
    ),
    KeepsItsConnection: Caught(
        "a forked process works on what its parent stored since",
        "the store behind it is shared by processes",
        "A worker of a server writes over what the server has stored since it was started, and spoils the file.",
    ),
    GoesOnWithWhatWasRead: Caught(
        "a forked process works on what its parent stored since",
        "the store behind it is shared by processes",
        "A worker of a server shows a change as waiting that was approved since the worker was started.",
    ),
    KeepsAShortPath: Caught(
        "a forked process goes on without its parent",
        "the store behind it is shared by processes",
        "A service that becomes a daemon goes on with an empty store in another directory.",
    ),
    KeepsItsLog: Caught(
        "a forked process goes on without its parent",
        "the store behind it is shared by processes",
        "A service that becomes a daemon files tickets for changes that no other process can see.",
    ),
    LocksTheProcess: Caught(
        "a stopped writer does not write over others",
        "the version that the writer has read",
        "An approval is overwritten by another process, because a page was read in the meantime.",
    ),
    UnlocksByClosing: Caught(
        "a forked process does not disturb its parent",
        "shared by the threads of a process",
        "All processes of a server stand still after it has started a worker.",
        patience=5.0,
    ),
}
"""By broken backend: the promise that catches it, words of the quoted sentence, and the harm to a user."""
