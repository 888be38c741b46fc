"""What people decide: what is kept of it, and what is asked because of it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import COLLECTOR_CHANGE, Effect, State
from itsm_workflow.change import AttentionReason, EffectStatus
from itsm_workflow.errors import InvalidForm
from itsm_workflow.machine.evidence import Concern
from itsm_workflow.policy import Policy
from tests.support.desk import ASKED, SUBJECT, Desk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow import ChangeRequest, Workflow


def drafted() -> tuple[Workflow, ChangeRequest]:
    """Return a draft."""
    workflow = Desk().workflow()
    return workflow, workflow.draft(subject=SUBJECT, **ASKED)


def unsent() -> tuple[Workflow, ChangeRequest]:
    """Return a change of which nothing was sent."""
    desk = Desk()
    desk.faults.unreachable("create", always=True)
    workflow = desk.workflow()
    return workflow, workflow.apply(subject=SUBJECT, **ASKED)


def pending() -> tuple[Workflow, ChangeRequest]:
    """Return a change that waits for its approvers."""
    workflow = Desk().workflow()
    return workflow, workflow.apply(subject=SUBJECT, **ASKED)


def not_found() -> tuple[Workflow, ChangeRequest]:
    """Return a change whose ticket was looked for in vain, so that a person decides."""
    desk = Desk()
    desk.faults.time_out("create", always=True)
    workflow = desk.workflow(policy=Policy(lookups=(dt.timedelta(),)))
    change = workflow.apply(subject=SUBJECT, **ASKED)
    workflow.settle(change.id)
    assert workflow.get(change.id).attention is not None
    return workflow, change


def parked(disk: Sequence[str] = ()) -> tuple[Workflow, ChangeRequest]:
    """Return a change whose effect has failed for good, and is done as soon as there is a disk."""
    desk = Desk()

    def fail(_: object) -> None:
        if not disk:
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


@pytest.mark.parametrize("effect_id", [None, 5, ["E1"], "", "E1 ", "E\0", "E\n1"])
def test_a_value_that_names_no_effect_is_refused_by_its_field(effect_id: Any) -> None:  # noqa: ANN401 - of any type
    """As every other wrong argument, together with those of the actor and the reason."""
    workflow, change = parked()
    with pytest.raises(InvalidForm) as refused:
        workflow.retry_effect(change.id, effect_id, actor="", reason="\0")
    assert [field for field, _, _ in refused.value.problems] == ["effect_id", "actor", "reason"]


def test_a_concern_of_the_host_leaves_a_parked_effect_in_view() -> None:
    """The effect can be retried as before; when it is delivered, the concern is shown."""
    disk: list[str] = []
    workflow, change = parked(disk)
    concern = Concern(reason=AttentionReason.HOST, facts={"disk": "full"})
    raised = workflow.fire(change.id, "raise_attention", concern, actor="robot")
    assert raised.attention is not None
    assert raised.attention.reason is AttentionReason.EFFECT_PARKED
    assert "error OSError: no disk, host disk full" in workflow.why(change.id)
    entries = len(workflow.history(change.id))
    workflow.fire(change.id, "raise_attention", concern, actor="robot")
    assert len(workflow.history(change.id)) == entries, "the same concern again is no news"
    assert "fire(raise_attention)" in workflow.allowed(change.id)

    disk.append("space")
    delivered = workflow.retry_effect(change.id, raised.effects[0].id, actor="olga")
    assert delivered.effects[0].status is EffectStatus.DELIVERED
    assert "(Raised by the host: disk full)" in workflow.why(change.id)


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
