"""What a look at our ticket means."""

from __future__ import annotations

import attrs
import pytest

from itsm_workflow.change import WITHDRAW, AttentionReason, ChangeRequest, EffectStatus
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, Trigger, collector_change
from itsm_workflow.machine.approval_rule import ApprovalPolicy
from itsm_workflow.settle import ReadAnswer, Step, decide
from tests.support import examples as x

FORTNIGHT = 14 * 86400 + 1
OVERDUE = Step(
    Trigger.RAISE_ATTENTION, ev.Concern(reason=AttentionReason.OVERDUE, facts={"ticket": "7", "since": "2024-05-17"})
)
APPROVED, REFUSED = x.finished(approved=True), x.finished(approved=False)
LOST_AND_SUSPECTED = x.after(x.SUSPECTED, (Trigger.FAIL_CALLBACK, ev.Undelivered(sn="REQ7")), at=20)
FINISHED, RUNNING = ev.TicketStatus.FINISHED, ev.TicketStatus.RUNNING
ENDED_UNREAD, UNREAD = x.withdrawn(step_running=None), x.snapshot(FINISHED, inconclusive="its result cannot be read")
UNPROVEN = x.with_attention(x.PENDING, AttentionReason.NO_APPROVAL_STEP)
ATTESTED = x.after(UNPROVEN, (Trigger.ATTEST_APPROVAL, x.attested()))
GIVEN_UP = x.after(UNPROVEN, (Trigger.ABANDON, ev.Decision(reason="nobody approved it")))


def decided(change: ChangeRequest, snapshot: ev.Snapshot | None, at: float = 30) -> tuple[Step, ...]:
    """Return what a snapshot decides."""
    answer = ReadAnswer(snapshot=snapshot)
    return decide(COLLECTOR_CHANGE, change, answer, x.later(at), x.POLICY, gateway="bk_itsm")


WATCHED = [x.PENDING, x.FAILED_CALLBACK, x.SUSPECTED, x.with_attention(x.PENDING, AttentionReason.DISAGREEMENT)]


@pytest.mark.parametrize("change", WATCHED)
def test_what_the_gateway_decided_ends_the_change(change: ChangeRequest) -> None:
    """Attention and suspicion never block it."""
    assert (Step(Trigger.APPROVE, APPROVED),) == decided(change, APPROVED)
    assert (Step(Trigger.REJECT, REFUSED),) == decided(change, REFUSED)


@pytest.mark.parametrize("change", WATCHED)
def test_doubt_asks_for_a_person(change: ChangeRequest) -> None:
    """The change stays where it is, and the reason says what is odd."""
    seen = x.finished(approved=True, approval_step=False)
    facts = {"ticket": "7", "detail": "the ticket ended as approved, but the gateway shows no person who approved it"}
    concern = ev.Concern(reason=AttentionReason.NO_APPROVAL_STEP, facts=facts)

    assert (Step(Trigger.RAISE_ATTENTION, concern),) == decided(change, seen)


def test_the_rule_of_the_definition_judges() -> None:
    """With a decision field, an approval that lacks it is a doubt."""
    definition = collector_change(ApprovalPolicy(decision_field="approval_result"))
    answer = ReadAnswer(snapshot=APPROVED)
    steps = decide(definition, x.PENDING, answer, x.later(30), x.POLICY, gateway="bk_itsm")

    assert [step.trigger for step in steps] == [Trigger.RAISE_ATTENTION]


@pytest.mark.parametrize("seen", [x.withdrawn(), x.terminated()], ids=["withdrawn", "terminated"])
def test_an_ending_that_can_revive_needs_a_second_quiet_look(seen: ev.Snapshot) -> None:
    """Suspected first; believed if seen 60 s later, not a moment before; another ending begins anew."""
    suspected = x.after(x.PENDING, (Trigger.SUSPECT_ENDING, seen), at=10)
    other = x.terminated() if seen.status is ev.TicketStatus.REVOKED else x.withdrawn()
    early, again = (attrs.evolve(seen, seen_at=x.later(at)) for at in (69.999, 70))

    assert (Step(Trigger.SUSPECT_ENDING, seen),) == decided(x.PENDING, seen)
    assert (Step(Trigger.SUSPECT_ENDING, seen),) == decided(x.FAILED_CALLBACK, seen)
    assert decided(suspected, early, at=69.999) == ()
    assert decided(suspected, early, at=999) == ()
    assert (Step(Trigger.REJECT, again),) == decided(suspected, again, at=70)
    assert (Step(Trigger.SUSPECT_ENDING, other),) == decided(suspected, other, at=70)


