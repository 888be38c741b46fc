"""How two ways of doing the same are compared: in turns, so that a busy machine slows both alike."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable


@attrs.frozen(kw_only=True)
class Comparison:
    """Two ways, measured.

    Attributes:
        first: Seconds of the first way, once, by round.
        second: Seconds of the second way, once, by round.
    """

    first: list[float]
    second: list[float]

    @property
    def ratios(self) -> list[float]:
        """How many times as long the second way takes, by round."""
        return [second / first for first, second in zip(self.first, self.second, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Between which half of the ratios lie."""
        low, _, high = statistics.quantiles(self.ratios, n=4)
        return low, high


def compare(first: Callable[[], object], second: Callable[[], object], *, rounds: int, times: int) -> Comparison:
    """Do both ways in turns, so many times in each round; which one goes first changes with each turn.

    What counts of a round is the median of its turns: another process that takes the processor makes single turns long.
    """
    ways = (first, second)
    taken: tuple[list[float], list[float]] = ([], [])
    for way in ways:
        way()  # connections, caches
    for _ in range(rounds):
        turns: tuple[list[float], list[float]] = ([], [])
        for number in range(times):
            for index in (0, 1) if number % 2 else (1, 0):
                started = time.perf_counter()
                ways[index]()
                turns[index].append(time.perf_counter() - started)
        for each, of_turn in zip(taken, turns, strict=True):
            each.append(statistics.median(of_turn))
    return Comparison(first=taken[0], second=taken[1])
