"""A pass begins nothing after its time, leaves nothing claimed that it did not ask about, and lets no claim age."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self

import pytest

from itsm_workflow import Effect, Policy, State
from itsm_workflow.errors import GatewayNotAsked, GatewayTimeout
from itsm_workflow.gateway.protocol import NotSent, Unknown
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from tests.support.world import TOGETHER, World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.budget import Budget
    from itsm_workflow.gateway.protocol import CreateAnswer, FoundTicket, TicketResult
    from itsm_workflow.machine.evidence import Snapshot
    from itsm_workflow.runtime.reconciler import Report
    from itsm_workflow.storage.protocol import Conflict, Write

OVER = Policy().look_least.total_seconds()


class SlowGateway(LedgerGateway):
    """A gateway whose calls take time, but not longer than their budget: seconds by the name of the call."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.takes: dict[str, float] = {}
        self.asked: list[tuple[str, float]] = []
        self.budget: Budget | None = None
        self.is_down = False
        self.loses_answers = False
        self.lists: Sequence[str] = ()
        self.meanwhile: Callable[[], object] | None = None

    def within(self, budget: Budget) -> Self:
        """Return this gateway with a bound, as a gateway does that can bound its calls."""
        bounded = copy.copy(self)
        bounded.budget = budget
        return bounded

    def _pass(self, call: str) -> None:
        left = self.budget.left if self.budget else float("inf")
        if not left:
            raise GatewayNotAsked("the time is used up", endpoint=call)
        self.asked.append((call, self._clock.elapsed()))
        takes = self.takes.get(call, 0.0)
        self._clock.advance(min(takes, left))  # type: ignore[attr-defined] # a manual clock
        if takes > left:
            raise GatewayTimeout("no answer in time", endpoint=call)

    def undelivered(self) -> Sequence[str]:
        """List what was called back in vain."""
        self._pass("undelivered")
        return self.lists

    def results(self, *given: Any) -> Mapping[str, TicketResult]:
        """Read many results."""
        self._pass("results")
        return super().results(*given)

    def read(self, *given: Any, **named: Any) -> Snapshot:
        """Read one ticket."""
        meanwhile, self.meanwhile = self.meanwhile, None
        self._pass("read")
        if meanwhile is not None:
            meanwhile()
        return super().read(*given, **named)

    def create(self, *given: Any) -> CreateAnswer:
        """File a ticket."""
        self._pass("create")
        if self.loses_answers:
            super().create(*given)
            return Unknown(problem="no answer")
        return NotSent(problem="no connection") if self.is_down else super().create(*given)

    def find_by_key(self, *given: Any) -> Sequence[FoundTicket]:
        """Look a ticket up."""
        self._pass("find_by_key")
        return super().find_by_key(*given)


@pytest.fixture
def world() -> World:
    """Return a world behind a slow gateway."""
    return World(gateway=SlowGateway)


def slow(world: World, **takes: float) -> SlowGateway:
    """Let the gateway's calls take so long."""
    gateway: Any = world.gateway
    gateway.takes = takes
    return gateway  # type: ignore[no-any-return] # what the fixture made


def approved(world: World, workflow: Workflow, count: int) -> list[ChangeRequest]:
    """File changes whose tickets are approved without a callback, and let their polls fall due."""
    changes = [world.apply(workflow, f"collector-{number}") for number in range(count)]
    world.start_flow()
    for change in changes:
        world.decide(world.ticket_of(change), approved=True)
    world.clock.advance(301)
    return changes


def adds_up(report: Report) -> bool:
    """Return whether each due change is counted once."""
    return report.due == report.moved + report.unchanged + report.busy + report.failed + report.unreadable


@pytest.mark.parametrize("readers", [1, 4])
@pytest.mark.parametrize("seconds", [1, 3, 50])
def test_pass_ends_shortly_after_its_time_and_leaves_the_rest_due(world: World, seconds: float, readers: int) -> None:
    """What was not asked about is looked at by the next pass, without waiting for a lease."""
    workflow = world.workflow(effects={})
    approved(world, workflow, 40)
    gateway = slow(world, read=2)
    gateway.asked.clear()
    began = world.clock.elapsed()

    first = workflow.reconcile(seconds=seconds, readers=readers)

    # Several threads let the one clock of the test move by the sum of their waits.
    assert world.clock.elapsed() - began <= seconds + readers * max(OVER, 2)
    assert max(at for _, at in gateway.asked) <= began + seconds + (readers - 1) * 2
    assert (first.finished, first.stopped, adds_up(first)) == (False, "its time was used up", True)
    slow(world)
    world.clock.advance(1)  # looks that the end of the pass cut off come after the others
    second = workflow.reconcile()
    assert (first.moved + second.moved, first.due + second.due) == (40, 40 + first.failed)
    assert first.failed < readers, "a look fails only by the waits of the other threads"


@pytest.mark.parametrize("call", ["results", "read"])
def test_gateway_that_hangs_holds_a_pass_up_for_its_time_and_a_little(world: World, call: str) -> None:
    """Each call has what is left of the time, and together they have no more."""
    workflow = world.workflow(policy=TOGETHER)
    approved(world, workflow, 6)
    slow(world, **{call: 1000})
    began = world.clock.elapsed()

    report = workflow.reconcile(seconds=1, readers=1)

    assert world.clock.elapsed() - began <= 1 + OVER
    assert (report.finished, adds_up(report)) == (False, True)
    slow(world)
    world.clock.advance(1)  # the one look that was cut off comes after the others
    assert workflow.reconcile().moved == 6


