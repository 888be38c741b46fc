"""The facts about a change that a page shows, and one sentence that says what the change waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import WITHDRAW, AttentionReason, EffectStatus, Outcome, Phase
from itsm_workflow.machine import withdrawal
from itsm_workflow.machine.approval_rule import DOUBTS
from itsm_workflow.machine.evidence import TicketStatus
from itsm_workflow.machine.labels import ATTENTION, OUTCOMES, labels_of
from itsm_workflow.text import counted

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from itsm_workflow.change import Attention, ChangeRequest, Decider, Form, PlannedEffect, TicketDecision
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.storage.codec import Stored

_NEXT = "waits to be submitted for its next approval"


@attrs.frozen(kw_only=True)
class Status:
    """The facts about a change that a page shows. The form is a separate attribute and never overwrites other facts.

    Attributes:
        grants: Whether `Workflow.require_approved` accepts the subject of a change in this state.
        labels: The state's display name for the applicant, by language (``zh``, ``en``); with the outcome if the change
            was rejected.
        outcome_labels: The outcome's display name, by language; empty while the change is open.
        attention_labels: The display name of the reason of attention, by language; empty if no person needs to look.
        ticket_url: The ticket's page, or None; also None if the settings do not allow pages of its host.
        iframe_ticket_url: The ticket's page for embedding, or None.
        ticket_status: The ticket's current status at the gateway, such as ``running`` or ``suspended``; None unless the
            gateway was asked for it and answered. It is not stored: a ticket that is suspended has not ended.
        decision: The people who decided the ticket and their verdicts, or None while they are not known.
        effects: A text for each effect that is still to be delivered.
    """

    id: str
    subject: str
    state: str
    grants: bool
    labels: Mapping[str, str]
    sn: str | None
    ticket_url: str | None
    iframe_ticket_url: str | None
    outcome: str | None
    decision: TicketDecision | None
    attention: Attention | None
    form: Form
    effects: tuple[str, ...] = ()
    ticket_status: str | None = None
    outcome_labels: Mapping[str, str] = attrs.field(factory=dict)
    attention_labels: Mapping[str, str] = attrs.field(factory=dict)


def status_of(
    definition: WorkflowDefinition, change: ChangeRequest, iframe_ticket_url: str | None, effects: Sequence[str] = ()
) -> Status:
    """Return the facts about a change that a page shows."""
    return Status(
        id=change.id,
        subject=change.subject,
        state=change.state,
        grants=definition.is_granting(change.state),
        labels=dict(labels_of(definition, change)),
        outcome_labels=dict(OUTCOMES[change.outcome]) if change.outcome else {},
        attention_labels=dict(ATTENTION[change.attention.reason]) if change.attention else {},
        sn=change.sn,
        ticket_url=change.ticket_url or None,
        iframe_ticket_url=iframe_ticket_url,
        outcome=change.outcome.value if change.outcome else None,
        decision=change.decision,
        attention=change.attention,
        form=change.form,
        effects=tuple(effects),
    )


ADVICE = {
    "not_found": "look for it in the ticket system by applicant and title, then record_ticket, resend or abandon",
    "duplicate": "look at the tickets in the facts; record_ticket the right one if the change has none, withdraw the "
    "others in the ticket system, then clear the attention",
    "lookup_failed": "check the gateway, the look-ups continue; or look for it in the ticket system itself, then "
    "resend with the result as evidence, or abandon",
    "ambiguous_sn": "look at the ticket in the ticket system by its id, then attest_approval or abandon",
    "no_approval_step": "find out who approved it, then attest_approval or abandon; the service's flow may have no "
    "approval step",
    "disagreement": "compare the ticket with the facts and the history; clear the attention when the difference is "
    "explained",
    "not_started": "look at its flow in the ticket system, a value of the form can have stopped it; wait, or abandon "
    "the change, and the ticket is withdrawn as soon as the ticket system allows it",
    "overdue": "remind the approvers, or withdraw",
    "unsent": "check why the request cannot be sent; it is retried, or abandon the change",
    "effect_parked": "fix the cause of the failure, then retry the effect",
    "effect_unknown": "run a process that has a function for the effect, or add its name as an alias of another effect",
    "mismatch": "compare the ticket with the facts; record_ticket with override if it is the change's ticket, or "
    "abandon the change",
    "self_approved": "check whether the applicant may approve, then clear the attention; attest_approval or abandon "
    "if the change still waits",
    "inconclusive": "look at the ticket and check why it cannot be read, then attest_approval or abandon",
    "not_as_sent": "check that the gateway is the one that has the ticket; if it is, and the ticket was changed there, "
    "attest_approval or abandon",
    "withdrawal_unresolved": "withdraw the ticket again, or accept_after_withdrawal",
    "decision_refused": "compare the ticket with the guards of the workflow's own transitions",
    "host": "deal with the problem in the facts, then clear the attention",
}
"""The advice to the operator for each reason of attention."""


def why(
    definition: WorkflowDefinition,
    stored: Stored,
    now: dt.datetime,
    knows: Callable[[str], bool] | None = None,
    *,
    ticket_status: TicketStatus | None = None,
) -> str:
    """Return one sentence that says what the change waits for, since when, and when the next look is.

    Args:
        definition: The change's definition.
        stored: The change.
        now: The current time.
        knows: A function that returns whether this process can deliver the named effect; None if it delivers none.
        ticket_status: The ticket's current status at the gateway; None if the gateway was not asked.
    """
    change = stored.change
    is_suspended = ticket_status is TicketStatus.SUSPENDED and is_watched(definition, change)
    suspended = ", which is suspended" if is_suspended else ""
    parts = [_waits_for(definition, change) + suspended, *decisions_of(change)]
    if change.attention is not None:
        facts = ", ".join(f"{key} {value}" for key, value in change.attention.facts.items())
        reason = change.attention.reason.value
        parts.append(f"a person should look ({reason}{': ' + facts if facts else ''}): {ADVICE[reason]}")
    parts += effects_of(change, now, knows)
    parts.append(_next_look(stored, now))
    return f"{change.subject} ({change.id}) {'; '.join(parts)}."


def is_watched(definition: WorkflowDefinition, change: ChangeRequest) -> bool:
    """Return whether the change waits for its ticket to be decided."""
    roles = definition.roles_in(change.state)
    return change.state in {roles.waiting, roles.undelivered}


def decisions_of(change: ChangeRequest) -> Iterator[str]:
    """Yield a text for each person who decided the ticket, and for the attestation with its evidence."""
    if change.decision is not None:
        yield from map(describe_decider, change.decision.deciders)
        if change.decision.attested_by:
            yield f"attested by {change.decision.attested_by}: {change.decision.evidence}"


def describe_decider(decider: Decider) -> str:
    """Return a short text with a person's name, verdict and remark in a step of a ticket."""
    words = {True: "approved", False: "refused", None: "decided"}
    return f"{decider.user} {words[decider.approved]} it" + (f": {decider.remark}" if decider.remark else "")


