"""Walks every world within the bounds, nearest first, and reports the shortest way to one that breaks a promise."""

from __future__ import annotations

import contextlib
from array import array
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.testing.exploration.checking import named, problem_of
from itsm_workflow.testing.exploration.drain import Drain, People
from itsm_workflow.testing.exploration.invariants import Sight
from itsm_workflow.testing.exploration.world import Bounds, Purse
from itsm_workflow.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.testing.coverage import Reached, Unreached
    from itsm_workflow.testing.exploration.invariants import Invariant
    from itsm_workflow.testing.exploration.moves import Move, Space

_START = 0
_REPORT_EVERY = 10_000
_LOOK_AT_TIME = 256  # worlds
_WIDE = 64  # bits, more than the number of a change and a desk needs


@attrs.frozen(kw_only=True)
class Limits:
    """The effort at which a walk ends, although there is more within its bounds.

    Attributes:
        depth: The largest number of steps; None means no limit.
        states: The largest number of worlds.
        seconds: The longest run time.
    """

    depth: int | None = None
    states: int | None = None
    seconds: float | None = None


@attrs.frozen(kw_only=True)
class Violation:
    """A broken promise, and the shortest way to it.

    Attributes:
        promise: The name of the invariant.
        sentence: The promise in words.
        problem: The problem.
        steps: The steps in order; each line ends with the state of the change after the step.
    """

    promise: str
    sentence: str
    problem: str
    steps: tuple[str, ...]

    def __str__(self) -> str:
        lines = [
            f"{self.promise}: {self.sentence}",
            f"  broken after {counted(len(self.steps), 'step')}: {self.problem}",
        ]
        return "\n".join([*lines, *(f"  {number:2}. {step}" for number, step in enumerate(self.steps, 1))])


