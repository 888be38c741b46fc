"""A callback that could not be delivered, and whose change has ended meanwhile: its number leaves the list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import State, Workflow
from itsm_workflow.change import AttentionReason
from itsm_workflow.errors import GatewayUnavailable
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.sandbox import acting
from itsm_workflow.sandbox.ticket import CallbackOutcome, Status
from tests.support.attention import reason_of
from tests.support.places import Witness
from tests.support.world import World

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest


@pytest.fixture
def world() -> World:
    """Make a world."""
    return World()


def ended_before_its_notice(world: World, workflow: Workflow, subject: str = "collector-1") -> ChangeRequest:
    """Let a change end by polling while its callback is under way, and the callback fail after that."""
    change = world.apply(workflow, subject)
    world.start_flow()
    world.decide(world.ticket_of(change), approved=True)
    under_way = world.gateway.run_due()
    assert workflow.settle(change.id).state == State.APPROVED
    for outgoing in under_way:
        world.ledger.record_delivery(outgoing, CallbackOutcome.FAILED)
    assert change.sn in world.ledger.failed_callbacks()
    return change


def listed_for_others(world: World) -> list[str]:
    """Let the callbacks of two tickets of other applications fail."""
    elsewhere = Workflow(storage=World(seed=7).store, gateway=world.gateway, clock=world.clock)
    with elsewhere:
        changes = [world.apply(elsewhere, f"theirs-{number}") for number in range(2)]
        world.start_flow()
        for change in changes:
            world.decide(world.ticket_of(change), approved=True)
        for outgoing in world.gateway.run_due():
            world.ledger.record_delivery(outgoing, CallbackOutcome.FAILED)
    return [str(change.sn) for change in changes]


def test_the_number_of_an_ended_change_leaves_the_list(world: World) -> None:
    """The server keeps it until its result is read, and no other application reads it."""
    witness = Witness()
    workflow = world.workflow(observers=(witness,))
    change = ended_before_its_notice(world, workflow)
    before = workflow.history(change.id)

    report = workflow.reconcile()

    assert world.ledger.failed_callbacks() == []
    assert (report.undelivered, report.due, witness.troubles) == (0, 0, [])
    assert workflow.history(change.id) == before


def test_numbers_of_other_applications_stay(world: World) -> None:
    """To read their results would destroy their notices."""
    workflow = world.workflow()
    others = listed_for_others(world)
    change = ended_before_its_notice(world, workflow)

    workflow.reconcile()

    assert change.sn not in others
    assert world.ledger.failed_callbacks() == others


def test_the_notice_of_another_workflow_stays(world: World) -> None:
    """Each workflow takes its own away, though both are in one store."""
    theirs = world.workflow(definition=attrs.evolve(COLLECTOR_CHANGE, name="other_change"))
    change = ended_before_its_notice(world, theirs)

    world.workflow().reconcile()
    assert world.ledger.failed_callbacks() == [change.sn]
    theirs.reconcile()
    assert world.ledger.failed_callbacks() == []


def test_the_ticket_of_another_gateway_is_not_asked_about(world: World) -> None:
    """This gateway may list the same number for a ticket that is not the change's."""
    workflow = world.workflow()
    change = ended_before_its_notice(world, workflow)
    world.gateway.name = "staging"

    world.workflow().reconcile()

    assert world.ledger.failed_callbacks() == [change.sn]


def test_a_gateway_that_cannot_be_asked_keeps_it_for_the_next_pass(world: World) -> None:
    """Observers are notified, and due changes are looked at all the same."""
    witness = Witness()
    workflow = world.workflow(observers=(witness,))
    change = ended_before_its_notice(world, workflow)
    world.faults.unreachable("read", always=True)

    workflow.reconcile()

    assert [type(error) for _, error in witness.troubles] == [GatewayUnavailable]
    assert world.ledger.failed_callbacks() == [change.sn]
    world.faults.clear()
    workflow.reconcile()
    assert world.ledger.failed_callbacks() == []


def test_what_its_ticket_says_now_against_the_end_is_recorded(world: World) -> None:
    """The callback that was lost may have been about that: the change keeps its state, and a person is called."""
    workflow = world.workflow()
    change = ended_before_its_notice(world, workflow)
    world.ticket_of(change).approve_result = False

    workflow.reconcile()

    seen = workflow.get(change.id)
    assert (seen.state, reason_of(seen)) == (State.APPROVED, AttentionReason.DISAGREEMENT)
    assert workflow.history(change.id)[-1].trigger == "record_contradiction"
    assert world.ledger.failed_callbacks() == []


@pytest.mark.parametrize(
    ("status", "state", "outcome"),
    [(Status.REVOKED, "rejected", "withdrawn"), (Status.FINISHED, "rejected", "rejected")],
)
def test_an_end_without_approval_is_cleared(world: World, status: Status, state: str, outcome: str) -> None:
    """The result says the same as the change."""
    workflow = world.workflow()
    change = world.apply(workflow)
    world.start_flow()
    ticket = world.ticket_of(change)
    withdrawn = [] if status is Status.FINISHED else acting.withdraw(world.ledger, ticket, "alice")
    if status is Status.FINISHED:
        world.decide(ticket, approved=False)
    under_way = [*withdrawn, *world.gateway.run_due()]
    workflow.settle(change.id)
    world.clock.advance(workflow.policy.quiet.total_seconds() + 1)
    ended = workflow.settle(change.id)
    assert (ended.state, ended.outcome) == (state, outcome)
    for outgoing in under_way:
        world.ledger.record_delivery(outgoing, CallbackOutcome.FAILED)
    assert world.ledger.failed_callbacks() == [change.sn]

    workflow.reconcile()

    assert world.ledger.failed_callbacks() == []
    assert workflow.get(change.id).attention is None


def test_an_unreadable_ticket_stays_on_the_list_for_later(world: World) -> None:
    """If a notice were taken off before its ticket was read, its decision would be lost."""
    workflow = world.workflow()
    change = ended_before_its_notice(world, workflow)
    world.ticket_of(change).approve_result = False
    world.faults.unreachable("read", always=True)
    for _ in range(3):
        world.clock.advance(300)
        workflow.reconcile()
    assert world.ledger.failed_callbacks() == [change.sn]
    assert workflow.get(change.id).attention is None

    world.faults.clear()
    world.clock.advance(300)
    workflow.reconcile()

    attention = workflow.get(change.id).attention
    assert attention is not None
    assert attention.reason is AttentionReason.DISAGREEMENT
    assert world.ledger.failed_callbacks() == []


def test_many_are_cleared_in_one_pass(world: World) -> None:
    """An outage of the callback's address leaves one for each change that polling has found out about."""
    workflow = world.workflow()
    for number in range(5):
        ended_before_its_notice(world, workflow, f"collector-{number}")

    workflow.reconcile()

    assert world.ledger.failed_callbacks() == []
