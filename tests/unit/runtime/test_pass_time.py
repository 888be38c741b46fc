"""The time of one pass: when it is over, when a claim is to be renewed, and what its calls may take."""

from __future__ import annotations

import datetime as dt

import pytest

from itsm_workflow.policy import Policy
from itsm_workflow.runtime.pass_time import PassTime
from itsm_workflow.testing.manual_clock import ManualClock

LEASE, LEAST = 60.0, 2.0


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that has run for a while."""
    clock = ManualClock()
    clock.advance(1000)
    return clock


def begin(clock: ManualClock, seconds: float | None, *, least: float = LEAST) -> PassTime:
    """Return the time of a pass that begins now."""
    policy = Policy(read_lease=dt.timedelta(seconds=LEASE), look_least=dt.timedelta(seconds=least))
    return PassTime(seconds, policy=policy, elapsed=clock.elapsed)


def test_a_pass_is_over_at_its_last_instant(clock: ManualClock) -> None:
    """Not before."""
    time = begin(clock, 8)
    seen = []
    for seconds in (0, 7.75, 0.25, 1):
        clock.advance(seconds)
        seen.append((time.taken, time.is_over()))
    assert seen == [(0, False), (7.75, False), (8, True), (9, True)]


def test_a_pass_without_a_bound_is_never_over(clock: ManualClock) -> None:
    """However long it takes; a claim still ends with its lease."""
    time = begin(clock, None)
    clock.advance(10**9)
    assert not time.is_over()
    assert time.list_budget().left == float("inf")
    assert time.look_budget(clock.elapsed()).left == LEASE


@pytest.mark.parametrize(("age", "is_aging"), [(0, False), (14.75, False), (15, True), (16, True)])
def test_a_claim_ages_after_a_quarter_of_its_lease(clock: ManualClock, age: float, *, is_aging: bool) -> None:
    """So that the look that comes next has most of it."""
    time = begin(clock, None)
    assert time.is_aging(clock.elapsed() - age) is is_aging


@pytest.mark.parametrize(("taken", "left"), [(0, 10.0), (3, 7.0), (8, 2.0), (9, 2.0), (100, 2.0)])
def test_looks_end_a_little_after_the_pass(clock: ManualClock, taken: float, left: float) -> None:
    """What was begun in time has that little at least."""
    time = begin(clock, 8)
    clock.advance(taken)
    assert time.look_budget(clock.elapsed()).left == left


@pytest.mark.parametrize(("taken", "left"), [(0, 4.0), (3, 1.0), (4, 0.0), (9, 0.0)])
def test_what_is_asked_before_any_change_ends_with_half_of_the_pass(
    clock: ManualClock, taken: float, left: float
) -> None:
    """The other half is the changes'."""
    time = begin(clock, 8)
    clock.advance(taken)
    assert time.list_budget().left == pytest.approx(left, abs=1e-3)


@pytest.mark.parametrize(("age", "left"), [(0, 60.0), (45, 15.0), (58, 2.0), (59, 2.0), (70, 2.0)])
def test_a_look_ends_with_the_lease_of_its_claim(clock: ManualClock, age: float, left: float) -> None:
    """The rest of the pass may be longer."""
    time = begin(clock, 600)
    assert time.look_budget(clock.elapsed() - age).left == left


def test_a_budget_is_never_nothing(clock: ManualClock) -> None:
    """With a policy that gives a late look no time, it is as short as can be; and it runs."""
    time = begin(clock, 8, least=0)
    clock.advance(8)
    listing, look = time.list_budget(), time.look_budget(clock.elapsed())
    assert 0 < listing.left < 0.001
    assert 0 < look.left < 0.001
    clock.advance(1)
    assert listing.left == look.left == 0