@attrs.frozen(kw_only=True)
class Exploration:
    """The result of a walk.

    Attributes:
        states: Visited worlds, each counted once for each different remainder of the bounds.
        depth: The length of the longest shortest way that was walked.
        complete: Whether every world within the bounds was visited.
        drains: Worlds that were followed to the end, including those on the way.
        seconds: The run time on one core.
        unreached: The states, moves and answers of guards that the walk never reached.
        violations: Broken promises; the walk stops at the first one.
        bad_ends: Ends that are not right; the walk stops at the first one.
        bounds: The bounds within which it walked.
        changes: The number of changes of the subject.
        raised: How the bounds were raised, one sentence each, if they were to grow.
    """

    states: int
    depth: int
    complete: bool
    drains: int
    seconds: float
    unreached: Unreached
    violations: tuple[Violation, ...] = ()
    bad_ends: tuple[Violation, ...] = ()
    bounds: Bounds = attrs.field(factory=Bounds)
    changes: int = 1
    raised: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether no promise is broken."""
        return not self.violations and not self.bad_ends


class Walk:
    """One walk.

    Args:
        space: The worlds, and the steps between them.
        definition: The workflow.
        bounds: The limits for time, faults and acts.
        invariants: The promises to check in every world.
        end: The promise to check where a world ends.
        reached: Records what is reached.
    """

    def __init__(
        self,
        space: Space,
        definition: WorkflowDefinition,
        bounds: Bounds,
        invariants: Sequence[Invariant],
        end: Invariant,
        *,
        reached: Reached,
    ) -> None:
        self._space = space
        self._reached = reached
        self._definition = definition
        self._purse = Purse(bounds)
        self._invariants = invariants
        self._end = end
        self._drains = [Drain(space, people, self._judge) for people in People]
        self._is_cut = False
        self._place = 0  # of the world whose next steps are taken
        # The worlds in order: the world, the remaining bounds, and the place of the world before it.
        self._worlds: list[int] = [_START]
        self._left = array("h", [self._purse.full])
        self._parents = array("l", [-1])
        self._sane: set[int] = set()

    def run(
        self,
        limits: Limits,
        progress: Callable[[int, int], object] | None,
        timer: Callable[[], float],
    ) -> Exploration:
        """Walk, and follow each world to its end, until a promise is broken or a limit is reached."""
        began = timer()
        self._limits, self._timer, self._ends_at = limits, timer, began + (limits.seconds or 0.0)
        depth = limits.depth
        try:
            violations, place, level = self._walk(depth, progress)
            bad_ends = [] if violations else self._drain()
        except Exception as error:
            with contextlib.suppress(Exception):  # what raises now and then may raise again on the way
                error.add_note(self._steps_note())
            raise
        whole = place == len(self._worlds) and (depth is None or level < depth) and not self._is_cut
        return Exploration(
            states=place,
            depth=level,
            complete=whole and not violations and not bad_ends,
            drains=self._followed(),
            seconds=timer() - began,
            unreached=self._reached.unreached(),
            violations=tuple(violations),
            bad_ends=tuple(bad_ends),
        )

    def _walk(
        self, depth: int | None, progress: Callable[[int, int], object] | None
    ) -> tuple[list[Violation], int, int]:
        """Visit every world.

        Returns:
            The violation, the number of worlds, and the depth.
        """
        worlds, left, parents, moves = self._worlds, self._left, self._parents, self._space.moves
        after, covers = self._purse.after, self._purse.covers
        met = {_START: covers[self._purse.full]}
        level, level_ends = 0, 1
        for place, world in enumerate(worlds):  # the list grows during the loop
            self._place = place
            if place == level_ends:
                level, level_ends = level + 1, len(worlds)
            if level == depth or self._is_over(place):
                return [], place if self._is_cut else len(worlds), level
            purse = after[left[place]]
            for move in moves(world, purse):
                rest = purse[move.cost]
                seen = met.get(move.world, 0)
                if (not seen or move.write) and (problem := self._broken(move)):
                    return [self._finding(*problem, place, [move])], place, level + 1
                if seen >> rest & 1:
                    continue
                met[move.world] = seen | covers[rest]
                worlds.append(move.world)
                left.append(rest)
                parents.append(place)
            if progress is not None and place % _REPORT_EVERY == 0:
                progress(place, level)
        return [], len(worlds), level

    def _followed(self) -> int:
        return sum(map(len, self._drains))

    def _is_over(self, place: int) -> bool:
        """Return whether a limit of the walk is reached, before the world at a place is visited."""
        limits = self._limits
        self._is_cut = self._is_cut or (
            (limits.states is not None and place >= limits.states)
            or (limits.seconds is not None and place % _LOOK_AT_TIME == 0 and self._timer() >= self._ends_at)
        )
        return self._is_cut

    def _drain(self) -> list[Violation]:
        """Follow every world to its end, the nearest ones first."""
        for place, world in enumerate(self._worlds):
            self._place = place
            if self._limits.seconds is not None and self._is_over(place):
                return []
            for drain in self._drains:
                problem = drain.verdict(world)
                if problem:
                    return [self._finding(self._end, problem, place, list(drain.run(world)), drained=True)]
        return []

    def _broken(self, move: Move) -> tuple[Invariant, str] | None:
        """Return the invariant that a step breaks, with the problem; each pair of facts is checked once."""
        key = move.write << _WIDE | self._space.without_hands(move.world)
        if key in self._sane:
            return None
        sight = self._sight(move)
        self._reached.move(sight.entries)
        if sight.change is not None:
            self._reached.enter(sight.change.state)
        for invariant in self._invariants:
            problem = problem_of(invariant, invariant(sight))
            if problem:
                return invariant, problem
        self._sane.add(key)
        return None

    def _sight(self, move: Move) -> Sight:
        space = self._space
        written, before, base = space.written(move.write)
        return Sight(
            definition=self._definition,
            change=space.change(move.world),
            desk=space.desk(move.world),
            before=before,
            base=base,
            entries=written.entries,
        )

    def _judge(self, world: int) -> str | None:
        sight = Sight(definition=self._definition, change=self._space.change(world), desk=self._space.desk(world))
        return problem_of(self._end, self._end(sight))

    def _finding(
        self, promise: object, problem: str, place: int, last: list[Move], *, drained: bool = False
    ) -> Violation:
        sentence = (getattr(promise, "__doc__", None) or "").strip().partition("\n")[0]
        moves = [*self._way(place), *last]
        walked = len(moves) - len(last)
        steps = [
            self._line(move, "once faults stop, " if drained and n >= walked else "") for n, move in enumerate(moves)
        ]
        return Violation(promise=named(promise), sentence=sentence, problem=problem, steps=tuple(steps))

    def _steps_note(self) -> str:
        """Return the steps that led to the world in which a function of the host raised."""
        steps = [self._line(move, "") for move in self._way(self._place)]
        listed = [f"\n  {number:2}. {step}" for number, step in enumerate(steps, 1)]
        return f"raised in a step after {counted(len(steps), 'step')}:{''.join(listed)}"

    def _way(self, place: int) -> list[Move]:
        """Return the steps that led to a world."""
        way: list[Move] = []
        while self._parents[place] >= 0:
            parent, world, left = self._parents[place], self._worlds[place], self._left[place]
            after = self._purse.after[self._left[parent]]
            way.append(
                next(
                    move
                    for move in self._space.moves(self._worlds[parent], after)
                    if move.world == world and after[move.cost] == left
                )
            )
            place = parent
        return way[::-1]

    def _line(self, move: Move, when: str) -> str:
        change, text = self._space.change(move.world), "; ".join(move.text)
        if change is None:
            return f"{when}{text}"
        return f"{when}{text}  [{self._status(change)}]"

    def _status(self, change: ChangeRequest) -> str:
        status = change.state
        if self._definition.is_asking(change.state) and change.attempt is not None:
            status += f", {change.attempt.phase}"
        if change.attention is not None:
            status += f", attention {change.attention.reason}"
        return status
