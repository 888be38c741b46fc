"""A workflow's definition that a user names as ``module:name``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.cli.places import imported
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.machine.definition import WorkflowDefinition

if TYPE_CHECKING:
    from itsm_workflow.workflow import Workflow


def loaded_definition(path: str | None) -> WorkflowDefinition:
    """Import a definition, or take that of a workflow; without a path it is the shipped one.

    Raises:
        UsageError: The path cannot be imported, or its object is of another class.
        ItsmWorkflowError: The library refused an object that the module builds.
    """
    if path is None:
        return COLLECTOR_CHANGE
    from itsm_workflow.workflow import Workflow  # noqa: PLC0415 - imported here to save start-up time

    found: WorkflowDefinition | Workflow = imported(path, WorkflowDefinition, Workflow, label=f"DEFINITION {path}")
    if isinstance(found, WorkflowDefinition):
        return found
    with found:
        return found.definition
