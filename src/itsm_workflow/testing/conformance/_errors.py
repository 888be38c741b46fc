"""The promises about errors: of the disk, of the connection, and of other processes that hold a lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.testing.conformance._base import promise
from itsm_workflow.testing.conformance._trials import makers, stories, verdicts
from itsm_workflow.testing.conformance._trials.calls import CHANGES, LOCKS, READS, Kind
from itsm_workflow.testing.conformance._trials.plans import (
    Plan,
    failing,
    failing_with_the_undo,
    hiding,
    killing,
    stopping_before,
    tearing,
)
from itsm_workflow.testing.conformance._trying import HELD_BACK, TrialPromises

if TYPE_CHECKING:
    from itsm_workflow.testing.conformance._recording import RecordedOpener

_ALL = frozenset[str]()
_COMMITS = frozenset({"open", "first", "second"})
_WRITING = Plan(
    story=stories.writing,
    judges={
        verdicts.not_stored: _COMMITS | {"reopen", "after"},
        verdicts.memory_ahead: _COMMITS | {"read", "open elsewhere", "read elsewhere"},
        verdicts.kept_lock: _COMMITS | {"open elsewhere", "read elsewhere", "elsewhere", "rival"},
        verdicts.false_conflict: _COMMITS
        | {"instead", "released", "holder", "first again", "second again", "third", "elsewhere", "reopen", "after"},
    },
    kinds=CHANGES,
    faults=failing,
)
"""Four promises judge the same trials, so a check makes them once."""
_READING = Plan(
    story=stories.reading,
    judges={verdicts.wrong_read: _ALL, verdicts.stored_too_late: _ALL, verdicts.kept_lock: _ALL},
    kinds=READS,
    faults=failing,
    lasting=hiding,
)
_LEAVING_MARKS = CHANGES & ~(Kind.SYNC | Kind.CLOSE)
"""A process that is killed before a sync leaves the same files as one that is killed before the call after it."""
_WRITING_BESIDE = Plan(
    story=stories.stopping,
    judges={verdicts.conflict_for_a_lock: _ALL, verdicts.other_error: _ALL},
    kinds=CHANGES,
    faults=stopping_before,
    interferences=HELD_BACK,
)
_READING_BESIDE = Plan(
    story=stories.reading_while_stopped,
    judges={verdicts.wrong_read_at_a_lock: _ALL, verdicts.other_error: _ALL},
    kinds=CHANGES,
    faults=stopping_before,
    interferences=HELD_BACK,
)
"""While another process is stopped, which may hold a lock."""

_FAILING_SYNC = Plan(
    story=stories.failing_sync,
    judges={verdicts.not_durable: _ALL},
    kinds=Kind.SYNC,
    recorded=CHANGES,
    faults=failing_with_the_undo,
    interferences=(),
    every_fault=True,
)
_BESIDE = Plan(
    story=makers.making_beside,
    judges={verdicts.not_kept: _ALL},
    kinds=CHANGES,
    faults=stopping_before,
    interferences=(),
)


class ErrorPromises(TrialPromises):
    """An error is reported as an error, and leaves nothing behind."""

    @promise("durable", "multi_process", apart="calls")
    def test_each_error_is_one_of_the_port(self, open_backend: RecordedOpener) -> None:
        """At each call that fails, of whatever kind, the caller gets one of the two classes.

        Port: "An error of the operating system, of a driver or of a connection is raised as one of the two, never as
        itself."
        """
        self.try_plan(
            open_backend,
            Plan(
                story=stories.calling,
                judges={verdicts.other_error: _ALL},
                kinds=CHANGES | READS | LOCKS,
                faults=failing,
                times=3,
            ),
        )

    @promise("durable", "multi_process", apart="writes")
    def test_a_failed_write_is_not_answered_as_stored(self, open_backend: RecordedOpener) -> None:
        """After each call that fails, the reopened store has every write that was answered as stored.

        Port: "A write is answered as stored only if it is stored: if its data cannot be written or synced, commit
        raises."
        """
        self.try_plan(open_backend, _WRITING, verdicts.not_stored)

    @promise("durable", "multi_process", apart="syncs")
    def test_a_failed_sync_is_not_answered_as_stored(self, open_backend: RecordedOpener) -> None:
        """A power cut after a sync that failed loses nothing that was answered as stored.

        Port: "A write is answered as stored only if it is stored: if its data cannot be written or synced, commit
        raises."
        """
        self.try_plan(open_backend, _FAILING_SYNC)

    @promise("durable", "multi_process", apart="syncs of a new store")
    def test_a_failed_sync_of_a_new_store_is_not_answered_as_stored(self, open_backend: RecordedOpener) -> None:
        """The same while the store is made: its name can be lost, too.

        Port: "A write is answered as stored only if it is stored: if its data cannot be written or synced, commit
        raises."
        """
        new = attrs.evolve(_FAILING_SYNC, story=makers.failing_sync_of_a_new_store, judges=_BESIDE.judges)
        self.try_plan(open_backend, new)

    @promise("durable", "multi_process", apart="torn writes")
    def test_a_failed_write_does_not_spoil_the_next(self, open_backend: RecordedOpener) -> None:
        """After a write that was made in part, to a half or but for its last byte, later commits are whole, or raise.

        Port: "A commit that raised does not affect the following ones: each of them is stored whole, or raises as
        well."
        """
        shown = _COMMITS | {
            "first again",
            "second again",
            "third",
            "elsewhere",
            "reopen",
            "after",
            "last",
            "at the end",
            "taken",
        }
        plan = Plan(story=stories.writing, judges={verdicts.lost_later: shown}, kinds=CHANGES, faults=tearing, least=2)
        self.try_plan(open_backend, plan)

    @promise("durable", "multi_process", apart="writes")
    def test_a_failed_write_is_not_read(self, open_backend: RecordedOpener) -> None:
        """After an error, the process reads what a newly opened store reads.

        Port: "After an error, the object reads what a newly opened store would read, or raises again; it holds no
        lock."
        """
        self.try_plan(open_backend, _WRITING, verdicts.memory_ahead)

    @promise("durable", "multi_process", apart="writes")
    def test_an_error_leaves_no_lock(self, open_backend: RecordedOpener) -> None:
        """After an error, this process and others can go on.

        Port: "After an error, the object reads what a newly opened store would read, or raises again; it holds no
        lock."
        """
        self.try_plan(open_backend, _WRITING, verdicts.kept_lock)

    @promise("durable", "multi_process", apart="writes")
    def test_an_error_is_not_answered_as_a_conflict(self, open_backend: RecordedOpener) -> None:
        """A commit that is repeated inside of the backend does not conflict with itself.

        Port: "The result of a write that conflicts with the store; nothing of it was stored."
        """
        self.try_plan(open_backend, _WRITING, verdicts.false_conflict)

    @promise("durable", "multi_process", apart="locks")
    def test_a_lock_that_is_not_given_is_not_a_conflict(self, open_backend: RecordedOpener) -> None:
        """While another process stops in its commit, a commit raises, waits, or succeeds.

        Port: "A lock that is not given in time, a deadlock that the store gives up and a lost answer raise as well;
        none of them is answered as a conflict."
        """
        self.try_plan(open_backend, _WRITING_BESIDE)
        self.try_plan(open_backend, _WRITING_BESIDE, verdicts.other_error)

    @promise("durable", "multi_process", apart="locks of readers")
    def test_a_lock_that_is_not_given_is_not_an_empty_answer(self, open_backend: RecordedOpener) -> None:
        """While another process stops in its commit, a read raises, waits, or finds what is there.

        Port: "A read that fails raises: it returns neither nothing nor an older state instead."
        """
        self.try_plan(open_backend, _READING_BESIDE)
        self.try_plan(open_backend, _READING_BESIDE, verdicts.other_error)

    @promise("durable", "multi_process", apart="kills")
    def test_a_process_killed_at_any_call_leaves_whole_commits(self, open_backend: RecordedOpener) -> None:
        """After a kill at a call on a file, or in the middle of a write, acknowledged commits are there, others whole.

        The calls of a library in C count as well.

        Port: "A power cut or a crash at any moment leaves every acknowledged write, and every other write whole or not
        at all."
        """
        plan = Plan(
            story=stories.killing,
            judges={verdicts.not_whole: _ALL},
            kinds=_LEAVING_MARKS,
            faults=killing,
            least=2,
            interferences=(),
            every_call=True,
            times=2,
        )
        self.try_plan(open_backend, plan)

    @promise("durable", "multi_process", apart="makers")
    def test_a_store_whose_maker_was_killed_can_be_used(self, open_backend: RecordedOpener) -> None:
        """A process that opens a store that does not exist is killed at a call on a file; the next one has a store.

        Port: "A power cut or a crash at any moment leaves every acknowledged write, and every other write whole or not
        at all."
        """
        plan = Plan(
            story=makers.creating,
            judges={verdicts.not_made: _ALL},
            kinds=_LEAVING_MARKS,
            faults=killing,
            least=2,
            interferences=(),
            every_call=True,
        )
        self.try_plan(open_backend, plan)

    @promise("durable", "multi_process", apart="makers")
    def test_two_processes_can_make_a_store(self, open_backend: RecordedOpener) -> None:
        """A process that makes a store is stopped at a call on a file while another one makes it; then it goes on.

        Port: "A write is answered as stored only if it is stored: if its data cannot be written or synced, commit
        raises."
        """
        self.try_plan(open_backend, _BESIDE)

    @promise("durable", "multi_process", apart="makers")
    def test_a_process_that_opens_the_store_does_not_disturb_a_writer(self, open_backend: RecordedOpener) -> None:
        """A process is stopped at a call on a file in its commit while another one opens the store; then it goes on.

        Port: "One backend object is shared by the threads of a process; the store behind it is shared by processes."
        """
        self.try_plan(open_backend, attrs.evolve(_BESIDE, story=makers.opening_beside))

    @promise("durable", "multi_process", apart="reads")
    def test_a_failed_read_does_not_find_nothing(self, open_backend: RecordedOpener) -> None:
        """A read that fails raises, and no commit goes by its result.

        Port: "A read that fails raises: it returns neither nothing nor an older state instead."
        """
        self.try_plan(open_backend, _READING)
        self.try_plan(open_backend, _READING, verdicts.stored_too_late)

    @promise("durable", "multi_process", apart="reads")
    def test_a_failed_read_leaves_no_lock(self, open_backend: RecordedOpener) -> None:
        """After a read that fails, this process and others can go on.

        Port: "After an error, the object reads what a newly opened store would read, or raises again; it holds no
        lock."
        """
        self.try_plan(open_backend, _READING, verdicts.kept_lock)
