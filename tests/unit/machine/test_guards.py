"""Each guard: when it holds, and the reason that it gives when not."""

from __future__ import annotations

import attrs
import pytest

from itsm_workflow.change import AttentionReason, ChangeRequest, EffectStatus, Outcome
from itsm_workflow.machine import approval_rule, guards, withdrawal
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, Trigger
from itsm_workflow.machine.approval_rule import ApprovalPolicy
from itsm_workflow.machine.definition import Facts, Guard
from tests.support import examples as x

APPROVES, REFUSES, CONFIRMS = guards.is_approved, guards.is_refused, guards.confirms_outcome
WANTED = ev.Decision()
OTHER_TICKET = "the snapshot shows ticket 8, but the change is bound to 7"
PARKED = EffectStatus.PARKED
DELIVERED = EffectStatus.DELIVERED

Case = tuple[Guard, ChangeRequest, object, float, str | None]


def judged(guard: Guard, change: ChangeRequest, evidence: object, at: float = 0) -> str | None:
    """Return what the guard says."""
    return guard(x.facts(change, evidence, at))


def approved_with_field(facts: Facts) -> str | None:
    """Return what `is_approved` says where the rule wants a field as well."""
    return guards.is_approved(attrs.evolve(facts, approval=ApprovalPolicy(decision_field="approval_result")))


def looked(number: int = 1) -> ev.LookupNoted:
    """Return a look-up that found nothing."""
    return ev.LookupNoted(number=number, answered=True)


def no(**values: object) -> ev.Refusal:
    """Return the gateway's no to this worker's send, looked up."""
    return x.filled(ev.Refusal, values, number=1, owner="w1", remote_code=3900003, message="no", looked_up=True)


def done(effect: str = "E1", attempt: int = 1, error: str = "") -> ev.EffectResult:
    """Return how a delivery went."""
    return ev.EffectResult(effect=effect, attempt=attempt, error=error)


def start(effect: str = "E1", attempt: int = 1) -> ev.EffectStart:
    """Return that worker w2 is about to deliver."""
    return ev.EffectStart(effect=effect, attempt=attempt, until=x.later(600), owner="w2")


def running(**values: object) -> ChangeRequest:
    """Return an approved change whose effect worker w1 delivers."""
    return x.with_effect(x.APPROVED, x.started(**values))


def effect(status: EffectStatus = EffectStatus.PLANNED, **values: object) -> ChangeRequest:
    """Return an approved change with one effect."""
    return x.with_effect(x.APPROVED, x.planned(status, **values))


def resent(*, unsent: int) -> ChangeRequest:
    """Return a change whose look-ups found no ticket, and whose resend could not be sent so many times."""
    change = x.after(x.EXHAUSTED, (Trigger.RESEND, ev.Decision(reason="it is not in the list")), at=900)
    for times in range(unsent):
        steps = ((Trigger.MARK_SENDING, x.mark(number=2)), (Trigger.MARK_UNSENT, x.mark(number=2)))
        change = x.after(change, *steps, at=3600 * (times + 1))
    return change


ANOTHER_ATTEMPT = "it is about attempt 2, but the change is at attempt 1"
NOT_HIGHER = "submission number 0 is not higher than its own, 0"
ANOTHER_WORKER = "another worker is sending it"

