"""Time limits of tests, counted so that a busy machine does not fail a test.

The wall clock also runs while a test waits for a processor. The limit of a test (`timeout` in `pyproject.toml`) counts
a second in full only if a processor was idle in it, since the test then waited for something else. Of any other second
it counts the part in which the test ran, but at least a twentieth, so that a test that hangs also ends on a machine
that is never idle. If the system does not report its idle time, every second counts.

A wait inside a test, for a thread or another process, does not decide whether the test fails. It waits for `PATIENCE`,
so that no process outlives a test that failed.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest
import pytest_timeout  # type: ignore[import-untyped]  # it has no types

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 3600.0
"""The time-out of a wait inside a test, in seconds: far longer than the limit of the test, which ends it."""

_EVERY = 5.0  # seconds between two readings: most tests end before the first
_SHORTEST = 0.1
_LEAST = 1 / 20  # the part of a second that counts at least on a busy machine
_STAT = Path("/proc/stat")


@attrs.frozen
class Moment:
    """Readings of three clocks, in seconds, taken together."""

    wall: float
    ran: float  # by this process, and by its child processes that have ended
    idle: float | None  # of all processors; None if the system does not report it


def now() -> Moment:
    """Read the clocks."""
    times = os.times()
    return Moment(time.monotonic(), times.user + times.system + times.children_user + times.children_system, _idle())


def _idle() -> float | None:
    try:
        line = _STAT.read_text(encoding="ascii").split("\n", 1)[0].split()
    except OSError:
        return None
    return int(line[4]) / os.sysconf("SC_CLK_TCK")


def counted(before: Moment, after: Moment) -> float:
    """Return the seconds between two moments that count towards the limit."""
    wall = after.wall - before.wall
    if before.idle is None or after.idle is None:
        return wall
    return min(wall, max(after.idle - before.idle, after.ran - before.ran, wall * _LEAST))


class Limit:
    """A limit that calls a function when its seconds are used up."""

    def __init__(self, seconds: float, then: Callable[[], object], read: Callable[[], Moment] = now) -> None:
        self._left, self._then, self._read = seconds, then, read
        self._last = read()

    def look(self) -> float:
        """Count the time since the last reading; return the seconds until the next, or 0 if the limit is used up."""
        seen = self._read()
        self._left -= counted(self._last, seen)
        self._last = seen
        if self._left > 0:
            return max(min(self._left, _EVERY), _SHORTEST)
        self._then()
        return 0.0


def exit_code(child: int) -> int:
    """Wait for a forked process and return its exit code; kill it if the wait fails."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: pytest_timeout.Settings) -> bool | None:
    """Count the time of a test by the rule above instead of by the wall clock."""
    if settings.method != "signal":
        return None
    limit = Limit(settings.timeout, lambda: pytest_timeout.timeout_sigalrm(item, settings))

    def look(_signal: int, _frame: object) -> None:
        __tracebackhide__ = True
        signal.setitimer(signal.ITIMER_REAL, limit.look())

    def cancel() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    item.cancel_timeout = cancel  # type: ignore[attr-defined]  # the attribute in which pytest-timeout stores it
    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, min(settings.timeout, _EVERY))
    return True
