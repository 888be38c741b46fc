"""Decides whether callbacks arrive, from the changes that moved last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.change import Outcome

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.policy import Policy


def callbacks_arrive(
    definition: WorkflowDefinition, changes: Iterable[ChangeRequest], now: dt.datetime, policy: Policy
) -> bool:
    """Return whether the tickets that ended during the last `Policy.rare_poll` were called back.

    At least one was, and none of the others ended more than `Policy.poll` ago or is listed as undelivered. A callback
    may arrive after a look has found the end, so a later end shows nothing yet.

    Args:
        definition: The definition of the changes.
        changes: The changes that moved in that time.
        now: The current time.
        policy: The timings in force.
    """
    found = False
    for change in changes:
        if change.state == definition.roles_in(change.state).undelivered:
            return False
        ended = change.ended_at
        if ended is None or change.ticket is None or change.outcome is Outcome.ABANDONED:
            continue
        if ended < now - policy.rare_poll:
            continue
        if change.heard is None and ended <= now - policy.poll:
            return False
        found = found or change.heard is not None
    return found
