"""A change that no row moves is found if rows move others in its state, unless it was given to a person."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import Form
from itsm_workflow.change import Attention, AttentionReason
from itsm_workflow.lint.stuck import stuck_findings
from itsm_workflow.lint.trials import Situation, Trials
from itsm_workflow.lint.work import Work
from itsm_workflow.machine.engine import open_change
from tests.support import meanings, tries
from tests.support.meanings import Stage, Verb

if TYPE_CHECKING:
    from itsm_workflow import WorkflowDefinition

NOW = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)


def situation(count: int, state: str = "granted") -> Situation:
    """Return a change after a number of tries."""
    drafted, _ = open_change(
        meanings.order(),
        change_id="01HY2V8Q0000000000000000AB",
        subject="subject-1",
        form=Form(title="a title", applicant="alice", approvers=("bob",)),
        now=NOW,
        actor="alice",
    )
    change = attrs.evolve(drafted, state=state, round=1, data={"count": count})
    return Situation(change=change, seq=2, now=NOW)


def messages(definition: WorkflowDefinition, *met: Situation) -> list[str]:
    """Return the findings about these changes."""
    trials = Trials(definition, Work(definition))
    for one in met:
        trials.situations[one.change.state].append(one)
    found = list(stuck_findings(definition, trials))
    assert {(one.check, one.severity.value) for one in found} <= {("stuck", "doubt")}
    return [one.message for one in found]


def test_the_message_names_the_data_and_what_to_add() -> None:
    """So that the author sees which tries are used up."""
    [message] = messages(tries.that_uses_up_its_tries(), situation(0), situation(3))
    assert message == (
        "no sample moves a change in granted with the data {'count': 3} after 1 submissions, as it moves others "
        "there, so it never leaves; add a row that passes after the last try, or raise attention in the update of "
        "that try"
    )


def test_used_up_submissions_are_found_with_a_change_that_was_submitted_once() -> None:
    """A gateway may refuse a change any number of times before one ticket is filed."""
    [message] = messages(tries.that_uses_up_its_tries(), situation(0, "failed"))
    assert "in failed with the data {'count': 0} after 1000 submissions" in message


@pytest.mark.parametrize("count", [0, 3])
def test_a_state_in_which_all_changes_are_alike_is_left(count: int) -> None:
    """All go on; or none does, which is the finding of another check."""
    assert messages(tries.that_uses_up_its_tries(), situation(count)) == []


def test_a_change_that_was_given_to_a_person_is_left() -> None:
    """Its attention is there, or was cleared by the person."""
    last = situation(3)
    raised = attrs.evolve(last.change, attention=Attention(reason=AttentionReason.HOST, since=NOW))
    definition = tries.that_uses_up_its_tries()
    assert messages(definition, situation(0), attrs.evolve(last, change=raised)) == []
    assert messages(definition, situation(0), attrs.evolve(last, was_cleared=True)) == []


def test_a_row_that_only_adds_facts_may_still_help() -> None:
    """The host's own, which may change what the guards read."""
    reset = meanings.row(Verb.NOTE, Stage.GRANTED, None)
    assert messages(tries.with_tries(reset), situation(0), situation(3)) == []


def test_the_trials_note_that_attention_was_cleared() -> None:
    """Also of what follows, and of no change whose attention was never cleared."""
    counted = meanings.order(meanings.row(Verb.COUNT, Stage.GRANTED, None, update=meanings.tallied))
    raised = Attention(reason=AttentionReason.HOST, since=NOW)
    last = situation(0)
    given = attrs.evolve(last, change=attrs.evolve(last.change, attention=raised))
    for start, trigger, was_cleared in (
        (given, "clear_attention", True),
        (attrs.evolve(last, was_cleared=True), "count", True),
        (last, "count", False),
    ):
        trials = Trials(counted, Work(counted))
        trials._try(start, trigger)
        assert {was_cleared} == {one.was_cleared for one in trials.situations["granted"]}
