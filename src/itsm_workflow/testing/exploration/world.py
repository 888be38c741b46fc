"""What a world has besides the change and the desk: workers in the middle of something, and what may be spent."""

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
"""How wide the numbers of changes, desks and pairs of workers are."""

T = TypeVar("T", bound="Hashable")

FRESH = -1
"""What a worker has read if nobody wrote since: the change as it is stored."""


class Send(NamedTuple):
    """A worker is about to send; ``late``: it was stopped since its mark, for longer than a send stays fresh."""

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
    """A worker is about to deliver an effect; ``ticket`` is what a withdrawal is about."""

    effect: str
    name: str
    attempt: int
    ticket: str


Question: TypeAlias = Send | Lookup | Read | Deliver


class PutOff(NamedTuple):
    """What is stored after a late look that failed: when to look again."""


PUT_OFF = PutOff()


class Stage(enum.Enum):
    """What a worker does next.

    With the loop: it read a due change and stores its claim; asks; stores what was answered. Else: it stores what it
    came for.
    """

    CLAIM = "claim"
    ASK = "ask"
    STORE = "store"
    HEAR = "hear"
    ACT = "act"
    MARK = "mark"


class Hand(NamedTuple):
    """A worker in the middle of something.

    Attributes:
        stage: What it does next.
        seen: The change that it has read, by number; `FRESH` while that is what is stored.
        about: The question, the callback, or the act.
        answers: What was answered, and is still to be stored.
        keep: The answer counts although the change has moved on meanwhile.
        forced: The host wants it looked at though it is not due.
    """

    stage: Stage
    seen: int = FRESH
    about: Question | Message | Act | None = None
    answers: tuple[Answer | Step | PutOff, ...] = ()
    keep: bool = False
    forced: bool = False


MOST = 10
"""No bound of `Bounds` may be higher: long before that a walk ends in nobody's lifetime."""


def _whole(default: int, least: int, most: int) -> int:
    def bounded(_bounds: object, field: attrs.Attribute[int], value: object) -> None:
        rule = f"{field.name}: wants a whole number from {least} to {most}, not {value!r}"
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(rule)
        if not least <= value <= most:
            raise ValueError(rule)

    return attrs.field(default=default, validator=bounded)


@attrs.frozen(kw_only=True)
class Bounds:
    """What may happen at most before a walk ends there.

    Raises:
        TypeError: A number is no whole number.
        ValueError: It is out of bounds: ticks, faults and acts are 0 to 10, workers 1 or 2.

    Attributes:
        ticks: Steps of time.
        faults: Crashes, lost and wrong answers, lost, doubled and forged callbacks, doubled numbers, and so on.
        acts: Acts of people on a change under way.
        workers: Workers in the middle of something at once.
        apart: Whether no way is left out, see `moves`. None is if the store does not compare versions; if it does,
            the same is met in many times more worlds.
    """

    ticks: int = _whole(3, 0, MOST)
    faults: int = _whole(2, 0, MOST)
    acts: int = _whole(1, 0, MOST)
    workers: int = _whole(2, 1, 2)
    apart: bool = False


TICK, ACT, FAULT = 1, 2, 4
"""What a step costs: a sum of these. No step takes more than one tick, one act and two faults."""

_COSTS = range(TICK + ACT + 2 * FAULT + 1)


class Purse:
    """What is left to spend, as small numbers.

    Attributes:
        full: Nothing spent.
        after: For each number and cost, the number that is left, or -1.
        covers: For each number, a bit for each that has no more left of anything.
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
    """Refuse a number that would run into the one beside it.

    Raises:
        OverflowError: The bounds allow more than can be told apart.
    """
    if number >> BITS:
        raise OverflowError(f"more than {1 << BITS:,} of a kind within these bounds: walk smaller ones")
