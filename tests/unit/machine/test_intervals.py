"""Whether a wait has passed, by more than one clock."""

from __future__ import annotations

import datetime as dt

import pytest

from itsm_workflow.change import Moment
from itsm_workflow.machine.intervals import has_passed
from tests.support import examples as x

WAIT = dt.timedelta(seconds=100)


def at(wall: float, boot: float | None = None, *, boot_id: str = "b1", date: float | None = None) -> Moment:
    """Return a moment by seconds of each clock."""
    return Moment(
        wall=x.later(wall),
        boot_id="" if boot is None else boot_id,
        boot=round((boot or 0) * 1_000_000),
        gateway=None if date is None else x.later(date),
    )


CASES: dict[str, tuple[Moment, Moment, bool | None]] = {
    "both passed": (at(0, 0), at(100, 100), True),
    "the wall clock a moment short": (at(0, 0), at(99.999999, 100), False),
    "the boot time within a hundredth": (at(0, 0), at(100, 99), True),
    "the boot time beyond it": (at(0, 0), at(100, 98.999999), False),
    "the wall clock set forward": (at(0, 0), at(5000, 2), False),
    "the wall clock set back": (at(0, 0), at(-50, 200), False),
    "after a reboot": (at(0, 50), at(100, 200, boot_id="b2"), None),
    "after a reboot, by the gateway's date": (at(0, 50, date=7), at(100, 2, boot_id="b2", date=107), True),
    "its date a second short": (at(0, 50, date=7), at(100, 2, boot_id="b2", date=106), True),
    "its date two seconds short": (at(0, 50, date=7), at(100, 2, boot_id="b2", date=105), False),
    "its date on one side only": (at(0, 50, date=7), at(100, 2, boot_id="b2"), None),
    "its date cannot speak against the boot time": (at(0, 0, date=7), at(100, 100, date=8), True),
    "its date cannot speak for it either": (at(0, 0, date=7), at(100, 2, date=900), False),
    "no other clock": (at(0), at(100), None),
    "no other clock, by its date": (at(0, date=0), at(100, date=100), True),
}


@pytest.mark.parametrize(("before", "after", "passed"), CASES.values(), ids=CASES)
def test_a_wait_has_passed_by_two_clocks(before: Moment, after: Moment, passed: bool | None) -> None:  # noqa: FBT001 - a column
    """The wall clock and its witness; None where there is no witness."""
    assert has_passed(before, after, WAIT) is passed


def test_no_wait_has_always_passed() -> None:
    """Whatever the clocks are; unless the wall clock was set back."""
    assert has_passed(at(0), at(0), dt.timedelta()) is True
    assert has_passed(at(0), at(-1), dt.timedelta()) is False
