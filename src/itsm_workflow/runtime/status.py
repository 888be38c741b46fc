"""What a page shows of a change, and one sentence that says what it is waiting for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import WITHDRAW, AttentionReason, EffectStatus, Outcome, Phase
from itsm_workflow.machine import withdrawal
from itsm_workflow.machine.approval_rule import DOUBTS
from itsm_workflow.machine.evidence import TicketStatus

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from itsm_workflow.change import Attention, ChangeRequest, Decider, Form, PlannedEffect, TicketDecision
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.storage.codec import Stored


@attrs.frozen(kw_only=True)
class Status:
    """What a page shows of a change. The form is beside our own facts, never merged over them.

    Attributes:
        grants: Whether a change in this state lets its subject through `Workflow.require_approved`.
        labels: The state's name for people, by language (``zh``, ``en``).
        ticket_url: The ticket's page, or None.
        iframe_ticket_url: The ticket's page for embedding, or None.
        ticket_status: How the ticket stands at the gateway now, such as ``running`` or ``suspended``; None unless the
            gateway was asked for it and answered. It is not stored: a ticket that is suspended has not ended.
        decision: Who decided the ticket, or None while that is not known.
        effects: What is to be said of each effect that is still to be delivered, in one text each.
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


def status_of(
    definition: WorkflowDefinition, change: ChangeRequest, iframe_ticket_url: str | None, effects: Sequence[str] = ()
) -> Status:
    """Return what a page shows of a change."""
    return Status(
        id=change.id,
        subject=change.subject,
        state=change.state,
        grants=definition.is_granting(change.state),
        labels=definition.labels.get(definition.states(change.state), {}),
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
    "not_found": "look for it in the ticket system, then record_ticket, resend or abandon",
    "duplicate": "look at the tickets named in the facts; withdraw the wrong one there, then clear the attention",
    "lookup_failed": "check the gateway, the look-ups go on; or look for it in the ticket system itself, then resend "
    "with that as evidence",
    "ambiguous_sn": "look at the ticket in the ticket system by its id, then attest_approval or abandon",
    "no_approval_step": "ask who approved it, then attest_approval or abandon; the service's flow may ask nobody",
    "disagreement": "compare the ticket with the facts; clear the attention when it is understood",
    "not_started": "look at its flow in the ticket system, a value of the form can have stopped it; wait, or abandon "
    "the change, and the ticket is withdrawn as soon as the ticket system lets it",
    "overdue": "remind the approvers, or withdraw",
    "unsent": "look what keeps it from leaving; it is tried on, or abandon it",
    "effect_parked": "mend what failed, then retry the effect",
    "effect_unknown": "run a process that has a function for the effect, or name it as an alias of one that there is",
    "mismatch": "compare the ticket with the facts; record_ticket with override if it is ours after all, or abandon it",
    "self_approved": "check whether the applicant may approve, then clear the attention; attest_approval or abandon "
    "if the change still waits",
    "inconclusive": "look at the ticket and at what keeps it from being read, then attest_approval or abandon",
    "not_as_sent": "check that the gateway is the one that has the ticket; if it is, and the ticket was changed there, "
    "attest_approval or abandon",
    "withdrawal_unresolved": "withdraw the ticket again, or accept_after_withdrawal",
    "decision_refused": "compare the ticket with the guards of the workflow's own transitions",
    "host": "look at what the facts name, then clear the attention",
}
"""What a person can do about each reason of attention."""


def why(
    definition: WorkflowDefinition,
    stored: Stored,
    now: dt.datetime,
    knows: Callable[[str], bool] | None = None,
    *,
    ticket_status: TicketStatus | None = None,
) -> str:
    """Return one sentence: what the change waits for, since when, when it is looked at next, and what then.

    Args:
        definition: The change's definition.
        stored: The change.
        now: The time.
        knows: Whether this process has a function for the effect of a name; None if it delivers none at all.
        ticket_status: How the ticket stands at the gateway now; None if the gateway was not asked.
    """
    change = stored.change
    is_suspended = ticket_status is TicketStatus.SUSPENDED and is_watched(definition, change)
    suspended = ", which is suspended" if is_suspended else ""
    parts = [_waits_for(definition, change) + suspended, *decisions_of(change)]
    if change.attention is not None:
        told = ", ".join(f"{key} {value}" for key, value in change.attention.facts.items())
        reason = change.attention.reason.value
        parts.append(f"a person should look ({reason}{': ' + told if told else ''}): {ADVICE[reason]}")
    parts += effects_of(change, now, knows)
    parts.append(_next_look(stored, now))
    return f"{change.subject} ({change.id}) {'; '.join(parts)}."


