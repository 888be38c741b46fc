"""Which question would move a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import WITHDRAW, AttentionReason, EffectStatus, Phase
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.due import effect_due, rest_due, ticket_is_swept
from itsm_workflow.settle.questions import Deliver, Lookup, Plan, Read, Send, Step, Sweep

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence

    from itsm_workflow.change import Attempt, ChangeRequest, PlannedEffect
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.policy import Policy


def plan(
    definition: WorkflowDefinition,
    change: ChangeRequest,
    now: dt.datetime,
    policy: Policy,
    *,
    owner: str,
    knows: Callable[[str], bool] = lambda _name: True,
    due_at: dt.datetime | None = None,
) -> Plan | None:
    """Return the one question that would move the change, or None if there is nothing to ask.

    Args:
        definition: The change's definition.
        change: The change.
        now: The time.
        policy: The timings in force.
        owner: The token of the worker that would ask.
        knows: Whether the worker's process has a function for the effect of a name. One that is due and that it has
            none for is left to another process, and the rest of the change goes on.
        due_at: When the change is stored to be due; None to ask whether it is due or not.
    """
    effect = _next_effect(change, now, policy, knows)
    if effect is not None:
        return _plan_delivery(effect, policy, owner)
    left = effects_left(change, now, policy, knows)
    if left:
        if change.attention is None and (unknown := _unknown_too_long(change, left, now, policy)) is not None:
            return Plan(question=None, claim=(unknown,))
        if due_at is not None:
            rest = rest_due(definition, change, due_at, policy, {one.id for one in left})
            if rest is None or rest > now:
                return None
    roles = definition.roles
    if change.state == roles.asking and change.attempt is not None:
        return _plan_asking(change, change.attempt, now, policy, owner)
    if change.state in {roles.waiting, roles.undelivered}:
        return Plan(question=Read())
    if change.ended_at is not None:  # its ticket is decided, whatever the host does since then
        return _plan_sweep(change, change.ended_at, now, policy)
    return None


def effects_left(
    change: ChangeRequest, now: dt.datetime, policy: Policy, knows: Callable[[str], bool]
) -> list[PlannedEffect]:
    """Return the effects that are due and that the worker's process has no function for."""
    return [effect for effect in _due_effects(change, now, policy) if not knows(effect.name)]


def _due_effects(change: ChangeRequest, now: dt.datetime, policy: Policy) -> Iterator[PlannedEffect]:
    for effect in change.effects:
        due = effect_due(change, effect, policy)
        if due is not None and due <= now:
            yield effect


def _next_effect(
    change: ChangeRequest, now: dt.datetime, policy: Policy, knows: Callable[[str], bool]
) -> PlannedEffect | None:
    """Return the first effect that is due and known; one that is being delivered holds up the others."""
    if any(effect.is_in_delivery(now) for effect in change.effects):
        return None
    return next((effect for effect in _due_effects(change, now, policy) if knows(effect.name)), None)


def _unknown_too_long(
    change: ChangeRequest, left: Sequence[PlannedEffect], now: dt.datetime, policy: Policy
) -> Step | None:
    """Return what asks for a person, if no process that looked has known an effect for too long."""
    for effect in left:
        since = effect_due(change, effect, policy)
        if since is not None and now >= since + policy.effect_unknown:
            facts = {"effect": effect.id, "name": effect.name, "due since": f"{since:%Y-%m-%d %H:%M:%S} UTC"}
            return Step(Trigger.RAISE_ATTENTION, ev.Concern(reason=AttentionReason.EFFECT_UNKNOWN, facts=facts))
    return None


def _plan_delivery(effect: PlannedEffect, policy: Policy, owner: str) -> Plan:
    if effect.status is EffectStatus.STARTED and effect.tries >= policy.effect_attempts:
        problem = (
            f"its last {effect.lost + 1} deliveries brought no result: each ended its process, or took too long"
            if effect.lost
            else "its last delivery brought no result: it ended its process, or took too long"
        )
        # A withdrawal may have been done by then.
        withdrawal = ev.Withdrawal.UNKNOWN if effect.name == WITHDRAW else None
        lost = ev.EffectResult(
            effect=effect.id, attempt=effect.attempts, error=problem, final=True, withdrawal=withdrawal
        )
        return Plan(question=None, claim=(Step(Trigger.FAIL_EFFECT, lost),))
    return Plan(question=Deliver(effect=effect.id, name=effect.name, attempt=effect.attempts + 1, owner=owner))


def _plan_asking(change: ChangeRequest, attempt: Attempt, now: dt.datetime, policy: Policy, owner: str) -> Plan | None:
    mark = ev.AttemptMark(number=attempt.number, owner=owner)
    sn = change.heard.sn if change.heard else None
    if attempt.phase is Phase.QUEUED:
        marked = Step(Trigger.MARK_SENDING, mark)
        if sn is None:
            return Plan(question=Send(number=attempt.number, owner=owner), claim=(marked,))
        # The gateway called back, so that it has a ticket of ours: to send would make a second one.
        there = "a callback came before it was sent again"
        unknown = Step(Trigger.MARK_UNKNOWN, attrs.evolve(mark, problem=there))
        return Plan(question=Lookup(sn=sn), claim=(marked, unknown))
    if attempt.phase is Phase.UNKNOWN:
        return Plan(question=Lookup(sn=sn))
    lapsed = attempt.marked_at is not None and now >= attempt.marked_at + policy.send_lease
    if lapsed:
        silent = attrs.evolve(mark, problem="its sender went silent")
        return Plan(question=Lookup(sn=sn), claim=(Step(Trigger.MARK_UNKNOWN, silent),))
    # A callback proves that the gateway has the ticket, though our sender has not told yet.
    return Plan(question=Lookup(sn=sn)) if sn else None


def _plan_sweep(change: ChangeRequest, ended: dt.datetime, now: dt.datetime, policy: Policy) -> Plan | None:
    late_hint = change.heard is not None and change.heard.at > ended
    was_unknown = change.attempt is not None and change.attempt.unknown_since is not None
    read = change.ticket is not None and (late_hint or ticket_is_swept(change, now, policy))
    unbound = change.ticket is None and change.attempt is not None
    lookup = (was_unknown and now < ended + policy.sweep_for) or (late_hint and unbound)
    return Plan(question=Sweep(read=read, lookup=lookup)) if read or lookup else None
