"""A due rule of the host's own says when a change is polled. It loses no filed ticket, and no callback."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import State, Workflow, open_storage
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.machine.definition import waits_for_a_person
from itsm_workflow.testing import ManualClock, MemorySandbox
from tests.support.world import World

if TYPE_CHECKING:
    from itsm_workflow.callbacks.inbox import AfterCallback
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.errors import ItsmWorkflowError
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.policy import Policy

BEYOND = dt.datetime(9999, 12, 31, 23, 59, tzinfo=dt.timezone(-dt.timedelta(hours=14)))


class Told:
    """Records the errors of which it is notified."""

    def __init__(self) -> None:
        self.of: list[tuple[str, str]] = []

    def on_entry(self, change: ChangeRequest, entry: object) -> None:
        """Keep nothing of it."""

    def on_trouble(self, change_id: str, error: ItsmWorkflowError) -> None:
        """Keep it."""
        self.of.append((change_id, str(error)))


def with_rule(rule: Any) -> WorkflowDefinition:  # noqa: ANN401 - a rule, or what should be one
    """Return the workflow with a rule of the host's own for changes that wait."""
    return attrs.evolve(COLLECTOR_CHANGE, due={**COLLECTOR_CHANGE.due, State.PENDING: rule})


def boom(*_: object, **__: object) -> None:
    """Fail."""
    raise ZeroDivisionError("a host's mistake")


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (boom, "the due rule of state pending failed, so the change is polled: ZeroDivisionError: a host's mistake"),
        (lambda *_, **__: BEYOND, "workflow collector_change: the due rule of state pending returned 9999-12-31"),
        (lambda *_, **__: dt.datetime(2026, 3, 2), "returned 2026-03-02 00:00:00, which has no time zone"),  # noqa: DTZ001 - the case
        (lambda *_, **__: 5, "returned an int, not None or an aware datetime"),
    ],
    ids=["raises", "beyond", "no zone", "no time"],
)
def test_a_failing_rule_loses_no_ticket_that_was_filed(rule: object, told: str) -> None:
    """The change is returned with its ticket, observers are notified, and polling finds out the decision."""
    world, observer = World(), Told()
    with world.workflow(definition=with_rule(rule), observers=[observer]) as workflow:
        change = world.apply(workflow)
        assert (change.state, workflow.get(change.id)) == (State.PENDING, change)
        assert {name for name, _ in observer.of} == {change.id}
        assert all(told in one for _, one in observer.of)
        world.start_flow()
        world.decide(world.ticket_of(change), approved=True)
        world.clock.advance(301)
        workflow.reconcile()
        assert workflow.get(change.id).state == State.APPROVED


def hourly(_change: ChangeRequest, now: dt.datetime, _policy: Policy, *, looked: bool) -> dt.datetime | None:
    """Look once an hour."""
    _ = looked
    return now + dt.timedelta(hours=1)


@pytest.mark.parametrize("rule", [hourly, waits_for_a_person])
@pytest.mark.parametrize("after", ["inline", "background", "later"])
def test_a_callback_is_looked_into_at_once_whatever_the_rule_says(rule: object, after: AfterCallback) -> None:
    """Before it is answered, in a thread, or by the next pass."""
    clock = ManualClock()
    sandbox = MemorySandbox(clock=clock)
    workflow = Workflow(
        storage=open_storage("memory://"),
        gateway=sandbox.gateway,
        definition=with_rule(rule),
        clock=clock,
        after_callback=after,
    )
    sandbox.receive = workflow.receive
    change = workflow.apply(subject="shop", title="Deploy", applicant="alice", approvers=["bob"])
    sandbox.approve(change.expect_ticket().sn)
    if after == "later":
        workflow.reconcile()
    storage = workflow._journal.storage
    if after == "background":
        workflow._inbox.close(30)
    assert storage.get(change.id).state == State.APPROVED  # type: ignore[union-attr]  # it was applied for
    workflow.close()
