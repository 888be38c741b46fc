"""What a walk never reached is reported: states, moves, and answers of a host's guards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.testing.exploration import Bounds, explore, operator_acts
from tests.exploration.test_own_workflow import acts, deployment
from tests.support.workflows import Stage, deploy
from tests.support.workflows import deployment as built

if TYPE_CHECKING:
    from itsm_workflow import Facts

BOUNDS = Bounds(ticks=0, faults=0, acts=1)


def test_without_the_acts_of_the_host_its_state_is_never_entered() -> None:
    """A promise about that state would hold without a proof."""
    missed = explore(deployment(Stage.GRANTED), bounds=BOUNDS, acts=operator_acts).unreached
    assert missed
    assert "live" in missed.states
    assert "granted -> live by deploy" in missed.transitions
    assert missed.answers == ("is_healthy of deploy never passed", "is_healthy of deploy never refused")


def test_with_them_it_is() -> None:
    """The first state is left by the write that enters it; the guard is never given a reason to refuse."""
    missed = explore(deployment(Stage.GRANTED), bounds=BOUNDS, acts=acts).unreached
    assert missed.states == ("undelivered",)
    assert "granted -> live by deploy" not in missed.transitions
    assert missed.answers == ("is_healthy of deploy never refused",)


def test_a_guard_that_always_refuses() -> None:
    """What it would allow is not proven."""

    def is_forbidden(_facts: Facts) -> str | None:
        return "never on a Friday"

    workflow = built(deploy(sources=(Stage.GRANTED,), guard=is_forbidden), grants={Stage.LIVE: False})
    missed = explore(workflow, bounds=BOUNDS, acts=acts, depth=12).unreached
    assert missed.answers == ("is_forbidden of deploy never passed",)


def test_a_walk_that_ends_early_says_what_it_left() -> None:
    """In the order of the definition."""
    missed = explore(deployment(Stage.GRANTED), depth=0).unreached
    assert missed.states == tuple(Stage)
    assert missed.transitions[0] == "draft -> filing by submit"
