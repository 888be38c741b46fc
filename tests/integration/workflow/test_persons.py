"""What a person decides when the library cannot know: resend, abandon, bind a ticket that was found."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import State
from itsm_workflow.change import AttentionReason, Outcome, Phase
from itsm_workflow.errors import InvalidForm, StorageConflict, TransitionRefused
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, Trigger
from itsm_workflow.machine.definition import Transition
from tests.support.lost import apply_in_vain, file_behind_our_back, lose_every_answer
from tests.support.office import SUBJECT, Office, asked, triggers

if TYPE_CHECKING:
    from collections.abc import Callable


class Note(enum.StrEnum):
    """A trigger of a host's own."""

    NOTE = "note"


def test_resend_keeps_the_key_and_raises_the_number(office: Office) -> None:
    """A double would be visible; here there is one ticket."""
    workflow = office.workflow()
    change = apply_in_vain(office, workflow)

    sent = workflow.resend(change.id, actor="ops", reason="the gateway's log shows no create")

    attempt = sent.expect_attempt()
    assert (sent.state, attempt.number, attempt.key) == (State.PENDING, 2, change.expect_attempt().key)
    assert (sent.attention, office.only_ticket().tag) == (None, attempt.key)
    url = office.sandbox.bodies("create_ticket")[-1]["meta"]["callback_url"]
    assert url.endswith(f"/{change.id}/2/")


def test_callback_of_a_resent_ticket_is_believed(office: Office) -> None:
    """Its credential is that of the second attempt."""
    workflow = office.workflow()
    change = workflow.resend(apply_in_vain(office, workflow).id, actor="ops")

    office.approve(change)

    assert workflow.get(change.id).state == State.APPROVED


def test_a_resend_is_refused_while_there_may_be_a_ticket(office: Office) -> None:
    """Before the look-ups have shown that there is no ticket, a resend could make a second one."""
    workflow = office.workflow()
    lose_every_answer(office, "502", processed=False)
    change = workflow.apply(subject=SUBJECT, **asked())

    with pytest.raises(TransitionRefused, match="second ticket"):
        workflow.resend(change.id, actor="ops")

    assert workflow.get(change.id).expect_attempt().number == 1


def test_abandon_ends_the_change_and_frees_the_subject(office: Office) -> None:
    """The subject can be applied for again."""
    workflow = office.workflow()
    change = apply_in_vain(office, workflow)

    ended = workflow.abandon(change.id, actor="ops", reason="not needed any more")

    assert (ended.state, ended.outcome) == (State.REJECTED, Outcome.ABANDONED)
    assert workflow.history(change.id)[-1].actor == "ops"
    assert workflow.apply(subject=SUBJECT, **asked()).state == State.PENDING


def test_abandon_is_refused_while_a_ticket_may_turn_up_or_is_there(office: Office) -> None:
    """A ticket without a change would be left."""
    workflow = office.workflow()
    armed = lose_every_answer(office, "502", processed=False)
    lost = workflow.apply(subject=SUBJECT, **asked())
    with pytest.raises(TransitionRefused, match="may still appear"):
        workflow.abandon(lost.id, actor="ops")
    assert armed.hits == 1
    office.sandbox.faults.clear()

    filed = workflow.apply(subject="another", **asked())
    with pytest.raises(TransitionRefused):
        workflow.abandon(filed.id, actor="ops")
    assert workflow.get(filed.id).state == State.PENDING


def test_a_ticket_that_turns_up_after_the_end_is_reported_once(office: Office) -> None:
    """The change stays ended; attention is raised, and the same ticket does not raise it again."""
    workflow = office.workflow()
    change = apply_in_vain(office, workflow)
    workflow.abandon(change.id, actor="ops")
    born = str(file_behind_our_back(office, change))

    for _ in range(3):
        office.pass_time(6 * 3600)
        workflow.reconcile()

    now = workflow.get(change.id)
    assert now.attention is not None
    assert (now.state, now.outcome, now.attention.reason) == (
        State.REJECTED,
        Outcome.ABANDONED,
        AttentionReason.DUPLICATE,
    )
    assert now.attention.facts["ticket"] == born
    assert triggers(workflow, change).count("record_contradiction") == 1


