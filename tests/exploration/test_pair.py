"""Two changes of one subject: what a walk of both meets, and the defects that only both of them show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from docs.examples.plan_then_execute import PLAN_THEN_EXECUTE
from itsm_workflow.machine import effect_updates
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, State
from itsm_workflow.testing.exploration import PAIR_INVARIANTS, Bounds, explore, operator_acts
from itsm_workflow.testing.exploration.itsm import Itsm
from itsm_workflow.testing.exploration.library import Library
from itsm_workflow.testing.exploration.pair import PairSpace
from itsm_workflow.testing.exploration.ticks import tick_policy
from itsm_workflow.testing.exploration.world import Purse
from tests.examples.test_plan_then_execute import acts as planning
from tests.exploration import pair_defects as planted
from tests.exploration.defects import NumbersOnce

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.testing.exploration import PairSight
    from itsm_workflow.testing.exploration.itsm import Desk

LEAST = Bounds(ticks=0, faults=0, acts=0, workers=1)


def test_two_changes_hold_and_meet_in_every_way() -> None:
    """The second one is submitted after the first was approved or refused, and refused while it is open."""
    met: set[tuple[str | None, ...]] = set()

    def watches(sight: PairSight) -> str | None:
        """Watch, and find nothing."""
        first, second = (None if one is None else one.state for one in sight.changes)
        met.add((first, second, sight.gate))
        return None

    found = explore(changes=2, bounds=LEAST, together=[*PAIR_INVARIANTS, watches])
    assert (found.holds, found.complete, found.changes) == (True, True, 2)
    assert {(State.APPROVED, State.APPROVED, "second"), (State.APPROVED, State.REJECTED, None)} <= met
    assert {(State.REJECTED, State.APPROVED, "second"), (State.APPROVED, None, "first")} <= met
    assert (State.APPROVED, State.PENDING, None) in met
    both_open = {State.APPLYING, State.PENDING}
    assert not any({one, two} <= both_open for one, two, _ in met)


@pytest.mark.parametrize(
    ("defect", "promise", "problem"),
    [
        (
            planted.FirstApprovedPasses,
            "gate_follows_the_newest_submission",
            "second was submitted last and is applying, but the gate is open by first",
        ),
        (planted.KeyOfTheSubject, "keys_are_of_one_submission", "both changes have key K1"),
        (planted.SeveralAreOpen, "one_open_change_of_a_subject", "changes first and second are both open"),
    ],
)
def test_a_defect_that_one_change_does_not_show(defect: type[Library], promise: str, problem: str) -> None:
    """One change keeps every promise with it, and two do not."""
    assert explore(bounds=LEAST, library=defect).holds
    (finding,) = explore(changes=2, bounds=LEAST, library=defect).violations
    assert (finding.promise, finding.problem) == (promise, problem)


def test_a_number_that_is_read_once() -> None:
    """Both read it before the first one is stored; the second is filed after the first was decided."""
    (finding,) = explore(changes=2, bounds=LEAST, library=NumbersOnce).violations
    assert finding.promise == "numbers_follow_the_submissions"
    assert finding.problem == "second was submitted last, as number 1, but first has 1"
    reads = [step for step in finding.steps if "the host reads that its submission will be number 1" in step]
    assert len(reads) == 2
    assert finding.steps[-1].startswith("second: a worker stores the answer: record_ticket  [first ")


def test_an_effect_id_without_its_submission(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that ignores repeats would not start what the second approval allows."""
    monkeypatch.setattr(effect_updates, "planned", planted.effect_of_the_subject)
    assert explore(bounds=LEAST).holds
    (finding,) = explore(changes=2, bounds=LEAST).violations
    assert (finding.promise, finding.problem) == (
        "effects_are_of_one_approval",
        "effect subject.start is of both changes",
    )


def plain(change: ChangeRequest | None, desk: Desk) -> str:
    """Return a change and its desk without the names by which the two are told apart."""
    text = repr((change, desk))
    return text.replace("'second", "'first").replace("'L1'", "'K1'").replace("'L2'", "'K2'")


