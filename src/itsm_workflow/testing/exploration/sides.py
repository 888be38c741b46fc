"""One of two changes of a subject: its own tickets, workers and messages, beside another change.

The two changes meet in the store, where one of them holds the subject and each submission has a number, and in time.
A side is the walk of one change in which these two facts about the other change are read, instead of assumed.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from itsm_workflow.machine.approval import Trigger
from itsm_workflow.testing.exploration.acts import Act
from itsm_workflow.testing.exploration.library import SUBJECT
from itsm_workflow.testing.exploration.moves import TIME, Move, Space
from itsm_workflow.testing.exploration.still import SubjectRow
from itsm_workflow.testing.exploration.workers import NO_HAND, OWNERS, Stored, Workers, next_key
from itsm_workflow.testing.exploration.world import BITS, Hand, Send, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow.change import ChangeRequest

_MOST_SUBMISSIONS = 1 << 20
_EVERYTHING = (0,) * 16
"""Affordable costs if each step is."""


class Other(NamedTuple):
    """The facts about the other change on which the steps of a change depend.

    Attributes:
        id: Its id; empty if it does not exist.
        submission: The number of its last submission, or 0.
        is_open: Whether it holds the subject.
    """

    id: str = ""
    submission: int = 0
    is_open: bool = False


class SideWorkers(Workers):
    """The workers of one change, which read the submission number and the holder of the subject from the store."""

    other = Other()

    def __init__(self, *parts: object, apart: bool) -> None:
        super().__init__(*parts, apart=apart)  # type: ignore[arg-type]  # passed on
        stored, decided = functools.cache(self._store_beside), functools.cache(self._decisions_beside)
        self.store = lambda change, number, owner: stored(self.other, change, number, owner)  # type: ignore[assignment]
        self.decisions = lambda change, tickets, owner: decided(self.other, change, tickets, owner)  # type: ignore[assignment]

    def look_at(self, other: Other) -> None:
        """Set the facts about the other change for the following steps."""
        self.other = other
        row = SubjectRow(other.id, other.submission, other.is_open)
        self._library.journal.others = (row,) if other.id else ()

    def reads_the_number(self) -> tuple[int, str]:
        """Return the worker that is about to apply, with the submission number that it has read."""
        number = self._library.journal.highest_submission(SUBJECT) + 1
        act = Act(f"the host applies, as submission {number}", self._library.apply_again("", "", number))
        return self.hands.of(Hand(Stage.ACT, about=act)), f"the host reads that its submission will be number {number}"

    def _store_beside(self, _other: Other, change: int, number: int, owner: str) -> Stored:
        return self._store(change, number, owner)

    def _decisions_beside(self, _other: Other, change: int, tickets: tuple[object, ...], owner: str) -> object:
        return self._decisions(change, tickets, owner)  # type: ignore[arg-type]  # passed on

    def _applies_again(self, change: ChangeRequest, owner: str) -> Act:
        number = max(change.submission, self._library.journal.highest_submission(SUBJECT)) + 1
        steps = self._library.apply_again(next_key(change.expect_attempt().key), owner, number)
        return Act(f"the host applies again, as submission {number}", steps)

    def _act(self, change: int, base: int, hand: Hand) -> Stored:
        if isinstance(hand.about, Act) and submits(hand.about):
            before = self._shelf.kept[change]
            holds = before is not None and self._definition.is_open(before.change)
            if self.other.is_open and not holds and self._library.one_change_is_open():
                return Stored(change, NO_HAND, "the application is refused: the other change is open", 0)
            if before is None:
                return self._applies_first(hand.about)
        return super()._act(change, base, hand)

    def _applies_first(self, act: Act) -> Stored:
        number = next(getattr(one.evidence, "number", 0) for one in act.steps if one.trigger == Trigger.SUBMIT)
        key = self._library.key
        prepared = self._library.apply(key, OWNERS[0], number)
        after, write = self._written(0, 0, prepared)
        attempt = prepared.stored.change.expect_attempt()
        hand = self.hands.of(Hand(Stage.ASK, about=Send(attempt.number, attempt.key, OWNERS[0]), keep=True))
        return Stored(after, hand, f"{act.name}: the change and the mark of its send are stored", write)


class SideSpace(Space):
    """The worlds of one of two changes."""

    _workers_type = SideWorkers
    _most_submissions = _MOST_SUBMISSIONS
    _workers: SideWorkers

    def look_at(self, other: Other) -> None:
        """Set the facts about the other change for the following steps."""
        self._workers.look_at(other)

    def row(self, world: int) -> SubjectRow | None:
        """Return the stored row of a world's change."""
        stored = self._shelf.kept[world >> 2 * BITS]
        if stored is None:
            return None
        change = stored.change
        return SubjectRow(change.id, change.submission, self._definition.is_open(change), stored)

    def steps(self, world: int) -> tuple[Move, ...]:
        """Return every step from a world, whatever it costs, without the plain step of time, which is of both."""
        return tuple(move for move in self.moves(world, _EVERYTHING) if move.text != TIME)

    def _begins(self, change: int, desk: int, other: int, affords: Sequence[int]) -> Iterator[Move]:
        if change:
            yield from super()._begins(change, desk, other, affords)
        elif not other:
            hand, text = self._workers.reads_the_number()
            yield Move(self._world(change, desk, hand, other), 0, (text,), 0)

    def _reads(  # noqa: PLR0917 - as in the base class
        self, change: int, desk: int, number: int, other: int, cost: int, text: str, affords: Sequence[int]
    ) -> Iterator[Move]:
        about = self._workers.hand(number).about
        if isinstance(about, Act) and submits(about):
            # The number is read before the commit, and a submission of the other change may come in between.
            yield Move(self._world(change, desk, number, other), cost, (text,), 0)
        else:
            yield from super()._reads(change, desk, number, other, cost, text, affords)


def submits(act: Act) -> bool:
    """Return whether an act submits the change."""
    return any(step.trigger == Trigger.SUBMIT for step in act.steps)
