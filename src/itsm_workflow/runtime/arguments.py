"""Checks of what a host passes to a method: before anything is done, with an error that names the argument."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable

_FIRST = dt.datetime.min.replace(tzinfo=dt.UTC)


def check_whole(argument: str, value: object, *, least: int) -> None:
    """Refuse what is not a whole number from ``least`` on.

    Args:
        argument: The method and the argument, as in ``reconcile(limit=...)``.
        value: What was passed.
        least: The lowest number.

    Raises:
        TypeError: It is not a whole number; a bool is not one.
        ValueError: It is lower.
    """
    rule = f"{argument} takes a whole number from {least} on"
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{rule}, not {value!r}")
    if value < least:
        raise ValueError(f"{rule}, not {value}")


def check_seconds(argument: str, value: object, *, most: float = math.inf) -> None:
    """Refuse what is not a number of seconds from 0 to ``most``; infinity is no bound.

    Raises:
        TypeError: It is not a number; a bool is not one.
        ValueError: It is below 0, above ``most``, or NaN.
    """
    rule = f"{argument} takes a number of seconds from 0 {'on' if most == math.inf else f'to {most:.0f}'}"
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{rule}, not {value!r}")
    if not 0 <= value <= most:  # NaN is neither
        raise ValueError(f"{rule}, not {value}")


def checked_age(argument: str, value: object, now: dt.datetime) -> dt.timedelta:
    """Return an age, if something that exists now can have it.

    Raises:
        TypeError: It is not a timedelta.
        ValueError: It is below 0, or reaches back before the year 1.
    """
    rule = f"{argument} takes a timedelta from 0 on that does not reach back before the year 1"
    if not isinstance(value, dt.timedelta):
        raise TypeError(f"{rule}, not {value!r}")
    if not dt.timedelta() <= value <= now - _FIRST:
        raise ValueError(f"{rule}, not {value!r}")
    return value


def check_text(argument: str, value: object) -> None:
    """Refuse what is not text.

    Raises:
        TypeError: It is not.
    """
    if not isinstance(value, str):
        raise TypeError(f"{argument} takes text, not {value!r}")


def check_function(argument: str, value: object) -> None:
    """Refuse what cannot be called.

    Raises:
        TypeError: It cannot.
    """
    if not callable(value):
        raise TypeError(f"{argument} takes a function, not {value!r}")


def checked_names(method: str, name: str, values: Iterable[str]) -> tuple[str, ...]:
    """Return the names in a list, as plain texts.

    Raises:
        TypeError: They are one text, of which each letter would be taken for a name, or something in them is not text.
    """
    rule = f"{method}({name}=...) takes a list of names"
    if isinstance(values, str):
        raise TypeError(f"{rule}, not one text: write {name}=[{str.__str__(values)!r}]")
    if not isinstance(values, Iterable):
        raise TypeError(f"{rule}, not {values!r}")
    listed = tuple(values)
    for value in listed:
        if not isinstance(value, str):
            raise TypeError(f"{rule}, and {value!r} is not text")
    return tuple(map(str.__str__, listed))
