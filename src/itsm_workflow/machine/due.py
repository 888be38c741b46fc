"""When a change falls due: a function of its state, what is known of it, and whether it was just looked at."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import WITHDRAW, AttentionReason, EffectStatus, Outcome, Phase
from itsm_workflow.errors import DefinitionError
from itsm_workflow.machine import withdrawal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from itsm_workflow.change import ChangeRequest, PlannedEffect
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.policy import Policy


def next_due(
    definition: WorkflowDefinition,
    change: ChangeRequest,
    now: dt.datetime,
    policy: Policy,
    *,
    looked: bool,
    failed: Callable[[Exception], object] | None = None,
) -> dt.datetime | None:
    """Return when to look at the change next, or None if only a trigger from outside leads on.

    A callback that was heard is looked into at once, whatever a rule of the host's own says.

    Args:
        definition: The change's definition.
        change: The change as it will be stored.
        now: The time of the commit.
        policy: The timings in force.
        looked: Whether the gateway was asked for this commit; then a hint that was heard before is used up.
        failed: Is told what a rule of the host's own raised, or that it returned no time that can be stored; the change
            is polled then. Without it that is raised.
    """
    moments = [sweep_due(change, now, policy, looked=looked)]
    if change.state not in definition.final:
        moment = _ruled(definition, change, now, policy, looked, failed)
        if moment is not None and looked and not _is_asked_on(definition, change, policy):
            # Whatever a host's rule says: a change that is due again already keeps others from being looked at.
            moment = max(moment, now + min(policy.soon, policy.poll))
        moments.append(moment)
        if change.heard is not None and not looked and _asks_gateway(definition, change):
            moments.append(change.heard.at)
    moments.append(effects_due(change, now, policy, looked=looked))
    known = [moment for moment in moments if moment is not None]
    return min(known) if known else None


def _ruled(  # noqa: PLR0917 - private, and each argument is one of its only caller's
    definition: WorkflowDefinition,
    change: ChangeRequest,
    now: dt.datetime,
    policy: Policy,
    looked: bool,  # noqa: FBT001 - as above
    failed: Callable[[Exception], object] | None,
) -> dt.datetime | None:
    """Return what the rule of the change's state says."""
    state = definition.states(change.state)
    try:
        moment: object = definition.due[state](change, now, policy, looked=looked)
        wrong = _wrong_moment(moment)
        if wrong:
            raise DefinitionError(f"workflow {definition.name}: the due rule of state {state} returned {wrong}")  # noqa: TRY301 - one way to tell
    except Exception as error:
        if failed is None:
            raise
        failed(error)
        return now + policy.poll
    return moment if isinstance(moment, dt.datetime) else None


def _wrong_moment(moment: object) -> str:
    if moment is None:
        return ""
    if not isinstance(moment, dt.datetime):
        return f"a {type(moment).__name__}, not None or an aware datetime"
    if moment.utcoffset() is None:
        return f"{moment}, which has no time zone"
    try:
        moment.astimezone(dt.UTC)
    except OverflowError:
        return f"{moment}, which is beyond the years 1 to 9999 in UTC"
    return ""


def _asks_gateway(definition: WorkflowDefinition, change: ChangeRequest) -> bool:
    """Tell whether a look at the change now asks the gateway what a callback was about."""
    return change.state in {definition.roles.asking, definition.roles.waiting, definition.roles.undelivered}


def _is_asked_on(definition: WorkflowDefinition, change: ChangeRequest, policy: Policy) -> bool:
    """Return whether a look may lead to a send, or to the next look-up of the schedule, at once."""
    if change.state != definition.roles.asking:
        return False
    attempt = change.attempt
    return attempt is None or attempt.phase is not Phase.UNKNOWN or attempt.looks < len(policy.lookups)


def asking_due(change: ChangeRequest, now: dt.datetime, policy: Policy, *, looked: bool) -> dt.datetime | None:
    """Fall due by phase: when a queued send may go, a silent sender's lease ends, or the next look-up is."""
    attempt = change.attempt
    if attempt is None:
        return now
    if change.heard is not None and not looked:
        return change.heard.at
    if attempt.phase is Phase.QUEUED:
        return attempt.not_before or now
    if attempt.phase is Phase.SENDING:
        return (attempt.marked_at or now) + policy.send_lease
    since = attempt.unknown_since or now
    if attempt.looks < len(policy.lookups):
        began = attempt.looked.wall if attempt.looked else since
        return began + policy.lookup_wait(attempt.looks)
    # A gateway that could not be asked says nothing of the ticket: it is asked again as soon as one that is polled.
    failed = change.attention is not None and change.attention.reason is AttentionReason.LOOKUP_FAILED
    late = min(policy.late_look, policy.poll) if failed else policy.late_look
    return now + late if now < since + policy.sweep_for else None


