"""The checks of a machine's arguments before it runs, since a misspelt name would have no effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis.strategies import SearchStrategy

from itsm_workflow.machine.definition import WorkflowDefinition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def check_definition(definition: object) -> None:
    """Check the workflow.

    Raises:
        TypeError: It is not a WorkflowDefinition.
    """
    if not isinstance(definition, WorkflowDefinition):
        raise TypeError(f"definition: {definition!r} is not a WorkflowDefinition; pass one, such as COLLECTOR_CHANGE")


def check_evidence(definition: WorkflowDefinition, evidence: Mapping[type, object]) -> None:
    """Check the strategies for evidence.

    Raises:
        TypeError: A key is not a type, or a value is not a strategy.
        ValueError: No row of the definition accepts such evidence.
    """
    kinds = {kind: name for name, kind in definition.evidence_types.items()}
    for kind, strategy in evidence.items():
        if not isinstance(kind, type):
            raise TypeError(f"evidence: {kind!r} is not a type; pass a class, one of {_listed(kinds.values())}")
        if kind not in kinds:
            raise ValueError(
                f"evidence: no row of {definition.name} accepts {kind.__name__}, only {_listed(kinds.values())}"
            )
        if not isinstance(strategy, SearchStrategy):
            raise TypeError(
                f"evidence: the value for {kind.__name__} is {strategy!r}, which is not a strategy; pass one, such as "
                f"st.builds({kind.__name__})"
            )


def check_counted(definition: WorkflowDefinition, counted: Iterable[str]) -> None:
    """Check the triggers whose repeat counts.

    Raises:
        TypeError: It is a single text, which would be read as a list of its letters.
        ValueError: The definition has no such trigger.
    """
    if isinstance(counted, str):
        raise TypeError(f"counted: must be a list of triggers, such as [{str(counted)!r}], not {str(counted)!r}")
    triggers = {row.trigger.value for row in definition.transitions}
    if strange := [name for name in counted if name not in triggers]:
        raise ValueError(
            f"counted: {definition.name} has no trigger {_listed(map(str, strange))}; it has {_listed(triggers)}"
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