@pytest.mark.parametrize("seen", [x.snapshot(), x.withdrawn(step_running=True)], ids=["running", "revived"])
def test_a_ticket_that_goes_on_although_we_withdrew_it_asks_for_a_person(seen: ev.Snapshot) -> None:
    """As does its approval; while the withdrawal is being delivered, its result is waited for."""
    delivered = x.with_effect(x.PENDING, x.planned(EffectStatus.DELIVERED, name=WITHDRAW))
    delivering = x.with_effect(x.PENDING, x.started(name=WITHDRAW))

    for looked in (seen, APPROVED):
        (step,) = decided(delivered, looked)
        assert isinstance(step.evidence, ev.Concern)
        assert step.evidence.reason is AttentionReason.WITHDRAWAL_UNRESOLVED
        assert dict(step.evidence.facts) == {
            "ticket": "7",
            "status": looked.status.value,
            "since": "2024-05-17 08:00:00 UTC",
        }
    assert decided(delivering, APPROVED) == ()
    assert decided(delivering, seen) == ()


@pytest.mark.parametrize("seen", [x.snapshot(), x.withdrawn(step_running=True)], ids=["running", "revived"])
def test_an_open_ticket_resumes_what_seemed_lost(seen: ev.Snapshot) -> None:
    """A callback that was not delivered, or a suspicion; else nothing is new."""
    resumed = (Step(Trigger.RESUME, seen),)

    assert (
        resumed == decided(x.FAILED_CALLBACK, seen) == decided(x.SUSPECTED, seen) == decided(LOST_AND_SUSPECTED, seen)
    )
    assert decided(x.PENDING, seen) == ()


@pytest.mark.parametrize(
    "reason", [AttentionReason.DISAGREEMENT, AttentionReason.AMBIGUOUS_SN, AttentionReason.NO_APPROVAL_STEP]
)
def test_doubts_are_cleared_by_answers_that_agree_again(reason: AttentionReason) -> None:
    """The ticket is open: what was odd has passed, also where the change resumes."""
    agreed = Step(Trigger.CLEAR_ATTENTION, ev.Decision(reason="the gateway's answers agree again: the ticket is open"))
    seen = x.snapshot()

    assert (agreed,) == decided(x.with_attention(x.PENDING, reason), seen)
    assert (Step(Trigger.RESUME, seen), agreed) == decided(x.with_attention(x.FAILED_CALLBACK, reason), seen)


@pytest.mark.parametrize("reason", [AttentionReason.DUPLICATE, AttentionReason.EFFECT_PARKED, AttentionReason.OVERDUE])
def test_other_attention_is_for_a_person_to_clear(reason: AttentionReason) -> None:
    """An open ticket says nothing about it, nor is it replaced when the ticket is overdue."""
    assert decided(x.with_attention(x.PENDING, reason), x.snapshot()) == ()
    assert decided(x.with_attention(x.PENDING, reason), x.snapshot(), at=FORTNIGHT) == ()


FIVE_MINUTES = 301
NOTHING_RUNS = x.snapshot(approval_step=False, step_running=False)