def waiting_due(change: ChangeRequest, now: dt.datetime, policy: Policy, *, looked: bool) -> dt.datetime | None:
    """Fall due at once on a hint, then ever more slowly; after the quiet time if an ending is suspected."""
    if change.heard is not None and not looked:
        return change.heard.at
    if change.suspicion is not None:
        believed = change.suspicion.since + policy.quiet
        return believed if believed > now or not looked else now + policy.quiet
    if change.heard is None:
        return now + policy.poll
    return now + min(max(policy.soon, now - change.heard.at), policy.poll)


def undelivered_due(change: ChangeRequest, now: dt.datetime, policy: Policy, *, looked: bool) -> dt.datetime | None:
    """Fall due at once: the gateway says that its ticket has ended."""
    return waiting_due(change, now, policy, looked=looked) if looked or change.suspicion is not None else now


def sweep_due(change: ChangeRequest, now: dt.datetime, policy: Policy, *, looked: bool) -> dt.datetime | None:
    """Look on at tickets that may still be decided, and at creates that were unknown; at once on a late hint."""
    ended, attempt, heard = change.ended_at, change.attempt, change.heard
    if ended is not None and heard is not None and heard.at > ended and not looked:
        return min(heard.at, now)
    was_unknown = attempt is not None and attempt.unknown_since is not None
    lookup = ended is not None and was_unknown and now < ended + policy.sweep_for
    return now + policy.sweep_every if lookup or ticket_is_swept(change, now, policy) else None


def ticket_is_swept(change: ChangeRequest, now: dt.datetime, policy: Policy) -> bool:
    """Return whether the ticket of an ended change is looked at: its ending can revive, or it had none yet."""
    if change.ended_at is None:
        return False
    can_revive = change.outcome in {Outcome.WITHDRAWN, Outcome.TERMINATED}
    return (can_revive and now < change.ended_at + policy.sweep_for) or withdrawal.may_still_act(change, now, policy)


def withdrawal_due(change: ChangeRequest, planned: dt.datetime, policy: Policy) -> dt.datetime | None:
    """Wait for the ticket, and until it is old enough that its flow has started."""
    if change.ticket is None:
        return None
    return max(planned, change.ticket.recorded_at + policy.withdraw_age)


def rest_due(
    definition: WorkflowDefinition, change: ChangeRequest, due_at: dt.datetime, policy: Policy, left: Collection[str]
) -> dt.datetime | None:
    """Return when all of a change but some effects is due, where these effects are due and are left as they are.

    A look at a change with an effect that is due stores the time of the look as its due time, see `effects_due`. So
    the next look is a whole wait after the last one, though the change is due all the while.

    Args:
        definition: The change's definition.
        change: The change.
        due_at: When it is stored to be due.
        policy: The timings in force.
        left: The ids of these effects, at least one.
    """
    known = (effect_due(change, effect, policy) for effect in change.effects if effect.id in left)
    if due_at < min(moment for moment in known if moment is not None):
        return due_at  # before any of them was: the rest is what it was due for
    rest = attrs.evolve(change, effects=tuple(effect for effect in change.effects if effect.id not in left))
    looked = change.updated_at <= due_at
    # Whoever stored the time was told of a rule that fails.
    return next_due(definition, rest, due_at, policy, looked=looked, failed=lambda _error: None)


def effects_due(change: ChangeRequest, now: dt.datetime, policy: Policy, *, looked: bool) -> dt.datetime | None:
    """Return when the next effect is due, or None; the effects of a change are delivered one after the other.

    After a look that is now at the earliest, so that the time of the look is kept, see `rest_due`.
    """
    moments = [effect_due(change, effect, policy) for effect in change.effects]
    known = [moment for moment in moments if moment is not None]
    if not known:
        return None
    in_delivery = [one.claimed_until for one in change.effects if one.claimed_until and one.is_in_delivery(now)]
    return max([min(known), *in_delivery, *([now] if looked else [])])


def effect_due(change: ChangeRequest, effect: PlannedEffect, policy: Policy) -> dt.datetime | None:
    """Return when a worker may next deliver the effect, or None; after one that was started, when its claim ends."""
    if effect.status not in {EffectStatus.PLANNED, EffectStatus.STARTED}:
        return None
    moment = effect.claimed_until if effect.status is EffectStatus.STARTED else None
    return (
        withdrawal_due(change, moment or effect.due_at, policy) if effect.name == WITHDRAW else moment or effect.due_at
    )
