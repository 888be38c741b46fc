"""A workflow that goes on after its approval: the decided ticket is watched like one that ended its change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from docs.examples.external_permission import EXTERNAL_PERMISSION, State
from itsm_workflow.change import ChangeRequest, LastCallback
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.due import next_due
from itsm_workflow.settle import Leave, LookupAnswer, Plan, ReadAnswer, Step, Sweep, decide, plan
from tests.support import examples as x

if TYPE_CHECKING:
    import datetime as dt

ENDED = x.later(20)
EVERY = [State.GRANTED, State.REVOKED]


def approved(state: str, *, unknown: bool = False, heard: float | None = None) -> ChangeRequest:
    """Return a change that was approved and stands there; ``unknown``: whether its ticket was created was not known."""
    attempt = attrs.evolve(x.APPROVED.expect_attempt(), unknown_since=x.later(1) if unknown else None)
    hint = None if heard is None else LastCallback(sn="REQ7", digest="d", at=x.later(heard))
    return attrs.evolve(
        x.APPROVED, workflow="external_permission", state=state, attempt=attempt, heard=hint, effects=()
    )


def due(change: ChangeRequest, *, looked: bool) -> dt.datetime | None:
    """Return when it is looked at next, thirty seconds after the start."""
    return next_due(EXTERNAL_PERMISSION, change, x.later(30), x.POLICY, looked=looked)


def asked(change: ChangeRequest, at: float = 30) -> Plan | Leave | None:
    """Return what is asked then."""
    return plan(EXTERNAL_PERMISSION, change, x.later(at), x.POLICY, owner="w9")


@pytest.mark.parametrize("state", EVERY)
def test_a_create_that_was_unknown_is_looked_up_for_days(state: str) -> None:
    """Its second ticket may come after the first was approved."""
    change = approved(state, unknown=True)
    assert (asked(change), due(change, looked=True)) == (
        Plan(question=Sweep(read=False, lookup=True)),
        x.later(30) + x.POLICY.sweep_every,
    )
    assert asked(change, at=(ENDED + x.POLICY.sweep_for - x.NOW).total_seconds()) is None


@pytest.mark.parametrize("state", EVERY)
def test_a_late_callback_is_looked_into(state: str) -> None:
    """At once, and once."""
    change = approved(state, heard=25)
    assert (asked(change), due(change, looked=False), due(change, looked=True)) == (
        Plan(question=Sweep(read=True, lookup=False)),
        x.later(25),
        None,
    )


@pytest.mark.parametrize("state", EVERY)
def test_an_ordinary_approval_is_left_alone(state: str) -> None:
    """Nothing is asked, and it is never due."""
    assert (asked(approved(state)), due(approved(state), looked=False)) == (None, None)


@pytest.mark.parametrize("state", EVERY)
def test_what_contradicts_the_approval_is_recorded(state: str) -> None:
    """As in an end: told once, never flipped. What says the same is quiet."""
    change = approved(state)
    attempt, seen = change.expect_attempt(), x.finished(approved=False)
    second = x.found("8", key=attempt.key)
    late = ev.LateTicket(gateway="bk_itsm", id="8", sn="REQ8")
    answers = (
        ReadAnswer(snapshot=seen),
        ReadAnswer(snapshot=x.finished(approved=True)),
        LookupAnswer(number=1, found=[second]),
    )
    decided = [decide(EXTERNAL_PERMISSION, change, one, x.later(30), x.POLICY, gateway="bk_itsm") for one in answers]
    assert decided == [(Step(Trigger.RECORD_CONTRADICTION, seen),), (), (Step(Trigger.RECORD_CONTRADICTION, late),)]
    assert all(EXTERNAL_PERMISSION.rows(state, Trigger.RECORD_CONTRADICTION) for state in EVERY)
