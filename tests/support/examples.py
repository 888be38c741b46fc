"""Changes in every situation, made by firing the triggers that lead there."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING, TypeVar

import attrs

from itsm_workflow.change import AttentionReason, ChangeRequest, EffectStatus, Form, Moment, PlannedEffect
from itsm_workflow.gateway.protocol import FoundTicket
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, State, Trigger
from itsm_workflow.machine.definition import Facts
from itsm_workflow.machine.engine import fire, open_change
from itsm_workflow.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from itsm_workflow.change import Entry
    from itsm_workflow.machine.approval_rule import ApprovalPolicy
    from itsm_workflow.machine.definition import WorkflowDefinition

NOW = dt.datetime(2024, 5, 17, 8, 0, tzinfo=dt.UTC)
POLICY = Policy()
ID = "01HY2V8Q0000000000000000AB"
FORM = Form(title="Collect access logs", applicant="alice", approvers=("bob",))
START: Mapping[str, tuple[str, ...]] = {State.APPROVED: ("start",)}

Fired = tuple[str, object]
MadeT = TypeVar("MadeT")


def later(seconds: float) -> dt.datetime:
    """Return the time this many seconds after the example's change was drafted."""
    return NOW + dt.timedelta(seconds=seconds)


def after(change: ChangeRequest, *fired: Fired, at: float = 0, seq: int = 9) -> ChangeRequest:
    """Return the change after some triggers."""
    for trigger, evidence in fired:
        change, _ = told(change, trigger, evidence, at=at, seq=seq)
    return change


def told(
    change: ChangeRequest,
    trigger: str,
    evidence: object,
    *,
    at: float = 0,
    seq: int = 9,
    policy: Policy = POLICY,
    definition: WorkflowDefinition = COLLECTOR_CHANGE,
) -> tuple[ChangeRequest, Entry | None]:
    """Fire one trigger, and return the change and the entry."""
    return fire(
        definition, change, trigger, evidence, now=later(at), policy=policy, seq=seq, actor="carol", effects=START
    )


def facts(
    change: ChangeRequest, evidence: object, at: float = 0, *, approval: ApprovalPolicy = COLLECTOR_CHANGE.approval
) -> Facts:
    """Return the facts that a guard or an update gets."""
    return Facts(
        change=change, evidence=evidence, now=later(at), policy=POLICY, approval=approval, seq=9, actor="carol"
    )


def filled(kind: Callable[..., MadeT], values: Mapping[str, object], **usual: object) -> MadeT:
    """Return an instance with the given values, and the usual values for the rest."""
    return kind(**{**usual, **values})


def mark(**values: object) -> ev.AttemptMark:
    """Return a mark of worker w1 for attempt 1."""
    return filled(ev.AttemptMark, values, number=1, owner="w1")


def submission(**values: object) -> ev.Submission:
    """Return a submission with key K1."""
    return filled(ev.Submission, values, key="K1", creator="alice", service="17", owner="w1")


def confirmed(**values: object) -> ev.TicketConfirmed:
    """Return the change's ticket, number 7, as the answer to the send."""
    usual = {"gateway": "bk_itsm", "id": "7", "sn": "REQ7", "url": "https://itsm.example.com/7"}
    return filled(ev.TicketConfirmed, values, **usual, key="K1", creator="alice", channel=ev.Channel.ANSWER)


def found(ticket_id: str = "7", **values: object) -> FoundTicket:
    """Return a found ticket that carries K1 and equals what was sent."""
    usual = {"sn": f"REQ{ticket_id}", "url": "", "title": "", "key": "K1", "creator": "alice"}
    return filled(FoundTicket, values, id=ticket_id, **usual, differences=(), unseen=())


def snapshot(status: ev.TicketStatus = ev.TicketStatus.RUNNING, /, **values: object) -> ev.Snapshot:
    """Return a snapshot of the ticket; by default it is running and nothing else is known."""
    word = status.value.upper()
    return filled(ev.Snapshot, values, ticket_id="7", sn="REQ7", status=status, word=word, seen_at=NOW)


