"""The guards of the approval table: each returns None, or the reason to refuse. Graphs show their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.change import WITHDRAW, AttentionReason, EffectStatus, Outcome, Phase
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine import withdrawal
from itsm_workflow.machine.approval_rule import UNPROVEN, ApprovalPolicy, Doubt, Verdict, applicant_of
from itsm_workflow.machine.earlier_tickets import answered_earlier
from itsm_workflow.text import counted, is_same_user

if TYPE_CHECKING:
    import datetime as dt

    from itsm_workflow.change import Attempt, Attention, PlannedEffect, Suspicion
    from itsm_workflow.machine.definition import Facts
    from itsm_workflow.policy import Policy

OUTCOMES = {
    Verdict.APPROVED: Outcome.APPROVED,
    Verdict.REFUSED: Outcome.REJECTED,
    Verdict.WITHDRAWN: Outcome.WITHDRAWN,
    Verdict.TERMINATED: Outcome.TERMINATED,
}
"""The outcome of each verdict that ends a change."""

GIVEN_ONCE = "pass the rule once, to WorkflowDefinition(approval=...), and use the guard itself in the row"
"""The advice for a caller that passes an approval rule to a table or a guard."""

_UNDECIDABLE = {AttentionReason(one) for one in ("not_found", "lookup_failed", "duplicate", "mismatch")}
_ENDINGS = (Verdict.WITHDRAWN, Verdict.TERMINATED)


def number_is_higher(facts: Facts) -> str | None:
    """Require a submission number that is higher than the change's own."""
    number, own = facts.expect(ev.SubmissionNumber).number, facts.change.submission
    return None if number > own else f"submission number {number} is not higher than its own, {own}"


def is_queued(facts: Facts) -> str | None:
    """Require an attempt of which nothing was sent."""
    return _attempt_is(facts, Phase.QUEUED)


def is_sending_by_owner(facts: Facts) -> str | None:
    """Require that this worker marked the attempt and is sending it."""
    return _attempt_is(facts, Phase.SENDING) or _same_owner(facts)


def may_be_unknown(facts: Facts) -> str | None:
    """Require that the sender itself reports an unknown outcome, or that its lease has expired."""
    reason = _attempt_is(facts, Phase.SENDING)
    if reason or not _same_owner(facts):
        return reason
    marked = facts.attempt.marked_at
    if marked is not None and facts.now >= marked + facts.policy.send_lease:
        return None
    return "another worker is sending it, and its lease has not expired"


def is_unknown(facts: Facts) -> str | None:
    """Require an attempt whose outcome is being looked up."""
    return _attempt_is(facts, Phase.UNKNOWN)


def answered_no(facts: Facts) -> str | None:
    """Require that the gateway refused this worker's send, and that no send of this attempt made a ticket."""
    if not facts.expect(ev.Refusal).looked_up:
        return "the gateway refused the create request, but no look-up has checked whether a ticket exists"
    reason = is_sending_by_owner(facts)
    if reason is None and facts.attempt.unknown_since is not None:
        return "the gateway refused the create request, but the ticket of an earlier send may still appear"
    return reason


def may_resend(facts: Facts) -> str | None:
    """Require look-ups that found no ticket with the key; after failed ones, an operator must attest its absence."""
    attention = facts.change.attention
    if facts.change.ticket is not None:
        return "a ticket is known"
    if facts.attempt.phase is Phase.QUEUED:
        return "nothing was sent yet: the request is sent when the change is next due, or immediately by settle"
    if attention is not None and attention.reason is AttentionReason.MISMATCH:
        return "a ticket carries its key but differs from what was sent: abandon the change, or record that ticket"
    if attention is None or attention.reason is not AttentionReason.NOT_FOUND:
        doubt = _not_attested(facts, attention)
        if doubt:
            return doubt
    return None if facts.attempt.phase is Phase.UNKNOWN else "the outcome of the attempt is not unknown"


def _not_attested(facts: Facts, attention: Attention | None) -> str | None:
    """Return why there may be a ticket, or None if the look-ups failed and an operator attests its absence."""
    reason = "a resend could create a second ticket: the look-ups have not shown yet that the first does not exist"
    if attention is None or attention.reason is not AttentionReason.LOOKUP_FAILED:
        return reason
    if tickets := attention.facts.get("tickets"):
        return (
            "a resend could create a second ticket, since the gateway shows ticket "
            f"{tickets} with its key: record that ticket, or abandon the change"
        )
    attested = facts.evidence
    if isinstance(attested, ev.AbsenceAttested) and attested.evidence.strip():
        return None
    return f"{reason}; an operator who has checked the ticket system can resend with evidence of that"


