"""Several approvals of one change: the table keeps their tickets apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from docs.examples.plan_then_execute import EXECUTION, PLAN, PLAN_THEN_EXECUTE, Planned, State, Trigger
from itsm_workflow import Transition, approval_workflow
from itsm_workflow.errors import DefinitionError
from itsm_workflow.machine.approval import COLLECTOR_CHANGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow import Facts, Roles, WorkflowDefinition


def asked(_facts: Facts) -> str | None:
    """Allow it."""
    return None


def row(source: State, dest: State) -> Transition:
    """Return a row of the host."""
    return Transition(trigger=Trigger.PLAN, sources=(source,), dest=dest, evidence=Planned, guard=asked)


def built(*rows: Transition, later: Sequence[object] = (EXECUTION,), **options: Any) -> WorkflowDefinition:
    """Build the example's table with other rows."""
    own = PLAN_THEN_EXECUTE.transitions[-2:]
    given: dict[str, Any] = {"roles": PLAN, "grants": {State.DONE: False}, **options}
    given |= {"transitions": (*own, *rows), "later_rounds": later}
    return approval_workflow("plan_then_execute", states=State, **given)


def refused(*rows: Transition, **options: Any) -> str:
    """Return why such a table is refused."""
    with pytest.raises(DefinitionError) as refusal:
        built(*rows, **options)
    return str(refusal.value)


def played(**states: State) -> tuple[Roles, ...]:
    """Return the second approval with other states."""
    return (attrs.evolve(EXECUTION, **states),)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ((row(State.PLAN_WAITING, State.EXECUTION_WAITING),), "leads from plan_waiting to execution_waiting, where"),
        ((row(State.PLANNED, State.FILING_EXECUTION),), "leads from planned to filing_execution, where"),
        ((row(State.PLANNED, State.EXECUTING),), "state executing follows approval 2, but can be reached without it"),
        ((row(State.DRAFT, State.PLANNED),), "state planned follows approval 1, but can be reached without it"),
        ((row(State.EXECUTION_WAITING, State.EXECUTING),), "state executing follows approval 2"),
    ],
)
def test_no_row_leads_past_an_approval(rows: tuple[Transition, ...], problem: str) -> None:
    """A ticket of one approval would decide the other, or no ticket would."""
    assert problem in refused(*rows)


@pytest.mark.parametrize(
    ("later", "problem"),
    [
        (played(waiting=State.PLAN_WAITING), "state plan_waiting is waiting in one approval and waiting in another"),
        (played(asking=State.REFUSED), "state refused is refused in one approval and asking in another"),
        (("waiting",), "later_rounds=...) takes Roles"),
    ],
)
def test_only_the_refused_state_is_shared(later: Sequence[object], problem: str) -> None:
    """From any other state the approval that goes on could not be told."""
    with pytest.raises((DefinitionError, TypeError)) as refusal:
        built(later=later)
    assert problem in str(refusal.value)


def test_the_first_approval_begins_in_the_initial_state() -> None:
    """Not in another."""
    assert "the first approval begins in draft" in refused(roles=attrs.evolve(PLAN, begins=State.PLANNED))


@pytest.mark.parametrize("state", [State.PLANNING, State.PLANNED, State.PLAN_WAITING])
def test_nothing_grants_before_the_last_approval(state: State) -> None:
    """Neither the state after the first one, nor the one in which the form can be revised again."""
    assert f"state {state} " in refused(grants={state: True, State.DONE: False})


def test_the_granted_state_of_the_last_approval_grants() -> None:
    """By default, and no other."""
    granting = [state for state in State if PLAN_THEN_EXECUTE.is_granting(state)]
    assert granting == [State.EXECUTING]
    assert COLLECTOR_CHANGE.is_granting("approved")


def test_an_approval_begins_by_default_where_the_one_before_ends() -> None:
    """The form of the next ticket is revised there."""
    own = (row(State.EXECUTING, State.DONE), row(State.EXECUTING, State.PLANNED))
    definition = approval_workflow(
        "plan_then_execute",
        states=State,
        roles=PLAN,
        later_rounds=[attrs.evolve(EXECUTION, begins=None)],
        transitions=(attrs.evolve(own[0], guard=asked), attrs.evolve(own[1], trigger=Trigger.FINISH)),
        grants={State.PLANNED: False, State.DONE: False},
        due_rules={},
    )
    begins = [definition.begins(roles) for roles in definition.rounds]
    assert begins == [State.DRAFT, State.PLANNING]
    assert {"revise", "submit", "abandon"} <= set(definition.triggers(State.PLANNING))


def test_each_state_belongs_to_its_approval() -> None:
    """A state of the host, and the shared one, to the first."""
    found = {state: PLAN_THEN_EXECUTE.roles_in(state) is EXECUTION for state in State}
    assert [state for state, is_second in found.items() if is_second] == [
        State.FILING_EXECUTION,
        State.EXECUTION_WAITING,
        State.EXECUTION_UNDELIVERED,
        State.EXECUTING,
    ]
