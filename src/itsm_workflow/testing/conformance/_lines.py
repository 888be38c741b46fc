"""The lines of a backend's own code, at which a test acts, for example to kill the process."""

from __future__ import annotations

import itertools
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from itsm_workflow.storage import protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from itsm_workflow.storage.protocol import StorageBackend

    Place = tuple[str, int]
    """A line of code: its file and its number there."""
    Turn = tuple[Place, int]
    """A line of code, and the number of the time at which it is executed, from 1."""

_NOT_THE_BACKENDS_OWN = (protocol.__file__, str(Path(__file__).parent), "<attrs generated")


@contextmanager
def each_line(see: Callable[[FrameType], object], *, of: frozenset[str] = frozenset()) -> Iterator[None]:
    """Call this before each line of Python that this thread executes in the block, not counting the port's.

    Args:
        see: Called with the frame; what it raises is raised there, and no more lines are seen.
        of: See only lines of these packages at the top; by default, of all.
    """

    def trace(frame: FrameType, event: str, _argument: object) -> Any:  # noqa: ANN401  # itself
        if frame.f_code.co_filename.startswith(_NOT_THE_BACKENDS_OWN):
            return None
        if of and _package_of(frame.f_globals.get("__name__", "")) not in of:
            return None
        if event == "line":
            see(frame)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


@contextmanager
def at_line(line: int, act: Callable[[], object], *, of: frozenset[str] = frozenset()) -> Iterator[list[int]]:
    """Act after that many lines of Python in the block, not counting the port's; yield the number so far.

    Args:
        line: The number of the line, from 1; 0 for none.
        act: Called before that line.
        of: Count only lines of these packages at the top; by default, of all.
    """
    lines = [0]

    def see(_: FrameType) -> None:
        lines[0] += 1
        if lines[0] == line:
            act()

    with each_line(see, of=of):
        yield lines


def places_in(
    call: Callable[[], object],
    most: int,
    *,
    of: frozenset[str],
    chosen: Callable[[FrameType], bool] = lambda _: True,
) -> list[Place]:
    """Make a call, and return the lines of code of these packages at the top that it executes, each once, in order.

    Other than the number of an executed line, a place stays the same when the store grows.

    Args:
        call: The call.
        most: The most places; of more, as many are returned, at equal distances.
        of: The packages at the top.
        chosen: Whether the place of a frame counts.
    """
    places: dict[Place, None] = {}

    def see(frame: FrameType) -> None:
        if chosen(frame):
            places.setdefault(place_of(frame))

    with each_line(see, of=of):
        call()
    listed = [*places]
    return [listed[place] for place in sorted({number * len(listed) // most for number in range(most)})]


def middles_of_loops(call: Callable[[], object], least: int, *, of: frozenset[str] = frozenset()) -> list[Turn]:
    """Make a call, and return for each loop of it a place in the middle of its turns, in order.

    What a loop has done for its first items is done there, and what it does for the others is not.

    Args:
        call: The call.
        least: The least number of turns of a loop; one with fewer is left out.
        of: The packages at the top that have the loops; by default, all.
    """
    numbers = itertools.count()
    executed: dict[Place, list[int]] = {}
    with each_line(lambda frame: executed.setdefault(place_of(frame), []).append(next(numbers)), of=of):
        call()
    middles = sorted((when[len(when) // 2], place) for place, when in executed.items() if len(when) >= least)
    turns: list[Turn] = []
    end = 0
    for middle, place in middles:
        when = executed[place]
        turn = len(when) // 2
        if middle >= end:  # else a line of the loop of the last one, in the same turn
            turns.append((place, turn + 1))
            end = when[turn + 1] if turn + 1 < len(when) else middle + 1
    return turns


@contextmanager
def at_place(
    place: Place,
    act: Callable[[], object],
    *,
    of: frozenset[str],
    chosen: Callable[[FrameType], bool] = lambda _: True,
    turn: int = 1,
) -> Iterator[None]:
    """Act before that line of code is executed for the first time in the block.

    Args:
        place: The line of code.
        act: Called before that line; what it raises is raised there.
        of: The packages at the top, of which one has the line.
        chosen: Whether the place of a frame counts.
        turn: 1 for the first time, 2 for the second, and so on.
    """
    waiting = [act]
    turns = itertools.count(1)

    def see(frame: FrameType) -> None:
        if waiting and place_of(frame) == place and chosen(frame) and next(turns) == turn:
            waiting.pop()()

    with each_line(see, of=of):
        yield


def place_of(frame: FrameType) -> Place:
    """Return the line of code that the frame is at."""
    return frame.f_code.co_filename, frame.f_lineno


def packages_of(backend: StorageBackend) -> frozenset[str]:
    """Return the packages at the top in which the class of a backend and those that it derives from are written."""
    packages = {_package_of(each.__module__) for each in type(backend).__mro__}
    return frozenset(packages - {"builtins", "typing", "abc"})


def _package_of(module: str) -> str:
    return module.partition(".")[0]
