"""Walks every world within the bounds, nearest first, and reports the shortest way to one that breaks a promise."""

from __future__ import annotations

import time
from array import array
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.testing.default_effects import default_effects
from itsm_workflow.testing.exploration.acts import operator_acts
from itsm_workflow.testing.exploration.checking import check_given, checked_acts, named, problem_of, with_checked_guards
from itsm_workflow.testing.exploration.coverage import Reached, Unreached
from itsm_workflow.testing.exploration.drain import Drain, People, ends_right
from itsm_workflow.testing.exploration.invariants import INVARIANTS, Sight
from itsm_workflow.testing.exploration.itsm import Itsm
from itsm_workflow.testing.exploration.library import Library
from itsm_workflow.testing.exploration.moves import Space
from itsm_workflow.testing.exploration.ticks import tick_policy
from itsm_workflow.testing.exploration.world import Bounds, Purse
from itsm_workflow.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.policy import Policy
    from itsm_workflow.testing.exploration.acts import Act
    from itsm_workflow.testing.exploration.invariants import Invariant
    from itsm_workflow.testing.exploration.itsm import Filed
    from itsm_workflow.testing.exploration.moves import Move

_START = 0
_REPORT_EVERY = 10_000
_WIDE = 64  # bits, more than the number of a change and a desk needs


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
    """

    states: int
    depth: int
    complete: bool
    drains: int
    seconds: float
    unreached: Unreached
    violations: tuple[Violation, ...] = ()
    bad_ends: tuple[Violation, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether no promise is broken."""
        return not self.violations and not self.bad_ends


def explore(
    definition: WorkflowDefinition = COLLECTOR_CHANGE,
    *,
    depth: int | None = None,
    bounds: Bounds = Bounds(),  # noqa: B008 - frozen
    invariants: Sequence[Invariant] = INVARIANTS,
    end: Invariant = ends_right,
    acts: Callable[[ChangeRequest, tuple[Filed, ...]], Iterable[Act]] = operator_acts,
    effects: Mapping[str, Sequence[str]] | None = None,
    library: Callable[[WorkflowDefinition, Policy, Mapping[str, Sequence[str]]], Library] = Library,
    itsm: Itsm | None = None,
    progress: Callable[[int, int], object] | None = None,
    timer: Callable[[], float] = time.process_time,
) -> Exploration:
    """Walk all worlds that a change of the workflow can reach, and check each.

    Args:
        definition: The workflow.
        depth: The largest number of steps; unlimited by default.
        bounds: The limits for time, faults and acts.
        invariants: The promises to check in every world.
        end: The promise to check where a world ends once faults stop.
        acts: The acts of people on a change under way.
        effects: The effects that entering a state plans, by state; by default those that the definition names, or one
            when the change is granted.
        library: Makes the library; pass another one to see whether the walk finds its defect.
        itsm: The ticket system; pass another one to see the consequences of its wrong answers.
        progress: Called now and then with the number of states and the depth so far.
        timer: Source of seconds; by default processor time, which does not depend on other programs.

    Raises:
        TypeError: An argument has the wrong type, or an invariant or a guard returns neither None nor a text.
        ValueError: An act fires a trigger that the workflow does not have.
    """
    check_given(definition, bounds, invariants, end)
    reached = Reached(definition)
    definition, acts = with_checked_guards(definition, reached), checked_acts(definition, acts)
    planned = default_effects(definition) if effects is None else effects
    space = Space(library(definition, tick_policy(bounds.ticks), planned), itsm or Itsm(), bounds, acts)
    return _Walk(space, definition, bounds, invariants, end, reached=reached).run(depth, progress, timer)


class _Walk:
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
        # The worlds in order: the world, the remaining bounds, and the place of the world before it.
        self._worlds: list[int] = [_START]
        self._left = array("h", [self._purse.full])
        self._parents = array("l", [-1])
        self._sane: set[int] = set()

    def run(
        self, depth: int | None, progress: Callable[[int, int], object] | None, timer: Callable[[], float]
    ) -> Exploration:
        began = timer()
        violations, place, level = self._walk(depth, progress)
        bad_ends = [] if violations else self._drain()
        whole = place == len(self._worlds) and (depth is None or level < depth)
        return Exploration(
            states=place,
            depth=level,
            complete=whole and not violations and not bad_ends,
            drains=sum(map(len, self._drains)),
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
            if place == level_ends:
                level, level_ends = level + 1, len(worlds)
            if level == depth:
                return [], len(worlds), level
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

    def _drain(self) -> list[Violation]:
        """Follow every world to its end, the nearest ones first."""
        for place, world in enumerate(self._worlds):
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
        self, promise: Invariant, problem: str, place: int, last: list[Move], *, drained: bool = False
    ) -> Violation:
        sentence = (promise.__doc__ or "").strip().partition("\n")[0]
        moves = [*self._way(place), *last]
        walked = len(moves) - len(last)
        steps = [
            self._line(move, "once faults stop, " if drained and n >= walked else "") for n, move in enumerate(moves)
        ]
        return Violation(promise=named(promise), sentence=sentence, problem=problem, steps=tuple(steps))

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
        status = change.state
        if self._definition.is_asking(change.state) and change.attempt is not None:
            status += f", {change.attempt.phase}"
        if change.attention is not None:
            status += f", attention {change.attention.reason}"
        return f"{when}{text}  [{status}]"
