"""Two tickets with one number, and other approvals that the gateway cannot show: each ends, and none by itself."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import State
from itsm_workflow.change import AttentionReason, Outcome
from itsm_workflow.errors import InvalidForm, NotApproved, TransitionRefused
from itsm_workflow.machine.evidence import ApprovalAttested
from itsm_workflow.sandbox import Status
from tests.support.attention import reason_of
from tests.support.office import SUBJECT, asked, triggers
from tests.support.stores import EVERY_STORE

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Workflow
    from tests.support.office import Office

BOBS = {"approver": "carol", "evidence": "the ticket's page shows carol's approval"}


def with_twin(office: Office, workflow: Workflow) -> tuple[ChangeRequest, int]:
    """Apply, let the flow start, let another ticket take our number, and return the change and its ticket's id."""
    change = workflow.apply(subject=SUBJECT, **asked())
    office.pass_time()
    ticket = int(change.expect_ticket().id)
    office.sandbox.duplicate_sn(ticket)
    return change, ticket


def attest(workflow: Workflow, change: ChangeRequest, **given: Any) -> ChangeRequest:
    """Let olga attest what carol approved."""
    values = {"ticket_id": change.expect_ticket().id, "actor": "olga", **BOBS, **given}
    return workflow.attest_approval(change.id, **values)


@EVERY_STORE
def test_our_approval_under_a_shared_number_is_attested_by_an_operator(office: Office) -> None:
    """The result row never approves by itself; what was attested, by whom and on what evidence is there for good."""
    workflow = office.workflow()
    change, ticket = with_twin(office, workflow)
    office.decide(ticket, approved=True)
    for _ in range(3):
        office.pass_time(300)
        workflow.reconcile()
    assert (workflow.get(change.id).state, reason_of(workflow.get(change.id))) == (
        State.PENDING,
        AttentionReason.AMBIGUOUS_SN,
    )
    assert "attest its approval (attest_approval) or abandon" in workflow.why(change.id)
    with pytest.raises(NotApproved):
        workflow.require_approved(SUBJECT)

    approved = attest(workflow, change)

    assert (approved.state, approved.outcome, approved.attention) == (State.APPROVED, Outcome.APPROVED, None)
    assert workflow.require_approved(SUBJECT).id == change.id
    decision = workflow.status(change.id).decision
    assert decision is not None
    assert [(one.user, one.approved) for one in decision.deciders] == [("carol", True)]
    assert (decision.attested_by, decision.evidence) == ("olga", BOBS["evidence"])
    assert "carol approved it; attested by olga: the ticket's page shows carol's approval" in workflow.why(change.id)
    entry = workflow.history(change.id)[-1]
    assert (entry.trigger, entry.actor) == ("attest_approval", "olga")
    assert entry.evidence == ApprovalAttested(ticket_id=str(ticket), **BOBS)


def test_a_look_after_an_attested_approval_contradicts_nothing(office: Office) -> None:
    """A late callback is looked into: the gateway still cannot show the approval, and that is known."""
    workflow = office.workflow(after_callback="later")
    change, ticket = with_twin(office, workflow)
    office.decide(ticket, approved=True)
    workflow.reconcile()
    attest(workflow, change)
    office.pass_time()
    knock = office.door.knocks[-1].saying(updated_by="dave")
    workflow.receive(method="POST", path=knock.path, headers=knock.headers, body=knock.body)
    assert workflow.reconcile().due == 1

    settled = workflow.get(change.id)
    assert (settled.state, settled.attention, settled.contradictions) == (State.APPROVED, None, ())


@pytest.mark.parametrize("ending", [Outcome.WITHDRAWN, Outcome.TERMINATED])
def test_our_withdrawal_under_a_shared_number_ends_the_change(office: Office, ending: Outcome) -> None:
    """By the row that is read by id, after a second quiet look."""
    workflow = office.workflow()
    change, ticket = with_twin(office, workflow)
    (office.sandbox.withdraw if ending is Outcome.WITHDRAWN else office.sandbox.terminate)(ticket)
    assert triggers(workflow, change)[-1] == "suspect_ending"
    assert workflow.get(change.id).state == State.PENDING

    office.pass_time(60)
    workflow.reconcile()

    ended = workflow.get(change.id)
    assert (ended.state, ended.outcome, ended.attention) == (State.REJECTED, ending, None)