ATTEMPTS: dict[str, Case] = {
    "numbered higher": (guards.number_is_higher, x.QUEUED, ev.SubmissionNumber(number=1), 0, None),
    "numbered the same": (guards.number_is_higher, x.QUEUED, ev.SubmissionNumber(number=0), 0, NOT_HIGHER),
    "queued": (guards.is_queued, x.QUEUED, x.mark(), 0, None),
    "queued, another attempt": (guards.is_queued, x.QUEUED, x.mark(number=2), 0, ANOTHER_ATTEMPT),
    "queued, no mark": (guards.is_queued, x.QUEUED, WANTED, 0, "it is about attempt 0, but the change is at attempt 1"),
    "queued, sending": (guards.is_queued, x.SENDING, x.mark(), 0, "the attempt is sending, not queued"),
    "sending": (guards.is_sending_by_owner, x.SENDING, x.mark(), 0, None),
    "sending by another": (guards.is_sending_by_owner, x.SENDING, x.mark(owner="w2"), 0, ANOTHER_WORKER),
    "sending, another attempt": (guards.is_sending_by_owner, x.SENDING, x.mark(number=2), 0, ANOTHER_ATTEMPT),
    "sending, queued": (guards.is_sending_by_owner, x.QUEUED, x.mark(), 0, "the attempt is queued, not sending"),
    "unknown to its sender": (guards.may_be_unknown, x.SENDING, x.mark(), 0, None),
    "unknown, lease runs": (
        guards.may_be_unknown,
        x.SENDING,
        x.mark(owner="w2"),
        29.999999,
        "another worker is sending it, and its lease has not expired",
    ),
    "unknown, lease over": (guards.may_be_unknown, x.SENDING, x.mark(owner="w2"), 30, None),
    "unknown, never marked": (
        guards.may_be_unknown,
        attrs.evolve(x.SENDING, attempt=attrs.evolve(x.SENDING.expect_attempt(), marked_at=None)),
        x.mark(owner="w2"),
        99,
        "another worker is sending it, and its lease has not expired",
    ),
    "unknown, queued": (guards.may_be_unknown, x.QUEUED, x.mark(), 0, "the attempt is queued, not sending"),
    "looked up": (guards.is_unknown, x.UNKNOWN, looked(), 0, None),
    "looked up, another attempt": (guards.is_unknown, x.UNKNOWN, looked(2), 0, ANOTHER_ATTEMPT),
    "looked up, sending": (guards.is_unknown, x.SENDING, looked(), 0, "the attempt is sending, not unknown"),
    "no": (guards.answered_no, x.SENDING, no(), 0, None),
    "no, not looked up": (
        guards.answered_no,
        x.SENDING,
        no(looked_up=False),
        0,
        "the gateway refused the create request, but no look-up has checked whether a ticket exists",
    ),
    "no to another": (guards.answered_no, x.SENDING, no(owner="w2"), 0, ANOTHER_WORKER),
    "no to another attempt": (guards.answered_no, x.SENDING, no(number=2), 0, ANOTHER_ATTEMPT),
    "no to a resend": (
        guards.answered_no,
        x.after(x.EXHAUSTED, (Trigger.RESEND, WANTED), (Trigger.MARK_SENDING, x.mark(number=2))),
        no(number=2),
        0,
        "the gateway refused the create request, but the ticket of an earlier send may still appear",
    ),
    "no, unknown": (guards.answered_no, x.UNKNOWN, no(), 0, "the attempt is unknown, not sending"),
}

UNPROVEN = x.with_attention(x.PENDING, AttentionReason.AMBIGUOUS_SN)
NOT_STARTED = x.with_attention(x.PENDING, AttentionReason.NOT_STARTED)
UNASKED = x.with_attention(x.UNKNOWN, AttentionReason.LOOKUP_FAILED)
UNSEEN = ev.Concern(reason=AttentionReason.LOOKUP_FAILED, facts={"tickets": "7, 8", "unseen": "title"})
ABSENT = ev.AbsenceAttested(reason="asked the desk", evidence="no ticket by alice since Monday in BK-ITSM's list")
NOTHING_SENT = "nothing was sent yet: the request is sent when the change is next due, or immediately by settle"
NOT_SHOWN = "a resend could create a second ticket: the look-ups have not shown yet that the first does not exist"
SHOWN = (
    "a resend could create a second ticket, since the gateway shows ticket 7, 8 with its key: record that ticket, or "
    "abandon the change"
)
LOOKED = "; an operator who has checked the ticket system can resend with evidence of that"
NOT_A_PERSONS = (
    "the gateway decides it: a person may decide only with attention for one of "
    "ambiguous_sn, inconclusive, no_approval_step, not_as_sent, self_approved"
)
NO_EVIDENCE = "it needs the approver, and evidence of the approval in words"

