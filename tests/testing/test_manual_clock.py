"""The clock of tests stands still until it is moved, and its two readings move as a machine's do."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest

from itsm_workflow.testing import ManualClock

NOON = dt.datetime(2026, 3, 2, 12, 0, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)


def test_it_stands_still_apart_from_a_microsecond_for_each_reading() -> None:
    """Two readings never show the same time, and looking without reading lets none pass."""
    clock = ManualClock(NOON)
    assert [clock.now(), clock.now()] == [NOON + MICROSECOND, NOON + 2 * MICROSECOND]
    assert [clock.peek(), clock.peek()] == [NOON + 2 * MICROSECOND] * 2
    assert clock.elapsed() == 0.0


def test_time_that_passes_shows_on_both_readings() -> None:
    """As when a machine waits."""
    clock = ManualClock(NOON)
    clock.advance(90)
    assert (clock.peek(), clock.elapsed()) == (NOON + dt.timedelta(seconds=90), 90.0)


def test_a_wall_clock_that_is_turned_does_not_touch_the_other_reading() -> None:
    """As when an administrator sets the time."""
    clock = ManualClock(NOON)
    clock.advance(5)
    clock.set_wall(NOON - dt.timedelta(days=1))
    assert (clock.peek(), clock.elapsed()) == (NOON - dt.timedelta(days=1), 5.0)


def test_time_does_not_run_backwards() -> None:
    """The error says what does."""
    with pytest.raises(ValueError, match="set_wall"):
        ManualClock().advance(-1)


def test_threads_never_read_the_same_time() -> None:
    """However many read at once."""
    clock = ManualClock(NOON)
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda _: clock.now(), range(2000)))
    assert len(set(read)) == 2000
