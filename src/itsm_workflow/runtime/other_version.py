"""The error about a change that a process with another version of the definition stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageSchemaError

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition


def other_version_error(definition: WorkflowDefinition, change: ChangeRequest) -> StorageSchemaError:
    """Return the error about a change that this process must not move, with what to do about it."""
    lead = (
        f"cannot read change {change.id}: it is in state {change.state!r} of {definition.name} version "
        f"{change.definition_version}, and this process has version {definition.version}"
    )
    if change.definition_version > definition.version:
        return StorageSchemaError(f"{lead}. Update the process")
    return StorageSchemaError(
        f"{lead}, which has no such state. A process with another definition stored it: update this process if it is "
        "the older one; otherwise keep the state in the definition until no change is in it"
    )
