"""A world with a change in each state, reached by transitions that the table allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow import State
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.settle import Step
from tests.support.world import World

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Workflow


def in_every_state() -> tuple[World, Workflow, dict[State, ChangeRequest]]:
    """Return the world, a workflow, and the changes by their states."""
    world = World()
    workflow = world.workflow()
    found = {State.DRAFT: workflow.draft(subject="d", title="t", applicant="alice", approvers=["carol"])}
    for state, approved in ((State.APPROVED, True), (State.REJECTED, False)):
        change = world.apply(workflow, state.value)
        world.start_flow()
        world.decide(world.ticket_of(change), approved=approved)
        found[state] = workflow.settle(change.id)
    found[State.PENDING] = world.apply(workflow, "p")
    failed = world.apply(workflow, "f")
    undelivered, journal = Step(Trigger.FAIL_CALLBACK, ev.Undelivered(sn=failed.sn or "")), workflow._journal
    stored = journal.commit_one(journal.prepare(journal.load(failed.id), [undelivered], actor="gateway"))
    found[State.FAILED_CALLBACK] = stored.change  # not through the workflow, which would settle immediately
    world.faults.time_out("create", always=True)
    found[State.APPLYING] = world.apply(world.workflow(), "a")
    assert {state: change.state for state, change in found.items()} == {state: state.value for state in State}
    return world, workflow, found
