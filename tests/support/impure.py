"""Definitions whose guards remember what they were asked, or whose functions fail on a few days of the year."""

from __future__ import annotations

import calendar
import datetime as dt
from typing import TYPE_CHECKING

import attrs

from tests.support.workflows import DUE, Deployed, Stage, deploy, deployment

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Facts, Policy, WorkflowDefinition


def with_a_guard_that_keeps_the_largest() -> WorkflowDefinition:
    """A guard keeps the largest size that it was asked about, and refuses smaller ones."""
    largest = 0

    def is_no_step_back(facts: Facts) -> str | None:
        nonlocal largest
        size = facts.expect(Deployed).size
        largest = max(largest, size)
        return None if size >= largest else f"{largest} were deployed before"

    return deployment(deploy(guard=is_no_step_back))


def with_a_guard_that_remembers() -> WorkflowDefinition:
    """A guard remembers what it has refused, and passes it the next time."""
    refused: set[int] = set()

    def was_refused(facts: Facts) -> str | None:
        size = facts.expect(Deployed).size
        if size in refused or size <= 1:
            return None
        refused.add(size)
        return "ask again"

    return deployment(deploy(guard=was_refused))


def with_a_guard_that_fails_on_the_31st() -> WorkflowDefinition:
    """A guard adds a month to the day, which many a month does not have."""

    def is_not_planned_for_later(facts: Facts) -> str | None:
        month = facts.now.month % 12 + 1
        return "wait" if facts.now.replace(month=month) < facts.change.created_at.replace(year=2000) else None

    return deployment(deploy(guard=is_not_planned_for_later))


def with_a_guard_that_reads_the_clock() -> WorkflowDefinition:
    """A guard compares with the clock of the machine, not with the time of the firing."""

    def is_later(facts: Facts) -> str | None:
        return None if dt.datetime.now(tz=dt.UTC) >= facts.change.created_at else "it is early"

    return deployment(deploy(guard=is_later))


def with_an_update_that_fails_on_29_february() -> WorkflowDefinition:
    """An update adds a year to the day, which is 29 February once in four years."""

    def for_a_year(facts: Facts) -> ChangeRequest:
        until = facts.now.replace(year=facts.now.year + 1)
        return attrs.evolve(facts.change, data={"until": until.isoformat()})

    return deployment(deploy(update=for_a_year))


def with_a_due_rule_that_fails_on_31_december() -> WorkflowDefinition:
    """A due rule returns the first day of the next month, also in December."""

    def monthly(_change: ChangeRequest, now: dt.datetime, _policy: Policy, *, looked: bool) -> dt.datetime | None:
        return None if looked else dt.datetime(now.year, now.month + 1, 1, tzinfo=dt.UTC)

    return deployment(due_rules={**DUE, Stage.GRANTED: monthly})


def that_knows_the_calendar() -> WorkflowDefinition:
    """Return a correct workflow whose guard, update and due rule take the length of each month from the calendar."""

    def next_month(day: dt.datetime) -> dt.datetime:
        year, month = day.year + day.month // 12, day.month % 12 + 1
        return day.replace(year=year, month=month, day=min(day.day, calendar.monthrange(year, month)[1]))

    def is_later(facts: Facts) -> str | None:
        return None if next_month(facts.now) > facts.change.created_at else "too early"

    def for_a_month(facts: Facts) -> ChangeRequest:
        return attrs.evolve(facts.change, data={"until": next_month(facts.now).isoformat()})

    def monthly(_change: ChangeRequest, now: dt.datetime, _policy: Policy, *, looked: bool) -> dt.datetime | None:
        return None if looked else next_month(now)

    return deployment(deploy(guard=is_later, update=for_a_month), due_rules={**DUE, Stage.GRANTED: monthly})


def that_waits_for_the_night() -> WorkflowDefinition:
    """Return a correct workflow that deploys between two and three at night."""
    return deployment(deploy(guard=lambda facts: None if facts.now.hour == 2 else "wait"))


def that_only_the_pipeline_moves() -> WorkflowDefinition:
    """Return a correct workflow that only an actor of one name moves on."""
    return deployment(deploy(guard=lambda facts: None if facts.actor == "pipeline" else "it is not the pipeline"))
