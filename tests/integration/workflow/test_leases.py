"""How long a claim keeps others away, and what the next look waits for."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import Effect, Policy, State
from itsm_workflow.clock import to_micros
from itsm_workflow.errors import GatewayUnavailable, SettingsError
from itsm_workflow.storage.protocol import Query, Write
from itsm_workflow_backends.memory import MemoryBackend
from tests.support.places import WatchedStore, Witness
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.storage.protocol import Row

POLICY = Policy(
    send_lease=dt.timedelta(seconds=101), read_lease=dt.timedelta(seconds=103), effect_lease=dt.timedelta(seconds=107)
)
FORM: dict[str, Any] = {"title": "接入日志", "applicant": "alice", "approvers": ["carol"]}


@pytest.fixture
def world() -> World:
    """Make a world with a store to step in."""
    return World(store=WatchedStore(MemoryBackend()))


def row_of(world: World, change_id: str) -> Row:
    """Return what is stored of a change."""
    [row] = world.store.find(Query(ids=(change_id,))).rows
    return row


def due_in(world: World, change_id: str) -> int:
    """Return in how many seconds a change is due; each reading of the clock moves it by a microsecond."""
    due_at = row_of(world, change_id).due_at
    assert due_at is not None
    return round((due_at - to_micros(world.clock.peek())) / 1_000_000)


def lease_during(world: World, what: str, change_id: str, act: Callable[[], object]) -> int:
    """Return the seconds for which a change is claimed while the gateway is asked."""
    seen: list[int] = []
    world.faults.meanwhile(what, lambda: seen.append(due_in(world, change_id)))
    act()
    return seen[0]


def test_each_question_has_its_own_lease(world: World) -> None:
    """For that time, no other worker asks it."""
    leases: list[int] = []
    start = Effect("start", lambda call: leases.append(due_in(world, call.change.id)))
    workflow = world.workflow(policy=POLICY, effects={State.APPROVED: [start]})
    world.faults.unreachable("create")
    change = workflow.apply(subject="collector-1", **FORM)
    world.clock.advance(600)
    assert lease_during(world, "create", change.id, lambda: workflow.settle(change.id)) == 101

    world.start_flow()
    world.knock(workflow, workflow.get(change.id))
    assert lease_during(world, "read", change.id, lambda: workflow.settle(change.id)) == 103

    world.decide(world.ticket_of(workflow.get(change.id)), approved=True)
    workflow.settle(change.id)
    assert leases == [107]


def test_a_poll_that_shows_nothing_new_is_one_commit(world: World) -> None:
    """It is claimed straight to the next one, so a worker that dies over it leaves it until then, or a callback."""
    workflow = world.workflow(policy=POLICY)
    change = workflow.apply(subject="collector-1", **FORM)
    world.start_flow()
    poll = POLICY.poll.total_seconds()
    for _ in range(2):
        before = row_of(world, change.id).version
        world.clock.advance(poll)
        assert lease_during(world, "read", change.id, workflow.reconcile) == poll
        assert (row_of(world, change.id).version, due_in(world, change.id)) == (before + 1, poll)


def test_a_callback_during_a_poll_is_looked_into_at_once(world: World) -> None:
    """Although the poll has stored the time of the next one, and saw the ticket before its end."""
    workflow = world.workflow(policy=POLICY, after_callback="later")
    change = workflow.apply(subject="collector-1", **FORM)
    world.start_flow()
    world.clock.advance(POLICY.poll.total_seconds())
    world.faults.meanwhile("read", lambda: world.knock(workflow, change))
    assert workflow.reconcile().due == 1
    world.decide(world.ticket_of(workflow.get(change.id)), approved=True)
    assert (workflow.reconcile().due, workflow.get(change.id).state) == (1, State.APPROVED)


def test_a_first_look_after_a_callback_that_was_overslept_has_the_lease_of_a_read(world: World) -> None:
    """However late it is: the callback says that something happened."""
    workflow = world.workflow(policy=POLICY, after_callback="later")
    change = workflow.apply(subject="collector-1", **FORM)
    world.start_flow()
    world.knock(workflow, change)
    world.clock.advance(3 * POLICY.poll.total_seconds())
    assert lease_during(world, "read", change.id, workflow.reconcile) == 103
    assert due_in(world, change.id) == POLICY.poll.total_seconds()


def test_look_for_a_lost_ticket_has_the_lease_of_a_read(world: World) -> None:
    """It only reads."""
    workflow = world.workflow(policy=POLICY)
    world.faults.time_out("create")
    change = workflow.apply(subject="collector-1", **FORM)

    assert lease_during(world, "find_by_key", change.id, lambda: workflow.settle(change.id)) == 103


def test_look_at_an_ended_change_that_failed_is_made_again_after_the_poll(world: World) -> None:
    """Not after the lease of the look."""
    workflow = world.workflow(policy=POLICY)
    change = world.approved(workflow)
    workflow.settle(change.id)
    world.faults.unreachable("read", always=True)
    world.knock(workflow, change, current_status="TERMINATED", approve_result=False)
    workflow.settle(change.id)

    assert due_in(world, change.id) == POLICY.poll.total_seconds()


def test_look_that_failed_while_another_worker_wrote_raises_nothing(world: World) -> None:
    """What the other one wrote stays."""
    witness = Witness()
    workflow = world.workflow(policy=POLICY, observers=(witness,), after_callback="later")
    change = world.approved(workflow)
    workflow.settle(change.id)
    world.faults.unreachable("read", always=True)
    world.faults.meanwhile("read", lambda: race_after_the_next_commit(world, change.id), always=True)
    world.knock(workflow, change, current_status="TERMINATED", approve_result=False)

    assert workflow.settle(change.id).state == State.APPROVED
    assert {type(error) for _, error in witness.troubles} == {GatewayUnavailable}


def race_after_the_next_commit(world: World, change_id: str) -> None:
    """Let another worker write the change, with nothing new, right after the next commit."""
    store = world.store
    assert isinstance(store, WatchedStore)

    def touch(_: object) -> None:
        store.after = lambda _: None
        row = row_of(world, change_id)
        touched = attrs.evolve(row, version=row.version + 1, form=None)
        assert store.inner.commit([Write(row=touched, expected_version=row.version, entries=())]) == [None]

    store.after = touch


def test_callback_before_its_ticket_is_found_is_looked_into_at_once(world: World) -> None:
    """The look-up that finds the ticket has not read it."""
    workflow = world.workflow(policy=POLICY, after_callback="later")
    world.faults.lose_answer("create")
    world.faults.answer("find_by_key", (), always=True)
    change = workflow.apply(subject="collector-1", **FORM)
    world.start_flow()
    [ticket] = map(world.ledger.by_id, (one.id for one in world.ledger.tickets()))
    world.decide(ticket, approved=True)
    world.knock(workflow, change, sn=ticket.sn)
    world.faults.clear("find_by_key")

    assert workflow.settle(change.id).state == State.APPROVED


def test_lease_that_is_shorter_than_a_call_is_refused() -> None:
    """Otherwise a send that is still under way would be looked up as if its sender were dead."""
    with pytest.raises(SettingsError, match="send_lease"):
        World().workflow(policy=Policy(send_lease=dt.timedelta(seconds=20)))
