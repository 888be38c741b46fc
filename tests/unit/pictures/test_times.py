"""The names of zones in pictures."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from itsm_workflow.pictures.times import zone_of

NOW = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        (ZoneInfo("America/Chicago"), "CST, UTC-06:00"),
        (ZoneInfo("Asia/Shanghai"), "CST, UTC+08:00"),
        (ZoneInfo("Asia/Kolkata"), "IST, UTC+05:30"),
        (dt.timezone(dt.timedelta(hours=8)), "UTC+08:00"),
        (dt.UTC, "UTC"),
    ],
)
def test_a_zone_is_named_with_its_difference_from_utc(zone: dt.tzinfo, name: str) -> None:
    """Two zones share the letters CST."""
    assert zone_of(NOW, zone) == name
