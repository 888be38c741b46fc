"""BK-ITSM's times on the wire: Asia/Shanghai, without a zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

# A fixed offset instead of zoneinfo: China has kept UTC+8 without daylight saving since 1991, and slim images and
# Windows do not include time zone data.
SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")

ZONE = "UTC+8"
"""The name of that offset on pages for people, who may be elsewhere."""

_FILTER = re.compile(
    r"(?P<date>\d{4}-\d{1,2}-\d{1,2})"
    r"(?:[T ](?P<time>\d{1,2}:\d{1,2}(?::\d{1,2}(?:\.\d{1,6})?)?)(?P<zone>Z|[+-]\d{2}(?::?\d{2})?)?)?"
)


def utc_now() -> datetime:
    """Return the time as an aware UTC datetime; the default clock of a stand-in."""
    return datetime.now(UTC)


def query_text(moment: datetime | None) -> str | None:
    """Format a time as the query endpoints do: in whole seconds, without the fraction."""
    return None if moment is None else moment.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def callback_text(moment: datetime) -> str:
    """Format a time as the callback does: with microseconds, unless they are exactly zero."""
    return str(moment.astimezone(SHANGHAI).replace(tzinfo=None))


def day_text(moment: datetime) -> str:
    """Format the local day as in ticket numbers, ``YYYYMMDD``."""
    return moment.astimezone(SHANGHAI).strftime("%Y%m%d")


def parse_filter(text: object) -> datetime:
    """Parse a time of a get_tickets filter.

    Raises:
        ValueError: the text is not a local time, or it has a time zone, which the server's database refuses.
    """
    found = _FILTER.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        message = "“%(value)s”的值有一个错误的日期格式。它的格式应该是YYYY-MM-DD HH:MM[:ss[.uuuuuu]][TZ] "
        raise ValueError(message)
    if found["zone"]:
        message = "MySQL backend does not support timezone-aware datetimes when USE_TZ is False."
        raise ValueError(message)
    year, month, day = (int(part) for part in found["date"].split("-"))
    hour, minute, second = [*(found["time"] or "0:0").split(":"), "0"][:3]
    whole, _, fraction = second.partition(".")
    return datetime(
        year, month, day, int(hour), int(minute), int(whole), int((fraction or "0").ljust(6, "0")), tzinfo=SHANGHAI
    )
