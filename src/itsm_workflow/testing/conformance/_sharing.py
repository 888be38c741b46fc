"""The promises for many concurrent writers: threads of one process, and processes."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from itsm_workflow.storage.protocol import ConflictKind
from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._processes import (
    claim_due,
    claimed,
    count_up,
    open_subjects,
    together,
)
from itsm_workflow.testing.conformance._rows import NOW, create, entry, follow, found, present, stored, whole_history
from itsm_workflow.testing.conformance._threads import at_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.storage.protocol import StorageBackend, Write

Answer = TypeVar("Answer")

_THREADS = 8
_MOST_WRITES = 500


class SharingPromises(Promises):
    """Races with exactly one winner each."""

    @promise()
    def test_one_thread_wins_each_version(self, backend: StorageBackend) -> None:
        """Of eight threads that have read the same version, one writes and seven get a conflict.

        Port: "One backend object is shared by the threads of a process; the store behind it is shared by processes."
        """
        stored(backend, create("c1"))

        for _ in range(self.profile.rounds):
            write = follow(present(backend, "c1"))
            kinds = in_threads(lambda write=write: _kind(backend, write))  # type: ignore[misc]
            assert (kinds.count(None), kinds.count(ConflictKind.VERSION)) == (1, _THREADS - 1)
        assert present(backend, "c1").version == self.profile.rounds + 1
        assert whole_history(backend, "c1") == [entry("c1", seq) for seq in range(1, self.profile.rounds + 2)]

    @promise()
    def test_one_thread_opens_each_subject(self, backend: StorageBackend) -> None:
        """A double click makes one change.

        Port: "Workflow and subject while the change holds its subject, else None. Unique."
        """
        for number in range(self.profile.rounds):
            writes = iter([create(f"{number}-{thread}", open_subject=str(number)) for thread in range(_THREADS)])
            kinds = in_threads(lambda writes=writes: _kind(backend, next(writes)))  # type: ignore[misc]
            assert (kinds.count(None), kinds.count(ConflictKind.SUBJECT)) == (1, _THREADS - 1)

    @promise()
    def test_threads_claim_each_due_row_once(self, backend: StorageBackend) -> None:
        """Two workers that find the same rows claim each row once.

        Port: "0 creates; otherwise the version that the writer has read."
        """
        names = [f"c{number:03}" for number in range(60)]
        backend.commit([create(name, due_at=NOW - number) for number, name in enumerate(names)])
        mine = in_threads(lambda: claimed(backend, NOW), threads=2)
        assert names == sorted(mine[0] + mine[1])

    @promise()
    def test_a_reader_never_sees_half_a_write(self, backend: StorageBackend) -> None:
        """A reader that sees the row also sees the entries that led to it.

        Port: "A write is stored whole, row and entries, or not at all."
        """
        stored(backend, create("c1"))
        done = threading.Event()

        def write() -> int:
            try:
                for _ in range(60):
                    stored(backend, follow(present(backend, "c1"), entries=3))
            finally:
                done.set()
            return 0

        def read() -> int:
            torn = 0
            while not done.is_set():
                seq = present(backend, "c1").seq
                lines = whole_history(backend, "c1", limit=50)
                torn += len(lines) < seq or len(lines) % 3 != 1
            return torn

        assert at_once([read, read, write]) == [0, 0, 0]

    @promise()
    def test_what_was_there_is_found_while_others_write(self, backend: StorageBackend) -> None:
        """Changes that are created in the meantime do not affect readers.

        Port: "Read page by page, a row that matches throughout is never left out; only a row that itself changed
        between two pages can be met twice or missed."
        """
        names = [f"b{number:02}" for number in range(40)]
        backend.commit([create(name) for name in names])
        # The writer does not stop before the readers; a fast writer would finish before they begin.
        reading = {"one", "other"}

        def write() -> int:
            number = 0
            while reading and number < _MOST_WRITES:
                # Before, between and after the existing rows.
                backend.commit([create(f"{first}{number:04}-new") for first in "abc"])
                number += 1
            return 0

        def read(reader: str) -> int:
            missed = 0
            try:
                for limit in (1000, 7) * 3:
                    missed += names != [name for name in found(backend, limit=limit) if "-" not in name]
            finally:
                reading.remove(reader)
            return missed

        works: list[Callable[[], int]] = [partial(read, "one"), partial(read, "other"), write]
        assert at_once(works) == [0, 0, 0]

    @promise("multi_process")
    def test_processes_do_not_lose_each_others_writes(self, open_backend: Callable[[], StorageBackend]) -> None:
        """Four processes write many times each to one change: no write is lost, and the history has no gap.

        Port: "One backend object is shared by the threads of a process; the store behind it is shared by processes."
        """
        backend = open_backend()
        try:
            stored(backend, create("c1"))
            together(count_up, open_backend, [("c1", self.profile.writes)] * 4)
            assert present(backend, "c1").version == 4 * self.profile.writes + 1
            assert whole_history(backend, "c1") == [entry("c1", seq) for seq in range(1, 4 * self.profile.writes + 2)]
        finally:
            backend.close()

    @promise("multi_process")
    def test_one_process_opens_each_subject(self, open_backend: Callable[[], StorageBackend]) -> None:
        """The store refuses the second change, whichever process writes it or created the file.

        Port: "Workflow and subject while the change holds its subject, else None. Unique."
        """
        reports = together(open_subjects, open_backend, [("a", 20), ("b", 20), ("c", 20)])
        assert sorted(number for won, _ in reports for number in won) == list(range(20))
        assert {kind for _, kinds in reports for kind in kinds} <= {"subject"}

    @promise("multi_process")
    def test_processes_claim_each_due_row_once(self, open_backend: Callable[[], StorageBackend]) -> None:
        """Two workers on one machine claim each due change once.

        Port: "0 creates; otherwise the version that the writer has read."
        """
        backend = open_backend()
        try:
            names = [f"c{number:03}" for number in range(60)]
            backend.commit([create(name, due_at=NOW - number) for number, name in enumerate(names)])
            first, second = together(claim_due, open_backend, [(NOW,), (NOW,)])
            assert names == sorted(first + second)
        finally:
            backend.close()


def _kind(backend: StorageBackend, write: Write) -> ConflictKind | None:
    (conflict,) = backend.commit([write])
    return conflict.kind if conflict else None


def in_threads(work: Callable[[], Answer], *, threads: int = _THREADS) -> list[Answer]:
    """Run the same work in several threads at the same time, and return the result of each."""
    return at_once([work] * threads)