PEOPLE: dict[str, Case] = {
    **{
        f"attest, {reason}": (guards.may_attest, x.with_attention(x.PENDING, reason), x.attested(), 0, None)
        for reason in sorted(approval_rule.UNPROVEN)
    },
    "attest, nothing in doubt": (guards.may_attest, x.PENDING, x.attested(), 0, NOT_A_PERSONS),
    "attest, another doubt": (
        guards.may_attest,
        x.with_attention(x.PENDING, AttentionReason.DISAGREEMENT),
        x.attested(),
        0,
        NOT_A_PERSONS,
    ),
    "attest, another ticket": (
        guards.may_attest,
        UNPROVEN,
        x.attested(ticket_id="8"),
        0,
        "ticket 8 is attested, but the change is bound to 7",
    ),
    "attest, by nobody": (guards.may_attest, UNPROVEN, x.attested(approver=" "), 0, NO_EVIDENCE),
    "attest, on nothing": (guards.may_attest, UNPROVEN, x.attested(evidence=" \n"), 0, NO_EVIDENCE),
    "attest, one's own": (
        guards.may_attest,
        UNPROVEN,
        x.attested(approver=" Carol"),
        0,
        "carol cannot attest an approval by Carol: another person must",
    ),
    "attest, the applicant's": (guards.may_attest, UNPROVEN, x.attested(approver="alice"), 0, None),
    "give up in doubt": (guards.may_be_given_up, UNPROVEN, WANTED, 0, None),
    "give up, its flow never started": (guards.may_be_given_up, NOT_STARTED, WANTED, 0, None),
    "give up, nothing in doubt": (
        guards.may_be_given_up,
        x.PENDING,
        WANTED,
        0,
        NOT_A_PERSONS.replace("not_as_sent, ", "not_as_sent, not_started, "),
    ),
    "attest, its flow never started": (guards.may_attest, NOT_STARTED, x.attested(), 0, NOT_A_PERSONS),
    "resend": (guards.may_resend, x.EXHAUSTED, WANTED, 0, None),
    "resend, ticket": (guards.may_resend, x.PENDING, WANTED, 0, "a ticket is known"),
    "resend, nothing was sent": (guards.may_resend, x.QUEUED, WANTED, 0, NOTHING_SENT),
    "resend, nothing was sent, on evidence": (guards.may_resend, x.QUEUED, ABSENT, 0, NOTHING_SENT),
    "resend, too early": (guards.may_resend, x.UNKNOWN, WANTED, 0, NOT_SHOWN),
    "resend, look-ups failed": (guards.may_resend, UNASKED, WANTED, 0, f"{NOT_SHOWN}{LOOKED}"),
    "resend, look-ups failed, on evidence": (guards.may_resend, UNASKED, ABSENT, 0, None),
    "resend, look-ups failed, on blank evidence": (
        guards.may_resend,
        UNASKED,
        ev.AbsenceAttested(reason="r", evidence=" "),
        0,
        f"{NOT_SHOWN}{LOOKED}",
    ),
    "resend, on evidence as well": (guards.may_resend, x.EXHAUSTED, ABSENT, 0, None),
    "resend, too early, on evidence": (guards.may_resend, x.UNKNOWN, ABSENT, 0, NOT_SHOWN),
    "resend, no absence, on evidence": (
        guards.may_resend,
        x.with_attention(x.UNKNOWN, AttentionReason.DUPLICATE),
        ABSENT,
        0,
        NOT_SHOWN,
    ),
    "resend, a mismatch, on evidence": (
        guards.may_resend,
        x.with_attention(x.UNKNOWN, AttentionReason.MISMATCH),
        ABSENT,
        0,
        "a ticket carries its key but differs from what was sent: abandon the change, or record that ticket",
    ),
    "resend, a ticket not shown in full, on evidence": (
        guards.may_resend,
        x.after(x.UNKNOWN, (Trigger.RAISE_ATTENTION, UNSEEN)),
        ABSENT,
        0,
        SHOWN,
    ),
    "resend, ticket, on evidence": (guards.may_resend, x.PENDING, ABSENT, 0, "a ticket is known"),
    "resend, sending, on evidence": (
        guards.may_resend,
        x.with_attention(x.SENDING, AttentionReason.LOOKUP_FAILED),
        ABSENT,
        0,
        "the outcome of the attempt is not unknown",
    ),
    "resend, sending": (
        guards.may_resend,
        x.with_attention(x.SENDING, AttentionReason.NOT_FOUND),
        WANTED,
        0,
        "the outcome of the attempt is not unknown",
    ),
    "abandon": (guards.may_abandon, x.EXHAUSTED, WANTED, 0, None),
    "abandon, ticket": (guards.may_abandon, x.PENDING, WANTED, 0, "a ticket is known: withdraw it instead"),
    "abandon, ticket of a send that was never made": (
        guards.may_abandon,
        attrs.evolve(x.PENDING, attempt=x.QUEUED.attempt),
        WANTED,
        0,
        "a ticket is known: withdraw it instead",
    ),
    "abandon, sending": (
        guards.may_abandon,
        x.with_attention(x.SENDING, AttentionReason.NOT_FOUND),
        WANTED,
        0,
        "it is being sent",
    ),
    "abandon, too early": (
        guards.may_abandon,
        x.UNKNOWN,
        WANTED,
        0,
        "a ticket may still appear: wait until attention is raised, when the look-ups have ended",
    ),
    "abandon, a resend that cannot be sent": (guards.may_abandon, resent(unsent=8), WANTED, 0, None),
    "abandon, a resend that is tried again": (
        guards.may_abandon,
        resent(unsent=7),
        WANTED,
        0,
        "a ticket may still appear: wait until attention is raised, when the look-ups have ended",
    ),
    "abandon, a resend that was sent after all": (
        guards.may_abandon,
        x.after(
            resent(unsent=8),
            (Trigger.MARK_SENDING, x.mark(number=2)),
            (Trigger.MARK_UNKNOWN, x.mark(number=2)),
            at=40_000,
        ),
        WANTED,
        0,
        "a ticket may still appear: wait until attention is raised, when the look-ups have ended",
    ),
    "attention": (guards.may_clear_attention, x.EXHAUSTED, WANTED, 0, None),
    "no attention": (guards.may_clear_attention, x.PENDING, WANTED, 0, "no attention is raised"),
}

