"""The clock that the library uses, as a protocol, and the system clock."""

from __future__ import annotations

import datetime as dt
import functools
import time
from pathlib import Path
from typing import Protocol

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LAST = dt.datetime(3000, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> dt.datetime:
        """Return the wall-clock time as an aware UTC datetime."""
        ...

    def elapsed(self) -> float:
        """Return the seconds since a fixed point, including suspended time; never decreases."""
        ...

    def boot(self) -> tuple[str, int]:
        """Return an id of the machine's boot, and the microseconds since the boot, including suspended time.

        All processes of a machine get the same values. An empty id means that there is no such clock.
        """
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> dt.datetime:
        """Return the wall-clock time as an aware UTC datetime."""
        return dt.datetime.now(dt.UTC)

    def elapsed(self) -> float:
        """Return the seconds since the machine started, including suspended time if the platform counts it."""
        # CLOCK_BOOTTIME also counts the time of a suspended virtual machine. Windows and macOS do not have it.
        boot = getattr(time, "CLOCK_BOOTTIME", None)
        return time.monotonic() if boot is None else time.clock_gettime(boot)

    def boot(self) -> tuple[str, int]:
        """Return the kernel's boot id and the time since the boot; the id is empty on platforms other than Linux."""
        return _boot_id(), int(self.elapsed() * 1_000_000)


class BoundedClock:
    """A clock whose wall-clock time is checked at each reading.

    Stores keep times as microseconds since 1970, and dates end with the year 9999. A time outside of what both can hold
    would fail far from its cause: in the middle of a plan, or in a store.

    Args:
        clock: The clock that it reads.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> dt.datetime:
        """Return the wall-clock time.

        Raises:
            TypeError: The clock returned something that is not a datetime.
            ValueError: The time has no time zone, or lies before 1970 or after 2999.
        """
        now = self._clock.now()
        if not isinstance(now, dt.datetime):
            raise TypeError(f"clock: now() must return an aware datetime, not {now!r}")
        if now.tzinfo is None:
            raise ValueError(f"clock: now() returned {now!r} without a time zone; return an aware datetime")
        if not EPOCH <= now < LAST:
            raise ValueError(f"clock: now() returned {now.isoformat()}; correct the clock: it must show 1970 to 2999")
        return now

    def elapsed(self) -> float:
        """Return what the clock returns."""
        return self._clock.elapsed()

    def boot(self) -> tuple[str, int]:
        """Return what the clock returns."""
        return self._clock.boot()


@functools.cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def to_micros(moment: dt.datetime) -> int:
    """Convert an aware datetime to integer microseconds since the Unix epoch, exactly.

    Raises:
        ValueError: The datetime has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; give an aware datetime")
    return (moment - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> dt.datetime:
    """Convert integer microseconds since the Unix epoch to an aware UTC datetime, exactly."""
    return EPOCH + dt.timedelta(microseconds=micros)
