"""Eight defects, each planted as one replaced function or definition, as they were met in handlers of this kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow import settle
from itsm_workflow.gateway.protocol import Unknown
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, Trigger, collector_change
from itsm_workflow.machine.approval_rule import ApprovalPolicy, Doubt, Verdict
from itsm_workflow.machine.evidence import TicketStatus
from itsm_workflow.settle import ReadAnswer, SendAnswer, Step
from itsm_workflow.testing.exploration.itsm import Itsm
from itsm_workflow.testing.exploration.library import Library
from itsm_workflow.testing.exploration.ticks import NOW

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import Facts, WorkflowDefinition
    from itsm_workflow.machine.evidence import Snapshot
    from itsm_workflow.policy import Policy
    from itsm_workflow.runtime.journal import Prepared
    from itsm_workflow.settle import Answer
    from itsm_workflow.storage.codec import Stored
    from itsm_workflow.testing.exploration.itsm import Desk, Message

DECIDE = settle.decide


class TrustsBodies(Library):
    """Believes what a callback says, once its credential holds."""

    def hear(self, stored: Stored, message: Message) -> tuple[Prepared | None, bool]:
        """Approve or reject by the body."""
        change = stored.change
        if change.ticket is None or message.status is not TicketStatus.FINISHED:
            return super().hear(stored, message)
        said = ev.Snapshot(
            ticket_id=change.ticket.id,
            sn=message.sn,
            status=message.status,
            word=message.status.upper(),
            seen_at=NOW,
            result_status=message.status,
            approve_result=message.approved,
            approval_step=True,
        )
        trigger = Trigger.APPROVE if message.approved else Trigger.REJECT
        return self.fire(stored, (Step(trigger, said),), actor="callback"), True


class NumbersOnce(Library):
    """Believes the submission number that was read before the commit."""

    def __init__(self, definition: WorkflowDefinition, policy: Policy, effects: Mapping[str, Sequence[str]]) -> None:
        super().__init__(definition, policy, effects)
        self.journal._numbered = lambda _change, steps: steps  # type: ignore[method-assign,assignment]  # the defect


class RunsEffectsAtOnce(Library):
    """Runs what an approval plans before the approval is stored."""

    def runs_before_commit(self, prepared: Prepared) -> tuple[str, ...]:
        """Return what is planned in the write."""
        return tuple(effect for entry in prepared.entries for effect in entry.effects)


class WithoutCompareAndSwap(Library):
    """Keeps its changes in a store that takes every write."""

    def store_accepts(self, *, stale: bool) -> bool:
        """Accept it."""
        _ = stale
        return True


class BelievesEveryRow(Itsm):
    """Takes the results by number, and of several rows the last."""

    def snapshot(self, desk: Desk, ticket_id: str, *, decision_field: str | None) -> tuple[Snapshot, Desk]:
        """Return our ticket's snapshot with the foreign ticket's result in it."""
        seen, after = super().snapshot(desk, ticket_id, decision_field=decision_field)
        row = [one for one in desk.tickets if one.sn == seen.sn][-1]
        believed = attrs.evolve(
            seen,
            status=row.status,
            result_status=row.status,
            approve_result=row.approved,
            approval_step=row.asked,
            ambiguous=False,
        )
        return believed, after


@attrs.frozen(kw_only=True)
class FieldIsEnough(ApprovalPolicy):
    """Reads the form's field alone, which says "true" from the beginning."""

    decision_field: str | None = "approval_result"

    def judge(self, snapshot: Snapshot, *, applicant: str = "") -> Verdict | Doubt:
        """Return what the field says."""
        return Verdict.APPROVED if snapshot.decision == "true" else super().judge(snapshot, applicant=applicant)


APPROVES_WITHOUT_FINISHED = collector_change(FieldIsEnough())


def sends_again(
    definition: WorkflowDefinition,
    change: ChangeRequest,
    answer: Answer,
    now: dt.datetime,
    policy: Policy,
    *,
    gateway: str,
) -> tuple[Step, ...]:
    """Take a create that timed out for one that was not sent."""
    steps = DECIDE(definition, change, answer, now, policy, gateway=gateway)
    if isinstance(answer, SendAnswer) and isinstance(answer.answer, Unknown):
        return tuple(Step(Trigger.MARK_UNSENT, step.evidence) for step in steps)
    return steps


def rejects_at_once(
    definition: WorkflowDefinition,
    change: ChangeRequest,
    answer: Answer,
    now: dt.datetime,
    policy: Policy,
    *,
    gateway: str,
) -> tuple[Step, ...]:
    """Reject where the library begins to suspect."""
    steps = DECIDE(definition, change, answer, now, policy, gateway=gateway)
    if not isinstance(answer, ReadAnswer):
        return steps
    return tuple(Step(Trigger.REJECT, one.evidence) if one.trigger == Trigger.SUSPECT_ENDING else one for one in steps)


def _always(_facts: Facts) -> str | None:
    return None


REJECTS_AT_FIRST_REVOKED = attrs.evolve(
    COLLECTOR_CHANGE,
    transitions=tuple(
        attrs.evolve(row, guard=_always) if row.trigger == Trigger.REJECT and row.dest is not None else row
        for row in COLLECTOR_CHANGE.transitions
    ),
)
"""The guard against it is gone as well, or the machine would refuse what the judgement wants."""

WITH_FIELD = collector_change(ApprovalPolicy(decision_field="approval_result"))
"""The same workflow with a decision field and no defect."""
