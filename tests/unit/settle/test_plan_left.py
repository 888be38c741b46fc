"""Effects that are due and that the worker's process has no function for: they are left, and the rest goes on."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.change import AttentionReason, EffectStatus, LastCallback
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, Trigger
from itsm_workflow.settle import Deliver, Leave, Plan, Read, Step, plan
from tests.support import examples as x

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest

POLL = x.POLICY.poll.total_seconds()
LOST = x.planned(id="L1", name="lost", due_at=x.later(1))
"""An effect that is due since the ticket was recorded, and not known here."""

LEFT = x.with_effect(x.PENDING, LOST)


def asked(change: ChangeRequest, at: float, due_at: float | None) -> Plan | Leave | None:
    """Return what a process without a function for that effect plans."""
    return plan(
        COLLECTOR_CHANGE,
        change,
        x.later(at),
        x.POLICY,
        owner="w9",
        knows=lambda name: name != "lost",
        due_at=None if due_at is None else x.later(due_at),
    )


def heard(change: ChangeRequest, at: float) -> ChangeRequest:
    """Return the change after a callback, which is its last entry."""
    return attrs.evolve(change, heard=LastCallback(sn="REQ7", digest="d", at=x.later(at)), updated_at=x.later(at))


LOOKS: dict[str, tuple[ChangeRequest, float, float | None, bool]] = {
    "nothing before the next look": (LEFT, POLL, 1, False),
    "the next look, a whole wait after the state was entered": (LEFT, 1 + POLL, 1, True),
    "or after the last look": (LEFT, 400 + POLL, 400, True),
    "and not before": (LEFT, 399 + POLL, 400, False),
    "whatever the host wants looked at": (LEFT, 5, None, True),
    "a hint that no look has used up": (heard(LEFT, 50), 50, 1, True),
    "a hint that a look has used up is looked at soon again": (heard(LEFT, 50), 51.2, 50.1, True),
    "and not before then": (heard(LEFT, 50), 51, 50.1, False),
    "what was due before the effect was": (
        x.with_effect(x.PENDING, attrs.evolve(LOST, due_at=x.later(700))),
        800,
        301,
        True,
    ),
    "an end has no next look": (x.with_effect(x.APPROVED, LOST), 3500, 20, False),
    "a delivery of another process that brought no result": (
        x.with_effect(x.PENDING, x.started(name="lost", claimed_until=x.later(300))),
        301,
        300,
        False,
    ),
}


@pytest.mark.parametrize(("change", "at", "due_at", "looks"), LOOKS.values(), ids=LOOKS)
def test_the_rest_is_looked_at_as_ever(change: ChangeRequest, at: float, due_at: float | None, *, looks: bool) -> None:
    """The change is due all the while, for the process that has the function."""
    assert asked(change, at, due_at) == (Plan(question=Read()) if looks else Leave())


def test_another_effect_is_delivered_beside_one_that_is_left() -> None:
    """It may be due after it."""
    change = attrs.evolve(x.APPROVED, effects=(LOST, x.planned(due_at=x.later(5))))

    assert asked(change, 4, 1) == Leave()
    assert asked(change, 5, 1) == Plan(question=Deliver(effect="E1", name="start", attempt=1, owner="w9"))


def test_only_what_is_due_and_not_known_is_left() -> None:
    """Neither what waits, nor what is delivered, nor what is done."""
    done = x.planned(EffectStatus.DELIVERED, name="lost"), x.planned(EffectStatus.PARKED, name="lost")

    for due_at in (1, None):
        assert asked(attrs.evolve(x.APPROVED, effects=(LOST,)), 5, due_at) == Leave()
        assert asked(attrs.evolve(x.APPROVED, effects=(LOST, *done)), 5, due_at) == Leave()
        assert asked(attrs.evolve(x.APPROVED, effects=(attrs.evolve(LOST, due_at=x.later(6)),)), 5, due_at) is None
        assert asked(attrs.evolve(x.APPROVED, effects=(x.started(name="lost"),)), 5, due_at) is None
        assert asked(attrs.evolve(x.APPROVED, effects=done), 5, due_at) is None


def test_after_an_hour_a_person_is_told_and_not_again_while_another_call_stands() -> None:
    """By whichever process comes by, whatever else is due."""
    facts = {"effect": "L1", "name": "lost", "due since": f"{x.later(1):%Y-%m-%d %H:%M:%S} UTC"}
    concern = ev.Concern(reason=AttentionReason.EFFECT_UNKNOWN, facts=facts)
    told = Plan(question=None, claim=(Step(Trigger.RAISE_ATTENTION, concern),))

    assert asked(LEFT, 3600, 3600) == Leave()
    assert asked(LEFT, 3601, 3600) == told
    assert asked(LEFT, 3601, None) == told
    assert asked(x.with_attention(LEFT), 3601, 3600) == Leave()


def test_with_a_function_for_everything_nothing_is_left() -> None:
    """The effect is delivered."""
    found = plan(COLLECTOR_CHANGE, LEFT, x.later(5), x.POLICY, owner="w9", due_at=x.NOW + dt.timedelta(seconds=1))

    assert found == Plan(question=Deliver(effect="L1", name="lost", attempt=1, owner="w9"))
