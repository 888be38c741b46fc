"""A workflow of a host's own in a few lines, and its table as a `transitions.Machine`."""

from __future__ import annotations

import enum
import logging
from typing import Any

import attrs
import pytest
from transitions import Machine, MachineError
from transitions.extensions import GraphMachine

from itsm_workflow import COLLECTOR_CHANGE, State, approval_workflow, waits_for_a_person
from itsm_workflow.change import Outcome
from itsm_workflow.errors import DefinitionError
from itsm_workflow.machine import due
from itsm_workflow.machine.definition import Transition
from itsm_workflow.machine.engine import step
from tests.support import examples as x
from tests.support.workflows import DEPLOY, Deployed, Stage, Verb, roles


def deployment(**options: Any) -> Any:  # noqa: ANN401 - a definition, or what is to be refused
    """Return a workflow with one transition of the host's own."""
    return approval_workflow("deployment", states=Stage, roles=roles(), transitions=[DEPLOY], **options)


def test_final_states_and_due_rules_are_derived() -> None:
    """A state is final if no transition leaves it; a state of the host's own waits for a person."""
    built = deployment()

    assert (built.initial, built.final) == (Stage.DRAFT, {Stage.REFUSED, Stage.LIVE})
    assert built.due == {
        Stage.DRAFT: waits_for_a_person,
        Stage.FILING: due.asking_due,
        Stage.WAITING: due.waiting_due,
        Stage.UNDELIVERED: due.undelivered_due,
        Stage.GRANTED: waits_for_a_person,
    }


def test_without_transitions_of_its_own_the_granted_state_is_final() -> None:
    """Then it is the shipped workflow with other names."""
    stages = enum.StrEnum("Stages", {state.name: state.value for state in Stage if state is not Stage.LIVE})  # type: ignore[misc]  # made here
    built = approval_workflow("plain", states=stages, roles=roles(stages))

    assert {state.value for state in built.final} == {"granted", "refused"}


def test_what_the_host_says_is_taken() -> None:
    """The rest of a definition is handed on."""
    labels = {Stage.LIVE: {"en": "Live"}}
    built = deployment(
        version=3,
        grants={Stage.LIVE: True, Stage.GRANTED: False},
        due_rules={Stage.GRANTED: due.waiting_due},
        labels=labels,
        effects={Stage.GRANTED: ("deploy",)},
    )

    assert (built.version, built.labels, built.effects) == (3, labels, {Stage.GRANTED: ("deploy",)})
    assert built.due[Stage.GRANTED] is due.waiting_due
    assert (built.is_granting("granted"), built.is_granting("live")) == (False, True)
    assert built.outcome_in("granted", Outcome.APPROVED) is Outcome.WAS_APPROVED


def test_a_contradiction_is_refused() -> None:
    """As by `WorkflowDefinition`: a state that is reached without an approval cannot grant."""
    with pytest.raises(DefinitionError, match="refused"):
        deployment(grants={Stage.REFUSED: True})


def test_a_transition_that_would_lose_its_evidence_is_refused() -> None:
    """It keeps the state and changes nothing, so no firing would leave an entry."""
    note = Transition(trigger=Verb.PAUSE, sources=(Stage.GRANTED,), dest=None, evidence=Deployed)
    with pytest.raises(DefinitionError, match="trigger pause keeps the state and has no update"):
        approval_workflow("deployment", states=Stage, roles=roles(), transitions=[DEPLOY, note])


def test_the_table_as_a_machine_moves_models_by_the_guards() -> None:
    """Each call returns a new machine, which is its own model."""
    machine = COLLECTOR_CHANGE.machine()
    model: Any = machine
    facts = x.facts(x.DRAFT, x.submission())

    assert type(machine) is Machine
    assert machine is not COLLECTOR_CHANGE.machine()
    with pytest.raises(MachineError):
        model.approve(facts)
    assert not model.submit(attrs.evolve(facts, evidence=5))
    assert model.submit(facts)
    assert model.state == State.APPLYING


def test_the_machine_draws_itself() -> None:
    """By the diagram extension of `transitions`, with the guards by name."""
    machine = COLLECTOR_CHANGE.machine(GraphMachine)
    drawn = machine.get_graph()

    guards = {row.guard.__name__ for row in COLLECTOR_CHANGE.transitions}
    rows = [row for event in machine.events.values() for rows in event.transitions.values() for row in rows]
    assert {getattr(condition.func, "__name__", "") for row in rows for condition in row.conditions} == guards
    assert type(machine) is GraphMachine
    assert "failed_callback" in str(drawn.source if hasattr(drawn, "source") else drawn)


def test_a_firing_writes_no_line_to_the_hosts_log(caplog: pytest.LogCaptureFixture) -> None:
    """The engine below logs two lines of level INFO for each state that is left or entered."""
    caplog.set_level(logging.INFO)

    assert step(COLLECTOR_CHANGE, State.DRAFT, "submit", x.facts(x.DRAFT, x.submission()))[0] == State.APPLYING
    assert caplog.records == []
