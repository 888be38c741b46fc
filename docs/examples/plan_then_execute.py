"""A change with two approvals, one after the other: first its plan is approved, then its execution.

Both tickets belong to one change, so that its history, its page and its subject are one. Between them the host writes
the plan down; the second ticket shows it to its approvers.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow import Effect, Roles, Transition, Workflow, approval_workflow

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow import ChangeRequest, EffectCall, Facts


# ---------------------------------------------------------------- words


class State(enum.StrEnum):
    """The states of a change. The names are stored: choose them once."""

    DRAFT = "draft"
    FILING_PLAN = "filing_plan"
    PLAN_WAITING = "plan_waiting"
    PLAN_UNDELIVERED = "plan_undelivered"
    PLANNING = "planning"
    PLANNED = "planned"
    FILING_EXECUTION = "filing_execution"
    EXECUTION_WAITING = "execution_waiting"
    EXECUTION_UNDELIVERED = "execution_undelivered"
    EXECUTING = "executing"
    DONE = "done"
    REFUSED = "refused"


class Trigger(enum.StrEnum):
    """The triggers of the host."""

    PLAN = "plan"
    FINISH = "finish"


@attrs.frozen(kw_only=True)
class Planned:
    """Evidence: the plan is written."""

    steps: int


@attrs.frozen(kw_only=True)
class Finished:
    """Evidence: all steps were executed."""

    steps: int


# ---------------------------------------------------------------- the table


def with_the_plan(facts: Facts) -> ChangeRequest:
    """Store the number of steps in `data`, which belongs to the host."""
    return attrs.evolve(facts.change, data={"steps": facts.expect(Planned).steps})


def is_complete(facts: Facts) -> str | None:
    """Accept the end only if every step of the approved plan was executed."""
    wanted, done = facts.change.data.get("steps"), facts.expect(Finished).steps
    return None if done == wanted else f"the plan has {wanted} steps, and {done} were executed"


S, T, row = State, Trigger, Transition  # a table reads better with short names
PLAN = Roles(
    asking=S.FILING_PLAN,
    waiting=S.PLAN_WAITING,
    undelivered=S.PLAN_UNDELIVERED,
    granted=S.PLANNING,
    refused=S.REFUSED,
)
EXECUTION = Roles(
    begins=S.PLANNED,  # by default it would begin where the first approval ends, in PLANNING
    asking=S.FILING_EXECUTION,
    waiting=S.EXECUTION_WAITING,
    undelivered=S.EXECUTION_UNDELIVERED,
    granted=S.EXECUTING,
    refused=S.REFUSED,  # only this state may belong to several approvals
)

# fmt: off
PLAN_THEN_EXECUTE = approval_workflow(
    "plan_then_execute", states=S, roles=PLAN, later_rounds=(EXECUTION,),
    transitions=(
        row(trigger=T.PLAN, sources=(S.PLANNING,), dest=S.PLANNED, evidence=Planned,
            update=with_the_plan, note="the plan is written"),
        row(trigger=T.FINISH, sources=(S.EXECUTING,), dest=S.DONE, evidence=Finished,
            guard=is_complete, note="every step was executed"),
    ),
    grants={S.PLANNING: False, S.PLANNED: False, S.DONE: False},  # only EXECUTING grants
)
# fmt: on


# ---------------------------------------------------------------- the host


def open_workflow(execute: Callable[[str], object], **options: Any) -> Workflow:
    """Return the workflow.

    Args:
        execute: Executes the plan of a subject. It is called at least once after the second approval.
        options: The store, the gateway and so on.
    """

    def run(call: EffectCall) -> None:
        execute(call.change.subject)

    return Workflow(definition=PLAN_THEN_EXECUTE, effects={S.EXECUTING: [Effect("execute", run)]}, **options)


def ask_to_execute(workflow: Workflow, change_id: str, *, approvers: list[str]) -> ChangeRequest:
    """File the second ticket, with a title and approvers of its own."""
    change = workflow.get(change_id)
    workflow.revise(
        change_id,
        title=f"Execute: {change.form.title}",
        applicant=change.form.applicant,
        approvers=approvers,
        content=f"The plan has {change.data['steps']} steps.",
    )
    return workflow.submit(change_id)
