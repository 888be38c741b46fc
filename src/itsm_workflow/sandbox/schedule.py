"""Future events as data: due times with actions, which the owner of the clock runs."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


@attrs.frozen(order=True)
class Event:
    """One future event.

    Attributes:
        due: the time of the event, aware UTC.
        number: the order of scheduling, which breaks ties.
        what: a description for people who read a dump.
        action: the action, which is called once, at or after ``due``.
    """

    due: datetime
    number: int
    what: str = attrs.field(order=False)
    action: Callable[[], None] = attrs.field(order=False, repr=False)


class Schedule:
    """A queue of events, which run only when a caller runs them."""

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
        """Return the time at which the next event is due; None without events."""
        return self._events[0].due if self._events else None

    def run(self, now: datetime) -> int:
        """Run the due events, in the order of their times, including due events that these events plan.

        Returns:
            The number of events that ran.
        """
        ran = 0
        while self._events and self._events[0].due <= now:
            heapq.heappop(self._events).action()
            ran += 1
        return ran

    def pending(self) -> list[tuple[datetime, str]]:
        """Return the planned events, earliest first."""
        return [(event.due, event.what) for event in sorted(self._events)]
