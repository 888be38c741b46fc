"""The gateway's own clock, by the Date of its answers."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType

import pytest

from itsm_workflow.bkapi.server_time import ServerTime
from itsm_workflow.bkapi.transport import HttpResponse
from itsm_workflow.errors import GatewayError
from itsm_workflow.testing.manual_clock import ManualClock
from tests.support.gateways import ticket
from tests.support.scripted import scripted_gateway, success

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


def test_an_adapter_knows_the_time_of_its_last_answer() -> None:
    """It is the second clock of a wait between two look-ups."""
    page = HttpResponse(status=200, headers=MappingProxyType({"date": DATE}), body=success({}), elapsed=0.0)
    itsm, _ = scripted_gateway(lambda _: page)

    assert itsm.time() is None
    with pytest.raises(GatewayError):
        itsm.show(ticket())
    now = itsm.time()
    assert now is not None
    assert abs(now - AT) < dt.timedelta(minutes=1)
