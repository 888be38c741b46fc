"""A finding of the doctor: the examined subject, its level, an observation and an advice."""

from __future__ import annotations

import enum

import attrs


class Level(enum.StrEnum):
    """The severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    """It works, but may stop working or do harm."""
    PROBLEM = "problem"
    """It does not work."""


@attrs.frozen(kw_only=True)
class Finding:
    """One observation of the doctor. Never holds a secret.

    Attributes:
        name: The examined subject, such as ``gateway.certificate``; names are stable across releases.
        level: The severity.
        seen: The observation.
        advice: The recommended action; empty if no action is needed.
    """

    name: str
    level: Level
    seen: str
    advice: str = ""


def ok(name: str, seen: str) -> Finding:
    """Return a finding about something that works."""
    return Finding(name=name, level=Level.OK, seen=seen)


def warning(name: str, seen: str, advice: str) -> Finding:
    """Return a finding about something that works and should be checked."""
    return Finding(name=name, level=Level.WARNING, seen=seen, advice=advice)


def problem(name: str, seen: str, advice: str) -> Finding:
    """Return a finding about something that does not work."""
    return Finding(name=name, level=Level.PROBLEM, seen=seen, advice=advice)
