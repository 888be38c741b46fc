"""The number of a submission, which is raised if another submission of the subject took it at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.evidence import Channel, SubmissionNumber
from itsm_workflow.settle import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition


def numbered(
    definition: WorkflowDefinition, change: ChangeRequest, steps: Sequence[Step], highest_of_others: Callable[[], int]
) -> Sequence[Step]:
    """Return the steps, preceded by a higher submission number if the change needs one.

    A change leaves the filing state only as its subject's newest submission. Its number was read before the commit
    that claimed the subject, so another change may have been submitted in between. After that commit, no other change
    of the subject can be submitted, so the number that is read now is final.

    An adopted change claims its subject by the commit that brings it to the waiting state. So a change whose ticket an
    operator bound leaves that state in the same way.

    Args:
        definition: The change's definition.
        change: The change before the steps.
        steps: The triggers to fire.
        highest_of_others: Reads the highest submission number of the subject's other changes, or 0.
    """
    first = _first_with_claim(definition, change)
    rows = [row for step in steps for row in definition.rows(change.state, step.trigger)]
    if change.state != first or all(row.dest in {None, first} for row in rows):
        return steps
    highest = highest_of_others()
    if change.submission > highest:
        return steps
    return (Step(Trigger.RENUMBER, SubmissionNumber(number=highest + 1)), *steps)


def _first_with_claim(definition: WorkflowDefinition, change: ChangeRequest) -> str:
    """Return the state to which the change came by the commit that claimed its subject."""
    roles, ticket = definition.roles_in(change.state), change.ticket
    return roles.waiting if ticket is not None and ticket.channel == Channel.OPERATOR else roles.asking
