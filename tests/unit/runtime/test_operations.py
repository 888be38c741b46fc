"""The operations that are allowed on a change now: those whose guards accept it, by the names of the methods."""

from __future__ import annotations

import asyncio
import enum
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from itsm_workflow import Workflow
from itsm_workflow.change import AttentionReason, EffectStatus
from itsm_workflow.errors import TransitionRefused
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, Trigger
from itsm_workflow.machine.definition import Transition
from itsm_workflow.machine.engine import fire
from itsm_workflow.runtime.operations import METHODS, allowed_operations, useful_operations
from itsm_workflow.testing.strategies import aimed
from tests.stateful.walk import walks
from tests.support import examples as x
from tests.support import workflows as its

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import Facts, WorkflowDefinition

RAISE = "fire(raise_attention)"


def allowed(
    change: ChangeRequest, *, actor: str | None = "carol", definition: WorkflowDefinition = COLLECTOR_CHANGE
) -> list[str]:
    """Return what is allowed half a minute after the change was drafted, without raising attention."""
    found = allowed_operations(definition, change, now=x.later(30), policy=x.POLICY, actor=actor)
    assert RAISE in found  # a host may call a person about any change
    return [one for one in found if one != RAISE]


RESENT = x.after(x.EXHAUSTED, (Trigger.RESEND, ev.Decision(reason="it is not there")), at=900)
CASES: dict[str, tuple[ChangeRequest, list[str]]] = {
    "a draft": (x.DRAFT, ["revise", "submit", "abandon"]),
    "nothing was sent": (x.QUEUED, ["record_ticket", "withdraw", "abandon"]),
    "it is being sent": (x.SENDING, ["record_ticket", "withdraw"]),
    "it may have been sent": (x.UNKNOWN, ["record_ticket", "withdraw"]),
    "it was sent before": (RESENT, ["record_ticket", "withdraw"]),
    "no ticket was found": (x.EXHAUSTED, ["record_ticket", "resend", "withdraw", "abandon", "clear_attention"]),
    "no look-up succeeded": (
        x.with_attention(x.UNKNOWN, AttentionReason.LOOKUP_FAILED),
        ["record_ticket", "resend", "withdraw", "abandon", "clear_attention"],
    ),
    "the ticket waits": (x.PENDING, ["withdraw"]),
    "its withdrawal waits": (x.with_effect(x.PENDING, x.planned(name="withdraw")), []),
    "its withdrawal is unresolved": (
        x.with_effect(x.PENDING, x.planned(EffectStatus.DELIVERED, name="withdraw")),
        ["withdraw", "accept_after_withdrawal"],
    ),
    "its approval is unproven": (
        x.with_attention(x.PENDING, AttentionReason.NO_APPROVAL_STEP),
        ["attest_approval", "withdraw", "abandon", "clear_attention"],
    ),
    "it has ended": (x.REJECTED, []),
    "its effect is parked": (x.with_effect(x.APPROVED, x.planned(EffectStatus.PARKED)), ["retry_effect"]),
    "its effect waits": (x.with_effect(x.APPROVED), []),
}


@pytest.mark.parametrize(("change", "expected"), CASES.values(), ids=CASES)
def test_what_the_guards_accept_is_listed(change: ChangeRequest, expected: list[str]) -> None:
    """Not whatever the table has for the state."""
    assert allowed(change) == expected


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (x.with_attention(x.APPROVED, AttentionReason.SELF_APPROVED), "clear_attention"),
        (x.with_attention(x.PENDING, AttentionReason.NO_APPROVAL_STEP), "attest_approval"),
    ],
    ids=["clear_attention", "attest_approval"],
)
def test_what_another_person_must_do_is_not_listed_for_the_applicant(change: ChangeRequest, name: str) -> None:
    """Without an actor, it is what any other person may do."""
    assert name in allowed(change, actor="carol")
    assert name in allowed(change, actor=None)
    assert name not in allowed(change, actor="alice")
    assert name not in allowed(change, actor="ALICE")


def test_a_host_can_raise_attention_again() -> None:
    """With other facts, whatever the facts of the first concern were."""
    for facts in ({}, {"detail": "any text"}):
        change, _ = fire(
            COLLECTOR_CHANGE,
            x.PENDING,
            Trigger.RAISE_ATTENTION,
            ev.Concern(reason=AttentionReason.HOST, facts=facts),
            now=x.later(20),
            policy=x.POLICY,
            seq=9,
            actor="host",
        )
        assert allowed(change) == ["withdraw", "clear_attention"]


