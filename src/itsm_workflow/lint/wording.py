"""The words for a host's functions and evidence in findings."""

from __future__ import annotations

import datetime as dt

import attrs

from itsm_workflow.change import Form


def name_of(function: object) -> str:
    """Return the name of a host's function."""
    return getattr(function, "__name__", type(function).__name__)


def error_text(raised: BaseException) -> str:
    """Return an exception on one line."""
    return " ".join(f"{type(raised).__name__}: {raised}".split())[:200].rstrip(":")


def shown(value: object) -> str:
    """Return evidence in short: the fields that differ from their defaults."""
    kind: type = type(value)
    if not attrs.has(kind):
        return repr(value)[:80]
    fields = [
        f"{field.name}={each}"
        for field in attrs.fields(kind)
        if (each := getattr(value, field.name)) != field.default and not isinstance(each, Form | dt.datetime)
    ]
    return f"{kind.__name__}({', '.join(fields)})"[:200]
