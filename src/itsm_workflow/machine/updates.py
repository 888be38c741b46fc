"""The updates of the approval table: each returns the change with the evidence applied. The engine sets the state."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.change import (
    WITHDRAW,
    Attempt,
    AttentionReason,
    Decider,
    EffectStatus,
    LastCallback,
    Moment,
    Outcome,
    Phase,
    Suspicion,
    Ticket,
    TicketDecision,
)
from itsm_workflow.machine import effect_updates, withdrawal
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval_rule import DOUBTS, applicant_of
from itsm_workflow.machine.earlier_tickets import with_the_ticket
from itsm_workflow.machine.effect_updates import parked_attention, with_attention
from itsm_workflow.machine.guards import OUTCOMES
from itsm_workflow.machine.intervals import has_passed
from itsm_workflow.readonly import ReadOnlyDict

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import Facts

_UNDONE = frozenset({EffectStatus.PLANNED, EffectStatus.STARTED})
_MOMENT = dt.timedelta(microseconds=1)


def revised(facts: Facts) -> ChangeRequest:
    """Replace the form."""
    return attrs.evolve(facts.change, form=facts.expect(ev.Drafted).form)


def submitted(facts: Facts) -> ChangeRequest:
    """Begin the first attempt, with nothing sent."""
    wanted = facts.expect(ev.Submission)
    attempt = Attempt(
        key=wanted.key,
        number=1,
        phase=Phase.QUEUED,
        creator=wanted.creator,
        service=wanted.service,
        owner=wanted.owner,
        submitted_at=facts.now,
        trace=wanted.trace,
    )
    change = withdrawal.superseded(facts.change, *EffectStatus)
    return attrs.evolve(
        change,
        attempt=attempt,
        ticket=None,  # decisions about an earlier ticket, and requests for it, do not apply to this submission
        earlier_tickets=with_the_ticket(facts.change),
        outcome=None,
        ended_at=None,
        suspicion=None,
        attention=parked_attention(change, facts.now),
        heard=None,
        submission=wanted.number,
        round=facts.change.round + 1,
        effect_names=wanted.effects,
        decision=None,
    )


def renumbered(facts: Facts) -> ChangeRequest:
    """Take a higher submission number."""
    return attrs.evolve(facts.change, submission=facts.expect(ev.SubmissionNumber).number)


def sending(facts: Facts) -> ChangeRequest:
    """Store the worker that is about to send."""
    owner = facts.expect(ev.AttemptMark).owner
    return _attempt(facts, phase=Phase.SENDING, owner=owner, marked_at=facts.now, not_before=None, problem="")


def unsent(facts: Facts) -> ChangeRequest:
    """Queue the attempt again with back-off, since nothing was sent; raise attention after too many times.

    From then on the attention shows the newest cause.
    """
    problem, times = facts.expect(ev.AttemptMark).problem, facts.attempt.unsent + 1
    later = facts.now + facts.policy.unsent_wait(times)
    change = _attempt(facts, phase=Phase.QUEUED, marked_at=None, not_before=later, unsent=times, problem=problem)
    details, raised = {"times": str(times), "problem": problem}, change.attention
    if times == facts.policy.unsent_attempts:
        return with_attention(facts, change, AttentionReason.UNSENT, details)
    if raised is not None and raised.reason is AttentionReason.UNSENT:
        # A person who has fixed one cause needs the newest one; the entries of the history have each.
        return attrs.evolve(change, attention=attrs.evolve(raised, facts=ReadOnlyDict(details)))
    return change


def unknown(facts: Facts) -> ChangeRequest:
    """Start the look-up schedule of the attempt."""
    mark = facts.expect(ev.AttemptMark)
    return _attempt(
        facts,
        phase=Phase.UNKNOWN,
        unknown_since=facts.now,
        looks=0,
        looked=mark.at or Moment(wall=facts.now),
        unwitnessed=False,
        problem=mark.problem,
        look_problem="",
    )


def looked_up(facts: Facts) -> ChangeRequest:
    """Count the look-up if its wait has passed; raise attention in the same commit when the schedule ends."""
    note, attempt, attention = facts.expect(ev.LookupNoted), facts.attempt, facts.change.attention
    if attention is not None and attention.reason is AttentionReason.NOT_FOUND:
        return facts.change  # attention is already raised: another empty look-up adds nothing
    at, base = note.at or Moment(wall=facts.now), attempt.looked or Moment(wall=attempt.unknown_since or facts.now)
    wait = facts.policy.lookup_wait(attempt.looks)
    passed = has_passed(base, at, wait)
    if passed is False:
        stepped = at.wall >= base.wall + wait  # the wall clock was set forward: restart the wait
        return _attempt(facts, looked=at if stepped else base, look_problem=note.problem)
    unwitnessed = attempt.unwitnessed or passed is None
    change = _attempt(facts, looks=attempt.looks + 1, looked=at, unwitnessed=unwitnessed, look_problem=note.problem)
    if attempt.looks + 1 < len(facts.policy.lookups):
        return change
    reason = AttentionReason.NOT_FOUND if note.answered else AttentionReason.LOOKUP_FAILED
    if attention is not None and attention.reason in {reason, AttentionReason.DUPLICATE, AttentionReason.MISMATCH}:
        return change
    return with_attention(facts, change, reason, {"key": attempt.key, "looks": str(attempt.looks + 1)})


def recorded(facts: Facts) -> ChangeRequest:
    """Bind the change to its ticket."""
    found = facts.expect(ev.TicketConfirmed)
    ticket = Ticket(
        gateway=found.gateway,
        id=found.id,
        sn=found.sn,
        url=found.url,
        channel=found.channel.value,
        recorded_at=facts.now,
    )
    attempt = attrs.evolve(facts.attempt, problem="", look_problem="")
    return attrs.evolve(
        facts.change, attempt=attempt, ticket=ticket, attention=parked_attention(facts.change, facts.now)
    )


def refused(facts: Facts) -> ChangeRequest:
    """Store the gateway's refusal; without a ticket, a requested withdrawal is superseded."""
    refusal = facts.expect(ev.Refusal)
    problem = f"the gateway refused it (code {refusal.remote_code}): {refusal.message}"
    change = _attempt(facts, phase=Phase.QUEUED, marked_at=None, problem=problem)
    # If it stayed planned, it would withdraw the ticket of the corrected draft.
    return withdrawal.superseded(change, EffectStatus.PLANNED, EffectStatus.STARTED)


