"""A store that is opened with another gateway than the one its changes were filed by."""

from __future__ import annotations

from typing import Any

import pytest

from itsm_workflow import State, Workflow
from itsm_workflow.change import AttentionReason
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from tests.support.attention import reason_of
from tests.support.office import SUBJECT, Office, asked
from tests.support.places import Witness
from tests.support.world import World


@pytest.mark.parametrize("subjects", [1, 3])
def test_a_ticket_of_another_gateway_with_our_number_approves_nothing(subjects: int) -> None:
    """Ids and numbers start from 1 in each system; attention is raised, and the ticket is not read."""
    world, other = World(), World(seed=1)
    workflow, elsewhere = world.workflow(), other.workflow()
    changes = [world.apply(workflow, f"collector-{number}") for number in range(subjects)]
    theirs = LedgerGateway(other.ledger, clock=world.clock, name="staging")
    for number in range(subjects):
        there = other.apply(elsewhere, f"theirs-{number}")
        other.start_flow()
        other.decide(other.ticket_of(there), approved=True)
    assert [int(change.expect_ticket().id) for change in changes] == [one.id for one in other.ledger.tickets()]
    witness = Witness()

    with Workflow(storage=world.store, gateway=theirs, clock=world.clock, observers=(witness,)) as confused:
        for _ in range(15):
            world.clock.advance(86400)
            confused.reconcile()
        seen = [confused.get(change.id) for change in changes]

    assert {change.state for change in seen} == {State.PENDING}
    assert {change.attention and change.attention.reason for change in seen} == {AttentionReason.OVERDUE}
    assert any(
        "was filed by the gateway 'bk_itsm', but this process uses the gateway 'staging'" in one
        for one in _told(witness)
    )


@pytest.mark.parametrize("decided", ["approved", "rejected"])
@pytest.mark.parametrize(
    ("differing", "part"),
    [
        ({"title": "order lunch"}, "shows order lunch #"),
        ({"applicant": "zoe"}, "creator: sent alice, shows zoe; title: sent 接入日志 #"),
    ],
)
def test_a_ticket_of_another_system_with_the_same_name_decides_nothing(
    decided: str, differing: dict[str, str], part: str
) -> None:
    """The address is wrong, or the system was restored: same id and number, another ticket. Attention is raised."""
    world, other = World(), World(seed=1)
    change = world.apply(world.workflow())
    values: dict[str, Any] = {"title": "接入日志", "applicant": "alice", "approvers": ["carol"], **differing}
    there = other.workflow().apply(subject="lunch", **values)
    other.start_flow()
    other.decide(other.ticket_of(there), approved=decided == "approved")
    assert (change.sn, change.expect_ticket().id) == (there.sn, there.expect_ticket().id)
    theirs = LedgerGateway(other.ledger, clock=world.clock)

    confused = Workflow(storage=world.store, gateway=theirs, clock=world.clock)
    confused.settle(change.id)

    seen = confused.get(change.id)
    assert seen.state == State.PENDING
    assert reason_of(seen) is AttentionReason.NOT_AS_SENT
    assert part in str(seen.attention)
    world.start_flow()
    world.decide(world.ticket_of(change), approved=True)
    ours = world.workflow()
    ours.settle(change.id)
    assert (ours.get(change.id).state, ours.get(change.id).attention) == (State.APPROVED, None)


def test_title_is_recognised_with_and_without_the_key(office: Office) -> None:
    """The setting may have been changed while the ticket was open."""
    for sent, now in ((True, False), (False, True)):
        first = office.workflow(office.settings(key_in_title=sent))
        change = first.apply(subject=f"{SUBJECT}-{sent}", **asked())
        office.approve(change)

        later = office.workflow(office.settings(key_in_title=now))
        later.settle(change.id)

        assert later.get(change.id).state == State.APPROVED


def test_ticket_of_another_gateway_is_not_withdrawn() -> None:
    """A withdrawal goes to the system that has the ticket, or nowhere."""
    world, other = World(), World(seed=1)
    change = world.apply(world.workflow())
    theirs = LedgerGateway(other.ledger, clock=world.clock, name="staging")
    there = other.apply(other.workflow(), "theirs")
    world.clock.advance(60)

    with Workflow(storage=world.store, gateway=theirs, clock=world.clock) as confused:
        [effect] = confused.withdraw(change.id, actor="alice").effects

    assert effect.error.startswith("GatewayError: read: ticket ")
    assert "was filed by the gateway 'bk_itsm'" in effect.error
    assert other.ticket_of(there).status.value == "RUNNING"


def test_result_of_our_ticket_says_nothing_of_another_gateways_with_its_id() -> None:
    """The results of several tickets are asked for together, and each is one change's own."""
    world, other = World(), World(seed=1)
    theirs = LedgerGateway(other.ledger, clock=world.clock, name="staging")
    witness = Witness()
    foreign = other.apply(Workflow(storage=world.store, gateway=theirs, clock=world.clock), "theirs")
    workflow = world.workflow(observers=(witness,))
    ours = [world.apply(workflow, f"ours-{number}") for number in range(2)]
    assert foreign.expect_ticket().id == ours[0].expect_ticket().id
    world.clock.advance(301)

    report = workflow.reconcile()

    assert (report.due, report.unchanged, report.failed) == (3, 2, 1)
    [(change_id, error)] = witness.troubles
    assert change_id == foreign.id
    assert str(error) == (
        f"read: ticket {foreign.expect_ticket().id} was filed by the gateway 'staging', but this process uses "
        "the gateway 'bk_itsm': open the store with the gateway that filed its changes"
    )


def _told(witness: Witness) -> list[str]:
    return [str(one) for one in witness.troubles]
