"""Faults in front of a gateway: what each does to each call, to which call it applies, and what stays as it is."""

from __future__ import annotations

import inspect
from collections import Counter
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.errors import GatewayError, GatewayRefused, GatewayTimeout, GatewayUnavailable
from itsm_workflow.gateway import protocol
from itsm_workflow.gateway.protocol import (
    CarriesSettings,
    NotSent,
    Refused,
    SentTicket,
    SupportsRest,
    TicketGateway,
    Unknown,
)
from itsm_workflow.machine.evidence import Withdrawal
from itsm_workflow.sandbox.ledger import Ledger
from itsm_workflow.testing import GatewayFaults, LedgerGateway, ManualClock
from itsm_workflow.testing.faulty_gateway import BY_NAME, CALLS
from tests.support.gateways import create_request, ticket

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from itsm_workflow.testing import MemorySandbox

PORT = [
    kind
    for _, kind in inspect.getmembers(protocol, inspect.isclass)
    if kind.__module__ == protocol.__name__ and getattr(kind, "_is_protocol", False)
]


class Counted:
    """A gateway that counts the calls that arrive."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.faults = GatewayFaults(clock=self.clock)
        self.arrived: Counter[str] = Counter()
        inner = SimpleNamespace(**{name: self._method(name) for name in CALLS})
        self.gateway: Any = self.faults.wrap(inner)

    def ask(self, call: str) -> object:
        """Call a method; return its answer, or the type of the error."""
        try:
            return getattr(self.gateway, call)()
        except GatewayError as error:
            return type(error)

    def _method(self, name: str) -> Callable[[], str]:
        def count() -> str:
            self.arrived[name] += 1
            return f"{name} {self.arrived[name]}"

        return count


@pytest.fixture
def counted() -> Counted:
    """Return such a gateway."""
    return Counted()


def ledger_gateway() -> LedgerGateway:
    """Return a gateway with nearly all abilities."""
    clock = ManualClock()
    return LedgerGateway(Ledger(clock=clock.peek, random=Random(0)), clock=clock)


# ---------------------------------------------------------------- without a fault


class Timed(LedgerGateway):
    """A gateway with the other abilities."""

    def within(self, _budget: object) -> Timed:
        """Return itself."""
        return self

    def resting(self) -> str:
        """Return no reason."""
        return ""

    def time(self) -> dt.datetime:
        """Return the clock's time."""
        return self._clock.now()

    def check_service_form(self, _form: object, _service: str) -> list[Any]:
        """Return no problems."""
        return []


@pytest.mark.parametrize("kind", PORT, ids=lambda kind: kind.__name__)
def test_wrapped_gateway_has_exactly_the_abilities_of_the_gateway(kind: type) -> None:
    """Also those that are checked without calling the gateway, and none that it lacks."""
    clock = ManualClock()
    bare = SimpleNamespace(name="bare", **{name: int for name in dir(TicketGateway) if not name.startswith("_")})
    ledger = Ledger(clock=clock.peek, random=Random(0))
    for gateway in (bare, LedgerGateway(ledger, clock=clock), Timed(ledger, clock=clock)):
        assert isinstance(GatewayFaults().wrap(gateway), kind) == isinstance(gateway, kind), gateway


def test_each_ability_is_known_to_the_wrapper() -> None:
    """The gateway with all abilities has each, so the test above compares something."""
    clock = ManualClock()
    gateway = GatewayFaults().wrap(Timed(Ledger(clock=clock.peek, random=Random(0)), clock=clock))
    assert [kind.__name__ for kind in PORT if not isinstance(gateway, kind)] == []


def test_attributes_are_those_of_the_gateway() -> None:
    """Read and set; the settings are read when they are needed."""
    gateway = ledger_gateway()
    wrapped = GatewayFaults().wrap(gateway)
    wrapped.settings = attrs.evolve(gateway.settings, key_prefix="bk")
    assert isinstance(wrapped, CarriesSettings)
    assert (gateway.settings.key_prefix, wrapped.settings.key_prefix, wrapped.name) == ("bk", "bk", "bk_itsm")
    assert wrapped.ledger is gateway.ledger
    assert isinstance(wrapped, LedgerGateway)


