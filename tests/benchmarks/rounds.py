"""How ways of doing the same are compared: in turns, so that a busy machine slows all alike."""

from __future__ import annotations

import resource
import statistics
import time
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Way = Callable[[], tuple[float, float]]


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


@attrs.frozen(kw_only=True)
class Measured:
    """One of several ways.

    Attributes:
        wall: Seconds, once, by round.
        cpu: Seconds of processor time, once, by round.
    """

    wall: list[float]
    cpu: list[float]


def timed(act: Callable[[], object], calls: int = 1) -> Way:
    """Return a way that does an act and measures it in this process.

    Args:
        act: What is measured.
        calls: The number of calls in a turn; more than one if a call takes hardly longer than reading a clock.
    """

    def way() -> tuple[float, float]:
        before, started = processor_time(), time.perf_counter()
        for _call in range(calls):
            act()
        return (time.perf_counter() - started) / calls, (processor_time() - before) / calls

    return way


def in_turns(ways: Sequence[Way], *, rounds: int, times: int) -> list[Measured]:
    """Go all ways in turns, so many times in each round; which one goes first changes with each turn.

    What counts of a round is the median of its turns: another process that takes the processor makes single turns long.

    Args:
        ways: Each returns the seconds, and those of processor time, that it took once.
        rounds: The number of rounds.
        times: The number of turns of each way in a round.
    """
    found = [Measured(wall=[], cpu=[]) for _ in ways]
    for way in ways:
        way()  # connections, caches
    for _ in range(rounds):
        turns: list[list[tuple[float, float]]] = [[] for _ in ways]
        for number in range(times):
            for place in range(len(ways)):
                index = (place + number + 1) % len(ways)
                turns[index].append(ways[index]())
        for one, taken in zip(found, turns, strict=True):
            one.wall.append(statistics.median(wall for wall, _ in taken))
            one.cpu.append(statistics.median(cpu for _, cpu in taken))
    return found


def comparison(first: Measured, second: Measured) -> Comparison:
    """Return two of several ways as a comparison."""
    return Comparison(first=first.wall, second=second.wall, cpu_first=first.cpu, cpu_second=second.cpu)


def compare(
    first: Callable[[], object], second: Callable[[], object], *, rounds: int, times: int, calls: int = 1
) -> Comparison:
    """Compare two ways in turns, see `in_turns` and `timed`."""
    return comparison(*in_turns([timed(first, calls), timed(second, calls)], rounds=rounds, times=times))


def processor_time() -> float:
    """Return the processor time of this process and of its children that have ended, in seconds."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