DIFFERS = ("approvers: sent bob, shows alice",)

TICKETS: dict[str, Case] = {
    "ours": (guards.ticket_is_ours, x.SENDING, x.confirmed(), 0, None),
    "another key": (
        guards.ticket_is_ours,
        x.SENDING,
        x.confirmed(key="K2"),
        0,
        "the ticket does not carry this change's key",
    ),
    "no key": (guards.ticket_is_ours, x.SENDING, x.confirmed(key=""), 0, "the ticket does not carry this change's key"),
    "another creator": (
        guards.ticket_is_ours,
        x.SENDING,
        x.confirmed(creator="bob"),
        0,
        "the ticket was created by 'bob', not by 'alice'",
    ),
    "a look-up's that differs": (
        guards.ticket_is_ours,
        x.UNKNOWN,
        x.confirmed(channel=ev.Channel.LOOKUP, differences=DIFFERS),
        0,
        "the ticket differs from what was sent: approvers: sent bob, shows alice",
    ),
    "an override that no operator gave": (
        guards.ticket_is_ours,
        x.UNKNOWN,
        x.confirmed(channel=ev.Channel.LOOKUP, differences=DIFFERS, override="it looks alike"),
        0,
        "the ticket differs from what was sent: approvers: sent bob, shows alice",
    ),
    "an operator's that differs": (
        guards.ticket_is_ours,
        x.UNKNOWN,
        x.confirmed(channel=ev.Channel.OPERATOR, differences=DIFFERS),
        0,
        (
            "the ticket differs from what was sent: approvers: sent bob, shows alice; "
            "an operator can record it with override"
        ),
    ),
    "an override": (
        guards.ticket_is_ours,
        x.UNKNOWN,
        x.confirmed(channel=ev.Channel.OPERATOR, differences=DIFFERS, override="bob is ill"),
        0,
        None,
    ),
    "an override while it is being sent": (
        guards.ticket_is_ours,
        x.SENDING,
        x.confirmed(channel=ev.Channel.OPERATOR, differences=DIFFERS, override="bob is ill"),
        0,
        "it is being sent: wait until its outcome is known",
    ),
    "an override of the key": (
        guards.ticket_is_ours,
        x.UNKNOWN,
        x.confirmed(channel=ev.Channel.OPERATOR, key="K2", override="the key was cut off"),
        0,
        None,
    ),
    "an operator's with another key": (
        guards.ticket_is_ours,
        x.UNKNOWN,
        x.confirmed(channel=ev.Channel.OPERATOR, key=""),
        0,
        "the ticket does not carry this change's key; an operator can record it with override",
    ),
    "an override of the key that no operator gave": (
        guards.ticket_is_ours,
        x.UNKNOWN,
        x.confirmed(channel=ev.Channel.LOOKUP, key="K2", override="it looks alike"),
        0,
        "the ticket does not carry this change's key",
    ),
    "known": (guards.ticket_is_known, x.PENDING, x.confirmed(), 0, None),
    "another id": (
        guards.ticket_is_known,
        x.PENDING,
        x.confirmed(id="8"),
        0,
        "the change is bound to ticket 7, not to 8",
    ),
    "another gateway": (
        guards.ticket_is_known,
        x.PENDING,
        x.confirmed(gateway="other"),
        0,
        "the change is bound to ticket 7, not to 7",
    ),
    "callback": (
        guards.callback_names_an_attempt,
        x.QUEUED,
        ev.CallbackHeard(sn="REQ7", digest="d", number=1),
        0,
        None,
    ),
    "callback, attempt 0": (
        guards.callback_names_an_attempt,
        x.QUEUED,
        ev.CallbackHeard(sn="REQ7", digest="d", number=0),
        0,
        "this change has no attempt 0",
    ),
    "callback, attempt 2": (
        guards.callback_names_an_attempt,
        x.QUEUED,
        ev.CallbackHeard(sn="REQ7", digest="d", number=2),
        0,
        "this change has no attempt 2",
    ),
    "undelivered": (guards.callback_was_undelivered, x.PENDING, ev.Undelivered(sn="REQ7"), 0, None),
    "undelivered, not ours": (
        guards.callback_was_undelivered,
        x.PENDING,
        ev.Undelivered(sn="REQ8"),
        0,
        "the undelivered callback is not about our ticket",
    ),
}

