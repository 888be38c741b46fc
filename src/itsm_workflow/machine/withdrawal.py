"""The library's own withdrawal of a ticket: when it is done with, and what it forbids until then.

A withdrawn ticket can revive: its flow may start after the withdrawal, and its approvers may then approve it. The
applicant did not want that any more. So a withdrawal that was delivered, or may have been, stays *unresolved* until the
ticket has ended as withdrawn or refused, or until an operator accepts the ticket all the same.

A ticket that is approved before its withdrawal was delivered is approved: which of the two came first is decided in the
ticket system, and the withdrawal that finds the ticket ended is superseded.
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
    """Return whether the change was given up and its ticket, which was open then, is to be withdrawn or was."""
    given_up = change.outcome is Outcome.ABANDONED and change.ticket is not None
    return given_up and any(one.name == WITHDRAW for one in change.effects)


def may_still_act(change: ChangeRequest, now: dt.datetime, policy: Policy) -> bool:
    """Return whether the ticket of a change that was given up may still be decided, so that it is looked at.

    Until its withdrawal was delivered, however long that takes, and at least for some days: it may revive.
    """
    if not is_pursued(change) or change.ended_at is None:
        return False
    undone = {EffectStatus.PLANNED, EffectStatus.STARTED}
    is_to_come = any(one.name == WITHDRAW and one.status in undone for one in change.effects)
    return is_to_come or now < change.ended_at + policy.sweep_for


def is_in_delivery(change: ChangeRequest) -> bool:
    """Return whether a withdrawal was begun and what came of it is not stored yet."""
    return any(one.status is EffectStatus.STARTED for one in _withdrawals(change))


def forbids_approval(change: ChangeRequest) -> str | None:
    """Return why an approved ticket may not approve the change, or None."""
    if is_in_delivery(change):
        return "a withdrawal is being delivered: its result is waited for"
    withdrawn = unresolved(change)
    if withdrawn is None:
        return None
    return f"the ticket was withdrawn ({since(withdrawn)}): accept_after_withdrawal accepts it all the same"


def since(effect: PlannedEffect) -> str:
    """Return when an unresolved withdrawal was delivered, for people."""
    if effect.status is not EffectStatus.DELIVERED:
        return "not known when"
    return f"{effect.due_at:%Y-%m-%d %H:%M:%S} UTC"


def may_be_accepted(facts: Facts) -> str | None:
    """A withdrawal is unresolved, none is being delivered, and a reason is given."""
    if not facts.expect(ev.Decision).reason.strip():
        return "a reason is needed: the applicant had the ticket withdrawn"
    if is_in_delivery(facts.change):
        return "a withdrawal is being delivered: wait for its result"
    return None if unresolved(facts.change) else "no withdrawal that was delivered is unresolved"


def superseded(change: ChangeRequest, *statuses: EffectStatus) -> ChangeRequest:
    """Return the change with its withdrawals of these statuses superseded: they are pointless now."""
    effects = tuple(
        attrs.evolve(one, status=EffectStatus.SUPERSEDED, unsure=False, owner="", claimed_until=None, lost=0)
        if one.name == WITHDRAW and one.status in statuses
        else one
        for one in change.effects
    )
    return attrs.evolve(change, effects=effects)


def status_after(effect: PlannedEffect, result: ev.EffectResult) -> EffectStatus:
    """Return the status of an effect that was done, or that there was nothing to do for.

    A ticket that has ended otherwise does not show whether an earlier delivery, of unknown outcome, withdrew it before.
    What a delivery says that ended late changes nothing of a withdrawal that was set aside.
    """
    if effect.status is EffectStatus.SUPERSEDED:
        return EffectStatus.SUPERSEDED
    found_ended = result.withdrawal is ev.Withdrawal.ENDED
    return EffectStatus.SUPERSEDED if found_ended and not effect.unsure else EffectStatus.DELIVERED


def next_try(change: ChangeRequest, now: dt.datetime, policy: Policy) -> dt.datetime:
    """Return when to try a withdrawal again that the gateway does not take yet: the longer it lasts, the later.

    The ticket of a change that was given up may never start: after some hours it is tried as rarely as it is looked at.
    """
    age = now - change.ticket.recorded_at if change.ticket else policy.soon
    cap = max(policy.sweep_every, policy.effect_backoff_cap) if is_pursued(change) else policy.effect_backoff_cap
    return now + min(max(policy.soon, age), cap)


def _withdrawals(change: ChangeRequest) -> list[PlannedEffect]:
    return [one for one in change.effects if one.name == WITHDRAW and one.status is not EffectStatus.SUPERSEDED]


def tried_later(facts: Facts) -> ChangeRequest:
    """Return the change with a withdrawal planned again that the gateway does not take yet; it counts for nothing."""
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
