"""Time as an argument, and times as integers."""

from __future__ import annotations

import datetime as dt
import time

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow import Workflow
from itsm_workflow.clock import EPOCH, BoundedClock, SystemClock, from_micros, to_micros
from itsm_workflow.testing import ManualClock, MemorySandbox

LATEST = dt.datetime(2999, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC)
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


@attrs.frozen
class ShownClock(SystemClock):
    """Shows what a test gives it."""

    shown: object

    def now(self) -> dt.datetime:
        """Return it, whatever it is."""
        return self.shown  # type: ignore[return-value]  # the mistake that is tested


@pytest.mark.parametrize(
    "shown",
    [EPOCH, LATEST, dt.datetime(2024, 5, 17, tzinfo=BEIJING)],
)
def test_a_time_within_the_bounds_is_handed_on(shown: dt.datetime) -> None:
    """Both ends can be stored, with every interval of a policy added."""
    assert BoundedClock(ShownClock(shown)).now() is shown


@pytest.mark.parametrize(
    ("shown", "error", "sentence"),
    [
        (1_715_932_800, TypeError, r"clock: now\(\) must return an aware datetime, not 1715932800"),
        (dt.datetime(2024, 5, 17), ValueError, r"clock: now\(\) returned .* without a time zone"),  # noqa: DTZ001 - the mistake that is tested
        (
            EPOCH - dt.timedelta(microseconds=1),
            ValueError,
            r"returned 1969-12-31T23:59:59.999999\+00:00; correct",
        ),
        (dt.datetime(3000, 1, 1, tzinfo=dt.UTC), ValueError, r"it must show 1970 to 2999"),
        (dt.datetime.max.replace(tzinfo=dt.UTC), ValueError, r"it must show 1970 to 2999"),
    ],
)
def test_a_clock_out_of_bounds_is_refused_before_anything_is_stored(
    shown: object, error: type[Exception], sentence: str
) -> None:
    """A store cannot hold such a time, and the failure would be far from its cause."""
    with pytest.raises(error, match=sentence):
        Workflow(storage="memory://", gateway=MemorySandbox(clock=ManualClock()).gateway, clock=ShownClock(shown))


def test_a_clock_that_leaves_the_bounds_stops_the_next_call() -> None:
    """With the same sentence, and with nothing stored."""
    clock = ManualClock()
    workflow = Workflow(storage="memory://", gateway=MemorySandbox(clock=clock).gateway, clock=clock)
    clock.set_wall(dt.datetime(9999, 12, 31, 23, 59, tzinfo=dt.UTC))

    with pytest.raises(ValueError, match=r"clock: now\(\) returned 9999-12-31T23:59:"):
        workflow.apply(subject="collector-1", title="nginx", applicant="alice", approvers=["bob"])

    clock.set_wall(dt.datetime(2999, 12, 31, 23, 59, tzinfo=dt.UTC))
    assert list(workflow.find()) == []
    assert workflow.apply(subject="collector-1", title="nginx", applicant="alice", approvers=["bob"]).state == "pending"
