"""A search for an order of concurrent operations that explains their answers.

The operations are linearizable if each of them can take effect at one moment between its beginning and its end, so that
every answer is right. The search is that of Wing and Gong with Lowe's set of visited configurations, as in Knossos and
Porcupine. It is a pure function of the operations.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

State = TypeVar("State", bound=Hashable)

Step = Callable[[State], tuple[State, ...]]
"""Returns the states that an operation can lead to from a state; empty if its answer is wrong there."""

Meaning = Callable[[], str]
"""Returns the effect or the answer of an operation in words; called for the few that a report shows."""

_Path = tuple[int, "_Path"] | None
"""Places in the reverse of their order, as a linked list, so that orders with a common beginning share it."""

_MOST = 200_000
"""The number of configurations after which the search gives up."""


@attrs.frozen(eq=False)
class Operation(Generic[State]):
    """One operation of one thread or process.

    Attributes:
        began: The time at which it began, on a clock that all operations share.
        ended: The time at which it answered. None if it did not answer, or if its answer leaves open whether it took
            effect: such an operation takes effect at any time after it began, or never.
        step: The effect of the operation.
        reads: Whether the operation leaves every state as it is.
        source: The call that the operation is a part of, for the report.
        meaning: The effect or the answer of the operation in words.
    """

    began: int
    ended: int | None
    step: Step[State]
    reads: bool = False
    source: Any = None
    meaning: Meaning = str


@attrs.frozen(eq=False)
class Unexplained(Generic[State]):
    """The longest order that explains a part of the operations.

    Attributes:
        order: The operations that are explained, in that order.
        state: The state after them.
        candidates: The answered operations that could be next in time; each answer is wrong in the state.
    """

    order: tuple[Operation[State], ...]
    state: State
    candidates: tuple[Operation[State], ...]


def unexplained(operations: Sequence[Operation[State]], initial: State) -> Unexplained[State] | None:
    """Return None if the operations are linearizable, else the longest order that explains a part of them.

    Operations of which too many orders are possible count as linearizable, so that no correct backend is reported.

    Args:
        operations: The operations in any sequence.
        initial: The state before all of them.
    """
    return _Search(operations).run(initial)


class _Search(Generic[State]):
    def __init__(self, operations: Sequence[Operation[State]]) -> None:
        answered = sorted((each for each in operations if each.ended is not None), key=lambda each: each.began)
        self._count = len(answered)
        self._all = [*answered, *(each for each in operations if each.ended is None)]

    def run(self, initial: State) -> Unexplained[State] | None:
        whole = (1 << self._count) - 1
        waiting: list[tuple[int, State, _Path]] = [(0, initial, None)]
        seen: set[tuple[int, State]] = set()
        best: tuple[int, int, State, _Path] = (-1, 0, initial, None)
        while waiting:
            done, state, path = self._settled(*waiting.pop())
            if done & whole == whole or len(seen) > _MOST:
                return None
            if (done, state) in seen:
                continue
            seen.add((done, state))
            best = max(best, ((done & whole).bit_count(), done, state, path), key=lambda each: each[0])
            following = [
                (done | 1 << place, after, (place, path))
                for place in self._candidates(done)
                for after in self._all[place].step(state)
                if after != state or place < self._count
            ]
            waiting += reversed(following)  # the earliest operation is tried first
        _, done, state, path = best
        candidates = tuple(self._all[place] for place in self._candidates(done) if place < self._count)
        return Unexplained(tuple(self._all[place] for place in _places(path)), state, candidates)

    def _settled(self, done: int, state: State, path: _Path) -> tuple[int, State, _Path]:
        """Take every reading operation that can be next and whose answer is right: no order needs it later."""
        settled = -1
        while settled != done:
            settled = done
            for place in self._candidates(done):
                if self._all[place].reads and self._all[place].step(state):
                    done, path = done | 1 << place, (place, path)
        return done, state, path

    def _candidates(self, done: int) -> list[int]:
        """Return the operations that began before any other open operation ended."""
        found = []
        until: float = float("inf")
        lowest = (~done & (done + 1)).bit_length() - 1
        for place in range(lowest, self._count):
            operation = self._all[place]
            if operation.began > until:
                break
            if not done >> place & 1:
                found.append(place)
                until = min(until, operation.ended or 0)
        late = range(self._count, len(self._all))
        return found + [place for place in late if not done >> place & 1 and self._all[place].began <= until]


def _places(path: _Path) -> Iterator[int]:
    places = []
    while path is not None:
        place, path = path
        places.append(place)
    return reversed(places)