def test_a_look_up_that_a_pass_cuts_off_does_not_count_in_the_schedule(world: World) -> None:
    """It says nothing about the gateway, so it raises no attention."""
    workflow = world.workflow()
    gateway = slow(world, find_by_key=1000)
    gateway.loses_answers = True
    change = world.apply(workflow)
    looks = workflow.get(change.id).expect_attempt().looks

    for _ in range(20):
        world.clock.advance(10)
        assert workflow.reconcile(seconds=1).failed == 1

    assert workflow.get(change.id).expect_attempt().looks == looks
    slow(world)
    world.clock.advance(10)
    workflow.reconcile()
    assert workflow.get(change.id).state == State.PENDING


@pytest.mark.parametrize("takes", [0.6, 1.5, 1000])
def test_list_that_takes_long_has_half_of_the_time(world: World, takes: float) -> None:
    """The changes that are due have the other half: a gateway whose list hangs still has its tickets read."""
    workflow = world.workflow(policy=TOGETHER)
    changes = approved(world, workflow, 3)
    gateway = slow(world, undelivered=takes)
    gateway.lists = [change.sn or "" for change in changes]
    gateway.asked.clear()
    began = world.clock.elapsed()

    report = workflow.reconcile(seconds=1)

    assert [call for call, _ in gateway.asked][:2] == ["undelivered", "results"]
    assert gateway.asked[1][1] - began == pytest.approx(0.5)
    assert (report.due, report.moved, report.undelivered, report.finished) == (3, 3, 0, True)


def test_list_that_knows_no_bound_is_all_that_a_pass_asks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that takes no budget may use up all of it. Nothing is claimed then, and nothing waits for a lease."""
    workflow = world.workflow()
    approved(world, workflow, 3)
    gateway = slow(world)
    gateway.asked.clear()

    def listed(_self: SlowGateway) -> list[str]:
        world.clock.advance(1)
        gateway.asked.append(("undelivered", world.clock.elapsed()))
        return []

    with monkeypatch.context() as patch:
        patch.setattr(SlowGateway, "undelivered", listed)
        report = workflow.reconcile(seconds=1)

    assert [call for call, _ in gateway.asked] == ["undelivered"]
    assert (report.due, report.undelivered, report.stopped) == (0, 0, "its time was used up")
    assert workflow.reconcile().moved == 3


def test_results_that_take_all_the_time_leave_the_tickets_due(world: World) -> None:
    """They were claimed for the results, and are let go of."""
    workflow = world.workflow(policy=TOGETHER)
    approved(world, workflow, 3)
    gateway = slow(world, results=1.5)
    gateway.asked.clear()

    report = workflow.reconcile(seconds=1)

    assert [call for call, _ in gateway.asked] == ["undelivered", "results"]
    assert (report.due, report.stopped) == (0, "its time was used up")
    assert workflow.reconcile().moved == 3


def test_commit_that_takes_all_the_time_leaves_the_changes_due(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway is not asked, and the claims are let go of."""
    workflow = world.workflow()
    approved(world, workflow, 3)
    gateway, commit = slow(world), world.store.commit
    gateway.asked.clear()

    def wait(writes: list[Write]) -> list[Conflict | None]:
        world.clock.advance(2)
        return commit(writes)

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "commit", wait)
        report = workflow.reconcile(seconds=1)

    assert [call for call, _ in gateway.asked] == ["undelivered"]
    assert (report.due, report.stopped) == (0, "its time was used up")
    assert workflow.reconcile().moved == 3


def test_pass_without_any_time_begins_nothing(world: World) -> None:
    """A scheduler may have none left to give."""
    workflow = world.workflow()
    approved(world, workflow, 3)
    gateway = slow(world)
    gateway.asked.clear()

    report = workflow.reconcile(seconds=0)

    assert (gateway.asked, report.due, report.stopped) == ([], 0, "its time was used up")


def test_effect_that_an_answer_makes_due_is_not_begun_after_the_time(world: World) -> None:
    """It stays due, and the next pass delivers it."""
    delivered: list[str] = []
    effect = Effect("start", lambda call: delivered.append(call.id))
    workflow = world.workflow(effects={State.APPROVED: [effect]})
    (change,) = approved(world, workflow, 1)
    slow(world, read=2)

    workflow.reconcile(seconds=1)

    assert (workflow.get(change.id).state, delivered) == (State.APPROVED, [])
    workflow.reconcile()
    assert len(delivered) == 1


def test_a_send_that_was_begun_has_the_time_that_it_needs(world: World) -> None:
    """An interrupted create may have filed a ticket without a record of it."""
    workflow = world.workflow()
    slow(world).is_down = True
    change = world.apply(workflow)
    slow(world, create=8).is_down = False
    world.clock.advance(31)

    report = workflow.reconcile(seconds=1)

    assert (report.moved, workflow.get(change.id).state) == (1, State.PENDING)


@pytest.mark.parametrize("takes", [10, 25, 50])
def test_no_claim_ages_while_others_are_asked_about(world: World, takes: float) -> None:
    """Another worker that passes by at any moment finds nothing to do, and each ticket is read once."""
    workflow, other = world.workflow(effects={}), world.workflow(effects={})
    changes = approved(world, workflow, 12)
    gateway = slow(world, read=takes, results=20)
    gateway.asked.clear()
    found: list[int] = []
    gateway.meanwhile = lambda: found.append(other.reconcile(readers=1).due)

    report = workflow.reconcile(readers=1)

    read = [call for call, _ in gateway.asked].count("read")
    assert (report.due, report.moved, read) == (len(changes), len(changes), len(changes))
    assert found == [0] * len(changes)
