"""The DOT text of a workflow, drawn by the diagram extension of `transitions`, for Graphviz and tools that read DOT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from itsm_workflow.pictures.labels import guard_of

if TYPE_CHECKING:
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.pictures.selection import Selection

_STYLES = {"final": {"peripheries": "2"}, "current": {"fillcolor": "#1d4ed8", "fontcolor": "white", "penwidth": "2"}}
"""The styles of states, beside those of `transitions`. White on dark blue also shows in grey."""


def dot(definition: WorkflowDefinition, selection: Selection, current: str = "") -> str:
    """Return the states and the moves as DOT text; each move is labelled with its trigger and its guard.

    Args:
        definition: The workflow.
        selection: The part to show.
        current: The state to mark; by default none. Final states have a double border.

    Raises:
        ImportError: The package graphviz is missing. The message names the extra to install.
    """
    try:
        import graphviz  # type: ignore[import-untyped] # noqa: F401, PLC0415 - without it, the extension draws Mermaid
        from transitions.extensions import GraphMachine  # noqa: PLC0415 - it is needed for this text only
    except ImportError as error:
        raise ImportError(
            f"{error}: install the packages that DOT needs with `pip install 'itsm-workflow[diagrams]'`"
        ) from error
    machine: Any = GraphMachine(
        states=list(selection.states),
        initial=next(one for one in (current, definition.initial.value, *selection.states) if one in selection.states),
        auto_transitions=False,
        graph_engine="graphviz",
        title=definition.name,
    )
    for edge in selection.edges:
        trigger, guard = edge.row.trigger.value, guard_of(edge.row)
        machine.add_transition(trigger, edge.source, edge.dest, label=f"{trigger} [{guard}]" if guard else trigger)
    graph = machine.model_graphs[id(machine)]
    graph.reset_styling()
    machine.style_attributes = {**machine.style_attributes, "node": {**machine.style_attributes["node"], **_STYLES}}
    for state in selection.states:
        if state in definition.final:
            graph.set_node_style(state, "final")
    if current in selection.states:
        graph.set_node_style(current, "current")
    return str(graph.get_graph().source)
