"""Runs each tool that tests a workflow on one definition, with small bounds and with the events that its rows take."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import attrs
import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test

from itsm_workflow.errors import DefinitionError
from itsm_workflow.lint.domains import CannotSampleError
from itsm_workflow.lint.samples import samples
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.settle import Step
from itsm_workflow.testing import Bounds, HostAct, WorkflowMachine, explore, simulate
from itsm_workflow.testing.exploration import Act, operator_acts
from itsm_workflow.testing.simulation import SimulationFailed
from tests.support.linted import linted

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable, Iterator

    from itsm_workflow import Workflow
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.testing.exploration.itsm import Filed

NOW = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
SAMPLES = 3
"""The number of samples of each type of evidence that a host's trigger is fired with."""

_STATES, _SEEDS, _WALKS, _STEPS = 20_000, 2, 30, 20


@attrs.frozen
class Told:
    """What a tool says of a definition.

    Attributes:
        finding: The finding; empty if there is none.
        left: What the tool says that it did not reach; empty if it reached everything, or says nothing.
    """

    finding: str = ""
    left: str = ""


def by_lint(definition: WorkflowDefinition) -> Told:
    """Lint."""
    report = linted(definition)
    return Told("; ".join(f"{one.check}: {one.message}" for one in report.findings))


def by_explore(definition: WorkflowDefinition) -> Told:
    """Walk through every order of few events."""

    def acts(change: ChangeRequest, tickets: tuple[Filed, ...]) -> Iterator[Act]:
        yield from operator_acts(change, tickets)
        for trigger, evidence in _events(definition, change):
            yield Act(f"the host fires {trigger.value} {evidence}", (Step(trigger, evidence),))

    try:
        found = explore(definition, bounds=Bounds(ticks=0, faults=0, acts=2, workers=1), states=_STATES, acts=acts)
    except (DefinitionError, TypeError) as error:
        return Told(str(error))
    except Exception as error:  # noqa: BLE001 - a host's function may raise anything
        return Told(_note(error))
    return Told("\n".join(map(str, (*found.violations, *found.bad_ends))), str(found.unreached or ""))


def by_simulate(definition: WorkflowDefinition) -> Told:
    """Simulate days without and with faults."""
    rows = {(trigger, number) for trigger in _triggers(definition) for number in range(SAMPLES)}
    acts = [_act(definition, trigger, number) for trigger, number in sorted(rows)]
    try:
        found = simulate(definition, seeds=range(_SEEDS), acts=acts)
    except SimulationFailed as failed:
        return Told("; ".join(failed.run.findings))
    return Told("", str(found.unreached or ""))


def by_machine(definition: WorkflowDefinition) -> Told:
    """Walk at random."""
    settings = hypothesis.settings(
        max_examples=_WALKS,
        stateful_step_count=_STEPS,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    counted = {row.trigger.value for row in definition.transitions if row.dest is None} - {one.value for one in Trigger}
    walk = WorkflowMachine.for_definition(definition, counted=sorted(counted))
    try:
        run_state_machine_as_test(walk, settings=settings)
    except (AssertionError, DefinitionError, Flaky) as error:
        return Told(str(error))
    except Exception as error:  # noqa: BLE001 - a host's function may raise anything
        return Told(_note(error))
    return Told()


TOOLS: dict[str, Callable[[WorkflowDefinition], Told]] = {
    "lint": by_lint,
    "explore": by_explore,
    "simulate": by_simulate,
    "WorkflowMachine": by_machine,
}


def _note(error: Exception) -> str:
    """Return the note in which the tool names what raised the error of a host's function.

    Raises:
        Exception: The error itself, if it has no such note.
    """
    notes: list[str] = [one for one in getattr(error, "__notes__", ()) if one.startswith("raised ")]
    if not notes:
        raise error
    return notes[0]


def _triggers(definition: WorkflowDefinition) -> list[enum.StrEnum]:
    return list({row.trigger: None for row in definition.transitions if not isinstance(row.trigger, Trigger)})


def _events(definition: WorkflowDefinition, change: ChangeRequest) -> Iterator[tuple[enum.StrEnum, object]]:
    """Yield the host's triggers that have a row in the state of the change, each with some samples of its evidence."""
    for trigger in _triggers(definition):
        kinds = {kind: None for row in definition.rows(change.state, trigger) for kind in row.evidence_types}
        for kind in kinds:
            try:
                for evidence in samples(kind, change, NOW)[:SAMPLES]:
                    yield trigger, evidence
            except CannotSampleError:
                continue


def _act(definition: WorkflowDefinition, trigger: enum.StrEnum, number: int) -> HostAct:
    """Return the firing of a trigger with its n-th sample."""

    def events(change: ChangeRequest) -> list[object]:
        return [evidence for one, evidence in _events(definition, change) if one is trigger]

    def fire(workflow: Workflow, change: ChangeRequest) -> object:
        return workflow.fire(change.id, trigger, events(change)[number], actor="host")

    return HostAct(name=f"{trigger.value} {number}", when=lambda change: len(events(change)) > number, do=fire)
