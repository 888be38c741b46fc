"""The labels of a state and of a move in a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.machine.labels import TRIGGERS, in_language, state_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.machine.definition import Transition, WorkflowDefinition


def state_name(definition: WorkflowDefinition, state: str, language: str) -> str:
    """Return the label of a state; its name if the definition does not have it."""
    return state_label(definition, state, language) if state in {one.value for one in definition.states} else state


def trigger_name(trigger: str, language: str) -> str:
    """Return what a trigger does in a few words; the name of a host's own trigger."""
    return in_language(TRIGGERS.get(trigger, {}), language, trigger.replace("_", " "))


def guard_of(row: Transition) -> str:
    """Return the name of a row's guard; empty if the row is always allowed."""
    name: str = getattr(row.guard, "__name__", type(row.guard).__name__)
    return "" if name == "always" else name


def evidence_of(row: Transition) -> str:
    """Return the names of the evidence that a row requires."""
    return " or ".join(kind.__name__ for kind in row.evidence_types)


def needs_of(row: Transition) -> Sequence[str]:
    """Return the evidence that a move needs, and its guard, if any, in brackets."""
    guard = guard_of(row)
    return [evidence_of(row), *([f"[{guard}]"] if guard else [])]
