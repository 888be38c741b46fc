"""Look-ups that could not be asked: the gateway is asked again within minutes, and an operator's own look counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import State
from itsm_workflow.change import AttentionReason
from itsm_workflow.errors import InvalidForm, TransitionRefused
from itsm_workflow.machine.evidence import AbsenceAttested, Decision
from tests.support.attention import reason_of
from tests.support.lost import file_behind_our_back, lose_every_answer, use_up_lookups
from tests.support.office import SUBJECT, asked, triggers
from tests.support.stores import EVERY_STORE

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Workflow
    from tests.support.office import Office

LOOKED = "BK-ITSM's list of tickets by alice, read by olga on 27 November: none since Monday"


def lookups_failed(office: Office, workflow: Workflow) -> ChangeRequest:
    """Apply with a create that is never carried out, and with look-ups that cannot be asked."""
    lose_every_answer(office, "502", processed=False)
    office.sandbox.faults.status("get_tickets", 502, always=True)
    change = workflow.apply(subject=SUBJECT, **asked())
    use_up_lookups(office, workflow)
    after = workflow.get(change.id)
    assert reason_of(after) is AttentionReason.LOOKUP_FAILED
    return after


def only_lookups_fail(office: Office) -> None:
    """Let creates pass again."""
    office.sandbox.faults.clear()
    office.sandbox.faults.status("get_tickets", 502, always=True)


def test_the_gateway_is_asked_again_within_minutes(office: Office) -> None:
    """An hour is for a gateway that has answered: one that could not be asked may be back."""
    workflow = office.workflow()
    change = lookups_failed(office, workflow)
    office.sandbox.faults.clear()
    born = file_behind_our_back(office, change)

    office.pass_time(300)
    workflow.reconcile()

    found = workflow.get(change.id)
    assert (found.state, found.expect_ticket().id, found.attention) == (State.PENDING, str(born), None)


def test_an_absence_that_the_gateway_finally_shows_is_left_to_a_person(office: Office) -> None:
    """Once it answers, no other evidence is needed; it is asked each hour from then on."""
    workflow = office.workflow()
    change = lookups_failed(office, workflow)
    office.sandbox.faults.clear()
    for _ in range(2):
        office.pass_time(300)
        workflow.reconcile()

    attention = workflow.get(change.id).attention
    assert attention is not None
    assert attention.reason is AttentionReason.NOT_FOUND
    asked_before = len(office.sandbox.bodies("get_tickets"))
    office.pass_time(300)
    workflow.reconcile()
    assert len(office.sandbox.bodies("get_tickets")) == asked_before
    assert workflow.resend(change.id, actor="olga", reason="it is not there").state == State.PENDING


@EVERY_STORE
def test_an_operator_who_looked_resends_and_the_history_keeps_the_word(office: Office) -> None:
    """The same key, the next number, and what the operator relied on."""
    workflow = office.workflow()
    change = lookups_failed(office, workflow)
    only_lookups_fail(office)

    sent = workflow.resend(change.id, actor="olga", reason="the space waits for it", evidence=LOOKED)

    assert (sent.state, sent.expect_attempt().number, len(office.sandbox.tickets())) == (State.PENDING, 2, 1)
    [entry] = [entry for entry in workflow.history(change.id) if entry.trigger == "resend"]
    assert entry.actor == "olga"
    assert entry.evidence == AbsenceAttested(reason="the space waits for it", evidence=LOOKED)


def test_without_evidence_it_stays_refused(office: Office) -> None:
    """And the refusal says what is wanted."""
    workflow = office.workflow()
    change = lookups_failed(office, workflow)
    only_lookups_fail(office)

    with pytest.raises(TransitionRefused, match="who has checked the ticket system can resend with evidence of that"):
        workflow.resend(change.id, actor="olga", reason="the look-ups failed")

    assert office.sandbox.tickets() == ()
    assert workflow.get(change.id) == change


@pytest.mark.parametrize("evidence", [" ", "\u3000", "two\nlines", "\u202eback", 7, None])
def test_evidence_that_cannot_be_read_again_is_refused(office: Office, evidence: str) -> None:
    """It stays in the history, for people."""
    workflow = office.workflow()
    change = lookups_failed(office, workflow)

    with pytest.raises(InvalidForm) as caught:
        workflow.resend(change.id, actor="olga", evidence=evidence)

    assert [field for field, _, _ in caught.value.problems] == ["evidence"]
    assert workflow.get(change.id) == change


def test_before_the_look_ups_end_no_word_counts(office: Office) -> None:
    """A request may still be on its way."""
    workflow = office.workflow()
    lose_every_answer(office, "502", processed=False)
    office.sandbox.faults.status("get_tickets", 502, always=True)
    change = workflow.apply(subject=SUBJECT, **asked())

    with pytest.raises(TransitionRefused, match="have not shown yet"):
        workflow.resend(change.id, actor="olga", reason="hurry", evidence=LOOKED)


def test_a_ticket_that_the_gateway_shows_at_last_is_not_doubled(office: Office) -> None:
    """The word was wrong: the look right before the send finds the ticket."""
    workflow = office.workflow()
    change = lookups_failed(office, workflow)
    office.sandbox.faults.clear()
    born = file_behind_our_back(office, change)
    office.pass_time(60)  # the gateway is not left alone any more

    after = workflow.resend(change.id, actor="olga", reason="hurry", evidence=LOOKED)

    assert [ticket.id for ticket in office.sandbox.tickets()] == [born]
    office.pass_time(1)
    workflow.reconcile()
    assert workflow.get(after.id).expect_ticket().id == str(born)


def test_evidence_is_accepted_where_the_look_ups_showed_the_absence(office: Office) -> None:
    """It is stored in addition to the gateway's answers."""
    workflow = office.workflow()
    lose_every_answer(office, "502", processed=False)
    change = workflow.apply(subject=SUBJECT, **asked())
    use_up_lookups(office, workflow)
    office.sandbox.faults.clear()

    workflow.resend(change.id, actor="olga", evidence=LOOKED)

    assert "resend" in triggers(workflow, change)
    assert len(office.sandbox.tickets()) == 1


def test_the_library_and_the_host_attest_nothing(office: Office) -> None:
    """The evidence is a person's word: a host cannot fire the trigger, and a decision without it is not enough."""
    workflow = office.workflow()
    change = lookups_failed(office, workflow)

    with pytest.raises(TransitionRefused, match=r"call Workflow\.resend instead"):
        workflow.fire(change.id, "resend", AbsenceAttested(evidence=LOOKED), actor="host")
    assert not hasattr(Decision(), "evidence")
    assert [field.name for field in attrs.fields(AbsenceAttested)] == ["evidence", "reason"]
