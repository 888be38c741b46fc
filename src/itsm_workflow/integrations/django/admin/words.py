"""The words of the pages in the language of the request.

The library has its labels in Chinese and English; the texts of the pages themselves are translated by Django.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import get_language

from itsm_workflow.machine.labels import ATTENTION, in_language
from itsm_workflow.machine.labels import change_label as label_of_change
from itsm_workflow.machine.labels import state_label as label_of_state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.change import AttentionReason, ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition


def language() -> str:
    """Return the library's language that is closest to the one of the request: ``zh`` or ``en``."""
    return "zh" if (get_language() or "").startswith("zh") else "en"


def label(labels: Mapping[str, str], otherwise: str) -> str:
    """Return the label in the language of the request, or the name of what has none."""
    return in_language(labels, language(), otherwise)


def change_label(definition: WorkflowDefinition, change: ChangeRequest) -> str:
    """Return the label of a change's state, as an operator of the library reads it."""
    return label_of_change(definition, change, language())


def state_label(definition: WorkflowDefinition, state: str) -> str:
    """Return the label of a state in the language of the request, as an operator of the library reads it."""
    return label_of_state(definition, state, language())


def attention_label(reason: AttentionReason) -> str:
    """Return the label of a reason of attention."""
    return label(ATTENTION[reason], reason.value)


def tone(definition: WorkflowDefinition, state: str) -> str:
    """Return the class of a state's colour: ``granted``, ``ended`` or ``open``."""
    if definition.is_granting(state):
        return "granted"
    return "ended" if state in definition.final else "open"