NOT_OPEN = "the ticket is approved, not open"
DOUBT = (
    "the gateway's answers are in doubt (no_approval_step): "
    "the ticket ended as approved, but the gateway shows no person who approved it"
)
SUSPECTED_SINCE = "the ending is already suspected since 2024-05-17 08:00:10 UTC"
BELIEVED_LATER = "the ticket was withdrawn: a second look, 0:01:00 later, must confirm that"
TERMINATED_LATER = BELIEVED_LATER.replace("withdrawn", "terminated")

ENDINGS: dict[str, Case] = {
    "open": (guards.ticket_is_open, x.FAILED_CALLBACK, x.snapshot(), 0, None),
    "open, another ticket": (guards.ticket_is_open, x.PENDING, x.snapshot(ticket_id="8"), 0, OTHER_TICKET),
    "open, approved": (guards.ticket_is_open, x.PENDING, x.finished(approved=True), 0, NOT_OPEN),
    "revived": (guards.suspicion_is_gone, x.SUSPECTED, x.snapshot(), 0, None),
    "nothing suspected": (guards.suspicion_is_gone, x.PENDING, x.snapshot(), 0, "no ending is suspected"),
    "still withdrawn": (guards.suspicion_is_gone, x.SUSPECTED, x.withdrawn(), 0, "the ticket is withdrawn, not open"),
    "new ending": (guards.ending_is_new, x.PENDING, x.withdrawn(), 0, None),
    "another ending": (guards.ending_is_new, x.SUSPECTED, x.terminated(), 0, None),
    "the same ending": (guards.ending_is_new, x.SUSPECTED, x.withdrawn(), 99, SUSPECTED_SINCE),
    "ending of another": (guards.ending_is_new, x.PENDING, x.withdrawn(ticket_id="8"), 0, OTHER_TICKET),
    "no such ending": (
        guards.ending_is_new,
        x.PENDING,
        x.snapshot(),
        0,
        "the ticket is open, not withdrawn or terminated",
    ),
    "approved": (APPROVES, x.PENDING, x.finished(approved=True), 0, None),
    "approved, another ticket": (APPROVES, x.PENDING, x.finished(approved=True, ticket_id="8"), 0, OTHER_TICKET),
    "approved, doubt": (APPROVES, x.PENDING, x.finished(approved=True, approval_step=False), 0, DOUBT),
    "approved, refused": (APPROVES, x.PENDING, x.finished(approved=False), 0, "the ticket is refused, not approved"),
    "approved, field missing": (
        approved_with_field,
        x.PENDING,
        x.finished(approved=True),
        0,
        "the gateway's answers are in doubt (disagreement): the result is true, but the field approval_result is not",
    ),
    "approved, field": (approved_with_field, x.PENDING, x.finished(approved=True, decision="true"), 0, None),
    "refused": (REFUSES, x.PENDING, x.finished(approved=False), 0, None),
    "refused, another ticket": (REFUSES, x.PENDING, x.finished(approved=False, ticket_id="8"), 0, OTHER_TICKET),
    "refused, open": (REFUSES, x.PENDING, x.snapshot(), 0, "the ticket is open, not refused"),
    "refused, doubt": (REFUSES, x.PENDING, x.finished(approved=True, approval_step=False), 0, DOUBT),
    "withdrawn, first look": (REFUSES, x.PENDING, x.withdrawn(), 99, BELIEVED_LATER),
    "withdrawn, was terminated": (REFUSES, x.SUSPECTED, x.terminated(), 99, TERMINATED_LATER),
    "withdrawn, too early": (REFUSES, x.SUSPECTED, x.withdrawn(seen_at=x.later(69)), 69, BELIEVED_LATER),
    "withdrawn, seen too early and stored late": (
        REFUSES,
        x.SUSPECTED,
        x.withdrawn(seen_at=x.later(69)),
        999,
        BELIEVED_LATER,
    ),
    "withdrawn, seen in the future": (REFUSES, x.SUSPECTED, x.withdrawn(seen_at=x.later(999)), 69, BELIEVED_LATER),
    "withdrawn, quiet": (REFUSES, x.SUSPECTED, x.withdrawn(seen_at=x.later(70)), 70, None),
    "withdrawn, quiet, another ticket": (
        REFUSES,
        x.SUSPECTED,
        x.withdrawn(ticket_id="8", seen_at=x.later(100)),
        100,
        OTHER_TICKET,
    ),
    "approved again": (CONFIRMS, x.APPROVED, x.finished(approved=True), 0, None),
    "rejected again": (CONFIRMS, x.REJECTED, x.finished(approved=False), 0, None),
    "withdrawn again": (CONFIRMS, x.WITHDRAWN, x.withdrawn(), 0, None),
    "not the same": (CONFIRMS, x.APPROVED, x.finished(approved=False), 0, "the change has ended as approved"),
    "open again": (CONFIRMS, x.APPROVED, x.snapshot(), 0, "the change has ended as approved"),
    "in doubt now": (CONFIRMS, x.APPROVED, x.snapshot(ev.TicketStatus.FINISHED), 0, "the change has ended as approved"),
    "again, another ticket": (CONFIRMS, x.APPROVED, x.finished(approved=True, ticket_id="8"), 0, OTHER_TICKET),
    "contradiction": (guards.is_contradiction, x.APPROVED, x.finished(approved=False), 0, None),
    "contradiction of another": (guards.is_contradiction, x.APPROVED, x.snapshot(ticket_id="8"), 0, OTHER_TICKET),
    "late ticket": (guards.is_contradiction, x.APPROVED, ev.LateTicket(gateway="bk_itsm", id="8", sn="S"), 0, None),
    "late ticket, none bound": (
        guards.is_contradiction,
        x.ABANDONED,
        ev.LateTicket(gateway="bk_itsm", id="7", sn="S"),
        0,
        None,
    ),
    "the bound ticket": (
        guards.is_contradiction,
        x.APPROVED,
        ev.LateTicket(gateway="bk_itsm", id="7", sn="S"),
        0,
        "it is the ticket that the change is bound to",
    ),
}

