"""Values as they are typed on a command line."""

from __future__ import annotations

import datetime as dt
import re

import rich_click as click

from itsm_workflow.secrets import SecretURL
from itsm_workflow.storage.strict import parse

_AGE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def age(text: str) -> dt.timedelta:
    """Return a span of time written such as ``30m``, ``1h`` or ``2d``."""
    found = _AGE.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no age: write a number and a unit (s, m, h, d, w), such as 30m or 2d")
    return dt.timedelta(**{_UNITS[found[2]]: float(found[1])})


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
