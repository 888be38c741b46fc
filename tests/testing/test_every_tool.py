"""Every tool says something about each broken definition: a finding, or what it did not reach; none ends otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from itsm_workflow.testing.strategies import evidence_of
from itsm_workflow.testing.workflow_machine import WorkflowMachine
from itsm_workflow.testing.workflow_machine._machine import Beginning
from tests.support import workflows as zoo

if TYPE_CHECKING:
    from itsm_workflow import WorkflowDefinition


def approved(definition: WorkflowDefinition) -> Any:  # noqa: ANN401 - a machine that is made at run time
    """Return the machine of a definition after its begin."""
    machine: Any = WorkflowMachine.for_definition(definition)()
    machine.begin(stands=Beginning.APPROVED, slow=False)
    return machine


def test_a_walk_names_the_trigger_whose_guard_raises() -> None:
    """The error is that of the host, with what raised it."""
    machine = approved(zoo.with_a_guard_that_raises())
    with pytest.raises(KeyError) as caught:
        machine._fire("deploy", zoo.Deployed(size=1))
    assert caught.value.__notes__ == ["raised by a guard or an update of trigger deploy in granted: it must not raise"]
    machine.teardown()


def test_a_walk_adds_no_note_to_what_the_library_says() -> None:
    """Its message has the trigger already."""
    machine = approved(zoo.with_an_update_that_returns_nothing())
    with pytest.raises(Exception, match="the update of trigger deploy returned None") as caught:
        machine._fire("deploy", zoo.Deployed(size=1))
    assert not hasattr(caught.value, "__notes__")
    machine.teardown()


def test_evidence_that_cannot_be_made_up_names_what_to_pass() -> None:
    """Of the class whose validator refuses."""

    @hypothesis.settings(database=None, derandomize=True)
    @hypothesis.given(evidence_of(zoo.Opaque))
    def draw(_made: object) -> None:
        """Nothing can be drawn."""

    with pytest.raises(ValueError, match="xyzzy") as caught:
        draw()
    assert "raised for evidence Opaque, made from its annotations: pass a strategy, evidence={Opaque: ...}" in (
        caught.value.__notes__
    )