NO_EFFECT = "this change has no effect E2"
NEXT = "the next delivery of effect start is"
COUNTED = "of effect start is already counted"
EFFECTS: dict[str, Case] = {
    "start": (guards.effect_may_start, effect(), start(), 0, None),
    "start again": (guards.effect_may_start, effect(attempts=2), start(attempt=3), 0, None),
    "start, unknown": (guards.effect_may_start, effect(), start("E2"), 0, NO_EFFECT),
    "start twice": (guards.effect_may_start, effect(attempts=1), start(), 0, f"{NEXT} number 2, not 1"),
    "start too far": (guards.effect_may_start, effect(), start(attempt=2), 0, f"{NEXT} number 1, not 2"),
    "start while it is delivered": (
        guards.effect_may_start,
        x.with_effect(x.APPROVED, x.started()),
        start(attempt=2),
        299,
        "effect start is being delivered until 2024-05-17 08:05:00 UTC",
    ),
    "start once the claim has ended": (
        guards.effect_may_start,
        x.with_effect(x.APPROVED, x.started()),
        start(attempt=2),
        300,
        None,
    ),
    "start what ended its process too often": (
        guards.effect_may_start,
        x.with_effect(x.APPROVED, x.started(attempts=8)),
        start(attempt=9),
        300,
        "effect start was started 8 times without a result: it must be parked",
    ),
    "start what a person wants tried again": (
        guards.effect_may_start,
        x.with_effect(x.APPROVED, x.started(attempts=15, retried_after=8)),
        start(attempt=16),
        300,
        None,
    ),
    "start what was given up": (guards.effect_may_start, effect(PARKED), start(), 0, "effect start is parked"),
    "start what was done": (guards.effect_may_start, effect(DELIVERED), start(), 0, "effect start is delivered"),
    "done": (guards.effect_was_done, running(), done(), 0, None),
    "done, unknown": (guards.effect_was_done, running(), done("E2"), 0, NO_EFFECT),
    "done twice": (guards.effect_was_done, effect(DELIVERED), done(), 0, "effect start is already delivered"),
    "done late": (guards.effect_was_done, running(attempts=3), done(attempt=2), 0, None),
    "done after its failure": (guards.effect_was_done, effect(attempts=2), done(attempt=2), 0, None),
    "done after it was parked": (guards.effect_was_done, effect(PARKED, attempts=8), done(attempt=8), 0, None),
    "done by hand": (guards.effect_was_done, effect(), done(attempt=0), 0, None),
    "done before it began": (guards.effect_was_done, effect(), done(), 0, "delivery 1 of effect start was not started"),
    "done, and it failed": (guards.effect_was_done, running(), done(error="boom"), 0, "the delivery failed: boom"),
    "failed": (guards.effect_has_failed, running(attempts=3), done(attempt=3, error="boom"), 0, None),
    "failed late, and no other has begun": (guards.effect_has_failed, running(), done(error="boom"), 900, None),
    "failed, unknown": (guards.effect_has_failed, running(), done("E2", error="b"), 0, NO_EFFECT),
    "failed, and it was done": (
        guards.effect_has_failed,
        running(),
        done(),
        0,
        "the delivery succeeded: the result has no error",
    ),
    "failed after it was done": (
        guards.effect_has_failed,
        effect(DELIVERED),
        done(error="boom"),
        0,
        "effect start is already delivered",
    ),
    "failed before it began": (
        guards.effect_has_failed,
        effect(),
        done(error="boom"),
        0,
        "delivery 1 of effect start was not started",
    ),
    "failed twice": (
        guards.effect_has_failed,
        effect(attempts=1),
        done(attempt=1, error="boom"),
        0,
        f"delivery 1 {COUNTED}",
    ),
    "failed while the next is under way": (
        guards.effect_has_failed,
        running(attempts=2),
        done(attempt=1, error="boom"),
        0,
        f"delivery 1 {COUNTED}",
    ),
    "failed after it was parked": (
        guards.effect_has_failed,
        effect(PARKED, attempts=8),
        done(attempt=8, error="boom"),
        0,
        f"delivery 8 {COUNTED}",
    ),
    "retry": (guards.effect_is_parked, effect(PARKED), ev.EffectRetry(effect="E1"), 0, None),
    "retry, unknown": (
        guards.effect_is_parked,
        effect(),
        ev.EffectRetry(effect="E2"),
        0,
        "this change has no effect E2",
    ),
    "retry, planned": (guards.effect_is_parked, effect(), ev.EffectRetry(effect="E1"), 0, "effect start is planned"),
}

