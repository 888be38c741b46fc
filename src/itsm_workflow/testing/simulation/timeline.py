"""The events of a run, line by line, and a digest of all of them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable


@attrs.frozen
class Line:
    """One event.

    Attributes:
        at: Seconds since the run began.
        who: The process, person or system.
        what: The event in words; equal for the same seed.
        minor: Whether it is left out of the text for people.
    """

    at: float
    who: str
    what: str
    minor: bool = False


class Timeline:
    """Collects lines.

    Args:
        elapsed: Source of the seconds since the run began.
    """

    def __init__(self, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._lines: list[Line] = []

    def note(self, who: str, what: str, *, minor: bool = False) -> None:
        """Add a line with the current time."""
        self._lines.append(Line(self._elapsed(), who, what, minor))

    def text(self) -> str:
        """Return the text for people."""
        shown = [line for line in self._lines if not line.minor]
        width = max((len(line.who) for line in shown), default=0)
        return "\n".join(f"{_moment(line.at)}  {line.who:<{width}}  {line.what}" for line in shown)

    def digest(self, *more: str) -> str:
        """Return the SHA-256 of every line, and of further texts."""
        found = hashlib.sha256()
        for line in self._lines:
            found.update(f"{line.at!r} {line.who} {line.what}\n".encode())
        for text in more:
            found.update(text.encode() + b"\n")
        return found.hexdigest()


def _moment(seconds: float) -> str:
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    return f"day {int(days)} {int(hours):02}:{int(minutes):02}:{rest:06.3f}"
