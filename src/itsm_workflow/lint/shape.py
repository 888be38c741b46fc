"""The checks of the shape of a table that could be built; they fire no trigger."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from itsm_workflow.lint.findings import doubt, error
from itsm_workflow.machine.analysis import PARTS, moves
from itsm_workflow.machine.approval import Trigger, approval_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.lint.findings import LintFinding
    from itsm_workflow.machine.definition import Roles, Transition, WorkflowDefinition

OF_PERSONS = frozenset({Trigger.RESEND, Trigger.REQUEST_WITHDRAWAL, Trigger.ABANDON, Trigger.RETRY_EFFECT})
"""Triggers of the approval table that only a person fires; a workflow may leave them out."""


def shape_findings(definition: WorkflowDefinition) -> Iterator[LintFinding]:
    """Yield the findings about the table as a graph."""
    yield from _roles(definition)
    yield from _undeclared(definition)
    yield from _traps(definition)
    yield from _silent_ends(definition)
    yield from _library(definition)


def reachable(definition: WorkflowDefinition, start: str) -> set[str]:
    """Return the states that can be reached from a state by moves, that state included."""
    found, frontier = {start}, [start]
    while frontier:
        state = frontier.pop()
        onward = {row.dest.value for row in moves(definition) if state in row.sources and row.dest is not None} - found
        found |= onward
        frontier += onward
    return found


def _roles(definition: WorkflowDefinition) -> Iterator[LintFinding]:
    for roles in definition.rounds:
        yield from _roles_of_one(definition, roles)


def _roles_of_one(definition: WorkflowDefinition, roles: Roles) -> Iterator[LintFinding]:
    played = [("initial", definition.initial), *((part, getattr(roles, part)) for part in PARTS)]
    for (one, state), (other, same) in combinations(played, 2):
        if state is same:
            yield error("roles", f"state {state} is both {one} and {other}, which must differ", state=state.value)
    for start, ends in ((roles.asking, ("waiting",)), (roles.waiting, ("granted", "refused"))):
        found = reachable(definition, start)
        for end in ends:
            state = getattr(roles, end)
            if state not in found:
                yield error("roles", f"no moves lead from {start} to {state}, the {end} state", state=start.value)


def _undeclared(definition: WorkflowDefinition) -> Iterator[LintFinding]:
    known = {definition.initial, *definition.grants}
    known |= {getattr(roles, part) for roles in definition.rounds for part in PARTS}
    for state in definition.states:
        if state not in known:
            message = f"{state} is not declared in grants: declare whether require_approved lets its subject through"
            yield error("grants", message, state=state.value)
    granted = definition.rounds[-1].granted
    library = _approvals(definition)
    approvals = {row.trigger for row in library if row.dest is granted}
    for row in moves(definition):
        if row.dest is granted and row.trigger not in approvals:
            for state in row.sources:
                if not definition.is_granting(state):
                    message = f"{row.trigger.value} leads from {state} to {granted}, but only the ticket's approval may"
                    yield error("grants", message, state=state.value, trigger=row.trigger.value)


def _traps(definition: WorkflowDefinition) -> Iterator[LintFinding]:
    for state in definition.states:
        if not definition.final & reachable(definition, state.value):
            yield error("trap", f"no final state can be reached from {state}, so its changes never end", state=state)


def _silent_ends(definition: WorkflowDefinition) -> Iterator[LintFinding]:
    """Yield a doubt for each final state in which a row of the host goes on to add facts."""
    for row in definition.transitions:
        if row.dest is None and not isinstance(row.trigger, Trigger):
            for state in row.sources:
                if state in definition.final:
                    message = (
                        f"{row.trigger.value} adds facts in {state}, which is final, since no row leads out of it; add "
                        "the row that ends the work there, or exempt the state with the reason"
                    )
                    yield doubt("ended", message, state=state.value, trigger=row.trigger.value)


def _library(definition: WorkflowDefinition) -> Iterator[LintFinding]:
    for row in definition.transitions:
        if row.trigger in set(Trigger) and not isinstance(row.trigger, Trigger):
            message = f"trigger {row.trigger} of the host has the name of a trigger that only the library fires"
            yield error("library", message, state=row.sources[0].value, trigger=row.trigger.value)
    wanted = _approvals(definition)
    for row in wanted:
        if row.trigger not in OF_PERSONS:
            for state in dict.fromkeys(row.sources):
                yield from _library_row(definition, row, state.value)


def _approvals(definition: WorkflowDefinition) -> tuple[Transition, ...]:
    """Return the library's own rows of the workflow's approvals."""
    states, roles, later = definition.states, definition.roles, definition.later_rounds
    return approval_table(states, definition.initial, roles, later_rounds=later)


def _library_row(definition: WorkflowDefinition, wanted: Transition, state: str) -> Iterator[LintFinding]:
    found, trigger = definition.rows(state, wanted.trigger), wanted.trigger.value
    if not found:
        yield error("library", f"{state} has no {trigger}, which the library fires there", state=state, trigger=trigger)
        return
    leads = wanted.dest.value if wanted.dest is not None else "="
    for kind in wanted.evidence_types:
        taking = [row for row in found if any(issubclass(kind, each) for each in row.evidence_types)]
        if not taking:
            message = f"{trigger} in {state} does not accept {kind.__name__}, which the library passes"
            yield error("library", message, state=state, trigger=trigger)
        elif all(row.dest is not wanted.dest for row in taking):
            message = f"{trigger} in {state} leads to {lead(taking[0])}, but the library relies on {leads}"
            yield error("library", message, state=state, trigger=trigger)


def lead(row: Transition) -> str:
    """Return the target of a row, ``=`` if the change stays."""
    return row.dest.value if row.dest is not None else "="
