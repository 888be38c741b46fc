"""Faults as data: kinds of faults, single faults, and the faults that a seed draws."""

from __future__ import annotations

import enum
import math
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STORE = ("commit", "get", "find", "history")
GATEWAY = ("create", "read", "results", "find_by_key", "find_by_sn", "withdraw", "undelivered", "verify_token")
EVERY_CALL = (*STORE, *GATEWAY, "effect")


class Failure(enum.StrEnum):
    """The kinds of faults."""

    CRASH_BEFORE = "crash_before"
    """The process crashes before the call is made."""
    CRASH_AFTER = "crash_after"
    """The process crashes after the call was made, before it gets the answer."""
    STOPPED_BEFORE = "stopped_before"
    """The process stops before the call is made; the others continue."""
    STOPPED_AFTER = "stopped_after"
    """The process stops before it gets the answer."""
    UNAVAILABLE = "unavailable"
    """The call is not carried out and the caller gets an error; this lasts for a time."""
    ANSWER_LOST = "answer_lost"
    """The call is carried out, but the caller gets an error: a commit raises, or a create gets no answer."""
    CONFLICT = "conflict"
    """Another process writes the change first."""
    NOT_SENT = "not_sent"
    """It is certain that no byte of the create was sent."""
    REFUSED = "refused"
    """The ticket system refuses a create."""
    REFUSED_FILED = "refused_filed"
    """The ticket system refuses a create, but files the ticket."""
    BORN_LATE = "born_late"
    """A create gets no answer, and its ticket appears later."""
    FLOW_LATE = "flow_late"
    """The ticket's flow starts late."""
    REJECTED = "rejected"
    """The approver rejects the ticket."""
    IGNORED = "ignored"
    """The approver decides days later."""
    SUSPENDED = "suspended"
    """The approver suspends the ticket, and decides later."""
    TERMINATED = "terminated"
    """The approver terminates the ticket."""
    WITHDRAWN = "withdrawn"
    """The applicant withdraws the ticket in the ticket system."""
    REVIVED = "revived"
    """The applicant withdraws the ticket before its flow has started, but the ticket is decided nevertheless."""
    JAMMED = "jammed"
    """Two simultaneous approvals leave a ticket that cannot be decided."""
    FOREIGN = "foreign"
    """Another party's ticket gets the same number."""
    EARLY_CALLBACK = "early_callback"
    """A callback arrives before the create is answered."""
    FORGED_CALLBACK = "forged_callback"
    """A forged callback without the credential reports that the ticket was approved."""
    LYING_CALLBACK = "lying_callback"
    """A callback with the credential falsely reports that the ticket was approved."""
    CALLBACK_LOST = "callback_lost"
    """The ticket system's worker crashes during a callback; the callback is not listed as undelivered."""
    CALLBACK_REFUSED = "callback_refused"
    """The callback's connection breaks; it is listed as undelivered."""
    CALLBACK_LATE = "callback_late"
    """The callback arrives later."""
    CALLBACK_DOUBLED = "callback_doubled"
    """The callback arrives once more."""
    ASKED_TWICE = "asked_twice"
    """The applicant submits the same change twice at the same time."""
    WITHDRAWAL_ASKED = "withdrawal_asked"
    """The applicant asks the host to withdraw the change."""
    CLOCK_JUMP = "clock_jump"
    """The wall clock of the processes' machines is set forwards or backwards."""


