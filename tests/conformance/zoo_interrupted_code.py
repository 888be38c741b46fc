"""Broken backends that a signal in their own code leads astray, whatever they keep their changes in."""

# ruff: noqa: D102  # a class says what is broken, the port says what each method is for

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from itsm_workflow.storage.checks import check_writes
from itsm_workflow.storage.protocol import Conflict, ConflictKind
from itsm_workflow_backends.memory import MemoryBackend
from tests.conformance.caught import Caught
from tests.conformance.good import PlainDict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow.storage.protocol import Write
    from tests.conformance.good import Changes


class HoldsItsLockWhenInterrupted(PlainDict):
    """Releases the lock of its threads after an Exception in a call, but not after another one, as of Ctrl-C."""

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        self._mutex.acquire()
        try:
            self._check_open()
            yield self._changes
        except Exception:
            self._mutex.release()
            raise
        self._mutex.release()


class NotesSubjectsOfAnInterruptedCommit(PlainDict):
    """Notes the subjects that a commit is about to take, refuses others for them, and keeps the notes after Ctrl-C."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        check_writes(writes)
        with self._mutex:
            noted: set[str | None] = vars(self).setdefault("noted", set())
            if any(write.row.open_subject in noted for write in writes):
                return [Conflict(kind=ConflictKind.SUBJECT, change_id=write.row.id) for write in writes]
            noted |= {write.row.open_subject for write in writes} - {None}
            try:
                return super().commit(writes)
            finally:
                if isinstance(sys.exception(), Exception | None):
                    noted.clear()


class TakesNothingBack(MemoryBackend):
    """Stores a row and then its entries, and keeps the row if it is interrupted between them."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        check_writes(writes)
        with self._lock:
            return self._open_table().commit(writes)


ZOO: dict[type, Caught] = {
    HoldsItsLockWhenInterrupted: Caught(
        "a commit can be interrupted in its code",
        "it holds no lock",
        "A server stands still after a request was cancelled in a commit.",
        patience=2.0,
    ),
    NotesSubjectsOfAnInterruptedCommit: Caught(
        "a commit can be interrupted in its code",
        "it holds no lock",
        "No other change can be filed for a collector after a person has pressed Ctrl-C, although none is there.",
    ),
    TakesNothingBack: Caught(
        "a commit can be interrupted in its code",
        "reads what a newly opened store would read",
        "A change is reported as damaged whose request was cancelled, since it has no entry for its state.",
    ),
}
"""By broken backend: the promise that catches it."""