def is_watched(definition: WorkflowDefinition, change: ChangeRequest) -> bool:
    """Return whether the change waits for its ticket to be decided."""
    return change.state in {definition.roles.waiting, definition.roles.undelivered}


def decisions_of(change: ChangeRequest) -> Iterator[str]:
    """Yield who decided the change's ticket and what they said, and who attested it on what evidence."""
    if change.decision is not None:
        yield from map(decider_told, change.decision.deciders)
        if change.decision.attested_by:
            yield f"attested by {change.decision.attested_by}: {change.decision.evidence}"


def decider_told(decider: Decider) -> str:
    """Return in a few words who decided what in a step of a ticket, and with which remark."""
    words = {True: "approved", False: "refused", None: "decided"}
    return f"{decider.user} {words[decider.approved]} it" + (f": {decider.remark}" if decider.remark else "")


def _waits_for(definition: WorkflowDefinition, change: ChangeRequest) -> str:
    roles, ticket, attempt = definition.roles, change.ticket, change.attempt
    where = f"ticket {ticket.sn}" if ticket else "its ticket"
    if change.state == definition.initial:
        said = f", {attempt.problem}" if attempt and attempt.problem else ""
        return f"is a draft and waits to be submitted{said}"
    if change.state == roles.asking and attempt is not None:
        words = {
            Phase.QUEUED: "waits to be filed",
            Phase.SENDING: "is being filed",
            Phase.UNKNOWN: "may have been filed, its ticket is looked up",
        }
        told = "; then ".join(filter(None, (attempt.problem, attempt.look_problem)))
        said = f" ({told})" if told else ""
        return f"{words[attempt.phase]}, attempt {attempt.number}{said}"
    watched = is_watched(definition, change)
    if change.outcome is Outcome.WAS_APPROVED and not watched:
        ended = f" on {_at(change.ended_at)}" if change.ended_at else ""
        return f"was approved{ended} by {where}, and is now {change.state}, which does not grant"
    if change.outcome is not None and not watched:
        ended = f" on {_at(change.ended_at)}" if change.ended_at else ""
        by = "with" if change.outcome is Outcome.ABANDONED else "by"
        told = f"{change.outcome.value}{ended}" + (f" {by} {where}" if ticket else "")
        is_over = change.state in definition.final and change.state in {roles.granted, roles.refused}
        # Otherwise it goes on after its approval, or ended in a state of the host's own.
        return f"ended as {told}" if is_over else f"is {change.state}, {told}"
    if change.attention is not None and change.attention.reason is AttentionReason.DECISION_REFUSED:
        return f"cannot take over what {where} says"
    if change.attention is not None and change.attention.reason in DOUBTS:
        return f"waits for a look at {where} that decides"
    if change.suspicion is not None:
        return f"waits for a second look at {where}, {change.suspicion.status} since {_at(change.suspicion.since)}"
    withdrawn = withdrawal.unresolved(change)
    if withdrawn is not None:
        return f"waits for {where} to end as withdrawn, since it was withdrawn ({withdrawal.since(withdrawn)})"
    if change.attention is not None and change.attention.reason is AttentionReason.NOT_STARTED:
        return f"waits for the flow of {where} to begin: nobody is asked to decide it"
    approvers = ", ".join(change.form.approvers) or "its approvers"
    since = f" since {_at(ticket.recorded_at)}" if ticket else ""
    lost = ", whose callback did not arrive" if change.state == roles.undelivered else ""
    return f"waits for {approvers} to decide {where}{since}{lost}"


def effects_of(change: ChangeRequest, now: dt.datetime, knows: Callable[[str], bool] | None) -> list[str]:
    """Return what is to be said of each effect that is still to be delivered, one text for each."""
    undone = [one for one in change.effects if one.status in {EffectStatus.PLANNED, EffectStatus.STARTED}]
    return [_effect(one, now, is_known=knows is None or knows(one.name)) for one in undone]


def _effect(effect: PlannedEffect, now: dt.datetime, *, is_known: bool) -> str:
    if effect.claimed_until is not None and effect.is_in_delivery(now):
        return f"effect {effect.name} is being delivered until {_at(effect.claimed_until)}, delivery {effect.attempts}"
    if not is_known:
        return f"effect {effect.name} is due, and this process has no function for it"
    if effect.status is EffectStatus.STARTED:
        return f"effect {effect.name} is due, delivery {effect.attempts} brought no result"
    if effect.name == WITHDRAW and effect.error:
        return f"effect {effect.name} is due: {effect.error}"
    return f"effect {effect.name} is due{f', it failed {effect.tries} times' if effect.tries else ''}"


def _next_look(stored: Stored, now: dt.datetime) -> str:
    if stored.due_at is None:
        return "nothing more is due"
    return "it is due now" if stored.due_at <= now else f"the next look is at {_at(stored.due_at)}"


def _at(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