def test_method_that_is_set_on_the_wrapped_gateway_is_a_method_of_the_gateway() -> None:
    """Its calls fail as well; an ability that it adds is seen, and one that is deleted is gone."""
    faults = GatewayFaults()
    gateway = ledger_gateway()
    wrapped: Any = faults.wrap(gateway)
    before = wrapped.undelivered
    wrapped.resting = lambda: "it rests"
    wrapped.undelivered = lambda: [*before(), "REQ7"]
    faults.unreachable("undelivered")
    with pytest.raises(GatewayUnavailable):
        wrapped.undelivered()
    assert (wrapped.undelivered(), gateway.undelivered()) == (["REQ7"], ["REQ7"])
    able = isinstance(wrapped, SupportsRest)
    del wrapped.resting, wrapped.undelivered
    assert (able, isinstance(wrapped, SupportsRest)) == (True, False)
    assert (wrapped.undelivered(), vars(gateway).get("undelivered")) == ([], None)


@pytest.mark.parametrize("call", CALLS)
def test_call_without_a_fault_is_carried_out(counted: Counted, call: str) -> None:
    """Its answer is the gateway's."""
    assert (counted.ask(call), counted.arrived) == (f"{call} 1", {call: 1})


# ---------------------------------------------------------------- what a fault does

NO_CONNECTION = (NotSent(problem="no connection"), GatewayUnavailable, GatewayUnavailable)
NO_ANSWER = (Unknown(problem="no answer in time"), GatewayTimeout, Withdrawal.UNKNOWN)
LOST_ANSWER = (Unknown(problem="the answer was lost"), GatewayTimeout, Withdrawal.UNKNOWN)
REFUSED = (Refused(remote_code=3900003, message="an armed fault"), GatewayRefused, GatewayRefused)
ERROR = GatewayTimeout("late", endpoint="read")
EFFECTS: dict[str, tuple[Callable[[GatewayFaults, str], object], bool, tuple[object, ...]]] = {
    "unreachable": (lambda faults, call: faults.unreachable(call), False, NO_CONNECTION),
    "time out": (lambda faults, call: faults.time_out(call), False, NO_ANSWER),
    "answer lost": (lambda faults, call: faults.lose_answer(call), True, LOST_ANSWER),
    "late": (lambda faults, call: faults.deliver_late(call, 60), False, NO_ANSWER),
    "refused": (lambda faults, call: faults.refuse(call, 3900003), False, REFUSED),
    "refused, but done": (lambda faults, call: faults.refuse(call, 3900003, processed=True), True, REFUSED),
    "garbage": (lambda faults, call: faults.answer(call, "<html>"), False, ("<html>",) * 3),
    "another answer": (lambda faults, call: faults.answer(call, 7, processed=True), True, (7,) * 3),
    "raises": (lambda faults, call: faults.answer(call, ERROR), False, (GatewayTimeout,) * 3),
    "replaced": (
        lambda faults, call: faults.intercept(call, lambda one: f"{one.name}: {one.deliver()}"),
        True,
        ("create: create 1", "read: read 1", "withdraw: withdraw 1"),
    ),
}


@pytest.mark.parametrize("fault", EFFECTS)
def test_fault_fails_each_call_in_its_own_way_and_the_next_call_succeeds(counted: Counted, fault: str) -> None:
    """Answers of a create and a withdrawal, errors of a read; carried out or not."""
    arm, arrives, answers = EFFECTS[fault]
    for call, answer in zip(("create", "read", "withdraw"), answers, strict=True):
        arm(counted.faults, call)
        assert (counted.ask(call), counted.arrived[call]) == (answer, int(arrives)), call
        assert counted.ask(call) == f"{call} {1 + arrives}"


