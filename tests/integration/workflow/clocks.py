"""Time that a test moves."""

from __future__ import annotations

import datetime as dt
import threading

START = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
_TICK = dt.timedelta(microseconds=1)


class ManualClock:
    """Stands still but for a microsecond per reading, as no two readings of a real clock are equal; threads share it.

    Args:
        at: What it shows first.
    """

    def __init__(self, at: dt.datetime = START) -> None:
        self._lock = threading.Lock()
        self._now = at
        self._elapsed = 0.0

    def now(self) -> dt.datetime:
        """Return the time."""
        with self._lock:
            self._now += _TICK
            return self._now

    def elapsed(self) -> float:
        """Return the seconds that were let pass."""
        with self._lock:
            return self._elapsed

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._now += dt.timedelta(seconds=seconds)
            self._elapsed += seconds
