"""All worlds of two changes of one subject, and the walk through them.

A world of two changes is a world of each, and which of them was submitted last. A step is a step of one of them, in
which the other stays as it is, except that a step of time is one of both. Every order of their steps is a way.

The two worlds have tickets, callbacks and workers of their own. This leaves nothing out: a ticket is found by its key
or by its id, and in each world it is checked that no key belongs to both changes. What is common is the store: which
change holds the subject, and the number of its last submission. Each step of a change is taken with these two facts
about the other one, and the number is read and committed in two steps.

The changes are only distinguished by their names. So the first one that is stored is called the first: ways in which
the second one is stored first are the same with the names exchanged, and are left out. A test compares the final states
with those of a walk in which they are not.
"""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING

from itsm_workflow.machine.approval import Trigger
from itsm_workflow.testing.exploration.checking import problem_of
from itsm_workflow.testing.exploration.drain import Drain, People
from itsm_workflow.testing.exploration.invariants import Sight, number_is_above_the_others
from itsm_workflow.testing.exploration.moves import TIME, Move
from itsm_workflow.testing.exploration.pair_invariants import PairSight
from itsm_workflow.testing.exploration.sides import Other, SideSpace
from itsm_workflow.testing.exploration.walk import Violation, Walk
from itsm_workflow.testing.exploration.world import BITS, TICK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.testing.coverage import Reached
    from itsm_workflow.testing.exploration.acts import Act
    from itsm_workflow.testing.exploration.invariants import Invariant
    from itsm_workflow.testing.exploration.itsm import Filed, Itsm
    from itsm_workflow.testing.exploration.library import Library
    from itsm_workflow.testing.exploration.pair_invariants import PairInvariant
    from itsm_workflow.testing.exploration.world import Bounds

NAMES = ("first", "second")
"""The ids of the two changes."""

_KEYS = ("K1", "L1")
_WIDTH = 3 * BITS
_MASK = (1 << _WIDTH) - 1
_SIDES = (0, 1)


class PairSpace:
    """The worlds of two changes of one subject, and the steps between them.

    Args:
        library: Makes the library's pure steps for one change.
        itsm: The ticket system.
        bounds: The bounds, of which only those of workers are used.
        acts: The acts of people on a change.
        ordered: Whether the change that is stored first is called the first.
    """

    def __init__(
        self,
        library: Callable[[], Library],
        itsm: Itsm,
        bounds: Bounds,
        acts: Callable[[ChangeRequest, tuple[Filed, ...]], Iterable[Act]],
        *,
        ordered: bool,
    ) -> None:
        self._ordered = ordered
        sides = []
        for name, key in zip(NAMES, _KEYS, strict=True):
            of_side, system = library(), copy.copy(itsm)
            of_side.change_id, of_side.key, system.key = name, key, key
            sides.append(SideSpace(of_side, system, bounds, acts))
        self.sides = (sides[0], sides[1])
        self._gates = library()
        self._steps = functools.cache(self._steps_of)
        self._gate = functools.cache(self._gate_of)
        self._submits = functools.cache(self._is_submission)
        self._later = functools.cache(lambda side, world: self.sides[side].waits(world).world)

    # ---------------------------------------------------------------- worlds

    @staticmethod
    def parts(world: int) -> tuple[int, int]:
        """Return the worlds of the two changes."""
        return world >> 2 & _MASK, world >> 2 + _WIDTH

    @staticmethod
    def newest(world: int) -> int | None:
        """Return which change was submitted last."""
        return None if not world & 3 else (world & 3) - 1

    def changes(self, world: int) -> tuple[ChangeRequest | None, ChangeRequest | None]:
        """Return the two stored changes."""
        one, two = self.parts(world)
        return self.sides[0].change(one), self.sides[1].change(two)

    def gate(self, world: int) -> str | None:
        """Return the id of the change by which the subject passes the gate."""
        one, two = self.parts(world)
        return self._gate(one >> 2 * BITS, two >> 2 * BITS)

    def look(self, side: int, world: int) -> None:
        """Let the following steps of a change see the other one as it is in a world."""
        self.sides[side].look_at(self._other(side, self.parts(world)[1 - side]))

    def _gate_of(self, one: int, two: int) -> str | None:
        rows = [self.sides[side].row(number << 2 * BITS) for side, number in zip(_SIDES, (one, two), strict=True)]
        return self._gates.gate([row for row in rows if row is not None])

    def _other(self, side: int, world: int) -> Other:
        row = self.sides[1 - side].row(world)
        return Other() if row is None else Other(row.id, row.submission, row.is_open)

    # ---------------------------------------------------------------- steps

    def moves(self, world: int, affords: Sequence[int]) -> Iterator[Move]:
        """Yield every step from a world, see `Space.moves`; a write's number carries its side in the lowest bit."""
        parts, newest = self.parts(world), world & 3
        exists = [one >> 2 * BITS for one in parts]
        if any(exists) and affords[TICK] >= 0:
            yield Move(_packed(self._later(0, parts[0]), self._later(1, parts[1]), newest), TICK, TIME, 0)
        for side in _SIDES:
            own, beside = parts[side], parts[1 - side]
            for step in self._steps(side, own, self._other(side, beside)):
                if affords[step.cost] < 0:
                    continue
                if self._ordered and side and step.write and not exists[0]:
                    continue  # the same way with the names exchanged is walked
                other = self._later(1 - side, beside) if step.cost & TICK else beside
                pair = (other, step.world) if side else (step.world, other)
                after = side + 1 if step.write and self._submits(side, step.write) else newest
                text = (f"{NAMES[side]}: {step.text[0]}", *step.text[1:])
                yield Move(_packed(*pair, after), step.cost, text, step.write << 1 | side if step.write else 0)

    def _steps_of(self, side: int, world: int, other: Other) -> tuple[Move, ...]:
        self.sides[side].look_at(other)
        return self.sides[side].steps(world)

    def _is_submission(self, side: int, write: int) -> bool:
        entries = self.sides[side].written(write)[0].entries
        return any(entry.trigger == Trigger.SUBMIT for entry in entries)


