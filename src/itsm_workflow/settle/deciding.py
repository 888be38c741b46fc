"""The steps that an answer leads to, for a change as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import AttentionReason, Outcome, Phase
from itsm_workflow.gateway.protocol import Created, NotSent, Refused, Unknown
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine import withdrawal
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.approval_rule import DOUBTS, UNPROVEN, Doubt, Verdict, applicant_of
from itsm_workflow.machine.guards import OUTCOMES, has_started, has_stayed
from itsm_workflow.machine.host_concern import concern_in, is_raised_by_library
from itsm_workflow.machine.intervals import has_passed
from itsm_workflow.settle.questions import LookupAnswer, SendAnswer, Step

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from itsm_workflow.change import Attempt, Attention, ChangeRequest
    from itsm_workflow.gateway.protocol import FoundTicket
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.policy import Policy
    from itsm_workflow.settle.questions import Answer

_LONGEST = 1000


def decide(
    definition: WorkflowDefinition,
    change: ChangeRequest,
    answer: Answer,
    now: dt.datetime,
    policy: Policy,
    *,
    gateway: str,
) -> tuple[Step, ...]:
    """Return the steps to fire for an answer, in order; empty if the answer changes nothing.

    Args:
        definition: The change's definition.
        change: The change as it is now; it may have changed since the question was asked.
        answer: The answer.
        now: The current time.
        policy: The timings in force.
        gateway: The name of the gateway that answered.
    """
    if isinstance(answer, SendAnswer):
        return _decide_send(definition, change, answer, gateway)
    if isinstance(answer, LookupAnswer):
        return _decide_lookup(definition, change, answer, gateway, again=_may_send_again(change, answer, policy))
    if answer.snapshot is None:
        return _decide_unread(definition, change, now, policy)
    return _decide_read(definition, change, answer.snapshot, now, policy)


def _decide_send(
    definition: WorkflowDefinition, change: ChangeRequest, sent: SendAnswer, gateway: str
) -> tuple[Step, ...]:
    answer, mark = sent.answer, ev.AttemptMark(number=sent.number, owner=sent.owner)
    if isinstance(answer, Created):
        confirmed = ev.TicketConfirmed(
            gateway=gateway,
            id=answer.id,
            sn=answer.sn,
            url=answer.url,
            key=sent.key,
            creator=sent.creator,
            channel=ev.Channel.ANSWER,
        )
        return _bind(definition, change, confirmed)
    attempt = change.attempt
    if not definition.is_asking(change.state) or attempt is None or attempt.phase is not Phase.SENDING:
        return ()
    # Each submission numbers its attempts from 1, so only the key identifies an answer to an earlier submission.
    if (attempt.key, attempt.number, attempt.owner) != (sent.key, sent.number, sent.owner):
        return ()
    if isinstance(answer, NotSent):
        return (Step(Trigger.MARK_UNSENT, attrs.evolve(mark, problem=answer.problem)),)
    if isinstance(answer, Unknown):
        return (Step(Trigger.MARK_UNKNOWN, attrs.evolve(mark, problem=answer.problem, at=sent.at)),)
    return _decide_refused(definition, change, sent, answer, gateway)


def _decide_refused(
    definition: WorkflowDefinition, change: ChangeRequest, sent: SendAnswer, answer: Refused, gateway: str
) -> tuple[Step, ...]:
    problem = f"the gateway refused it (code {answer.remote_code})"
    mark = ev.AttemptMark(number=sent.number, owner=sent.owner, problem=problem, at=sent.at)
    # Passes do not look at drafts, so a ticket of an earlier send would not be noticed.
    resent = change.attempt is not None and change.attempt.unknown_since is not None
    if sent.found is None or (resent and not sent.found):
        return (Step(Trigger.MARK_UNKNOWN, mark),)
    if not sent.found:
        refusal = ev.Refusal(
            number=sent.number, owner=sent.owner, remote_code=answer.remote_code, message=answer.message, looked_up=True
        )
        return (Step(Trigger.REFUSE, refusal),)
    found = LookupAnswer(number=sent.number, found=sent.found, at=sent.at)
    return (Step(Trigger.MARK_UNKNOWN, mark), *_decide_lookup(definition, change, found, gateway, marked=True))


def _decide_lookup(
    definition: WorkflowDefinition,
    change: ChangeRequest,
    looked: LookupAnswer,
    gateway: str,
    *,
    marked: bool = False,
    again: bool = False,
) -> tuple[Step, ...]:
    attempt = change.attempt
    if attempt is None:
        return ()
    keyed = {one.id: _with_creator(one, attempt) for one in looked.found or () if one.key == attempt.key}
    if not definition.is_asking(change.state):
        confirmed = [_confirm(one, looked, gateway) for one in keyed.values()]
        return tuple(step for one in confirmed for step in _bind(definition, change, one))
    ours = [one for one in keyed.values() if one.is_ours]
    others = [one for one in keyed.values() if not one.is_ours]
    tickets, parts = ", ".join(sorted(keyed)), _parts(others)
    doubt = AttentionReason.MISMATCH if any(one.differences for one in others) else AttentionReason.DUPLICATE
    if len(ours) == 1:
        found = Step(Trigger.RECORD_TICKET, _confirm(ours[0], looked, gateway))
        return (found, _concern(doubt, tickets=tickets, differences=parts)) if others else (found,)
    if not marked and (attempt.phase is not Phase.UNKNOWN or attempt.number != looked.number):
        return ()
    if not others:
        problem = looked.problem or (f"{len(ours)} tickets carry its key" if ours else "no ticket carries its key")
        noted = _note_lookup(looked, answered=looked.found is not None, problem=problem)
        if ours:
            return (noted, _concern(AttentionReason.DUPLICATE, tickets=tickets))
        return (noted, _resend(attempt)) if again and looked.found is not None else (noted,)
    # A ticket that has the key and may not be the change's leaves the question open: the ticket is not absent.
    noted = _note_lookup(looked, answered=False, problem=f"carrying its key: {parts}")
    if ours or doubt is AttentionReason.MISMATCH:
        return (noted, _concern(doubt, tickets=tickets, differences=parts))
    if change.attention is not None and change.attention.reason is AttentionReason.NOT_FOUND:
        # The look-ups continue, and a person may not resend the request until they end.
        return (noted, _concern(AttentionReason.LOOKUP_FAILED, tickets=tickets, unseen=parts))
    return (noted,)


def _with_creator(found: FoundTicket, attempt: Attempt) -> FoundTicket:
    """Return the ticket with a difference if its creator differs, in case the gateway did not compare it."""
    if found.differences or found.creator == attempt.creator:
        return found
    return attrs.evolve(found, differences=(f"creator: sent {attempt.creator}, shows {found.creator}",))


def _parts(tickets: Sequence[FoundTicket]) -> str:
    """Return a text that lists, for each ticket, its differences and the parts that are not shown."""
    listed = "; ".join(f"ticket {one.id}: {', '.join((*one.differences, *one.unseen))}" for one in tickets)
    return listed if len(listed) <= _LONGEST else listed[: _LONGEST - 1] + "…"


def _note_lookup(looked: LookupAnswer, *, answered: bool, problem: str) -> Step:
    note = ev.LookupNoted(number=looked.number, answered=answered, problem=problem, at=looked.at)
    return Step(Trigger.NOTE_LOOKUP, note)


def _resend(attempt: Attempt) -> Step:
    number = attempt.number + 1
    reason = f"no look-up found a ticket, so the request is sent again with the same key, attempt {number}"
    return Step(Trigger.RESEND, ev.Decision(reason=reason))


def _may_send_again(change: ChangeRequest, looked: LookupAnswer, policy: Policy) -> bool:
    """Return whether the policy allows an automatic resend after this look-up, if it found no ticket.

    Each wait of the schedule must have passed by the wall clock and by a second clock.
    """
    attempt, attention = change.attempt, change.attention
    if attempt is None or attempt.looked is None or looked.at is None or attempt.number > policy.resends:
        return False
    if attention is not None and attention.reason not in {AttentionReason.LOOKUP_FAILED, AttentionReason.UNSENT}:
        return False
    if attempt.unwitnessed or attempt.looks + 1 < len(policy.lookups):
        return False
    return has_passed(attempt.looked, looked.at, policy.lookup_wait(attempt.looks)) is True


def _bind(definition: WorkflowDefinition, change: ChangeRequest, found: ev.TicketConfirmed) -> tuple[Step, ...]:
    """Bind a ticket with a key of this change, or raise attention if it cannot be bound any more."""
    ticket, attempt = change.ticket, change.attempt
    if ticket is not None and (ticket.gateway, ticket.id) == (found.gateway, found.id):
        return ()
    ours = attempt is not None and (found.key, found.creator) == (attempt.key, attempt.creator)
    if definition.is_asking(change.state) and ours:
        return (Step(Trigger.RECORD_TICKET, found),)
    roles = definition.roles_in(change.state)
    if change.state not in {roles.asking, roles.waiting, roles.undelivered}:
        late = ev.LateTicket(gateway=found.gateway, id=found.id, sn=found.sn)
        return (Step(Trigger.RECORD_CONTRADICTION, late),)
    if found.differences:
        return (_concern(AttentionReason.MISMATCH, tickets=found.id, differences="; ".join(found.differences)),)
    known = ticket.id if ticket else "none"
    return (_concern(AttentionReason.DUPLICATE, tickets=", ".join(sorted({known, found.id})), sn=found.sn),)


def _confirm(found: FoundTicket, looked: LookupAnswer, gateway: str) -> ev.TicketConfirmed:
    return ev.TicketConfirmed(
        gateway=gateway,
        id=found.id,
        sn=found.sn,
        url=found.url,
        key=found.key,
        creator=found.creator,
        channel=looked.channel,
        differences=(*found.differences, *found.unseen),
    )


def _decide_read(
    definition: WorkflowDefinition, change: ChangeRequest, snapshot: ev.Snapshot, now: dt.datetime, policy: Policy
) -> tuple[Step, ...]:
    if change.ticket is None or snapshot.ticket_id != change.ticket.id:
        return ()
    verdict = definition.approval.judge(snapshot, applicant=applicant_of(change))
    roles = definition.roles_in(change.state)
    if change.state not in {roles.waiting, roles.undelivered}:
        return () if change.ended_at is None else _decide_settled(change, snapshot, verdict, now, policy)
    if isinstance(verdict, Doubt):
        return (_concern(verdict.reason, ticket=snapshot.ticket_id, detail=verdict.detail),)
    if verdict is Verdict.APPROVED:
        if withdrawal.is_in_delivery(change):
            return ()  # the withdrawal's result comes first, and the change is looked at again immediately after it
        return (_withdrawal_concern(change, snapshot) or Step(Trigger.APPROVE, snapshot),)
    if verdict is Verdict.REFUSED:
        return (Step(Trigger.REJECT, snapshot),)
    if verdict is Verdict.OPEN:
        return _decide_open(definition, change, snapshot, now, policy)
    suspicion = change.suspicion
    if suspicion is None or suspicion.status != snapshot.status:
        return (Step(Trigger.SUSPECT_ENDING, snapshot),)
    return (Step(Trigger.REJECT, snapshot),) if has_stayed(suspicion, snapshot, now, policy) else ()


def _decide_open(
    definition: WorkflowDefinition, change: ChangeRequest, snapshot: ev.Snapshot, now: dt.datetime, policy: Policy
) -> tuple[Step, ...]:
    steps: list[Step] = []
    if change.state == definition.roles_in(change.state).undelivered or change.suspicion is not None:
        steps.append(Step(Trigger.RESUME, snapshot))
    attention, withdrawn = change.attention, _withdrawal_concern(change, snapshot)
    revived = snapshot.status not in ev.ENDED or snapshot.step_running is True
    if revived and withdrawn and not any(one.unsure for one in change.effects):
        steps.append(withdrawn)
    elif attention is not None and attention.reason in DOUBTS:
        steps += _cleared(attention, "the gateway's answers agree again: the ticket is open")
    elif attention is not None and attention.reason is AttentionReason.NOT_STARTED and has_started(snapshot):
        steps += _cleared(attention, "a step of the ticket's flow runs")
    else:
        steps += _not_started(change, snapshot, now, policy) or _overdue(change, now, policy)
    return tuple(steps)


def _cleared(attention: Attention, why: str) -> Iterator[Step]:
    """Clear attention whose reason is resolved, and raise the host's concern in its facts: no person has seen it."""
    yield Step(Trigger.CLEAR_ATTENTION, ev.Decision(reason=why))
    concern = concern_in(attention)
    if concern is not None:
        yield _concern(AttentionReason.HOST, **concern)