@attrs.frozen(kw_only=True)
class Fault:
    """One fault.

    Attributes:
        kind: Its kind.
        point: The call that it strikes, or ``ticket``, ``callback``, ``change``, ``call`` (any call at all).
        number: The occurrence of the point in the run, from 1.
        seconds: The length or the delay, for kinds that have one.

    Raises:
        TypeError: The kind is not a `Failure`, or the number is not a whole number.
        ValueError: The kind never strikes at that point, or the number is less than 1, so the fault would never strike.
    """

    kind: Failure = attrs.field()
    point: str = attrs.field()
    number: int = attrs.field(default=1)
    seconds: float = 0.0

    @kind.validator
    def _check_kind(self, _field: object, kind: object) -> None:
        checked_kind(kind, "kind")

    @point.validator
    def _check_point(self, _field: object, point: object) -> None:
        points = _REACH[self.kind].points
        if point not in points:
            raise ValueError(f"point: {self.kind.value} never strikes at {point!r}, only at {', '.join(points)}")

    @number.validator
    def _check_number(self, _field: object, number: object) -> None:
        if not isinstance(number, int) or isinstance(number, bool):
            raise TypeError(f"number: must be a whole number from 1, not {number!r}")
        if number < 1:
            raise ValueError(f"number: is counted from 1, so nothing is struck at {number}")

    def __str__(self) -> str:
        """Return the fault as one line."""
        length = f", {self.seconds:g} s" if self.seconds else ""
        return f"{self.kind.value} at {self.point} {self.number}{length}"


@attrs.frozen(kw_only=True)
class _Reach:
    """The points at which a kind can strike, the latest occurrence, and the greatest length."""

    points: tuple[str, ...]
    latest: int = 3
    seconds: tuple[float, float] | None = None
    backwards: bool = False


_TICKET = _Reach(points=("ticket",))
_REACH = {
    Failure.CRASH_BEFORE: _Reach(points=EVERY_CALL, latest=12),
    Failure.CRASH_AFTER: _Reach(points=EVERY_CALL, latest=12),
    Failure.STOPPED_BEFORE: _Reach(points=EVERY_CALL, latest=8, seconds=(0.5, 2000)),
    Failure.STOPPED_AFTER: _Reach(points=EVERY_CALL, latest=8, seconds=(0.5, 2000)),
    Failure.UNAVAILABLE: _Reach(points=EVERY_CALL, latest=8, seconds=(0.1, 3000)),
    Failure.ANSWER_LOST: _Reach(points=("commit", *GATEWAY, "effect"), latest=8),
    Failure.CONFLICT: _Reach(points=("commit",), latest=15),
    Failure.NOT_SENT: _Reach(points=("create",)),
    Failure.REFUSED: _Reach(points=("create",)),
    Failure.REFUSED_FILED: _Reach(points=("create",)),
    Failure.BORN_LATE: _Reach(points=("create",), seconds=(0.1, 5000)),
    Failure.FLOW_LATE: _Reach(points=("ticket",), seconds=(1, 4000)),
    Failure.REJECTED: _TICKET,
    Failure.IGNORED: _Reach(points=("ticket",), seconds=(20_000, 300_000)),
    Failure.SUSPENDED: _TICKET,
    Failure.TERMINATED: _TICKET,
    Failure.WITHDRAWN: _TICKET,
    Failure.REVIVED: _TICKET,
    Failure.JAMMED: _TICKET,
    Failure.FOREIGN: _Reach(points=("ticket",), seconds=(0.1, 4000)),
    Failure.EARLY_CALLBACK: _TICKET,
    Failure.FORGED_CALLBACK: _Reach(points=("ticket",), seconds=(0.1, 2000)),
    Failure.LYING_CALLBACK: _Reach(points=("ticket",), seconds=(0.1, 2000)),
    Failure.CALLBACK_LOST: _Reach(points=("callback",)),
    Failure.CALLBACK_REFUSED: _Reach(points=("callback",)),
    Failure.CALLBACK_LATE: _Reach(points=("callback",), seconds=(10, 10_000)),
    Failure.CALLBACK_DOUBLED: _Reach(points=("callback",), seconds=(0.1, 2000)),
    Failure.ASKED_TWICE: _Reach(points=("change",)),
    Failure.WITHDRAWAL_ASKED: _Reach(points=("change",), seconds=(0.1, 5000)),
    Failure.CLOCK_JUMP: _Reach(points=("call",), latest=60, seconds=(1, 200_000), backwards=True),
}


