"""Data that grows by a key for each value of a report is found, whatever the type of the value."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import Facts, Form
from itsm_workflow.lint import lint
from itsm_workflow.lint.repeats import MANY, TIMES, repeat_findings
from itsm_workflow.lint.work import Work
from itsm_workflow.machine.engine import open_change
from itsm_workflow.policy import Policy
from tests.support import meanings as zoo
from tests.support.meanings import Stage, Verb

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from itsm_workflow import ChangeRequest

NOW = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
LAST = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)


@attrs.frozen(kw_only=True)
class Report:
    """A report with a value of any type."""

    value: Any


@attrs.frozen(kw_only=True)
class Part:
    """A value with a field."""

    name: str


@attrs.frozen(kw_only=True)
class Limited:
    """A report whose validator refuses other numbers."""

    value: int = attrs.field(validator=attrs.validators.in_({1, 2}))


def keyed(facts: Facts) -> ChangeRequest:
    """Add a key for the value."""
    return with_key(facts, str(facts.evidence.value))  # type: ignore[attr-defined]  # both types have one


def with_key(facts: Facts, key: str) -> ChangeRequest:
    """Add a key."""
    return attrs.evolve(facts.change, data={**facts.change.data, key: True})


def messages(
    evidence: object,
    *,
    update: Callable[[Facts], ChangeRequest] = keyed,
    guard: Callable[[Facts], str | None] = lambda _facts: None,
    data: Mapping[str, Any] | None = None,
    known: bool = False,
) -> list[str]:
    """Return the findings about a row that stays in granted."""
    row = zoo.row(Verb.NOTE, Stage.GRANTED, None, evidence=type(evidence), update=update, guard=guard)
    definition = zoo.order(row)
    drafted, _ = open_change(
        definition,
        change_id="01HY2V8Q0000000000000000AB",
        subject="subject-1",
        form=Form(title="a title", applicant="alice", approvers=("bob",)),
        now=NOW,
        actor="alice",
    )
    facts = Facts(
        change=attrs.evolve(drafted, state="granted", data=data or {}),
        evidence=evidence,
        now=NOW,
        policy=Policy(),
        approval=definition.approval,
        seq=2,
        actor="alice",
    )
    found = list(repeat_findings(Work(definition), row, facts, thorough=False, known=known))
    assert {one.check for one in found} <= {"growth"}
    return [one.message for one in found]


@pytest.mark.parametrize(
    "value",
    [
        "a",
        4,
        1.5,
        NOW,
        ("a",),
        ["a"],
        {"a": True},
        MappingProxyType({"a": True}),
        Part(name="a"),
        (Part(name="a"),),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_key_for_each_value_is_found(value: object) -> None:
    """With what to do instead."""
    [message] = messages(Report(value=value))
    assert message.startswith("the data grows each time note is fired in granted, up to the largest size")
    assert message.endswith(f"characters after {TIMES} times; keep only the newest values and keys, or a count")


@pytest.mark.parametrize("value", [True, None, Stage.LIVE, LAST], ids=lambda value: type(value).__name__)
def test_a_value_that_has_few_others_is_left(value: object) -> None:
    """Neither does a time beyond the last year end the check."""
    assert messages(Report(value=value)) == []


def test_a_value_that_the_class_limits_is_left() -> None:
    """Its keys are few, and the time of the firing is another one all the same."""
    assert messages(Limited(value=1)) == []
    assert len(messages(Limited(value=1), update=lambda facts: with_key(facts, str(facts.now)))) == 1


def test_a_guard_that_limits_one_value_does_not_hide_a_key_for_another() -> None:
    """The number must be the same, and the day may be another one; or the day, and the number may be."""
    report = Report(value=4)

    def is_four(facts: Facts) -> str | None:
        return None if facts.expect(Report).value == 4 else "another one"

    def is_today(facts: Facts) -> str | None:
        return None if facts.now == NOW else "another day"

    assert len(messages(report, guard=is_four, update=lambda facts: with_key(facts, str(facts.now.date())))) == 1
    assert len(messages(report, guard=is_today)) == 1
    assert messages(report, guard=is_four) == []


def test_a_branch_for_one_number_is_still_found() -> None:
    """The number stays while the texts differ."""

    def logged_at_four(facts: Facts) -> ChangeRequest:
        return with_key(facts, str(len(facts.change.data)) if facts.expect(Report).value == 4 else "other")

    assert len(messages(Report(value=4), update=logged_at_four)) == 1
    assert messages(Report(value=5), update=logged_at_four) == []


def test_data_that_a_large_number_makes_large_is_not_growing() -> None:
    """It is as large after one firing; what was there before does not count as added."""

    def places(facts: Facts) -> ChangeRequest:
        return attrs.evolve(facts.change, data={"places": list(range(facts.expect(Report).value))})

    assert messages(Report(value=4), update=places) == []
    assert len(messages(Report(value=4), data={"old": "x" * 90_000})) == 1


class Fired:
    """An update that counts its calls."""

    def __init__(self, update: Callable[[Facts], ChangeRequest]) -> None:
        self._update = update
        self.times = 0

    def __call__(self, facts: Facts) -> ChangeRequest:
        """Call it."""
        self.times += 1
        return self._update(facts)


def test_data_that_is_known_to_grow_is_not_repeated_to_the_end() -> None:
    """The effects that it plans are still found."""
    update = Fired(keyed)
    assert len(messages(Report(value="a"), update=update)) == 1
    assert update.times >= TIMES
    update = Fired(keyed)
    assert messages(Report(value="a"), update=update, known=True) == []
    assert update.times < TIMES // 10


def test_data_that_ends_after_a_while_is_not_repeated_to_the_end() -> None:
    """A list of the newest values, and one that is as long as a number says."""

    def newest(facts: Facts) -> ChangeRequest:
        held = facts.change.data.get("newest", [])
        assert isinstance(held, list)
        return attrs.evolve(facts.change, data={"newest": [*held, str(facts.expect(Report).value)][-20:]})

    def places(facts: Facts) -> ChangeRequest:
        return attrs.evolve(facts.change, data={"places": list(range(facts.expect(Report).value))})

    for value, update in (("a", Fired(newest)), (4, Fired(places))):
        assert messages(Report(value=value), update=update) == []
        assert update.times < TIMES // 2


@pytest.mark.long
def test_a_definition_whose_data_grows_is_checked_with_few_calls() -> None:
    """Each further sample would repeat the row to the end again."""
    note, count = Fired(zoo.logged), Fired(zoo.keyed_by_number)
    definition = zoo.order(
        zoo.row(Verb.NOTE, Stage.GRANTED, None, update=note),
        zoo.row(Verb.COUNT, Stage.GRANTED, None, update=count, evidence=zoo.Build),
    )
    assert [(one.check, one.trigger) for one in lint(definition).findings] == [("growth", "note"), ("growth", "count")]
    assert note.times + count.times < 40 * TIMES + 2 * MANY


def test_a_key_for_each_person_grows() -> None:
    """The actor may be the number of a job."""
    assert any("the data grows" in one for one in messages(Part(name="x"), update=zoo.keyed_by_person))


def test_a_guard_that_asks_for_one_person_bounds_the_keys() -> None:
    """Other persons are refused, and the same one adds nothing more."""
    only = messages(
        Part(name="x"), update=zoo.keyed_by_person, guard=lambda facts: None if facts.actor == "alice" else "not alice"
    )
    assert only == []


def test_a_log_of_the_newest_thousand_has_an_end() -> None:
    """Which a few hundred repetitions do not reach."""

    def logged(facts: Facts) -> ChangeRequest:
        log: Any = facts.change.data.get("log", [])
        return attrs.evolve(facts.change, data={"log": [*log, facts.expect(Part).name][-1000:]})

    assert messages(Part(name="x"), update=logged) == []


def test_a_guard_that_refuses_the_thousandth_report_bounds_the_data() -> None:
    """It counts what is stored."""

    def has_room(facts: Facts) -> str | None:
        return None if len(facts.change.data) < 1000 else "it has enough"

    def named(facts: Facts) -> ChangeRequest:
        return with_key(facts, facts.expect(Part).name)

    assert messages(Part(name="x"), update=named, guard=has_room) == []


@pytest.mark.parametrize("days", [1, 7, 14, 31, 92, 366])
@pytest.mark.parametrize("bound", [None, 1000])
def test_a_timer_does_not_hide_data_that_grows(days: int, bound: int | None) -> None:
    """A reminder is sent each time its date has come, and a log of the newest ones has an end."""

    def is_time(facts: Facts) -> str | None:
        sent: Any = facts.change.data.get("sent", 0)
        return None if facts.now >= NOW + sent * dt.timedelta(days=days) else "it is early"

    def sent(facts: Facts) -> ChangeRequest:
        data: Any = facts.change.data
        log = [*data.get("log", []), facts.now.isoformat()]
        return attrs.evolve(facts.change, data={"sent": data.get("sent", 0) + 1, "log": log[-bound:] if bound else log})

    assert len(messages(Part(name="x"), guard=is_time, update=sent)) == (bound is None)


def test_a_time_in_the_evidence_is_as_late_as_the_firing() -> None:
    """The guard compares it with the last one."""

    def is_next(facts: Facts) -> str | None:
        last: Any = facts.change.data.get("last", "2026-02-01T00:00:00+00:00")
        value = facts.expect(Report).value
        return None if value >= dt.datetime.fromisoformat(last) + dt.timedelta(days=7) else "it is early"

    def noted(facts: Facts) -> ChangeRequest:
        key = facts.expect(Report).value.isoformat()
        return attrs.evolve(facts.change, data={**facts.change.data, "last": key, key: True})

    assert len(messages(Report(value=NOW), guard=is_next, update=noted)) == 1
