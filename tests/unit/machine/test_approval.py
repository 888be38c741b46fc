"""The collector workflow is the one that the architecture describes."""

from __future__ import annotations

import attrs
import pytest

from itsm_workflow.change import AttentionReason, ChangeRequest, LastCallback
from itsm_workflow.errors import DefinitionError
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import (
    COLLECTOR_CHANGE,
    COLLECTOR_ROLES,
    State,
    Trigger,
    approval_table,
    collector_change,
)
from itsm_workflow.machine.approval_rule import ApprovalPolicy
from tests.support import examples as x
from tests.unit.machine.table import FINAL, LEADS, STATES


def test_there_are_exactly_six_states() -> None:
    """Draft, applying, pending, failed callback, approved, rejected, and nothing else."""
    assert tuple(state.value for state in State) == STATES
    assert frozenset(FINAL) == COLLECTOR_CHANGE.final
    assert State.DRAFT is COLLECTOR_CHANGE.initial


def test_triggers_are_those_of_the_architecture() -> None:
    """No trigger more, none less, in that order."""
    assert list(LEADS) == [trigger.value for trigger in Trigger]


def test_each_trigger_leads_where_the_architecture_says() -> None:
    """The table, state by state, is the one that was designed: what moves, and what only adds facts."""
    found: dict[str, dict[str, str]] = {trigger: {} for trigger in LEADS}
    for row in COLLECTOR_CHANGE.transitions:
        for state in row.sources:
            found[row.trigger.value][state.value] = row.dest.value if row.dest else "="

    assert {trigger: dict(rows) for trigger, rows in LEADS.items()} == found


def test_each_state_and_trigger_has_one_row() -> None:
    """The collector's table needs no two rows for one trigger in one state."""
    pairs = [(state, row.trigger) for row in COLLECTOR_CHANGE.transitions for state in row.sources]

    assert len(set(pairs)) == len(pairs)


def test_no_way_leads_out_of_an_end() -> None:
    """Approved and rejected are left by nothing."""
    leaving = [row for row in COLLECTOR_CHANGE.transitions if row.dest and set(row.sources) & COLLECTOR_CHANGE.final]

    assert leaving == []


@pytest.mark.parametrize("trigger", ["approve", "reject", "resume", "suspect_ending"])
def test_what_the_gateway_decides_needs_a_snapshot(trigger: str) -> None:
    """Only what was read from the gateway decides on a ticket."""
    kinds = {kind for row in COLLECTOR_CHANGE.transitions if row.trigger == trigger for kind in row.evidence_types}

    assert {ev.Snapshot} == kinds


def test_the_subject_is_held_from_submission_to_the_end() -> None:
    """A draft holds nothing; what has ended lets go."""
    held = [COLLECTOR_CHANGE.is_open(change) for change in (x.DRAFT, x.QUEUED, x.PENDING, x.APPROVED, x.REJECTED)]

    assert held == [False, True, True, False, False]


def test_a_rule_of_approval_of_ones_own_is_used() -> None:
    """The definition judges by the rule that it was made with."""
    rule = ApprovalPolicy(decision_field="approval_result")

    assert rule is collector_change(rule).approval
    assert ApprovalPolicy() == COLLECTOR_CHANGE.approval


def test_a_rule_of_approval_given_to_the_table_is_refused() -> None:
    """A second rule beside the definition's would never approve, and the change would wait without end."""
    with pytest.raises(TypeError, match=r"pass it once, to WorkflowDefinition\(approval=\.\.\.\)"):
        approval_table(State, State.DRAFT, COLLECTOR_ROLES, ApprovalPolicy())  # type: ignore[arg-type]  # refused


def test_a_definition_whose_rule_of_approval_is_another_thing_is_refused() -> None:
    """It is asked when the ticket ends, so it must be known to answer."""
    with pytest.raises(DefinitionError, match="approval: a str is not an ApprovalPolicy"):
        attrs.evolve(COLLECTOR_CHANGE, approval="approval_result")  # type: ignore[arg-type]  # refused


def test_evidence_types_are_known_by_name() -> None:
    """Every type of evidence that the table names can be read back by its name."""
    assert ev.Snapshot is COLLECTOR_CHANGE.evidence_types["Snapshot"]
    assert ev.LateTicket is COLLECTOR_CHANGE.evidence_types["LateTicket"]
    assert all(kind.__name__ == name for name, kind in COLLECTOR_CHANGE.evidence_types.items())


def test_rows_are_found_by_state_and_trigger() -> None:
    """A host can ask the definition for what would fire."""
    assert [row.dest for row in COLLECTOR_CHANGE.rows("applying", "record_ticket")] == ["pending"]
    assert COLLECTOR_CHANGE.rows("approved", "submit") == ()


def test_the_collectors_definition_is_stored_with_each_change_by_its_name_and_version() -> None:
    """Another name would not find the changes that there are."""
    assert (COLLECTOR_CHANGE.name, COLLECTOR_CHANGE.version) == ("collector_change", 1)


def test_a_refusal_in_the_table_is_remembered() -> None:
    """The draft says why it came back, and may be submitted again."""
    refusal = ev.Refusal(number=1, owner="w1", remote_code=3900003, message="no such service", looked_up=True)
    draft = x.after(x.SENDING, (Trigger.REFUSE, refusal))

    assert draft.state == "draft"
    assert draft.expect_attempt().problem == "the gateway refused it (code 3900003): no such service"


@pytest.mark.parametrize("change", [x.SUSPECTED, attrs.evolve(x.FAILED_CALLBACK, suspicion=x.SUSPECTED.suspicion)])
def test_a_ticket_that_is_open_again_is_suspected_no_more(change: ChangeRequest) -> None:
    """Whichever state it waited in."""
    assert x.after(change, (Trigger.RESUME, x.snapshot())).suspicion is None


@pytest.mark.parametrize("known", [False, True])
def test_a_doubt_ends_the_wait_for_the_second_look(*, known: bool) -> None:
    """Two looks that agree are consecutive, also if a person knows of the doubt already."""
    doubt = ev.Concern(reason=AttentionReason.DISAGREEMENT, facts={"ticket": "7"})
    change = x.SUSPECTED
    if known:
        change = attrs.evolve(x.after(change, (Trigger.RAISE_ATTENTION, doubt)), suspicion=x.SUSPECTED.suspicion)

    assert x.after(change, (Trigger.RAISE_ATTENTION, doubt)).suspicion is None


def test_a_resend_has_dealt_with_what_was_heard_before() -> None:
    """Only a callback that comes later stops it."""
    heard = attrs.evolve(x.EXHAUSTED, heard=LastCallback(sn="REQ7", digest="d", at=x.later(2)))

    assert x.after(heard, (Trigger.RESEND, ev.Decision())).heard is None
