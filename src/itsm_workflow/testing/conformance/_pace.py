"""The time limits of a check: each is for one call, and grows with the cost of the first calls."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST = 5
_TIMES_THE_FIRST = 500
_PARTS = 4
_NANOSECONDS = 1e9
_GLANCE = 0.25
_THREADS = Path("/proc/self/task")


def _seconds_without_a_processor() -> float:
    """Return the seconds in which threads of this process could run and were given no processor; 0 if not known."""
    waited = 0
    for thread in _THREADS.glob("*/schedstat"):  # on Linux
        with suppress(OSError, ValueError, IndexError):  # the thread has ended meanwhile
            waited += int(thread.read_text(encoding="ascii").split()[1])
    return waited / _NANOSECONDS


@attrs.define
class Pace:
    """The speed of a backend on this machine, and the limits that follow from it.

    Attributes:
        patience: Seconds after which a call that has not returned is blocked, if the first calls were fast.
        slowest: The longest call that returned, by its method and its seconds.
    """

    patience: float
    slowest: tuple[str, float] = ("", 0.0)
    _first: list[float] = attrs.field(factory=list)
    _seen: tuple[int, float, float] | None = None
    _lost: list[tuple[int, int, float]] = attrs.field(factory=list)
    _mutex: threading.Lock = attrs.field(factory=threading.Lock)

    def beside(self) -> Pace:
        """Return another pace with the same limits, for promises that are tested meanwhile."""
        return Pace(self.patience, first=self._first)

    def look(self) -> None:
        """Note the time since the last look in which this process could not work; called several times a second.

        It was stopped if the look itself comes late, or other processes had the processors.
        """
        with self._mutex:
            now, worked, waited = time.monotonic_ns(), time.process_time(), _seconds_without_a_processor()
            if self._seen is not None:
                began, worked_before, waited_before = self._seen
                seconds = (now - began) / _NANOSECONDS
                lost = max(seconds - 2 * _GLANCE, min(waited - waited_before, seconds - (worked - worked_before)))
                if lost > 0:
                    self._lost.append((began, now, lost))
            self._seen = now, worked, waited

    def seconds(self, began: int, ended: int) -> float:
        """Return how long a call took, without the time in which this process could not work."""
        seconds = (ended - began) / _NANOSECONDS
        if seconds > _GLANCE and self._seen is not None:
            self.look()
            both = ((max(start, began), min(end, ended), lost) for start, end, lost in [*self._lost])
            seconds -= sum(min(lost, (end - start) / _NANOSECONDS) for start, end, lost in both if start < end)
        return max(0.0, seconds)

    def note(self, name: str, began: int, ended: int) -> None:
        """Record how long a call took."""
        seconds = self.seconds(began, ended)
        if len(self._first) < _FIRST:
            self._first.append(seconds)
        if seconds > self.slowest[1]:
            self.slowest = name, seconds

    @property
    def first(self) -> float:
        """The seconds that the slowest of the first calls took."""
        return max(self._first, default=0.0)

    @property
    def slow(self) -> float:
        """Seconds after which a call is slow."""
        return max(self.patience / _PARTS, _TIMES_THE_FIRST * self.first)

    @property
    def blocked(self) -> float:
        """Seconds after which a call that has not returned is blocked."""
        return _PARTS * self.slow

    def finding(self) -> str:
        """Return a sentence about the slowest call if it was slow, or an empty text."""
        name, seconds = self.slowest
        if seconds <= self.slow:
            return ""
        return (
            f"slow: a call of {name} returned after {seconds:.1f} s; the limit is {self.slow:.1f} s, since the slowest "
            f"of the first {_FIRST} calls took {self.first:.3f} s"
        )


class Patience:
    """Reports that a check still waits, more and more rarely, since the limits can be long on a busy machine.

    Args:
        pace: The time limits.
        report: Called with a text that says what the check waits for.
    """

    def __init__(self, pace: Pace, report: Callable[[str], None]) -> None:
        self._pace, self._report = pace, report
        self._call, self._promise = pace.patience / _PARTS, pace.patience

    def look(self, call: float, promise: float) -> None:
        """Report a call, or a promise, that takes long.

        Args:
            call: The seconds that the longest call has taken that has not returned.
            promise: The seconds since the promise began.
        """
        if call > self._call:
            self._report(
                f"still waiting: a call has not returned for {call:.0f} s; the limit is {self._pace.blocked:.0f} s"
            )
            self._call = 2 * call
        elif promise > self._promise:
            self._report(f"still testing, for {promise:.0f} s")
            self._promise = 2 * promise