WITHDRAWN = attrs.evolve(x.PENDING, effects=(x.planned(DELIVERED, name="withdraw", due_at=x.later(60)),))
WITHDRAWING = attrs.evolve(x.PENDING, effects=(x.started(name="withdraw"),))
MAYBE_WITHDRAWN = attrs.evolve(x.PENDING, effects=(x.planned(name="withdraw", unsure=True),))
ACCEPTED = attrs.evolve(x.PENDING, effects=(x.planned(EffectStatus.SUPERSEDED, name="withdraw"),))
ACCEPTS = withdrawal.may_be_accepted
PLEASE = ev.Decision(reason="please")
AFTER_ALL = "accept_after_withdrawal accepts it despite the withdrawal"
WITHDRAWALS: dict[str, Case] = {
    "approve, withdrawn by us": (
        APPROVES,
        WITHDRAWN,
        x.finished(approved=True),
        0,
        f"the ticket was withdrawn (2024-05-17 08:01:00 UTC): {AFTER_ALL}",
    ),
    "approve, perhaps withdrawn by us": (
        APPROVES,
        MAYBE_WITHDRAWN,
        x.finished(approved=True),
        0,
        f"the ticket was withdrawn (at an unknown time): {AFTER_ALL}",
    ),
    "approve, while a withdrawal is delivered": (
        APPROVES,
        WITHDRAWING,
        x.finished(approved=True),
        0,
        "a withdrawal is being delivered: wait for its result",
    ),
    "approve, a withdrawal is planned": (
        APPROVES,
        attrs.evolve(x.PENDING, effects=(x.planned(name="withdraw"),)),
        x.finished(approved=True),
        0,
        None,
    ),
    "approve, accepted": (APPROVES, ACCEPTED, x.finished(approved=True), 0, None),
    "accept": (ACCEPTS, WITHDRAWN, PLEASE, 0, None),
    "accept, perhaps withdrawn": (ACCEPTS, MAYBE_WITHDRAWN, PLEASE, 0, None),
    "accept, without a reason": (
        ACCEPTS,
        WITHDRAWN,
        ev.Decision(reason=" "),
        0,
        "a reason is required, because the ticket was withdrawn on request",
    ),
    "accept, without a withdrawal and a reason": (
        ACCEPTS,
        x.PENDING,
        ev.Decision(reason=""),
        0,
        "no delivered withdrawal is unresolved",
    ),
    "accept, while a withdrawal is delivered": (
        ACCEPTS,
        WITHDRAWING,
        PLEASE,
        0,
        "a withdrawal is being delivered: wait for its result",
    ),
    "accept, nothing was withdrawn": (ACCEPTS, x.PENDING, PLEASE, 0, "no delivered withdrawal is unresolved"),
    "accept, accepted": (ACCEPTS, ACCEPTED, PLEASE, 0, "no delivered withdrawal is unresolved"),
    "withdrawn, of a host's effect": (
        guards.effect_was_done,
        running(),
        ev.EffectResult(effect="E1", attempt=1, withdrawal=ev.Withdrawal.DONE),
        0,
        "effect start is not the library's own withdrawal",
    ),
}

