"""The operations that a caller may carry out on a change now, by the names of `Workflow`'s methods.

`Workflow.allowed`, the command ``show`` and each refusal list them. The machine decides: each operation is tried on the
change as it is now, with the best evidence that a caller can pass, and nothing is stored. So an operation that is not
listed would be refused or change nothing; one that is listed may still be refused because of its own arguments. The
one exception is a withdrawal without a ticket, see `useful_operations`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import AttentionReason
from itsm_workflow.failures import failures
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.approval_rule import applicant_of
from itsm_workflow.machine.engine import fire

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.policy import Policy

METHODS: Mapping[str, str] = {
    Trigger.REVISE: "revise",
    Trigger.SUBMIT: "submit",
    Trigger.RECORD_TICKET: "record_ticket",
    Trigger.RESEND: "resend",
    Trigger.RECEIVE_CALLBACK: "receive",
    Trigger.ATTEST_APPROVAL: "attest_approval",
    Trigger.REQUEST_WITHDRAWAL: "withdraw",
    Trigger.ACCEPT_AFTER_WITHDRAWAL: "accept_after_withdrawal",
    Trigger.ABANDON: "abandon",
    Trigger.CLEAR_ATTENTION: "clear_attention",
    Trigger.RETRY_EFFECT: "retry_effect",
}
"""By trigger of the library, the method of `Workflow` that fires it for a caller."""

_TEXT = "any text"


def host_triggers(definition: WorkflowDefinition, state: str) -> tuple[str, ...]:
    """Return the triggers of a state that `Workflow.fire` accepts: the host's own, and ``raise_attention``."""
    rows = [row for row in definition.transitions if state in row.sources]
    library = {row.trigger.value for row in rows if isinstance(row.trigger, Trigger)} - {Trigger.RAISE_ATTENTION}
    return tuple(dict.fromkeys(row.trigger.value for row in rows if row.trigger.value not in library))


def allowed_operations(
    definition: WorkflowDefinition, change: ChangeRequest, *, now: dt.datetime, policy: Policy, actor: str | None
) -> tuple[str, ...]:
    """Return the operations that are allowed now, in the order of the table.

    Args:
        definition: The change's definition.
        change: The change.
        now: The current time.
        policy: The timings in force.
        actor: The user who would carry the operation out; None for a user who is not the applicant.

    Returns:
        The names of methods; ``fire(name)`` for a trigger that `Workflow.fire` fires. A trigger of the host is tried
        with a `Decision`; if it needs other evidence, which only the host can make, it is listed untried.
    """
    applicant, fired_by_hosts = applicant_of(change), host_triggers(definition, change.state)
    actor = actor or f"not {applicant}"
    best = _best_evidence(change, approver=f"neither {applicant} nor {actor}")

    def is_accepted(trigger: str, evidence: object) -> bool:
        try:
            _, entry = fire(definition, change, trigger, evidence, now=now, policy=policy, seq=1, actor=actor)
        except failures():  # refused, or a rule of the host raised something: the call would raise it
            return False
        return entry is not None

    def is_allowed(trigger: str) -> bool:
        return any(is_accepted(trigger, evidence) for evidence in best.get(trigger, [ev.Decision(reason=_TEXT)]))

    found = []
    for trigger in definition.triggers(change.state):
        if trigger in fired_by_hosts:
            kinds = [row.evidence_types for row in definition.rows(change.state, trigger)]
            is_untried = trigger not in best and not all(ev.Decision in each for each in kinds)
            if is_untried or is_allowed(trigger):
                found.append(f"fire({trigger})")
        elif trigger in METHODS and trigger != Trigger.RECEIVE_CALLBACK and is_allowed(trigger):
            found.append(METHODS[trigger])  # the library fires the others, for facts from the gateway
    return tuple(found)


def useful_operations(change: ChangeRequest, names: Sequence[str]) -> tuple[str, ...]:
    """Leave out a withdrawal that has no ticket to withdraw, if the change can be abandoned instead.

    If nothing was sent, `Workflow.withdraw` abandons the change as well. If no look-up found a ticket, a withdrawal
    would wait for a ticket that does not exist, and the change would not end.

    Args:
        change: The change.
        names: Those of `allowed_operations` that the person may carry out.
    """
    attention = change.attention
    is_absent = attention is not None and attention.reason is AttentionReason.NOT_FOUND
    has_none = change.ticket is None and (change.was_never_sent or is_absent)
    if has_none and METHODS[Trigger.ABANDON] in names:
        return tuple(name for name in names if name != METHODS[Trigger.REQUEST_WITHDRAWAL])
    return tuple(names)


def _best_evidence(change: ChangeRequest, *, approver: str) -> Mapping[str, Sequence[object]]:
    """Return by trigger the evidence that the machine accepts if it accepts any; for the others, it is a decision."""
    submission = ev.Submission(key=_TEXT, creator=change.form.applicant, service=_TEXT, owner=_TEXT)
    attempt, ticket = change.attempt, change.ticket
    matching = ev.TicketConfirmed(
        gateway=_TEXT,
        id=_TEXT,
        sn=_TEXT,
        url="",
        key=attempt.key if attempt else "",
        creator=attempt.creator if attempt else "",
        channel=ev.Channel.OPERATOR,
    )
    return {
        Trigger.REVISE: [ev.Drafted(form=attrs.evolve(change.form, content=f"{change.form.content} revised"))],
        Trigger.SUBMIT: [submission],
        Trigger.RECORD_TICKET: [matching],
        Trigger.RESEND: [ev.AbsenceAttested(evidence=_TEXT, reason=_TEXT)],
        Trigger.ATTEST_APPROVAL: [
            ev.ApprovalAttested(ticket_id=ticket.id if ticket else "", approver=approver, evidence=_TEXT)
        ],
        # One of them differs from the attention that is raised.
        Trigger.RAISE_ATTENTION: [ev.Concern(reason=AttentionReason.HOST, facts=facts) for facts in ({}, {"": _TEXT})],
        Trigger.RETRY_EFFECT: [ev.EffectRetry(effect=effect.id) for effect in change.effects],
    }