def may_abandon(facts: Facts) -> str | None:
    """Require that nothing was sent, that the look-ups cannot decide, or that a resend after them cannot be sent."""
    change, attention = facts.change, facts.change.attention
    if change.ticket is not None:
        return "a ticket is known: withdraw it instead"
    if change.was_never_sent:
        return None
    attempt = facts.attempt
    if attempt.phase is Phase.SENDING:
        return "it is being sent"
    if attempt.phase is Phase.QUEUED and attempt.unsent >= facts.policy.unsent_attempts:
        return None  # the look-ups of the send before ended, and the resend that followed cannot be sent
    if attention is None or attention.reason not in _UNDECIDABLE:
        return "a ticket may still appear: wait until attention is raised, when the look-ups have ended"
    return None


def ticket_is_ours(facts: Facts) -> str | None:
    """Require a ticket that answers this change's send or matches it, or the override of another operator."""
    attempt, ticket = facts.attempt, facts.expect(ev.TicketConfirmed)
    if spent := answered_earlier(facts.change, ticket):
        return spent
    is_operators = ticket.channel is ev.Channel.OPERATOR
    overrides = is_operators and bool(ticket.override.strip())
    if overrides and attempt.phase is Phase.SENDING:  # no look-up would find its own ticket after that
        return "it is being sent: wait until its outcome is known"
    problem = _differs(ticket, attempt)
    if problem is None or not overrides:
        return f"{problem}; an operator can record it with override" if problem and is_operators else problem
    if facts.actor.strip() and not is_same_user(facts.actor, attempt.creator):
        return None
    return f"{problem}; the applicant {attempt.creator} cannot override that: another person must"


def _differs(ticket: ev.TicketConfirmed, attempt: Attempt) -> str | None:
    if ticket.channel is not ev.Channel.ANSWER and ticket.differences:
        return f"the ticket differs from what was sent: {'; '.join(ticket.differences)}"
    if ticket.key != attempt.key:
        return "the ticket does not carry this change's key"
    if ticket.creator != attempt.creator:
        return f"the ticket was created by {ticket.creator!r}, not by {attempt.creator!r}"
    return None


def ticket_is_known(facts: Facts) -> str | None:
    """Require the ticket that the change is bound to."""
    ticket, known = facts.expect(ev.TicketConfirmed), facts.ticket
    if (ticket.gateway, ticket.id) == (known.gateway, known.id):
        return None
    return f"the change is bound to ticket {known.id}, not to {ticket.id}"


def callback_names_an_attempt(facts: Facts) -> str | None:
    """Require a credential of an attempt of this change."""
    number = facts.expect(ev.CallbackHeard).number
    return None if 1 <= number <= facts.attempt.number else f"this change has no attempt {number}"


def callback_was_undelivered(facts: Facts) -> str | None:
    """Require that the gateway lists the ticket's sn among the callbacks that it could not deliver."""
    sn = facts.expect(ev.Undelivered).sn
    return None if sn == facts.ticket.sn else "the undelivered callback is not about our ticket"


def ticket_is_open(facts: Facts) -> str | None:
    """Require that the gateway shows the change's ticket and that the ticket has not ended."""
    return _of_our_ticket(facts) or _judged(facts, Verdict.OPEN)


def suspicion_is_gone(facts: Facts) -> str | None:
    """Require a suspected ending and a ticket that is open again."""
    return ticket_is_open(facts) if facts.change.suspicion else "no ending is suspected"


def ending_is_new(facts: Facts) -> str | None:
    """Require a withdrawn or terminated ticket that is seen as such for the first time."""
    snapshot, suspicion = facts.expect(ev.Snapshot), facts.change.suspicion
    if suspicion is not None and suspicion.status == snapshot.status:
        return f"the ending is already suspected since {suspicion.since:%Y-%m-%d %H:%M:%S} UTC"
    return _of_our_ticket(facts) or _judged(facts, *_ENDINGS)


def is_approved(facts: Facts) -> str | None:
    """Require that the rule approves the change's ticket, and that no withdrawal of it is unresolved."""
    _rule(facts)
    return _of_our_ticket(facts) or _judged(facts, Verdict.APPROVED) or withdrawal.forbids_approval(facts.change)


