"""The check of the gate against the state of a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.change import Outcome
from itsm_workflow.errors import NotApproved

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.workflow import Workflow


def check_gate(workflow: Workflow, change: ChangeRequest) -> None:
    """Compare the gate with the state's declaration in the definition; the change is its subject's only one.

    Raises:
        AssertionError: They differ, or the outcome is approved in a state that does not grant.
    """
    definition = workflow.definition
    grants = definition.grants.get(definition.states(change.state), change.state == definition.rounds[-1].granted)
    try:
        passes = workflow.require_approved(change.subject).id == change.id
    except NotApproved:
        passes = False
    message = f"the state {change.state} {'grants' if grants else 'does not grant'}, and require_approved"
    assert passes == grants, f"{message} {'passes' if passes else 'refuses'}"
    assert grants or change.outcome is not Outcome.APPROVED, f"{message} refuses, but its outcome says approved"
