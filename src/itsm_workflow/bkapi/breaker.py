"""A circuit breaker: after several unanswered calls it blocks further calls for a while, then admits one probe."""

from __future__ import annotations

import math
import os
import threading
import time
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FAILURES = 5
REST = 30.0


@attrs.frozen(kw_only=True)
class Resting:
    """An endpoint, or a whole gateway, that is not called at the moment.

    Attributes:
        name: The name of the endpoint, or the address of the whole gateway.
        failures: The number of consecutive calls that were not answered.
        seconds: The seconds from now until the next call is allowed.
    """

    name: str
    failures: int
    seconds: float

    def __str__(self) -> str:
        """Return the cause, without the time left: the text of an error may be stored, and read much later."""
        return f"{self.failures} calls of {self.name} in a row were not answered"


@attrs.define
class _Circuit:
    failures: int = 0
    rests_until: float = -math.inf


class Breaker:
    """Counts consecutive calls without an answer and blocks further calls. Thread-safe, never stored.

    A name rests after ``failures`` consecutive calls of it were not answered. After ``rest`` seconds one call is
    allowed, and no other call for another ``rest`` seconds. An answer ends the rest, a failure starts another one.

    Args:
        failures: The number of consecutive failures that starts a rest; 0 turns the breaker off.
        rest: The length of a rest in seconds.
        monotonic: Source of monotonic seconds.

    Raises:
        ValueError: ``failures`` or ``rest`` is out of range.
    """

    def __init__(
        self, *, failures: int = FAILURES, rest: float = REST, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        if type(failures) is not int or failures < 0:
            raise ValueError(
                f"failures must be a whole number of calls, or 0 to turn the breaker off, not {failures!r}"
            )
        if type(rest) not in {int, float} or not (math.isfinite(rest) and rest > 0):
            raise ValueError(f"rest must be a number of seconds above 0, not {rest!r}")
        self._failures = failures
        self._rest = rest
        self._monotonic = monotonic
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._circuits: dict[str, _Circuit] = {}  # only names whose last call was not answered

    def admit(self, *names: str) -> Resting | None:
        """Return None if a call may be sent, otherwise the rest that blocks it.

        The caller must report the result of an admitted call with `failed` or `answered`. A call that reports neither
        delays the next attempt by one rest.

        Args:
            names: Every name that the call depends on; none of them may rest.
        """
        with self._locked():
            resting = self._held_back(names)
            if resting is None:
                for circuit in self._open(names):
                    circuit.rests_until = self._monotonic() + self._rest  # this call is the probe; others wait
            return resting

    def failed(self, *names: str) -> None:
        """Count a call of these names that was not answered."""
        with self._locked():
            for name in names:
                circuit = self._circuits.setdefault(name, _Circuit())
                circuit.failures += 1
                if self._is_open(circuit):
                    circuit.rests_until = self._monotonic() + self._rest

    def answered(self, *names: str) -> None:
        """Reset the failures of these names, because a call was answered."""
        with self._locked():
            for name in names:
                self._circuits.pop(name, None)

    def resting(self, *names: str) -> Resting | None:
        """Return the longest rest among these names, or None; unlike `admit`, do not reserve the probe."""
        with self._locked():
            return self._held_back(names)

    @property
    def state(self) -> Sequence[Resting]:
        """Every current rest, ordered by name."""
        with self._locked():
            found = (self._held_back([name]) for name in sorted(self._circuits))
            return [each for each in found if each is not None]

    def _held_back(self, names: Sequence[str]) -> Resting | None:
        now = self._monotonic()
        waiting = [
            Resting(name=name, failures=circuit.failures, seconds=circuit.rests_until - now)
            for name in names
            if (circuit := self._circuits.get(name)) is not None and self._is_open(circuit)
            if circuit.rests_until > now
        ]
        return max(waiting, key=lambda each: each.seconds, default=None)

    def _open(self, names: Sequence[str]) -> Sequence[_Circuit]:
        known = (self._circuits.get(name) for name in names)
        return [circuit for circuit in known if circuit is not None and self._is_open(circuit)]

    def _is_open(self, circuit: _Circuit) -> bool:
        return 0 < self._failures <= circuit.failures

    def _locked(self) -> threading.Lock:
        if self._process != os.getpid():  # a forked child may inherit the lock while another thread holds it
            self._start()
        return self._lock
