"""A circuit breaker: a gateway that does not answer is left alone for a while, then tried by one call."""

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
    """Something that is not asked at the moment.

    Attributes:
        name: An endpoint, or the whole gateway by its address.
        failures: How many calls in a row were not answered.
        seconds: When the next call is let through, counted from now.
    """

    name: str
    failures: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.failures} calls of {self.name} in a row were not answered; "
            f"the next one is let through in {self.seconds:.0f} s"
        )


@attrs.define
class _Circuit:
    failures: int = 0
    rests_until: float = -math.inf


class Breaker:
    """Counts calls in a row that were not answered, and holds further calls back. Shared by threads, never stored.

    A name rests once ``failures`` calls of it in a row were not answered. After ``rest`` seconds one call is let
    through, and no other for as long again: an answer ends the rest, a failure starts another one.

    Args:
        failures: Calls in a row; 0: nothing is ever held back.
        rest: Seconds.
        monotonic: Seconds that never go back.

    Raises:
        ValueError: The numbers cannot be used.
    """

    def __init__(
        self, *, failures: int = FAILURES, rest: float = REST, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        if type(failures) is not int or failures < 0:
            raise ValueError(f"failures must be a whole number of calls, or 0 to hold nothing back, not {failures!r}")
        if type(rest) not in {int, float} or not (math.isfinite(rest) and rest > 0):
            raise ValueError(f"rest must be a number of seconds above 0, not {rest!r}")
        self._failures = failures
        self._rest = rest
        self._monotonic = monotonic
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._circuits: dict[str, _Circuit] = {}  # of names whose last call was not answered

    def admit(self, *names: str) -> Resting | None:
        """Return None if a call may be sent, or what rests.

        A call that is let through must be followed by `failed` or `answered`; one that ends without either delays the
        next attempt by one rest.

        Args:
            names: All that the call depends on; each must be willing.
        """
        with self._locked():
            resting = self._held_back(names)
            if resting is None:
                for circuit in self._open(names):
                    circuit.rests_until = self._monotonic() + self._rest  # the probe is this call; others wait
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
        """Forget the failures of these names: a call was answered."""
        with self._locked():
            for name in names:
                self._circuits.pop(name, None)

    def resting(self, *names: str) -> Resting | None:
        """Return what rests of these names, or None; unlike `admit`, claim nothing."""
        with self._locked():
            return self._held_back(names)

    @property
    def state(self) -> Sequence[Resting]:
        """All that rests now, by name."""
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
        if self._process != os.getpid():  # a forked child may have got the lock as another thread held it
            self._start()
        return self._lock