def test_refusal_carries_its_code(counted: Counted) -> None:
    """3900004 by default."""
    counted.faults.refuse("read")
    counted.faults.refuse("read", 3900022, nth=2)
    codes = []
    for _ in range(2):
        with pytest.raises(GatewayRefused) as caught:
            counted.gateway.read()
        codes.append(caught.value.remote_code)
    assert codes == [3900004, 3900022]


def test_intercepting_function_gets_the_arguments(itsm_sandbox: MemorySandbox) -> None:
    """Positional and named ones, and it may return another answer than the gateway's."""
    seen: list[object] = []
    itsm_sandbox.faults.intercept("create", lambda call: seen.append((call.name, *call.args, *call.kwargs)))
    request = create_request()
    answer: object = itsm_sandbox.gateway.create(request)
    assert (answer, seen) == (None, [("create", request)])


def test_something_happens_while_a_call_is_under_way(counted: Counted) -> None:
    """In addition to its fault, and before the call is carried out; it is cleared like a fault."""
    seen: list[int] = []
    counted.faults.meanwhile("read", lambda: seen.append(counted.arrived["read"]), always=True)
    counted.faults.lose_answer("read")
    assert [counted.ask("read") for _ in range(2)] == [GatewayTimeout, "read 2"]
    counted.faults.clear("read")
    counted.ask("read")
    assert seen == [0, 1]


def test_calls_are_listed_in_order(counted: Counted) -> None:
    """Also those that do not arrive."""
    counted.faults.unreachable("read")
    for call in ("create", "read", "create"):
        counted.ask(call)
    assert [call.name for call in counted.faults.calls] == ["create", "read", "create"]


# ---------------------------------------------------------------- to which call


def test_fault_applies_to_the_nth_call_since_it_was_armed(counted: Counted) -> None:
    """Calls of other methods do not count."""
    counted.ask("read")
    armed = counted.faults.time_out("read", nth=2)
    answers = [counted.ask(call) for call in ("read", "create", "read", "read")]
    assert answers == ["read 2", "create 1", GatewayTimeout, "read 3"]
    assert (armed.calls, armed.hits) == (3, 1)


def test_fault_that_lasts_applies_from_the_nth_call_until_it_is_cleared(counted: Counted) -> None:
    """Faults of other calls stay armed."""
    armed = counted.faults.time_out("read", nth=2, always=True)
    counted.faults.unreachable("results")
    assert [counted.ask("read") for _ in range(3)] == ["read 1", GatewayTimeout, GatewayTimeout]
    counted.faults.clear("read")
    assert (counted.ask("read"), counted.ask("results"), armed.hits) == ("read 2", GatewayUnavailable, 2)
    counted.faults.time_out(always=True)
    counted.faults.clear()
    assert counted.ask("read") == "read 3"


def test_first_armed_fault_applies_where_two_are_due(counted: Counted) -> None:
    """The other one has had its call."""
    counted.faults.unreachable("read")
    counted.faults.time_out()
    assert [counted.ask("read") for _ in range(2)] == [GatewayUnavailable, "read 1"]


@pytest.mark.parametrize("call", CALLS)
def test_fault_of_any_call_applies_to_each_that_always_asks_the_ticket_system(counted: Counted, call: str) -> None:
    """A gateway usually takes the service from its settings."""
    counted.faults.unreachable()
    counted.ask(call)
    assert counted.arrived[call] == (call in BY_NAME)


def test_calls_of_derived_gateways_fail_as_well() -> None:
    """One with a budget, and one that compares what it reads."""
    clock = ManualClock()
    faults = GatewayFaults(clock=clock)
    gateway = faults.wrap(Timed(Ledger(clock=clock.peek, random=Random(0)), clock=clock))
    request = create_request()
    sent = SentTicket(form=request.form, attempt=request.attempt, made_after=clock.peek())
    faults.unreachable(always=True)
    for one in (gateway.within(None), gateway.comparing(sent), gateway.within(None).comparing(sent)):
        with pytest.raises(GatewayUnavailable):
            one.find_by_key(sent)


