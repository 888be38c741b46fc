"""The promises for many concurrent writers: threads of one process, and processes.

Each race ends with a judgement: the answers of all calls must have an order that explains them, see `_judging`.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, Any

from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._comparing import SENTENCES
from itsm_workflow.testing.conformance._finding_meanwhile import find_while_others_write
from itsm_workflow.testing.conformance._insistent import Insistent
from itsm_workflow.testing.conformance._judging import judge, read_again
from itsm_workflow.testing.conformance._naming import by_other_paths
from itsm_workflow.testing.conformance._partner import Partner
from itsm_workflow.testing.conformance._processes import together
from itsm_workflow.testing.conformance._racing import (
    bind,
    claim_due,
    count_up,
    in_threads,
    look_on,
    mix_to_the_end,
    overwrite,
    write_while_read,
)
from itsm_workflow.testing.conformance._recording import RecordedOpener
from itsm_workflow.testing.conformance._rows import NOW, create, follow, pages, stored
from itsm_workflow.testing.conformance._threads import at_once
from itsm_workflow.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.storage.protocol import Write
    from itsm_workflow.testing.conformance._naming import Opener
    from itsm_workflow.testing.conformance._racing import Work
    from itsm_workflow.testing.conformance._recording import RecordedBackend

_THREADS = 8
_PROCESSES = 4
_DUE = 60
_MIXED = 4
_TURNS = 6


class SharingPromises(Promises):
    """Races of threads and of processes."""

    @promise()
    def test_one_thread_wins_each_version(self, backend: RecordedBackend) -> None:
        """Of eight threads that have read the same version, one writes and seven get a conflict.

        Port: "One backend object is shared by the threads of a process; the store behind it is shared by processes."
        """
        stored(backend, create("c1"))
        _race_threads(backend, overwrite, [("c1", self.profile.rounds)] * _THREADS)

    @promise()
    def test_one_thread_opens_each_subject(self, backend: RecordedBackend) -> None:
        """A double click makes one change.

        Port: "Workflow and subject while the change holds its subject, else None. Unique."
        """
        racers = [("open_subject", me, self.profile.rounds) for me in range(_THREADS)]
        _race_threads(backend, bind, racers)

    @promise()
    def test_one_thread_binds_each_ticket(self, backend: RecordedBackend) -> None:
        """Two changes that want one ticket at the same moment do not both get it.

        Port: "Gateway name and ticket id, or None. Unique."
        """
        racers = [("ticket_key", me, self.profile.rounds) for me in range(_THREADS)]
        _race_threads(backend, bind, racers)

    @promise()
    def test_threads_claim_each_due_row_once(self, backend: RecordedBackend) -> None:
        """Two workers that find the same rows claim each row once.

        Port: "0 creates; otherwise the version that the writer has read."
        """
        backend.commit(_due_changes())
        _race_threads(backend, claim_due, [(NOW,)] * 2)

    @promise()
    def test_calls_of_threads_have_an_order(self, backend: RecordedBackend) -> None:
        """Whatever threads write and read at the same time, their answers are those of one call after the other.

        Port: "Each write succeeds or conflicts independently of the others, in any order the backend likes."
        """
        _race_threads(backend, mix_to_the_end, [(me, self.profile.writes * _MIXED) for me in range(_THREADS)])

    @promise()
    def test_a_reader_never_sees_half_a_write(self, backend: RecordedBackend) -> None:
        """A reader that sees the row also sees the entries that led to it.

        Port: "A write is stored whole, row and entries, or not at all."
        """
        stored(backend, create("c1"))
        in_threads(_read_or_write, backend, [("c1", 60), ("c1", 0), ("c1", 0)])
        _judge_after(backend)

    @promise()
    def test_existing_rows_are_found_while_others_write(self, backend: RecordedBackend) -> None:
        """Changes that are created in the meantime do not affect readers, also in the middle of a find.

        Port: "Read page by page, a row that matches throughout is never left out; only a row that itself changed
        between two pages can be met twice or missed."
        """
        names = [f"b{number:02}" for number in range(40)]
        backend.commit([create(name) for name in names])
        # A commit for every second page that is read: a fast writer would finish before the readers begin, and one that
        # does not wait for them would make their pages more and more.
        reading, pages_begun = {"one", "other"}, threading.Semaphore(0)
        insistent = Insistent(backend)

        def write() -> int:
            number = 0
            while pages_begun.acquire() and reading and pages_begun.acquire() and reading:
                # Before, between and after the existing rows.
                insistent.commit([create(f"{first}{number:04}-new") for first in "abc"])
                number += 1
            return 0

        def read(reader: str) -> int:
            missed = 0
            try:
                for limit in (1000, 7) * 3:
                    ids: list[str] = []
                    pages_begun.release()
                    for page in pages(insistent, Query(limit=limit)):
                        ids += [row.id for row in page.rows]
                        pages_begun.release()
                    missed += names != [name for name in ids if "-" not in name]
            finally:
                reading.remove(reader)
                pages_begun.release(2)
            return missed

        works: list[Callable[[], int]] = [partial(read, "one"), partial(read, "other"), write]
        missed = sum(at_once(works))
        assert missed == 0, f"{counted(missed, 'reader')} did not find each of the {len(names)} changes from before"
        find_while_others_write(backend)
        _judge_after(backend)

    @promise("multi_process")
    def test_processes_do_not_lose_each_others_writes(self, open_backend: RecordedOpener) -> None:
        """Four processes write many times each to one change: no write is lost, and the history has no gap.

        Port: "One backend object is shared by the threads of a process; the store behind it is shared by processes."
        """
        _race_processes(open_backend, count_up, [("c1", self.profile.writes)] * _PROCESSES, [create("c1")])

    @promise("multi_process")
    def test_objects_of_one_process_do_not_lose_each_others_writes(self, open_backend: RecordedOpener) -> None:
        """Two objects that opened one store in one process exclude each other, as two processes do.

        Port: "One backend object is shared by the threads of a process; the store behind it is shared by processes."
        """
        with closing(open_backend()) as one, closing(open_backend()) as other:
            stored(one, create("c1"))
            racers = [(each, "c1", self.profile.writes) for each in (one, other) * 2]
            _race_threads(one, _count_up_on, racers)

    @promise("multi_process")
    def test_writers_by_other_paths_do_not_lose_writes(self, open_backend: RecordedOpener) -> None:
        """Processes, and objects of one process, exclude each other also if each opens the store by another path.

        One path leads through a symbolic link of the folder, and one is relative.

        Port: "One backend object is shared by the threads of a process; the store behind it is shared by processes."
        """
        with by_other_paths(open_backend.bare) as (linked, relative):
            racers = [(opener, "c1", self.profile.writes) for opener in (open_backend.bare, linked, relative)]
            _race_processes(open_backend, _count_up_by, racers, [create("c1")])
            with closing(open_backend()) as one, closing(RecordedOpener(open_backend.recording, linked)()) as other:
                _race_threads(one, _count_up_on, [(each, "c1", self.profile.writes) for each in (one, other)])

    @promise("multi_process")
    def test_one_process_opens_each_subject(self, open_backend: RecordedOpener) -> None:
        """The store refuses the second change, whichever process writes it or created the file.

        Port: "Workflow and subject while the change holds its subject, else None. Unique."
        """
        racers = [("open_subject", me, self.profile.rounds) for me in range(_PROCESSES)]
        _race_processes(open_backend, bind, racers)

    @promise("multi_process")
    def test_one_process_binds_each_ticket(self, open_backend: RecordedOpener) -> None:
        """Two processes that give one ticket to two changes at the same moment do not both succeed.

        Port: "Gateway name and ticket id, or None. Unique."
        """
        racers = [("ticket_key", me, self.profile.rounds) for me in range(_PROCESSES)]
        _race_processes(open_backend, bind, racers)

    @promise("multi_process")
    def test_a_value_that_was_released_elsewhere_is_free(self, open_backend: RecordedOpener) -> None:
        """A process that was refused a subject and a ticket gets them as soon as another process has released them.

        Port: "Workflow and subject while the change holds its subject, else None. Unique."
        """
        with closing(open_backend()) as here, closing(Partner(open_backend)) as there:
            one, other = (create(name).row for name in ("c1", "c2"))
            assert here.commit([create("c1"), create("c2")]) == [None, None]
            for turn in range(_TURNS):
                first, second = (here, there) if turn % 2 else (there, here)
                for column, kind in (("open_subject", "subject"), ("ticket_key", "ticket")):
                    taken: dict[str, Any] = {column: "wanted"}
                    free: dict[str, Any] = {column: None}
                    held, wanted = follow(one, **taken), follow(other, **taken)
                    released, freed = follow(held.row, **free), follow(wanted.row, **free)
                    assert first.commit([held]) == [None]
                    assert [conflict and conflict.kind.value for conflict in second.commit([wanted])] == [kind]
                    assert first.commit([released]) == [None]
                    assert second.commit([wanted]) == [None], f"the {kind} is refused, but it was released elsewhere"
                    assert second.commit([freed]) == [None]
                    one, other = released.row, freed.row

    @promise("multi_process")
    def test_processes_claim_each_due_row_once(self, open_backend: RecordedOpener) -> None:
        """Two workers on one machine claim each due change once.

        Port: "0 creates; otherwise the version that the writer has read."
        """
        _race_processes(open_backend, claim_due, [(NOW,)] * 2, _due_changes())

    @promise("multi_process")
    def test_calls_of_processes_have_an_order(self, open_backend: RecordedOpener) -> None:
        """Whatever processes write and read at the same time, their answers are those of one call after the other.

        Port: "Each write succeeds or conflicts independently of the others, in any order the backend likes."
        """
        racers = [(me, self.profile.writes * _MIXED) for me in range(_PROCESSES)]
        _race_processes(open_backend, mix_to_the_end, racers, of_reads=SENTENCES["get"])

    @promise("multi_process")
    def test_a_reader_elsewhere_sees_each_commit(self, open_backend: RecordedOpener) -> None:
        """A reader in another process sees a commit as soon as it has returned, and no row before its entries.

        Port: "Return the row of that id as of the last commit, with its form, or None."
        """
        racers = [("c1", self.profile.writes * _MIXED), ("c1", 0), ("c1", 0)]
        _race_processes(open_backend, _read_or_write, racers, [create("c1")])


def _due_changes() -> list[Write]:
    return [create(f"c{number:03}", due_at=NOW - number) for number in range(_DUE)]


def _read_or_write(backend: Any, pipe: object, meeting: Any, change_id: str, rounds: int) -> None:  # noqa: ANN401
    """Write in as many rounds, or look on."""
    if rounds:
        write_while_read(backend, pipe, meeting, change_id, rounds)
    else:
        look_on(backend, pipe, meeting, change_id)


def _count_up_on(_: object, pipe: object, meeting: Any, backend: Any, change_id: str, rounds: int) -> None:  # noqa: ANN401
    """Write to a change through another object than the one that all threads share."""
    count_up(backend, pipe, meeting, change_id, rounds)


def _count_up_by(backend: Any, pipe: object, meeting: Any, opener: Opener, change_id: str, rounds: int) -> None:  # noqa: ANN401, PLR0917  # as above
    """Write to a change through an object that this opener makes."""
    with closing(RecordedOpener(backend.recording, opener)()) as named:
        count_up(named, pipe, meeting, change_id, rounds)


def _race_threads(backend: RecordedBackend, work: Work, arguments: Sequence[tuple[object, ...]]) -> None:
    in_threads(work, backend, arguments)
    _judge_after(backend)


def _race_processes(
    open_backend: RecordedOpener,
    work: Work,
    arguments: Sequence[tuple[object, ...]],
    first: Sequence[Write] = (),
    of_reads: str = "",
) -> None:
    """Run the work in processes, and judge their calls together with the commit of the first writes before them."""
    with ExitStack() as opened:
        if first:  # without, the processes also race to create the store
            backend = opened.enter_context(closing(open_backend()))
            assert backend.commit([*first]) == [None] * len(first)
        for calls in together(work, open_backend, arguments, witnessed=True):
            open_backend.recording.calls += calls
        _judge_after(opened.enter_context(closing(open_backend())), of_reads)


def _judge_after(backend: RecordedBackend, of_reads: str = "") -> None:
    """Read what the store holds of each change that was written, and judge all calls."""
    held = read_again(backend, backend.recording.calls)
    judge(backend.recording.calls, held, of_reads=of_reads)
