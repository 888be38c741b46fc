"""The promises about what is not an error of the disk: a signal in a commit, a lock that fails, and a strange clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.testing.conformance._base import promise
from itsm_workflow.testing.conformance._trials import apart, clocks, stories, verdicts
from itsm_workflow.testing.conformance._trials.calls import STOPS_BESIDE, Kind
from itsm_workflow.testing.conformance._trials.plans import Plan, interrupting
from itsm_workflow.testing.conformance._trying import TrialPromises

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.testing.conformance._recording import RecordedOpener
    from itsm_workflow.testing.conformance._trials.calls import Fault

_ALL = frozenset[str]()
_CHANGES = Kind.WRITE | Kind.SYNC | Kind.TRUNCATE | Kind.UNLINK | Kind.RENAME
"""Not those that open a file or lock it: Python cannot keep what the call returns if a handler raises."""
_INTERRUPTED = Plan(
    story=stories.writing,
    judges=dict.fromkeys(
        (verdicts.not_stored, verdicts.false_conflict, verdicts.memory_ahead, verdicts.kept_lock), _ALL
    ),
    kinds=_CHANGES,
    faults=interrupting,
    least=2,
    interferences=(),
)


def _stopping_beside(_kind: Kind) -> Sequence[Fault]:
    return STOPS_BESIDE


class InterruptPromises(TrialPromises):
    """A signal, a lock that fails and a strange clock change nothing that was stored."""

    @promise("durable", "multi_process", apart="signals")
    def test_an_interrupted_commit_does_not_spoil_the_next(self, open_backend: RecordedOpener) -> None:
        """An exception that is not an `Exception`, as of Ctrl-C, leaves a commit whole or not there.

        Port: "A commit that raised does not affect the following ones: each of them is stored whole, or raises as
        well."
        """
        self.try_plan(open_backend, _INTERRUPTED, verdicts.not_stored)
        self.try_plan(open_backend, _INTERRUPTED, verdicts.false_conflict)

    @promise("durable", "multi_process", apart="signals")
    def test_an_interrupted_commit_leaves_nothing_behind(self, open_backend: RecordedOpener) -> None:
        """After such an exception, the process reads what is stored, and it and others can go on.

        Port: "After an error, the object reads what a newly opened store would read, or raises again; it holds no
        lock."
        """
        self.try_plan(open_backend, _INTERRUPTED, verdicts.memory_ahead)
        self.try_plan(open_backend, _INTERRUPTED, verdicts.kept_lock)

    @promise("durable", "multi_process", apart="failing locks")
    def test_a_lock_that_fails_is_not_ignored(self, open_backend: RecordedOpener) -> None:
        """A process whose locks fail does not write while another one is stopped in its commit, which then goes on.

        Port: "A lock that is not given in time, a deadlock that the store gives up and a lost answer raise as well"
        """
        plan = Plan(
            story=apart.without_a_lock,
            judges={apart.lost_between_two: _ALL},
            kinds=Kind.WRITE | Kind.SYNC | Kind.RENAME,
            faults=_stopping_beside,
            interferences=(),
            every_fault=True,
        )
        self.try_plan(open_backend, plan)

    @promise("durable", "multi_process", apart="ticks")
    def test_a_commit_of_the_same_size_and_time_is_read(self, open_backend: RecordedOpener) -> None:
        """A process reads what another one has stored since, although the size and the times of the files are the same.

        Port: "Return the row of that id as of the last commit, with its form, or None."
        """
        plan = Plan(
            story=clocks.within_a_tick,
            judges={clocks.read_too_old: _ALL},
            kinds=Kind.NOTE,
            faults=_none,
            interferences=(),
        )
        self.try_plan(open_backend, plan)

    @promise("durable", "multi_process", apart="clocks")
    def test_commits_do_not_depend_on_the_clock(self, open_backend: RecordedOpener) -> None:
        """Commits at one time of the clock, and of processes whose clocks differ by an hour, are all there, in order.

        Port: "Store each write or say why not, and make all that were stored durable before returning."
        """
        plan = Plan(
            story=clocks.of_many_clocks,
            judges={clocks.lost_by_a_clock: _ALL},
            kinds=Kind.NOTE,
            faults=_none,
            interferences=(),
        )
        self.try_plan(open_backend, plan)


def _none(_kind: Kind) -> Sequence[Fault]:
    return ()
