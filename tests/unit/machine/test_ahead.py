"""Times that a clock wrote which stood ahead."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.change import ChangeRequest, EffectStatus, HeardCallback
from itsm_workflow.machine.ahead import due_again, put_right
from itsm_workflow.machine.collector import COLLECTOR_CHANGE
from itsm_workflow.machine.due import next_due
from itsm_workflow.policy import Policy
from itsm_workflow.settle import plan
from tests.unit.machine import examples as x

if TYPE_CHECKING:
    from collections.abc import Callable

YEARS = dt.timedelta(days=3650)
BEFORE = x.NOW - YEARS
"""When the clock is right again, after the examples were made."""

HEARD = attrs.evolve(x.PENDING, heard=HeardCallback(sn="REQ7", digest="d", at=x.later(2)))
SITUATIONS: dict[str, ChangeRequest] = {
    "queued": x.QUEUED,
    "not before": attrs.evolve(x.QUEUED, attempt=attrs.evolve(x.QUEUED.expect_attempt(), not_before=x.later(30))),
    "sending": x.SENDING,
    "unknown": x.UNKNOWN,
    "looked for": x.EXHAUSTED,
    "pending": x.PENDING,
    "heard of": HEARD,
    "suspected": x.SUSPECTED,
    "called back in vain": x.FAILED_CALLBACK,
    "an effect planned": x.APPROVED,
    "withdrawn": x.WITHDRAWN,
    "abandoned": x.ABANDONED,
}


@pytest.mark.parametrize("change", SITUATIONS.values(), ids=SITUATIONS)
def test_nothing_waits_longer_than_the_policy_does(change: ChangeRequest) -> None:
    """Whatever was going on while the clock stood ahead: there is something to ask, and soon."""
    right = put_right(change, BEFORE, x.POLICY)
    due = next_due(COLLECTOR_CHANGE, right, BEFORE, x.POLICY, looked=False)

    assert due is not None
    assert due <= BEFORE + x.POLICY.longest_wait
    assert plan(COLLECTOR_CHANGE, right, BEFORE, x.POLICY, owner="w2") is not None
    assert next_due(COLLECTOR_CHANGE, change, x.later(700), x.POLICY, looked=False) is not None


@pytest.mark.parametrize("change", SITUATIONS.values(), ids=SITUATIONS)
def test_times_of_a_clock_that_was_right_stay(change: ChangeRequest) -> None:
    """At the time they were written, any time later, and with what clocks differ by."""
    for now in (x.NOW, x.later(10**9), x.NOW - x.POLICY.longest_wait + dt.timedelta(seconds=1000)):
        assert put_right(change, now, x.POLICY) == change


def _attempt(name: str) -> Callable[[ChangeRequest], object]:
    return lambda change: getattr(change.expect_attempt(), name)


FULL = attrs.evolve(
    x.with_effect(x.SUSPECTED, x.planned(due_at=x.later(3))),
    attempt=attrs.evolve(
        x.SUSPECTED.expect_attempt(), marked_at=x.later(1), not_before=x.later(1), unknown_since=x.later(1)
    ),
    heard=HEARD.heard,
    ended_at=x.later(4),
)

FIELDS: dict[str, tuple[Callable[[ChangeRequest], object], object]] = {
    "submitted": (_attempt("submitted_at"), BEFORE),
    "the lease of a send is over": (_attempt("marked_at"), BEFORE - x.POLICY.send_lease),
    "a wait is over": (_attempt("not_before"), BEFORE),
    "look-ups begin": (_attempt("unknown_since"), BEFORE),
    "a ticket is old enough to be withdrawn": (
        lambda change: change.expect_ticket().recorded_at,
        BEFORE - x.POLICY.withdraw_age,
    ),
    "an ending must be seen again": (lambda change: change.suspicion, None),
    "a hint is looked into": (lambda change: change.heard and change.heard.at, BEFORE - x.POLICY.poll),
    "an effect is due": (lambda change: change.effects[0].due_at, BEFORE),
    "ended": (lambda change: change.ended_at, BEFORE),
}


@pytest.mark.parametrize(("read", "wanted"), FIELDS.values(), ids=FIELDS)
def test_each_time_is_taken_back(read: Callable[[ChangeRequest], object], wanted: object) -> None:
    """What happened then happened now; what was awaited is over. Just within the longest wait it is believed."""
    assert read(put_right(FULL, BEFORE, x.POLICY)) == wanted
    assert read(put_right(FULL, x.later(10) - x.POLICY.longest_wait, x.POLICY)) == read(FULL)


def test_one_microsecond_too_far_is_too_far() -> None:
    """The bound is the longest wait."""
    edge = x.PENDING.expect_ticket().recorded_at - x.POLICY.longest_wait
    earlier = edge - dt.timedelta(microseconds=1)

    assert put_right(x.PENDING, edge, x.POLICY) == x.PENDING
    assert put_right(x.PENDING, earlier, x.POLICY).expect_ticket().recorded_at == earlier - x.POLICY.withdraw_age


def test_what_is_put_off_too_far_is_due_now() -> None:
    """A change that waits is looked at; one that waits for a person, or whose rule is as long, is left."""
    horizon = BEFORE + x.POLICY.longest_wait
    right, now = put_right(x.PENDING, BEFORE, x.POLICY), BEFORE
    later = horizon + dt.timedelta(microseconds=1)
    rules: Any = {**COLLECTOR_CHANGE.due, x.PENDING.state: lambda *_, **__: later}
    own = attrs.evolve(COLLECTOR_CHANGE, due=rules)

    assert due_again(COLLECTOR_CHANGE, right, x.later(300), now, x.POLICY) == now
    assert due_again(COLLECTOR_CHANGE, right, later, now, x.POLICY) == now
    assert due_again(COLLECTOR_CHANGE, right, horizon, now, x.POLICY) == horizon
    assert due_again(own, right, later, now, x.POLICY) == later
    assert due_again(COLLECTOR_CHANGE, x.DRAFT, later, now, x.POLICY) == later
    assert due_again(COLLECTOR_CHANGE, right, None, now, x.POLICY) is None


def test_an_effect_that_is_being_delivered_keeps_its_lease() -> None:
    """A lease is no longer than the longest wait."""
    leased = x.with_effect(x.APPROVED, x.planned(EffectStatus.PLANNED, due_at=x.NOW))
    until = x.NOW + x.POLICY.effect_lease

    assert due_again(COLLECTOR_CHANGE, leased, until, x.NOW, x.POLICY) == until


WAITS = [
    *("send_lease", "unsent_retry_cap", "late_look", "sweep_every", "poll", "soon", "quiet", "withdraw_age"),
    *("read_lease", "effect_lease", "effect_backoff_cap"),
]


@pytest.mark.parametrize("name", WAITS)
def test_the_longest_wait_is_the_longest_of_all(name: str) -> None:
    """Each wait that puts something off counts, the end of the look-ups too."""
    year = dt.timedelta(days=365)

    assert Policy().longest_wait == dt.timedelta(hours=6)
    assert Policy(**{name: year}).longest_wait == year  # type: ignore[arg-type]  # one of the waits
    assert Policy(lookups=(dt.timedelta(), year)).longest_wait == year
