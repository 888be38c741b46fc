"""A create is to be sent again and cannot leave yet; meanwhile the first one turns out to have made a ticket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow import State
from itsm_workflow.change import AttentionReason, Phase
from itsm_workflow.gateway.protocol import NotSent, Unknown
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from tests.support.world import World, times

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.gateway.protocol import CreateAnswer, CreateRequest, FoundTicket, SentTicket


class Late(LedgerGateway):
    """A gateway that loses the first create for as long as nobody lets it arrive, and then cannot be reached."""

    first: CreateRequest | None = None
    is_reachable = False
    hides = False

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Lose the first, refuse to connect for the others."""
        if self.first is None:
            self.first = request
            return Unknown(problem="no answer in time")
        return super().create(request) if self.is_reachable else NotSent(problem="connection refused")

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Find nothing while tickets are hidden: a search that lags behind."""
        return () if self.hides else super().find_by_key(sent)

    def arrive(self) -> None:
        """Let the first create arrive after all."""
        assert self.first is not None
        super().create(self.first)


@pytest.fixture
def world() -> World:
    """Return a world with such a gateway."""
    return World(gateway=Late)


@pytest.fixture
def workflow(world: World) -> Iterator[Workflow]:
    """Open a workflow."""
    with world.workflow() as opened:
        yield opened


@pytest.fixture
def gateway(world: World) -> Late:
    """Return the gateway."""
    assert isinstance(world.gateway, Late)
    return world.gateway


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


def _reason(workflow: Workflow, change: ChangeRequest) -> AttentionReason | None:
    attention = workflow.get(change.id).attention
    return None if attention is None else attention.reason


def test_ticket_that_calls_back_is_adopted_and_nothing_is_sent(
    world: World, workflow: Workflow, gateway: Late, resent: ChangeRequest
) -> None:
    """Its credential proves that the gateway has a ticket of this change."""
    gateway.arrive()
    gateway.is_reachable = True
    [ticket] = world.ledger.tickets()

    assert world.knock(workflow, resent, sn=ticket.sn) == 200

    bound = workflow.get(resent.id)
    assert (bound.state, bound.sn, len(world.ledger.tickets())) == (State.PENDING, ticket.sn, 1)
    assert times(workflow, resent, "mark_unsent") == 1


def test_ticket_that_called_back_and_is_not_found_calls_a_person_again(
    world: World, workflow: Workflow, gateway: Late, resent: ChangeRequest
) -> None:
    """Nothing is sent on the strength of a search that lags behind; when the search is right, the ticket is bound."""
    gateway.arrive()
    gateway.is_reachable = gateway.hides = True
    world.knock(workflow, resent, sn="REQ0")
    for _ in range(12):
        world.clock.advance(120)
        workflow.reconcile()
    assert (len(world.ledger.tickets()), _reason(workflow, resent)) == (1, AttentionReason.NOT_FOUND)

    gateway.hides = False
    world.clock.advance(3600)
    workflow.reconcile()

    assert (workflow.get(resent.id).state, _reason(workflow, resent)) == (State.PENDING, None)


def test_ticket_that_turns_up_is_seen_before_the_second_create(
    world: World, workflow: Workflow, gateway: Late, resent: ChangeRequest
) -> None:
    """Nobody called back: it is looked for once more before anything is sent again."""
    gateway.arrive()
    gateway.is_reachable = True

    for _ in range(3):
        world.clock.advance(60)
        workflow.reconcile()

    bound = workflow.get(resent.id)
    assert (bound.state, len(world.ledger.tickets())) == (State.PENDING, 1)
    world.check()


def test_look_before_it_that_outlasts_the_lease_sends_nothing(
    world: World, workflow: Workflow, gateway: Late, resent: ChangeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker was stopped meanwhile, and another may have taken over."""
    gateway.is_reachable = True
    search = gateway.find_by_key

    def stopped(sent: SentTicket) -> Sequence[FoundTicket]:
        world.clock.advance(31.0)
        return search(sent)

    world.clock.advance(60)
    with monkeypatch.context() as patch:
        patch.setattr(gateway, "find_by_key", stopped)
        workflow.reconcile()
    assert (workflow.get(resent.id).expect_attempt().phase, world.ledger.tickets()) == (Phase.QUEUED, ())

    world.clock.advance(600)
    workflow.reconcile()
    assert (workflow.get(resent.id).state, len(world.ledger.tickets())) == (State.PENDING, 1)


def test_person_who_decides_again_is_obeyed(
    world: World, workflow: Workflow, gateway: Late, resent: ChangeRequest
) -> None:
    """A decision to send again deals with what was heard before it."""
    gateway.hides = True
    world.knock(workflow, resent, sn="REQ0")
    for _ in range(12):
        world.clock.advance(120)
        workflow.reconcile()
    gateway.is_reachable = True

    assert workflow.resend(resent.id, actor="ops").state == State.PENDING
    assert len(world.ledger.tickets()) == 1