def _not_started(change: ChangeRequest, snapshot: ev.Snapshot, now: dt.datetime, policy: Policy) -> tuple[Step, ...]:
    """Raise attention if no step runs: the server may report a success for a create, and its flow may still fail."""
    ticket, is_running = change.ticket, snapshot.status is ev.TicketStatus.RUNNING
    if is_raised_by_library(change) or ticket is None or not is_running or has_started(snapshot) is not False:
        return ()
    if now < ticket.recorded_at + policy.not_started:
        return ()
    filed = f"{ticket.recorded_at:%Y-%m-%d %H:%M:%S} UTC"
    return (_concern(AttentionReason.NOT_STARTED, ticket=ticket.id, filed=filed),)


def _withdrawal_concern(change: ChangeRequest, snapshot: ev.Snapshot) -> Step | None:
    """Return the concern that a ticket is open or approved after its withdrawal; None if it was not withdrawn."""
    effect = withdrawal.unresolved(change)
    if effect is None:
        return None
    facts = {"ticket": snapshot.ticket_id, "status": snapshot.status.value}
    return _concern(AttentionReason.WITHDRAWAL_UNRESOLVED, **facts, since=withdrawal.since(effect))


def _decide_unread(
    definition: WorkflowDefinition, change: ChangeRequest, now: dt.datetime, policy: Policy
) -> tuple[Step, ...]:
    """Raise attention if the ticket is overdue, even if it cannot be read: it or its gateway may not exist any more."""
    roles = definition.roles_in(change.state)
    waits = change.state in {roles.waiting, roles.undelivered}
    return _overdue(change, now, policy) if waits else ()


