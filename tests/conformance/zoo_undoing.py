"""Broken backends that go on wrongly after a commit that failed or was interrupted: each a good one with one defect.

Each is next to the promise of the kit that catches it.
"""

# ruff: noqa: D102  # a class says what is broken, the port says what each method is for

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING

from itsm_workflow.storage.files import sync_directory
from itsm_workflow.storage.protocol import Conflict, ConflictKind
from itsm_workflow_backends.json_file import JSONFileBackend
from tests.conformance.caught import Caught
from tests.conformance.good import CheckedJournal, Journal, OneFile, TwoTables
from tests.conformance.good_links import LinkedCommits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import FileIO

    from itsm_workflow.storage.protocol import Write
    from tests.conformance.good import Changes


class KeepsASubjectAsTaken(JSONFileBackend):
    """Notes in memory that a subject is taken while its change is written, and keeps the note if that fails."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        taken: dict[str | None, str] = vars(self).setdefault("taken", {})
        subjects = {write.row.open_subject: write.row.id for write in writes if write.row.open_subject}
        if any(taken.setdefault(subject, name) != name for subject, name in subjects.items()):
            return [Conflict(kind=ConflictKind.SUBJECT, change_id=write.row.id) for write in writes]
        answer = super().commit(writes)
        for subject in subjects:
            del taken[subject]
        return answer


class IgnoresAFailedUndo(JSONFileBackend):
    """Removes what a failed write has left, and does not look whether it was removed."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        try:
            return super().commit(writes)
        finally:
            self._shared._sync_failed = False


class KeepsEntriesOfAnInterruptedCommit(TwoTables):
    """Stores entries in a commit before that of their rows, and hides them until then, also from the next write."""

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        known = [name for name in stored if name in self._read()]
        lines = [(name, line.seq, pickle.dumps(line)) for name in known for line in after[name][1]]
        with self._connected() as connection, connection:
            connection.executemany("INSERT OR IGNORE INTO entries VALUES (?, ?, ?)", lines)
        super()._store(after, stored)

    def _read(self) -> Changes:
        return {name: (row, lines[: row.seq]) for name, (row, lines) in super()._read().items()}


class TakesAFailedWriteForNone(CheckedJournal):
    """Takes it that a write that failed has written nothing, and writes the next commit over a part of what it left."""

    failed = False

    def _write(self, file: FileIO, entry: memoryview) -> None:
        self.failed = True
        super()._write(file, entry)
        self.failed = False

    def _cut(self, file: FileIO, end: int) -> None:
        if not self.failed:
            super()._cut(file, end)


class WritesOverATornCommit(CheckedJournal):
    """Writes the next commit over what a killed process has left of one, whose end stays after a shorter commit."""

    abilities = CheckedJournal.abilities - {"fsync"}  # with it, the promise about power cuts catches it as well

    def _cut(self, file: FileIO, end: int) -> None:
        if self._doubtful:
            super()._cut(file, end)


class KeepsAnIndexThatIsNotSynced(OneFile):
    """Looks for unique values in the changes of an index file, which it writes before them and does not sync."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        index = self._path.with_suffix(".index")
        known = index.read_bytes().split(b"\n") if index.exists() else []
        unknown = [name for name in self._read() if name != write.row.id and name.encode().hex().encode() not in known]
        hidden = {name: changes.pop(name) for name in unknown}
        conflict = super()._put(changes, write)
        changes |= hidden
        return conflict

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        self._path.with_suffix(".index").write_bytes(b"\n".join(name.encode().hex().encode() for name in after))
        super()._store(after, stored)


class SyncsItsFolderLast(Journal):
    """Syncs the folder of a new file at the end of its first commit, and not if that is there already."""

    def _place(self) -> None:
        pass

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        _, end = self._replayed()
        super()._store(after, stored)
        if not end:
            sync_directory(self._path.parent)


class BuildsOnANameThatIsNotDurable(LinkedCommits):
    """Syncs its folder after it has named a file, and not before for the name that a dead process has given."""

    _is_first = False

    def _is_linked(self, number: int, stored: Changes) -> bool:
        self._is_first = True
        return super()._is_linked(number, stored)

    def _sync(self) -> None:
        if not self._is_first:
            super()._sync()
        self._is_first = False


class RenamesALargeFileFirst(OneFile):
    """Gives the new file of 1 MiB or more its name before it has synced the content, to save time."""

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        if len(content := pickle.dumps(after)) < 1 << 20:
            super()._store(after, stored)
            return
        new = self._path.with_name(f"{self._path.name}.new")
        with new.open("wb", buffering=0) as file:
            new.replace(self._path)
            file.write(content)
            os.fsync(file.fileno())
        sync_directory(self._path.parent)


ZOO: dict[type, Caught] = {
    KeepsASubjectAsTaken: Caught(
        "an error is not answered as a conflict",
        "nothing of it was stored",
        "After one failed write, no other change can be filed for its collector until the process is restarted.",
    ),
    IgnoresAFailedUndo: Caught(
        "a failed sync is not answered as stored",
        "cannot be written or synced",
        "An approval is gone after a power cut, because it was written after data that the disk had lost.",
    ),
    KeepsEntriesOfAnInterruptedCommit: Caught(
        "a process killed at any call leaves whole commits",
        "every other write whole or not at all",
        "The history says that a change was approved by a person whose approval was never stored.",
    ),
    TakesAFailedWriteForNone: Caught(
        "a failed write does not spoil the next",
        "does not affect the following ones",
        "After a disk was full for a moment, the store is reported as damaged, and no change can be read.",
    ),
    WritesOverATornCommit: Caught(
        "a process killed at any call leaves whole commits",
        "every other write whole or not at all",
        "After a deployment has killed a process, the first shorter commit makes the whole store unreadable.",
    ),
    KeepsAnIndexThatIsNotSynced: Caught(
        "a power cut at any moment leaves whole commits",
        "every other write whole or not at all",
        "After a power cut, a second ticket is filed for a collector whose change is there and open.",
    ),
    RenamesALargeFileFirst: Caught(
        "a power cut at any moment leaves whole commits",
        "leaves every acknowledged write",
        "All changes are gone after a power cut, because a change with a long form was just being stored.",
    ),
    BuildsOnANameThatIsNotDurable: Caught(
        "a power cut leaves what was built on a dead process",
        "make all that were stored durable before returning",
        "An approval that was not there after a power cut comes back when the next change is stored.",
    ),
    SyncsItsFolderLast: Caught(
        "a power cut leaves what was built on a dead process",
        "make all that were stored durable before returning",
        "The store is gone after a power cut, since the process that made it was killed in its first minute.",
    ),
}
