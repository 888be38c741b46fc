"""Times that were written while a clock stood ahead, taken back once it is right again.

A change whose next look was put off until a year that a clock showed by mistake would wait for that year. What lies
further ahead than the policy ever waits is therefore not believed, neither of the row nor of what the change knows.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.machine.due import next_due

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.change import ChangeRequest, PlannedEffect
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.policy import Policy


_MOMENT = dt.timedelta(microseconds=1)


def put_right(
    definition: WorkflowDefinition,
    change: ChangeRequest,
    due_at: dt.datetime | None,
    now: dt.datetime,
    policy: Policy,
    *,
    failed: Callable[[Exception], object] | None = None,
) -> tuple[ChangeRequest, dt.datetime | None]:
    """Return a change, and when it is due, with no time that lies further ahead than any wait.

    Nothing of it is stored by itself: it is with the next entry, and comes out the same way until then.

    Args:
        definition: The change's definition; a rule of its own may wait longer than the policy.
        change: The change as it was read.
        due_at: When it is stored to be due.
        now: The time.
        policy: The timings in force.
        failed: See `next_due`.
    """
    right = _past(change, now, policy)
    if due_at is None or due_at <= policy.horizon(now):
        return right, due_at
    # A look has used up the hints of the past, but not one that was heard while the clock stood ahead.
    today = next_due(definition, right, now, policy, looked=right.heard == change.heard, failed=failed)
    return right, now if today is not None and today < due_at else due_at


def _past(change: ChangeRequest, now: dt.datetime, policy: Policy) -> ChangeRequest:
    """Let what happened "then" have happened by now.

    A lease or a wait that began then is over, and an ending that was suspected then must be seen again.
    """
    horizon, polled = policy.horizon(now), now - policy.poll

    def back(moment: dt.datetime, to: dt.datetime) -> dt.datetime:
        return to if moment > horizon else moment

    attempt, ticket, suspicion = change.attempt, change.ticket, change.suspicion
    heard, ended = change.heard, change.ended_at
    was_late = heard is not None and ended is not None and heard.at > ended
    return attrs.evolve(
        change,
        attempt=attempt
        and attrs.evolve(
            attempt,
            submitted_at=back(attempt.submitted_at, now),
            marked_at=attempt.marked_at and back(attempt.marked_at, now - policy.send_lease),
            not_before=attempt.not_before and back(attempt.not_before, now),
            unknown_since=attempt.unknown_since and back(attempt.unknown_since, now),
            # Long ago by the wall clock, so that the other clocks decide whether the wait has passed.
            looked=attempt.looked
            and attrs.evolve(attempt.looked, wall=back(attempt.looked.wall, now - policy.lookups[-1])),
        ),
        ticket=ticket and attrs.evolve(ticket, recorded_at=back(ticket.recorded_at, now - policy.withdraw_age)),
        suspicion=None if suspicion is not None and suspicion.since > horizon else suspicion,
        heard=heard and attrs.evolve(heard, at=back(heard.at, polled + _MOMENT if was_late else polled)),
        effects=tuple(_effect_past(effect, horizon, now) for effect in change.effects),
        ended_at=ended and back(ended, polled),
    )


def _effect_past(effect: PlannedEffect, horizon: dt.datetime, now: dt.datetime) -> PlannedEffect:
    if effect.due_at <= horizon:
        return effect  # a delivery that began in time is believed however long it may take: its worker's policy says so
    return attrs.evolve(effect, due_at=now, claimed_until=effect.claimed_until and now)