def _waits_for(definition: WorkflowDefinition, change: ChangeRequest) -> str:
    roles, ticket, attempt = definition.roles_in(change.state), change.ticket, change.attempt
    where = f"ticket {ticket.sn}" if ticket else "its ticket"
    is_draft, is_between = change.state == definition.initial, definition.is_submitted_in(change.state)
    if is_draft or (is_between and change.outcome is None):
        problem = f", {attempt.problem}" if attempt and attempt.problem else ""
        return f"is a draft and waits to be submitted{problem}" if is_draft else f"{_NEXT}{problem}"
    if change.state == roles.asking and attempt is not None:
        words = {
            Phase.QUEUED: "waits to be filed",
            Phase.SENDING: "is being filed",
            Phase.UNKNOWN: "may have been filed, its ticket is looked up",
        }
        problems = "; then ".join(filter(None, (attempt.problem, attempt.look_problem)))
        shown = f" ({problems})" if problems else ""
        return f"{words[attempt.phase]}, attempt {attempt.number}{shown}"
    watched = is_watched(definition, change)
    if change.outcome is Outcome.WAS_APPROVED and not watched:
        ended = f" on {_at(change.ended_at)}" if change.ended_at else ""
        return f"was approved{ended} by {where}, and " + (
            _NEXT if is_between else f"is now {change.state}, which does not grant"
        )
    if change.outcome is not None and not watched:
        ended = f" on {_at(change.ended_at)}" if change.ended_at else ""
        by = "with" if change.outcome is Outcome.ABANDONED else "by"
        result = f"{change.outcome.value}{ended}" + (f" {by} {where}" if ticket else "")
        is_over = change.state in definition.final and change.state in {roles.granted, roles.refused}
        # Otherwise the change continues after its approval, or ended in a state that the host added.
        return f"ended as {result}" if is_over else f"is {change.state}, {result}"
    if change.attention is not None and change.attention.reason is AttentionReason.DECISION_REFUSED:
        return f"cannot accept the decision of {where}, since the machine refused it"
    if change.attention is not None and change.attention.reason in DOUBTS:
        return f"waits for a conclusive look at {where}"
    if change.suspicion is not None:
        return f"waits for a second look at {where}, {change.suspicion.status} since {_at(change.suspicion.since)}"
    withdrawn = withdrawal.unresolved(change)
    if withdrawn is not None:
        return f"waits for {where} to end as withdrawn, since it was withdrawn ({withdrawal.since(withdrawn)})"
    if change.attention is not None and change.attention.reason is AttentionReason.NOT_STARTED:
        return f"waits for the flow of {where} to begin: until then, no approver is asked"
    approvers = ", ".join(change.form.approvers) or "its approvers"
    since = f" since {_at(ticket.recorded_at)}" if ticket else ""
    lost = ", whose callback did not arrive" if change.state == roles.undelivered else ""
    return f"waits for {approvers} to decide {where}{since}{lost}"


def effects_of(change: ChangeRequest, now: dt.datetime, knows: Callable[[str], bool] | None) -> list[str]:
    """Return a text for each effect that is still to be delivered."""
    undone = [one for one in change.effects if one.status in {EffectStatus.PLANNED, EffectStatus.STARTED}]
    return [_effect(one, now, is_known=knows is None or knows(one.name)) for one in undone]


def _effect(effect: PlannedEffect, now: dt.datetime, *, is_known: bool) -> str:
    if effect.claimed_until is not None and effect.is_in_delivery(now):
        return f"effect {effect.name} is being delivered until {_at(effect.claimed_until)}, delivery {effect.attempts}"
    due = "is due" if effect.due_at <= now else f"is due at {_at(effect.due_at)}"
    if not is_known:
        return f"effect {effect.name} {due}, and this process has no function for it"
    if effect.status is EffectStatus.STARTED:
        return f"effect {effect.name} {due}, delivery {effect.attempts} brought no result"
    if effect.name == WITHDRAW and effect.error:
        return f"effect {effect.name} {due}: {effect.error}"
    failed = f", it failed {counted(effect.tries, 'time')}" if effect.tries else ""
    return f"effect {effect.name} {due}{failed}"


def _next_look(stored: Stored, now: dt.datetime) -> str:
    if stored.due_at is None:
        return "nothing more is due"
    return "it is due now" if stored.due_at <= now else f"the next look is at {_at(stored.due_at)}"


def _at(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
