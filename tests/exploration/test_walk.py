"""What a walk goes to, where it stops, and what it says of both."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.change import AttentionReason, Outcome
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, State
from itsm_workflow.machine.definition import waits_for_a_person
from itsm_workflow.testing.exploration import INVARIANTS, Bounds, explore
from itsm_workflow.testing.exploration.world import BITS, check_number

if TYPE_CHECKING:
    from itsm_workflow.testing.exploration import Sight

SMALL = Bounds(ticks=1, faults=1, acts=1)
TINY = Bounds(ticks=1, faults=0, acts=0)


@pytest.mark.long
@pytest.mark.parametrize("workers", [1, 2])
def test_the_shipped_workflow_holds_and_the_walk_gets_everywhere(workers: int) -> None:
    """Every world within small bounds keeps every promise, and ends right.

    It sees every state, trigger and outcome, and nearly every reason for attention: the rest is not proved. It reports
    its progress, with the states and the depth so far.
    """
    seen: set[object] = set()
    progress: list[tuple[int, int]] = []

    def watches(sight: Sight) -> str | None:
        """Watch, and find nothing."""
        if sight.change is not None:
            attention = sight.change.attention
            seen.update((State(sight.change.state), sight.change.outcome, attention.reason if attention else None))
            seen.update(entry.trigger for entry in sight.entries)
        return None

    found = explore(
        bounds=attrs.evolve(SMALL, workers=workers),
        invariants=[*INVARIANTS, watches],
        progress=lambda states, depth: progress.append((states, depth)),
    )
    assert (found.complete, found.violations, found.bad_ends, found.holds) == (True, (), (), True)
    assert found.drains > found.states > 10_000
    assert [states for states, _ in progress] == list(range(0, found.states, 10_000))
    # The shipped workflow ends where its ticket was approved.
    assert set(State) | set(Outcome) - {Outcome.WAS_APPROVED} <= seen
    # Two need two faults, and two more time.
    rare = {AttentionReason.LOOKUP_FAILED, AttentionReason.EFFECT_PARKED}
    late = {AttentionReason.OVERDUE, AttentionReason.NOT_STARTED}
    # No guard of this table refuses what it decides itself, and no host asks for a person.
    never = {AttentionReason.DECISION_REFUSED, AttentionReason.HOST}
    unmet = {
        AttentionReason.EFFECT_UNKNOWN,
        AttentionReason.MISMATCH,
        AttentionReason.NOT_AS_SENT,
        AttentionReason.SELF_APPROVED,
        AttentionReason.INCONCLUSIVE,
        AttentionReason.WITHDRAWAL_UNRESOLVED,
    }
    assert set(AttentionReason) - seen - unmet == rare | never | late
    assert {row.trigger.value for row in COLLECTOR_CHANGE.transitions} - seen == {
        "retry_effect",
        "accept_after_withdrawal",
    }


@pytest.mark.long
def test_a_withdrawn_ticket_that_revives_is_accepted_by_an_operator_or_approves_nothing() -> None:
    """Two acts lead there: the withdrawal, and what an operator decides about it."""
    seen: set[object] = set()

    def watches(sight: Sight) -> str | None:
        """Watch, and find nothing."""
        if sight.change is not None and sight.change.attention is not None:
            seen.add(sight.change.attention.reason)
        seen.update(entry.trigger for entry in sight.entries)
        return None

    bounds = Bounds(ticks=1, faults=1, acts=2, workers=1)
    found = explore(bounds=bounds, invariants=[*INVARIANTS, watches])
    assert (found.complete, found.violations, found.bad_ends) == (True, (), ())
    assert {AttentionReason.WITHDRAWAL_UNRESOLVED, "accept_after_withdrawal"} <= seen


@pytest.mark.long
def test_more_to_spend_leads_to_more_worlds() -> None:
    """Each bound counts."""
    least, *others = (
        explore(bounds=attrs.evolve(TINY, workers=1, **{name: more + getattr(TINY, name)})).states
        for name, more in (("ticks", 0), ("ticks", 1), ("faults", 1), ("acts", 1))
    )
    assert all(states > least for states in others)


@pytest.mark.long
def test_one_worker_alone_sees_less() -> None:
    """The second worker brings worlds of its own."""
    assert explore(bounds=attrs.evolve(TINY, workers=1)).states < explore(bounds=TINY).states


def test_a_depth_ends_the_walk() -> None:
    """What is deeper is not claimed to hold."""
    whole = explore(bounds=TINY)
    part = explore(bounds=TINY, depth=4)
    assert (part.depth, part.complete, part.holds) == (4, False, True)
    assert part.states < whole.states
    deeper = explore(bounds=TINY, depth=whole.depth + 1)
    assert (deeper.states, deeper.depth, deeper.complete) == (whole.states, whole.depth, True)


def test_the_same_walk_gives_the_same_figures() -> None:
    """Nothing in it is drawn or depends on a clock; only the seconds are measured."""
    seconds = itertools.count()
    one, other = (explore(bounds=TINY, timer=lambda: float(next(seconds))) for _ in range(2))
    assert one == other
    assert one.seconds == 1.0


def test_a_dead_end_is_found_though_nothing_unsafe_happens() -> None:
    """Nobody ever looks at a pending change: it is safe, and never ends."""
    never = {**COLLECTOR_CHANGE.due, State.PENDING: waits_for_a_person}
    found = explore(attrs.evolve(COLLECTOR_CHANGE, due=never), bounds=TINY)
    assert found.violations == ()
    assert (found.holds, found.complete) == (False, False)
    (end,) = found.bad_ends
    assert (end.promise, end.problem) == ("ends_right", "the change never leaves pending, and no person was notified")
    assert end.steps[:3] == (
        "the host applies: the change and the mark of its send are stored  [applying, sending]",
        "once faults stop, the gateway files ticket 1  [applying, sending]",
        "once faults stop, a worker stores the answer: renumber, record_ticket  [pending]",
    )


@pytest.mark.parametrize("promise", INVARIANTS, ids=lambda promise: promise.__name__)
def test_every_promise_has_its_sentence(promise: object) -> None:
    """People are told what was promised, in one line that ends."""
    first = (promise.__doc__ or "").partition("\n")[0]
    assert first.endswith(".")


def test_numbers_never_run_into_each_other() -> None:
    """Bounds that allow more worlds than can be told apart are refused, not walked wrongly."""
    check_number((1 << BITS) - 1)
    with pytest.raises(OverflowError, match="use smaller bounds"):
        check_number(1 << BITS)
