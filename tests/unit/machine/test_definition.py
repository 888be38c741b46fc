"""Facts: what guards and updates may look at; and a definition, which does not change."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from itsm_workflow.machine.approval import State
from itsm_workflow.machine.approval_rule import ApprovalPolicy
from itsm_workflow.machine.definition import FactMissingError, Facts, Transition, always, unchanged, waits_for_a_person
from itsm_workflow.machine.evidence import Concern, Decision, Undelivered
from itsm_workflow.machine.exemption import Exemption
from tests.support.examples import DRAFT, NOW, PENDING, POLICY, QUEUED
from tests.support.workflows import DEPLOYMENT, Stage

FACTS = Facts(
    change=PENDING,
    evidence=Decision(reason="why not"),
    now=NOW,
    policy=POLICY,
    approval=ApprovalPolicy(),
    seq=3,
    actor="carol",
)


def test_evidence_of_the_expected_type_is_returned() -> None:
    """A guard gets the evidence with its type."""
    assert FACTS.evidence is FACTS.expect(Decision)


def test_evidence_of_another_type_is_missing() -> None:
    """The reason names both types."""
    with pytest.raises(FactMissingError, match=r"^it needs Undelivered, not Decision$"):
        FACTS.expect(Undelivered)


def test_attempt_and_ticket_are_given_if_known() -> None:
    """A guard need not handle None."""
    assert PENDING.attempt is FACTS.attempt
    assert PENDING.ticket is FACTS.ticket


def test_an_attempt_or_a_ticket_that_is_not_known_is_missing() -> None:
    """The reason says which."""
    with pytest.raises(FactMissingError, match=r"^the change was never submitted$"):
        _ = attrs.evolve(FACTS, change=DRAFT).attempt
    with pytest.raises(FactMissingError, match=r"^the change has no ticket$"):
        _ = attrs.evolve(FACTS, change=QUEUED).ticket


def test_defaults_hold_and_change_nothing() -> None:
    """A row without a guard or an update is complete."""
    row = Transition(trigger=State.DRAFT, sources=(State.DRAFT,), dest=None, evidence=(Decision, Concern))

    assert (always, unchanged) == (row.guard, row.update)
    assert (row.guard(FACTS), row.update(FACTS)) == (None, PENDING)
    assert (Decision, Concern) == row.evidence_types
    assert (Decision,) == attrs.evolve(row, evidence=Decision).evidence_types


def test_what_waits_for_a_person_is_never_due() -> None:
    """Looked at or not."""
    assert waits_for_a_person(PENDING, NOW, POLICY, looked=True) is None
    assert waits_for_a_person(PENDING, NOW, POLICY, looked=False) is None


def test_a_definition_does_not_change_after_its_check() -> None:
    """Neither through the mappings that it was built from, nor through its own."""
    given: dict[str, Any] = {
        "grants": {Stage.LIVE: True},
        "due": dict(DEPLOYMENT.due),
        "labels": {Stage.LIVE: {"en": "Live"}},
        "effects": {Stage.LIVE: ("tell",)},
    }
    built = attrs.evolve(DEPLOYMENT, **given)
    before = {name: dict(value) for name, value in given.items()}
    for name, mapping in given.items():
        mapping.clear()
        assert getattr(built, name) == before[name]
        with pytest.raises(TypeError, match="read-only"):
            getattr(built, name)[Stage.DRAFT] = True


def test_the_representation_is_short() -> None:
    """A debugger shows a definition wherever a workflow is."""
    states, rows = len(DEPLOYMENT.states), len(DEPLOYMENT.transitions)
    assert repr(DEPLOYMENT) == f"<WorkflowDefinition deployment version 1: {states} states, {rows} transitions>"


@pytest.mark.parametrize("check", ["again", "early", "ended", "failed", "given_up", "growth", "stuck"])
def test_a_check_of_what_can_be_right_can_be_exempted(check: str) -> None:
    """Each by its name."""
    exempt = Exemption(check=check, state=next(iter(Stage)), reason="few")
    assert attrs.evolve(DEPLOYMENT, exemptions=(exempt,)).exemptions == (exempt,)
