"""A guard, an update or a due rule that reads a clock or a random source is a doubt; one that uses its facts is not."""

from __future__ import annotations

import datetime as dt
import random
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.lint import lint
from itsm_workflow.lint.clocks import clock_findings
from tests.support import meanings as zoo
from tests.support.meanings import Stage, Verb

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow import ChangeRequest, Facts
    from itsm_workflow.policy import Policy


def present() -> dt.datetime:
    """Return the time of the machine."""
    return dt.datetime.now(tz=dt.UTC)


def is_over(facts: Facts) -> str | None:
    """Compare with the machine's clock."""
    return None if datetime.now(UTC) > facts.change.created_at else "it is early"


def is_over_by_module(facts: Facts) -> str | None:
    """Compare with the machine's clock."""
    return None if dt.datetime.now(tz=dt.UTC) > facts.now else "it is early"


def is_over_by_another(facts: Facts) -> str | None:
    """Compare with what a function of the host returns."""
    return None if present() > facts.now else "it is early"


def is_any_over(facts: Facts) -> str | None:
    """Compare with the machine's clock in a comprehension."""
    return None if any(time.time() > one for one in (facts.now.timestamp(), 0)) else "it is early"


def is_lucky(_facts: Facts) -> str | None:
    """Draw."""
    return None if random.random() > 0.5 else "no luck"


def by_a_variable() -> Callable[[Facts], str | None]:
    """Return a guard that reads a clock which is in a variable around it."""
    clock = time.monotonic
    return lambda _facts: None if clock() > 5 else "it is early"


def with_id(facts: Facts) -> ChangeRequest:
    """Keep an id that nobody gave."""
    return attrs.evolve(facts.change, data={"id": str(uuid.uuid4())})


def is_later(facts: Facts) -> str | None:
    """Compare with the time of the firing, in the words of one that reads a clock."""
    now = dt.datetime.fromtimestamp(facts.now.timestamp(), tz=dt.UTC)
    return None if now - facts.change.created_at > dt.timedelta(days=1) else "it is early"


def tomorrow(_change: ChangeRequest, _now: dt.datetime, _policy: Policy, *, looked: bool) -> dt.datetime | None:
    """Return a time by the machine's clock."""
    return None if looked else dt.datetime.now(tz=dt.UTC) + dt.timedelta(days=1)


@pytest.mark.parametrize(
    ("values", "read"),
    [
        ({"guard": is_over}, "guard is_over calls datetime.now,"),
        ({"guard": is_over_by_module}, "calls dt.datetime.now,"),
        ({"guard": is_over_by_another}, "calls dt.datetime.now,"),
        ({"guard": is_any_over}, "calls time.time,"),
        ({"guard": is_lucky}, "calls random.random,"),
        ({"guard": by_a_variable()}, "calls clock,"),
        ({"update": with_id}, "update with_id calls uuid.uuid4,"),
    ],
)
def test_what_the_code_calls_is_named(values: dict[str, Any], read: str) -> None:
    """In the function, in a part of it, or in another function of the host."""
    (finding,) = clock_findings(zoo.order(zoo.row(Verb.NOTE, Stage.GRANTED, None, **values)))
    assert (finding.check, finding.state, finding.trigger) == ("clock", "granted", "note")
    assert read in finding.message


def test_functions_without_a_module_are_examined() -> None:
    """As those of a notebook or of a page whose examples are run."""
    made: dict[str, Any] = {"dt": dt}
    code = "def other(): return dt.datetime.now()\ndef guard(facts): return other() and None"
    exec(code, made)  # noqa: S102 - the case
    made["guard"].__module__ = made["other"].__module__ = None
    (finding,) = clock_findings(zoo.order(zoo.row(Verb.NOTE, Stage.GRANTED, None, guard=made["guard"])))
    assert "guard guard calls dt.datetime.now, " in finding.message


def test_a_due_rule_is_examined() -> None:
    """It gets the time as an argument."""
    (finding,) = clock_findings(zoo.order(due_rules={Stage.GRANTED: tomorrow}))
    assert finding.message.startswith("the due rule of granted calls dt.datetime.now, ")


def test_the_time_of_the_facts_is_no_clock() -> None:
    """Also if the function has a variable with such a name; and the library's own rows are right."""
    assert list(clock_findings(zoo.order(zoo.row(Verb.NOTE, Stage.GRANTED, None, guard=is_later)))) == []


def test_a_report_has_the_doubt() -> None:
    """A timer that goes by the machine's clock."""
    report = lint(zoo.order(zoo.row(Verb.NOTE, Stage.GRANTED, None, guard=is_over)))
    assert [one.check for one in report.findings] == ["clock"]
