"""Time, as an argument: what the library asks a clock, and the machine's own one."""

from __future__ import annotations

import datetime as dt
import functools
import time
from pathlib import Path
from typing import Protocol

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class Clock(Protocol):
    """What the library wants to know of time."""

    def now(self) -> dt.datetime:
        """Return the wall-clock time, aware, in UTC."""
        ...

    def elapsed(self) -> float:
        """Return seconds since some fixed point; goes on while the machine is suspended, never backwards."""
        ...

    def boot(self) -> tuple[str, int]:
        """Return an id of the machine's boot, and the microseconds since then, suspended time included.

        Processes of one machine share both. An empty id says that there is no such clock.
        """
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> dt.datetime:
        """Return the wall-clock time, aware, in UTC."""
        return dt.datetime.now(dt.UTC)

    def elapsed(self) -> float:
        """Return seconds since the machine was started, suspended time included where the platform can tell."""
        # CLOCK_BOOTTIME also counts a suspended virtual machine; Windows and macOS have no such clock.
        boot = getattr(time, "CLOCK_BOOTTIME", None)
        return time.monotonic() if boot is None else time.clock_gettime(boot)

    def boot(self) -> tuple[str, int]:
        """Return the kernel's boot id and the time since then; an empty id where there is none, as off Linux."""
        return _boot_id(), int(self.elapsed() * 1_000_000)


@functools.cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def to_micros(moment: dt.datetime) -> int:
    """Return an aware time as integer microseconds since the Unix epoch, exactly.

    Raises:
        ValueError: The time has no zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; give an aware datetime")
    return (moment - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> dt.datetime:
    """Return integer microseconds since the Unix epoch as an aware UTC time, exactly."""
    return EPOCH + dt.timedelta(microseconds=micros)