def requeued(facts: Facts) -> ChangeRequest:
    """Start the next attempt with the same key, so that a duplicate is visible; drop the earlier hint."""
    restarted = {"number": facts.attempt.number + 1, "phase": Phase.QUEUED, "looks": 0, "looked": None, "unsent": 0}
    change = _attempt(facts, **restarted, marked_at=None, problem="", look_problem="")
    return attrs.evolve(change, attention=parked_attention(facts.change, facts.now), heard=None)


def heard(facts: Facts) -> ChangeRequest:
    """Store the hint; ignore a duplicate, a hint beyond the limit, and one about an earlier ticket."""
    callback, last, ended = facts.expect(ev.CallbackHeard), facts.change.heard, facts.change.ended_at
    # Hints after the end are counted separately, since the first of them makes the ended change due again.
    count = 0 if last is None or (ended is not None and last.at <= ended) else last.count
    is_known = last is not None and last.digest == callback.digest
    if is_known or count >= facts.policy.callbacks or callback.sn in facts.change.earlier_tickets.values():
        return facts.change
    # A hint after the end must be later than the end, even if the clock was set back.
    at = facts.now if ended is None else max(facts.now, ended + _MOMENT)
    hint = LastCallback(sn=callback.sn, digest=callback.digest, at=at, count=count + 1)
    return attrs.evolve(facts.change, heard=hint)


def resumed(facts: Facts) -> ChangeRequest:
    """Drop the suspicion, so that the two looks that confirm an ending are consecutive."""
    return attrs.evolve(facts.change, suspicion=None)


def suspected(facts: Facts) -> ChangeRequest:
    """Start the quiet time before the second look."""
    status = facts.expect(ev.Snapshot).status
    return attrs.evolve(facts.change, suspicion=Suspicion(status=status.value, since=facts.now))


def approved(facts: Facts) -> ChangeRequest:
    """Store the approval and its deciders; raise attention if the rule requires it for the applicant's own approval."""
    change, applicant = _ended(facts, Outcome.APPROVED, _decision(facts)), applicant_of(facts.change)
    if not facts.approval.alarms_of(facts.expect(ev.Snapshot), applicant=applicant):
        return change
    details = {"ticket": facts.ticket.id, "approver": applicant}
    return with_attention(facts, change, AttentionReason.SELF_APPROVED, details)