class PairWalk(Walk):
    """One walk through the worlds of two changes.

    Args:
        space: The worlds.
        definition: The workflow.
        bounds: The limits for time, faults and acts, which are for both changes together.
        invariants: The promises to check of each change.
        together: The promises to check of both.
        end: The promise to check where a change ends.
        reached: Records what is reached.
    """

    def __init__(  # noqa: PLR0917 - as in the base class
        self,
        space: PairSpace,
        definition: WorkflowDefinition,
        bounds: Bounds,
        invariants: Sequence[Invariant],
        together: Sequence[PairInvariant],
        end: Invariant,
        *,
        reached: Reached,
    ) -> None:
        # A walk of one change assumes the number of the other, and this walk has it.
        own = [one for one in invariants if one is not number_is_above_the_others]
        super().__init__(space, definition, bounds, own, end, reached=reached)  # type: ignore[arg-type]  # as far as used
        self._pair = space
        self._together = together
        self._drains = []
        self._drains_of = [[Drain(part, people, self._judged(part)) for people in People] for part in space.sides]
        self._sane_pairs: set[int] = set()
        self._sane_sides: tuple[set[tuple[int, int]], ...] = (set(), set())
        self._drained: tuple[set[int], ...] = (set(), set())

    def _judged(self, side: SideSpace) -> Callable[[int], str | None]:
        def judge(world: int) -> str | None:
            sight = Sight(definition=self._definition, change=side.change(world), desk=side.desk(world))
            return problem_of(self._end, self._end(sight))

        return judge

    def _broken(self, move: Move) -> tuple[Invariant | PairInvariant, str] | None:  # type: ignore[override]  # of both
        parts, pair = self._pair.parts(move.world), self._pair
        for side in _SIDES:
            write = move.write >> 1 if move.write & 1 == side else 0
            found = self._broken_side(side, write, parts[side])
            if found:
                return found
        key = _packed(parts[0] >> BITS, parts[1] >> BITS, move.world & 3)
        if key in self._sane_pairs:
            return None
        sight = PairSight(
            definition=self._definition,
            changes=pair.changes(move.world),
            desks=(pair.sides[0].desk(parts[0]), pair.sides[1].desk(parts[1])),
            newest=pair.newest(move.world),
            gate=pair.gate(move.world),
        )
        for invariant in self._together:
            problem = problem_of(invariant, invariant(sight))
            if problem:
                return invariant, problem
        self._sane_pairs.add(key)
        return None

    def _broken_side(self, side: int, write: int, world: int) -> tuple[Invariant, str] | None:
        space, sane = self._pair.sides[side], self._sane_sides[side]
        key = (write, world >> BITS)
        if key in sane:
            return None
        written, before, base = space.written(write)
        change = space.change(world)
        sight = Sight(
            definition=self._definition,
            change=change,
            desk=space.desk(world),
            before=before,
            base=base,
            entries=written.entries,
        )
        self._reached.move(written.entries)
        if change is not None:
            self._reached.enter(change.state)
        for invariant in self._invariants:
            problem = problem_of(invariant, invariant(sight))
            if problem:
                return invariant, problem
        sane.add(key)
        return None

    def _drain(self) -> list[Violation]:
        """Follow each change of every world to its end, the nearest ones first.

        The steps of a change without faults depend on the other one by the numbers of submissions alone, which decide
        no end; so each world of a change is followed once, beside the other change as it was met first.
        """
        for place, world in enumerate(self._worlds):
            self._place = place
            if self._limits.seconds is not None and self._is_over(place):
                return []
            for side, own in enumerate(self._pair.parts(world)):
                if own in self._drained[side]:
                    continue
                self._drained[side].add(own)
                self._pair.look(side, world)
                for drain in self._drains_of[side]:
                    problem = drain.verdict(own)
                    if problem:
                        return [self._ended(side, problem, place, list(drain.run(own)))]
        return []

    def _ended(self, side: int, problem: str, place: int, last: Sequence[Move]) -> Violation:
        way = self._finding(self._end, problem, place, [])
        rest = [
            f"once faults stop, {NAMES[side]}: {'; '.join(move.text)}  [{self._standing(side, move.world)}]"
            for move in last
        ]
        return Violation(promise=way.promise, sentence=way.sentence, problem=problem, steps=(*way.steps, *rest))

    def _followed(self) -> int:
        return sum(len(drain) for drains in self._drains_of for drain in drains)

    def _standing(self, side: int, world: int) -> str:
        change = self._pair.sides[side].change(world)
        return "none" if change is None else self._status(change)

    def _line(self, move: Move, when: str) -> str:
        parts = self._pair.parts(move.world)
        standing = ", ".join(f"{name} {self._standing(side, parts[side])}" for side, name in enumerate(NAMES))
        return f"{when}{'; '.join(move.text)}  [{standing}]"


def _packed(one: int, two: int, newest: int) -> int:
    return two << 2 + _WIDTH | one << 2 | newest
