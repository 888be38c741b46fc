"""Numbers as they are typed: each has two bounds, and a refusal names the option and both."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click
import pytest

from itsm_workflow.cli.app import group
from itsm_workflow.cli.values import Seconds, Whole
from itsm_workflow.testing.exploration import Bounds
from itsm_workflow.testing.exploration.world import MOST
from tests.integration.cli.test_page import commands

if TYPE_CHECKING:
    from tests.integration.cli.office import Office

HUGE = "99999999999999999999"
ACTING = ("--actor", "ops", "--reason", "why")


def test_every_number_has_two_bounds() -> None:
    """One without an end reaches a loop, a thread or a timedelta, and ends there in a traceback or never."""
    kinds = (click.types.IntParamType, click.types.FloatParamType)
    numbers = {
        f"{name} {option.opts[-1]}": option.type
        for name, command in commands(group).items()
        for option in command.params
        if isinstance(option.type, kinds)
    }
    assert {name for name, kind in numbers.items() if not isinstance(kind, Whole | Seconds)} == set()
    for name, kind in numbers.items():
        assert isinstance(kind, click.IntRange | click.FloatRange), name
        assert math.isfinite(kind.min or 0), name
        assert kind.max is not None, name
        assert math.isfinite(kind.max), name
    assert len(numbers) == 22


@pytest.mark.parametrize(
    ("typed", "option", "bounds"),
    [
        (("list", "--limit", HUGE), "--limit", "1<=x<=1000000"),
        (("list", "--limit", "9223372036854775807"), "--limit", "1<=x<=1000000"),
        (("list", "--older-than", "999999w"), "--older-than", "0s<=x<=36500d"),
        (("reconcile", "--limit", HUGE), "--limit", "1<=x<=1000000"),
        (("reconcile", "--seconds", "nan"), "--seconds", "0.001<=x<=2592000"),
        (("reconcile", "--seconds", "inf"), "--seconds", "0.001<=x<=2592000"),
        (("reconcile", "--seconds", "1e400"), "--seconds", "0.001<=x<=2592000"),
        (("reconcile", "--watch", "nan"), "--watch", "0.01<=x<=2592000"),
        (("reconcile", "--watch", "inf"), "--watch", "0.01<=x<=2592000"),
        (("reconcile", "--watch", "1e300"), "--watch", "0.01<=x<=2592000"),
        (("reconcile", "--watch", "1e-9"), "--watch", "0.01<=x<=2592000"),
        (("resend-all", *ACTING, "--limit", HUGE), "--limit", "1<=x<=1000000"),
        (("wait", "C1", "--timeout", "inf"), "--timeout", "0<=x<=2592000"),
        (("wait", "C1", "--timeout", "-1"), "--timeout", "0<=x<=2592000"),
        (("wait", "C1", "--poll", "0"), "--poll", "0.01<=x<=3600.0"),
        (("wait", "C1", "--poll", "nan"), "--poll", "0.01<=x<=3600.0"),
        (("verify", "--ticks", HUGE), "--ticks", "0<=x<=10"),
        (("verify", "--ticks", "2147483648"), "--ticks", "0<=x<=10"),
        (("verify", "--faults", HUGE), "--faults", "0<=x<=10"),
        (("verify", "--acts", "2147483648"), "--acts", "0<=x<=10"),
        (("verify", "--depth", HUGE), "--depth", "0<=x<=1000000"),
        (("storage", "check", "memory://", "--runs", HUGE), "--runs", "1<=x<=1000000"),
        (("sandbox", "--port", "65536"), "--port", "0<=x<=65535"),
        (("demo", "--seed", HUGE), "--seed", "-9223372036854775807<=x<=9223372036854775807"),
    ],
)
def test_a_number_out_of_range_is_named_with_its_bounds(
    office: Office, typed: tuple[str, ...], option: str, bounds: str
) -> None:
    """Exit 2 before anything is done: no traceback, and no loop without an end."""
    office.apply("collector-42")
    done = office.run(*typed)
    assert (done.code, done.out) == (2, "")
    assert f"Invalid value for '{option}'" in done.err
    assert f"is not in the range {bounds}." in done.err


@pytest.mark.parametrize(
    ("option", "typed", "said"),
    [
        ("--limit", "many", "'many' is not a valid whole number."),
        ("--seconds", "x", "'x' is not a valid number of seconds."),
    ],
)
def test_a_text_that_is_not_a_number_is_named(office: Office, option: str, typed: str, said: str) -> None:
    """With what the option takes, in the words of the help."""
    done = office.run("reconcile", option, typed)
    assert (done.code, done.out) == (2, "")
    assert f"Invalid value for '{option}': {said}" in done.err


def test_a_walk_may_be_as_wide_as_the_command_says() -> None:
    """The library and the command have one bound."""
    options = {option.name: option.type for option in group.commands["verify"].params}
    for name in ("ticks", "faults", "acts"):
        kind = options[name]
        assert isinstance(kind, Whole)
        assert kind.max == MOST
    assert Bounds(ticks=MOST, faults=MOST, acts=MOST).ticks == MOST


@pytest.mark.parametrize("more", [("--sn", "\udcff"), ("--sn", "REQ1", "--ticket-id", "\udcff")])
def test_a_ticket_that_is_not_text_is_refused(office: Office, more: tuple[str, ...]) -> None:
    """Bytes that are not UTF-8 arrive as lone surrogates, which cannot be sent to a gateway."""
    office.apply("collector-42")
    done = office.run("record-ticket", "collector-42", "--actor", "ops", *more)
    assert (done.code, done.out) == (2, "")
    assert "must not contain NUL characters or lone surrogates, which cannot be stored: remove U+DCFF" in done.err