def finished(*, approved: bool, **values: object) -> ev.Snapshot:
    """Return a snapshot of the ticket after an approver decided."""
    agreed = {"result_status": ev.TicketStatus.FINISHED, "approve_result": approved, "approval_step": True}
    return snapshot(ev.TicketStatus.FINISHED, **{**agreed, **values})


def withdrawn(**values: object) -> ev.Snapshot:
    """Return a snapshot of the ticket after it was withdrawn, with no step running."""
    return snapshot(ev.TicketStatus.REVOKED, **{"step_running": False, **values})


def terminated(**values: object) -> ev.Snapshot:
    """Return a snapshot of the ticket after it was terminated, with no step running."""
    return snapshot(ev.TicketStatus.TERMINATED, **{"step_running": False, **values})


def planned(status: EffectStatus = EffectStatus.PLANNED, /, **values: object) -> PlannedEffect:
    """Return an effect named start."""
    return filled(PlannedEffect, values, id="E1", name="start", status=status, due_at=NOW)


def opened() -> tuple[ChangeRequest, Entry]:
    """Return a draft with its first entry."""
    return open_change(COLLECTOR_CHANGE, change_id=ID, subject="collector-1", form=FORM, now=NOW, actor="alice")


def moment(seconds: float, **values: object) -> Moment:
    """Return the moment this many seconds after the example's change was drafted, on every clock of one boot."""
    return filled(Moment, values, wall=later(seconds), boot_id="b1", boot=round(seconds * 1_000_000))


def looked_in_vain(change: ChangeRequest, looks: int) -> ChangeRequest:
    """Return the change after a number of empty look-ups, each right after its wait."""
    for at in list(itertools.accumulate(wait.total_seconds() for wait in POLICY.lookups))[:looks]:
        noted = ev.LookupNoted(number=1, answered=True, problem="no ticket carries its key", at=moment(at))
        change = after(change, (Trigger.NOTE_LOOKUP, noted), at=at)
    return change


DRAFT = opened()[0]
QUEUED = after(DRAFT, (Trigger.SUBMIT, submission()))
SENDING = after(QUEUED, (Trigger.MARK_SENDING, mark()))
UNKNOWN = after(SENDING, (Trigger.MARK_UNKNOWN, mark(problem="the connection was reset")))
EXHAUSTED = looked_in_vain(UNKNOWN, 7)
PENDING = after(SENDING, (Trigger.RECORD_TICKET, confirmed()), at=1)
SUSPECTED = after(PENDING, (Trigger.SUSPECT_ENDING, withdrawn()), at=10)
FAILED_CALLBACK = after(PENDING, (Trigger.FAIL_CALLBACK, ev.Undelivered(sn="REQ7")), at=10)
APPROVED = after(PENDING, (Trigger.APPROVE, finished(approved=True)), at=20)
REJECTED = after(PENDING, (Trigger.REJECT, finished(approved=False)), at=20)
WITHDRAWN = after(SUSPECTED, (Trigger.REJECT, withdrawn(seen_at=later(100))), at=100)
ABANDONED = after(EXHAUSTED, (Trigger.ABANDON, ev.Decision(reason="not wanted any more")), at=900)


def with_attention(change: ChangeRequest, reason: AttentionReason = AttentionReason.OVERDUE) -> ChangeRequest:
    """Return the change with attention."""
    return after(change, (Trigger.RAISE_ATTENTION, ev.Concern(reason=reason)))


def started(**values: object) -> PlannedEffect:
    """Return the effect E1 while worker w1 delivers it for the first time, claimed until five minutes after NOW."""
    given = {"attempts": 1, "owner": "w1", "claimed_until": later(300), **values}
    return planned(EffectStatus.STARTED, **given)


def attested(**values: object) -> ev.ApprovalAttested:
    """Return an operator's attestation that bob approved the ticket."""
    return filled(ev.ApprovalAttested, values, ticket_id="7", approver="bob", evidence="bob's mail of 17 May")


def with_effect(change: ChangeRequest, effect: PlannedEffect | None = None) -> ChangeRequest:
    """Return the change with one effect; by default E1, which is planned."""
    return attrs.evolve(change, effects=(effect or planned(),))
