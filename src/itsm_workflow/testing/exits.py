"""Functions of a host that exit, turned into errors: an exit would end a test program without a result."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.machine.definition import WorkflowDefinition

P = ParamSpec("P")
R = TypeVar("R")


class ExitError(Exception):
    """A function of the host raised `SystemExit`."""

    def __init__(self, where: str, error: SystemExit) -> None:
        super().__init__(f"{where} raised SystemExit({error.code!r}), which ends the program that calls it")
        self.add_note(f"raised by {where}: it must not exit")


def without_exits(definition: WorkflowDefinition) -> WorkflowDefinition:
    """Return the workflow, with an `ExitError` in place of each exit of a function that is not the library's own."""
    rows = tuple(
        attrs.evolve(
            row,
            guard=_without_exit(row.guard, f"guard {_name(row.guard)} of trigger {row.trigger.value}"),
            update=_without_exit(row.update, f"update {_name(row.update)} of trigger {row.trigger.value}"),
        )
        for row in definition.transitions
    )
    due = {state: _without_exit(rule, f"the due rule of state {state.value}") for state, rule in definition.due.items()}
    if rows == definition.transitions and due == definition.due:
        return definition
    return attrs.evolve(definition, transitions=rows, due=due)


def _without_exit(function: Callable[P, R], where: str) -> Callable[P, R]:
    if (getattr(function, "__module__", None) or "").startswith("itsm_workflow."):
        return function

    @functools.wraps(function)
    def called(*args: P.args, **values: P.kwargs) -> R:
        try:
            return function(*args, **values)
        except SystemExit as error:
            raise ExitError(where, error) from error

    return called


def _name(function: object) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
