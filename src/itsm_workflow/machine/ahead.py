"""Times that were written while a clock stood ahead, taken back once it is right again.

A change whose next look was put off until a year that a clock showed by mistake would wait for that year. What lies
further ahead than the policy ever waits is therefore not believed, neither of the row nor of what the change knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.machine.due import next_due

if TYPE_CHECKING:
    import datetime as dt

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.policy import Policy


def put_right(change: ChangeRequest, now: dt.datetime, policy: Policy) -> ChangeRequest:
    """Return the change with no time in it that lies further ahead than any wait.

    What happened "then" happened now, a lease or a wait that began then is over, and an ending that was suspected then
    must be seen again. None of it is stored by itself: it is with the next entry, and the same until then.

    Args:
        change: The change as it was read.
        now: The time.
        policy: The timings in force.
    """
    horizon = now + policy.longest_wait

    def back(moment: dt.datetime, to: dt.datetime) -> dt.datetime:
        return to if moment > horizon else moment

    attempt, ticket, suspicion, heard = change.attempt, change.ticket, change.suspicion, change.heard
    return attrs.evolve(
        change,
        attempt=attempt
        and attrs.evolve(
            attempt,
            submitted_at=back(attempt.submitted_at, now),
            marked_at=attempt.marked_at and back(attempt.marked_at, now - policy.send_lease),
            not_before=attempt.not_before and back(attempt.not_before, now),
            unknown_since=attempt.unknown_since and back(attempt.unknown_since, now),
        ),
        ticket=ticket and attrs.evolve(ticket, recorded_at=back(ticket.recorded_at, now - policy.withdraw_age)),
        suspicion=None if suspicion is not None and suspicion.since > horizon else suspicion,
        heard=heard and attrs.evolve(heard, at=back(heard.at, now - policy.poll)),
        effects=tuple(attrs.evolve(effect, due_at=back(effect.due_at, now)) for effect in change.effects),
        ended_at=change.ended_at and back(change.ended_at, now),
    )


def due_again(
    definition: WorkflowDefinition,
    change: ChangeRequest,
    due_at: dt.datetime | None,
    now: dt.datetime,
    policy: Policy,
) -> dt.datetime | None:
    """Return when a change is due: now, if that was put off further than any wait and its rule would not do so today.

    Args:
        definition: The change's definition; a rule of its own may wait longer than the policy.
        change: The change, put right.
        due_at: When it is stored to be due.
        now: The time.
        policy: The timings in force.
    """
    if due_at is None or due_at <= now + policy.longest_wait:
        return due_at
    today = next_due(definition, change, now, policy, looked=False)
    return now if today is not None and today < due_at else due_at
