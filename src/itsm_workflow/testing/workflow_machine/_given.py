"""What a machine is made for, looked at before it runs: a name that fits nothing would be without effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis.strategies import SearchStrategy

from itsm_workflow.machine.definition import WorkflowDefinition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def check_definition(definition: object) -> None:
    """Look at the workflow.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(definition, WorkflowDefinition):
        raise TypeError(f"definition: {definition!r} is no WorkflowDefinition; give one such as COLLECTOR_CHANGE")


def check_evidence(definition: WorkflowDefinition, evidence: Mapping[type, object]) -> None:
    """Look at the strategies for evidence.

    Raises:
        TypeError: Something is no type or no strategy.
        ValueError: The definition has no row that takes such evidence.
    """
    kinds = {kind: name for name, kind in definition.evidence_types.items()}
    for kind, strategy in evidence.items():
        if not isinstance(kind, type):
            raise TypeError(f"evidence: {kind!r} is no type; give the class itself, one of {_listed(kinds.values())}")
        if kind not in kinds:
            raise ValueError(
                f"evidence: no row of {definition.name} takes {kind.__name__}; its rows take {_listed(kinds.values())}"
            )
        if not isinstance(strategy, SearchStrategy):
            raise TypeError(
                f"evidence: for {kind.__name__} there is {strategy!r}, which is no strategy; give one such as "
                f"st.builds({kind.__name__})"
            )


def check_counted(definition: WorkflowDefinition, counted: Iterable[str]) -> None:
    """Look at the triggers whose repeat counts.

    Raises:
        TypeError: It is one text, which would be taken for its letters.
        ValueError: The definition has no such trigger.
    """
    if isinstance(counted, str):
        raise TypeError(f"counted: wants a list of triggers, such as [{str(counted)!r}], not {str(counted)!r}")
    triggers = {row.trigger.value for row in definition.transitions}
    if strange := [name for name in counted if name not in triggers]:
        raise ValueError(
            f"counted: {definition.name} has no trigger {_listed(map(str, strange))}; it has {_listed(triggers)}"
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
