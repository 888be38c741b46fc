"""Filing takes a bounded time, whatever the gateway does; what did not fit is the next pass's."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import Policy, State
from itsm_workflow.budget import Budget
from itsm_workflow.change import Phase
from itsm_workflow.errors import GatewayNotAsked
from itsm_workflow.gateway.protocol import Unknown
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.change import Form
    from itsm_workflow.gateway.protocol import CreateAnswer, CreateRequest, FoundTicket


class SlowGateway(LedgerGateway):
    """A gateway whose calls take time: seconds by the name of the call."""

    takes: dict[str, float]
    asked: list[str]
    budgets: list[Budget]

    def within(self, budget: Budget) -> SlowGateway:
        """Keep the budget, as a gateway does that can bound its calls."""
        self.budgets.append(budget)
        return self

    def _pass(self, call: str) -> None:
        self.asked.append(call)
        left = self.budgets[-1].left if self.budgets else 0.0
        if not left:
            raise GatewayNotAsked("not asked: the time is used up", endpoint=call)
        self._clock.advance(min(self.takes.get(call, 0), left))  # type: ignore[attr-defined] # a manual clock

    def service(self) -> str:
        """Look the service up."""
        self._pass("service")
        return super().service()

    def check_service_form(self, _form: Form, _service: str) -> Sequence[tuple[str, str, str]]:
        """Read the service's list of fields, where the test says how long that takes."""
        if "check_service_form" in self.takes:
            self._pass("check_service_form")
        return []

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Take some time, and lose the answer if it took too long."""
        self._pass("create")
        answer = super().create(request)
        return Unknown(problem="no answer in time") if self.takes.get("create", 0) > 12 else answer

    def find_by_key(self, *given: Any) -> Sequence[FoundTicket]:
        """Look for tickets."""
        self._pass("find_by_key")
        return super().find_by_key(*given)


@pytest.fixture
def world() -> World:
    """Return a world behind a slow gateway."""
    world = World(gateway=SlowGateway)
    gateway: Any = world.gateway
    gateway.takes, gateway.asked, gateway.budgets = {}, [], []
    return world


def test_filing_that_has_the_time_files_at_once(world: World) -> None:
    """The service, the create, and a look where it is needed, together within the budget."""
    gateway: Any = world.gateway
    gateway.takes = {"service": 4.9, "create": 10}

    change = world.apply(world.workflow())

    assert (change.state, gateway.asked) == (State.PENDING, ["service", "create"])
    assert world.clock.elapsed() <= 15


@pytest.mark.parametrize(("service", "looked"), [(0, 2), (2, 1.5), (4.2, 0.4), (4.6, 0), (4.99, 0)])
def test_the_services_list_of_fields_leaves_the_create_its_time(world: World, service: float, looked: float) -> None:
    """It takes half of what the create can spare, and not more than its own bound; it is not begun for less than a bit.

    Whatever it takes, the create is sent in the same call, as it would be without it.
    """
    gateway: Any = world.gateway
    gateway.takes = {"service": service, "check_service_form": 100, "create": 10}

    change = world.apply(world.workflow())

    assert change.state == State.PENDING
    assert gateway.asked == ["service", "check_service_form", "create"]
    assert world.clock.elapsed() == pytest.approx(service + looked + 10)
    assert world.clock.elapsed() <= 15


def test_the_time_for_that_list_is_a_policy(world: World) -> None:
    """Its longest time, and the least with which it begins."""
    gateway: Any = world.gateway
    gateway.takes = {"service": 4.2, "check_service_form": 100, "create": 1}
    policy = Policy(fields_most=dt.timedelta(seconds=1), fields_least=dt.timedelta(seconds=0.5))

    assert world.apply(world.workflow(policy=policy)).state == State.PENDING
    assert world.clock.elapsed() == pytest.approx(5.2)
    gateway.takes["service"] = 0
    assert world.apply(world.workflow(policy=policy), "collector-2").state == State.PENDING
    assert world.clock.elapsed() == pytest.approx(5.2 + 1 + 1)


def test_create_that_would_have_too_little_time_stays_queued(world: World) -> None:
    """It is stored, nothing was sent, and the next pass sends it."""
    gateway: Any = world.gateway
    gateway.takes = {"service": 5.1}
    workflow = world.workflow()

    change = world.apply(workflow)

    assert (change.state, change.expect_attempt().phase) == (State.APPLYING, Phase.QUEUED)
    assert gateway.asked == ["service"]
    gateway.budgets.clear()
    gateway.within(Budget(1000, elapsed=world.clock.elapsed))
    workflow.reconcile()
    assert workflow.get(change.id).state == State.PENDING
    assert len(world.ledger.tickets()) == 1


def test_create_whose_commit_took_the_time_is_not_cut_short(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is put back; a create is begun with its least time or not at all."""
    commit = world.store.commit

    def slow(*given: Any) -> list[Any]:
        world.clock.advance(6)
        return list(commit(*given))

    monkeypatch.setattr(world.store, "commit", slow)
    change = world.apply(world.workflow())

    assert (change.state, change.expect_attempt().phase) == (State.APPLYING, Phase.QUEUED)
    assert "create" not in world.gateway.asked  # type: ignore[attr-defined] # the slow gateway's
    assert world.ledger.tickets() == ()


def test_look_ups_that_do_not_fit_are_the_next_passes(world: World) -> None:
    """After a create that took all of the time, nothing more is asked, and nothing is counted as a look-up."""
    gateway: Any = world.gateway
    gateway.takes = {"create": 20}

    change = world.apply(world.workflow())

    assert (change.expect_attempt().phase, change.expect_attempt().looks) == (Phase.UNKNOWN, 0)
    assert gateway.asked == ["service", "create"]
    assert world.clock.elapsed() <= 15