def test_a_ticket_whose_flow_does_not_start_is_told_of() -> None:
    """After five minutes, not a second before, also where the change resumes."""
    facts = {"ticket": "7", "filed": "2024-05-17 08:00:01 UTC"}
    concern = Step(Trigger.RAISE_ATTENTION, ev.Concern(reason=AttentionReason.NOT_STARTED, facts=facts))

    assert decided(x.PENDING, NOTHING_RUNS, at=FIVE_MINUTES - 1) == ()
    assert (concern,) == decided(x.PENDING, NOTHING_RUNS, at=FIVE_MINUTES)
    resumed = Step(Trigger.RESUME, NOTHING_RUNS)
    assert (resumed, concern) == decided(x.FAILED_CALLBACK, NOTHING_RUNS, at=FIVE_MINUTES)


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(x.snapshot(approval_step=True, step_running=False), id="somebody is asked"),
        pytest.param(x.snapshot(approval_step=False, step_running=True), id="another step runs"),
        pytest.param(x.snapshot(approval_step=None, step_running=False), id="whether somebody is asked is not known"),
        pytest.param(x.snapshot(approval_step=False, step_running=None), id="whether a step runs is not known"),
        pytest.param(
            x.snapshot(ev.TicketStatus.SUSPENDED, approval_step=False, step_running=False), id="it is suspended"
        ),
    ],
)
def test_a_ticket_that_may_have_started_is_waited_for(seen: ev.Snapshot) -> None:
    """Nothing is said of a flow that was not seen to stand still."""
    assert decided(x.PENDING, seen, at=FIVE_MINUTES) == ()


def test_a_flow_that_starts_clears_the_attention() -> None:
    """A step that runs does; a look that could not read the steps does not."""
    change = x.with_attention(x.PENDING, AttentionReason.NOT_STARTED)
    cleared = Step(Trigger.CLEAR_ATTENTION, ev.Decision(reason="a step of the ticket's flow runs"))

    assert (cleared,) == decided(change, x.snapshot(approval_step=True), at=FIVE_MINUTES)
    assert (cleared,) == decided(change, x.snapshot(step_running=True), at=FIVE_MINUTES)
    assert decided(change, x.snapshot(), at=FORTNIGHT) == decided(change, NOTHING_RUNS, at=FORTNIGHT) == ()


def test_what_becomes_of_a_ticket_that_was_given_up_is_no_news_unless_it_goes_on() -> None:
    """It waits for its withdrawal, or ends without an approval; an approval is told, and one that revives."""
    never_started = x.with_attention(x.PENDING, AttentionReason.NOT_STARTED)
    given_up = x.after(never_started, (Trigger.ABANDON, ev.Decision(reason="nobody is asked")))
    [effect] = given_up.effects
    withdrawn = attrs.evolve(given_up, effects=(attrs.evolve(effect, status=EffectStatus.DELIVERED),))

    for expected in (NOTHING_RUNS, REFUSED, x.withdrawn(), x.terminated()):
        assert decided(given_up, expected) == ()
    assert decided(given_up, NOTHING_RUNS, at=FORTNIGHT) == (OVERDUE,)
    assert decided(given_up, APPROVED) == (Step(Trigger.RECORD_CONTRADICTION, APPROVED),)
    assert decided(withdrawn, x.snapshot()) == (Step(Trigger.RECORD_CONTRADICTION, x.snapshot()),)


