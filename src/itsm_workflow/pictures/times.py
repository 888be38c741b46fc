"""The times of a picture: days, times of the day in one zone, and gaps that are not drawn to scale."""

from __future__ import annotations

import datetime as dt

LONG = dt.timedelta(minutes=1)
"""A longer time between two entries is left out, and marked."""


def zone_of(moment: dt.datetime, zone: dt.tzinfo) -> str:
    """Return the name of the zone at a time, with the difference from UTC unless that is in the name."""
    local = moment.astimezone(zone)
    given = f"{local:%z}"
    offset = f"UTC{given[:3]}:{given[3:5]}" if local.utcoffset() else "UTC"
    name = local.tzname() or offset
    return name if name == "UTC" or name.startswith(("UTC+", "UTC-")) else f"{name}, {offset}"


def day(moment: dt.datetime, zone: dt.tzinfo) -> str:
    """Return the date of a time in the zone."""
    return f"{moment.astimezone(zone):%Y-%m-%d}"


def second(moment: dt.datetime, zone: dt.tzinfo) -> str:
    """Return the time of the day to the second."""
    return f"{moment.astimezone(zone):%H:%M:%S}"


def fraction(moment: dt.datetime) -> str:
    """Return the milliseconds of a time, as they follow its seconds."""
    return f".{moment.microsecond // 1000:03d}"


def day_and_second(moment: dt.datetime, zone: dt.tzinfo) -> str:
    """Return the date, the time of the day, and the zone."""
    return f"{day(moment, zone)} {second(moment, zone)} {zone_of(moment, zone)}"
