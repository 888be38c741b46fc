"""The change with two approvals: end to end over HTTP, in random walks, and in every order of events within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from docs.examples import plan_then_execute as example
from docs.examples.plan_then_execute import Finished, Planned, State, Trigger, ask_to_execute
from itsm_workflow import AlreadyApplied, Effect, NotApproved, TransitionRefused
from itsm_workflow.audit import audit
from itsm_workflow.change import Outcome
from itsm_workflow.cli import main
from itsm_workflow.settle import Step
from itsm_workflow.testing import GatewayFaults, ManualClock, MemorySandbox
from itsm_workflow.testing.exploration import Bounds, explore
from itsm_workflow.testing.exploration.acts import Act, operator_acts
from itsm_workflow.testing.workflow_machine import WorkflowMachine
from tests.support.office import SUBJECT, asked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.testing.exploration.itsm import Filed
    from tests.support.office import Office

DONE: list[str] = []


def opened(office: Office) -> Workflow:
    """Open the example's workflow as its host does; callbacks come to it."""
    DONE.clear()
    workflow = example.open_workflow(
        DONE.append,
        storage=office.store,
        gateway=office.gateway(),
        after_callback="inline",
        observers=(office.witness,),
        clock=office.clock,
    )
    office.door.receive = workflow.receive
    return workflow


def planned(office: Office, workflow: Workflow) -> ChangeRequest:
    """Apply, let the plan be approved, and write it."""
    change = workflow.apply(subject=SUBJECT, **asked())
    office.approve(change)
    return workflow.fire(change.id, Trigger.PLAN, Planned(steps=3), actor="robot")


def test_both_approvals_are_needed_and_each_has_its_own_ticket(office: Office) -> None:
    """The gate opens after the second; between them the subject stays taken."""
    workflow = opened(office)
    first = planned(office, workflow)
    assert (first.state, first.outcome, DONE) == (State.PLANNED, Outcome.WAS_APPROVED, [])
    assert "waits to be submitted for its next approval" in workflow.why(first.id)
    with pytest.raises(NotApproved):
        workflow.require_approved(SUBJECT)
    with pytest.raises(AlreadyApplied):
        workflow.apply(subject=SUBJECT, **asked())

    second = ask_to_execute(workflow, first.id, approvers=["carol"])
    assert second.state == State.EXECUTION_WAITING
    assert first.ticket is not None
    assert second.ticket is not None
    assert second.earlier_tickets == {f"bk_itsm:{first.ticket.id}": first.ticket.sn}
    assert second.ticket.id != first.ticket.id
    assert second.expect_attempt().key != first.expect_attempt().key
    assert second.submission == first.submission + 1
    assert (second.round, second.outcome, second.decision) == (2, None, None)
    with pytest.raises(NotApproved):
        workflow.require_approved(SUBJECT)

    office.approve(second)
    assert DONE == [SUBJECT]
    assert workflow.require_approved(SUBJECT).id == first.id
    with pytest.raises(TransitionRefused, match="3 steps, and 2 were executed"):
        workflow.fire(first.id, Trigger.FINISH, Finished(steps=2), actor="robot")
    assert workflow.fire(first.id, Trigger.FINISH, Finished(steps=3), actor="robot").state == State.DONE
    report = audit(office.store, office.sandbox, definition=example.PLAN_THEN_EXECUTE, asked=[SUBJECT])
    assert report.findings == ()
    assert report.tickets_created == 2


def test_a_late_callback_of_the_plan_decides_nothing_about_the_execution(office: Office) -> None:
    """It is answered, adds no entry, and approves nothing."""
    workflow = opened(office)
    first = planned(office, workflow)
    second = ask_to_execute(workflow, first.id, approvers=["carol"])
    entries = len(list(workflow.history(first.id)))
    for knock in list(office.door.knocks):
        office.door.knock(knock)
    workflow.settle(first.id)
    change = workflow.get(first.id)
    assert (change.state, change.sn, DONE) == (State.EXECUTION_WAITING, second.sn, [])
    assert len(list(workflow.history(first.id))) == entries


def test_the_ticket_of_the_plan_cannot_be_recorded_for_the_execution(office: Office) -> None:
    """Not even by an operator's override: it is approved already, and would grant the execution."""
    workflow = opened(office)
    first = planned(office, workflow)
    office.sandbox.faults.reset("create_ticket")
    change = ask_to_execute(workflow, first.id, approvers=["carol"])
    assert change.state == State.FILING_EXECUTION
    with pytest.raises(TransitionRefused, match="answered an earlier submission of this change"):
        workflow.record_ticket(first.id, sn=str(first.sn), actor="erin", override="it is ours")
    assert workflow.get(first.id).state == State.FILING_EXECUTION