def test_a_ticket_that_nobody_decides_is_told_of() -> None:
    """After fourteen days, not a second before, also where the change resumes."""
    seen = x.snapshot()

    assert decided(x.PENDING, seen, at=FORTNIGHT - 1) == ()
    assert decided(x.PENDING, seen, at=FORTNIGHT) == (OVERDUE,)
    assert (Step(Trigger.RESUME, seen), OVERDUE) == decided(x.FAILED_CALLBACK, seen, at=FORTNIGHT)


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        pytest.param(x.APPROVED, APPROVED, id="approved"),
        pytest.param(x.REJECTED, REFUSED, id="refused"),
        pytest.param(x.WITHDRAWN, x.withdrawn(), id="withdrawn"),
        pytest.param(x.WITHDRAWN, ENDED_UNREAD, id="withdrawn, steps not read"),
        pytest.param(x.APPROVED, x.finished(approved=True, ambiguous=True), id="approved, under a shared number"),
        pytest.param(x.APPROVED, UNREAD, id="approved, and its result cannot be read"),
        pytest.param(x.REJECTED, UNREAD, id="refused, and its result cannot be read"),
        pytest.param(ATTESTED, x.finished(approved=True, approval_step=False), id="attested, with no step to see"),
        pytest.param(GIVEN_UP, x.finished(approved=True, approval_step=False), id="given up, with no step to see"),
    ],
)
def test_a_sweep_that_finds_nothing_new_is_quiet(change: ChangeRequest, seen: ev.Snapshot) -> None:
    """The ticket says what ended the change, or what a person knew, or nothing that could be read."""
    assert decided(change, seen) == ()


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        pytest.param(x.APPROVED, REFUSED, id="approved, now refused"),
        pytest.param(x.APPROVED, x.withdrawn(), id="approved, now withdrawn"),
        pytest.param(x.REJECTED, APPROVED, id="refused, now approved"),
        pytest.param(x.WITHDRAWN, APPROVED, id="withdrawn, then revived and approved"),
        pytest.param(x.WITHDRAWN, x.withdrawn(step_running=True), id="withdrawn, and a step runs"),
        pytest.param(x.WITHDRAWN, x.snapshot(), id="withdrawn, now running"),
        pytest.param(x.WITHDRAWN, x.terminated(), id="withdrawn, now terminated"),
        pytest.param(x.APPROVED, x.finished(approved=True, approval_step=False), id="approved, now in doubt"),
        pytest.param(x.APPROVED, x.terminated(step_running=None), id="approved, now terminated, steps not read"),
        pytest.param(x.REJECTED, x.finished(approved=True, ambiguous=True), id="refused, now approved by id"),
        pytest.param(x.WITHDRAWN, UNREAD, id="withdrawn, now finished"),
        pytest.param(ATTESTED, x.snapshot(FINISHED, result_status=RUNNING), id="attested, now two answers differ"),
    ],
)
def test_a_sweep_records_what_contradicts_the_end(change: ChangeRequest, seen: ev.Snapshot) -> None:
    """Recorded and alarmed; the end is never flipped."""
    assert (Step(Trigger.RECORD_CONTRADICTION, seen),) == decided(change, seen)


@pytest.mark.parametrize("change", [x.DRAFT, x.QUEUED, x.PENDING, x.APPROVED])
def test_no_answer_decides_nothing(change: ChangeRequest) -> None:
    """A gateway that could not be asked has said nothing."""
    assert decided(change, None) == ()


@pytest.mark.parametrize("seen", [APPROVED, REFUSED, x.withdrawn(), x.snapshot()])
def test_a_snapshot_of_another_ticket_decides_nothing(seen: ev.Snapshot) -> None:
    """Nor does one for a change without a ticket, or in a state in which nobody waits for it."""
    for change in (x.PENDING, x.FAILED_CALLBACK, x.APPROVED):
        assert decided(change, attrs.evolve(seen, ticket_id="8")) == ()
    assert decided(x.UNKNOWN, seen) == ()
    assert decided(attrs.evolve(x.QUEUED, ticket=x.PENDING.ticket), seen) == ()


def unread(change: ChangeRequest, days: float) -> list[str]:
    """Return the triggers of a ticket that could not be read, so long after it was recorded."""
    steps = decide(
        COLLECTOR_CHANGE, change, ReadAnswer(snapshot=None), x.later(1 + days * 86400), x.POLICY, gateway="bk_itsm"
    )
    return [step.trigger for step in steps]


@pytest.mark.parametrize("change", [x.PENDING, x.FAILED_CALLBACK], ids=["pending", "failed_callback"])
def test_a_ticket_that_cannot_be_read_for_too_long_calls_a_person(change: ChangeRequest) -> None:
    """From the moment on that the policy says."""
    assert unread(change, 14) == [Trigger.RAISE_ATTENTION]
    assert unread(change, 13.9) == []


@pytest.mark.parametrize("change", [x.APPROVED, x.WITHDRAWN, x.DRAFT], ids=["approved", "withdrawn", "draft"])
def test_nobody_waits_for_a_ticket_that_has_ended(change: ChangeRequest) -> None:
    """So nobody is called for one that cannot be read."""
    assert unread(change, 30) == []
