"""Times that a clock wrote which stood ahead."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.change import ChangeRequest, LastCallback
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.machine.clock_skew import repair_future_times
from itsm_workflow.machine.due import next_due
from itsm_workflow.policy import LONGEST, Policy
from itsm_workflow.settle import plan
from tests.support import examples as x

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.machine.definition import WorkflowDefinition

YEARS = dt.timedelta(days=3650)
BEFORE = x.NOW - YEARS
"""When the clock is right again, after the examples were made."""


def right(change: ChangeRequest, now: dt.datetime, policy: Policy = x.POLICY) -> ChangeRequest:
    """Return the change put right."""
    return repair_future_times(COLLECTOR_CHANGE, change, None, now, policy)[0]


def due(
    change: ChangeRequest,
    due_at: dt.datetime | None,
    now: dt.datetime,
    definition: WorkflowDefinition = COLLECTOR_CHANGE,
) -> dt.datetime | None:
    """Return when the change is due, put right."""
    return repair_future_times(definition, change, due_at, now, x.POLICY)[1]


def with_rule(rule: object) -> WorkflowDefinition:
    """Return the workflow with another due rule for changes that wait."""
    rules: Any = {**COLLECTOR_CHANGE.due, x.PENDING.state: rule}
    return attrs.evolve(COLLECTOR_CHANGE, due=rules)


HEARD = attrs.evolve(x.PENDING, heard=LastCallback(sn="REQ7", digest="d", at=x.later(2)))
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
    after, due_at = repair_future_times(COLLECTOR_CHANGE, change, x.later(300), BEFORE, x.POLICY)

    assert due_at == BEFORE
    assert next_due(COLLECTOR_CHANGE, after, BEFORE, x.POLICY, looked=True) <= BEFORE + x.POLICY.longest_wait  # type: ignore[operator] # or it fails
    assert plan(COLLECTOR_CHANGE, after, BEFORE, x.POLICY, owner="w2") is not None
    assert next_due(COLLECTOR_CHANGE, change, x.later(700), x.POLICY, looked=False) is not None


@pytest.mark.parametrize("change", SITUATIONS.values(), ids=SITUATIONS)
def test_times_of_a_clock_that_was_right_stay(change: ChangeRequest) -> None:
    """At the time they were written, any time later, and with what clocks differ by."""
    for now in (x.NOW, x.later(10**9), x.NOW - x.POLICY.longest_wait + dt.timedelta(seconds=1000)):
        assert right(change, now) == change


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
    "ended": (lambda change: change.ended_at, BEFORE - x.POLICY.poll),
}


@pytest.mark.parametrize(("read", "wanted"), FIELDS.values(), ids=FIELDS)
def test_each_time_is_taken_back(read: Callable[[ChangeRequest], object], wanted: object) -> None:
    """What happened then happened now; what was awaited is over. Just within the longest wait it is believed."""
    assert read(right(FULL, BEFORE)) == wanted
    assert read(right(FULL, x.later(10) - x.POLICY.longest_wait)) == read(FULL)


def test_a_suspicion_at_the_bound_is_believed_though_a_later_ending_is_not() -> None:
    """Each time is judged by itself."""
    assert FULL.suspicion is not None
    change = attrs.evolve(FULL, ended_at=FULL.suspicion.since + dt.timedelta(minutes=1))
    mended = right(change, FULL.suspicion.since - x.POLICY.longest_wait)

    assert mended.suspicion == FULL.suspicion
    assert mended.ended_at != change.ended_at


def test_one_microsecond_too_far_is_too_far() -> None:
    """The bound is the longest wait."""
    edge = x.PENDING.expect_ticket().recorded_at - x.POLICY.longest_wait
    earlier = edge - dt.timedelta(microseconds=1)

    assert right(x.PENDING, edge) == x.PENDING
    assert right(x.PENDING, earlier).expect_ticket().recorded_at == earlier - x.POLICY.withdraw_age


def test_an_effect_is_repaired_only_beyond_the_longest_wait() -> None:
    """The bound itself is a time that the policy can have stored."""
    put_off = x.with_effect(x.APPROVED, x.planned(due_at=x.POLICY.horizon(BEFORE)))
    beyond = x.with_effect(x.APPROVED, x.planned(due_at=x.POLICY.horizon(BEFORE) + dt.timedelta(microseconds=1)))

    assert right(put_off, BEFORE).effects == put_off.effects
    assert [one.due_at for one in right(beyond, BEFORE).effects] == [BEFORE]


def test_what_is_put_off_too_far_is_due_now() -> None:
    """A change that waits is looked at; one that waits for a person is left."""
    horizon = BEFORE + x.POLICY.longest_wait
    beyond = horizon + dt.timedelta(microseconds=1)

    assert due(x.PENDING, x.later(300), BEFORE) == BEFORE
    assert due(x.PENDING, beyond, BEFORE) == BEFORE
    assert due(x.PENDING, horizon, BEFORE) == horizon
    assert due(x.DRAFT, beyond, BEFORE) == beyond
    assert due(x.PENDING, None, BEFORE) is None


def test_a_hosts_rule_may_wait_longer_than_the_policy() -> None:
    """Whether it names a day or a time from the last look: it is not asked again and again."""
    day, now = dt.timedelta(days=1), x.later(1000)
    fixed = with_rule(lambda *_, **__: now + day)
    from_look = with_rule(lambda _change, at, _policy, *, looked: at + day if looked else at)

    assert due(x.PENDING, now + day, now, fixed) == now + day
    assert due(x.PENDING, now + day, now + day / 2, from_look) == now + day
    assert due(HEARD, now + day, now + day / 2, from_look) == now + day
    assert due(HEARD, now + YEARS, now, from_look) == now


def test_a_late_hint_is_not_used_up_by_a_clock() -> None:
    """A callback about a change that had ended, heard while the clock stood ahead, is looked into like any other."""
    heard, now = LastCallback(sn="REQ7", digest="d", at=x.NOW + YEARS), x.later(1000)

    assert due(attrs.evolve(x.REJECTED, heard=heard), heard.at, now) == now


@pytest.mark.parametrize(("at", "is_late"), [(20.000001, True), (20, False)])
def test_a_hint_that_came_after_the_end_still_does(at: float, is_late: bool) -> None:  # noqa: FBT001 - a case
    """Also if both are of the clock that stood ahead."""
    after = right(attrs.evolve(x.REJECTED, heard=LastCallback(sn="REQ7", digest="d", at=x.later(at))), BEFORE)

    assert after.heard is not None
    assert after.ended_at is not None
    assert (after.heard.at > after.ended_at) == is_late


def test_a_delivery_of_a_clock_that_stood_ahead_is_over() -> None:
    """Its claim would hold the effect until the year that the clock showed."""
    started = x.started(due_at=x.NOW + YEARS, claimed_until=x.NOW + YEARS + x.POLICY.effect_lease)
    [effect] = right(x.with_effect(x.APPROVED, started), BEFORE).effects

    assert (effect.due_at, effect.claimed_until) == (BEFORE, BEFORE)
    assert not effect.is_in_delivery(BEFORE)


def test_a_delivery_that_began_in_time_is_believed_however_long_it_may_take() -> None:
    """Its worker's policy may have a longer lease than any wait of this one's."""
    started = x.started(due_at=BEFORE, claimed_until=BEFORE + YEARS)
    [effect] = right(x.with_effect(x.APPROVED, started), BEFORE).effects

    assert effect == started
    assert effect.is_in_delivery(BEFORE + x.POLICY.longest_wait)


WAITS = [
    *("send_lease", "unsent_retry_cap", "late_look", "sweep_every", "poll", "rare_poll", "soon", "quiet"),
    *("withdraw_age", "read_lease", "effect_lease", "effect_backoff_cap"),
]


@pytest.mark.parametrize("name", WAITS)
def test_the_longest_wait_is_the_longest_of_all(name: str) -> None:
    """Each wait that puts something off counts, the end of the look-ups too."""
    year = dt.timedelta(days=365)

    assert Policy().longest_wait == dt.timedelta(hours=6)
    assert Policy(**{name: year}).longest_wait == year  # type: ignore[arg-type]  # one of the waits
    assert Policy(lookups=(dt.timedelta(), year)).longest_wait == year


def test_the_horizon_lies_before_the_end_of_time() -> None:
    """No time lies beyond the last one that there is."""
    policy = Policy(effect_backoff_cap=LONGEST)
    last = dt.datetime.max.replace(tzinfo=dt.UTC)

    assert policy.horizon(last - LONGEST / 2) == last
    assert right(x.PENDING, x.NOW, policy) == x.PENDING
    assert x.POLICY.horizon(x.NOW) == x.NOW + x.POLICY.longest_wait
