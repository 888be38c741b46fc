"""Faults between a workflow and its ticket system, for tests: calls fail, answers are lost, requests arrive late.

``faults.lose_answer("create")`` arms a fault for the next create, ``nth=3`` for the third create from now, and
``always=True`` for every create from the n-th on. At most one fault applies to a call: the one that was armed first.
The faults of `itsm_workflow.sandbox` have the same names where they do the same to the HTTP exchange.
"""

from __future__ import annotations

import contextlib
import threading
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from itsm_workflow.clock import SystemClock
from itsm_workflow.errors import GatewayError, GatewayRefused, GatewayTimeout, GatewayUnavailable
from itsm_workflow.gateway.protocol import NotSent, Refused, Unknown
from itsm_workflow.machine.evidence import Withdrawal
from itsm_workflow.testing.faulty_gateway import BY_NAME, CALLS, FaultyGateway, FaultyGatewayWithSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from itsm_workflow.clock import Clock
    from itsm_workflow.testing.faulty_gateway import GatewayCall

GatewayT = TypeVar("GatewayT")
Strike: TypeAlias = "Callable[[GatewayCall], object]"

ANY_CALL = "any"
"""Stands for every call that always asks the ticket system: all but `service` and `check_service_form`."""

REFUSED = 3900004
"""The code of a refusal by default, with which BK-ITSM refuses most calls."""


class ArmedFault:
    """A fault that waits for its call.

    Attributes:
        call: The name of the method, or `ANY_CALL`.
        calls: The number of such calls since the fault was armed.
        hits: The number of calls to which the fault applied.
    """

    def __init__(self, call: str, strike: Strike, *, nth: int, always: bool) -> None:
        self.call = call
        self.calls: int = 0
        self.hits = 0
        self._strike = strike
        self._nth = nth
        self._always = always

    def count(self, name: str) -> Strike | None:
        """Count a call of a method, and return what replaces the call if the fault is due."""
        if self.call != name and (self.call != ANY_CALL or name in BY_NAME):
            return None
        self.calls += 1
        return self._strike if self.calls == self._nth or (self._always and self.calls > self._nth) else None


