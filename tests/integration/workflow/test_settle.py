"""Settling: what the gateway shows decides, endings that can revive only after two quiet looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow import State
from itsm_workflow.change import AttentionReason, Outcome
from itsm_workflow.errors import GatewayError
from itsm_workflow.sandbox import DEFAULT_SERVICES, Status, self_finishing
from itsm_workflow.sandbox.ticket import LogLine
from tests.support.office import SUBJECT, Office, asked, triggers

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Workflow


def pending(office: Office, workflow: Workflow) -> tuple[ChangeRequest, int]:
    """Apply, let the flow start, and return the change and its ticket's id."""
    change = workflow.apply(subject=SUBJECT, **asked())
    office.pass_time()
    return change, int(change.expect_ticket().id)


def attention(workflow: Workflow, change: ChangeRequest) -> str | None:
    """Return why a person should look at the change now."""
    told = workflow.get(change.id).attention
    return told.reason if told else None


@pytest.mark.parametrize("ending", [Outcome.WITHDRAWN, Outcome.TERMINATED])
def test_ending_that_can_revive_is_believed_after_a_second_quiet_look(office: Office, ending: Outcome) -> None:
    """The first look raises the suspicion, one `policy.quiet` later decides; looks in between decide nothing."""
    workflow = office.workflow()
    change, ticket = pending(office, workflow)
    (office.sandbox.withdraw if ending is Outcome.WITHDRAWN else office.sandbox.terminate)(ticket)

    assert triggers(workflow, change)[-2:] == ["receive_callback", "suspect_ending"]
    office.pass_time(58)
    assert workflow.settle(change.id).state == State.PENDING
    assert workflow.reconcile().due == 0
    office.pass_time(2)
    assert workflow.reconcile().moved == 1

    ended = workflow.get(change.id)
    assert (ended.state, ended.outcome) == (State.REJECTED, ending)
    assert triggers(workflow, change)[-3:] == ["receive_callback", "suspect_ending", "reject"]


def test_ticket_that_revives_is_waited_for_again(office: Office) -> None:
    """Withdrawn before its flow had started, it asks its approver all the same, and the approval counts."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    ticket = int(change.expect_ticket().id)
    office.sandbox.withdraw(ticket)
    assert workflow.get(change.id).suspicion is not None

    office.pass_time(61)
    workflow.reconcile()

    revived = workflow.get(change.id)
    assert (revived.state, revived.suspicion) == (State.PENDING, None)
    assert triggers(workflow, change)[-1] == "resume"
    office.decide(ticket, approved=True)
    assert workflow.get(change.id).state == State.APPROVED


def test_two_looks_that_agree_must_be_consecutive(office: Office) -> None:
    """A ticket that was open in between starts its quiet time anew."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    ticket = int(change.expect_ticket().id)
    office.sandbox.withdraw(ticket)
    office.pass_time(61)
    workflow.reconcile()
    assert triggers(workflow, change)[-1] == "resume"

    with office.sandbox.locked() as ledger:
        ledger.end(ledger.by_id(ticket), Status.REVOKED, "withdrawn for good")
    office.pass_time(300)
    workflow.reconcile()

    assert workflow.get(change.id).state == State.PENDING
    assert triggers(workflow, change)[-1] == "suspect_ending"


def test_suspended_ticket_stays_pending(office: Office) -> None:
    """However long; and it goes on once it is resumed."""
    workflow = office.workflow()
    change, ticket = pending(office, workflow)
    office.sandbox.suspend(ticket)

    for _ in range(5):
        office.pass_time(300)
        workflow.reconcile()
    assert workflow.get(change.id).state == State.PENDING
    assert triggers(workflow, change)[-1] == "record_ticket"

    office.sandbox.resume(ticket)
    office.decide(ticket, approved=True)
    assert workflow.get(change.id).state == State.APPROVED


def test_ticket_approved_while_suspended_is_approved_once_it_finished(office: Office) -> None:
    """The status decides, not the order of what people did."""
    workflow = office.workflow()
    change, ticket = pending(office, workflow)
    office.sandbox.suspend(ticket)
    office.sandbox.approve(ticket)
    assert workflow.settle(change.id).state == State.PENDING

    office.pass_time()

    assert workflow.get(change.id).state == State.APPROVED


def test_ticket_that_finished_without_asking_anybody_calls_a_person(store_url: str) -> None:
    """The gateway says approved, and nobody approved."""
    with Office(store_url, services=(*DEFAULT_SERVICES, self_finishing(99))) as office:
        workflow = office.workflow(office.settings(fast_approval=False, service_id="99"))
        change = workflow.apply(subject=SUBJECT, **asked(approvers=(), fields={}))
        office.pass_time()

        assert office.only_ticket().approve_result is True
        assert workflow.get(change.id).state == State.PENDING
        assert attention(workflow, change) == AttentionReason.NO_APPROVAL_STEP
        for _ in range(3):
            office.pass_time(300)
            workflow.reconcile()
        assert triggers(workflow, change).count("raise_attention") == 1


def test_approval_of_another_ticket_with_our_number_is_not_ours(office: Office) -> None:
    """Tickets are told apart by id."""
    workflow = office.workflow()
    change, ticket = pending(office, workflow)
    foreign = office.sandbox.duplicate_sn(ticket)
    office.decide(foreign.id, approved=True)

    office.pass_time(300)
    workflow.reconcile()

    assert office.sandbox.ticket(foreign.id).current_status == "FINISHED"
    assert (workflow.get(change.id).state, attention(workflow, change)) == (State.PENDING, None)


