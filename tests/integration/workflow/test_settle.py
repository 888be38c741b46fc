"""Settling: what the gateway shows decides, endings that can revive only after two quiet looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import State
from itsm_workflow.change import AttentionReason, Outcome
from itsm_workflow.errors import GatewayError, GatewayRefused, GatewayUnavailable
from itsm_workflow.machine.evidence import Concern, TicketStatus
from itsm_workflow.sandbox import DEFAULT_SERVICES, Status, self_finishing
from itsm_workflow.sandbox.ticket import LogLine
from tests.support.attention import reason_of
from tests.support.office import SUBJECT, Office, asked, triggers
from tests.support.places import Witness
from tests.support.world import World, times

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.testing.faulty_gateway import GatewayCall


def pending(office: Office, workflow: Workflow) -> tuple[ChangeRequest, int]:
    """Apply, let the flow start, and return the change and its ticket's id."""
    change = workflow.apply(subject=SUBJECT, **asked())
    office.pass_time()
    return change, int(change.expect_ticket().id)


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
    """A ticket that was open in between starts its quiet time again."""
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


def test_a_ticket_that_finished_without_an_approver_raises_attention(store_url: str) -> None:
    """The gateway shows it as approved, and no approver was asked."""
    with Office(store_url, services=(*DEFAULT_SERVICES, self_finishing(99))) as office:
        workflow = office.workflow(office.settings(fast_approval=False, service_id="99"))
        change = workflow.apply(subject=SUBJECT, **asked(approvers=(), fields={}))
        office.pass_time()

        assert office.only_ticket().approve_result is True
        assert workflow.get(change.id).state == State.PENDING
        assert reason_of(workflow.get(change.id)) == AttentionReason.NO_APPROVAL_STEP
        for _ in range(3):
            office.pass_time(300)
            workflow.reconcile()
        assert triggers(workflow, change).count("raise_attention") == 1


def test_an_approval_of_another_ticket_with_our_number_is_not_ours(office: Office) -> None:
    """Tickets are distinguished by id."""
    workflow = office.workflow()
    change, ticket = pending(office, workflow)
    foreign = office.sandbox.duplicate_sn(ticket)
    office.decide(foreign.id, approved=True)

    office.pass_time(300)
    workflow.reconcile()

    assert office.sandbox.ticket(foreign.id).current_status == "FINISHED"
    assert (workflow.get(change.id).state, reason_of(workflow.get(change.id))) == (State.PENDING, None)


def test_our_rejection_counts_though_another_ticket_has_our_number(office: Office) -> None:
    """A refusal is read by id, and needs no step to be seen."""
    workflow = office.workflow()
    change, ticket = pending(office, workflow)
    office.sandbox.duplicate_sn(ticket)

    office.decide(ticket, approved=False)

    rejected = workflow.get(change.id)
    assert (rejected.state, rejected.outcome) == (State.REJECTED, Outcome.REJECTED)


def test_our_approval_raises_attention_where_another_ticket_has_our_number(office: Office) -> None:
    """The approver's step can be read by number only, so it is not known to which ticket it belongs."""
    workflow = office.workflow()
    change, ticket = pending(office, workflow)
    office.sandbox.duplicate_sn(ticket)

    office.decide(ticket, approved=True)

    assert (workflow.get(change.id).state, reason_of(workflow.get(change.id))) == (
        State.PENDING,
        AttentionReason.AMBIGUOUS_SN,
    )


def test_ticket_that_waits_too_long_calls_a_person_once(office: Office) -> None:
    """After two weeks; the approval that comes at last counts, and clears it."""
    workflow = office.workflow()
    change, ticket = pending(office, workflow)
    office.pass_time(14 * 86400 - 10)
    workflow.reconcile()
    assert reason_of(workflow.get(change.id)) is None

    for _ in range(3):
        office.pass_time(300)
        workflow.reconcile()
    assert reason_of(workflow.get(change.id)) == AttentionReason.OVERDUE
    assert triggers(workflow, change).count("raise_attention") == 1

    office.decide(ticket, approved=True)
    assert (workflow.get(change.id).state, reason_of(workflow.get(change.id))) == (State.APPROVED, None)


