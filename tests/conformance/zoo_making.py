"""Broken backends that do the wrong thing while a store is made or opened, or keep what a failed call has taken."""

# ruff: noqa: D102  # a class says what is broken, the port says what each method is for

from __future__ import annotations

import os
import pickle
from contextlib import suppress
from typing import TYPE_CHECKING

from itsm_workflow.storage import checks
from itsm_workflow.storage.files import sync_directory, unavailable
from itsm_workflow.storage.protocol import Conflict, ConflictKind
from tests.conformance.caught import Caught
from tests.conformance.good import Journal, OneFile, PlainDict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import FileIO
    from pathlib import Path

    from itsm_workflow.storage.protocol import Row, Write
    from tests.conformance.good import Changes


class MakesItsFileWithoutTheLock(OneFile):
    """Makes an empty file when it is opened, and does not look whether another process has made one since."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with unavailable("make", self._path):
            if not self._path.exists():
                new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
                new.write_bytes(pickle.dumps({}))
                new.replace(self._path)


class CutsItsTailWhenOpened(Journal):
    """Removes what a crash left of a commit when it is opened, also if another process is just writing it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with unavailable("open", self._path), suppress(FileNotFoundError):
            os.truncate(path, self._replayed()[1])

    def _write(self, file: FileIO, entry: memoryview) -> None:
        super()._write(file, entry[:40])  # the length and the digest
        super()._write(file, entry[40:])


class IgnoresAFailedSyncOfItsFolder(Journal):
    """Goes on if the folder of a new file cannot be synced."""

    def _place(self) -> None:
        with suppress(OSError):
            sync_directory(self._path.parent)


class ChecksSubjectsByAnIndex(OneFile):
    """Checks subjects by an index in a file of its own, which it writes before the changes."""

    unique = ()

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        index = self._path.with_name(f"{self._path.name}.index")
        held: dict[str | None, str] = pickle.loads(index.read_bytes()) if index.exists() else {}  # noqa: S301  # its own
        taken = write.entries and held.get(write.row.open_subject, write.row.id) != write.row.id
        return Conflict(kind=ConflictKind.SUBJECT, change_id=write.row.id) if taken else super()._put(changes, write)

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        held = {row.open_subject: name for name, (row, _) in after.items() if row.open_subject}
        self._path.with_name(f"{self._path.name}.index").write_bytes(pickle.dumps(held))
        super()._store(after, stored)


class KeepsTheLockOfAnInterruptedRead(PlainDict):
    """Releases its lock at the end of a read, and not when a signal interrupts that."""

    def get(self, change_id: str, /) -> Row | None:
        self._mutex.acquire()
        self._check_open()
        row = super().get(change_id)
        self._mutex.release()
        return row


class KeepsTheLockOfARefusedWrite(PlainDict):
    """Checks the writes under its lock, and keeps that if it refuses one."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        self._mutex.acquire()
        checks.check_writes(writes)
        answer = super().commit(writes)
        self._mutex.release()
        return answer


class LeavesAFileOpenAtAConflict(OneFile):
    """Opens its folder to answer a conflict, and does not close it."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        conflict = super()._put(changes, write)
        if conflict is not None:
            os.open(self._path.parent, os.O_RDONLY)
        return conflict


class ClosesWhatItNeverOpened(PlainDict):
    """Closes what the first call makes, also if there was none."""

    def get(self, change_id: str, /) -> Row | None:
        vars(self)["made"] = []
        return super().get(change_id)

    def close(self) -> None:
        super().close()
        vars(self)["made"].clear()


class KeepsTheFormerSubject(PlainDict):
    """Releases a subject if a change has none any more, and not if it has another one."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        former: dict[str | None, str] = vars(self).setdefault("former", {})
        if former.get(write.row.open_subject, write.row.id) != write.row.id:
            return Conflict(kind=ConflictKind.SUBJECT, change_id=write.row.id)
        old, _ = changes.get(write.row.id, (None, ()))
        if old and old.open_subject and write.row.open_subject not in {None, old.open_subject}:
            former[old.open_subject] = old.id
        return super()._put(changes, write)


ZOO: dict[type, Caught] = {
    MakesItsFileWithoutTheLock: Caught(
        "two processes can make a store",
        "A write is answered as stored only if it is stored",
        "Of two servers that are started for the first time, one loses the changes of the other.",
    ),
    CutsItsTailWhenOpened: Caught(
        "a process that opens the store does not disturb a writer",
        "the store behind it is shared by processes",
        "A command of an operator removes the approval that a server is just storing.",
    ),
    IgnoresAFailedSyncOfItsFolder: Caught(
        "a failed sync of a new store is not answered as stored",
        "cannot be written or synced, commit raises",
        "The store is gone after a power cut, although its disk had reported an error.",
    ),
    ChecksSubjectsByAnIndex: Caught(
        "a process killed at any call leaves whole commits",
        "leaves every acknowledged write",
        "After a deployment has killed a process, a second ticket is filed for a collector whose change is open.",
    ),
    KeepsTheLockOfAnInterruptedRead: Caught(
        "a read can be interrupted in its code",
        "it holds no lock",
        "A server stands still after a request for a page was given up.",
        patience=2.0,
    ),
    KeepsTheLockOfARefusedWrite: Caught(
        "a bad write stores nothing",
        "one bad write cannot fail a batch half-way",
        "A server stands still after a request with a wrong character.",
        patience=2.0,
    ),
    LeavesAFileOpenAtAConflict: Caught(
        "a closed backend leaves no file open",
        "Release files and connections.",
        "A server stops after some weeks of double clicks, with too many open files.",
    ),
    ClosesWhatItNeverOpened: Caught(
        "a closed backend does nothing",
        "Closing twice is fine",
        "A service that is stopped before its first request ends with an error.",
    ),
    KeepsTheFormerSubject: Caught(
        "one open change per subject",
        "while the change holds its subject, else None. Unique.",
        "A collector that was renamed cannot be applied for by its former name.",
    ),
}
"""By broken backend: the promise that catches it."""
