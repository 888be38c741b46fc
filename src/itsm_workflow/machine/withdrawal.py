"""The library's own withdrawal of a ticket: when it is resolved, and what it forbids until then.

A withdrawn ticket can revive: its flow may start after the withdrawal, and its approvers may then approve it although
the applicant no longer wants that. So a withdrawal that was delivered, or may have been, stays *unresolved* until the
ticket has ended as withdrawn or refused, or until an operator accepts the ticket despite the withdrawal.

A ticket that is approved before its withdrawal was delivered is approved. The ticket system decides which of the two
came first, and a withdrawal that finds the ticket ended is superseded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import WITHDRAW, EffectStatus, Outcome
from itsm_workflow.machine import evidence as ev

if TYPE_CHECKING:
    import datetime as dt

    from itsm_workflow.change import ChangeRequest, PlannedEffect
    from itsm_workflow.machine.definition import Facts
    from itsm_workflow.policy import Policy


def unresolved(change: ChangeRequest) -> PlannedEffect | None:
    """Return the withdrawal that was delivered, or may have been, and that no operator has set aside."""
    return next((one for one in _withdrawals(change) if one.status is EffectStatus.DELIVERED or one.unsure), None)


def is_pursued(change: ChangeRequest) -> bool:
    """Return whether the change was given up with an open ticket that is to be withdrawn, or was withdrawn."""
    given_up = change.outcome is Outcome.ABANDONED and change.ticket is not None
    return given_up and any(one.name == WITHDRAW for one in change.effects)


def may_still_act(change: ChangeRequest, now: dt.datetime, policy: Policy) -> bool:
    """Return whether the ticket of a change that was given up may still be decided, so the sweep must look at it.

    That is true until its withdrawal was delivered, and for some days after it: the ticket may revive, and a withdrawal
    that came too late found a ticket that had started and ended, perhaps as approved.
    """
    if not is_pursued(change) or change.ended_at is None:
        return False
    withdrawals = [one for one in change.effects if one.name == WITHDRAW]
    if any(one.status in {EffectStatus.PLANNED, EffectStatus.STARTED} for one in withdrawals):
        return True
    return now < max([change.ended_at, *(one.due_at for one in withdrawals)]) + policy.sweep_for


def is_in_delivery(change: ChangeRequest) -> bool:
    """Return whether a withdrawal was started and its result is not stored yet."""
    return any(one.status is EffectStatus.STARTED for one in _withdrawals(change))


def forbids_approval(change: ChangeRequest) -> str | None:
    """Return the reason why an approved ticket must not approve the change, or None."""
    if is_in_delivery(change):
        return "a withdrawal is being delivered: wait for its result"
    withdrawn = unresolved(change)
    if withdrawn is None:
        return None
    return f"the ticket was withdrawn ({since(withdrawn)}): accept_after_withdrawal accepts it despite the withdrawal"


def since(effect: PlannedEffect) -> str:
    """Return when an unresolved withdrawal was delivered, as text for people."""
    if effect.status is not EffectStatus.DELIVERED:
        return "at an unknown time"
    return f"{effect.due_at:%Y-%m-%d %H:%M:%S} UTC"


def may_be_accepted(facts: Facts) -> str | None:
    """Require an unresolved withdrawal, no withdrawal in delivery, and a reason."""
    if is_in_delivery(facts.change):
        return "a withdrawal is being delivered: wait for its result"
    if not unresolved(facts.change):
        return "no delivered withdrawal is unresolved"
    if not facts.expect(ev.Decision).reason.strip():
        return "a reason is required, because the ticket was withdrawn on request"
    return None


def superseded(change: ChangeRequest, *statuses: EffectStatus) -> ChangeRequest:
    """Return the change with its withdrawals of these statuses superseded, since they have no effect any more."""
    effects = tuple(
        attrs.evolve(one, status=EffectStatus.SUPERSEDED, unsure=False, owner="", claimed_until=None, lost=0)
        if one.name == WITHDRAW and one.status in statuses
        else one
        for one in change.effects
    )
    return change if effects == change.effects else attrs.evolve(change, effects=effects)


def status_after(effect: PlannedEffect, result: ev.EffectResult) -> EffectStatus:
    """Return the status of an effect after a delivery that succeeded or found nothing to do.

    A ticket that has ended in another way does not show whether an earlier delivery with an unknown result withdrew it.
    A late result does not change a withdrawal that was superseded.
    """
    if effect.status is EffectStatus.SUPERSEDED:
        return EffectStatus.SUPERSEDED
    found_ended = result.withdrawal is ev.Withdrawal.ENDED
    return EffectStatus.SUPERSEDED if found_ended and not effect.unsure else EffectStatus.DELIVERED


def next_try(change: ChangeRequest, now: dt.datetime, policy: Policy) -> dt.datetime:
    """Return when to retry a withdrawal that the gateway does not accept yet, with growing waits.

    The ticket of a change that was given up may never start: after some hours, each sweep retries the withdrawal once.
    """
    age = now - change.ticket.recorded_at if change.ticket else policy.soon
    cap = max(policy.sweep_every, policy.effect_backoff_cap) if is_pursued(change) else policy.effect_backoff_cap
    return now + min(max(policy.soon, age), cap)


def _withdrawals(change: ChangeRequest) -> list[PlannedEffect]:
    return [one for one in change.effects if one.name == WITHDRAW and one.status is not EffectStatus.SUPERSEDED]


def tried_later(facts: Facts) -> ChangeRequest:
    """Plan a withdrawal again that the gateway does not accept yet; the try does not count as a failure."""
    result, change = facts.expect(ev.EffectResult), facts.change
    before = change.expect_effect(result.effect)
    after = attrs.evolve(
        before,
        status=EffectStatus.PLANNED,
        due_at=next_try(change, facts.now, facts.policy),
        error=result.error,
        retried_after=before.retried_after + 1,
        owner="",
        claimed_until=None,
        lost=0,
    )
    return attrs.evolve(change, effects=tuple(after if one is before else one for one in change.effects))