def test_abandoned_change_is_looked_at_for_a_week_only(office: Office) -> None:
    """Then nothing more is due."""
    workflow = office.workflow()
    change = apply_in_vain(office, workflow)
    workflow.abandon(change.id, actor="ops")

    for _ in range(8 * 4):
        office.pass_time(6 * 3600)
        workflow.reconcile()
    calls = len(office.sandbox.calls)
    office.pass_time(30 * 86400)

    assert workflow.reconcile().due == 0
    assert [call.endpoint for call in office.sandbox.calls[calls:]] == ["callback_failed_ticket"]
    assert "nothing more is due" in workflow.why(change.id)


def test_ticket_that_a_person_found_is_bound(office: Office) -> None:
    """By its number; the gateway shows our key on it."""
    workflow = office.workflow()
    change = apply_in_vain(office, workflow)
    born = file_behind_our_back(office, change)
    sn = office.sandbox.ticket(born).sn

    bound = workflow.record_ticket(change.id, sn=sn, actor="ops")

    ticket = bound.expect_ticket()
    assert (bound.state, ticket.id, ticket.channel, bound.attention) == (State.PENDING, str(born), "operator", None)
    assert workflow.history(change.id)[-1].actor == "ops"


def test_ticket_of_another_creator_is_not_bound(office: Office) -> None:
    """Not on a number alone."""
    workflow = office.workflow()
    change = apply_in_vain(office, workflow)
    sn = office.sandbox.ticket(file_behind_our_back(office, change, creator="mallory")).sn

    with pytest.raises(TransitionRefused, match="mallory"):
        workflow.record_ticket(change.id, sn=sn, actor="ops")

    assert workflow.get(change.id) == change


def test_ticket_that_the_gateway_does_not_know_is_not_bound(office: Office) -> None:
    """A wrong number binds nothing."""
    workflow = office.workflow()
    change = apply_in_vain(office, workflow)

    with pytest.raises(TransitionRefused, match="shows 0 tickets with number REQ20260101000001"):
        workflow.record_ticket(change.id, sn="REQ20260101000001", actor="ops")


def test_of_two_tickets_with_one_number_the_one_with_the_id_is_bound(office: Office) -> None:
    """A number alone is refused, and the ids are listed."""
    workflow = office.workflow()
    change = apply_in_vain(office, workflow)
    born = file_behind_our_back(office, change)
    ours = office.sandbox.ticket(born)
    foreign = office.sandbox.duplicate_sn(born)

    with pytest.raises(TransitionRefused) as caught:
        workflow.record_ticket(change.id, sn=ours.sn, actor="ops")
    assert {str(ours.id), str(foreign.id)} <= set(caught.value.reason.replace(",", "").split())

    with pytest.raises(TransitionRefused, match="form: the gateway answers with code SERVER_500_ERROR"):
        workflow.record_ticket(change.id, sn=ours.sn, ticket_id=str(ours.id), actor="ops")

    seen = "compared by eye in the ticket system"
    bound = workflow.record_ticket(change.id, sn=ours.sn, ticket_id=str(ours.id), actor="ops", override=seen)
    assert bound.expect_ticket().id == str(ours.id)


def test_ticket_that_another_change_holds_is_not_bound(office: Office) -> None:
    """A ticket belongs to one change; the error says what the write lost on."""
    workflow = office.workflow()
    holder = workflow.apply(subject="another", **asked())
    change = apply_in_vain(office, workflow)

    with pytest.raises(StorageConflict) as caught:
        workflow.record_ticket(change.id, sn=holder.sn or "", actor="ops", override="it looks alike")

    assert (caught.value.kind, caught.value.change_id) == ("ticket", change.id)
    assert workflow.get(change.id) == change


def test_attention_is_cleared_by_a_person(office: Office) -> None:
    """Once; there is nothing to clear then."""
    workflow = office.workflow()
    change = apply_in_vain(office, workflow)

    cleared = workflow.clear_attention(change.id, actor="ops", reason="seen")

    assert (cleared.attention, cleared.expect_attempt().phase) == (None, Phase.UNKNOWN)
    with pytest.raises(TransitionRefused):
        workflow.clear_attention(change.id, actor="ops")


