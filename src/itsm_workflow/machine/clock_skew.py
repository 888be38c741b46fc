"""Repair of stored times that a clock which ran ahead has written.

A change that is due in a year which a clock showed by mistake would wait for that year. A stored time that is further
ahead than the longest wait of the policy is therefore not believed, neither in the row nor in the change.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.machine.due import next_due

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.change import ChangeRequest, PlannedEffect
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.policy import Policy


_MOMENT = dt.timedelta(microseconds=1)


def repair_future_times(
    definition: WorkflowDefinition,
    change: ChangeRequest,
    due_at: dt.datetime | None,
    now: dt.datetime,
    policy: Policy,
    *,
    failed: Callable[[BaseException], object] | None = None,
) -> tuple[ChangeRequest, dt.datetime | None]:
    """Return a change and its due time without times that are further ahead than any wait.

    The repair is not stored by itself. It is stored with the next entry, and gives the same result until then.

    Args:
        definition: The change's definition; a due rule of its own may wait longer than the policy.
        change: The change as it was read.
        due_at: The stored due time.
        now: The current time.
        policy: The timings in force.
        failed: See `next_due`.
    """
    horizon = policy.horizon(now)
    repaired = _in_the_past(change, horizon, now, policy)
    if due_at is None or due_at <= horizon:
        return repaired, due_at
    # A look has used up the earlier hints, but not a hint that arrived while the clock was ahead.
    today = next_due(definition, repaired, now, policy, looked=repaired.heard == change.heard, failed=failed)
    return repaired, now if today is not None and today < due_at else due_at


def _in_the_past(change: ChangeRequest, horizon: dt.datetime, now: dt.datetime, policy: Policy) -> ChangeRequest:
    """Move each time in the future back, so that the event counts as past.

    A lease or a wait that began at such a time is over. An ending that was suspected then must be seen again.
    """
    polled = now - policy.poll
    if all(moment <= horizon for moment in _moments(change)):
        return change

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
            # The wait has passed by the wall clock, so the other clocks decide.
            looked=attempt.looked
            and attrs.evolve(attempt.looked, wall=back(attempt.looked.wall, now - policy.lookups[-1])),
        ),
        ticket=ticket and attrs.evolve(ticket, recorded_at=back(ticket.recorded_at, now - policy.withdraw_age)),
        suspicion=None if suspicion is not None and suspicion.since > horizon else suspicion,
        heard=heard and attrs.evolve(heard, at=back(heard.at, polled + _MOMENT if was_late else polled)),
        effects=tuple(_effect_in_the_past(effect, horizon, now) for effect in change.effects),
        ended_at=ended and back(ended, polled),
    )


def _moments(change: ChangeRequest) -> Iterator[dt.datetime]:
    """Yield the times of a change that `_in_the_past` may move."""
    if change.attempt is not None:
        yield change.attempt.submitted_at
        yield from filter(None, (change.attempt.marked_at, change.attempt.not_before, change.attempt.unknown_since))
        if change.attempt.looked is not None:
            yield change.attempt.looked.wall
    if change.ticket is not None:
        yield change.ticket.recorded_at
    if change.suspicion is not None:
        yield change.suspicion.since
    if change.heard is not None:
        yield change.heard.at
    if change.ended_at is not None:
        yield change.ended_at
    for effect in change.effects:
        yield effect.due_at


def _effect_in_the_past(effect: PlannedEffect, horizon: dt.datetime, now: dt.datetime) -> PlannedEffect:
    if effect.due_at <= horizon:
        # Its claim may be longer than the waits of this policy: the policy of the worker that delivers it decides.
        return effect
    return attrs.evolve(effect, due_at=now, claimed_until=effect.claimed_until and now)
