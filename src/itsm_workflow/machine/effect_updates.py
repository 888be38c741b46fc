"""The updates of planned effects: each returns the change with the delivery, its result or the retry applied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.change import WITHDRAW, Attention, AttentionReason, EffectStatus, PlannedEffect
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine import withdrawal
from itsm_workflow.readonly import ReadOnlyDict

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import Facts

_AT_REST: Mapping[str, Any] = ReadOnlyDict({"owner": "", "claimed_until": None, "lost": 0})  # no worker delivers it


def planned(change: ChangeRequest, name: str, now: dt.datetime, actor: str) -> ChangeRequest:
    """Plan one more effect, due now; its id must not depend on entry numbers, since a repair can remove entries."""
    effect = PlannedEffect(
        id=f"{change.id}.{name}.{change.submission}.{change.planned}",
        name=name,
        status=EffectStatus.PLANNED,
        due_at=now,
        actor=actor,
    )
    return attrs.evolve(change, effects=(*change.effects, effect), planned=change.planned + 1)


def started(facts: Facts) -> ChangeRequest:
    """Count the delivery before it starts, so that a delivery that crashes its process is counted as well."""
    start = facts.expect(ev.EffectStart)
    before = facts.change.expect_effect(start.effect)
    change = _effect(
        facts,
        start.effect,
        status=EffectStatus.STARTED,
        attempts=start.attempt,
        due_at=facts.now,
        owner=start.owner,
        claimed_until=start.until,
        lost=before.lost + 1 if before.status is EffectStatus.STARTED else 0,
        unsure=before.unsure or (before.name == WITHDRAW and before.status is EffectStatus.STARTED),
    )
    return _with_known_effect(change, start.effect)


def delivered(facts: Facts) -> ChangeRequest:
    """Store that the effect was delivered."""
    result = facts.expect(ev.EffectResult)
    status = withdrawal.status_after(facts.change.expect_effect(result.effect), result)
    change = _effect(facts, result.effect, status=status, error="", unsure=False, **_AT_REST)
    return _with_known_effect(_without_parked_attention(change), result.effect)


def failed(facts: Facts) -> ChangeRequest:
    """Store the failure; after too many, park the effect and raise attention."""
    result = facts.expect(ev.EffectResult)
    if result.withdrawal is ev.Withdrawal.NOT_YET:
        return withdrawal.tried_later(facts)
    before = facts.change.expect_effect(result.effect)
    tries = before.tries
    parked = result.final or tries >= facts.policy.effect_attempts
    change = _effect(
        facts,
        result.effect,
        status=EffectStatus.PARKED if parked else EffectStatus.PLANNED,
        due_at=facts.now + facts.policy.effect_wait(tries),
        error=result.error,
        unsure=before.unsure or result.withdrawal is ev.Withdrawal.UNKNOWN,
        **_AT_REST,
    )
    details = {"effect": result.effect, "error": result.error}
    return with_attention(facts, change, AttentionReason.EFFECT_PARKED, details) if parked else change


def retried(facts: Facts) -> ChangeRequest:
    """Plan a parked effect again with all its tries; the numbering continues, so that a late result matches one."""
    wanted = facts.expect(ev.EffectRetry).effect
    attempts = facts.change.expect_effect(wanted).attempts
    change = _effect(facts, wanted, status=EffectStatus.PLANNED, due_at=facts.now, retried_after=attempts)
    return _without_parked_attention(change)


def parked_attention(change: ChangeRequest, now: dt.datetime) -> Attention | None:
    """Return the attention that stays when all other reasons are resolved: an effect is parked or unknown."""
    if change.attention is not None and change.attention.reason is AttentionReason.EFFECT_UNKNOWN:
        return change.attention
    effect = next(iter(change.parked_effects), None)
    if effect is None or (change.attention is not None and change.attention.reason is AttentionReason.EFFECT_PARKED):
        return change.attention if effect else None
    details = ReadOnlyDict({"effect": effect.id, "error": effect.error})
    return Attention(reason=AttentionReason.EFFECT_PARKED, since=now, facts=details)


def with_attention(
    facts: Facts, change: ChangeRequest, reason: AttentionReason, details: Mapping[str, str]
) -> ChangeRequest:
    """Return the change with this attention in place of any other."""
    attention = Attention(reason=reason, since=facts.now, facts=ReadOnlyDict(details))
    return attrs.evolve(change, attention=attention)


def _effect(facts: Facts, wanted: str, **values: Any) -> ChangeRequest:
    effects = tuple(attrs.evolve(one, **values) if one.id == wanted else one for one in facts.change.effects)
    return attrs.evolve(facts.change, effects=effects)


def _without_parked_attention(change: ChangeRequest) -> ChangeRequest:
    if (
        change.parked_effects
        or change.attention is None
        or change.attention.reason is not AttentionReason.EFFECT_PARKED
    ):
        return change
    return attrs.evolve(change, attention=None)


def _with_known_effect(change: ChangeRequest, effect: str) -> ChangeRequest:
    """Clear the attention that was raised because no process knew the effect."""
    attention = change.attention
    if attention is None or attention.reason is not AttentionReason.EFFECT_UNKNOWN:
        return change
    return attrs.evolve(change, attention=None) if attention.facts.get("effect") == effect else change