def is_refused(facts: Facts) -> str | None:
    """Require that the rule refuses the change's ticket, or that it is still withdrawn or terminated."""
    verdict, snapshot = _judge(facts), facts.expect(ev.Snapshot)
    reason = _of_our_ticket(facts)
    if reason or verdict is Verdict.REFUSED:
        return reason
    if isinstance(verdict, Doubt) or verdict not in _ENDINGS:
        return _judged(facts, Verdict.REFUSED)
    if has_stayed(facts.change.suspicion, snapshot, facts.now, facts.policy):
        return None
    return f"the ticket was {verdict.value}: a second look, {facts.policy.quiet} later, must confirm that"


def may_be_given_up(facts: Facts) -> str | None:
    """Require attention because the approval is unproven, or because the ticket's flow has not started."""
    return _attention_is_for(facts, UNPROVEN | {AttentionReason.NOT_STARTED})


def approval_is_unproven(facts: Facts) -> str | None:
    """Require attention because the ticket ended and the gateway cannot show the approval that the rule requires."""
    return _attention_is_for(facts, UNPROVEN)


def _attention_is_for(facts: Facts, reasons: frozenset[AttentionReason]) -> str | None:
    attention = facts.change.attention
    if attention is not None and attention.reason in reasons:
        return None
    listed = ", ".join(sorted(reasons))
    return f"the gateway decides it: a person may decide only with attention for one of {listed}"


def may_attest(facts: Facts) -> str | None:
    """Require an attestation of the change's ticket by an operator who is neither applicant nor approver."""
    attested, applicant = facts.expect(ev.ApprovalAttested), applicant_of(facts.change)
    approver, actor = attested.approver.strip(), facts.actor.strip()
    if attested.ticket_id != facts.ticket.id:
        return f"ticket {attested.ticket_id} is attested, but the change is bound to {facts.ticket.id}"
    if not approver or not attested.evidence.strip():
        return "it needs the approver, and evidence of the approval in words"
    if not actor or is_same_user(actor, applicant):
        return f"the applicant {applicant} cannot attest the approval: another person must"
    if is_same_user(actor, approver):
        return f"{actor} cannot attest an approval by {approver}: another person must"
    if is_same_user(approver, applicant) and _rule(facts).self_approval == "refuse":
        return f"an approval by the applicant {applicant} does not count in this workflow"
    return approval_is_unproven(facts) or withdrawal.forbids_approval(facts.change)


def has_stayed(suspicion: Suspicion | None, snapshot: ev.Snapshot, now: dt.datetime, policy: Policy) -> bool:
    """Return whether a suspected ending was seen again after the quiet time.

    The time of the look counts, since a worker may stop between the look and the commit of its result.
    """
    if suspicion is None or suspicion.status != snapshot.status:
        return False
    return min(snapshot.seen_at, now) >= suspicion.since + policy.quiet


def has_started(snapshot: ev.Snapshot) -> bool | None:
    """Return whether a step of an open ticket's flow was running; None if the steps could not be read."""
    if snapshot.approval_step or snapshot.step_running:
        return True
    return None if snapshot.approval_step is None or snapshot.step_running is None else False


def confirms_outcome(facts: Facts) -> str | None:
    """Require a snapshot with the outcome that ended the change."""
    verdict = _judge(facts)
    reason = _of_our_ticket(facts)
    if reason or (isinstance(verdict, Verdict) and OUTCOMES.get(verdict) is facts.change.ticket_outcome):
        return reason
    return f"the change has ended as {facts.change.ticket_outcome}"


def is_contradiction(facts: Facts) -> str | None:
    """Require a fact that contradicts the state of the change; the update drops known ones."""
    if isinstance(facts.evidence, ev.LateTicket):
        known = facts.change.ticket
        same = known is not None and (known.gateway, known.id) == (facts.evidence.gateway, facts.evidence.id)
        return "it is the ticket that the change is bound to" if same else None
    return _of_our_ticket(facts)


def may_clear_attention(facts: Facts) -> str | None:
    """Require raised attention; after an approval by the applicant alone, another person must clear it."""
    attention, applicant = facts.change.attention, applicant_of(facts.change)
    if attention is None:
        return "no attention is raised"
    if attention.reason is AttentionReason.SELF_APPROVED and is_same_user(facts.actor, applicant):
        return f"the applicant {applicant} approved the ticket alone and cannot clear this: another person must look"
    return None


