"""How two ways of doing the same are compared: in turns, so that a busy machine slows both alike."""

from __future__ import annotations

import resource
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
        cpu_first: Seconds of processor time of the first way, once, by round.
        cpu_second: Seconds of processor time of the second way, once, by round.
    """

    first: list[float]
    second: list[float]
    cpu_first: list[float]
    cpu_second: list[float]

    @property
    def ratios(self) -> list[float]:
        """How many times as long the second way takes, by round."""
        return [second / first for first, second in zip(self.first, self.second, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def cpu_ratio(self) -> float:
        """The median of the ratios of processor time, by round."""
        pairs = zip(self.cpu_first, self.cpu_second, strict=True)
        return statistics.median(second / first for first, second in pairs)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Between which half of the ratios lie."""
        low, _, high = statistics.quantiles(self.ratios, n=4)
        return low, high


def compare(
    first: Callable[[], object], second: Callable[[], object], *, rounds: int, times: int, calls: int = 1
) -> Comparison:
    """Do both ways in turns, so many times in each round; which one goes first changes with each turn.

    What counts of a round is the median of its turns: another process that takes the processor makes single turns long.

    Args:
        first: One way.
        second: The other way.
        rounds: The number of rounds.
        times: The number of turns of each way in a round.
        calls: The number of calls in a turn; more than one if a call takes hardly longer than reading a clock.
    """
    ways = (first, second)
    taken: tuple[list[float], list[float]] = ([], [])
    used: tuple[list[float], list[float]] = ([], [])
    for way in ways:
        way()  # connections, caches
    for _ in range(rounds):
        turns: tuple[list[float], list[float]] = ([], [])
        cpu: tuple[list[float], list[float]] = ([], [])
        for number in range(times):
            for index in (0, 1) if number % 2 else (1, 0):
                way, before, started = ways[index], processor_time(), time.perf_counter()
                for _call in range(calls):
                    way()
                turns[index].append((time.perf_counter() - started) / calls)
                cpu[index].append((processor_time() - before) / calls)
        for index in (0, 1):
            taken[index].append(statistics.median(turns[index]))
            used[index].append(statistics.median(cpu[index]))
    return Comparison(first=taken[0], second=taken[1], cpu_first=used[0], cpu_second=used[1])


def processor_time() -> float:
    """Return the processor time of this process and of its children that have ended, in seconds."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