CASES = {**WITHDRAWALS, **ATTEMPTS, **PEOPLE, **TICKETS, **ENDINGS, **EFFECTS}


@pytest.mark.parametrize(("guard", "change", "evidence", "at", "reason"), CASES.values(), ids=CASES)
def test_guards(guard: Guard, change: ChangeRequest, evidence: object, at: float, reason: str | None) -> None:
    """It holds, or it says why not, in words that a person understands."""
    assert reason == judged(guard, change, evidence, at)


def test_every_guard_of_the_table_has_cases_both_ways() -> None:
    """No guard of the collector's table is left out above."""
    names = {row.guard.__name__ for row in COLLECTOR_CHANGE.transitions} - {"always"}
    held = {guard.__name__ for guard, _, _, _, reason in CASES.values() if reason is None}
    refused = {guard.__name__ for guard, _, _, _, reason in CASES.values() if reason is not None}

    assert names == held & names
    assert names == refused & names


@pytest.mark.parametrize("actor", ["", " ", "alice", "ALICE", "\uff41lice", "alice\u200b"])
def test_the_applicant_overrides_no_difference(actor: str) -> None:
    """In any spelling, and without a name; a ticket that is what was sent needs no override."""
    differs = x.confirmed(channel=ev.Channel.OPERATOR, differences=DIFFERS, override="bob is ill")
    asked = attrs.evolve(x.facts(x.UNKNOWN, differs), actor=actor)
    assert guards.ticket_is_ours(asked) == (
        "the ticket differs from what was sent: approvers: sent bob, shows alice; "
        "the applicant alice cannot override that: another person must"
    )
    alike = attrs.evolve(asked, evidence=x.confirmed(channel=ev.Channel.OPERATOR, override="bob is ill"))
    assert guards.ticket_is_ours(alike) is None


@pytest.mark.parametrize("actor", ["alice", "Alice", " alice ", "", " "])
def test_the_applicant_attests_no_approval(actor: str) -> None:
    """Whoever asked has the most to gain; nor does somebody without a name."""
    facts = attrs.evolve(x.facts(UNPROVEN, x.attested()), actor=actor)

    assert guards.may_attest(facts) == "the applicant alice cannot attest the approval: another person must"


def test_an_approval_by_the_applicant_is_not_attested_where_it_does_not_count() -> None:
    """Else the rule of approval would be got round."""
    refusing = ApprovalPolicy(self_approval="refuse")

    refused = guards.may_attest(x.facts(UNPROVEN, x.attested(approver="Alice"), approval=refusing))

    assert refused == "an approval by the applicant alice does not count in this workflow"
    assert guards.may_attest(x.facts(UNPROVEN, x.attested(), approval=refusing)) is None


def test_each_outcome_of_a_ticket_has_a_verdict() -> None:
    """Only abandoning is not one of the gateway's, nor what became of an approval since."""
    assert set(Outcome) - {Outcome.ABANDONED, Outcome.WAS_APPROVED} == set(guards.OUTCOMES.values())


@pytest.mark.parametrize(("guard", "approved"), [(guards.is_approved, True), (guards.is_refused, False)])
def test_the_rule_of_the_definition_decides_in_its_guards(guard: Guard, *, approved: bool) -> None:
    """A field that the rule wants and the ticket lacks leaves both in doubt."""
    rule = ApprovalPolicy(decision_field="approval_result")
    without, said = x.finished(approved=approved), x.finished(approved=approved, decision=str(approved).lower())
    assert "in doubt (disagreement)" in str(guard(x.facts(x.PENDING, without, approval=rule)))
    assert guard(x.facts(x.PENDING, said, approval=rule)) is None


@pytest.mark.parametrize("guard", [guards.is_approved, guards.is_refused, guards.confirms_outcome])
def test_a_guard_that_is_given_a_rule_says_where_the_rule_belongs(guard: Guard) -> None:
    """Two rules could contradict each other, and the change would wait without end."""
    with pytest.raises(TypeError, match=r"pass the rule once, to WorkflowDefinition\(approval=\.\.\.\)"):
        guard(ApprovalPolicy())  # type: ignore[arg-type]  # as these guards were called once
