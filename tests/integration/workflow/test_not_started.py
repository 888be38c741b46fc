"""A ticket whose flow never starts: the server answers success, asks no approver, and refuses to withdraw it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from itsm_workflow import Act, NotPermitted, Policy, State
from itsm_workflow.change import AttentionReason, EffectStatus, Outcome
from itsm_workflow.errors import InvalidForm, TransitionRefused
from itsm_workflow.machine.evidence import Concern
from tests.support.attention import reason_of
from tests.support.long import long_after
from tests.support.office import SUBJECT, Office, asked, triggers

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Workflow

MINUTES = 60.0
HOURS = 3600.0


def stalled(office: Office, workflow: Workflow, subject: str = SUBJECT) -> ChangeRequest:
    """Apply; the ticket is there and its flow never starts."""
    office.sandbox.faults.flow_never_starts()
    return workflow.apply(subject=subject, **asked())


def told(office: Office, workflow: Workflow) -> ChangeRequest:
    """Return a change whose ticket is known not to start."""
    change = stalled(office, workflow)
    office.pass_time(11 * MINUTES)
    workflow.reconcile()
    return workflow.get(change.id)


def given_up(office: Office, workflow: Workflow) -> ChangeRequest:
    """Return a change that was abandoned while its ticket's flow had not started."""
    change = told(office, workflow)
    return workflow.abandon(change.id, actor="ops", reason="its flow never started")


def test_an_abandonment_that_the_host_refuses_does_not_read_the_ticket(office: Office) -> None:
    """The look before an abandonment asks the gateway, and could move the change; one permission allows both."""
    change = told(office, office.workflow())
    asked_for: list[Act] = []
    permitted: list[bool] = [False]

    def may(_actor: str, act: Act, _change: object) -> bool:
        asked_for.append(act)
        return permitted[-1]

    workflow = office.workflow(authorize=may)
    before = office.sandbox.ledger.requests.copy()
    with pytest.raises(NotPermitted):
        workflow.abandon(change.id, actor="ops")
    assert workflow.get(change.id) == change
    assert office.sandbox.ledger.requests == before
    assert asked_for == [Act("abandon", SUBJECT)]

    permitted.append(True)
    assert workflow.abandon(change.id, actor="ops").state == State.REJECTED
    assert asked_for == [Act("abandon", SUBJECT)] * 2


def passes(office: Office, workflow: Workflow, hours: float) -> None:
    """Let time pass, and a worker pass by every half hour."""
    for _ in range(round(2 * hours)):
        office.pass_time(0.5 * HOURS)
        workflow.reconcile()


def withdrawal(workflow: Workflow, change: ChangeRequest) -> EffectStatus:
    """Return how far the one withdrawal of the change's ticket has come."""
    [effect] = workflow.get(change.id).effects
    return effect.status


def test_attention_is_raised_after_a_few_minutes(office: Office) -> None:
    """It is raised once, with advice; not earlier, since a loaded server takes half a minute."""
    workflow = office.workflow()
    change = stalled(office, workflow)
    office.pass_time(4 * MINUTES)
    workflow.settle(change.id)
    assert reason_of(workflow.get(change.id)) is None

    for _ in range(3):
        office.pass_time(5 * MINUTES)
        workflow.reconcile()

    assert reason_of(workflow.get(change.id)) is AttentionReason.NOT_STARTED
    assert triggers(workflow, change).count("raise_attention") == 1
    sentence = workflow.why(change.id)
    assert "waits for the flow of ticket REQ" in sentence
    assert "abandon the change, whose ticket is withdrawn as soon as the ticket system allows it" in sentence


@pytest.mark.parametrize("together", [False, True], ids=["alone", "among others"])
def test_it_is_distinguished_from_tickets_that_wait(office: Office, together: bool) -> None:  # noqa: FBT001 - a parameter
    """A ticket with a slow approver has a running step, however many tickets one request reads."""
    workflow = office.workflow()
    others = [workflow.apply(subject=f"other-{n}", **asked()) for n in range(3 if together else 1)]
    change = stalled(office, workflow)
    for _ in range(4):
        office.pass_time(5 * MINUTES)
        workflow.reconcile()

    assert [reason_of(workflow.get(one.id)) for one in (*others, change)] == [
        *[None] * len(others),
        AttentionReason.NOT_STARTED,
    ]


def test_a_flow_that_starts_late_clears_it_and_its_approval_counts(office: Office) -> None:
    """The server's worker was stopped and came back; no person has to act."""
    workflow = office.workflow()
    change = told(office, workflow)
    ticket = int(change.expect_ticket().id)

    office.sandbox.begin(ticket)
    office.pass_time(5 * MINUTES)
    workflow.reconcile()
    assert reason_of(workflow.get(change.id)) is None

    office.approve(change)
    assert workflow.get(change.id).state == State.APPROVED