def test_the_methods_exist() -> None:
    """A message that names one can be followed."""
    assert [name for name in METHODS.values() if not callable(getattr(Workflow, name, None))] == []


@pytest.mark.parametrize(
    ("change", "offered"),
    [
        (x.QUEUED, "abandon"),
        (x.EXHAUSTED, "abandon"),
        (RESENT, "withdraw"),
        (x.UNKNOWN, "withdraw"),
        (x.SENDING, "withdraw"),
        (x.PENDING, "withdraw"),
    ],
    ids=["nothing was sent", "none was found", "sent before", "may have been sent", "being sent", "the ticket waits"],
)
def test_a_change_without_a_ticket_is_abandoned_and_not_withdrawn(change: ChangeRequest, offered: str) -> None:
    """A withdrawal is offered if there is a ticket to withdraw, or one may appear."""
    names = useful_operations(change, allowed(change))

    assert [one for one in names if one in {"abandon", "withdraw"}] == [offered]
    if offered == "abandon":
        assert x.after(change, (Trigger.ABANDON, ev.Decision(reason="not wanted")), at=30).outcome == "abandoned"


def test_a_person_who_may_only_withdraw_is_offered_that() -> None:
    """Of a change that was never sent: it is abandoned then, see `Workflow.withdraw`."""
    assert useful_operations(x.QUEUED, ("record_ticket", "withdraw")) == ("record_ticket", "withdraw")


class Own(enum.StrEnum):
    """A trigger of the host that takes a decision."""

    PAUSE = "pause"


def refuses(_facts: Facts) -> str | None:
    """Refuse everything."""
    return "never"


def raises(_facts: Facts) -> str | None:
    """Fail, as a rule with a mistake does."""
    raise ZeroDivisionError


def is_cancelled(_facts: Facts) -> str | None:
    """A guard that runs a task in an event loop of its own, which is cancelled."""
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ["fire(deploy)", "fire(pause)"]),
        ({"guard": refuses}, ["fire(deploy)"]),
        ({"guard": raises}, ["fire(deploy)"]),
        ({"guard": is_cancelled}, ["fire(deploy)"]),
        ({"evidence": its.Deployed, "guard": refuses}, ["fire(deploy)", "fire(pause)"]),
    ],
    ids=["accepted", "refused", "fails", "is cancelled", "evidence of the host"],
)
def test_a_trigger_of_the_host_is_tried_with_a_decision(values: dict[str, Any], expected: list[str]) -> None:
    """If it needs other evidence, only the host can make it, and its guard cannot be asked."""
    row: dict[str, Any] = {"sources": (its.Stage.GRANTED,), "dest": its.Stage.LIVE, "evidence": ev.Decision, **values}
    definition = its.deployment(its.DEPLOY, Transition(trigger=Own.PAUSE, **row))
    change = attrs.evolve(x.APPROVED, workflow="deployment", state=its.Stage.GRANTED.value, effects=())

    assert allowed(change, definition=definition) == expected


@given(data=st.data())
def test_what_is_not_listed_is_refused_or_changes_nothing(data) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - drawn
    """Whatever a caller brings."""
    walk = data.draw(walks(), label="walk")
    change, actor = walk.change, data.draw(st.sampled_from(["alice", "carol"]), label="actor")
    listed = allowed_operations(walk.definition, change, now=walk.now, policy=x.POLICY, actor=actor)
    fired = [one for one in walk.definition.triggers(change.state) if one in METHODS]
    missing = [one for one in fired if METHODS[one] not in listed and one != Trigger.RECEIVE_CALLBACK]
    if not missing:
        event("everything is listed")
        return
    trigger = data.draw(st.sampled_from(missing), label="trigger")
    kinds = walk.definition.rows(change.state, trigger)[0].evidence_types
    brought = data.draw(aimed(change, data.draw(st.sampled_from(kinds))), label="evidence")
    if isinstance(brought, ev.TicketConfirmed):
        brought = attrs.evolve(brought, channel=ev.Channel.OPERATOR)  # as `record_ticket` passes it
    try:
        _, entry = fire(
            walk.definition,
            change,
            trigger,
            brought,
            now=walk.now,
            policy=x.POLICY,
            seq=len(walk.entries) + 1,
            actor=actor,
        )
    except TransitionRefused:
        entry = None
    event(f"{trigger} is missing")
    assert entry is None
