"""The machine comes to a host's own rows, also those that only stay, and takes nothing that fits no row."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs
import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.machine.definition import Transition
from itsm_workflow.testing.workflow_machine import WorkflowMachine
from tests.support import workflows as zoo
from tests.support.workflows import DEPLOY, Deployed, Stage, Verb

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import Facts

MEASURE = Transition(trigger=Verb.PAUSE, sources=(Stage.GRANTED,), dest=None, evidence=Deployed, update=zoo.sized)
"""A row that stays, beside the one that leads on."""

DEFAULT = hypothesis.settings(
    hypothesis.settings.get_profile("default"),
    database=None,
    deadline=None,
    phases=[hypothesis.Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(hypothesis.HealthCheck),
)
"""Hypothesis' own numbers of walks and steps; what is found is not made small, which takes longer than finding it."""


COUNT = itertools.count()


def unsteady(facts: Facts) -> ChangeRequest:
    """Keep what is not in the facts."""
    return attrs.evolve(facts.change, data={"count": next(COUNT)})


@pytest.mark.parametrize(("runs", "least"), [(2, 1), pytest.param(8, 6, marks=pytest.mark.long)])
def test_a_defect_in_a_row_that_stays_is_found(runs: int, least: int) -> None:
    """In nearly every run with Hypothesis' default settings; what is drawn depends on the modules that are loaded."""
    definition = zoo.deployment(DEPLOY, attrs.evolve(MEASURE, update=unsteady))
    machine: Any = WorkflowMachine.for_definition(definition, counted=["pause"])
    found = 0
    for seed in range(runs):
        try:
            run_state_machine_as_test(hypothesis.seed(seed)(machine), settings=DEFAULT)
        except AssertionError as error:
            assert "the history does not produce the stored change" in str(error)  # noqa: PT017 - one that is not raised is counted
            found += 1
    assert found >= least


@pytest.mark.long
def test_rows_of_a_host_are_fired_in_many_walks() -> None:
    """Those that stay as well as those that lead on."""
    met: Counter[str] = Counter()

    class Counted(WorkflowMachine.for_definition(zoo.deployment(DEPLOY, MEASURE), counted=["pause"])):  # type: ignore[misc]  # made at run time
        def teardown(self) -> None:
            met.update({entry.trigger for entry in self.history})
            super().teardown()

    run_state_machine_as_test(Counted, settings=hypothesis.settings(DEFAULT, derandomize=True))
    assert met["pause"] >= 5
    assert met["deploy"] >= 5


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"counted": ["puase"]}, ValueError, "counted: deployment has no trigger puase; it has .*pause"),
        ({"counted": "pause"}, TypeError, r"counted: must be a list of triggers, such as \['pause'\]"),
        ({"counted": Verb.PAUSE}, TypeError, r"counted: must be a list of triggers, such as \['pause'\]"),
        ({"evidence": {"Deployed": st.none()}}, TypeError, "evidence: 'Deployed' is not a type; pass a class"),
        ({"evidence": {str: st.text()}}, ValueError, "evidence: no row of deployment accepts str, only .*Depl"),
        ({"evidence": {Deployed: 3}}, TypeError, r"evidence: the value for Deployed is 3, .* st\.builds\(Deployed\)"),
    ],
)
def test_what_fits_no_row_is_refused(given: dict[str, Any], error: type[Exception], told: str) -> None:
    """The argument is named, with what it can be."""
    with pytest.raises(error, match=told):
        WorkflowMachine.for_definition(zoo.deployment(DEPLOY, MEASURE), **given)


def test_what_is_no_definition_is_refused() -> None:
    """A name is none."""
    with pytest.raises(TypeError, match="definition: 'x' is not a WorkflowDefinition"):
        WorkflowMachine.for_definition("x")  # type: ignore[arg-type]  # the mistake


def test_what_fits_is_taken() -> None:
    """Triggers as members or as texts, and types of evidence of the definition."""
    definition = zoo.deployment(DEPLOY, MEASURE)
    for counted in ([Verb.PAUSE], {"pause"}):
        machine = WorkflowMachine.for_definition(definition, counted=counted, evidence={Deployed: st.none()})  # type: ignore[arg-type]  # a set will do
        assert machine.counted == {"pause", "note_lookup"}
    assert WorkflowMachine.for_definition(COLLECTOR_CHANGE).counted == {"note_lookup"}