@pytest.mark.parametrize("minutes", long_after(2, [10, 50, 300]))
def test_looks_that_fail_do_not_hide_it(office: Office, minutes: int) -> None:
    """A later one shows it, within the hour, also where results are read together."""
    workflow = office.workflow()
    workflow.apply(subject="other", **asked())
    change = stalled(office, workflow)
    office.pass_time(4 * MINUTES)
    office.sandbox.faults.status("get_ticket_info", 500, always=True)
    for _ in range(minutes // 5):
        office.pass_time(5 * MINUTES)
        workflow.reconcile()
    assert reason_of(workflow.get(change.id)) is None

    office.sandbox.faults.clear()
    for _ in range(13):
        office.pass_time(5 * MINUTES)
        workflow.reconcile()
    assert reason_of(workflow.get(change.id)) is AttentionReason.NOT_STARTED


@pytest.mark.parametrize("minutes", [1, 31, 60, 600])
def test_attention_is_raised_however_rarely_tickets_are_read(office: Office, minutes: int) -> None:
    """The first look after the time raises it, also in a group of other tickets."""
    poll = dt.timedelta(minutes=minutes)
    workflow = office.workflow(policy=Policy(poll=poll))
    workflow.apply(subject="other", **asked())
    change = stalled(office, workflow)
    for _ in range(2 + 10 // minutes):
        office.pass_time(poll.total_seconds() + 1)
        workflow.reconcile()
    assert reason_of(workflow.get(change.id)) is AttentionReason.NOT_STARTED


def test_a_hosts_concern_does_not_hide_it(office: Office) -> None:
    """It is raised in its time, and the concern is shown with it, and again after it."""
    workflow = office.workflow()
    workflow.apply(subject="other", **asked())
    change = stalled(office, workflow)
    concern = Concern(reason=AttentionReason.HOST, facts={"disk": "full"})
    workflow.fire(change.id, "raise_attention", concern, actor="host")
    for _ in range(3):
        office.pass_time(5 * MINUTES)
        workflow.reconcile()
    assert reason_of(workflow.get(change.id)) is AttentionReason.NOT_STARTED
    assert "host disk full" in workflow.why(change.id)
    assert triggers(workflow, change).count("raise_attention") == 2

    office.sandbox.begin(int(workflow.get(change.id).expect_ticket().id))
    office.pass_time(10 * MINUTES)
    workflow.settle(change.id)
    assert reason_of(workflow.get(change.id)) is AttentionReason.HOST
    assert "(Raised by the host: disk full)" in workflow.why(change.id)


@pytest.mark.parametrize(("every", "times"), [(60, 3), (30, 6), pytest.param(0, 36, marks=pytest.mark.long)])
def test_tickets_that_wait_are_read_one_by_one_only_now_and_then(office: Office, every: int, times: int) -> None:
    """Once when their flow should run, and at an interval from then on; otherwise all in one request."""
    workflow = office.workflow(policy=Policy(not_started_every=dt.timedelta(minutes=every)))
    for number in range(4):
        workflow.apply(subject=f"waiting-{number}", **asked())
    office.pass_time()
    read = []
    for _ in range(36):
        office.pass_time(5 * MINUTES + 1)
        before = len(office.sandbox.bodies("get_ticket_info"))
        workflow.reconcile()
        read.append(len(office.sandbox.bodies("get_ticket_info")) - before)
    assert sum(read) == times * 4


def test_a_flow_that_has_started_meanwhile_is_not_abandoned(office: Office) -> None:
    """The ticket is looked at first: its approver is asked, or has decided."""
    workflow = office.workflow()
    running, approved = told(office, workflow), stalled(office, workflow, "other")
    office.pass_time(11 * MINUTES)
    workflow.reconcile()
    for change in (running, approved):
        office.sandbox.begin(int(change.expect_ticket().id))
    office.sandbox.faults.callback_lost(listed=False)
    office.approve(approved)

    for change in (running, approved):
        with pytest.raises(TransitionRefused):
            workflow.abandon(change.id, actor="ops", reason="its flow never started")
    assert [workflow.get(one.id).state for one in (running, approved)] == [State.PENDING, State.APPROVED]
    assert [workflow.get(one.id).effects for one in (running, approved)] == [(), ()]


def test_a_person_who_cannot_be_named_has_nothing_looked_at(office: Office) -> None:
    """The actor is checked before the gateway is asked."""
    workflow = office.workflow()
    change = told(office, workflow)
    before = len(office.sandbox.calls)
    with pytest.raises(InvalidForm, match="actor"):
        workflow.abandon(change.id, actor=" ", reason="its flow never started")
    assert len(office.sandbox.calls) == before


def test_it_can_be_abandoned_while_the_gateway_is_away(office: Office) -> None:
    """What was seen last counts then."""
    workflow = office.workflow()
    change = told(office, workflow)
    office.sandbox.faults.status("get_ticket_info", 500, always=True)
    assert workflow.abandon(change.id, actor="ops", reason="it never started").outcome == Outcome.ABANDONED


def test_it_can_be_abandoned_and_nothing_else_can(office: Office) -> None:
    """The subject is free immediately; a change whose flow runs cannot be abandoned in this way."""
    workflow = office.workflow()
    waiting = workflow.apply(subject="other", **asked())
    office.pass_time()
    with pytest.raises(TransitionRefused, match="the gateway decides it"):
        workflow.abandon(waiting.id, actor="ops", reason="too slow")
    change = told(office, workflow)
    with pytest.raises(TransitionRefused, match="the gateway decides it"):
        workflow.attest_approval(
            change.id, actor="ops", ticket_id=change.expect_ticket().id, approver="carol", evidence="said so"
        )

    ended = workflow.abandon(change.id, actor="ops", reason="its flow never started")

    assert (ended.state, ended.outcome, ended.attention) == (State.REJECTED, Outcome.ABANDONED, None)
    assert workflow.apply(subject=SUBJECT, **asked()).state == State.PENDING


def test_the_ticket_of_an_abandoned_one_is_withdrawn_when_its_flow_starts_hours_later(office: Office) -> None:
    """Until then the server refuses, which does not count as a failure; after it no approver is left waiting."""
    workflow = office.workflow()
    change = given_up(office, workflow)
    ticket = int(change.expect_ticket().id)
    passes(office, workflow, hours=30)
    assert withdrawal(workflow, change) is EffectStatus.PLANNED
    assert reason_of(workflow.get(change.id)) is None

    office.sandbox.begin(ticket)
    passes(office, workflow, hours=2)

    assert office.sandbox.ticket(ticket).current_status == "REVOKED"
    assert withdrawal(workflow, change) is EffectStatus.DELIVERED
    passes(office, workflow, hours=24)
    ended = workflow.get(change.id)
    assert (ended.state, ended.outcome, ended.attention) == (State.REJECTED, Outcome.ABANDONED, None)


def test_an_approval_that_overtakes_the_withdrawal_raises_attention(office: Office) -> None:
    """The flow started and was approved between two tries, and its callback was lost; the change stays abandoned."""
    workflow = office.workflow()
    change = given_up(office, workflow)
    ticket = int(change.expect_ticket().id)
    office.sandbox.faults.callback_lost(listed=False)
    office.sandbox.begin(ticket)
    office.decide(ticket, approved=True)

    passes(office, workflow, hours=8)

    ended = workflow.get(change.id)
    assert (ended.state, ended.outcome) == (State.REJECTED, Outcome.ABANDONED)
    assert reason_of(workflow.get(change.id)) is AttentionReason.DISAGREEMENT
    assert withdrawal(workflow, change) is EffectStatus.SUPERSEDED


@pytest.mark.parametrize("approved", [True, False])
def test_an_approval_weeks_later_that_overtakes_the_withdrawal_raises_attention(
    office: Office,
    approved: bool,  # noqa: FBT001 - a parameter
) -> None:
    """The looks do not end while the withdrawal is tried, nor before what it found was looked at."""
    workflow = office.workflow(policy=Policy(sweep_for=dt.timedelta(hours=12)))
    change = given_up(office, workflow)
    ticket = int(change.expect_ticket().id)
    passes(office, workflow, hours=14)
    office.sandbox.faults.callback_lost(listed=False)
    office.sandbox.begin(ticket)
    office.decide(ticket, approved=approved)

    passes(office, workflow, hours=14)

    assert withdrawal(workflow, change) is EffectStatus.SUPERSEDED
    assert reason_of(workflow.get(change.id)) is (AttentionReason.DISAGREEMENT if approved else None)


def test_a_withdrawn_ticket_that_goes_on_raises_attention(office: Office) -> None:
    """The server reports the withdrawal, and then asks its approver all the same."""
    workflow = office.workflow()
    change = given_up(office, workflow)
    ticket = int(change.expect_ticket().id)
    office.sandbox.begin(ticket)
    passes(office, workflow, hours=1)
    with office.sandbox.locked() as ledger:
        revived = ledger.by_id(ticket)
        revived.status, revived.phase = type(revived.status).RUNNING, type(revived.phase).APPROVING

    passes(office, workflow, hours=8)

    assert reason_of(workflow.get(change.id)) is AttentionReason.DISAGREEMENT


@pytest.mark.long
def test_the_looks_end_some_days_after_the_withdrawal(office: Office) -> None:
    """Nothing is due any more then."""
    workflow = office.workflow()
    change = given_up(office, workflow)
    office.sandbox.begin(int(change.expect_ticket().id))
    passes(office, workflow, hours=24 * 8)

    assert "nothing more is due" in workflow.why(change.id)


@pytest.mark.parametrize("minutes", [5, 6, 15, 60])
def test_a_withdrawal_that_is_not_taken_yet_does_not_hide_it(office: Office, minutes: int) -> None:
    """The ticket is read between the withdrawals that the ticket system refuses, however rarely a worker passes."""
    workflow = office.workflow()
    change = stalled(office, workflow)
    workflow.withdraw(change.id, actor="alice", reason="not needed")
    for _ in range(6):
        office.pass_time(minutes * MINUTES)
        workflow.reconcile()
    assert reason_of(workflow.get(change.id)) is AttentionReason.NOT_STARTED
    assert withdrawal(workflow, change) is EffectStatus.PLANNED
    assert "waits for the flow of ticket REQ" in workflow.why(change.id)