def attested(facts: Facts) -> ChangeRequest:
    """Store the attested approval, the operator and the evidence."""
    given, applicant = facts.expect(ev.ApprovalAttested), applicant_of(facts.change)
    decision = TicketDecision(
        deciders=(Decider(user=given.approver, approved=True),), attested_by=facts.actor, evidence=given.evidence
    )
    change = _ended(facts, Outcome.APPROVED, decision)
    if not facts.approval.alarms_of_approver(given.approver, applicant=applicant):
        return change
    details = {"ticket": facts.ticket.id, "approver": applicant}
    return with_attention(facts, change, AttentionReason.SELF_APPROVED, details)


def rejected(facts: Facts) -> ChangeRequest:
    """Store why the ticket ended without approval, and who refused it."""
    verdict = facts.approval.judge(facts.expect(ev.Snapshot))
    outcome = next((OUTCOMES[known] for known in OUTCOMES if known == verdict), Outcome.REJECTED)
    return _ended(facts, outcome, _decision(facts))


def abandoned(facts: Facts) -> ChangeRequest:
    """Give up; also plan the withdrawal of a ticket whose flow has not started, since it may start at any time."""
    change, attention = _ended(facts, Outcome.ABANDONED, facts.change.decision), facts.change.attention
    if facts.change.ticket_outcome is Outcome.APPROVED:  # its ticket stays approved, and the next one is not filed
        return attrs.evolve(change, ticket=None, earlier_tickets=with_the_ticket(facts.change))
    if attention is None or attention.reason is not AttentionReason.NOT_STARTED:
        return change
    return withdrawal_planned(attrs.evolve(facts, change=change))


def contradicted(facts: Facts) -> ChangeRequest:
    """Store a contradicting fact once and raise attention; the state stays."""
    fact = facts.evidence
    if isinstance(fact, ev.LateTicket):
        name, reason = f"ticket {fact.gateway}:{fact.id}", AttentionReason.DUPLICATE
        details = {"ticket": fact.id, "sn": fact.sn}
    else:
        snapshot = facts.expect(ev.Snapshot)
        name, reason = f"{snapshot.word} {snapshot.approve_result}", AttentionReason.DISAGREEMENT
        details = {"ticket": snapshot.ticket_id, "status": snapshot.word, "approved": str(snapshot.approve_result)}
    if name in facts.change.contradictions:
        return facts.change
    change = attrs.evolve(facts.change, contradictions=(*facts.change.contradictions, name))
    return with_attention(facts, change, reason, details)


def withdrawal_planned(facts: Facts) -> ChangeRequest:
    """Plan the built-in effect, unless one is already waiting for delivery."""
    if any(one.name == WITHDRAW and one.status in _UNDONE for one in facts.change.effects):
        return facts.change
    return effect_updates.planned(facts.change, WITHDRAW, facts.now, facts.actor)


def accepted_after_withdrawal(facts: Facts) -> ChangeRequest:
    """Supersede the withdrawals and clear the attention that they raised."""
    change = withdrawal.superseded(facts.change, EffectStatus.PLANNED, EffectStatus.PARKED, EffectStatus.DELIVERED)
    resolved = {AttentionReason.WITHDRAWAL_UNRESOLVED, AttentionReason.EFFECT_PARKED}
    if change.attention is None or change.attention.reason not in resolved:
        return change
    return attrs.evolve(change, attention=parked_attention(change, facts.now))


def attention_raised(facts: Facts) -> ChangeRequest:
    """Raise attention; the same reason and facts again change nothing.

    A doubt drops the suspicion, since the two looks that confirm an ending must be consecutive.
    """
    concern, change, current = facts.expect(ev.Concern), facts.change, facts.change.attention
    if concern.reason in DOUBTS:
        change = attrs.evolve(change, suspicion=None)
    if current is not None and (current.reason, dict(current.facts)) == (concern.reason, dict(concern.facts)):
        return change
    return with_attention(facts, change, concern.reason, concern.facts)


def attention_cleared(facts: Facts) -> ChangeRequest:
    """Clear the attention."""
    return attrs.evolve(facts.change, attention=None)


def _attempt(facts: Facts, **values: Any) -> ChangeRequest:
    return attrs.evolve(facts.change, attempt=attrs.evolve(facts.attempt, **values))


def _ended(facts: Facts, outcome: Outcome, decision: TicketDecision | None) -> ChangeRequest:
    change = withdrawal.superseded(facts.change, EffectStatus.PLANNED, EffectStatus.PARKED)
    attention = parked_attention(change, facts.now)
    return attrs.evolve(change, outcome=outcome, ended_at=facts.now, attention=attention, decision=decision)


def _decision(facts: Facts) -> TicketDecision | None:
    deciders = facts.expect(ev.Snapshot).deciders
    return TicketDecision(deciders=deciders) if deciders else None
