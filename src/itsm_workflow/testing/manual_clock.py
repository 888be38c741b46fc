"""A clock that a test moves."""

from __future__ import annotations

import datetime as dt
import threading

START = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class ManualClock:
    """A `Clock` that only moves when the test moves it; threads may share it.

    Two readings never return the same time, as with a real clock: each is a microsecond after the one before.

    Args:
        at: The first time that it shows, aware.

    Raises:
        TypeError: ``at`` is not a datetime.
        ValueError: ``at`` has no time zone.
    """

    def __init__(self, at: dt.datetime = START) -> None:
        _check_moment("ManualClock(at=...)", at)
        self._lock = threading.Lock()
        self._now = at
        self._elapsed = 0.0

    def now(self) -> dt.datetime:
        """Return the wall-clock time, and advance by a microsecond."""
        with self._lock:
            self._now += _MICROSECOND
            return self._now

    def peek(self) -> dt.datetime:
        """Return the wall-clock time without advancing."""
        with self._lock:
            return self._now

    def elapsed(self) -> float:
        """Return the seconds by which the clock was advanced."""
        with self._lock:
            return self._elapsed

    def boot(self) -> tuple[str, int]:
        """Return the id of the only boot, and the microseconds by which the clock was advanced."""
        return "manual", round(self.elapsed() * 1_000_000)

    def advance(self, seconds: float | dt.timedelta) -> None:
        """Advance the wall clock and the elapsed time, by seconds or by a `datetime.timedelta`.

        Raises:
            TypeError: The seconds are neither a number nor a timedelta.
            ValueError: The seconds are negative; use `set_wall` to turn the wall clock back.
        """
        if isinstance(seconds, dt.timedelta):
            seconds = seconds.total_seconds()
        if not isinstance(seconds, int | float):
            raise TypeError(f"seconds: must be a number, such as 600, not {seconds!r}")
        if seconds < 0:
            raise ValueError("seconds: must not be negative; use set_wall to turn the wall clock back")
        with self._lock:
            self._now += dt.timedelta(seconds=seconds)
            self._elapsed += seconds

    def set_wall(self, moment: dt.datetime) -> None:
        """Set the wall clock, as an administrator or a time server does; `elapsed` is not affected.

        Raises:
            TypeError: The moment is not a datetime.
            ValueError: The moment has no time zone.
        """
        _check_moment("set_wall(moment)", moment)
        with self._lock:
            self._now = moment


def _check_moment(argument: str, value: object) -> None:
    rule = f"{argument} takes a datetime with a time zone, such as datetime(2026, 3, 2, tzinfo=UTC)"
    if not isinstance(value, dt.datetime):
        raise TypeError(f"{rule}, not {value!r}")
    if value.utcoffset() is None:
        raise ValueError(f"{rule}, not {value!r}")