def test_a_refused_second_request_leaves_the_change_where_it_began() -> None:
    """It can be corrected and submitted again, and the subject stays taken."""
    clock = ManualClock()
    sandbox = MemorySandbox(clock=clock)
    faults = GatewayFaults(clock=clock)
    with example.open_workflow(
        DONE.append, storage="memory://", gateway=faults.wrap(sandbox.gateway), after_callback="inline", clock=clock
    ) as workflow:
        sandbox.receive = workflow.receive
        change = workflow.apply(subject=SUBJECT, **asked())
        sandbox.approve(change.expect_ticket().sn)
        workflow.fire(change.id, Trigger.PLAN, Planned(steps=3), actor="robot")
        faults.refuse("create", 3900003)
        change = ask_to_execute(workflow, change.id, approvers=["carol"])
        assert change.state == State.PLANNED
        assert "waits to be submitted for its next approval, the gateway refused it" in workflow.why(change.id)
        with pytest.raises(AlreadyApplied):
            workflow.apply(subject=SUBJECT, **asked())
        assert ask_to_execute(workflow, change.id, approvers=["carol"]).state == State.EXECUTION_WAITING


def test_a_change_that_is_given_up_between_its_approvals_stays_so(office: Office) -> None:
    """The ticket of the plan stays approved, which contradicts nothing."""
    workflow = opened(office)
    first = planned(office, workflow)
    change = workflow.abandon(first.id, actor="erin", reason="not needed")
    assert (change.state, change.outcome, change.ticket) == (State.REFUSED, Outcome.ABANDONED, None)
    for knock in list(office.door.knocks):
        office.door.knock(knock)
    workflow.settle(first.id)
    assert workflow.get(first.id).attention is None


# ---------------------------------------------------------------- by the tools that are shipped


@pytest.mark.long
def test_nothing_is_wrong_with_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Not even a doubt is left."""
    assert main(["lint-graph", "--strict", "docs.examples.plan_then_execute:PLAN_THEN_EXECUTE"]) == 0
    assert "no problem was found" in capsys.readouterr().out


class TwoApprovalsWalk(WorkflowMachine.for_definition(example.PLAN_THEN_EXECUTE)):  # type: ignore[misc]  # made at run time
    """The change with two approvals, whose host reports at any time."""

    met: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        self.ran: list[Outcome | None] = []
        super().__init__()

    def effects(self) -> Mapping[str, Sequence[Effect]]:
        """Return one that notes what its change was then."""
        return {State.EXECUTING: [Effect("execute", lambda call: self.ran.append(call.change.ticket_outcome))]}

    @precondition(lambda self: self.change.state in {State.PLANNING, State.EXECUTING})
    @rule(steps=st.integers(1, 2))
    def report(self, steps: int) -> None:
        """Report the plan, or the end."""
        is_plan = self.change.state == State.PLANNING
        trigger, evidence = (Trigger.PLAN, Planned(steps=2)) if is_plan else (Trigger.FINISH, Finished(steps=steps))
        self._let(lambda: self.workflow.fire(self.change_id, trigger, evidence, actor="robot"))

    @invariant()
    def execution_follows_two_approvals(self) -> None:
        """Each by a ticket of its own."""
        approvals = [entry for entry in self.history if entry.dest in {State.PLANNING, State.EXECUTING}]
        entered = [entry for entry in approvals if entry.source != entry.dest]
        if self.ran or (self.history and self.change.state in {State.EXECUTING, State.DONE}):
            tickets = {getattr(entry.evidence, "ticket_id", None) for entry in entered}
            assert [entry.dest for entry in entered] == [State.PLANNING, State.EXECUTING]
            assert len(tickets) == 2
            assert set(self.ran) <= {Outcome.APPROVED}

    def teardown(self) -> None:
        """Note what the walk met."""
        self.met.update(entry.dest for entry in self.history)
        super().teardown()


WALKS = hypothesis.settings(
    max_examples=200,
    stateful_step_count=40,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.long
def test_walks_keep_both_approvals_apart() -> None:
    """Whatever happens in whatever order; the walks reach every state of the second approval."""
    TwoApprovalsWalk.met.clear()
    wanted = {state.value for state in State}
    for seed in range(8):
        run_state_machine_as_test(hypothesis.seed(seed)(TwoApprovalsWalk), settings=WALKS)
        if wanted <= TwoApprovalsWalk.met:
            break
    assert wanted <= TwoApprovalsWalk.met


def acts(change: ChangeRequest, tickets: tuple[Filed, ...]) -> Iterator[Act]:
    """Yield what people do, and the host's report."""
    yield from operator_acts(change, tickets)
    if change.state == State.PLANNING:
        yield Act("the plan is written", (Step(Trigger.PLAN, Planned(steps=3)),))


@pytest.mark.long
@pytest.mark.parametrize("faults", [0, 1])
def test_every_order_within_bounds_ends_well(faults: int) -> None:
    """Among them those in which the second ticket is filed while the first one's callback is under way."""
    found = explore(example.PLAN_THEN_EXECUTE, bounds=Bounds(ticks=1 - faults, faults=faults, acts=2), acts=acts)
    assert (found.violations, found.bad_ends, found.complete) == ((), (), True)
