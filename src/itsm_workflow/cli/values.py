"""Types for the values that are typed on a command line."""

from __future__ import annotations

import datetime as dt
import math
import re
import zoneinfo
from typing import TYPE_CHECKING, Any

import rich_click as click

from itsm_workflow.secrets import SecretURL
from itsm_workflow.strict import parse
from itsm_workflow.text import is_blank

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

    from click import Context, Parameter

MANY = 1_000_000
"""The highest count that may be typed."""

LONGEST = 30 * 86_400
"""The longest time that may be typed, in seconds."""

OLDEST = dt.timedelta(days=36_500)
"""The highest age that may be typed: no store is so old, and a date can still represent a time so far back."""

_AGE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Whole(click.IntRange):
    """A whole number between two bounds, since a number without a bound can crash the function that gets it."""

    name = "whole number"

    def __init__(self, least: int, most: int = MANY) -> None:
        super().__init__(least, most)


class Seconds(click.FloatRange):
    """A time in seconds between two bounds; NaN and infinity are rejected."""

    name = "number of seconds"

    def __init__(self, least: float, most: float = LONGEST) -> None:
        super().__init__(least, most)

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> Any:  # noqa: ANN401 - as click has it
        """Return the number that was typed."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number


def filled(advice: str) -> Callable[[str], str]:
    """Return a type for a text that is not empty.

    Args:
        advice: The advice to a person who left it empty.
    """

    def text(typed: str) -> str:
        if is_blank(typed):
            raise click.BadParameter(f"it is empty: {advice}")
        return typed

    return text


def age(text: str) -> dt.timedelta:
    """Return a span of time that is written like ``30m``, ``1h`` or ``2d``."""
    found = _AGE.fullmatch(text)
    if found is None:
        raise click.BadParameter(
            f"{text!r} is not an age: write a number and a unit (s, m, h, d, w), such as 30m or 2d"
        )
    old = dt.timedelta(**{_UNITS[found[2]]: float(found[1])})
    if old > OLDEST:
        raise click.BadParameter(f"{text!r} is not in the range 0s<=x<={OLDEST.days}d.")
    return old


def zone(text: str) -> dt.tzinfo:
    """Return a time zone by its name in the database of time zones, such as ``Asia/Shanghai``, or ``UTC``."""
    if text == "UTC":
        return dt.UTC
    try:
        return zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise click.BadParameter(
            f"no time zone of this machine is named {text!r}; write UTC, or a name such as Asia/Shanghai, for which "
            "the system needs its package tzdata"
        ) from error


def store_url(text: str) -> SecretURL:
    """Return the URL of a store, masked, since the URL of a server may hold a password."""
    return SecretURL(text)


def not_written(option: str, path: pathlib.Path, error: OSError) -> click.ClickException:
    """Return the error about a file that an option names and that cannot be written, with what to do."""
    problem = f"{option} {path} cannot be written: {error.strerror}"
    if isinstance(error, FileNotFoundError) and not path.parent.exists():
        return click.ClickException(f"{problem}; make the folder {path.parent} first, or name another file")
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError):
        return click.ClickException(f"{problem}; name a place where you may write")
    return click.ClickException(problem)


def field(text: str) -> tuple[str, object]:
    """Return a field written like ``expect_host_size=10``; a value that is not valid JSON counts as text."""
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise click.BadParameter(f"{text!r} is not a field: write key=value")
    try:
        return key.strip(), parse(value)
    except ValueError:
        return key.strip(), value