# ---------------------------------------------------------------- late requests


def test_late_requests_arrive_in_the_order_of_their_times(counted: Counted) -> None:
    """At the first call after their time, or when the test asks for it; clearing the faults does not stop them."""
    for call, seconds in (("create", 60), ("withdraw", 30), ("suspend", 20)):
        counted.faults.deliver_late(call, seconds)
        counted.ask(call)
    counted.faults.clear()
    counted.clock.advance(19)
    assert (counted.faults.deliver_due(), counted.arrived) == (0, {})
    counted.clock.advance(11)
    assert (counted.ask("read"), list(counted.arrived)) == ("read 1", ["suspend", "withdraw", "read"])
    counted.clock.advance(30)
    assert (counted.faults.deliver_due(), counted.faults.deliver_due(), counted.arrived["create"]) == (1, 0, 1)


def test_refusal_of_a_late_request_reaches_nobody(itsm_sandbox: MemorySandbox) -> None:
    """Its caller has long had an answer."""
    itsm_sandbox.faults.deliver_late("withdraw", 1)
    unknown = ticket(sn="REQ0")
    answer = itsm_sandbox.gateway.withdraw(unknown, operator="alice", reason="no")
    with pytest.raises(GatewayRefused):
        itsm_sandbox.gateway.withdraw(unknown, operator="alice", reason="no")
    itsm_sandbox.pass_time(1)
    assert answer is Withdrawal.UNKNOWN


# ---------------------------------------------------------------- at random


def outcomes(seed: int, rate: float) -> list[str]:
    """Return what becomes of a hundred creates."""
    counted = Counted()
    counted.faults.at_random(Random(seed), rate)
    return [f"{counted.ask('create')}, {counted.arrived['create']}" for _ in range(100)]


def test_seed_repeats_the_faults() -> None:
    """Another seed draws others; about as many calls fail as the rate says."""
    assert outcomes(1, 0.5) == outcomes(1, 0.5) != outcomes(2, 0.5)
    whole = Counter(line.split("(")[0].split(" ")[0] for line in outcomes(1, 0.5))
    assert set(whole) == {"create", "NotSent", "Unknown", "Refused"}
    assert 30 <= whole["create"] <= 70


def test_rate_is_from_never_to_always() -> None:
    """An armed fault comes first, and `clear` ends the random ones."""
    assert outcomes(1, 0) == [f"create {number}, {number}" for number in range(1, 101)]
    assert not any(line.startswith("create") for line in outcomes(1, 1))
    counted = Counted()
    counted.faults.at_random(Random(1), 1)
    counted.faults.answer("read", "armed")
    assert (counted.ask("read"), counted.ask("service")) == ("armed", "service 1")
    counted.faults.clear()
    assert counted.ask("read") == "read 1"


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        (lambda faults: faults.time_out("create_ticket"), "call: must be 'any' or one of create, read"),
        (lambda faults: faults.time_out("read", nth=0), "nth: must be at least 1, not 0"),
        (lambda faults: faults.time_out("read", always="no"), "always: must be True or False, not 'no'"),
        (lambda faults: faults.refuse("read", processed="no"), "processed: must be True or False, not 'no'"),
        (lambda faults: faults.answer("read", 1, processed=None), "processed: must be True or False, not None"),
        (lambda faults: faults.deliver_late("create", -1), "seconds: must be at least 0, not -1"),
        (lambda faults: faults.at_random(Random(0), 1.5), "rate: must be from 0 to 1, not 1.5"),
    ],
)
def test_fault_that_could_never_apply_is_rejected(arm: Callable[[GatewayFaults], object], message: str) -> None:
    """With the name of the argument, and the values that it can have."""
    with pytest.raises(ValueError, match=message):
        arm(GatewayFaults())
