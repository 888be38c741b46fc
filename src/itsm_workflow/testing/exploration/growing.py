"""Bounds that grow until a walk has reached everything, or a budget is used up."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.testing.exploration.world import MOST
from itsm_workflow.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.testing.coverage import Unreached
    from itsm_workflow.testing.exploration.walk import Exploration, Limits
    from itsm_workflow.testing.exploration.world import Bounds

_GROW = ("acts", "ticks", "faults")


def grown(walk: Callable[[Bounds, Limits], Exploration], bounds: Bounds, limits: Limits) -> Exploration:
    """Walk, and raise one bound after the other by 1.

    Each of the bounds is tried, and the one is raised with which the walk reaches most. If none reaches more, the one
    is raised that was raised least often, since what is left may need two of them.

    Args:
        walk: One walk within bounds and limits.
        bounds: The bounds of the first walk.
        limits: The limits of each walk; those of states and seconds are of all walks together.

    Returns:
        The result of the last walk that was complete, or of one that found something; with all worlds and seconds.
    """
    total, raised = _Total(limits), list[str]()
    best = total.add(walk(bounds, limits))
    times = Counter[str]()
    while best.complete and best.unreached:
        tried: list[tuple[tuple[int, int, int], str, Exploration]] = []
        for name, more in _raises(best.bounds):
            found = total.add(walk(more, total.left()))
            if not found.holds:
                return total.of(found, (*raised, _sentence(name, more, best.unreached, found.unreached)))
            if not found.complete:
                return total.of(best, (*raised, "the budget ended"))
            tried.append(((_size(found.unreached), times[name], found.states), name, found))
        if not tried:
            return total.of(best, (*raised, "each bound has its largest value"))
        _, name, found = min(tried, key=lambda one: one[0])
        times[name] += 1
        raised.append(_sentence(name, found.bounds, best.unreached, found.unreached))
        best = found
    return total.of(best, tuple(raised))


class _Total:
    """Counts the worlds and seconds of all walks."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._states = 0
        self._seconds = 0.0

    def add(self, found: Exploration) -> Exploration:
        self._states += found.states
        self._seconds += found.seconds
        return found

    def left(self) -> Limits:
        states, seconds = self._limits.states, self._limits.seconds
        return attrs.evolve(
            self._limits,
            states=None if states is None else max(states - self._states, 0),
            seconds=None if seconds is None else max(seconds - self._seconds, 0.0),
        )

    def of(self, found: Exploration, raised: tuple[str, ...]) -> Exploration:
        return attrs.evolve(found, seconds=self._seconds, raised=raised)


def _raises(bounds: Bounds) -> Iterator[tuple[str, Bounds]]:
    for name in _GROW:
        more = getattr(bounds, name) + 1
        if more <= MOST:
            yield name, attrs.evolve(bounds, **{name: more})


def _size(unreached: Unreached) -> int:
    return sum(map(len, attrs.astuple(unreached, recurse=False)))


def _sentence(name: str, bounds: Bounds, before: Unreached, after: Unreached) -> str:
    reached = _size(before) - _size(after)
    return f"{name} to {getattr(bounds, name)}, which reached {counted(reached, 'part') if reached else 'nothing'} more"
