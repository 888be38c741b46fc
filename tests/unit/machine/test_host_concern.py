"""A host's concern waits while the library has a reason for attention, and neither hides the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.change import Attention, AttentionReason
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.host_concern import is_raised_by_library, with_host_concern
from itsm_workflow.readonly import NOTHING, ReadOnlyDict
from tests.support import examples as x

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.change import ChangeRequest

HOST = AttentionReason.HOST
LIBRARY = [one for one in AttentionReason if one is not HOST]


def attention(reason: AttentionReason, facts: Mapping[str, str] = NOTHING, *, at: float = 20) -> Attention:
    """Return attention that was raised some seconds after the start."""
    return Attention(reason=reason, since=x.later(at), facts=ReadOnlyDict(facts))


def after(
    before: Attention | None, raised: Attention | None, *, at: float = 30, ends: bool = False
) -> Attention | None:
    """Return the attention of a change after a trigger whose update raised or cleared attention."""
    change = attrs.evolve(x.APPROVED, attention=before)
    updated = attrs.evolve(change, attention=raised)
    return with_host_concern(change, updated, x.later(at), ends=ends).attention


@pytest.mark.parametrize("reason", LIBRARY)
def test_no_reason_of_the_library_is_replaced_by_a_hosts_concern(reason: AttentionReason) -> None:
    """Its facts and its time stay, and those of the host are added."""
    parked = attention(reason, {"effect": "E1", "error": "no disk"})
    shown = after(parked, attention(HOST, {"disk": "full"}, at=30))
    assert shown == attention(reason, {"effect": "E1", "error": "no disk", "host disk": "full"})


@pytest.mark.parametrize("facts", [{"disk": "full", "": "x", "host": "a"}, {}])
def test_the_concern_is_raised_when_the_reason_is_gone(facts: dict[str, str]) -> None:
    """With all its facts, and none of the reason's."""
    shown = after(attention(AttentionReason.EFFECT_PARKED, {"effect": "E1"}), attention(HOST, facts))
    assert after(shown, None, at=40) == attention(HOST, facts, at=40)


def test_a_concern_without_facts_is_shown_too() -> None:
    """By a fact of its own."""
    shown = after(attention(AttentionReason.OVERDUE), attention(HOST))
    assert shown == attention(AttentionReason.OVERDUE, {"host": "raised attention"})


def test_a_concern_that_was_raised_first_waits_for_the_library() -> None:
    """The order does not matter."""
    shown = after(attention(HOST, {"disk": "full"}), attention(AttentionReason.EFFECT_PARKED, {"effect": "E1"}, at=30))
    assert shown == attention(AttentionReason.EFFECT_PARKED, {"effect": "E1", "host disk": "full"}, at=30)


def test_another_reason_of_the_library_keeps_it_waiting() -> None:
    """Only its own facts change."""
    shown = after(attention(AttentionReason.OVERDUE, {"ticket": "7"}), attention(HOST, {"disk": "full"}))
    shown = after(shown, attention(AttentionReason.DUPLICATE, {"tickets": "7, 8"}, at=40), at=40)
    assert shown == attention(AttentionReason.DUPLICATE, {"tickets": "7, 8", "host disk": "full"}, at=40)


def test_the_last_concern_waits() -> None:
    """As the last one is shown if nothing else is."""
    shown = after(attention(AttentionReason.OVERDUE), attention(HOST, {"disk": "full"}))
    shown = after(shown, attention(HOST, {"network": "down"}))
    assert shown == attention(AttentionReason.OVERDUE, {"host network": "down"})


@pytest.mark.parametrize(
    "raised", [attention(AttentionReason.OVERDUE, at=90), attention(HOST, {"disk": "full"}, at=90)]
)
def test_what_is_raised_already_is_no_news(raised: Attention) -> None:
    """Neither the same reason nor the same concern: no entry is written for it."""
    shown = after(attention(AttentionReason.OVERDUE), attention(HOST, {"disk": "full"}))
    assert after(shown, raised, at=90) is shown


@pytest.mark.parametrize(
    ("before", "raised"),
    [
        (None, attention(HOST, {"disk": "full"})),
        (attention(HOST, {"disk": "full"}), attention(HOST, {"network": "down"}, at=30)),
        (attention(HOST, {"disk": "full"}), None),
        (attention(AttentionReason.OVERDUE), None),
        (attention(AttentionReason.OVERDUE), attention(AttentionReason.DUPLICATE)),
    ],
)
def test_where_nothing_waits_nothing_is_changed(before: Attention | None, raised: Attention | None) -> None:
    """A person clears a concern that is shown, and it is gone."""
    assert after(before, raised) is raised


def test_another_state_ends_the_concern_and_so_does_a_person_who_clears_it() -> None:
    """As it ends attention itself; but a host's own transition does not replace the library's reason either."""
    shown = raised(x.with_attention(x.PENDING), disk="full")
    assert x.after(shown, (Trigger.CLEAR_ATTENTION, ev.Decision(reason="seen")), at=40).attention is None
    waiting = after(attention(AttentionReason.OVERDUE), attention(HOST, {"disk": "full"}))
    assert after(waiting, None, ends=True) is None
    assert after(attention(HOST), attention(AttentionReason.SELF_APPROVED), ends=True) == attention(
        AttentionReason.SELF_APPROVED
    )
    assert after(attention(AttentionReason.EFFECT_PARKED), attention(HOST), ends=True) == attention(
        AttentionReason.EFFECT_PARKED, {"host": "raised attention"}
    )


def test_a_concern_holds_back_no_reason_of_the_library() -> None:
    """A change without attention has none either."""
    held = [attention(AttentionReason.OVERDUE), attention(HOST), None]
    assert [is_raised_by_library(attrs.evolve(x.PENDING, attention=one)) for one in held] == [True, False, False]


def raised(change: ChangeRequest, **facts: str) -> ChangeRequest:
    """Return the change after the host has raised attention."""
    return x.after(change, (Trigger.RAISE_ATTENTION, ev.Concern(reason=HOST, facts=facts)), at=30)


def test_a_late_ticket_of_an_ended_change_stays_in_view() -> None:
    """It is recorded once, so nothing would raise it again."""
    late = (Trigger.RECORD_CONTRADICTION, ev.LateTicket(gateway="itsm", id="8", sn="REQ8"))
    shown = raised(x.after(x.REJECTED, late), disk="full").attention
    assert shown is not None
    assert (shown.reason, dict(shown.facts)) == (
        AttentionReason.DUPLICATE,
        {"ticket": "8", "sn": "REQ8", "host disk": "full"},
    )


def test_a_person_may_decide_although_the_host_is_concerned() -> None:
    """A change whose ticket was not found can be sent again: the reason that allows it is still there."""
    change = raised(x.EXHAUSTED, disk="full")
    assert x.after(change, (Trigger.RESEND, ev.Decision(reason="looked")), at=60).expect_attempt().number == 2
