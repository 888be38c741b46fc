"""A due rule that fails late, leaves an ended ticket unseen, or falls due without end is found."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.change import Suspicion
from itsm_workflow.lint import lint
from itsm_workflow.lint.due import due_findings
from itsm_workflow.lint.trials import Situation
from tests.support import meanings as zoo
from tests.support.examples import NOW, PENDING
from tests.support.meanings import Stage

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import DueRule, Facts, Update
    from itsm_workflow.policy import Policy

WEEK = dt.timedelta(days=7)


def fails_on_old_changes(
    change: ChangeRequest, now: dt.datetime, policy: Policy, *, looked: bool
) -> dt.datetime | None:
    """Expect that no change waits for more than three weeks."""
    if now > change.created_at + 3 * WEEK:
        raise ValueError("nothing waits so long")
    return now + policy.poll if looked else now


def is_always_due(_change: ChangeRequest, now: dt.datetime, _policy: Policy, *, looked: bool) -> dt.datetime | None:
    """Return the present, also after a look."""
    del looked
    return now


def stays_due_after_its_deadline(
    change: ChangeRequest, _now: dt.datetime, _policy: Policy, *, looked: bool
) -> dt.datetime | None:
    """Return the deadline, also once it is over."""
    del looked
    return change.created_at + WEEK


def falls_due_once(change: ChangeRequest, now: dt.datetime, _policy: Policy, *, looked: bool) -> dt.datetime | None:
    """Return the deadline until a look has followed it."""
    deadline = change.created_at + WEEK
    return None if looked and now >= deadline else deadline


def is_seldom(_change: ChangeRequest, now: dt.datetime, _policy: Policy, *, looked: bool) -> dt.datetime | None:
    """Look once a week."""
    return now + WEEK if looked else now


def is_six_hours_later(
    _change: ChangeRequest, now: dt.datetime, _policy: Policy, *, looked: bool
) -> dt.datetime | None:
    """Add to the hour, which the evening does not have."""
    return None if looked else now.replace(hour=now.hour + 6)


def is_the_next_minute(
    _change: ChangeRequest, now: dt.datetime, _policy: Policy, *, looked: bool
) -> dt.datetime | None:
    """Add to the minute, which the last one of an hour does not have."""
    return None if looked else now.replace(minute=now.minute + 1)


def is_the_next_day(_change: ChangeRequest, now: dt.datetime, _policy: Policy, *, looked: bool) -> dt.datetime | None:
    """Add to the day, which the last one of a month does not have."""
    return None if looked else now.replace(day=now.day + 1)


def expects_a_leap_year(
    _change: ChangeRequest, now: dt.datetime, _policy: Policy, *, looked: bool
) -> dt.datetime | None:
    """Return 29 February, which most years do not have."""
    if (now.month, now.day) != (2, 28) or looked:
        return None
    return now.replace(day=29)


def is_a_month_after_its_beginning(
    change: ChangeRequest, now: dt.datetime, _policy: Policy, *, looked: bool
) -> dt.datetime | None:
    """Add to the month in which the change began, which December does not have."""
    began = change.created_at
    due = began.replace(day=1, month=began.month + 1) + 4 * WEEK
    return None if looked or now >= due else due


def forgets_what_it_suspects(
    change: ChangeRequest, now: dt.datetime, policy: Policy, *, looked: bool
) -> dt.datetime | None:
    """Poll, unless an ending is suspected."""
    del looked
    return None if change.suspicion else now + policy.poll


def found(state: Stage, rule: DueRule, *, age: dt.timedelta = dt.timedelta()) -> list[str]:
    """Return the messages about a rule, tried on a new change, and on one with a suspected ending."""
    definition = zoo.order(due_rules={state: rule})
    new = attrs.evolve(PENDING, state=state.value, created_at=NOW, updated_at=NOW)
    suspected = attrs.evolve(new, suspicion=Suspicion(status="revoked", since=NOW))
    tried = [Situation(change=change, seq=1, now=NOW + age) for change in (new, suspected)]
    situations = {one.value: tried if one is state else [] for one in Stage}
    findings = list(due_findings(definition, situations))
    assert {(state.value, "due")} >= {(one.state, one.check) for one in findings}
    return [one.message for one in findings]


@pytest.mark.parametrize(
    ("state", "rule", "problem"),
    [
        (Stage.GRANTED, fails_on_old_changes, "raises ValueError: nothing waits so long"),
        (Stage.GRANTED, is_six_hours_later, "raises ValueError: hour must be in 0..23"),
        (Stage.GRANTED, is_the_next_minute, "raises ValueError: minute must be in 0..59"),
        (Stage.GRANTED, is_the_next_day, "raises ValueError: day "),
        (Stage.GRANTED, expects_a_leap_year, "raises ValueError: day "),
        (Stage.GRANTED, is_a_month_after_its_beginning, "raises ValueError: month must be in 1..12"),
        (Stage.GRANTED, is_always_due, "so the change falls due without end"),
        (Stage.GRANTED, stays_due_after_its_deadline, "so the change falls due without end"),
        (Stage.WAITING, is_seldom, "returns a time 7 days, 0:00:00 after a look"),
        (Stage.WAITING, is_always_due, "so the gateway would be asked without end"),
        (Stage.WAITING, forgets_what_it_suspects, "returns None for a change whose ticket is open"),
        (Stage.UNDELIVERED, is_seldom, "returns a time 7 days, 0:00:00 after a look"),
    ],
)
def test_a_rule_that_leaves_the_policy_is_found(state: Stage, rule: DueRule, problem: str) -> None:
    """An ended ticket is seen within the policy, and no change is looked at more often than that."""
    (message,) = found(state, rule)
    assert problem in message


@pytest.mark.parametrize(
    ("rule", "when"),
    [
        (is_six_hours_later, "at 18:00 on "),
        (is_the_next_minute, "at 23:59 on "),
        (is_the_next_day, "at 12:00 on 31 January 2027"),
    ],
)
def test_the_time_at_which_a_rule_fails_is_named(rule: DueRule, when: str) -> None:
    """It works at most others."""
    (message,) = found(Stage.GRANTED, rule)
    assert when in message


def test_a_rule_that_computes_with_the_beginning_of_a_change_is_tried_at_the_ends_of_months() -> None:
    """The change began at one, however old it is."""
    (message,) = found(Stage.GRANTED, is_a_month_after_its_beginning, age=dt.timedelta(days=100))
    assert message.endswith("month must be in 1..12 for a change that began on 31 December 2027")


@attrs.frozen(kw_only=True)
class Remarks:
    """Several remarks of a person."""

    remarks: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Remark:
    """One of them."""

    remark: str


def with_all(facts: Facts) -> ChangeRequest:
    """Keep all remarks of a trigger."""
    return attrs.evolve(facts.change, data={"remarks": list(facts.expect(Remarks).remarks)})


def with_one_more(facts: Facts) -> ChangeRequest:
    """Keep the newest remarks."""
    kept: Any = facts.change.data.get("remarks", ())
    return attrs.evolve(facts.change, data={"remarks": [*kept, facts.expect(Remark).remark][-20:]})


def fails_on_seven_remarks(
    change: ChangeRequest, _now: dt.datetime, _policy: Policy, *, looked: bool
) -> dt.datetime | None:
    """Expect fewer remarks."""
    del looked
    kept: Any = change.data.get("remarks", ())
    if len(kept) >= 7:
        raise ValueError("too many remarks")
    return None


@pytest.mark.parametrize(
    ("evidence", "update", "what"),
    [(Remarks, with_all, ""), (Remark, with_one_more, ", with 7 values in remarks of its data")],
)
def test_the_constants_of_a_rule_are_sizes_of_lists(evidence: type, update: Update, what: str) -> None:
    """Of those in the evidence, and of those that grow with each firing."""
    row = zoo.row(zoo.Verb.NOTE, Stage.GRANTED, None, evidence=evidence, update=update)
    (finding,) = lint(zoo.order(row, due_rules={Stage.GRANTED: fails_on_seven_remarks})).findings
    assert finding.message == f"the due rule of granted raises ValueError: too many remarks{what}"


@pytest.mark.parametrize("rule", [falls_due_once, is_seldom])
def test_a_rule_of_a_state_of_the_host_may_wait_long(rule: DueRule) -> None:
    """Its state has no open ticket."""
    assert not found(Stage.GRANTED, rule)


def test_the_rules_of_the_library_are_right() -> None:
    """Also for changes that are more than a year old."""
    definition = zoo.order()
    for state, rule in definition.due.items():
        assert not found(Stage(state), rule)