def test_our_rejection_counts_though_another_ticket_has_our_number(office: Office) -> None:
    """A refusal is read by id, and needs no step to be seen."""
    workflow = office.workflow()
    change, ticket = pending(office, workflow)
    office.sandbox.duplicate_sn(ticket)

    office.decide(ticket, approved=False)

    rejected = workflow.get(change.id)
    assert (rejected.state, rejected.outcome) == (State.REJECTED, Outcome.REJECTED)


def test_our_approval_calls_a_person_where_another_ticket_has_our_number(office: Office) -> None:
    """Whether somebody was asked can be read by number only, so it cannot be told whose step it was."""
    workflow = office.workflow()
    change, ticket = pending(office, workflow)
    office.sandbox.duplicate_sn(ticket)

    office.decide(ticket, approved=True)

    assert (workflow.get(change.id).state, attention(workflow, change)) == (
        State.PENDING,
        AttentionReason.AMBIGUOUS_SN,
    )


def test_ticket_that_waits_too_long_calls_a_person_once(office: Office) -> None:
    """After two weeks; the approval that comes at last counts, and clears it."""
    workflow = office.workflow()
    change, ticket = pending(office, workflow)
    office.pass_time(14 * 86400 - 10)
    workflow.reconcile()
    assert attention(workflow, change) is None

    for _ in range(3):
        office.pass_time(300)
        workflow.reconcile()
    assert attention(workflow, change) == AttentionReason.OVERDUE
    assert triggers(workflow, change).count("raise_attention") == 1

    office.decide(ticket, approved=True)
    assert (workflow.get(change.id).state, attention(workflow, change)) == (State.APPROVED, None)


def test_ending_that_is_contradicted_later_is_told_once_and_never_flipped(office: Office) -> None:
    """A withdrawn change whose ticket shows as approved afterwards stays rejected."""
    workflow = office.workflow()
    change, ticket = pending(office, workflow)
    office.sandbox.withdraw(ticket)
    office.pass_time(61)
    workflow.reconcile()
    assert workflow.get(change.id).outcome == Outcome.WITHDRAWN
    with office.sandbox.locked() as ledger:
        revived = ledger.by_id(ticket)
        revived.status, revived.approve_result = Status.FINISHED, True
        step = LogLine(operator="carol", at=ledger.now(), message="通过", source="API", state_type="APPROVAL")
        revived.logs.append(step)

    for _ in range(3):
        office.pass_time(6 * 3600)
        workflow.reconcile()

    now = workflow.get(change.id)
    assert (now.state, now.outcome, attention(workflow, change)) == (
        State.REJECTED,
        Outcome.WITHDRAWN,
        AttentionReason.DISAGREEMENT,
    )
    assert triggers(workflow, change).count("record_contradiction") == 1


def test_page_and_result_that_disagree_call_a_person_until_they_agree(office: Office) -> None:
    """One answer says finished, the other running: nothing is decided by either."""
    workflow = office.workflow(after_callback="later")
    change, ticket = pending(office, workflow)
    office.decide(ticket, approved=True)
    view = office.sandbox.ticket(ticket)
    assert view.current_status == "FINISHED"

    def still_running() -> None:
        with office.sandbox.locked() as ledger:
            ledger.by_id(ticket).status = Status.RUNNING

    def finished() -> None:
        with office.sandbox.locked() as ledger:
            ledger.by_id(ticket).status = Status.FINISHED

    office.sandbox.before |= {"ticket_approval_result": still_running, "get_ticket_info": finished}
    workflow.reconcile()
    assert (workflow.get(change.id).state, attention(workflow, change)) == (
        State.PENDING,
        AttentionReason.DISAGREEMENT,
    )

    office.sandbox.before.clear()
    finished()
    office.pass_time(300)
    workflow.reconcile()
    assert (workflow.get(change.id).state, attention(workflow, change)) == (State.APPROVED, None)


def test_answer_that_is_out_of_date_is_dropped(office: Office) -> None:
    """While one worker waits for the gateway's answer, another settles the change: it is decided once."""
    workflow = office.workflow(after_callback="later")
    change, ticket = pending(office, workflow)
    office.decide(ticket, approved=True)
    other = office.workflow()

    def overtake() -> None:
        office.sandbox.before.clear()
        other.settle(change.id)

    office.sandbox.before["ticket_approval_result"] = overtake
    settled = workflow.settle(change.id)

    assert settled.state == State.APPROVED
    assert triggers(workflow, change)[-2:] == ["receive_callback", "approve"]


def test_gateway_that_cannot_be_asked_is_told_and_decides_nothing(office: Office) -> None:
    """Settling does not raise; observers hear of it."""
    workflow = office.workflow()
    change, _ = pending(office, workflow)
    office.sandbox.faults.html("get_ticket_info", always=True)

    settled = workflow.settle(change.id)

    assert settled == change
    assert [isinstance(error, GatewayError) for _, error in office.witness.troubles] == [True]


def test_settling_a_draft_asks_nothing(office: Office) -> None:
    """There is no ticket to ask about."""
    workflow = office.workflow()
    draft = workflow.draft(subject=SUBJECT, **asked())

    assert workflow.settle(draft.id) == draft
    assert office.sandbox.calls == []