class Disguised:
    """An object that is not a trigger, and has the repr of one."""

    def __str__(self) -> str:
        return "approve"


class Operator(str, enum.Enum):  # noqa: UP042 - the kind whose `str` is its name
    """People, as older code writes them."""

    OLGA = "olga"


def test_a_decision_is_stored_with_the_own_value_of_each_text(office: Office) -> None:
    """Actor and reason, of any subclass of text; the entry that is notified is the one that is read again."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked(), actor=Operator.OLGA)
    workflow.withdraw(change.id, actor=Operator.OLGA, reason=Operator.OLGA)

    opened, asked_for = workflow.history(change.id)[0], workflow.history(change.id)[-1]
    assert (opened.actor, asked_for.actor, asked_for.evidence) == ("olga", "olga", ev.Decision(reason="olga"))
    assert "Operator" not in repr([workflow.get(change.id), workflow.history(change.id)]) + workflow.why(change.id)


def test_an_approval_cannot_be_fired_by_the_host(office: Office) -> None:
    """A snapshot that the host made up asks no gateway; the refusal names the method to call."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    ticket = change.expect_ticket()
    approved = ev.Snapshot(
        ticket_id=ticket.id,
        sn=ticket.sn,
        status=ev.TicketStatus.FINISHED,
        word="FINISHED",
        seen_at=office.clock.now(),
        result_status=ev.TicketStatus.FINISHED,
        approve_result=True,
        approval_step=True,
    )
    for name in ("approve", Trigger.APPROVE, Disguised()):
        with pytest.raises(TransitionRefused) as refused:
            workflow.fire(change.id, name, approved, actor="mallory")  # type: ignore[arg-type] # one is none

    assert "call Workflow.settle instead" in refused.value.reason
    assert refused.value.allowed == workflow.allowed(change.id) == ("withdraw", "fire(raise_attention)")
    assert workflow.get(change.id) == change


@pytest.mark.parametrize("trigger", sorted(set(Trigger) - {Trigger.RAISE_ATTENTION}))
def test_the_librarys_triggers_are_refused_with_the_method_to_call(office: Office, trigger: Trigger) -> None:
    """Wherever the table has them, whatever they bring; the methods that are named exist."""
    workflow = office.workflow()
    waiting = workflow.apply(subject=SUBJECT, **asked())
    ended = workflow.abandon(workflow.draft(subject="given up", **asked()).id, actor="ops")
    for change in (workflow.draft(subject="draft", **asked()), waiting, ended):
        for evidence in (ev.Decision(reason="r"), None):
            with pytest.raises(TransitionRefused) as refused:
                workflow.fire(change.id, trigger, evidence, actor="mallory")
            assert f"fire({trigger})" not in refused.value.allowed
            assert str(refused.value).startswith(f"{trigger} was refused in state {change.state}: ")
            if trigger in COLLECTOR_CHANGE.triggers(change.state):
                named = refused.value.reason.split("call Workflow.")[1].split()[0]
                assert callable(getattr(workflow, named))
        assert workflow.get(change.id) == change


def test_a_refused_decision_lists_what_can_be_done_now(office: Office) -> None:
    """By the names of the methods, as `allowed` and the command show list it; the guards have been asked."""
    workflow = office.workflow()
    draft = workflow.draft(subject="a draft", **asked())
    change = workflow.apply(subject=SUBJECT, **asked())
    calls: dict[str, Callable[[], object]] = {
        "resend": lambda: workflow.resend(change.id, actor="ops"),
        "submit": lambda: workflow.submit(change.id),
        "revise": lambda: workflow.revise(change.id, **asked()),
        "abandon": lambda: workflow.abandon(change.id, actor="ops"),
        "record_ticket": lambda: workflow.record_ticket(change.id, sn="REQ1", actor="ops"),
    }
    for name, call in calls.items():
        with pytest.raises(TransitionRefused) as refused:
            call()
        assert str(refused.value).startswith(f"{name} was refused in state pending: ")
        assert str(refused.value).endswith("; allowed now: withdraw, fire(raise_attention)")
        assert refused.value.allowed == workflow.allowed(change.id) == ("withdraw", "fire(raise_attention)")
    with pytest.raises(TransitionRefused, match=r"^withdraw was refused in state draft: ") as refused:
        workflow.withdraw(draft.id, actor="alice")
    assert str(refused.value).endswith("; allowed now: revise, submit, abandon, fire(raise_attention)")


