"""The plan for a change: the next question, and the steps that claim it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import WITHDRAW, AttentionReason, EffectStatus, Phase
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.due import due_without_effects, effect_due, ticket_is_swept
from itsm_workflow.machine.host_concern import is_raised_by_library
from itsm_workflow.settle.questions import Deliver, Leave, Lookup, Plan, Read, Send, Step, Sweep

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
) -> Plan | Leave | None:
    """Return the plan with the next question about a change, or `Leave` or None if it has no question now.

    The result holds for this version of the change and for this time. After None, the time of the next look moves;
    after `Leave` it does not, so that the change stays due for the other processes.

    Args:
        definition: The change's definition.
        change: The change.
        now: The current time.
        policy: The timings in force.
        owner: The token of the worker that would ask.
        knows: A function that returns whether the worker's process can deliver the named effect. A due effect that it
            cannot deliver is left to another process, and does not delay the change's other questions.
        due_at: The stored due time of the change; None to return a question even if none is due.
    """
    effect = _next_effect(change, now, policy, knows)
    if effect is not None:
        return _plan_delivery(effect, policy, owner)
    left = [effect for effect in _due_effects(change, now, policy) if not knows(effect.name)]
    if left:
        if not is_raised_by_library(change) and (unknown := _unknown_too_long(change, left, now, policy)) is not None:
            return Plan(question=None, claim=(unknown,))
        if due_at is not None:
            rest = due_without_effects(definition, change, due_at, policy, {one.id for one in left})
            if rest is None or rest > now:
                return Leave()
    planned = _plan_question(definition, change, now, policy, owner)
    return Leave() if planned is None and left else planned


def _plan_question(
    definition: WorkflowDefinition, change: ChangeRequest, now: dt.datetime, policy: Policy, owner: str
) -> Plan | None:
    roles = definition.roles_in(change.state)
    if change.state == roles.asking and change.attempt is not None:
        return _plan_asking(change, change.attempt, now, policy, owner)
    if change.state in {roles.waiting, roles.undelivered}:
        return Plan(question=Read())
    if change.ended_at is not None:  # the ticket is decided, even if the host's own transitions go on
        return _plan_sweep(change, change.ended_at, now, policy)
    return None


def _due_effects(change: ChangeRequest, now: dt.datetime, policy: Policy) -> Iterator[PlannedEffect]:
    for effect in change.effects:
        due = effect_due(change, effect, policy)
        if due is not None and due <= now:
            yield effect


def _next_effect(
    change: ChangeRequest, now: dt.datetime, policy: Policy, knows: Callable[[str], bool]
) -> PlannedEffect | None:
    """Return the first effect that is due and known; None while another effect is being delivered."""
    if any(effect.is_in_delivery(now) for effect in change.effects):
        return None
    return next((effect for effect in _due_effects(change, now, policy) if knows(effect.name)), None)


def _unknown_too_long(
    change: ChangeRequest, left: Sequence[PlannedEffect], now: dt.datetime, policy: Policy
) -> Step | None:
    """Return the step that raises attention if an effect has been due for too long without a process that knows it."""
    for effect in left:
        since = effect_due(change, effect, policy)
        if since is not None and now >= since + policy.effect_unknown:
            facts = {"effect": effect.id, "name": effect.name, "due since": f"{since:%Y-%m-%d %H:%M:%S} UTC"}
            return Step(Trigger.RAISE_ATTENTION, ev.Concern(reason=AttentionReason.EFFECT_UNKNOWN, facts=facts))
    return None


def _plan_delivery(effect: PlannedEffect, policy: Policy, owner: str) -> Plan:
    if effect.status is EffectStatus.STARTED and effect.tries >= policy.effect_attempts:
        problem = (
            f"its last {effect.lost + 1} deliveries brought no result: each crashed its process, or took too long"
            if effect.lost
            else "its last delivery brought no result: it crashed its process, or took too long"
        )
        # The lost delivery may have withdrawn the ticket.
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
        # The gateway called back, so it has a ticket of this change: another send would create a duplicate.
        called_back = "a callback arrived before the request was sent again"
        unknown = Step(Trigger.MARK_UNKNOWN, attrs.evolve(mark, problem=called_back))
        return Plan(question=Lookup(sn=sn), claim=(marked, unknown))
    if attempt.phase is Phase.UNKNOWN:
        return Plan(question=Lookup(sn=sn))
    lapsed = attempt.marked_at is not None and now >= attempt.marked_at + policy.send_lease
    if lapsed:
        lost = attrs.evolve(mark, problem="its worker reported no result")
        return Plan(question=Lookup(sn=sn), claim=(Step(Trigger.MARK_UNKNOWN, lost),))
    # A callback proves that the gateway has the ticket, even if the sending worker has not stored the result yet.
    return Plan(question=Lookup(sn=sn)) if sn else None


def _plan_sweep(change: ChangeRequest, ended: dt.datetime, now: dt.datetime, policy: Policy) -> Plan | None:
    late_hint = change.heard is not None and change.heard.at > ended
    was_unknown = change.attempt is not None and change.attempt.unknown_since is not None
    read = change.ticket is not None and (late_hint or ticket_is_swept(change, now, policy))
    unbound = change.ticket is None and change.attempt is not None
    lookup = (was_unknown and now < ended + policy.sweep_for) or (late_hint and unbound)
    return Plan(question=Sweep(read=read, lookup=lookup)) if read or lookup else None
