"""The gateway's own clock, by the Date of its answers."""

from __future__ import annotations

import datetime as dt

import pytest

from itsm_workflow.gateway.server_time import ServerTime
from itsm_workflow.testing.manual_clock import ManualClock

AT = dt.datetime(2026, 11, 27, 21, 53, 8, tzinfo=dt.UTC)
DATE = "Fri, 27 Nov 2026 21:53:08 GMT"


def test_it_goes_on_from_the_last_answer() -> None:
    """By a clock that is not set; a wall clock that is set changes nothing."""
    clock = ManualClock()
    time = ServerTime(elapsed=clock.elapsed)
    time.note({"date": DATE})
    clock.advance(90.9)
    clock.set_wall(clock.peek() + dt.timedelta(days=1))

    assert time.now() == AT + dt.timedelta(seconds=90)
    time.note({"date": DATE})
    assert time.now() == AT


def test_a_zone_is_kept() -> None:
    """Some gateways do not write GMT."""
    time = ServerTime(elapsed=ManualClock().elapsed)
    time.note({"date": "Sat, 28 Nov 2026 05:53:08 +0800"})

    assert time.now() == AT


@pytest.mark.parametrize("headers", [{}, {"date": ""}, {"date": "soon"}, {"date": "Fri, 99 Nov 2026 21:53:08 GMT"}])
def test_what_is_not_a_date_changes_nothing(headers: dict[str, str]) -> None:
    """Before the first one there is no time, and after it that one stays."""
    time = ServerTime(elapsed=ManualClock().elapsed)
    time.note(headers)
    assert time.now() is None
    time.note({"date": DATE})
    time.note(headers)
    assert time.now() == AT
