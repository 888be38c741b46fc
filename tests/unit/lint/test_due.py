"""A due rule that fails late, leaves an ended ticket unseen, or falls due without end is found."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.change import Suspicion
from itsm_workflow.lint.due import due_findings
from itsm_workflow.lint.trials import Situation
from tests.support import meanings as zoo
from tests.support.examples import NOW, PENDING
from tests.support.meanings import Stage

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import DueRule
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


def forgets_what_it_suspects(
    change: ChangeRequest, now: dt.datetime, policy: Policy, *, looked: bool
) -> dt.datetime | None:
    """Poll, unless an ending is suspected."""
    del looked
    return None if change.suspicion else now + policy.poll


def found(state: Stage, rule: DueRule) -> list[str]:
    """Return the messages about a rule, tried on a new change, and on one with a suspected ending."""
    definition = zoo.order(due_rules={state: rule})
    new = attrs.evolve(PENDING, state=state.value, created_at=NOW, updated_at=NOW)
    suspected = attrs.evolve(new, suspicion=Suspicion(status="revoked", since=NOW))
    tried = [Situation(change=change, seq=1, now=NOW) for change in (new, suspected)]
    situations = {one.value: tried if one is state else [] for one in Stage}
    findings = list(due_findings(definition, situations))
    assert {(state.value, "due")} >= {(one.state, one.check) for one in findings}
    return [one.message for one in findings]


@pytest.mark.parametrize(
    ("state", "rule", "problem"),
    [
        (Stage.GRANTED, fails_on_old_changes, "raises ValueError: nothing waits so long"),
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


@pytest.mark.parametrize("rule", [falls_due_once, is_seldom])
def test_a_rule_of_a_state_of_the_host_may_wait_long(rule: DueRule) -> None:
    """Its state has no open ticket."""
    assert not found(Stage.GRANTED, rule)


def test_the_rules_of_the_library_are_right() -> None:
    """Also for changes that are more than a year old."""
    definition = zoo.order()
    for state, rule in definition.due.items():
        assert not found(Stage(state), rule)
