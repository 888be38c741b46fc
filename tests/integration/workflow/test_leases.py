"""How long a claim keeps others away, and what the next look waits for."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import Effect, Policy, State
from itsm_workflow.clock import to_micros
from itsm_workflow.errors import GatewayUnavailable
from itsm_workflow.gateway.protocol import NotSent, Unknown
from itsm_workflow.storage.protocol import Query, Write
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from itsm_workflow_backends.memory import MemoryBackend
from tests.support.places import WatchedStore, Witness
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.change import Ticket
    from itsm_workflow.gateway.protocol import CreateAnswer, CreateRequest, FoundTicket, SentTicket
    from itsm_workflow.machine.evidence import Snapshot
    from itsm_workflow.storage.protocol import Row

POLICY = Policy(
    send_lease=dt.timedelta(seconds=101), read_lease=dt.timedelta(seconds=103), effect_lease=dt.timedelta(seconds=107)
)
FORM: dict[str, Any] = {"title": "接入日志", "applicant": "alice", "approvers": ["carol"]}


class Stepping(LedgerGateway):
    """A gateway that lets a test step in while it is asked, and fails where a test says so."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.meanwhile: dict[str, Callable[[], object]] = {}
        self.create_answer: CreateAnswer | None = None
        self.is_blind = False
        self.search_lags = False

    def create(self, request: CreateRequest) -> CreateAnswer:
        """File the ticket; the answer may be another one."""
        self.meanwhile.get("create", int)()
        filed = None if isinstance(self.create_answer, NotSent) else super().create(request)
        return self.create_answer or filed or NotSent(problem="")

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Read the ticket, unless it cannot be read now."""
        self.meanwhile.get("read", int)()
        if self.is_blind:
            raise GatewayUnavailable("down", endpoint="get_ticket_info")
        return super().read(ticket, decision_field=decision_field)

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Look the ticket up; the search may not show it yet."""
        self.meanwhile.get("find", int)()
        return () if self.search_lags else super().find_by_key(sent)


@pytest.fixture
def world() -> World:
    """Make a world with a gateway and a store to step in."""
    return World(gateway=Stepping, store=WatchedStore(MemoryBackend()))


@pytest.fixture
def gateway(world: World) -> Stepping:
    """Return the world's gateway."""
    assert isinstance(world.gateway, Stepping)
    return world.gateway


def row_of(world: World, change_id: str) -> Row:
    """Return what is stored of a change."""
    [row] = world.store.find(Query(ids=(change_id,))).rows
    return row


def due_in(world: World, change_id: str) -> int:
    """Return in how many seconds a change is due; each reading of the clock moves it by a microsecond."""
    due_at = row_of(world, change_id).due_at
    assert due_at is not None
    return round((due_at - to_micros(world.clock.peek())) / 1_000_000)


def lease_during(world: World, gateway: Stepping, what: str, change_id: str, act: Callable[[], object]) -> int:
    """Return the seconds for which a change is claimed while the gateway is asked."""
    seen: list[int] = []
    gateway.meanwhile[what] = lambda: seen.append(due_in(world, change_id))
    act()
    return seen[0]


def test_each_question_has_its_own_lease(world: World, gateway: Stepping) -> None:
    """For that time, no other worker asks it."""
    leases: list[int] = []
    start = Effect("start", lambda call: leases.append(due_in(world, call.change.id)))
    workflow = world.workflow(policy=POLICY, effects={State.APPROVED: [start]})
    gateway.create_answer = NotSent(problem="connection refused")
    change = workflow.apply(subject="collector-1", **FORM)
    gateway.create_answer = None
    world.clock.advance(600)
    assert lease_during(world, gateway, "create", change.id, lambda: workflow.settle(change.id)) == 101

    world.start_flow()
    assert lease_during(world, gateway, "read", change.id, lambda: workflow.settle(change.id)) == 103

    world.decide(world.ticket_of(workflow.get(change.id)), approved=True)
    workflow.settle(change.id)
    assert leases == [107]


def test_look_for_a_lost_ticket_has_the_lease_of_a_read(world: World, gateway: Stepping) -> None:
    """It only reads."""
    workflow = world.workflow(policy=POLICY)
    gateway.create_answer, gateway.search_lags = Unknown(problem="reset"), True
    change = workflow.apply(subject="collector-1", **FORM)

    assert lease_during(world, gateway, "find", change.id, lambda: workflow.settle(change.id)) == 103


def test_look_at_an_ended_change_that_failed_is_made_again_after_the_poll(world: World, gateway: Stepping) -> None:
    """Not after the lease of the look."""
    workflow = world.workflow(policy=POLICY)
    change = world.approved(workflow)
    workflow.settle(change.id)
    gateway.is_blind = True
    world.knock(workflow, change, current_status="TERMINATED", approve_result=False)
    workflow.settle(change.id)

    assert due_in(world, change.id) == POLICY.poll.total_seconds()


def test_look_that_failed_while_another_worker_wrote_raises_nothing(world: World, gateway: Stepping) -> None:
    """What the other one wrote stays."""
    witness = Witness()
    workflow = world.workflow(policy=POLICY, observers=(witness,), after_callback="later")
    change = world.approved(workflow)
    workflow.settle(change.id)
    gateway.is_blind = True
    gateway.meanwhile["read"] = lambda: race_after_the_next_commit(world, change.id)
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


def test_callback_before_its_ticket_is_found_is_looked_into_at_once(world: World, gateway: Stepping) -> None:
    """The look-up that finds the ticket has not read it."""
    workflow = world.workflow(policy=POLICY, after_callback="later")
    gateway.create_answer, gateway.search_lags = Unknown(problem="reset"), True
    change = workflow.apply(subject="collector-1", **FORM)
    world.start_flow()
    [ticket] = map(world.ledger.by_id, (one.id for one in world.ledger.tickets()))
    world.decide(ticket, approved=True)
    world.knock(workflow, change, sn=ticket.sn)
    gateway.search_lags = False

    assert workflow.settle(change.id).state == State.APPROVED
