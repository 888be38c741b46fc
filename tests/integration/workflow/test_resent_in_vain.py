"""A create is to be sent again and cannot leave yet; meanwhile the first one turns out to have made a ticket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow import State
from itsm_workflow.change import AttentionReason, Phase
from tests.support.world import World, times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow import ChangeRequest, Workflow


@pytest.fixture
def world() -> World:
    """Return a world whose gateway loses the first create until a test lets it arrive, and is then unreachable."""
    world = World()
    world.faults.time_out("create")
    world.faults.unreachable("create", nth=2, always=True)
    return world


@pytest.fixture
def workflow(world: World) -> Iterator[Workflow]:
    """Open a workflow."""
    with world.workflow() as opened:
        yield opened


@pytest.fixture
def resent(world: World, workflow: Workflow) -> ChangeRequest:
    """Return a change whose second create waits until the gateway can be reached."""
    change = world.apply(workflow)
    for _ in range(12):
        world.clock.advance(120)
        workflow.reconcile()
    assert _reason(workflow, change) is AttentionReason.NOT_FOUND
    again = workflow.resend(change.id, actor="ops")
    assert (again.expect_attempt().number, again.expect_attempt().phase) == (2, Phase.QUEUED)
    return again


def arrive(world: World) -> None:
    """Let the first create arrive after all."""
    next(call for call in world.faults.calls if call.name == "create").deliver()


def _reason(workflow: Workflow, change: ChangeRequest) -> AttentionReason | None:
    attention = workflow.get(change.id).attention
    return None if attention is None else attention.reason


def test_ticket_that_calls_back_is_adopted_and_nothing_is_sent(
    world: World, workflow: Workflow, resent: ChangeRequest
) -> None:
    """Its credential proves that the gateway has a ticket of this change."""
    arrive(world)
    world.faults.clear("create")
    [ticket] = world.ledger.tickets()

    assert world.knock(workflow, resent, sn=ticket.sn) == 200

    bound = workflow.get(resent.id)
    assert (bound.state, bound.sn, len(world.ledger.tickets())) == (State.PENDING, ticket.sn, 1)
    assert times(workflow, resent, "mark_unsent") == 1


def test_ticket_that_called_back_and_is_not_found_calls_a_person_again(
    world: World, workflow: Workflow, resent: ChangeRequest
) -> None:
    """Nothing is sent on the strength of a search that lags behind; when the search is right, the ticket is bound."""
    arrive(world)
    world.faults.clear()
    world.faults.answer("find_by_key", (), always=True)
    world.knock(workflow, resent, sn="REQ0")
    for _ in range(12):
        world.clock.advance(120)
        workflow.reconcile()
    assert (len(world.ledger.tickets()), _reason(workflow, resent)) == (1, AttentionReason.NOT_FOUND)

    world.faults.clear()
    world.clock.advance(3600)
    workflow.reconcile()

    assert (workflow.get(resent.id).state, _reason(workflow, resent)) == (State.PENDING, None)


def test_a_ticket_that_turns_up_is_seen_before_the_second_create(
    world: World, workflow: Workflow, resent: ChangeRequest
) -> None:
    """There was no callback: one more look-up comes before the second create."""
    arrive(world)
    world.faults.clear("create")

    for _ in range(3):
        world.clock.advance(60)
        workflow.reconcile()

    bound = workflow.get(resent.id)
    assert (bound.state, len(world.ledger.tickets())) == (State.PENDING, 1)
    world.check()


def test_look_before_it_that_outlasts_the_lease_sends_nothing(
    world: World, workflow: Workflow, resent: ChangeRequest
) -> None:
    """The worker was stopped meanwhile, and another may have taken over."""
    world.faults.clear("create")
    world.clock.advance(60)
    world.faults.meanwhile("find_by_key", lambda: world.clock.advance(31.0))
    workflow.reconcile()
    assert (workflow.get(resent.id).expect_attempt().phase, world.ledger.tickets()) == (Phase.QUEUED, ())

    world.clock.advance(600)
    workflow.reconcile()
    assert (workflow.get(resent.id).state, len(world.ledger.tickets())) == (State.PENDING, 1)


def test_a_second_decision_of_a_person_is_obeyed(world: World, workflow: Workflow, resent: ChangeRequest) -> None:
    """A decision to resend deals with the callbacks that came before it."""
    world.faults.answer("find_by_key", (), always=True)
    world.knock(workflow, resent, sn="REQ0")
    for _ in range(12):
        world.clock.advance(120)
        workflow.reconcile()
    world.faults.clear("create")

    assert workflow.resend(resent.id, actor="ops").state == State.PENDING
    assert len(world.ledger.tickets()) == 1
