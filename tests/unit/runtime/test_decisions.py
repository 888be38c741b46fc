"""What people decide: what is kept of it, and what is asked because of it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import COLLECTOR_CHANGE, Effect, State
from itsm_workflow.change import AttentionReason, EffectStatus
from itsm_workflow.gateway.protocol import NotSent, Unknown
from itsm_workflow.machine.evidence import Concern
from itsm_workflow.policy import Policy
from tests.support.desk import ASKED, SUBJECT, Desk, Gateway

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.gateway.protocol import CreateAnswer, CreateRequest


class Losing(Gateway):
    """A gateway whose creates are never carried out; of what became of them nothing is known, unless a test says."""

    answer: CreateAnswer = Unknown(problem="reset")

    def create(self, _: CreateRequest) -> CreateAnswer:
        """File nothing."""
        return self.answer


def drafted() -> tuple[Workflow, ChangeRequest]:
    """Return a draft."""
    workflow = Desk().workflow()
    return workflow, workflow.draft(subject=SUBJECT, **ASKED)


def unsent() -> tuple[Workflow, ChangeRequest]:
    """Return a change of which nothing was sent."""
    desk = Desk()
    desk.gateway = Losing(desk.ledger, clock=desk.clock)
    desk.gateway.answer = NotSent(problem="no route")
    workflow = desk.workflow()
    return workflow, workflow.apply(subject=SUBJECT, **ASKED)


def pending() -> tuple[Workflow, ChangeRequest]:
    """Return a change that waits for its approvers."""
    workflow = Desk().workflow()
    return workflow, workflow.apply(subject=SUBJECT, **ASKED)


def not_found() -> tuple[Workflow, ChangeRequest]:
    """Return a change whose ticket was looked for in vain, so that a person decides."""
    desk = Desk()
    desk.gateway = Losing(desk.ledger, clock=desk.clock)
    workflow = desk.workflow(policy=Policy(lookups=(dt.timedelta(),)))
    change = workflow.apply(subject=SUBJECT, **ASKED)
    workflow.settle(change.id)
    assert workflow.get(change.id).attention is not None
    return workflow, change


def parked() -> tuple[Workflow, ChangeRequest]:
    """Return a change whose effect has failed for good."""
    desk = Desk()

    def fail(_: object) -> None:
        raise OSError("no disk")

    options = {"effects": {State.APPROVED: [Effect("start", fail)]}, "policy": Policy(effect_attempts=1)}
    workflow = desk.workflow(**options)
    change = workflow.apply(subject=SUBJECT, **ASKED)
    desk.decide(change)
    assert [one.status for one in workflow.settle(change.id).effects] == [EffectStatus.PARKED]
    return workflow, change


Act = tuple["Callable[[], tuple[Workflow, ChangeRequest]]", "Callable[..., ChangeRequest]"]

ACTS: dict[str, Act] = {
    "abandon": (drafted, lambda workflow, change, **why: workflow.abandon(change.id, actor="olga", **why)),
    "abandon by a withdrawal": (
        unsent,
        lambda workflow, change, **why: workflow.withdraw(change.id, actor="olga", **why),
    ),
    "request_withdrawal": (pending, lambda workflow, change, **why: workflow.withdraw(change.id, actor="olga", **why)),
    "resend": (not_found, lambda workflow, change, **why: workflow.resend(change.id, actor="olga", **why)),
    "clear_attention": (
        not_found,
        lambda workflow, change, **why: workflow.clear_attention(change.id, actor="olga", **why),
    ),
    "retry_effect": (
        parked,
        lambda workflow, change, **why: workflow.retry_effect(
            change.id, f"{_effect(workflow, change)}", actor="olga", **why
        ),
    ),
}


def _effect(workflow: Workflow, change: ChangeRequest) -> str:
    return workflow.get(change.id).effects[0].id


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("reason", [None, "because"])
def test_the_history_keeps_who_decided_and_the_reason_if_one_was_given(act: str, reason: str | None) -> None:
    """Nothing is made up where none was."""
    make, does = ACTS[act]
    workflow, change = make()

    does(workflow, change, **({} if reason is None else {"reason": reason}))

    [entry] = [entry for entry in workflow.history(change.id) if entry.trigger == act.split(maxsplit=1)[0]]
    assert (entry.actor, getattr(entry.evidence, "reason", None)) == ("olga", reason or "")


def test_a_decision_asks_nothing_that_is_not_due() -> None:
    """An effect of another process is due: the ticket is not read because of it."""
    desk = Desk()
    named = attrs.evolve(COLLECTOR_CHANGE, effects={State.PENDING: ("tell",)})
    web = desk.workflow(definition=named)
    change = web.apply(subject=SUBJECT, **ASKED)
    assert (change.state, [one.status for one in change.effects]) == (State.PENDING, [EffectStatus.PLANNED])
    before = desk.ledger.requests.copy()
    concern = Concern(reason=AttentionReason.HOST, facts={"asked": "olga"})

    assert web.fire(change.id, "raise_attention", concern, actor="olga").attention is not None
    assert desk.ledger.requests == before
