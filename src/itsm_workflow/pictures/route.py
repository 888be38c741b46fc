"""The way of one change through its workflow: the numbers and times of its moves, and the time in each state."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.pictures import times
from itsm_workflow.pictures.words import duration_text, phrase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.change import Entry

    Move = tuple[str, str, str]

_SHOWN = 3


@attrs.frozen
class Steps:
    """The times at which a change made one move.

    Attributes:
        numbers: The numbers of the move among all of the change; its draft is number 0.
        last: The time of the last one.
    """

    numbers: Sequence[int]
    last: dt.datetime


@attrs.frozen
class Route:
    """The way of one change.

    Attributes:
        steps: The steps by source, trigger and destination.
        stays: The total time in each state that was left again.
        current: The state in which the change is.
        since: The time at which it entered this state.
        begun: The time of its draft.
    """

    steps: Mapping[Move, Steps]
    stays: Mapping[str, dt.timedelta]
    current: str
    since: dt.datetime
    begun: dt.datetime

    def steps_text(self, move: Move, zone: dt.tzinfo) -> str:
        """Return the numbers of a move, and the time of the last one, with its day if the change took several days."""
        steps = self.steps[move]
        shown = ", ".join(map(str, steps.numbers))
        if len(steps.numbers) > _SHOWN:
            shown = f"{steps.numbers[0]}, {steps.numbers[1]} … {steps.numbers[-1]} (×{len(steps.numbers)})"
        is_one_day = times.day(self.begun, zone) == times.day(self.since, zone)
        day = "" if is_one_day else f"{times.day(steps.last, zone)} "
        return f"{shown} · {day}{times.second(steps.last, zone)}"

    def is_visited(self, state: str) -> bool:
        """Return whether the change was ever in the state."""
        return state == self.current or state in self.stays

    def stay_text(self, state: str, language: str, zone: dt.tzinfo) -> str:
        """Return how long the change was in a state, or since when it is; empty if it never was."""
        if state == self.current:
            return phrase("since", language, times.day_and_second(self.since, zone))
        return duration_text(self.stays[state], language) if state in self.stays else ""


def route_of(path: Sequence[Entry]) -> Route | None:
    """Return the way of a change by its history; None without a history."""
    moved = [entry for entry in path if entry.source != entry.dest]
    if not moved:
        return None
    steps: dict[Move, Steps] = {}
    stays: dict[str, dt.timedelta] = {}
    for number, entry in enumerate(moved):
        move = entry.source, entry.trigger, entry.dest
        before = steps[move].numbers if move in steps else ()
        steps[move] = Steps((*before, number), entry.at)
    for entry, following in itertools.pairwise(moved):
        stays[entry.dest] = stays.get(entry.dest, dt.timedelta()) + (following.at - entry.at)
    return Route(steps, stays, moved[-1].dest, moved[-1].at, moved[0].at)
