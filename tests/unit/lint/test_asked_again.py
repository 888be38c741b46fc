"""A guard that remembers, or that fails on a few days of the year, is found when it is asked again."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.lint import lint
from itsm_workflow.lint.asked_again import DAYS, AskedAgain, moved_to
from itsm_workflow.lint.trials import POLICY
from itsm_workflow.machine.definition import FactMissingError, Facts
from tests.support import impure
from tests.support import meanings as zoo
from tests.support.examples import NOW, PENDING
from tests.support.meanings import Stage, Verb

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow import ChangeRequest, WorkflowDefinition
    from itsm_workflow.lint import LintFinding


def facts_of(number: int) -> Facts:
    """Return the facts of a report of a build."""
    evidence = zoo.Build(number=number, finished_at=NOW - dt.timedelta(hours=1))
    change = attrs.evolve(PENDING, state=Stage.GRANTED.value, created_at=NOW, updated_at=NOW)
    approval = zoo.order().approval
    return Facts(change=change, evidence=evidence, now=NOW, policy=POLICY, approval=approval, seq=2, actor="alice")


def findings(
    guard: Callable[[Facts], str | None],
    update: Callable[[Facts], ChangeRequest] = lambda facts: facts.change,
    *,
    numbers: tuple[int, ...] = (1, 2, 3),
) -> list[LintFinding]:
    """Return what is found of a guard and an update, tried with builds of these numbers."""
    asked = AskedAgain()
    row = zoo.row(Verb.CHECK, Stage.GRANTED, None, guard=guard, update=update, evidence=zoo.Build)
    for number in numbers:
        asked.keep(row, facts_of(number), passes=guard(facts_of(number)) is None)
    return list(asked.findings(lambda one, facts: one.guard(facts)))


def once() -> Callable[[Facts], str | None]:
    """Return a guard that passes each number once."""
    seen = set[int]()

    def is_new(facts: Facts) -> str | None:
        number = facts.expect(zoo.Build).number
        if number in seen:
            return "it was seen"
        seen.add(number)
        return None

    return is_new


def test_a_guard_that_passes_once_is_found() -> None:
    """The message shows a sample, what it was answered first, and what later."""
    (found,) = findings(once())
    assert (found.check, found.state, found.trigger) == ("remembered", "granted", "check")
    assert found.message.startswith("guard is_new passes Build(number=3), and refuses the same facts after others; it")


@pytest.mark.parametrize("day", DAYS)
def test_facts_are_moved_to_a_day(day: dt.datetime) -> None:
    """With the times of the evidence and of the change, whose distances stay."""
    moved = moved_to(facts_of(1), day)
    assert (moved.now, moved.change.created_at) == (day, day)
    assert moved.expect(zoo.Build).finished_at == day - dt.timedelta(hours=1)


def test_the_last_days_of_months_are_among_the_days() -> None:
    """The 31st, the 30th of a month that has no other end, 29 February and 31 December."""
    assert {(day.month, day.day) for day in DAYS} == {(1, 31), (2, 29), (4, 30), (12, 31)}


def in_a_month(facts: Facts) -> str | None:
    """Compare with the time of the report, a month later."""
    finished = facts.expect(zoo.Build).finished_at
    return None if finished.replace(month=finished.month % 12 + 1) != finished else "too old"


def has_a_fact_that_is_missing(_facts: Facts) -> str | None:
    """Refuse, as a guard does that expects a fact."""
    raise FactMissingError("no ticket")


def test_a_guard_that_reads_a_time_of_its_evidence_is_found() -> None:
    """Its day of the year is another one, too."""
    raised = "guard in_a_month raises ValueError: day is out of range for month on 31 January 2027 for Build(number=1)"
    assert raised in [one.message for one in findings(in_a_month)]


def test_a_missing_fact_is_a_refusal() -> None:
    """The engine turns it into one."""
    assert not list(_at_the_ends_of_months(has_a_fact_that_is_missing))


def _at_the_ends_of_months(guard: Callable[[Facts], str | None]) -> list[LintFinding]:
    asked = AskedAgain()
    asked.keep(zoo.row(Verb.CHECK, Stage.GRANTED, None, guard=guard), facts_of(1), passes=False)
    return list(asked.findings(lambda _row, _facts: "refused"))


def test_a_guard_of_its_facts_alone_is_right() -> None:
    """Also one that refuses some."""
    assert not findings(lambda facts: None if facts.expect(zoo.Build).number % 2 else "even")


@pytest.mark.long
@pytest.mark.parametrize(
    "build",
    [impure.that_knows_the_calendar, impure.that_waits_for_the_night, impure.that_only_the_pipeline_moves],
)
def test_a_right_workflow_is_not_reported(build: Callable[[], WorkflowDefinition]) -> None:
    """One takes the length of each month from the calendar, one passes at an hour, and one for a named actor."""
    assert lint(build()).findings == ()