def effect_may_start(facts: Facts) -> str | None:
    """Require a planned effect that no worker delivers, and the number of its next delivery."""
    start = facts.expect(ev.EffectStart)
    effect = _effect(facts, start.effect)
    if effect is None:
        return f"this change has no effect {start.effect}"
    if effect.is_in_delivery(facts.now):
        return f"effect {effect.name} is being delivered until {effect.claimed_until:%Y-%m-%d %H:%M:%S} UTC"
    if effect.status not in {EffectStatus.PLANNED, EffectStatus.STARTED}:
        return f"effect {effect.name} is {effect.status.value}"
    if effect.status is EffectStatus.STARTED and effect.tries >= facts.policy.effect_attempts:
        return f"effect {effect.name} was started {counted(effect.tries, 'time')} without a result: it must be parked"
    if start.attempt != effect.attempts + 1:
        return f"the next delivery of effect {effect.name} is number {effect.attempts + 1}, not {start.attempt}"
    return None


def effect_was_done(facts: Facts) -> str | None:
    """Require a delivery that succeeded, even late, of an effect that was not delivered before."""
    result = facts.expect(ev.EffectResult)
    return f"the delivery failed: {result.error}" if result.error else _result_problem(facts, result)


def effect_has_failed(facts: Facts) -> str | None:
    """Require that the current delivery of the effect failed; results of earlier deliveries are refused."""
    result = facts.expect(ev.EffectResult)
    effect = _effect(facts, result.effect)
    if not result.error:
        return "the delivery succeeded: the result has no error"
    reason = _result_problem(facts, result)
    if reason or effect is None:
        return reason
    if effect.status is not EffectStatus.STARTED or result.attempt != effect.attempts:
        return f"delivery {result.attempt} of effect {effect.name} is already counted"
    return None


def effect_is_parked(facts: Facts) -> str | None:
    """Require a parked effect."""
    wanted = facts.expect(ev.EffectRetry).effect
    effect = _effect(facts, wanted)
    if effect is None:
        return f"this change has no effect {wanted}"
    return None if effect.status is EffectStatus.PARKED else f"effect {effect.name} is {effect.status.value}"


def _result_problem(facts: Facts, result: ev.EffectResult) -> str | None:
    """Return why the result of a delivery cannot count, or None."""
    effect = _effect(facts, result.effect)
    if effect is None:
        return f"this change has no effect {result.effect}"
    if result.withdrawal is not None and effect.name != WITHDRAW:
        return f"effect {effect.name} is not the library's own withdrawal"
    if effect.status is EffectStatus.DELIVERED:
        return f"effect {effect.name} is already delivered"
    if result.attempt > effect.attempts:
        return f"delivery {result.attempt} of effect {effect.name} was not started"
    return None


def _rule(facts: Facts) -> ApprovalPolicy:
    """Return the approval rule.

    Raises:
        TypeError: The guard was called with a rule. The guards of earlier versions took one.
    """
    if isinstance(facts, ApprovalPolicy):
        raise TypeError(f"a guard takes Facts, not an approval rule: {GIVEN_ONCE}")
    return facts.approval


def _judge(facts: Facts) -> Verdict | Doubt:
    return _rule(facts).judge(facts.expect(ev.Snapshot), applicant=applicant_of(facts.change))


def _of_our_ticket(facts: Facts) -> str | None:
    snapshot = facts.expect(ev.Snapshot)
    if snapshot.ticket_id == facts.ticket.id:
        return None
    return f"the snapshot shows ticket {snapshot.ticket_id}, but the change is bound to {facts.ticket.id}"


def _judged(facts: Facts, *wanted: Verdict) -> str | None:
    verdict = _judge(facts)
    if isinstance(verdict, Doubt):
        return f"the gateway's answers are in doubt ({verdict.reason.value}): {verdict.detail}"
    if verdict in wanted:
        return None
    return f"the ticket is {verdict.value}, not {' or '.join(one.value for one in wanted)}"


def _attempt_is(facts: Facts, phase: Phase) -> str | None:
    mark = facts.evidence
    number = mark.number if isinstance(mark, ev.AttemptMark | ev.LookupNoted | ev.Refusal) else 0
    if facts.attempt.number != number:
        return f"it is about attempt {number}, but the change is at attempt {facts.attempt.number}"
    return None if facts.attempt.phase is phase else f"the attempt is {facts.attempt.phase.value}, not {phase.value}"


def _same_owner(facts: Facts) -> str | None:
    mark = facts.evidence
    mine = isinstance(mark, ev.AttemptMark | ev.Refusal) and mark.owner == facts.attempt.owner
    return None if mine else "another worker is sending it"


def _effect(facts: Facts, effect_id: str) -> PlannedEffect | None:
    return next((effect for effect in facts.change.effects if effect.id == effect_id), None)