class GatewayFaults:
    """Faults of the calls to a gateway, by a schedule or by a seeded source. Thread-safe.

    Each method that arms a fault takes the name of a method of the gateway, or `ANY_CALL`; ``nth``, the number of the
    affected call, counted from 1 since the fault was armed; and ``always``, whether every later call is affected as
    well. It raises ValueError for any other name, and for a number below 1.

    Args:
        clock: Source of the time at which late requests arrive.

    Attributes:
        calls: The calls so far, in order, those that a fault struck included; a test may clear the list.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = SystemClock() if clock is None else clock
        self.calls: list[GatewayCall] = []
        self._lock = threading.Lock()
        self._armed: list[ArmedFault] = []
        self._acts: list[ArmedFault] = []
        self._late: list[tuple[float, GatewayCall]] = []
        self._drawn: tuple[Random, float] | None = None

    def wrap(self, gateway: GatewayT) -> GatewayT:
        """Return the gateway with these faults in front of it.

        The result has the abilities and the attributes of the gateway. Several gateways may share the faults.
        """
        kind = FaultyGatewayWithSettings if hasattr(gateway, "settings") else FaultyGateway
        return cast("GatewayT", kind(gateway, self.carry_out))

    # ---------------------------------------------------------------- faults

    def unreachable(self, call: str = ANY_CALL, *, nth: int = 1, always: bool = False) -> ArmedFault:
        """Send nothing: a create answers `NotSent`, any other call raises `GatewayUnavailable`."""
        return self.intercept(call, _unreachable, nth=nth, always=always)

    def time_out(self, call: str = ANY_CALL, *, nth: int = 1, always: bool = False) -> ArmedFault:
        """Lose the request: a create and a withdrawal answer *unknown*, any other call raises `GatewayTimeout`."""
        return self.intercept(call, _unanswered, nth=nth, always=always)

    def lose_answer(self, call: str = ANY_CALL, *, nth: int = 1, always: bool = False) -> ArmedFault:
        """Carry out the call, then fail as `time_out` does."""
        return self.intercept(call, _answer_lost, nth=nth, always=always)

    def deliver_late(self, call: str, seconds: float, *, nth: int = 1, always: bool = False) -> ArmedFault:
        """Fail as `time_out` does, and carry out the call some seconds later, see `deliver_due`."""
        if not seconds >= 0:
            raise ValueError(f"seconds: must be at least 0, not {seconds!r}")
        return self.intercept(call, partial(self._delayed, seconds=seconds), nth=nth, always=always)

    def refuse(
        self, call: str = ANY_CALL, code: int = REFUSED, *, processed: bool = False, nth: int = 1, always: bool = False
    ) -> ArmedFault:
        """Refuse the call as the ticket system does; with ``processed=True`` it is carried out nevertheless.

        A create answers `Refused`, any other call raises `GatewayRefused`. BK-ITSM refuses with 3900003 a form that it
        does not accept, with 3900022 a number that no ticket has, and with 3900004 everything else.
        """
        _check_flag("processed", processed)
        return self.intercept(call, partial(_refused, code=code, processed=processed), nth=nth, always=always)

    def answer(
        self, call: str, answer: object, *, processed: bool = False, nth: int = 1, always: bool = False
    ) -> ArmedFault:
        """Return another answer, or raise it if it is an exception; with ``processed=True`` after the call.

        The answer may be garbage: an object of a type that the port does not declare.
        """
        _check_flag("processed", processed)
        return self.intercept(call, partial(_answered, answer=answer, processed=processed), nth=nth, always=always)

    def intercept(self, call: str, function: Strike, *, nth: int = 1, always: bool = False) -> ArmedFault:
        """Let a function carry out the call: it takes the `GatewayCall`, and its result is the answer."""
        return self._arm(self._armed, call, function, nth=nth, always=always)

    def meanwhile(self, call: str, act: Callable[[], object], *, nth: int = 1, always: bool = False) -> ArmedFault:
        """Let something happen while the call is under way: call a function, in addition to the call and its fault."""
        return self._arm(self._acts, call, lambda _: act(), nth=nth, always=always)

    def at_random(self, random: Random, rate: float) -> None:
        """From now on, let each call fail with a probability, unless an armed fault applies to it.

        Such a call is unreachable, timed out, refused, or its answer is lost, each as often.

        Args:
            random: Source of the choices; the same seed makes the same choices for the same calls.
            rate: The probability, from 0 to 1.
        """
        if not 0 <= rate <= 1:
            raise ValueError(f"rate: must be from 0 to 1, not {rate!r}")
        with self._lock:
            self._drawn = random, rate

    def clear(self, call: str | None = None) -> None:
        """Disarm the faults of one call, or all faults, those at random included. Late requests still arrive."""
        with self._lock:
            for waiting in (self._armed, self._acts):
                waiting[:] = [armed for armed in waiting if call not in {None, armed.call}]
            if call is None:
                self._drawn = None

    # ---------------------------------------------------------------- calls

    def carry_out(self, call: GatewayCall) -> object:
        """Carry out a call, with the fault that applies to it. The wrapped gateway calls this for each of its calls."""
        self.deliver_due()
        with self._lock:
            self.calls.append(call)
            acts = [act for armed in self._acts if (act := armed.count(call.name)) is not None]
            strike = self._take(call.name)
        for act in acts:
            act(call)
        return call.deliver() if strike is None else strike(call)

    def later(self, seconds: float, call: GatewayCall) -> None:
        """Keep a late request; a subclass with a scheduler of its own may schedule it."""
        with self._lock:
            self._late.append((self._clock.elapsed() + seconds, call))

    def deliver_due(self) -> int:
        """Carry out the late requests that are due, the earliest first; each call of the gateway does this as well.

        Returns:
            The number of requests.
        """
        now = self._clock.elapsed()
        with self._lock:
            due = sorted((one for one in self._late if one[0] <= now), key=lambda one: one[0])
            self._late = [one for one in self._late if one[0] > now]
        for _, call in due:
            with contextlib.suppress(GatewayError):  # its caller no longer waits
                call.deliver()
        return len(due)

    def _arm(self, waiting: list[ArmedFault], call: str, strike: Strike, *, nth: int, always: bool) -> ArmedFault:
        if call != ANY_CALL and call not in CALLS:
            raise ValueError(f"call: must be {ANY_CALL!r} or one of {', '.join(CALLS)}, not {call!r}")
        if not nth >= 1:
            raise ValueError(f"nth: must be at least 1, not {nth!r}")
        _check_flag("always", always)
        armed = ArmedFault(call, strike, nth=nth, always=always)
        with self._lock:
            waiting.append(armed)
        return armed

    def _delayed(self, call: GatewayCall, *, seconds: float) -> object:
        self.later(seconds, call)
        return _unanswered(call)

    def _take(self, name: str) -> Strike | None:
        chosen = None
        for armed in self._armed:
            strike = armed.count(name)
            if strike is not None and chosen is None:
                chosen = strike
                armed.hits += 1
        if chosen is None and self._drawn is not None and name not in BY_NAME:
            random, rate = self._drawn
            if random.random() < rate:
                return random.choice((_unreachable, _unanswered, _answer_lost, _refused))
        return chosen


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{name}: must be True or False, not {value!r}")  # noqa: TRY004 - as the other arguments


def _unreachable(call: GatewayCall) -> object:
    if call.name == "create":
        return NotSent(problem="no connection")
    raise GatewayUnavailable("no connection", endpoint=call.name)


def _unanswered(call: GatewayCall, problem: str = "no answer in time") -> object:
    if call.name == "create":
        return Unknown(problem=problem)
    if call.name == "withdraw":
        return Withdrawal.UNKNOWN
    raise GatewayTimeout(problem, endpoint=call.name)


def _answer_lost(call: GatewayCall) -> object:
    call.deliver()
    return _unanswered(call, "the answer was lost")


def _refused(call: GatewayCall, *, code: int = REFUSED, processed: bool = False) -> object:
    if processed:
        call.deliver()
    if call.name == "create":
        return Refused(remote_code=code, message="an armed fault")
    raise GatewayRefused("an armed fault", endpoint=call.name, remote_code=code)


def _answered(call: GatewayCall, *, answer: object, processed: bool) -> object:
    if processed:
        call.deliver()
    if isinstance(answer, BaseException):
        raise answer
    return answer
