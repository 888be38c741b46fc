"""Values as they are typed on a command line."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import TYPE_CHECKING, Any

import rich_click as click

from itsm_workflow.secrets import SecretURL
from itsm_workflow.storage.strict import parse
from itsm_workflow.text import is_invisible

if TYPE_CHECKING:
    from click import Context, Parameter

MANY = 1_000_000
"""No count that is typed may be higher."""

LONGEST = 30 * 86_400
"""No time in seconds that is typed may be longer."""

OLDEST = dt.timedelta(days=36_500)
"""No age that is typed may be higher: nothing in a store is so old, and a time can still be so far back."""

_AGE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Whole(click.IntRange):
    """A whole number within bounds. Every one of them has two: what has no end can bring down what it is passed to."""

    def __init__(self, least: int, most: int = MANY) -> None:
        super().__init__(least, most)


class Seconds(click.FloatRange):
    """A time in seconds within bounds; NaN is none, and neither is infinity."""

    def __init__(self, least: float, most: float = LONGEST) -> None:
        super().__init__(least, most)

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> Any:  # noqa: ANN401 - as click has it
        """Return the number that was typed."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number


def said(text: str) -> str:
    """Return a text in which something is said, such as the reason for a decision."""
    if all(is_invisible(character) or character.isspace() for character in text):
        raise click.BadParameter("it is empty, and stays in the history: say in a few words why")
    return text


def age(text: str) -> dt.timedelta:
    """Return a span of time written such as ``30m``, ``1h`` or ``2d``."""
    found = _AGE.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no age: write a number and a unit (s, m, h, d, w), such as 30m or 2d")
    old = dt.timedelta(**{_UNITS[found[2]]: float(found[1])})
    if old > OLDEST:
        raise click.BadParameter(f"{text!r} is not in the range 0s<=x<={OLDEST.days}d.")
    return old


def store_url(text: str) -> SecretURL:
    """Return the URL of a store, sealed, since that of a server may hold a password."""
    return SecretURL(text)


def field(text: str) -> tuple[str, object]:
    """Return a form's field written such as ``expect_host_size=10``; what is JSON counts as JSON, all else as text."""
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise click.BadParameter(f"{text!r} is no field: write key=value")
    try:
        return key.strip(), parse(value)
    except ValueError:
        return key.strip(), value
