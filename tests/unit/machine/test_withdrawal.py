"""The library's own withdrawal: which changes pursue it, and what superseding it leaves of it."""

from __future__ import annotations

import attrs

from itsm_workflow.change import WITHDRAW, EffectStatus, Outcome
from itsm_workflow.machine import withdrawal
from tests.support import examples as x

PENDING = x.PENDING
GIVEN_UP = attrs.evolve(PENDING, outcome=Outcome.ABANDONED, ended_at=x.NOW)
WITHDRAWAL = x.planned(id="W1", name=WITHDRAW)


def test_a_withdrawal_is_pursued_for_an_abandoned_change_with_a_ticket() -> None:
    """Each of the three conditions is needed: abandoned, a known ticket, and a planned withdrawal."""
    assert withdrawal.is_pursued(x.with_effect(GIVEN_UP, WITHDRAWAL))
    assert not withdrawal.is_pursued(GIVEN_UP)
    assert not withdrawal.is_pursued(x.with_effect(GIVEN_UP))
    assert not withdrawal.is_pursued(x.with_effect(PENDING, WITHDRAWAL))
    assert not withdrawal.is_pursued(x.with_effect(attrs.evolve(GIVEN_UP, ticket=None), WITHDRAWAL))


def test_a_superseded_withdrawal_keeps_nothing_of_its_delivery() -> None:
    """No claim, no doubt, no lost worker; other effects and other statuses are not touched."""
    running = x.started(id="W1", name=WITHDRAW, unsure=True, lost=2)
    parked = x.planned(EffectStatus.PARKED, id="W2", name=WITHDRAW)
    change = attrs.evolve(PENDING, effects=(running, parked, x.started(lost=2)))

    after = withdrawal.superseded(change, EffectStatus.STARTED)

    assert after.effects == (
        attrs.evolve(running, status=EffectStatus.SUPERSEDED, unsure=False, owner="", claimed_until=None, lost=0),
        parked,
        x.started(lost=2),
    )
