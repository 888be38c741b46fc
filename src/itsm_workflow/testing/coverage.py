"""Records which parts of a workflow a walk or a simulation reached, so that one that proves little says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from itsm_workflow.change import Entry
    from itsm_workflow.machine.definition import Transition, WorkflowDefinition


Move: TypeAlias = tuple[str, str, str]
"""The state before, the trigger, and the state after it."""


@attrs.frozen(kw_only=True)
class Unreached:
    """The parts of a workflow that a walk or a simulation never reached; all of them empty if it reached everything.

    Attributes:
        states: The states that the change never entered.
        transitions: The moves that were never made, such as ``pending -> approved by approve``.
        answers: The answers that a guard of the host never gave, such as ``disk_is_free of provision never refused``;
            a simulation notes none.
    """

    states: tuple[str, ...] = ()
    transitions: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.states or self.transitions or self.answers)


class Reached:
    """Records the parts that a walk has reached so far.

    Args:
        definition: The workflow.
    """

    def __init__(self, definition: WorkflowDefinition) -> None:
        self._definition = definition
        self._states: set[str] = set()
        self._moves: set[Move] = set()
        self._guards: list[tuple[Transition, str]] = []
        self._answers: set[tuple[int, bool]] = set()

    def enter(self, state: str) -> None:
        """Record the state of a change."""
        self._states.add(state)

    def move(self, entries: Iterable[Entry]) -> None:
        """Record the moves of a write. One write may lead through several states."""
        self.moved((entry.source, entry.trigger, entry.dest) for entry in entries)

    def moved(self, moves: Iterable[Move]) -> None:
        """Record moves, each as the state before, the trigger and the state after it."""
        for source, trigger, dest in moves:
            self._moves.add((source, trigger, dest))
            self._states.add(dest)

    def watch(self, row: Transition, guard: str) -> int:
        """Return a number for the guard of a row, for `answer`."""
        self._guards.append((row, guard))
        return len(self._guards) - 1

    def answer(self, number: int, *, passed: bool) -> None:
        """Record an answer of a guard."""
        self._answers.add((number, passed))

    def unreached(self) -> Unreached:
        """Return what is left."""
        answers = [
            f"{guard} of {row.trigger.value} never {'passed' if passed else 'refused'}"
            for number, (row, guard) in enumerate(self._guards)
            for passed in (True, False)
            if (number, passed) not in self._answers
        ]
        return Unreached(
            states=tuple(one.value for one in self._definition.states if one.value not in self._states),
            transitions=tuple(
                f"{source} -> {dest} by {trigger}"
                for source, trigger, dest in _moves(self._definition)
                if (source, trigger, dest) not in self._moves
            ),
            answers=tuple(dict.fromkeys(answers)),
        )


def _moves(definition: WorkflowDefinition) -> list[Move]:
    """Return the moves of the table; a row that keeps the state is not one."""
    return list(
        dict.fromkeys(
            (source.value, row.trigger.value, row.dest.value)
            for row in definition.transitions
            if row.dest is not None
            for source in row.sources
        )
    )