def checked_kind(value: object, argument: str) -> Failure:
    """Return an argument as a kind of faults.

    Args:
        value: The value.
        argument: The name of the argument.

    Raises:
        TypeError: It is not a kind.
    """
    if isinstance(value, Failure):
        return value
    meant = [kind.name for kind in Failure if isinstance(value, str) and value.lower() == kind.value]
    raise TypeError(
        f"{argument}: {value!r} is not a Failure; pass {f'Failure.{meant[0]}' if meant else 'one of list(Failure)'}"
    )


_OF_BK_ITSM = frozenset(kind for kind, reach in _REACH.items() if reach.points in {("ticket",), ("callback",)}) - {
    Failure.REJECTED,
    Failure.IGNORED,
}


def strikes_any_system(kind: Failure) -> bool:
    """Return whether a kind strikes any ticket system, and not only the model of BK-ITSM with its callbacks."""
    return kind not in _OF_BK_ITSM


_HOW_MANY = (0, 1, 2, 2, 3, 4, 6, 8)
_ANYWHERE = frozenset(kind for kind, reach in _REACH.items() if reach.points == EVERY_CALL) | {Failure.ANSWER_LOST}
_MOST_TOLD = ("commit", "create", "read")  # the calls whose answers matter most


def draw_faults(seed: int, kinds: Iterable[Failure] = tuple(Failure)) -> tuple[Fault, ...]:
    """Return the faults of a seed, drawn from some kinds.

    Raises:
        TypeError: One of them is not a kind.
    """
    random = Random(f"{seed}/faults")  # noqa: S311 - repeatable, not secret
    among = tuple(checked_kind(kind, "kinds") for kind in kinds)
    if not among:
        return ()
    weights = [4 if kind in _ANYWHERE else 1 for kind in among]  # these have many more places to strike
    return tuple(_draw(random, kind) for kind in random.choices(among, weights, k=random.choice(_HOW_MANY)))


def _draw(random: Random, kind: Failure) -> Fault:
    reach = _REACH[kind]
    number = min(1 + int(random.expovariate(3 / reach.latest)), 3 * reach.latest)
    seconds = 0.0
    if reach.seconds is not None:
        low, high = map(math.log, reach.seconds)
        seconds = round(math.exp(random.uniform(low, high)), 1)
        if reach.backwards and random.random() < 0.5:
            seconds = -seconds
    points = _MOST_TOLD if kind in _ANYWHERE and random.random() < 0.5 else reach.points
    return Fault(kind=kind, point=random.choice(points), number=number, seconds=seconds)


class Struck:
    """The faults of a run in progress: it counts occurrences, and returns the faults that strike.

    Args:
        faults: The faults.
        elapsed: Source of the seconds since the run began.
        on_strike: Called with each fault that strikes.
    """

    def __init__(
        self, faults: Iterable[Fault], *, elapsed: Callable[[], float], on_strike: Callable[[Fault], object]
    ) -> None:
        self._at: dict[tuple[str, int], list[Fault]] = {}
        for fault in faults:
            self._at.setdefault((fault.point, fault.number), []).append(fault)
        self._elapsed = elapsed
        self._on_strike = on_strike
        self._counts: Counter[str] = Counter()
        self._down: dict[str, float] = {}
        self._over = False

    def at(self, point: str) -> dict[Failure, float]:
        """Count one more occurrence of the point, and return the kinds that strike it, with their seconds."""
        self._counts[point] += 1
        if self._over:
            return {}
        found = self._at.get((point, self._counts[point]), ())
        for fault in found:
            self._on_strike(fault)
            if fault.kind is Failure.UNAVAILABLE:
                self._down[point] = self._elapsed() + fault.seconds
        struck = {fault.kind: fault.seconds for fault in found}
        if self._elapsed() < self._down.get(point, 0.0):
            struck.setdefault(Failure.UNAVAILABLE, 0.0)
        return struck

    def stop(self) -> None:
        """Let no more faults strike."""
        self._over = True
