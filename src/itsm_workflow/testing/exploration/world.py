"""The parts of a world besides the change and the desk: workers with a step in progress, and the remaining bounds."""

from __future__ import annotations

import enum
import itertools
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeAlias, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Hashable

    from itsm_workflow.settle import Answer, Step
    from itsm_workflow.testing.exploration.acts import Act
    from itsm_workflow.testing.exploration.itsm import Message

BITS = 24
"""The width of the numbers of changes, desks and pairs of workers."""

T = TypeVar("T", bound="Hashable")

FRESH = -1
"""The change that a worker has read if no other worker wrote since: the stored change."""


class Send(NamedTuple):
    """A worker is about to send; ``late``: it was stopped after its mark, for longer than a send stays fresh."""

    number: int
    key: str
    owner: str
    late: bool = False


class Lookup(NamedTuple):
    """A worker is about to look for tickets, ``late`` after the change was decided; with ``read``, a ticket before."""

    number: int
    key: str
    sn: str = ""
    read: str = ""
    late: bool = False


class Read(NamedTuple):
    """A worker is about to read a ticket, ``late`` after the change was decided."""

    ticket: str
    late: bool = False


class Deliver(NamedTuple):
    """A worker is about to deliver an effect; ``ticket`` is the ticket of a withdrawal."""

    effect: str
    name: str
    attempt: int
    ticket: str


Question: TypeAlias = Send | Lookup | Read | Deliver


class PutOff(NamedTuple):
    """The value that is stored after a late look failed: the time of the next look."""


PUT_OFF = PutOff()


class Stage(enum.Enum):
    """The next step of a worker.

    In the loop: it has read a due change and stores its claim; it asks; it stores the answer. Otherwise: it stores its
    result.
    """

    CLAIM = "claim"
    ASK = "ask"
    STORE = "store"
    HEAR = "hear"
    ACT = "act"
    MARK = "mark"


class Hand(NamedTuple):
    """A worker with a step in progress.

    Attributes:
        stage: The next step.
        seen: The change that it has read, by number; `FRESH` while that is the stored one.
        about: The question, the callback, or the act.
        answers: The answers that are still to be stored.
        keep: Whether the answer counts although the change has moved on.
        forced: Whether the host asked to settle the change although it is not due.
    """

    stage: Stage
    seen: int = FRESH
    about: Question | Message | Act | None = None
    answers: tuple[Answer | Step | PutOff, ...] = ()
    keep: bool = False
    forced: bool = False


MOST = 10
"""The upper limit of each bound of `Bounds`; a larger walk would never end."""


def _whole(default: int, least: int, most: int) -> int:
    def bounded(_bounds: object, field: attrs.Attribute[int], value: object) -> None:
        rule = f"{field.name}: must be a whole number from {least} to {most}, not {value!r}"
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(rule)
        if not least <= value <= most:
            raise ValueError(rule)

    return attrs.field(default=default, validator=bounded)


@attrs.frozen(kw_only=True)
class Bounds:
    """The limits at which a walk ends.

    Raises:
        TypeError: A value is not a whole number.
        ValueError: A value is out of range: ticks, faults and acts are 0 to 10, workers 1 or 2.

    Attributes:
        ticks: Steps of time.
        faults: Crashes, lost and wrong answers, lost, doubled and forged callbacks, doubled numbers, and so on.
        acts: Acts of people on a change under way.
        workers: Workers with a step in progress at the same time.
        apart: Whether no way is left out, see `moves`. A store that does not compare versions always implies this; with
            one that does, the walk meets the same in many times more worlds.
    """

    ticks: int = _whole(3, 0, MOST)
    faults: int = _whole(2, 0, MOST)
    acts: int = _whole(1, 0, MOST)
    workers: int = _whole(2, 1, 2)
    apart: bool = False


TICK, ACT, FAULT = 1, 2, 4
"""The cost of a step: a sum of these. No step costs more than one tick, one act and two faults."""

_COSTS = range(TICK + ACT + 2 * FAULT + 1)


class Purse:
    """The remaining bounds, as small numbers.

    Attributes:
        full: All bounds unspent.
        after: For each number and cost, the number that remains, or -1.
        covers: For each number, a bit for each number that has no more of anything.
    """

    def __init__(self, bounds: Bounds) -> None:
        ranges = [range(most + 1) for most in (bounds.ticks, bounds.acts, bounds.faults)]
        left = list(itertools.product(*ranges))
        numbers = {one: number for number, one in enumerate(left)}
        self.full = numbers[left[-1]]
        self.after = [
            [numbers.get((ticks - cost % ACT, acts - cost // ACT % 2, faults - cost // FAULT), -1) for cost in _COSTS]
            for ticks, acts, faults in left
        ]
        self.covers = [
            sum(1 << numbers[less] for less in left if all(a <= b for a, b in zip(less, one, strict=True)))
            for one in left
        ]


class Numbers(Generic[T]):
    """Gives each value a number, from 0, and the value back."""

    def __init__(self, first: T) -> None:
        self._numbers: dict[T, int] = {first: 0}
        self.values: list[T] = [first]

    def of(self, value: T) -> int:
        """Return the value's number."""
        number = self._numbers.setdefault(value, len(self.values))
        if number == len(self.values):
            check_number(number)
            self.values.append(value)
        return number


def check_number(number: int) -> None:
    """Reject a number that would overflow into the next one.

    Raises:
        OverflowError: The bounds allow more values than the numbers can distinguish.
    """
    if number >> BITS:
        raise OverflowError(f"more than {1 << BITS:,} of a kind within these bounds: use smaller bounds")