def _overdue(change: ChangeRequest, now: dt.datetime, policy: Policy) -> tuple[Step, ...]:
    ticket = change.ticket
    if is_raised_by_library(change) or ticket is None or now < ticket.recorded_at + policy.overdue:
        return ()
    return (_concern(AttentionReason.OVERDUE, ticket=ticket.id, since=f"{ticket.recorded_at:%Y-%m-%d}"),)


def _decide_settled(
    change: ChangeRequest, snapshot: ev.Snapshot, verdict: Verdict | Doubt, now: dt.datetime, policy: Policy
) -> tuple[Step, ...]:
    if isinstance(verdict, Doubt):
        news = not _is_known(change, snapshot, verdict)
    elif withdrawal.is_pursued(change) and verdict is not Verdict.APPROVED:
        # The change was abandoned while its ticket was open: the ticket is withdrawn, or ends by itself.
        news = verdict is Verdict.OPEN and withdrawal.unresolved(change) is not None
        if verdict is Verdict.OPEN and not news:
            return _overdue(change, now, policy)
    else:
        news = OUTCOMES.get(verdict) is not change.ticket_outcome
    return (Step(Trigger.RECORD_CONTRADICTION, snapshot),) if news else ()


def _is_known(change: ChangeRequest, snapshot: ev.Snapshot, doubt: Doubt) -> bool:
    """Return whether a doubt about the ticket of an ended change is consistent with the change's outcome."""
    if doubt.reason not in UNPROVEN:
        return False
    if change.outcome is Outcome.ABANDONED:
        return True  # the change was abandoned because of the doubt
    unread = doubt.reason in {AttentionReason.AMBIGUOUS_SN, AttentionReason.INCONCLUSIVE}
    if change.ticket_outcome is Outcome.APPROVED:
        return unread or (change.decision is not None and bool(change.decision.attested_by))
    return change.outcome is Outcome.REJECTED and snapshot.approve_result is None


def _concern(reason: AttentionReason, **facts: str) -> Step:
    return Step(Trigger.RAISE_ATTENTION, ev.Concern(reason=reason, facts=facts))