def ends(*, ordered: bool, bounds: Bounds = LEAST) -> tuple[set[tuple[tuple[str, bool], ...]], int]:
    """Return every pair of changes beside which no worker is at anything, in no order, and how many worlds it took."""

    def library() -> Library:
        return Library(COLLECTOR_CHANGE, tick_policy(bounds.ticks), {State.APPROVED: ("start",)})

    space, purse = PairSpace(library, Itsm(), bounds, operator_acts, ordered=ordered), Purse(bounds)
    covered, queue = {0: purse.covers[purse.full]}, [(0, purse.full)]
    for world, left in queue:  # which grows meanwhile
        affords = purse.after[left]
        for move in space.moves(world, affords):
            rest, seen = affords[move.cost], covered.get(move.world, 0)
            if not seen >> rest & 1:
                covered[move.world] = seen | purse.covers[rest]
                queue.append((move.world, rest))
    found = set()
    for world in covered:
        parts = space.parts(world)
        if not any(side.hands(part) for side, part in zip(space.sides, parts, strict=True)):
            newest = space.newest(world)
            texts = (plain(side.change(part), side.desk(part)) for side, part in zip(space.sides, parts, strict=True))
            found.add(tuple(sorted((text, number == newest) for number, text in enumerate(texts))))
    return found, len(covered)


@pytest.mark.long
def test_the_change_that_is_stored_first_may_be_called_the_first() -> None:
    """Ways with the names exchanged are left out, and the same pairs are met in fewer worlds."""
    with_less, worlds = ends(ordered=True)
    with_all, many_worlds = ends(ordered=False)
    assert with_less == with_all
    assert len(with_less) > 100
    assert many_worlds > 1.5 * worlds


@pytest.mark.long
def test_the_same_with_a_fault_in_between() -> None:
    """A crash, a lost answer or a lost callback between any two steps changes nothing about it."""
    bounds = attrs.evolve(LEAST, faults=1)
    assert ends(ordered=True, bounds=bounds)[0] == ends(ordered=False, bounds=bounds)[0]


@pytest.mark.long
@pytest.mark.parametrize("more", ["ticks", "faults", "acts"])
def test_two_changes_hold_with_more(more: str) -> None:
    """A step of time, a fault or an act, and every order of them with the steps of both changes."""
    found = explore(changes=2, bounds=attrs.evolve(LEAST, **{more: 1}))  # type: ignore[arg-type]  # a number
    assert (found.violations, found.bad_ends, found.complete) == ((), (), True)
    assert found.states > 10_000


def test_an_application_while_the_other_change_is_open_is_refused() -> None:
    """By the store, whatever the second host has read."""
    refused = "second: the application is refused: the other change is open"
    texts: set[str] = set()

    def library() -> Library:
        return Library(COLLECTOR_CHANGE, tick_policy(0), {})

    space = PairSpace(library, Itsm(), LEAST, operator_acts, ordered=True)
    queue, met = [0], {0}
    for world in queue:  # which grows meanwhile
        for move in space.moves(world, (0, *[-1] * 16)):
            texts.add(move.text[0])
            if move.world not in met and len(met) < 300:
                met.add(move.world)
                queue.append(move.world)
    assert refused in texts


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"changes": 3}, "changes: must be 1 or 2, not 3"),
        ({"changes": 0}, "changes takes a whole number of at least 1"),
        ({"states": -1}, "states takes a whole number of at least 0"),
        ({"seconds": -1.0}, "seconds takes a number of seconds of at least 0"),
        ({"grow": True}, "grow: the bounds grow until a budget is used up"),
    ],
)
def test_a_limit_that_is_none_is_refused(given: dict[str, int], message: str) -> None:
    """Before anything is walked."""
    with pytest.raises(ValueError, match=message):
        explore(**given)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.long
def test_a_second_approval_that_begins_with_the_ticket_of_the_first() -> None:
    """Of one change with two approvals: the ticket that approved the plan would approve its execution."""
    bounds = attrs.evolve(LEAST, acts=2)
    assert explore(PLAN_THEN_EXECUTE, bounds=bounds, acts=planning).holds
    (finding,) = explore(PLAN_THEN_EXECUTE, bounds=bounds, acts=planning, library=planted.KeepsItsTicket).violations
    assert (finding.promise, finding.problem) == (
        "ticket_answers_its_submission",
        "the submission with key K2 is bound to ticket REQ1, which has key K1",
    )


@pytest.mark.long
def test_two_changes_with_two_approvals_each() -> None:
    """The second change is submitted after the first has ended, at any of its approvals."""
    found = explore(PLAN_THEN_EXECUTE, changes=2, bounds=attrs.evolve(LEAST, acts=2), acts=planning)
    assert (found.violations, found.bad_ends, found.complete) == ((), (), True)
    assert "executing" not in found.unreached.states
