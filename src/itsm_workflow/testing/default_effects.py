"""The effects of a workflow that is tried out without effects of its host."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.machine.definition import WorkflowDefinition


def default_effects(definition: WorkflowDefinition, name: str = "start") -> Mapping[str, tuple[str, ...]]:
    """Return by state the effects that the definition names, or else one effect that follows an approval."""
    named = {state.value: tuple(names) for state, names in definition.effects.items() if names}
    return named or {definition.rounds[-1].granted.value: (name,)}
