"""The change that two looks at its ticket would lead to, if the ticket stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.machine.engine import fire
from itsm_workflow.settle.deciding import decide
from itsm_workflow.settle.questions import ReadAnswer

if TYPE_CHECKING:
    import datetime as dt

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.machine.evidence import Snapshot
    from itsm_workflow.policy import Policy


def foresee(
    definition: WorkflowDefinition,
    change: ChangeRequest,
    snapshot: Snapshot,
    now: dt.datetime,
    policy: Policy,
    *,
    gateway: str,
) -> ChangeRequest:
    """Return the change after two looks that show the same, the second after `Policy.quiet`.

    Two looks are enough, since a withdrawal or a termination is confirmed by the second one.

    Args:
        definition: The change's definition.
        change: The change, with its ticket.
        snapshot: The gateway's answers about the ticket.
        now: The current time.
        policy: The timings in force.
        gateway: The name of the gateway that answered.

    Raises:
        TransitionRefused: A guard of the host refused a step.
    """
    for at in (now, now + policy.quiet):
        answer = ReadAnswer(snapshot=attrs.evolve(snapshot, seen_at=at))
        for step in decide(definition, change, answer, at, policy, gateway=gateway):
            change, _ = fire(
                definition, change, step.trigger, step.evidence, now=at, policy=policy, seq=1, actor=gateway
            )
    return change