def test_an_ending_that_is_contradicted_later_is_reported_once_and_never_flipped(office: Office) -> None:
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
    assert (now.state, now.outcome, reason_of(workflow.get(change.id))) == (
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
    assert (workflow.get(change.id).state, reason_of(workflow.get(change.id))) == (
        State.PENDING,
        AttentionReason.DISAGREEMENT,
    )

    office.sandbox.before.clear()
    finished()
    office.pass_time(300)
    workflow.reconcile()
    assert (workflow.get(change.id).state, reason_of(workflow.get(change.id))) == (State.APPROVED, None)


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


def test_a_gateway_that_cannot_be_asked_is_reported_and_decides_nothing(office: Office) -> None:
    """`settle` does not raise; observers are notified."""
    workflow = office.workflow()
    change, _ = pending(office, workflow)
    office.sandbox.faults.html("get_ticket_info", always=True)

    settled = workflow.settle(change.id)

    assert settled == change
    assert [isinstance(error, GatewayError) for _, error in office.witness.troubles] == [True]


def test_settling_a_draft_asks_nothing(office: Office) -> None:
    """There is no ticket to read."""
    workflow = office.workflow()
    draft = workflow.draft(subject=SUBJECT, **asked())

    assert workflow.settle(draft.id) == draft
    assert office.sandbox.calls == []


GONE = GatewayUnavailable("down", endpoint="get_ticket_info")


DELETED = GatewayRefused("no such ticket", endpoint="get_ticket_info", remote_code=3900022)


@pytest.mark.parametrize("error", [GONE, DELETED], ids=["gateway down", "ticket deleted"])
def test_a_ticket_that_cannot_be_read_for_weeks_is_overdue(error: GatewayError) -> None:
    """Attention is raised once, although no look was answered."""
    world = World()
    world.faults.answer("read", error, always=True)
    workflow = world.workflow()
    change = world.apply(workflow)
    for _ in range(20):
        world.clock.advance(86400)
        workflow.reconcile()
    attention = workflow.get(change.id).attention
    assert attention is not None
    assert attention.reason is AttentionReason.OVERDUE
    assert times(workflow, change, "raise_attention") == 1


def test_a_hosts_concern_does_not_hold_back_an_overdue_ticket() -> None:
    """The library's reason is shown, with the concern in its facts."""
    world = World()
    workflow = world.workflow()
    change = world.apply(workflow)
    concern = Concern(reason=AttentionReason.HOST, facts={"disk": "full"})
    workflow.fire(change.id, "raise_attention", concern, actor="robot")
    world.start_flow()
    for _ in range(20):
        world.clock.advance(86400)
        workflow.reconcile()
    attention = workflow.get(change.id).attention
    assert attention is not None
    assert (attention.reason, attention.facts["host disk"]) == (AttentionReason.OVERDUE, "full")
    assert times(workflow, change, "raise_attention") == 2


def test_late_hint_is_looked_into_when_the_gateway_can_be_asked_again() -> None:
    """A look that failed has not used it up; one that succeeded has."""
    world = World()
    workflow = world.workflow()
    change = world.approved(workflow)
    workflow.settle(change.id)
    world.faults.answer("read", GONE, always=True)
    assert world.knock(workflow, change, current_status="TERMINATED", approve_result=False) == 200
    for _ in range(3):
        world.clock.advance(301)
        assert workflow.reconcile().failed == 1
    world.faults.clear()
    world.clock.advance(301)
    assert (workflow.reconcile().unchanged, workflow.reconcile().due) == (1, 0)


def showing(**values: object) -> Callable[[GatewayCall], object]:
    """Return a read that shows other values than the ticket has."""
    return lambda call: attrs.evolve(call.deliver(), **values)


def test_an_unknown_status_keeps_the_change_open_and_is_reported_each_time() -> None:
    """A host that counts errors sees that the gateway has a new status word."""
    world, witness = World(), Witness()
    strange = {"status": TicketStatus.OTHER, "word": "ARCHIVED", "result_status": None, "approve_result": None}
    world.faults.intercept("read", showing(**strange), always=True)
    workflow = world.workflow(observers=(witness,))
    change = world.approved(workflow)
    for _ in range(3):
        assert workflow.settle(change.id).state == State.PENDING
    assert [(name, "'ARCHIVED'" in str(error)) for name, error in witness.troubles] == [(change.id, True)] * 3


def test_two_quiet_looks_with_a_doubtful_one_between_them_are_not_consecutive() -> None:
    """The second quiet look has to come after the doubt, whether the doubt is reported for the first time or again."""
    world = World()
    workflow = world.workflow()
    change = world.apply(workflow)
    quiet = {"step_running": False, "approve_result": False, "approval_step": True}
    revoked = {**quiet, "status": TicketStatus.REVOKED, "word": "REVOKED", "result_status": TicketStatus.REVOKED}
    doubt = {**quiet, "status": TicketStatus.FINISHED, "word": "FINISHED", "result_status": TicketStatus.RUNNING}
    for number, shown in enumerate((revoked, doubt, revoked, doubt, revoked, revoked), start=1):
        world.faults.intercept("read", showing(**shown), nth=number)
    for _ in range(5):
        assert workflow.settle(change.id).state == State.PENDING
        world.clock.advance(61)
    after = workflow.settle(change.id)
    assert (after.state, after.outcome) == (State.REJECTED, Outcome.WITHDRAWN)
