"""The graph of a workflow as the Mermaid text of a state diagram."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.pictures.route import Route
    from itsm_workflow.pictures.selection import Selection


def mermaid(definition: WorkflowDefinition, selection: Selection, route: Route | None) -> str:
    """Return the text. Mermaid lays states out in the order of the lines: first the beginning, last the ends."""
    lines = ["---", f"title: {definition.name}", "---", "stateDiagram-v2", "    direction LR"]
    if definition.initial in selection.states:
        lines.append(f"    [*] --> {definition.initial.value}")
    for edge in selection.edges:
        trigger = edge.row.trigger.value
        steps = None if route is None else route.steps.get((edge.source, trigger, edge.dest))
        taken = f" (step {', '.join(map(str, steps.numbers))})" if steps else ""
        lines.append(f"    {edge.source} --> {edge.dest} : {trigger}{taken}")
    lines += [f"    {state} --> [*]" for state in selection.states if state in definition.final]
    if route is not None:
        visited = [state for state in selection.states if state in route.stays and state != route.current]
        lines += [
            "    classDef visited fill:#dbeafe,stroke:#1d4ed8,color:#111827",
            "    classDef current fill:#1d4ed8,stroke:#1e3a8a,color:#ffffff",
            *(f"    class {state} visited" for state in visited),
            *([f"    class {route.current} current"] if route.current in selection.states else []),
        ]
    return "\n".join(lines) + "\n"
