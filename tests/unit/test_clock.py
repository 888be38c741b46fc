"""Time as an argument, and times as integers."""

from __future__ import annotations

import datetime as dt
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.clock import EPOCH, SystemClock, from_micros, to_micros

BEIJING = dt.timezone(dt.timedelta(hours=8))
zones = st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23)).map(dt.timezone)


def test_the_system_clock_shows_aware_utc() -> None:
    """Whatever zone the machine is in."""
    before = time.time_ns() // 1000
    shown = SystemClock().now()
    after = time.time_ns() // 1000

    assert shown.tzinfo is dt.UTC
    assert before <= to_micros(shown) <= after


def test_elapsed_time_never_goes_backwards() -> None:
    """It is for waits and leases, which a corrected wall clock must not shorten."""
    clock = SystemClock()
    readings = [clock.elapsed() for _ in range(1000)]

    assert sorted(readings) == readings


def test_elapsed_time_counts_suspension_where_the_platform_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that was suspended must notice that it was."""
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 7, raising=False)
    monkeypatch.setattr(time, "clock_gettime", {7: 12.5}.__getitem__, raising=False)

    assert SystemClock().elapsed() == 12.5


def test_elapsed_time_is_monotonic_time_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows and macOS have no clock that counts suspension."""
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    monkeypatch.setattr(time, "monotonic", lambda: 3.25)

    assert SystemClock().elapsed() == 3.25


@pytest.mark.parametrize(
    ("moment", "micros"),
    [
        (EPOCH, 0),
        (dt.datetime(1970, 1, 1, 0, 0, 1, 1, tzinfo=dt.UTC), 1_000_001),
        (dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC), -1),
        (dt.datetime(2024, 5, 17, 16, 0, tzinfo=BEIJING), 1_715_932_800_000_000),
        (dt.datetime.max.replace(tzinfo=dt.UTC), 253_402_300_799_999_999),
    ],
)
def test_a_time_is_microseconds_since_1970(moment: dt.datetime, micros: int) -> None:
    """Exactly: a float would round the last of them."""
    assert to_micros(moment) == micros
    assert from_micros(micros) == moment


@given(moment=st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 12, 31), timezones=zones))  # noqa: DTZ001 - the bounds of st.datetimes are naive
def test_every_aware_time_comes_back(moment: dt.datetime) -> None:
    """As the same instant, in UTC."""
    found = from_micros(to_micros(moment))

    assert found == moment
    assert found.tzinfo is dt.UTC


def test_a_time_without_a_zone_is_refused() -> None:
    """It could be anybody's; the error shows it."""
    with pytest.raises(ValueError, match=r"datetime\(2024, 5, 17, 8, 0\) has no time zone; give an aware datetime"):
        to_micros(dt.datetime(2024, 5, 17, 8))  # noqa: DTZ001 - the mistake that is tested
