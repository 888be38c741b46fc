"""The gate, compared with the state that a change is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.change import Outcome
from itsm_workflow.errors import NotApproved

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.workflow import Workflow


def check_gate(workflow: Workflow, change: ChangeRequest) -> None:
    """Compare what the gate does with what the definition declares of the state; it is the subject's only change.

    Raises:
        AssertionError: They differ, or the outcome says approved where the state does not grant.
    """
    definition = workflow.definition
    grants = definition.grants.get(definition.states(change.state), change.state == definition.roles.granted)
    try:
        passes = workflow.require_approved(change.subject).id == change.id
    except NotApproved:
        passes = False
    told = f"the state {change.state} {'grants' if grants else 'does not grant'}, and require_approved"
    assert passes == grants, f"{told} {'passes' if passes else 'refuses'}"
    assert grants or change.outcome is not Outcome.APPROVED, f"{told} refuses; its outcome says approved"
