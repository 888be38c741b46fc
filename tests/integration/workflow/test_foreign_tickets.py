"""A ticket that carries a change's key and is not what the change would have sent is never bound by itself."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import Policy, State
from itsm_workflow.change import AttentionReason
from itsm_workflow.errors import InvalidForm, NotApproved, StorageConflict, TransitionRefused
from itsm_workflow.machine import evidence as ev
from itsm_workflow.sandbox import Draft, FieldSpec, Service, acting
from itsm_workflow.sandbox.services import DEFAULT_SERVICES, TITLE
from itsm_workflow.testing.manual_clock import ManualClock
from itsm_workflow_backends.memory import MemoryBackend
from tests.support.lost import apply_in_vain, file_behind_our_back, lose_every_answer, use_up_lookups
from tests.support.office import SUBJECT, Office, asked

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Workflow

HER_OWN_SERVICE = 9


@pytest.fixture
def lost(office: Office) -> tuple[Workflow, ChangeRequest]:
    """Return a workflow, and a change whose create broke off."""
    workflow = office.workflow()
    lose_every_answer(office, "502", processed=False)
    change = workflow.apply(subject=SUBJECT, **asked())
    office.sandbox.faults.clear()
    return workflow, change


def approve(office: Office, ticket_id: int, approver: str) -> None:
    """Let the ticket be approved."""
    office.pass_time(5)
    with office.sandbox.locked() as ledger:
        acting.decide(ledger, ledger.by_id(ticket_id), approver, approved=True, remark="")
    office.pass_time(5)


def attention_of(workflow: Workflow, change: ChangeRequest) -> tuple[AttentionReason, str]:
    """Return the reason and the facts of the attention."""
    attention = workflow.get(change.id).attention
    assert attention is not None
    return attention.reason, " ".join(attention.facts.values())


def test_a_ticket_that_the_applicant_approves_herself_does_not_approve_her_change(
    office: Office, lost: tuple[Workflow, ChangeRequest]
) -> None:
    """She files it in another service, with the title suffix that she knows, and names herself as the approver."""
    workflow, change = lost
    hers = file_behind_our_back(office, change, service=HER_OWN_SERVICE, approvers=("alice",))
    approve(office, hers, "alice")

    use_up_lookups(office, workflow)

    found = workflow.get(change.id)
    assert (found.state, found.ticket, found.outcome) == (State.APPLYING, None, None)
    reason, facts = attention_of(workflow, change)
    assert reason is AttentionReason.MISMATCH
    assert f"ticket {hers}: service: sent 2, shows {HER_OWN_SERVICE}" in facts


def test_a_ticket_whose_text_differs_where_a_tag_may_be_is_not_bound_and_opens_no_gate(office: Office) -> None:
    """What the server makes of such a text is not known: the ticket is looked at again, and then by a person."""
    workflow = office.workflow()
    lose_every_answer(office, "502", processed=False)
    asks = asked() | {"content": "UPDATE users SET admin=1 WHERE id<u AND role='root' AND age>0"}
    change = workflow.apply(subject=SUBJECT, **asks)
    office.sandbox.faults.clear()
    harmless = "UPDATE users SET admin=1 WHERE id<u_no_such_id AND 1=0 /* a test */ AND age>0"
    file_behind_our_back(office, change, content=harmless)

    use_up_lookups(office, workflow)

    assert workflow.get(change.id).ticket is None
    assert attention_of(workflow, change)[0] is AttentionReason.LOOKUP_FAILED
    assert "field APPROVAL_CONTENT: not comparable, since the server rewrites HTML: sent " in workflow.why(change.id)
    with pytest.raises(NotApproved):
        workflow.require_approved(SUBJECT)


def test_a_ticket_whose_text_with_tags_is_shown_as_it_was_sent_is_bound(office: Office) -> None:
    """A text is equal to itself, whatever it holds."""
    workflow = office.workflow()
    lose_every_answer(office, "lost", processed=True)
    change = workflow.apply(subject=SUBJECT, **(asked() | {"content": "<b>id<u</b> & 'x' > 0"}))
    assert change.state == State.PENDING


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        ({"approvers": ("alice",)}, "approvers: sent carol,dave, shows alice"),
        ({"service": HER_OWN_SERVICE}, f"service: sent 2, shows {HER_OWN_SERVICE}"),
        ({"creator": "mallory"}, "creator: sent alice, shows mallory"),
    ],
)
def test_each_part_must_be_what_was_sent(
    office: Office, lost: tuple[Workflow, ChangeRequest], wrong: dict[str, Any], part: str
) -> None:
    """A person is shown both sides."""
    workflow, change = lost
    file_behind_our_back(office, change, **wrong)
    office.pass_time(2)
    workflow.reconcile()

    reason, facts = attention_of(workflow, change)
    assert (reason, part in facts) == (AttentionReason.MISMATCH, True)
    assert part in workflow.why(change.id)
    assert workflow.get(change.id).ticket is None


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        ({"APPROVER": "mallory"}, "approvers: sent nothing, shows mallory"),
        ({"reason": "only a test"}, "field reason: sent nothing, shows only a test"),
    ],
)
def test_a_ticket_that_fills_in_what_was_not_sent_is_not_bound(more: dict[str, str], shown: str) -> None:
    """She names a friend as the approver, whom the host left to the service, or tells the approvers something."""
    form = (TITLE, FieldSpec(id=90, key="cluster", type="STRING", name="集群"))
    optional = tuple(FieldSpec(id=91, key=key, type="TEXT", name=key, required=False) for key in ("APPROVER", "reason"))
    service = Service(id=77, name="optional", form=(*form, *optional), open_form=False, approvers=("carol",))
    with Office("memory://", services=(service, *DEFAULT_SERVICES)) as office:
        workflow = office.workflow(office.settings(fast_approval=False, service_id=77, approver_field="APPROVER"))
        lose_every_answer(office, "502", processed=False)
        asks = asked(approvers=(), fields={"cluster": "c1"})
        change = workflow.apply(subject=SUBJECT, **asks)
        office.sandbox.faults.clear()
        title = f"{change.form.title} #{change.expect_attempt().key[-8:]}"
        people = (more.get("APPROVER", "carol"),)
        with office.sandbox.locked() as ledger:
            values = {"title": title, "cluster": "c1", **more}
            hers = ledger.file(
                Draft(title=title, creator="alice", service=service, values=values, approvers=people, tag="")
            ).id
        approve(office, hers, people[0])

        use_up_lookups(office, workflow)

        assert workflow.get(change.id).ticket is None
        assert shown in attention_of(workflow, change)[1]
        with pytest.raises(NotApproved):
            workflow.require_approved(SUBJECT)


def test_the_true_ticket_is_bound_beside_a_forged_one(office: Office, lost: tuple[Workflow, ChangeRequest]) -> None:
    """The forgery is reported, and keeps nothing away."""
    workflow, change = lost
    file_behind_our_back(office, change, approvers=("alice",))
    office.pass_time(2)
    workflow.reconcile()
    ours = file_behind_our_back(office, change)
    office.pass_time(5)
    workflow.reconcile()

    found = workflow.get(change.id)
    assert (found.state, found.expect_ticket().id) == (State.PENDING, str(ours))
    assert attention_of(workflow, change)[0] is AttentionReason.MISMATCH


def test_a_forged_ticket_keeps_an_automatic_resend_away(office: Office) -> None:
    """It may be what became of the lost create; a person decides."""
    workflow = office.workflow(policy=Policy(resends=1))
    lose_every_answer(office, "502", processed=False)
    change = workflow.apply(subject=SUBJECT, **asked())
    office.sandbox.faults.clear()
    hers = file_behind_our_back(office, change, approvers=("alice",))

    use_up_lookups(office, workflow)
    office.pass_time(3600)
    workflow.reconcile()

    assert [ticket.id for ticket in office.sandbox.tickets()] == [hers]
    assert workflow.get(change.id).expect_attempt().number == 1


def test_a_person_cannot_resend_beside_a_forged_ticket(office: Office) -> None:
    """The look-ups had found none; then it turned up."""
    workflow = office.workflow()
    change = apply_in_vain(office, workflow)
    file_behind_our_back(office, change, approvers=("alice",))
    workflow.settle(change.id)

    with pytest.raises(TransitionRefused, match="a ticket carries its key"):
        workflow.resend(change.id, actor="ops")
    assert workflow.abandon(change.id, actor="ops", reason="filed anew").state == State.REJECTED


def test_a_ticket_that_differs_is_bound_by_an_operators_recorded_override_alone(office: Office) -> None:
    """Without it the error shows what differs; with it the history keeps both."""
    workflow = office.workflow()
    change = apply_in_vain(office, workflow)
    sn = office.sandbox.ticket(file_behind_our_back(office, change, approvers=("erin",))).sn

    with pytest.raises(TransitionRefused, match="approvers: sent carol,dave, shows erin; an operator can record it"):
        workflow.record_ticket(change.id, sn=sn, actor="ops")
    with pytest.raises(InvalidForm, match="override"):
        workflow.record_ticket(change.id, sn=sn, actor="ops", override="  ")
    assert workflow.get(change.id) == change

    bound = workflow.record_ticket(change.id, sn=sn, actor="ops", override="erin stands in for carol")

    recorded = workflow.history(change.id)[-1]
    assert (bound.state, recorded.actor) == (State.PENDING, "ops")
    assert isinstance(recorded.evidence, ev.TicketConfirmed)
    assert recorded.evidence.override == "erin stands in for carol"
    assert recorded.evidence.differences == ("approvers: sent carol,dave, shows erin",)


@pytest.mark.parametrize("actor", ["alice", "Alice", "ALICE"])
def test_the_applicant_cannot_override_what_differs(office: Office, actor: str) -> None:
    """With a ticket of another day, which carol approved for something else, she would approve her own change."""
    workflow = office.workflow()
    title = "lunch on Friday"
    with office.sandbox.locked() as ledger:
        values = {"title": title, "APPROVER": "carol", "APPROVAL_CONTENT": title}
        service = ledger.services[2]
        draft = Draft(title=title, creator="alice", service=service, values=values, approvers=("carol",), tag="")
        lunch = ledger.file(draft)
    approve(office, lunch.id, "carol")
    office.pass_time(86400)
    change = apply_in_vain(office, workflow)

    with pytest.raises(TransitionRefused, match="the applicant alice cannot override that: another person must"):
        workflow.record_ticket(change.id, sn=lunch.sn, actor=actor, override="it is mine")
    assert workflow.get(change.id) == change
    with pytest.raises(NotApproved):
        workflow.require_approved(SUBJECT)


def test_the_applicant_records_a_ticket_that_is_what_was_sent(office: Office) -> None:
    """Nothing of it is left to her word, with a reason or without one."""
    workflow = office.workflow()
    change = apply_in_vain(office, workflow)
    sn = office.sandbox.ticket(file_behind_our_back(office, change)).sn
    office.pass_time(5)

    assert workflow.record_ticket(change.id, sn=sn, actor="alice", override="found it").state == State.PENDING


def test_a_ticket_that_an_operator_bound_decides_the_change_although_it_differs(office: Office) -> None:
    """What differs was shown to the operator, who said why it is ours all the same."""
    workflow = office.workflow()
    change = apply_in_vain(office, workflow)
    ticket = file_behind_our_back(office, change, key=change.expect_attempt().key[::-1])
    bound = workflow.record_ticket(change.id, sn=str(office.sandbox.ticket(ticket).sn), actor="ops", override="it is")
    assert "title: sent" in str(workflow.history(change.id)[-1].evidence)

    office.approve(bound)
    workflow.settle(change.id)

    assert workflow.get(change.id).state == State.APPROVED


def test_a_ticket_of_another_change_names_that_change(office: Office) -> None:
    """Trying again would change nothing; nothing is stored."""
    workflow = office.workflow()
    other = workflow.apply(subject="collector-7", title="t", applicant="alice", approvers=["carol"])
    change = apply_in_vain(office, workflow)

    with pytest.raises(StorageConflict, match=rf"is the ticket of collector-7 \(change {other.id}\)") as caught:
        workflow.record_ticket(change.id, sn=str(other.sn), actor="ops", override="it is ours")

    assert (caught.value.kind, caught.value.holder) == ("ticket", other.id)
    assert workflow.get(change.id) == change


def test_an_operator_is_shown_every_difference_of_a_ticket_that_carries_another_key(office: Office) -> None:
    """Also the approvers and the fields, which a row of the list does not hold; the history keeps them all."""
    workflow = office.workflow()
    change = apply_in_vain(office, workflow)
    key = change.expect_attempt().key[::-1]
    sn = office.sandbox.ticket(file_behind_our_back(office, change, key=key, approvers=("erin",), content="other")).sn
    office.pass_time(5)

    with pytest.raises(TransitionRefused) as refused:
        workflow.record_ticket(change.id, sn=sn, actor="ops")
    workflow.record_ticket(change.id, sn=sn, actor="ops", override="it is ours")

    recorded = workflow.history(change.id)[-1].evidence
    assert isinstance(recorded, ev.TicketConfirmed)
    parts = [part.split(":")[0] for part in recorded.differences]
    assert parts == ["key", "title", "people asked", "approvers", "field APPROVAL_CONTENT"]
    assert all(part in str(refused.value) for part in recorded.differences)


def test_a_ticket_that_was_approved_before_the_change_existed_is_not_bound_by_its_number(office: Office) -> None:
    """An operator who is handed an old number binds nothing by it."""
    elsewhere, workflow = office.workflow(storage=MemoryBackend()), office.workflow()
    old = elsewhere.apply(subject="another", **asked()).expect_ticket()
    approve(office, int(old.id), "carol")
    elsewhere.reconcile()
    office.pass_time(3600)
    change = apply_in_vain(office, workflow)

    with pytest.raises(TransitionRefused, match="made: not before"):
        workflow.record_ticket(change.id, sn=old.sn, actor="ops")
    assert workflow.get(change.id).ticket is None


@pytest.mark.parametrize(("minutes", "state"), [(9, State.PENDING), (11, State.APPLYING)])
def test_our_clock_may_be_ahead_of_the_gateways_by_what_the_policy_allows(
    office: Office, minutes: int, state: State
) -> None:
    """A ticket that seems to be older than its change is shown to a person."""
    ahead = ManualClock(office.clock.peek() + dt.timedelta(minutes=minutes))
    workflow = office.workflow(clock=ahead)
    lose_every_answer(office, "lost", processed=True)

    change = workflow.apply(subject=SUBJECT, **asked())

    assert change.state == state
    if state == State.APPLYING:
        assert attention_of(workflow, change)[0] is AttentionReason.MISMATCH
        assert "made: not before" in attention_of(workflow, change)[1]
