"""A finding: one thing that was looked at, how it stands, and what to do about it."""

from __future__ import annotations

import enum

import attrs


class Level(enum.StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARNING = "warning"
    """Works, and may stop working or do harm."""
    PROBLEM = "problem"
    """Does not work."""


@attrs.frozen(kw_only=True)
class Finding:
    """What was found. Never holds a secret.

    Attributes:
        name: What was looked at, such as ``gateway.certificate``; names stay.
        level: How it stands.
        seen: What was seen.
        advice: What to do; empty if there is nothing to do.
    """

    name: str
    level: Level
    seen: str
    advice: str = ""


def ok(name: str, seen: str) -> Finding:
    """Return that all is well."""
    return Finding(name=name, level=Level.OK, seen=seen)


def warning(name: str, seen: str, advice: str) -> Finding:
    """Return that something works and should be looked at."""
    return Finding(name=name, level=Level.WARNING, seen=seen, advice=advice)


def problem(name: str, seen: str, advice: str) -> Finding:
    """Return that something does not work."""
    return Finding(name=name, level=Level.PROBLEM, seen=seen, advice=advice)
