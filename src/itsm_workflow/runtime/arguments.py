"""Checks of a method's arguments, made before anything is done, with errors that name the argument."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable

_FIRST = dt.datetime.min.replace(tzinfo=dt.UTC)


def check_whole(argument: str, value: object, *, least: int) -> None:
    """Reject a value that is not a whole number of at least ``least``.

    Args:
        argument: The method and the argument, as in ``reconcile(limit=...)``.
        value: The value that was passed.
        least: The lowest valid number.

    Raises:
        TypeError: The value is not a whole number; a bool does not count as a number.
        ValueError: The value is below ``least``.
    """
    rule = f"{argument} takes a whole number of at least {least}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{rule}, not {value!r}")
    if value < least:
        raise ValueError(f"{rule}, not {value}")


def check_seconds(argument: str, value: object, *, most: float = math.inf) -> None:
    """Reject a value that is not a number of seconds from 0 to ``most``; infinity means no limit.

    Raises:
        TypeError: The value is not a number; a bool does not count as a number.
        ValueError: The value is below 0, above ``most``, or NaN.
    """
    rule = f"{argument} takes a number of seconds {'of at least 0' if most == math.inf else f'from 0 to {most:.0f}'}"
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{rule}, not {value!r}")
    if not 0 <= value <= most:  # NaN compares false
        raise ValueError(f"{rule}, not {value}")


def checked_age(argument: str, value: object, now: dt.datetime) -> dt.timedelta:
    """Return an age after checking it.

    Raises:
        TypeError: The value is not a timedelta.
        ValueError: The value is below 0, or reaches back before the year 1.
    """
    rule = f"{argument} takes a timedelta of at least 0 that does not reach back before the year 1"
    if not isinstance(value, dt.timedelta):
        raise TypeError(f"{rule}, not {value!r}")
    if not dt.timedelta() <= value <= now - _FIRST:
        raise ValueError(f"{rule}, not {value!r}")
    return value


def check_text(argument: str, value: object) -> None:
    """Reject a value that is not text.

    Raises:
        TypeError: The value is not a string.
    """
    if not isinstance(value, str):
        raise TypeError(f"{argument} takes text, not {value!r}")


def check_function(argument: str, value: object) -> None:
    """Reject a value that is not callable.

    Raises:
        TypeError: The value is not callable.
    """
    if not callable(value):
        raise TypeError(f"{argument} takes a function, not {value!r}")


def checked_names(method: str, name: str, values: Iterable[str]) -> tuple[str, ...]:
    """Return the names in a list, as plain strings.

    Raises:
        TypeError: The value is a single string, whose letters would be taken as names, or an item is not a string.
    """
    rule = f"{method}({name}=...) takes a list of names"
    if isinstance(values, str):
        raise TypeError(f"{rule}, not a single string: write {name}=[{str.__str__(values)!r}]")
    if not isinstance(values, Iterable):
        raise TypeError(f"{rule}, not {values!r}")
    listed = tuple(values)
    for value in listed:
        if not isinstance(value, str):
            raise TypeError(f"{rule}, but {value!r} is not a string")
    return tuple(map(str.__str__, listed))