@pytest.mark.parametrize("reason", sorted(set(AttentionReason) - {AttentionReason.HOST}))
def test_a_host_raises_no_reason_that_lets_a_person_decide(office: Office, reason: AttentionReason) -> None:
    """What the library would have to find first opens neither an attestation, nor a resend, nor an abandonment."""
    workflow = office.workflow()
    filed = workflow.apply(subject="filed", **asked())
    lose_every_answer(office, "502", processed=False)
    lost = workflow.apply(subject=SUBJECT, **asked())
    for change in (filed, lost):
        with pytest.raises(TransitionRefused, match=r"use AttentionReason\.HOST") as refused:
            workflow.fire(change.id, "raise_attention", ev.Concern(reason=reason), actor="mallory")
        assert (refused.value.trigger, workflow.get(change.id)) == ("raise_attention", change)

    with pytest.raises(TransitionRefused):
        workflow.attest_approval(
            filed.id, ticket_id=filed.expect_ticket().id, approver="bob", evidence="his mail", actor="olga"
        )
    with pytest.raises(TransitionRefused):
        workflow.resend(lost.id, actor="olga")
    for change in (filed, lost):
        with pytest.raises(TransitionRefused):
            workflow.abandon(change.id, actor="olga")


def test_a_host_raises_attention_with_its_own_reason(office: Office) -> None:
    """It is shown with its facts, allows no decision in the gateway's place, and a person clears it."""
    workflow = office.workflow()
    filed = workflow.apply(subject="filed", **asked())
    lose_every_answer(office, "502", processed=False)
    lost = workflow.apply(subject=SUBJECT, **asked())
    concern = ev.Concern(reason=AttentionReason.HOST, facts={"disk": "full"})
    for change in (filed, lost):
        raised = workflow.fire(change.id, "raise_attention", concern, actor="robot")
        assert raised.attention is not None
        assert "(Raised by the host: disk full)" in workflow.why(change.id)
        for decide in (workflow.resend, workflow.abandon):
            with pytest.raises(TransitionRefused):
                decide(change.id, actor="olga")
        assert workflow.clear_attention(change.id, actor="olga").attention is None
    with pytest.raises(TransitionRefused):
        workflow.attest_approval(
            filed.id, ticket_id=filed.expect_ticket().id, approver="bob", evidence="his mail", actor="olga"
        )


def test_evidence_that_is_too_large_once_it_is_written_is_refused_by_its_field(office: Office) -> None:
    """Escapes make a text six times as large as it was counted; the change stays as it is."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    large = ev.Concern(reason=AttentionReason.HOST, facts={"log": "\x01" * 10**6})
    with pytest.raises(InvalidForm) as refused:
        workflow.fire(change.id, "raise_attention", large, actor="robot")
    assert [(field, value) for field, value, _ in refused.value.problems] == [("facts", "<6000010 bytes>")]
    assert workflow.get(change.id) == change
    assert workflow.fire(change.id, "raise_attention", attrs.evolve(large, facts={"log": "x"}), actor="robot").attention


def test_data_that_are_too_large_once_they_are_written_are_refused(office: Office) -> None:
    """They are the host's own update's."""
    mine = Transition(
        trigger=Note.NOTE,
        sources=(State.PENDING,),
        dest=None,
        evidence=ev.Decision,
        update=lambda facts: attrs.evolve(facts.change, data={"log": "\x01" * 10**6}),
    )
    definition = attrs.evolve(COLLECTOR_CHANGE, transitions=(*COLLECTOR_CHANGE.transitions, mine))
    workflow = office.workflow(definition=definition)
    change = workflow.apply(subject=SUBJECT, **asked())
    with pytest.raises(InvalidForm, match=r"data=<6000010 bytes>: must have at most 4194304 bytes as JSON"):
        workflow.fire(change.id, Note.NOTE, ev.Decision(), actor="robot")
    assert workflow.get(change.id) == change
