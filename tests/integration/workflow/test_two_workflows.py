"""What two workflows, or two gateways, share a store for: each touches its own changes and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import State, Workflow
from itsm_workflow.errors import ChangeNotFound, NotApproved
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.sandbox.ticket import CallbackOutcome
from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from tests.support.office import Office, asked
from tests.support.places import Witness
from tests.support.world import TOGETHER, World

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import Row

OTHER = attrs.evolve(COLLECTOR_CHANGE, name="other_change")
SUBJECT = "collector-1"


@pytest.fixture
def world() -> World:
    """Make a world."""
    return World()


def row_of(world: World, change_id: str) -> Row:
    """Return what is stored of a change."""
    [row] = world.store.find(Query(ids=(change_id,))).rows
    return row


def lose_callbacks(world: World) -> None:
    """Let everything happen that is due; no callback arrives, and the ticket system lists them."""
    for outgoing in world.gateway.run_due():
        world.ledger.record_delivery(outgoing, CallbackOutcome.FAILED)


def test_pass_of_one_workflow_leaves_the_changes_of_another(world: World) -> None:
    """They are neither counted, nor claimed, nor reported as unreadable."""
    witness = Witness()
    ours, theirs = world.workflow(observers=(witness,)), world.workflow(definition=OTHER)
    change, other = world.apply(ours), world.apply(theirs, "collector-2")
    world.clock.advance(86400)
    before = row_of(world, other.id)
    looked_at = row_of(world, change.id)

    report = ours.reconcile()

    assert (report.due, report.failed) == (1, 0)
    assert row_of(world, other.id) == before
    assert row_of(world, change.id).version > looked_at.version
    assert witness.troubles == []


def test_notice_about_a_ticket_of_another_workflow_is_left_to_it(world: World) -> None:
    """The ticket system lists the undelivered callbacks of all workflows together."""
    witness = Witness()
    ours, theirs = world.workflow(observers=(witness,)), world.workflow(definition=OTHER)
    change, other = world.apply(ours), world.apply(theirs, "collector-2")
    world.start_flow()
    for one in (change, other):
        world.decide(world.ticket_of(one), approved=True)
    lose_callbacks(world)

    report = ours.reconcile()

    assert report.undelivered == 1
    assert (ours.get(change.id).state, theirs.get(other.id).state) == (State.APPROVED, State.PENDING)
    assert witness.troubles == []


def test_notice_is_for_a_change_that_waits(world: World) -> None:
    """One that was decided meanwhile stays as it is, without a word."""
    witness = Witness()
    workflow = world.workflow(observers=(witness,))
    change = world.approved(workflow)
    under_way = world.gateway.run_due()
    assert workflow.settle(change.id).state == State.APPROVED
    for outgoing in under_way:
        world.ledger.record_delivery(outgoing, CallbackOutcome.FAILED)
    assert world.ledger.failed_callbacks() == [change.sn]

    assert workflow.reconcile().undelivered == 0
    assert witness.troubles == []


def test_subject_that_another_workflow_holds_is_free(world: World) -> None:
    """The other workflow's draft is not revised, and its open change bars nothing."""
    ours, theirs = world.workflow(), world.workflow(definition=OTHER)
    draft = theirs.draft(subject=SUBJECT, title="接入日志", applicant="alice", approvers=["carol"])
    first = world.apply(ours)
    submitted = theirs.submit(draft.id, actor="alice")

    assert theirs.get(draft.id).state == State.PENDING
    assert first.id != draft.id
    assert row_of(world, first.id).workflow == COLLECTOR_CHANGE.name
    assert row_of(world, submitted.id).workflow == OTHER.name


def test_approval_in_another_workflow_opens_no_gate(world: World) -> None:
    """The gate asks about its own workflow's changes of the subject."""
    ours, theirs = world.workflow(), world.workflow(definition=OTHER)
    change = world.approved(theirs)
    assert theirs.settle(change.id).state == State.APPROVED

    with pytest.raises(NotApproved) as caught:
        ours.require_approved(SUBJECT)
    assert caught.value.state is None
    assert theirs.require_approved(SUBJECT).id == change.id


def test_changes_are_found_in_their_own_workflow(world: World) -> None:
    """By id, subject and number, and when they are listed."""
    ours, theirs = world.workflow(), world.workflow(definition=OTHER)
    change, other = world.apply(ours), world.apply(theirs)

    assert [one.id for one in ours.find()] == [change.id]
    assert [one.id for one in theirs.find()] == [other.id]
    assert ours.resolve(SUBJECT).id == change.id
    for name in (other.id, str(other.sn)):
        with pytest.raises(ChangeNotFound):
            ours.resolve(name)


def test_results_are_read_of_our_own_tickets_only(world: World) -> None:
    """Reading a result takes the ticket off the list of undelivered callbacks of every application."""
    there = LedgerGateway(World(seed=1).ledger, clock=world.clock, name="staging")
    ours = Workflow(storage=world.store, gateway=world.gateway, clock=world.clock, policy=TOGETHER)
    theirs = Workflow(storage=world.store, gateway=there, clock=world.clock)
    with ours, theirs:
        changes = [world.apply(ours, f"ours-{number}") for number in range(2)]
        for number in range(2):
            world.apply(theirs, f"theirs-{number}")
        world.clock.advance(301)
        ours.reconcile()

    found = [ticket for call in world.faults.calls if call.name == "results" for ticket in call.args[0]]
    assert sorted(ticket.id for ticket in found) == [change.expect_ticket().id for change in changes]
    assert {ticket.gateway for ticket in found} == {"bk_itsm"}


def test_workflows_that_share_a_store_see_their_own_changes_only(office: Office) -> None:
    """Neither reads, moves nor settles the other's, and one subject may be open in both."""
    workflow = office.workflow()
    other = office.workflow(definition=attrs.evolve(COLLECTOR_CHANGE, name="other_change"))
    ours, theirs = (one.apply(subject=SUBJECT, **asked()) for one in (workflow, other))

    for look in (workflow.get, workflow.history, workflow.why, workflow.status, workflow.settle, workflow.resolve):
        with pytest.raises(ChangeNotFound):
            look(theirs.id)
    with pytest.raises(
        ChangeNotFound, match=r"has the id '.+'; Workflow\.resolve finds a change by its id, subject or sn"
    ):
        workflow.get(theirs.id)
    with pytest.raises(ChangeNotFound):
        workflow.withdraw(theirs.id, actor="eve")

    assert [change.id for change in workflow.find()] == [ours.id]
    assert [change.id for change in other.find()] == [theirs.id]
    office.pass_time(301)
    assert (workflow.reconcile().due, other.reconcile().due) == (1, 1)