def test_a_twin_that_ends_decides_nothing_of_ours(office: Office) -> None:
    """However it ends; ours goes on to wait."""
    workflow = office.workflow()
    change, ticket = with_twin(office, workflow)
    twin = next(one.id for one in office.sandbox.tickets() if one.id != ticket)
    office.decide(twin, approved=False)
    office.pass_time(300)
    workflow.reconcile()

    assert (workflow.get(change.id).state, reason_of(workflow.get(change.id))) == (State.PENDING, None)


def test_an_unproven_approval_can_be_abandoned(office: Office) -> None:
    """The subject is free again, and the ticket's end is not a contradiction: it is the reason."""
    workflow = office.workflow(after_callback="later")
    change = workflow.apply(subject=SUBJECT, **asked())
    office.pass_time()
    with office.sandbox.locked() as ledger:
        ledger.end(ledger.by_id(int(change.expect_ticket().id)), Status.FINISHED, "passed", approve_result=True)
    workflow.settle(change.id)
    assert reason_of(workflow.get(change.id)) == AttentionReason.NO_APPROVAL_STEP

    given_up = workflow.abandon(change.id, actor="olga", reason="nobody approved it")

    assert (given_up.state, given_up.outcome) == (State.REJECTED, Outcome.ABANDONED)
    assert workflow.apply(subject=SUBJECT, **asked()).id != change.id


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ticket_id": "999"}, "ticket 999 is attested, but the change is bound to"),
        ({"actor": "alice"}, "the applicant alice cannot attest"),
        ({"actor": "carol"}, "carol cannot attest an approval by carol"),
        ({"actor": "ALICE"}, "the applicant alice cannot attest"),
        ({"actor": "\uff43arol"}, "cannot attest an approval by carol"),
    ],
)
def test_what_may_not_be_attested_is_refused_and_changes_nothing(
    office: Office, given: dict[str, str], said: str
) -> None:
    """Another ticket, the applicant's own word, the approver's own word."""
    workflow = office.workflow(after_callback="later")
    change, ticket = with_twin(office, workflow)
    office.decide(ticket, approved=True)
    workflow.reconcile()
    before = workflow.get(change.id)

    with pytest.raises(TransitionRefused, match=said):
        attest(workflow, change, **given)
    assert workflow.get(change.id) == before


NO_TEXT = ("", "  ", "a\nb", "a\x1b[2Jb", "a\u202eb", "a\0b", 7)
NO_USER = ("bob,carl", "bob carl", "b" * 300, "b" * 65, "b\u200bob", "bob\u3000", " bob")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *itertools.product(["approver", "evidence", "actor", "ticket_id"], NO_TEXT),
        *itertools.product(["approver", "actor"], NO_USER),
    ],
)
def test_a_value_that_people_cannot_read_or_no_user_has_is_refused_by_name(
    office: Office, field: str, value: object
) -> None:
    """It would stay with the change permanently; the checks of users are those of the people of a form."""
    workflow = office.workflow(after_callback="later")
    change, ticket = with_twin(office, workflow)
    office.decide(ticket, approved=True)
    workflow.reconcile()

    with pytest.raises(InvalidForm, match=f"{field}="):
        attest(workflow, change, **{field: value})


def test_an_open_ticket_is_not_for_an_operator_to_approve(office: Office) -> None:
    """Nor one of which the gateway shows all."""
    workflow = office.workflow(after_callback="later")
    change, _ = with_twin(office, workflow)
    workflow.reconcile()

    with pytest.raises(TransitionRefused, match="the gateway decides it"):
        attest(workflow, change)
