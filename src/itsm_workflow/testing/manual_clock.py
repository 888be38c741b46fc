"""Time that a test moves."""

from __future__ import annotations

import datetime as dt
import threading

START = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class ManualClock:
    """A `Clock` that stands still until it is moved; threads may share it.

    Two readings never show the same time, as those of a real clock do not: each is a microsecond later.

    Args:
        at: What it shows first, aware.
    """

    def __init__(self, at: dt.datetime = START) -> None:
        self._lock = threading.Lock()
        self._now = at
        self._elapsed = 0.0

    def now(self) -> dt.datetime:
        """Return the wall-clock time, and let a microsecond pass."""
        with self._lock:
            self._now += _MICROSECOND
            return self._now

    def peek(self) -> dt.datetime:
        """Return the wall-clock time and let none pass."""
        with self._lock:
            return self._now

    def elapsed(self) -> float:
        """Return the seconds that were let pass."""
        with self._lock:
            return self._elapsed

    def boot(self) -> tuple[str, int]:
        """Return the id of the one boot, and the microseconds that were let pass."""
        return "manual", round(self.elapsed() * 1_000_000)

    def advance(self, seconds: float) -> None:
        """Let time pass, for both readings.

        Raises:
            TypeError: They are no number.
            ValueError: The seconds are negative; `set_wall` turns the wall clock back.
        """
        if not isinstance(seconds, int | float):
            raise TypeError(f"seconds: wants a number, such as 600, not {seconds!r}")
        if seconds < 0:
            raise ValueError("time does not run backwards: set_wall turns the wall clock")
        with self._lock:
            self._now += dt.timedelta(seconds=seconds)
            self._elapsed += seconds

    def advance_to(self, moment: dt.datetime) -> None:
        """Let time pass until the wall clock shows the moment; one that is over changes nothing."""
        with self._lock:
            passed = max((moment - self._now).total_seconds(), 0.0)
            self._now = max(moment, self._now)
            self._elapsed += passed

    def set_wall(self, moment: dt.datetime) -> None:
        """Turn the wall clock, as an administrator or a time server does; `elapsed` does not notice."""
        with self._lock:
            self._now = moment
