"""An act that is refused until its time has come is tried again, and the message names one that was given up."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.testing.simulation import HostAct, SimulationFailed, simulate
from tests.support import workflows as zoo

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow import Facts
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import DueRule, WorkflowDefinition
    from itsm_workflow.policy import Policy

DEPLOYS = HostAct(
    name="timer",
    when=lambda change: change.state == zoo.Stage.GRANTED,
    do=lambda workflow, change: workflow.fire(change.id, "deploy", zoo.Deployed(size=1), actor="host"),
)


def is_never_due(_change: ChangeRequest, _now: dt.datetime, _policy: Policy, *, looked: bool) -> None:
    """Return no time, though the state must be left."""
    del looked


def again_after(pause: dt.timedelta) -> DueRule:
    """Return a rule that falls due again after each look."""

    def rule(_change: ChangeRequest, now: dt.datetime, _policy: Policy, *, looked: bool) -> dt.datetime:
        del looked
        return now + pause

    return rule


def fails(_change: ChangeRequest, _now: dt.datetime, _policy: Policy, *, looked: bool) -> dt.datetime | None:
    """Compute with an hour that no day has."""
    del looked
    raise ValueError("no hour 24")


def after(days: float) -> Callable[[Facts], str | None]:
    """Return a guard that is passed that many days after the beginning."""

    def is_time(facts: Facts) -> str | None:
        return None if facts.now >= facts.change.created_at + dt.timedelta(days=days) else "it is early"

    return is_time


def timed(guard: Callable[[Facts], str | None], rule: DueRule = is_never_due) -> WorkflowDefinition:
    """Return the workflow of a deployment with a timer."""
    return zoo.deployment(zoo.deploy(guard=guard), due_rules={**zoo.DUE, zoo.Stage.GRANTED: rule})


def failed(definition: WorkflowDefinition, *acts: HostAct) -> str:
    """Return the finding about the first change that a run leaves in granted."""
    with pytest.raises(SimulationFailed) as caught:
        simulate(definition, seeds=[1], faults=(), acts=acts)
    return next(one for one in caught.value.run.findings if "stays in granted" in one)


@pytest.mark.parametrize("days", [0.2, 1, 7, 30])
def test_a_timer_of_days_passes(days: float) -> None:
    """It is tried again until its time has come, at most a day later."""
    done = simulate(timed(after(days)), seeds=[1], faults=(), acts=[DEPLOYS])
    assert "live" not in done.unreached.states
    assert days <= done.days < days + 1.5


def test_a_timer_is_tried_when_its_change_falls_due() -> None:
    """Its guard is passed for three hours only, fewer than the pause between two tries."""

    def is_on_time(facts: Facts) -> str | None:
        late = facts.now - facts.change.created_at - dt.timedelta(days=10)
        return None if dt.timedelta() <= late < dt.timedelta(hours=3) else "it is another day"

    def deadline(change: ChangeRequest, now: dt.datetime, _policy: Policy, *, looked: bool) -> dt.datetime | None:
        due = change.created_at + dt.timedelta(days=10)
        return None if looked and now >= due else due

    done = simulate(timed(is_on_time, deadline), seeds=range(3), faults=(), acts=[DEPLOYS])
    assert "live" not in done.unreached.states


def test_an_act_that_is_given_up_is_named() -> None:
    """With the last reason, after a number of refusals that is bounded."""
    finding = failed(timed(lambda _facts: "it is closed"), DEPLOYS)
    given_up, _, times = finding.partition("; gave up `timer` after ")[2].partition(" ")
    assert 30 < int(given_up) < 100
    assert times == "refusals, last: it is closed"


def test_a_due_rule_without_end_is_named() -> None:
    """The run does not go on with it for weeks."""
    finding = failed(timed(after(1), again_after(dt.timedelta(minutes=1))))
    assert finding.endswith("by the due rule of granted it was due again 500 times, and nothing changed")


def test_a_due_rule_without_end_is_named_if_it_is_slow() -> None:
    """A run lasts for forty days."""
    finding = failed(timed(after(1), again_after(dt.timedelta(days=1))))
    assert finding.endswith(" times, and nothing changed")


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (
            fails,
            "DefinitionError: the due rule of state granted failed, so the change is polled: ValueError: no hour 24",
        ),
        (lambda *_, **__: 5, "the due rule of state granted returned an int, not None or an aware datetime"),
    ],
)
def test_a_due_rule_that_fails_is_named(rule: DueRule, problem: str) -> None:
    """The process polls the change instead, so nothing else breaks."""
    with pytest.raises(SimulationFailed) as caught:
        simulate(timed(after(1), rule), seeds=[1], faults=(), acts=[DEPLOYS])
    (finding,) = caught.value.run.findings
    assert finding.startswith("raised: ")
    assert problem in finding


def test_an_act_that_waits_is_tried_although_its_change_is_due_again_and_again() -> None:
    """The timer of the host ends the state in the end."""
    done = simulate(timed(after(12), again_after(dt.timedelta(minutes=30))), seeds=[1], faults=(), acts=[DEPLOYS])
    assert "live" not in done.unreached.states


def test_an_act_that_raises_another_error_is_not_tried_without_end() -> None:
    """It is reported as a defect of the host's code."""
    tries: list[str] = []

    def slip(_workflow: object, change: ChangeRequest) -> None:
        tries.append(change.id)
        raise KeyError(change.state)

    with pytest.raises(SimulationFailed, match="raised: KeyError"):
        simulate(
            timed(after(1)),
            seeds=[1],
            faults=(),
            acts=[HostAct(name="slips", when=lambda change: change.state == "granted", do=slip)],
        )
    assert 0 < len(tries) < 100
