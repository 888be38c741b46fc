"""Due times: computed from the state of a change, its facts, and whether the gateway was just asked."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import WITHDRAW, AttentionReason, EffectStatus, Outcome, Phase
from itsm_workflow.errors import DefinitionError
from itsm_workflow.failures import failures
from itsm_workflow.machine import withdrawal
from itsm_workflow.text import kind_of

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
    called_back: bool = False,
    failed: Callable[[BaseException], object] | None = None,
) -> dt.datetime | None:
    """Return the time of the next look at the change, or None if only a trigger of the host moves it.

    After a callback, the change is due immediately, even if a due rule of the host returns a later time.

    Args:
        definition: The change's definition.
        change: The change as it will be stored.
        now: The time of the commit.
        policy: The timings in force.
        looked: Whether the gateway was asked for this commit; an earlier hint is then used up.
        called_back: Whether callbacks arrive, so that a waiting change may be looked at after `Policy.rare_poll` only.
        failed: Called with the error if a due rule of the host raised, or returned a time that cannot be stored. The
            change is then polled. Without it, the error is raised.
    """
    moments = [sweep_due(change, now, policy, looked=looked)]
    if change.state not in definition.final:
        moment = _due_by_rule(definition, change, now, policy, looked, failed)
        if moment is not None and looked and not _leads_to_a_call(definition, change, policy):
            # A rule of the host may return a time in the past. A change that is always due would block the others.
            moment = max(moment, now + min(policy.soon, policy.poll))
        if moment is not None and called_back and _is_left_to_callbacks(definition, change, now, policy):
            moment = max(moment, now + policy.rare_poll)
        moments.append(moment)
        if change.heard is not None and not looked and _asks_gateway(definition, change):
            moments.append(change.heard.at)
    moments.append(effects_due(change, now, policy, looked=looked))
    known = [moment for moment in moments if moment is not None]
    return min(known) if known else None


def serves(stored: dt.datetime | None, wanted: dt.datetime | None, now: dt.datetime, policy: Policy) -> bool:
    """Return whether the stored time of the next look can stay: it is at most a read lease before the wanted time."""
    return stored is not None and wanted is not None and now < stored <= wanted <= stored + policy.read_lease


def _due_by_rule(  # noqa: PLR0917 - private, called once with the caller's own arguments
    definition: WorkflowDefinition,
    change: ChangeRequest,
    now: dt.datetime,
    policy: Policy,
    looked: bool,  # noqa: FBT001 - as above
    failed: Callable[[BaseException], object] | None,
) -> dt.datetime | None:
    """Return the time that the due rule of the change's state gives."""
    state = definition.states(change.state)
    try:
        moment: object = definition.due[state](change, now, policy, looked=looked)
        wrong = _wrong_moment(moment)
        if wrong:
            raise DefinitionError(f"workflow {definition.name}: the due rule of state {state} returned {wrong}")
    except failures() as error:
        if failed is None:
            raise
        failed(error)
        return now + policy.poll
    return moment if isinstance(moment, dt.datetime) else None


def _wrong_moment(moment: object) -> str:
    if moment is None:
        return ""
    if not isinstance(moment, dt.datetime):
        return f"{kind_of(moment)}, not None or an aware datetime"
    if moment.utcoffset() is None:
        return f"{moment}, which has no time zone"
    try:
        moment.astimezone(dt.UTC)
    except OverflowError:
        return f"{moment}, which is beyond the years 1 to 9999 in UTC"
    return ""


def _is_left_to_callbacks(
    definition: WorkflowDefinition, change: ChangeRequest, now: dt.datetime, policy: Policy
) -> bool:
    """Return whether nothing but the callback about its end is expected of a waiting change.

    A look since `Policy.not_started` has shown whether its flow started. A due rule of the host is left as it is.
    """
    roles, ticket = definition.roles_in(change.state), change.ticket
    if change.state != roles.waiting or definition.due[roles.waiting] is not waiting_due or ticket is None:
        return False
    if change.heard is not None or change.suspicion is not None or change.attention is not None:
        return False
    return now >= ticket.recorded_at + policy.not_started + policy.poll


def _asks_gateway(definition: WorkflowDefinition, change: ChangeRequest) -> bool:
    """Return whether a look at the change asks the gateway about its ticket."""
    roles = definition.roles_in(change.state)
    return change.state in {roles.asking, roles.waiting, roles.undelivered}


def _leads_to_a_call(definition: WorkflowDefinition, change: ChangeRequest, policy: Policy) -> bool:
    """Return whether a look may lead to an immediate send or to the next look-up of the schedule."""
    if not definition.is_asking(change.state):
        return False
    attempt = change.attempt
    return attempt is None or attempt.phase is not Phase.UNKNOWN or attempt.looks < len(policy.lookups)


