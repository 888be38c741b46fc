"""What happens later, as data: due times with actions, run by whoever owns the clock."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


@attrs.frozen(order=True)
class Event:
    """One thing that will happen.

    Attributes:
        due: when, aware UTC.
        number: order of scheduling, which breaks ties.
        what: a word for people reading a dump.
        action: the thing itself; called once, at or after ``due``.
    """

    due: datetime
    number: int
    what: str = attrs.field(order=False)
    action: Callable[[], None] = attrs.field(order=False, repr=False)


class Schedule:
    """A queue of events that never runs one by itself."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._number = 0

    def __len__(self) -> int:
        return len(self._events)

    def add(self, due: datetime, what: str, action: Callable[[], None]) -> None:
        """Plan an action for a time."""
        self._number += 1
        heapq.heappush(self._events, Event(due, self._number, what, action))

    def next_due(self) -> datetime | None:
        """Tell when the next event is due; None if nothing is planned."""
        return self._events[0].due if self._events else None

    def run(self, now: datetime) -> int:
        """Run what is due, in order of due time, including what those events plan for no later than now.

        Returns:
            How many events ran.
        """
        ran = 0
        while self._events and self._events[0].due <= now:
            heapq.heappop(self._events).action()
            ran += 1
        return ran

    def pending(self) -> list[tuple[datetime, str]]:
        """List what is planned, soonest first."""
        return [(event.due, event.what) for event in sorted(self._events)]
