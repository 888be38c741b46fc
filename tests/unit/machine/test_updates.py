"""Each update: the change with the evidence in it, and nothing else of it touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.change import (
    WITHDRAW,
    Attempt,
    Attention,
    AttentionReason,
    Decider,
    EffectStatus,
    LastCallback,
    Moment,
    Outcome,
    Phase,
    PlannedEffect,
    Suspicion,
    Ticket,
    TicketDecision,
)
from itsm_workflow.machine import effect_updates, updates
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.approval_rule import ApprovalPolicy
from itsm_workflow.machine.due import asking_due
from itsm_workflow.machine.withdrawal import forbids_approval
from itsm_workflow.policy import Policy
from tests.support import examples as x
from tests.support.attention import reason_of

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.approval_rule import SelfApproval
    from itsm_workflow.machine.definition import Update

WANTED = ev.Decision(reason="please")
PARKED, SUPERSEDED = EffectStatus.PARKED, EffectStatus.SUPERSEDED


def updated(update: Update, change: ChangeRequest, evidence: object, at: float = 0) -> ChangeRequest:
    """Return the change after the update."""
    return update(x.facts(change, evidence, at))


def differences(before: ChangeRequest, after: ChangeRequest) -> dict[str, Any]:
    """Return what is new, field by field; fields of the attempt by their own name."""
    found = {
        field.name: getattr(after, field.name)
        for field in attrs.fields(type(before))
        if getattr(before, field.name) != getattr(after, field.name)
    }
    if before.attempt and after.attempt and before.attempt != after.attempt:
        del found["attempt"]
        for field in attrs.fields(type(before.attempt)):
            value = getattr(after.attempt, field.name)
            if value != getattr(before.attempt, field.name):
                found[f"attempt.{field.name}"] = value
    return found


def test_revised_takes_the_new_form() -> None:
    """The whole form is replaced."""
    form = attrs.evolve(x.FORM, title="Collect all logs", content="all of them")

    assert {"form": form} == differences(x.DRAFT, updated(updates.revised, x.DRAFT, ev.Drafted(form=form)))


def test_submitted_begins_the_first_attempt() -> None:
    """Queued, numbered 1, nothing marked; what a refused submission left behind is gone."""
    hint = LastCallback(sn="REQ1", digest="d", at=x.NOW)
    refused = attrs.evolve(x.with_attention(x.DRAFT), heard=hint, attempt=x.UNKNOWN.attempt)
    change = updated(updates.submitted, refused, x.submission(key="K2"), at=5)

    attempt = change.expect_attempt()
    begun = (attempt.key, attempt.number, attempt.phase, attempt.creator, attempt.service, attempt.owner)
    assert begun == ("K2", 1, Phase.QUEUED, "alice", "17", "w1")
    assert (x.later(5), None, None, None, 0, "") == (
        attempt.submitted_at,
        attempt.marked_at,
        attempt.not_before,
        attempt.unknown_since,
        attempt.looks,
        attempt.problem,
    )
    assert (change.attention, change.heard) == (None, None)
    assert (refused.round, change.round) == (0, 1)
    assert updated(updates.submitted, change, x.submission(key="K3")).round == 2


def test_sending_notes_who_and_when() -> None:
    """The mark names its worker; what held the send back is gone."""
    waiting = x.after(x.SENDING, (Trigger.MARK_UNSENT, x.mark(problem="refused")), at=1)
    change = updated(updates.sending, waiting, x.mark(owner="w2"), at=40)

    assert {
        "attempt.phase": Phase.SENDING,
        "attempt.owner": "w2",
        "attempt.marked_at": x.later(40),
        "attempt.not_before": None,
        "attempt.problem": "",
    } == differences(waiting, change)


def test_unsent_queues_again_later() -> None:
    """Nothing left, so that it may go again after the pause of the policy."""
    change = updated(updates.unsent, x.SENDING, x.mark(problem="connection refused"), at=2)

    assert {
        "attempt.phase": Phase.QUEUED,
        "attempt.marked_at": None,
        "attempt.not_before": x.later(32),
        "attempt.unsent": 1,
        "attempt.problem": "connection refused",
    } == differences(x.SENDING, change)


def test_unknown_begins_the_look_ups() -> None:
    """The schedule counts from here."""
    change = updated(updates.unknown, x.SENDING, x.mark(problem="reset"), at=3)

    assert {
        "attempt.phase": Phase.UNKNOWN,
        "attempt.unknown_since": x.later(3),
        "attempt.looked": Moment(wall=x.later(3)),
        "attempt.problem": "reset",
    } == differences(x.SENDING, change)


def looks(change: ChangeRequest, done: int) -> ChangeRequest:
    """Return the change with so many look-ups behind it."""
    return attrs.evolve(change, attempt=attrs.evolve(change.expect_attempt(), looks=done))


@pytest.mark.parametrize(("done", "at", "counted"), [(0, 0, 1), (5, 480, 6), (6, 479.9, 6), (20, 10, 20)])
def test_absence_counts_only_after_the_whole_schedule(done: int, at: float, counted: int) -> None:
    """Neither enough look-ups too soon nor enough time with too few of them makes a ticket absent."""
    change = updated(updates.looked_up, looks(x.UNKNOWN, done), ev.LookupNoted(number=1, answered=True), at=at)

    assert counted == change.expect_attempt().looks
    assert change.attention is None


def noted(change: ChangeRequest, at: Moment) -> Attempt:
    """Return the attempt after an empty look-up at a moment."""
    note = ev.LookupNoted(number=1, answered=True, at=at)
    return updated(updates.looked_up, change, note, at=(at.wall - x.NOW).total_seconds()).expect_attempt()


def test_a_wall_clock_that_is_set_forward_uses_up_no_wait() -> None:
    """The look-up is not counted, and its wait begins again."""
    before = attrs.evolve(x.UNKNOWN, attempt=attrs.evolve(x.UNKNOWN.expect_attempt(), looks=6, looked=x.moment(0)))
    jumped = x.moment(540, boot=2_000_000)

    after = noted(before, jumped)

    assert (6, jumped, False) == (after.looks, after.looked, after.unwitnessed)
    assert asking_due(attrs.evolve(before, attempt=after), x.later(540), x.POLICY, looked=True) == x.later(540 + 480)


def test_a_wait_that_only_the_wall_clock_saw_counts_and_is_marked() -> None:
    """After a reboot, or on another machine: a person is asked in time, and nothing is sent again."""
    before = attrs.evolve(x.UNKNOWN, attempt=attrs.evolve(x.UNKNOWN.expect_attempt(), looks=2, looked=x.moment(0)))

    after = noted(before, x.moment(6, boot_id="b2"))

    assert (after.looks, after.unwitnessed) == (3, True)


def test_an_early_look_leaves_the_wait_alone() -> None:
    """However often a person looks, the next counted look-up stays where it was."""
    before = attrs.evolve(x.UNKNOWN, attempt=attrs.evolve(x.UNKNOWN.expect_attempt(), looks=4, looked=x.moment(0)))

    assert noted(before, x.moment(119.9)) == attrs.evolve(before.expect_attempt(), look_problem="")


@pytest.mark.parametrize(
    ("answered", "reason"), [(True, AttentionReason.NOT_FOUND), (False, AttentionReason.LOOKUP_FAILED)]
)
def test_the_last_look_up_asks_for_a_person(*, answered: bool, reason: AttentionReason) -> None:
    """In the same update, with the key to look for."""
    note = ev.LookupNoted(number=1, answered=answered, problem="nothing there")
    change = updated(updates.looked_up, looks(x.UNKNOWN, 6), note, at=480)

    assert change.attention is not None
    assert (reason, x.later(480)) == (change.attention.reason, change.attention.since)
    assert dict(change.attention.facts) == {"key": "K1", "looks": "7"}
    assert change.expect_attempt().look_problem == "nothing there"
    assert change.expect_attempt().problem == "the connection was reset"


@pytest.mark.parametrize(
    ("before", "answered", "after"),
    [
        (AttentionReason.NOT_FOUND, True, AttentionReason.NOT_FOUND),
        (AttentionReason.NOT_FOUND, False, AttentionReason.NOT_FOUND),
        (AttentionReason.DUPLICATE, True, AttentionReason.DUPLICATE),
        (AttentionReason.LOOKUP_FAILED, False, AttentionReason.LOOKUP_FAILED),
        (AttentionReason.LOOKUP_FAILED, True, AttentionReason.NOT_FOUND),
        (AttentionReason.OVERDUE, True, AttentionReason.NOT_FOUND),
    ],
)
def test_what_is_known_of_absence_is_not_forgotten(
    *, before: AttentionReason, answered: bool, after: AttentionReason
) -> None:
    """A later look-up that fails does not hide that the ticket was not found, nor that there were two."""
    change = x.with_attention(looks(x.UNKNOWN, 7), before)
    again = updated(updates.looked_up, change, ev.LookupNoted(number=1, answered=answered), at=4000)

    assert after is reason_of(again)
    assert (before is after) == (again.attention == change.attention)


def test_a_look_up_without_a_beginning_counts_from_now() -> None:
    """A stored attempt that lost the time of its mark is looked up all the same."""
    lost = attrs.evolve(
        x.UNKNOWN, attempt=attrs.evolve(x.UNKNOWN.expect_attempt(), unknown_since=None, looks=6, looked=None)
    )

    assert updated(updates.looked_up, lost, ev.LookupNoted(number=1, answered=True), at=9000).attention is None


def test_recorded_binds_the_ticket() -> None:
    """The ticket and how it was found; a person who was asked to look is done."""
    change = updated(updates.recorded, x.EXHAUSTED, x.confirmed(channel=ev.Channel.OPERATOR), at=600)
    ticket = Ticket(
        gateway="bk_itsm",
        id="7",
        sn="REQ7",
        url="https://itsm.example.com/7",
        channel="operator",
        recorded_at=x.later(600),
    )

    known = {"ticket": ticket, "attention": None, "attempt.problem": "", "attempt.look_problem": ""}
    assert known == differences(x.EXHAUSTED, change)


def test_refused_says_what_the_gateway_said() -> None:
    """The draft tells why it was not filed."""
    refusal = ev.Refusal(number=1, owner="w1", remote_code=3900003, message="no such service", looked_up=True)
    change = updated(updates.refused, x.SENDING, refusal)

    assert differences(x.SENDING, change) == {
        "attempt.phase": Phase.QUEUED,
        "attempt.marked_at": None,
        "attempt.problem": "the gateway refused it (code 3900003): no such service",
    }


def test_refused_is_done_with_a_withdrawal_that_was_asked_for() -> None:
    """Nothing was filed; left planned, it would hit the ticket of the mended draft. No other effect is touched."""
    refusal = ev.Refusal(number=1, owner="w1", remote_code=39, message="no", looked_up=True)
    wish, own = x.planned(name=WITHDRAW, id="E1"), x.planned(id="E2")
    parked = x.planned(PARKED, name=WITHDRAW, id="E3")
    change = updated(updates.refused, attrs.evolve(x.SENDING, effects=(wish, own, parked)), refusal)

    assert change.effects == (attrs.evolve(wish, status=EffectStatus.SUPERSEDED), own, parked)
    begun = x.started(name=WITHDRAW, attempts=1)
    change = updated(updates.refused, x.with_effect(x.SENDING, begun), refusal)
    assert change.effects == (x.planned(EffectStatus.SUPERSEDED, name=WITHDRAW, attempts=1),)


def test_requeued_keeps_the_key_and_raises_the_number() -> None:
    """So that a double would be visible; the look-ups begin anew."""
    change = updated(updates.requeued, x.EXHAUSTED, WANTED)

    assert differences(x.EXHAUSTED, change) == {
        "attempt.number": 2,
        "attempt.phase": Phase.QUEUED,
        "attempt.looks": 0,
        "attempt.looked": None,
        "attempt.marked_at": None,
        "attempt.problem": "",
        "attempt.look_problem": "",
        "attention": None,
    }


def test_heard_keeps_the_last_hint() -> None:
    """A repeat changes nothing; another hint replaces the last."""
    first = updated(updates.heard, x.PENDING, ev.CallbackHeard(sn="REQ7", digest="d1", number=1), at=1)
    second = updated(updates.heard, first, ev.CallbackHeard(sn="REQ7", digest="d2", number=1), at=2)

    assert {"heard": LastCallback(sn="REQ7", digest="d1", at=x.later(1))} == differences(x.PENDING, first)
    assert first is updated(updates.heard, first, ev.CallbackHeard(sn="REQ8", digest="d1", number=1), at=2)
    assert {"heard": LastCallback(sn="REQ7", digest="d2", at=x.later(2), count=2)} == differences(first, second)


def test_only_so_many_hints_are_kept_and_as_many_after_the_end() -> None:
    """One more changes nothing; the first after the end is late, and begins to be counted anew."""

    def hear(change: ChangeRequest, times: int, at: float) -> list[int]:
        counts = []
        for number in range(times):
            hint = ev.CallbackHeard(sn="REQ7", digest=f"{at} {number}", number=1)
            change = updated(updates.heard, change, hint, at=at)
            assert change.heard is not None
            counts.append(change.heard.count)
        return counts

    assert hear(x.PENDING, 22, at=5) == [*range(1, 21), 20, 20]
    at_the_end = LastCallback(sn="REQ7", digest="d", at=x.later(20), count=20)
    assert hear(attrs.evolve(x.APPROVED, heard=at_the_end), 22, at=20) == [*range(1, 21), 20, 20]
    after_it = attrs.evolve(at_the_end, at=x.later(21), count=7)
    assert hear(attrs.evolve(x.APPROVED, heard=after_it), 2, at=30) == [8, 9]


def test_suspected_and_resumed() -> None:
    """A suspicion is noted with its time, and dropped."""
    suspected = updated(updates.suspected, x.PENDING, x.terminated(), at=4)

    assert {"suspicion": Suspicion(status="terminated", since=x.later(4))} == differences(x.PENDING, suspected)
    assert updated(updates.resumed, suspected, x.snapshot()) == x.PENDING


@pytest.mark.parametrize(
    ("update", "evidence", "outcome"),
    [
        (updates.approved, x.finished(approved=True), Outcome.APPROVED),
        (updates.rejected, x.finished(approved=False), Outcome.REJECTED),
        (updates.rejected, x.withdrawn(), Outcome.WITHDRAWN),
        (updates.rejected, x.terminated(), Outcome.TERMINATED),
        (updates.abandoned, WANTED, Outcome.ABANDONED),
    ],
)
def test_an_end_has_an_outcome_and_a_time(update: Update, evidence: object, outcome: Outcome) -> None:
    """And nobody needs to look any more."""
    before = x.with_attention(x.PENDING)

    assert {"outcome": outcome, "ended_at": x.later(8), "attention": None} == differences(
        before, updated(update, before, evidence, at=8)
    )


def test_an_end_names_who_decided() -> None:
    """As the gateway shows it; a ticket of which it shows nobody has no decision."""
    deciders = (Decider(user="bob", approved=False, remark="no"), Decider(user="eve", approved=True))
    for update, approved in ((updates.approved, True), (updates.rejected, False)):
        ended = updated(update, x.PENDING, x.finished(approved=approved, deciders=deciders))
        assert ended.decision == TicketDecision(deciders=deciders)
        assert updated(update, x.PENDING, x.finished(approved=approved)).decision is None
    assert updated(updates.rejected, x.SUSPECTED, x.withdrawn(seen_at=x.later(100)), at=100).decision is None


def test_an_attested_approval_names_who_vouches_for_it() -> None:
    """For good: who approved, who says so, and on what evidence."""
    attested = updated(updates.attested, x.with_attention(x.PENDING), x.attested(), at=5)

    assert (attested.outcome, attested.ended_at, attested.attention) == (Outcome.APPROVED, x.later(5), None)
    assert attested.decision == TicketDecision(
        deciders=(Decider(user="bob", approved=True),), attested_by="carol", evidence="bob's mail of 17 May"
    )


@pytest.mark.parametrize("spelling", ["alice", "Alice", "ALICE"])
@pytest.mark.parametrize(("setting", "raised"), [("attention", True), ("allow", False)])
def test_an_attested_approval_by_the_applicant_is_alarmed_like_any_other(
    setting: SelfApproval,
    raised: bool,  # noqa: FBT001 - a case
    spelling: str,
) -> None:
    """As the rule of approval says, in every spelling of the applicant."""
    own = x.facts(x.PENDING, x.attested(approver=spelling), approval=ApprovalPolicy(self_approval=setting))
    attention = updates.attested(own).attention

    assert (attention is not None and attention.reason is AttentionReason.SELF_APPROVED) is raised


def test_another_submission_forgets_who_decided() -> None:
    """It asks anew."""
    decided = attrs.evolve(x.DRAFT, decision=TicketDecision(deciders=(Decider(user="bob"),)))

    assert updated(updates.submitted, decided, x.submission()).decision is None


@pytest.mark.parametrize("status", list(EffectStatus))
def test_another_submission_is_done_with_withdrawals_of_an_earlier_ticket(status: EffectStatus) -> None:
    """However far they came: none hits the next ticket, forbids its approval or asks for a person; other work stays."""
    withdrawal = PlannedEffect(
        id="C.withdraw.1.0", name=WITHDRAW, status=status, due_at=x.NOW, attempts=1, unsure=status is not SUPERSEDED
    )
    work = attrs.evolve(withdrawal, id="C.start.1.1", name="start", unsure=False)
    told = Attention(reason=AttentionReason.EFFECT_PARKED, since=x.NOW, facts={"effect": withdrawal.id})
    again = updated(updates.submitted, attrs.evolve(x.DRAFT, effects=(withdrawal,), attention=told), x.submission())
    assert (again.effects[0].status, again.effects[0].unsure) == (SUPERSEDED, False)
    assert (forbids_approval(again), again.attention) == (None, None)
    assert updated(updates.submitted, attrs.evolve(x.DRAFT, effects=(work,)), x.submission()).effects == (work,)


def test_another_submission_keeps_the_attention_for_work_that_is_parked() -> None:
    """Somebody still has to look at it; nothing is suspected of the next ticket."""
    work = PlannedEffect(id="C.start.1.1", name="start", status=PARKED, due_at=x.NOW, attempts=8, error="boom")
    told = Attention(reason=AttentionReason.EFFECT_PARKED, since=x.NOW, facts={"effect": work.id})
    again = updated(updates.submitted, attrs.evolve(x.DRAFT, effects=(work,), attention=told), x.submission())

    assert AttentionReason.EFFECT_PARKED is reason_of(again)
    assert again.suspicion is None


def test_a_withdrawal_that_is_not_accepted_yet_is_planned_again() -> None:
    """It was no failed try."""
    due = PlannedEffect(
        id="C.withdraw.1.0", name=WITHDRAW, status=EffectStatus.STARTED, due_at=x.NOW, attempts=1, owner="w"
    )
    early = ev.EffectResult(effect=due.id, attempt=1, error="too early", withdrawal=ev.Withdrawal.NOT_YET)
    [after] = updated(effect_updates.failed, attrs.evolve(x.PENDING, effects=(due,)), early).effects

    assert (after.status, after.error, after.owner) == (EffectStatus.PLANNED, "too early", "")
    assert (after.attempts, after.tries) == (1, 0)
    assert after.due_at > x.NOW


@pytest.mark.parametrize(
    ("before", "told", "after"),
    [
        (False, ev.Withdrawal.UNKNOWN, True),
        (True, None, True),
        (False, None, False),
    ],
)
def test_a_withdrawal_that_may_have_been_done_stays_in_doubt(
    *, before: bool, told: ev.Withdrawal | None, after: bool
) -> None:
    """One answer that leaves it open is enough; a later failure takes nothing back."""
    due = x.started(id="C.withdraw.1.0", name=WITHDRAW, unsure=before)
    failed = ev.EffectResult(effect=due.id, attempt=1, error="timed out", withdrawal=told)
    [found] = updated(effect_updates.failed, attrs.evolve(x.PENDING, effects=(due,)), failed).effects
    assert found.unsure is after


def test_a_late_result_brings_no_withdrawal_back_that_was_set_aside() -> None:
    """Its worker was slow, and the change is at its next ticket by now."""
    aside = PlannedEffect(id="C.withdraw.1.0", name=WITHDRAW, status=SUPERSEDED, due_at=x.NOW, attempts=1)
    done = ev.EffectResult(effect=aside.id, attempt=1, withdrawal=ev.Withdrawal.DONE)
    after = updated(effect_updates.delivered, attrs.evolve(x.PENDING, effects=(aside,)), done)
    assert (after.effects, forbids_approval(after)) == ((aside,), None)


def test_an_approval_by_the_applicant_asks_for_a_person() -> None:
    """In the same update, unless the rule of approval says otherwise."""
    own = x.finished(approved=True, deciders=(Decider(user="alice", approved=True),))

    attention = updated(updates.approved, x.PENDING, own, at=5).attention

    assert attention is not None
    assert (attention.reason, attention.since) == (AttentionReason.SELF_APPROVED, x.later(5))
    assert dict(attention.facts) == {"ticket": "7", "approver": "alice"}
    allowed = attrs.evolve(x.facts(x.PENDING, own, 5), approval=ApprovalPolicy(self_approval="allow"))
    assert updates.approved(allowed).attention is None


def test_contradicted_records_each_fact_once() -> None:
    """A late ticket and a snapshot are told apart, each alarms once, and the state stays."""
    late = ev.LateTicket(gateway="bk_itsm", id="8", sn="REQ8")
    first = updated(updates.contradicted, x.APPROVED, late, at=1)
    second = updated(updates.contradicted, first, x.finished(approved=False), at=2)

    assert first.contradictions == ("ticket bk_itsm:8",)
    assert first.attention is not None
    assert (first.attention.reason, dict(first.attention.facts)) == (
        AttentionReason.DUPLICATE,
        {"ticket": "8", "sn": "REQ8"},
    )
    assert (*first.contradictions, "FINISHED False") == second.contradictions
    assert second.attention is not None
    assert AttentionReason.DISAGREEMENT is second.attention.reason
    assert dict(second.attention.facts) == {"ticket": "7", "status": "FINISHED", "approved": "False"}
    assert second is updated(updates.contradicted, second, late, at=3)
    assert second is updated(updates.contradicted, second, x.finished(approved=False), at=3)


def test_withdrawal_is_planned_once_at_a_time() -> None:
    """One that is still due is enough; after it was done or parked, another can be asked for."""
    first = updated(updates.withdrawal_planned, x.PENDING, WANTED, at=1)
    effect = PlannedEffect(
        id=f"{x.ID}.withdraw.0.0", name=WITHDRAW, status=EffectStatus.PLANNED, due_at=x.later(1), actor="carol"
    )

    assert {"effects": (effect,), "planned": 1} == differences(x.PENDING, first)
    assert first is updated(updates.withdrawal_planned, first, WANTED, at=2)
    begun = x.with_effect(first, attrs.evolve(effect, status=EffectStatus.STARTED))
    assert begun is updated(updates.withdrawal_planned, begun, WANTED, at=2)
    done = x.with_effect(first, attrs.evolve(effect, status=EffectStatus.DELIVERED))
    assert len(updated(updates.withdrawal_planned, done, WANTED, at=2).effects) == 2


def test_attention_is_raised_anew_only_for_news() -> None:
    """The same reason with the same facts keeps its time."""
    concern = ev.Concern(reason=AttentionReason.DUPLICATE, facts={"tickets": "7, 8"})
    raised = updated(updates.attention_raised, x.PENDING, concern, at=1)
    more = updated(updates.attention_raised, raised, attrs.evolve(concern, facts={"tickets": "7, 9"}), at=2)

    assert raised is updated(updates.attention_raised, raised, concern, at=2)
    assert raised.attention is not None
    assert x.later(1) == raised.attention.since
    assert more.attention is not None
    assert x.later(2) == more.attention.since
    assert updated(updates.attention_cleared, more, WANTED) == x.PENDING


def with_effects(*statuses: EffectStatus) -> ChangeRequest:
    """Return an approved change with effects E1, E2 and so on; attention for the parked ones."""
    effects = tuple(x.planned(status, id=f"E{number}") for number, status in enumerate(statuses, start=1))
    change = attrs.evolve(x.APPROVED, effects=effects)
    return x.with_attention(change, AttentionReason.EFFECT_PARKED) if PARKED in statuses else change


def result(effect: str = "E1", attempt: int = 1, error: str = "", *, final: bool = False) -> ev.EffectResult:
    """Return how a delivery went."""
    return ev.EffectResult(effect=effect, attempt=attempt, error=error, final=final)


def start(attempt: int = 1, at: float = 0) -> ev.EffectStart:
    """Return that worker w2 is about to deliver."""
    return ev.EffectStart(effect="E1", attempt=attempt, until=x.later(at + 300), owner="w2")


def test_effect_started_is_counted_before_it_runs() -> None:
    """Who delivers it and until when is stored, so that no reader needs to guess."""
    two = (x.planned(error="boom", attempts=1), x.planned(id="E2"))
    change = updated(effect_updates.started, attrs.evolve(x.APPROVED, effects=two), start(attempt=2, at=7), at=7)

    started = x.started(attempts=2, error="boom", due_at=x.later(7), owner="w2", claimed_until=x.later(307))
    assert change.effects == (started, two[1])


def test_deliveries_without_a_result_are_counted_in_a_row() -> None:
    """A delivery that brought a result, even a failure, begins a new row."""
    change, lost = with_effects(EffectStatus.PLANNED), []
    for attempt in range(1, 4):
        change = updated(effect_updates.started, change, start(attempt))
        lost.append(change.effects[0].lost)
    failed = updated(effect_updates.failed, change, result(attempt=3, error="boom"))

    assert lost == [0, 1, 2]
    assert failed.effects[0].lost == 0
    assert updated(effect_updates.started, failed, start(4)).effects[0].lost == 0


def test_effect_delivered() -> None:
    """Only that effect, its last error is gone, and no worker holds it."""
    before = attrs.evolve(x.APPROVED, effects=(x.started(error="boom", attempts=2, lost=1), x.planned(id="E2")))
    change = updated(effect_updates.delivered, before, result(attempt=2))

    assert (x.planned(EffectStatus.DELIVERED, attempts=2), x.planned(id="E2")) == change.effects


def test_effect_failed_waits_longer_each_time_and_is_parked_at_last() -> None:
    """10 s, 20 s, 40 s and so on; the eighth failure parks it and asks for a person."""
    change, waits = with_effects(EffectStatus.PLANNED), []
    for attempt in range(1, 9):
        change = updated(effect_updates.started, change, start(attempt))
        change = updated(effect_updates.failed, change, result(attempt=attempt, error="boom"))
        [effect] = change.effects
        waits.append((effect.due_at - x.NOW).total_seconds())
        assert (attempt, "boom", attempt == 8) == (effect.attempts, effect.error, effect.status is PARKED)
        assert (effect.owner, effect.claimed_until) == ("", None)
        assert (attempt == 8) == (change.attention is not None)

    assert waits == [10, 20, 40, 80, 160, 320, 640, 1280]
    assert change.attention is not None
    assert dict(change.attention.facts) == {"effect": "E1", "error": "boom"}


def test_a_failure_that_no_repeat_mends_parks_at_once() -> None:
    """A name that is not registered is not tried eight times."""
    change = updated(
        effect_updates.failed, with_effects(EffectStatus.STARTED), result(error="no such name", final=True)
    )

    assert PARKED is change.effects[0].status
    assert AttentionReason.EFFECT_PARKED is reason_of(change)


def test_effect_retried_begins_anew() -> None:
    """Due now, with all its tries, and the person is done; its deliveries are numbered on."""
    before = x.with_attention(
        x.with_effect(x.APPROVED, x.planned(PARKED, attempts=8, error="boom")), AttentionReason.EFFECT_PARKED
    )
    change = updated(effect_updates.retried, before, ev.EffectRetry(effect="E1"), at=7)

    assert (x.planned(due_at=x.later(7), attempts=8, retried_after=8, error="boom"),) == change.effects
    assert change.attention is None
    change = updated(effect_updates.started, change, start(9))
    change = updated(effect_updates.failed, change, result(attempt=9, error="boom"))
    assert change.effects[0].status is EffectStatus.PLANNED
    assert x.later(10) == change.effects[0].due_at


@pytest.mark.parametrize("update", [effect_updates.delivered, effect_updates.retried])
def test_attention_for_parked_effects_stays_while_one_is_parked(update: Update) -> None:
    """And attention for another reason stays anyway."""
    evidence = ev.EffectRetry(effect="E1") if update is effect_updates.retried else result()
    two = updated(update, with_effects(PARKED, PARKED), evidence)
    other = updated(update, x.with_attention(with_effects(PARKED), AttentionReason.DUPLICATE), evidence)

    assert two.attention is not None
    assert other.attention is not None
    assert AttentionReason.DUPLICATE is other.attention.reason
    assert updated(update, with_effects(PARKED), evidence).attention is None


def test_effect_ids_do_not_depend_on_the_number_of_an_entry() -> None:
    """Change, name, submission and how many were planned before: what a repair dropped and comes again is the same."""
    change = attrs.evolve(x.PENDING, submission=3, planned=2)
    once = effect_updates.planned(change, "start", x.NOW, "carol")
    twice = effect_updates.planned(once, "start", x.NOW, "carol")

    assert [one.id for one in twice.effects] == [f"{x.ID}.start.3.2", f"{x.ID}.start.3.3"]
    assert (once.planned, twice.planned) == (3, 4)


def test_a_short_schedule_is_kept_as_well() -> None:
    """With one look-up at once, the first empty one asks for a person."""
    policy = Policy(lookups=(x.later(0) - x.NOW,))
    facts = attrs.evolve(x.facts(x.UNKNOWN, ev.LookupNoted(number=1, answered=True)), policy=policy)
    attention = updates.looked_up(facts).attention

    assert attention is not None
    assert AttentionReason.NOT_FOUND is attention.reason


PARKED_EFFECT = x.planned(EffectStatus.PARKED, error="boom")


@pytest.mark.parametrize("reason", [None, AttentionReason.NOT_FOUND])
def test_attention_for_a_parked_effect_is_left_when_all_else_is_dealt_with(reason: AttentionReason | None) -> None:
    """The ticket was found, and the parked effect is what a person is told of from now on."""
    effects = (x.planned(id="E0"), PARKED_EFFECT)
    before = attrs.evolve(x.UNKNOWN, effects=effects)
    before = before if reason is None else x.with_attention(before, reason)

    attention = updated(updates.recorded, before, x.confirmed(), at=70).attention

    assert attention is not None
    assert (attention.reason, attention.since) == (AttentionReason.EFFECT_PARKED, x.later(70))
    assert dict(attention.facts) == {"effect": "E1", "error": "boom"}


def test_attention_for_a_parked_effect_stays_as_it_is() -> None:
    """With its time and its words."""
    before = x.with_attention(attrs.evolve(x.UNKNOWN, effects=(PARKED_EFFECT,)), AttentionReason.EFFECT_PARKED)
    assert before.attention is not None
    assert updated(updates.recorded, before, x.confirmed(), at=70).attention == before.attention


def test_without_a_parked_effect_no_attention_is_left() -> None:
    """One that is planned or delivered calls nobody."""
    effects = (x.planned(), x.planned(EffectStatus.DELIVERED, id="E2"))
    before = x.with_attention(attrs.evolve(x.UNKNOWN, effects=effects), AttentionReason.EFFECT_PARKED)
    assert updated(updates.recorded, before, x.confirmed()).attention is None


def test_a_send_that_never_leaves_asks_for_a_person_once() -> None:
    """At the number of times that the policy says, with how often and why; not before, and not again."""
    change, calls = x.SENDING, []
    for times in range(1, x.POLICY.unsent_attempts + 2):
        change = attrs.evolve(updated(updates.unsent, change, x.mark(problem="no route"), at=times), attention=None)
        told = updated(updates.unsent, change, x.mark(problem="no route"), at=times).attention
        calls.append(None if told is None else (times + 1, told.reason, dict(told.facts), told.since))

    number = x.POLICY.unsent_attempts
    expected = {"times": str(number), "problem": "no route"}
    assert [call for call in calls if call] == [(number, AttentionReason.UNSENT, expected, x.later(number - 1))]


def test_attention_of_a_send_that_never_leaves_shows_the_newest_cause() -> None:
    """And how often it was tried; the time at which a person was asked stays. The entries keep the earlier causes."""
    change = attrs.evolve(
        x.SENDING, attempt=attrs.evolve(x.SENDING.expect_attempt(), unsent=x.POLICY.unsent_attempts - 1)
    )
    first = updated(updates.unsent, change, x.mark(problem="no route"), at=1)
    then = updated(updates.unsent, first, x.mark(problem="the certificate has expired"), at=2)
    assert first.attention is not None
    assert then.attention is not None
    assert then.attention.since == first.attention.since
    assert dict(then.attention.facts) == {
        "times": str(x.POLICY.unsent_attempts + 1),
        "problem": "the certificate has expired",
    }


def used(change: ChangeRequest) -> ChangeRequest:
    """Return the change with counts and a problem in its attempt."""
    counted = attrs.evolve(change.expect_attempt(), looks=5, unsent=3, problem="old")
    return attrs.evolve(change, attempt=counted)


@pytest.mark.parametrize(
    ("update", "change", "evidence", "expected"),
    [
        (updates.requeued, x.EXHAUSTED, ev.Decision(), (0, 0, "")),
        (updates.unknown, x.SENDING, x.mark(problem="reset"), (0, 3, "reset")),
        (updates.recorded, x.UNKNOWN, x.confirmed(), (5, 3, "")),
    ],
    ids=["a resend", "the look-ups", "a ticket's record"],
)
def test_counts_and_problems_start_again(
    update: Update, change: ChangeRequest, evidence: object, expected: tuple[int, int, str]
) -> None:
    """What was counted or told of the time before must not count for the time after."""
    attempt = updated(update, used(change), evidence).expect_attempt()
    assert (attempt.looks, attempt.unsent, attempt.problem) == expected
