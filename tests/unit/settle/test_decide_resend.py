"""What an empty look-up decides where the policy allows that a create is sent again."""

from __future__ import annotations

import datetime as dt
from typing import Any

import attrs
import pytest

from itsm_workflow.change import AttentionReason, ChangeRequest
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, Trigger
from itsm_workflow.policy import Policy
from itsm_workflow.settle import LookupAnswer, decide
from tests.support import examples as x

SCHEDULE = tuple(dt.timedelta(seconds=seconds) for seconds in (0, 10, 60))
ONCE_MORE = Policy(lookups=SCHEDULE, resends=1)
LAST = attrs.evolve(x.UNKNOWN, attempt=attrs.evolve(x.UNKNOWN.expect_attempt(), looks=2, looked=x.moment(0)))


def empty(change: ChangeRequest, seconds: float, policy: Policy = ONCE_MORE, **values: Any) -> list[str]:
    """Return the triggers that an empty look-up decides."""
    answer = LookupAnswer(**{"number": change.expect_attempt().number, "found": (), "at": x.moment(seconds), **values})
    return [
        step.trigger for step in decide(COLLECTOR_CHANGE, change, answer, x.later(seconds), policy, gateway="bk_itsm")
    ]


def test_the_last_empty_look_up_sends_again_where_the_policy_says_so() -> None:
    """At its own time exactly, with the reason in the history."""
    answer = LookupAnswer(number=1, found=(), at=x.moment(60))
    steps = decide(COLLECTOR_CHANGE, LAST, answer, x.later(60), ONCE_MORE, gateway="bk_itsm")
    assert [step.trigger for step in steps] == [Trigger.NOTE_LOOKUP, Trigger.RESEND]
    again = "no look-up found a ticket, so the request is sent again with the same key, attempt 2"
    assert steps[1].evidence == ev.Decision(reason=again)


def with_looks(looks: int, **values: Any) -> ChangeRequest:
    """Return the unknown change with so many look-ups behind it."""
    return attrs.evolve(x.UNKNOWN, attempt=attrs.evolve(x.UNKNOWN.expect_attempt(), looks=looks, **values))


@pytest.mark.parametrize(
    ("change", "at", "policy"),
    [
        (LAST, 60, Policy(lookups=SCHEDULE)),
        (LAST, 59, ONCE_MORE),
        (with_looks(1), 600, ONCE_MORE),
        (with_looks(2, number=2), 60, ONCE_MORE),
        (with_looks(2, looked=None), 60, ONCE_MORE),
        (with_looks(2, looked=x.moment(0), unwitnessed=True), 60, ONCE_MORE),
        (with_looks(2, looked=x.moment(0, boot=59_000_000)), 60, ONCE_MORE),
        (with_looks(2, looked=x.moment(0, boot_id="b2")), 60, ONCE_MORE),
        (with_looks(2, looked=x.moment(0, boot_id="")), 60, ONCE_MORE),
        (x.with_attention(LAST, AttentionReason.DUPLICATE), 60, ONCE_MORE),
        (x.with_attention(LAST, AttentionReason.NOT_FOUND), 60, ONCE_MORE),
    ],
    ids=[
        "never",
        "too early",
        "looks are left",
        "used up",
        "no beginning",
        "a wait without a witness",
        "a clock step",
        "another boot",
        "no boot",
        "two tickets",
        "a person was called",
    ],
)
def test_an_empty_look_up_is_only_counted_otherwise(change: ChangeRequest, at: float, policy: Policy) -> None:
    """A second create is never made on less than the whole schedule."""
    assert empty(change, at, policy) == [Trigger.NOTE_LOOKUP]


@pytest.mark.parametrize("reason", [AttentionReason.LOOKUP_FAILED, AttentionReason.UNSENT])
def test_a_call_that_says_nothing_of_a_ticket_does_not_hold_a_resend_up(reason: AttentionReason) -> None:
    """Look-ups that failed, or sends that never left, speak for none."""
    assert empty(x.with_attention(LAST, reason), 60) == [Trigger.NOTE_LOOKUP, Trigger.RESEND]


@pytest.mark.parametrize("parts", ["differences", "unseen"])
def test_any_ticket_with_our_key_bars_an_automatic_resend(parts: str) -> None:
    """It differs from what was sent, or cannot be compared yet: either way it is no absence."""
    other = x.found("8", **{parts: ("form: not what was sent",)})
    assert Trigger.RESEND in empty(LAST, 60)
    assert Trigger.RESEND not in empty(LAST, 60, found=(other,))


def test_the_date_of_the_gateway_is_a_witness_across_boots() -> None:
    """To the second that it has; its absence on either side is none."""
    change = with_looks(2, looked=x.moment(0, boot_id="b2", gateway=x.later(100)))
    sent = [Trigger.NOTE_LOOKUP, Trigger.RESEND]

    assert empty(change, 60, at=x.moment(60, gateway=x.later(159))) == sent
    assert empty(change, 60, at=x.moment(60, gateway=x.later(158))) == [Trigger.NOTE_LOOKUP]
    assert empty(change, 60, at=x.moment(60)) == [Trigger.NOTE_LOOKUP]


def test_a_look_up_that_failed_sends_nothing_again() -> None:
    """It is no empty one."""
    assert empty(LAST, 60, found=None, problem="no answer") == [Trigger.NOTE_LOOKUP]
