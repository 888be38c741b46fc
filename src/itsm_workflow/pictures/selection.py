"""The part of a workflow that a graph shows: without what is hidden, or only what surrounds some states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from itsm_workflow.machine.definition import Transition, WorkflowDefinition


@attrs.frozen
class Edge:
    """A move from one state to another by a row of the table."""

    source: str
    row: Transition
    dest: str


@attrs.frozen
class Selection:
    """The states and the rows that a graph shows, in the order of the definition.

    Attributes:
        states: The states.
        rows: The rows of the table, each with the states in which it is shown.
    """

    states: Sequence[str]
    rows: Sequence[tuple[Transition, Sequence[str]]]

    @property
    def edges(self) -> Sequence[Edge]:
        """The moves between the states, without the rows that only add facts."""
        moves = ((row, row.dest, sources) for row, sources in self.rows if row.dest is not None)
        return [Edge(source, row, dest.value) for row, dest, sources in moves for source in sources]


def selected(definition: WorkflowDefinition, hide: Collection[str] = (), focus: Collection[str] = ()) -> Selection:
    """Return the part of a workflow to show.

    Args:
        definition: The workflow.
        hide: The states and triggers to leave out.
        focus: The states and triggers to show, with the states one move away; empty for all.

    Raises:
        ValueError: A name is neither a state nor a trigger of the workflow, or nothing is left.
    """
    states = [state.value for state in definition.states]
    triggers = list(dict.fromkeys(row.trigger.value for row in definition.transitions))
    for name in (*hide, *focus):
        if name not in {*states, *triggers}:
            raise ValueError(
                f"the workflow {definition.name} has no state or trigger {name!r}; its states are {', '.join(states)}; "
                f"its triggers are {', '.join(triggers)}"
            )
    wanted, hidden = set(focus), set(hide)
    rows = []
    shown = {state for state in states if state in wanted} if wanted else set(states)
    for row in definition.transitions:
        dest = None if row.dest is None else row.dest.value
        if row.trigger in hidden or dest in hidden:
            continue
        is_wanted = not wanted or row.trigger in wanted or dest in wanted
        sources = [one.value for one in row.sources if one not in hidden and (is_wanted or one in wanted)]
        if sources:
            rows.append((row, sources))
        if sources and dest is not None:
            shown |= {dest, *sources}
    left = [state for state in states if state in shown and state not in hidden]
    if not left:
        raise ValueError(f"a graph of {definition.name} without {', '.join(hide)} has no states left")
    return Selection(left, rows)
