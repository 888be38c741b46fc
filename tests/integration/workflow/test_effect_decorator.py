"""Effects that are added to a workflow by a decorator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import Effect, EffectCall, State
from itsm_workflow.errors import DefinitionError
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from tests.support.desk import ASKED, SUBJECT, Desk

if TYPE_CHECKING:
    from itsm_workflow import Workflow


def approved(desk: Desk, workflow: Workflow) -> str:
    """Let a change be approved, and return its id."""
    change = workflow.apply(subject=SUBJECT, **ASKED)
    desk.decide(change)
    return workflow.settle(change.id).id


def test_a_decorated_function_is_delivered_after_those_that_were_given() -> None:
    """Under its own name, with the change; the decorator returns the function as it is."""
    desk = Desk()
    called: list[str] = []
    workflow = desk.workflow(effects={State.APPROVED: [Effect("first", lambda call: called.append(call.name))]})

    @workflow.effect(State.APPROVED)
    def start_collector(call: EffectCall) -> None:
        called.append(f"{call.name} of {call.change.subject}")

    approved(desk, workflow)

    assert called == ["first", f"start_collector of {SUBJECT}"]
    assert callable(start_collector)


def test_a_change_that_entered_the_state_before_does_not_have_it() -> None:
    """The effects are planned in the commit that enters the state."""
    desk = Desk()
    called: list[str] = []
    workflow = desk.workflow()
    change_id = approved(desk, workflow)
    workflow.effect(State.APPROVED, name="start")(lambda call: called.append(call.id))

    assert workflow.settle(change_id).effects == ()
    assert called == []


def test_a_renamed_function_delivers_what_was_planned_under_its_alias() -> None:
    """As `Effect(aliases=…)` does."""
    desk = Desk()
    called: list[str] = []
    before = desk.workflow()
    before.effect(State.APPROVED, name="start")(lambda _call: 1 / 0)
    change_id = approved(desk, before)
    after = desk.workflow()
    after.effect(State.APPROVED, name="start_collector", aliases=("start",))(lambda call: called.append(call.name))
    desk.clock.advance(3600)
    after.settle(change_id)

    assert called == ["start"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"state": "nowhere"}, "effects name the unknown state 'nowhere'"),
        (
            {"state": State.APPROVED, "name": "first"},
            "effect 'first' is named twice in state approved, aliases included",
        ),
        ({"state": State.APPROVED}, "a name has 1 to 64 letters, digits and _ . : / -, .* not '<lambda>'"),
        (
            {"state": State.APPROVED, "name": "x", "aliases": "old"},
            "effect 'x' of state approved: its aliases are a str",
        ),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_added(given: dict[str, Any], told: str) -> None:
    """The effects are as they were."""
    desk = Desk()
    called: list[str] = []
    workflow = desk.workflow(effects={State.APPROVED: [Effect("first", lambda call: called.append(call.name))]})
    with pytest.raises(DefinitionError, match=told):
        workflow.effect(**given)(lambda _: called.append("wrong"))

    approved(desk, workflow)
    assert called == ["first"]


def test_a_definition_that_names_its_effects_takes_no_other() -> None:
    """A process may have the functions of some of them, and of no others."""
    desk = Desk()
    definition = attrs.evolve(COLLECTOR_CHANGE, effects={State.APPROVED: ("start",)})
    workflow = desk.workflow(definition=definition)
    with pytest.raises(DefinitionError, match="effect 'stop' of state approved is not named by collector_change"):
        workflow.effect(State.APPROVED, name="stop")(lambda _: None)
    called: list[str] = []
    workflow.effect(State.APPROVED, name="start")(lambda call: called.append(call.name))

    approved(desk, workflow)
    assert called == ["start"]


@pytest.mark.parametrize("wrong", [lambda _call: None, None, 5])
def test_a_decorator_without_its_state_is_refused_at_once(wrong: object) -> None:
    """Otherwise the function would be lost, and the change approved without its work."""
    workflow: Any = Desk().workflow()
    with pytest.raises(DefinitionError, match=r"as in @workflow.effect\(State.APPROVED\), not "):
        workflow.effect(wrong)


def test_a_state_that_the_workflow_does_not_have_is_refused_at_once() -> None:
    """Before there is a function."""
    with pytest.raises(DefinitionError, match="aproved") as refused:
        Desk().workflow().effect("aproved")
    assert refused.value.problems == (str(refused.value),)
