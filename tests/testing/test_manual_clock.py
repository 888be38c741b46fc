"""The clock of tests stands still until it is moved, and its two readings move as a machine's do."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from itsm_workflow.testing import ManualClock, MemorySandbox

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


@pytest.mark.parametrize(
    ("moment", "error"), [(5, TypeError), ("noon", TypeError), (NOON.replace(tzinfo=None), ValueError)]
)
def test_a_time_without_a_zone_is_refused(moment: Any, error: type[Exception]) -> None:  # noqa: ANN401 - of any type
    """When it is passed, not when a change is filed."""
    with pytest.raises(error, match=r"^ManualClock\(at=\.\.\.\) takes a datetime with a time zone, such as .*, not "):
        ManualClock(at=moment)
    clock = ManualClock(NOON)
    with pytest.raises(error, match=r"^set_wall\(moment\) takes a datetime with a time zone, such as .*, not "):
        clock.set_wall(moment)
    assert clock.peek() == NOON


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("clock", 5, "takes a ManualClock, not 5"),
        ("behaviour", 5, "takes a Behaviour, not 5"),
        ("seed", "no", "takes a whole number of at least 0, not 'no'"),
        ("seed", None, "takes a whole number of at least 0, not None"),
    ],
)
def test_a_ticket_system_in_memory_names_a_wrong_argument(argument: str, value: object, message: str) -> None:
    """Without a seed that is a number, a run could not be repeated."""
    given: dict[str, Any] = {"clock": ManualClock(NOON), argument: value}
    with pytest.raises(TypeError, match=rf"^MemorySandbox\({argument}=\.\.\.\) {message}$"):
        MemorySandbox(**given)


def test_the_time_may_advance_by_a_timedelta() -> None:
    """As the waits of a policy are written."""
    clock = ManualClock()
    before = clock.now()
    clock.advance(dt.timedelta(minutes=10))
    assert (clock.elapsed(), clock.now() - before >= dt.timedelta(minutes=10)) == (600, True)
    with pytest.raises(ValueError, match="must not be negative"):
        clock.advance(dt.timedelta(seconds=-1))