def asking_due(change: ChangeRequest, now: dt.datetime, policy: Policy, *, looked: bool) -> dt.datetime | None:
    """Fall due by phase: when a queued send may start, when the sender's lease ends, or at the next look-up."""
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
    # A look-up that failed shows nothing about the ticket, so it is repeated at least as often as a poll.
    failed = change.attention is not None and change.attention.reason is AttentionReason.LOOKUP_FAILED
    late = min(policy.late_look, policy.poll) if failed else policy.late_look
    return now + late if now < since + policy.sweep_for else None


def waiting_due(change: ChangeRequest, now: dt.datetime, policy: Policy, *, looked: bool) -> dt.datetime | None:
    """Fall due immediately on a hint, then with growing waits; after the quiet time if an ending is suspected."""
    if change.heard is not None and not looked:
        return change.heard.at
    if change.suspicion is not None:
        believed = change.suspicion.since + policy.quiet
        return believed if believed > now or not looked else now + policy.quiet
    if change.heard is None:
        return now + policy.poll
    return now + min(max(policy.soon, now - change.heard.at), policy.poll)


def undelivered_due(change: ChangeRequest, now: dt.datetime, policy: Policy, *, looked: bool) -> dt.datetime | None:
    """Fall due immediately: the gateway reports that the ticket has ended."""
    return waiting_due(change, now, policy, looked=looked) if looked or change.suspicion is not None else now


def sweep_due(change: ChangeRequest, now: dt.datetime, policy: Policy, *, looked: bool) -> dt.datetime | None:
    """Fall due to check tickets that may still be decided and unknown creates again; immediately on a late hint."""
    ended, attempt, heard = change.ended_at, change.attempt, change.heard
    if ended is not None and heard is not None and heard.at > ended and not looked:
        return min(heard.at, now)
    was_unknown = attempt is not None and attempt.unknown_since is not None
    lookup = ended is not None and was_unknown and now < ended + policy.sweep_for
    return now + policy.sweep_every if lookup or ticket_is_swept(change, now, policy) else None


def ticket_is_swept(change: ChangeRequest, now: dt.datetime, policy: Policy) -> bool:
    """Return whether the sweep covers the ticket of an ended change: it may revive, or has not ended yet."""
    if change.ended_at is None:
        return False
    can_revive = change.outcome in {Outcome.WITHDRAWN, Outcome.TERMINATED}
    return (can_revive and now < change.ended_at + policy.sweep_for) or withdrawal.may_still_act(change, now, policy)


def withdrawal_due(change: ChangeRequest, planned: dt.datetime, policy: Policy) -> dt.datetime | None:
    """Return when to withdraw the ticket: once it is known, and old enough that its flow has started."""
    if change.ticket is None:
        return None
    return max(planned, change.ticket.recorded_at + policy.withdraw_age)


def due_without_effects(
    definition: WorkflowDefinition, change: ChangeRequest, due_at: dt.datetime, policy: Policy, skipped: Collection[str]
) -> dt.datetime | None:
    """Return when a change is due apart from some effects that are due and that this worker does not deliver.

    A look at a change with a due effect stores the time of the look as its due time, see `effects_due`. The next look
    is therefore a whole wait after the last one, although the change is due all the time.

    Args:
        definition: The change's definition.
        change: The change.
        due_at: The stored due time.
        policy: The timings in force.
        skipped: The ids of these effects, at least one.
    """
    known = (effect_due(change, effect, policy) for effect in change.effects if effect.id in skipped)
    if due_at < min(moment for moment in known if moment is not None):
        return due_at  # before all of these effects: the change is due for another reason
    remaining = attrs.evolve(change, effects=tuple(effect for effect in change.effects if effect.id not in skipped))
    looked = change.updated_at <= due_at
    # The worker that stored the due time has already reported a rule that fails.
    return next_due(definition, remaining, due_at, policy, looked=looked, failed=lambda _error: None)


def effects_due(change: ChangeRequest, now: dt.datetime, policy: Policy, *, looked: bool) -> dt.datetime | None:
    """Return when the next effect is due, or None; the effects of a change are delivered one at a time.

    After a look, the result is at least the current time, so that it stores the time of the look, see
    `due_without_effects`.
    """
    moments = [effect_due(change, effect, policy) for effect in change.effects]
    known = [moment for moment in moments if moment is not None]
    if not known:
        return None
    in_delivery = [one.claimed_until for one in change.effects if one.claimed_until and one.is_in_delivery(now)]
    return max([min(known), *in_delivery, *([now] if looked else [])])


def effect_due(change: ChangeRequest, effect: PlannedEffect, policy: Policy) -> dt.datetime | None:
    """Return when a worker may next deliver the effect, or None; after a start, that is when its claim ends."""
    if effect.status not in {EffectStatus.PLANNED, EffectStatus.STARTED}:
        return None
    moment = effect.claimed_until if effect.status is EffectStatus.STARTED else None
    return (
        withdrawal_due(change, moment or effect.due_at, policy) if effect.name == WITHDRAW else moment or effect.due_at
    )
