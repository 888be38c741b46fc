"""Timings: checked when they are given, and the waits between deliveries."""

from __future__ import annotations

import datetime as dt
import inspect
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.policy import LONGEST, Policy

TIMINGS = sorted(one.name for one in attrs.fields(Policy) if isinstance(one.default, dt.timedelta))
waits = st.timedeltas(dt.timedelta(), dt.timedelta(days=400))


def seconds(*values: float) -> tuple[dt.timedelta, ...]:
    """Return timedeltas."""
    return tuple(dt.timedelta(seconds=value) for value in values)


def test_every_timing_is_documented() -> None:
    """A host reads there what it changes."""
    told = inspect.getdoc(Policy) or ""

    assert [one.name for one in attrs.fields(Policy) if f"\n    {one.name}: " not in told] == []


TIMED = [dt.timedelta(microseconds=-1), LONGEST + dt.timedelta(microseconds=1), dt.timedelta.max, 5, None]


@pytest.mark.parametrize("name", TIMINGS)
@pytest.mark.parametrize("value", TIMED)
def test_a_timing_is_a_timedelta_within_bounds(name: str, value: object) -> None:
    """The error names the timing, what was given, and the rule."""
    values: dict[str, Any] = {name: value}
    rule = "must be a timedelta of at least 0 and at most 3650 days, not "
    with pytest.raises(ValueError, match=f"^Policy.{name} {rule}") as caught:
        Policy(**values)

    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("name", [name for name in TIMINGS if name != "apply_budget"])
def test_a_timing_may_be_0(name: str) -> None:
    """Then there is no wait."""
    values: dict[str, Any] = {name: dt.timedelta()}

    assert getattr(Policy(**values), name) == dt.timedelta()


@pytest.mark.parametrize(
    "lookups",
    [
        (),
        seconds(1, 0),
        seconds(-1, 0),
        (0, 1),
        (None,),
        list(seconds(0)),
        seconds(*range(65)),
        (dt.timedelta.max,),
        None,
    ],
    ids=["none", "backwards", "negative", "numbers", "nothing", "a list", "too many", "without end", "not at all"],
)
def test_a_lookup_schedule_goes_forward_from_0_or_later(lookups: object) -> None:
    """Absence counts only after the last look-up, so there is one."""
    values: dict[str, Any] = {"lookups": lookups}
    with pytest.raises(ValueError, match=r"^Policy.lookups must be a tuple of 1 to 64 timedeltas .*, not ") as caught:
        Policy(**values)

    assert repr(lookups) in str(caught.value)


@pytest.mark.parametrize("seconds", [0, 9.9])
def test_filing_has_time_for_its_create(seconds: float) -> None:
    """Otherwise nothing would ever be sent at once."""
    with pytest.raises(ValueError, match=r"^Policy.apply_budget must be above 0 and at least Policy.send_least, 10 s"):
        Policy(apply_budget=dt.timedelta(seconds=seconds))


def test_two_lookups_may_be_at_one_time() -> None:
    """Ascending, not strictly so."""
    assert Policy(lookups=seconds(0, 0, 5)).lookups == seconds(0, 0, 5)


def test_an_effect_is_delivered_at_least_once() -> None:
    """Parked before its first failure it would never run."""
    with pytest.raises(ValueError, match=r"^Policy.effect_attempts must be a whole number from 1 to 1000, not 0$"):
        Policy(effect_attempts=0)


def test_resends_are_counted_from_0() -> None:
    """By default none, and never fewer."""
    assert Policy().resends == 0
    with pytest.raises(ValueError, match=r"^Policy.resends must be a whole number from 0 to 1000, not -1$"):
        Policy(resends=-1)


@pytest.mark.parametrize("name", ["unsent_attempts", "resends", "effect_attempts"])
@pytest.mark.parametrize("value", [True, 1.0, "1", None, 1001])
def test_a_count_is_a_whole_number_within_bounds(name: str, value: object) -> None:
    """Also no truth and no fraction."""
    values: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=f"^Policy.{name} must be a whole number from "):
        Policy(**values)


FITTING = Policy(resends=1, send_lease=dt.timedelta(seconds=25), lookups=seconds(0, 105))
DEADLINE = dt.timedelta(seconds=20)


def test_the_defaults_fit_the_default_deadline() -> None:
    """With resends as well."""
    assert Policy(resends=3).misfits(DEADLINE) == []
    assert FITTING.misfits(DEADLINE) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"send_lease": dt.timedelta(seconds=24.9)},
            "Policy.send_lease is 24.9 s, but must be at least that call and Policy.send_margin, 5 s, together: 25 s",
        ),
        (
            {"send_margin": dt.timedelta(seconds=5.1)},
            "Policy.send_lease is 25 s, but must be at least that call and Policy.send_margin, 5.1 s, together: 25.1 s",
        ),
        ({"read_lease": DEADLINE}, "Policy.read_lease is 20 s, but must be longer than that call"),
        (
            {"lookups": seconds(0, 104.9)},
            (
                "the last of Policy.lookups is 104.9 s, but with Policy.resends, 1, must be at least "
                "Policy.send_lease, 25 s, that call and Policy.late_arrival, 60 s, together: 105 s"
            ),
        ),
    ],
)
def test_what_is_too_short_beside_a_call_is_named(values: dict[str, Any], said: str) -> None:
    """With all that takes part, and the time needed; without resends the look-ups may be as short as one likes."""
    assert attrs.evolve(FITTING, **values).misfits(DEADLINE) == [said]
    assert Policy(lookups=seconds(0)).misfits(DEADLINE) == []


def test_all_that_is_too_short_is_named_together() -> None:
    """So that it is mended once."""
    short = Policy(resends=1, lookups=seconds(0), send_lease=seconds(1)[0], read_lease=seconds(1)[0])

    assert len(short.misfits(DEADLINE)) == 3


def test_the_wait_doubles_with_each_failure_up_to_its_cap() -> None:
    """10 s, 20 s, 40 s … an hour."""
    policy = Policy()
    waited = [policy.effect_wait(failures).total_seconds() for failures in range(1, 12)]

    assert waited == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]


@given(backoff=waits, cap=waits, failures=st.integers(0, 10**6))
def test_the_wait_never_shrinks_and_never_exceeds_its_cap(
    backoff: dt.timedelta, cap: dt.timedelta, failures: int
) -> None:
    """Also after a million failures, where a doubled timedelta would long have overflown."""
    policy = Policy(effect_backoff=backoff, effect_backoff_cap=cap)

    assert min(backoff, cap) <= policy.effect_wait(failures) <= policy.effect_wait(failures + 1) <= cap
