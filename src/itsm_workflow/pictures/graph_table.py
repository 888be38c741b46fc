"""The table of a workflow's transitions, as Markdown or as reStructuredText."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from itsm_workflow.pictures.labels import evidence_of, guard_of
from itsm_workflow.pictures.measure import columns_of, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.pictures.route import Route
    from itsm_workflow.pictures.selection import Selection

_SIGNS = {ord(sign): f"\\{sign}" for sign in "\\|"}
_RST_SIGNS = {ord(sign): f"\\{sign}" for sign in "\\|*`="}
_REFERENCE = re.compile(r"_(?!\w)")


def markdown(
    definition: WorkflowDefinition, selection: Selection, route: Route | None, effects: Mapping[str, Sequence[str]]
) -> str:
    """Return the rows as a table in Markdown, with a sentence about the state of the change.

    Args:
        definition: The workflow.
        selection: The rows to show.
        route: The way of a change; None for the workflow alone.
        effects: The names of the effects by the state that plans them.
    """
    head, *rows = _cells(definition, selection, route, effects)
    lines = [head, ["---"] * len(head), *([cell.translate(_SIGNS) for cell in row] for row in rows)]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
    return text if route is None else f"{text}\nThe change is in state {route.current}.\n"


def rst(
    definition: WorkflowDefinition, selection: Selection, route: Route | None, effects: Mapping[str, Sequence[str]]
) -> str:
    """Return the rows as a grid table in reStructuredText; the arguments are those of `markdown`."""
    head, *rows = _cells(definition, selection, route, effects)
    lines = [head, *([_REFERENCE.sub(r"\_", cell.translate(_RST_SIGNS)) for cell in row] for row in rows)]
    widths = [max(map(columns_of, column)) for column in zip(*lines, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (cell + " " * (wide - columns_of(cell)) for cell, wide in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    def rule(sign: str) -> str:
        return "+".join(["", *(sign * (wide + 2) for wide in widths), ""])

    text = "\n".join(
        [rule("-"), line(lines[0]), rule("="), *(part for each in lines[1:] for part in (line(each), rule("-")))]
    )
    return f"{text}\n" if route is None else f"{text}\n\nThe change is in state {route.current}.\n"


def _cells(
    definition: WorkflowDefinition, selection: Selection, route: Route | None, effects: Mapping[str, Sequence[str]]
) -> list[list[str]]:
    has_effects = any(effects.values())
    head = ["trigger", "from", "to", "evidence", "guard"]
    table = [head + ["effects"] * has_effects + ["meaning"] + ["steps"] * (route is not None)]
    for row, sources in selection.rows:
        dest = "" if row.dest is None else row.dest.value
        shown = "any" if len(sources) == len(definition.states) else ", ".join(sources)
        cells = [row.trigger.value, shown, dest or "=", evidence_of(row), guard_of(row)]
        if has_effects:
            cells.append(", ".join(effects.get(dest, ())))
        cells.append(visible(row.note))
        if route is not None:
            found = (route.steps.get((source, row.trigger.value, dest)) for source in sources)
            cells.append(", ".join(str(number) for steps in found if steps for number in steps.numbers))
        table.append(cells)
    return table
