"""Only an approval by an approver counts, and who gave it is shown for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow import Effect, Policy, State
from itsm_workflow.change import AttentionReason
from itsm_workflow.errors import TransitionRefused
from itsm_workflow.machine.approval import collector_change
from itsm_workflow.machine.approval_rule import ApprovalPolicy
from itsm_workflow.machine.evidence import Concern, Snapshot
from itsm_workflow.sandbox import Status, acting
from tests.support.attention import reason_of
from tests.support.office import SUBJECT, asked, triggers

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, EffectCall, Workflow
    from itsm_workflow.machine.approval_rule import SelfApproval
    from tests.support.office import Office


def filed(office: Office, workflow: Workflow, *approvers: str) -> tuple[ChangeRequest, int]:
    """Apply, let the flow start, and return the change and its ticket's id."""
    change = workflow.apply(subject=SUBJECT, **asked(approvers=approvers or ("carol", "dave")))
    office.pass_time()
    return change, int(change.expect_ticket().id)


def transfer(office: Office, ticket: int, operator: str, to: str) -> None:
    """Hand the approval step over."""
    with office.sandbox.locked() as ledger:
        acting.transfer(ledger, ledger.by_id(ticket), operator, [to])


def test_a_ticket_that_was_only_transferred_is_not_approved(office: Office) -> None:
    """The step's log has a line of the approval step, and no person approved: the flow let the ticket pass."""
    workflow = office.workflow(after_callback="later")
    change, ticket = filed(office, workflow)
    transfer(office, ticket, "carol", "erin")
    with office.sandbox.locked() as ledger:
        ledger.end(ledger.by_id(ticket), Status.FINISHED, "passed by the flow", approve_result=True)

    settled = workflow.settle(change.id)

    assert (settled.state, reason_of(workflow.get(change.id))) == (State.PENDING, AttentionReason.NO_APPROVAL_STEP)
    assert "waits for carol" not in workflow.why(change.id)


def test_an_approval_after_a_transfer_counts_and_names_who_gave_it(office: Office) -> None:
    """The form named others; who may decide is the ticket system's business, and who did is shown everywhere."""
    workflow = office.workflow()
    change, ticket = filed(office, workflow)
    transfer(office, ticket, "carol", "erin")
    office.sandbox.approve(ticket, approver="erin", remark="looks good")
    office.pass_time()

    approved = workflow.get(change.id)

    assert (approved.state, approved.attention) == (State.APPROVED, None)
    assert approved.decision is not None
    assert [(one.user, one.approved, one.remark) for one in approved.decision.deciders] == [
        ("erin", True, "looks good")
    ]
    assert workflow.status(change.id).decision == approved.decision
    assert "erin approved it: looks good" in workflow.why(change.id)
    seen = workflow.history(change.id)[-1].evidence
    assert isinstance(seen, Snapshot)
    assert seen.deciders == approved.decision.deciders


def test_who_refused_and_why_is_shown(office: Office) -> None:
    """The remark of a refusal is what the applicant wants to know."""
    workflow = office.workflow()
    change, ticket = filed(office, workflow)
    office.sandbox.reject(ticket, approver="dave", remark="not this week")
    office.pass_time()

    assert workflow.get(change.id).state == State.REJECTED
    assert "dave refused it: not this week" in workflow.why(change.id)


def test_an_approval_by_the_applicant_raises_attention_in_the_same_commit(office: Office) -> None:
    """By default it counts, and a person is called; nothing is in between."""
    workflow = office.workflow()
    change, ticket = filed(office, workflow, "alice")
    office.sandbox.approve(ticket, approver="alice")
    office.pass_time()

    approved = workflow.get(change.id)

    assert triggers(workflow, change)[-1] == "approve"
    assert (approved.state, reason_of(workflow.get(change.id))) == (State.APPROVED, AttentionReason.SELF_APPROVED)
    assert workflow.clear_attention(change.id, actor="olga", reason="alice is on call").attention is None


@pytest.mark.parametrize("setting", ["attention", "refuse"])
@pytest.mark.parametrize("spelling", ["alice", "Alice", "\uff41lice"])
def test_an_applicant_who_approved_alone_cannot_clear_the_attention(
    office: Office, setting: SelfApproval, spelling: str
) -> None:
    """This holds for every spelling of the name; otherwise the attention would reach no other person."""
    workflow = office.workflow(definition=collector_change(ApprovalPolicy(self_approval=setting)))
    change, ticket = filed(office, workflow, "alice")
    office.sandbox.approve(ticket, approver="alice")
    office.pass_time()

    with pytest.raises(TransitionRefused, match="the applicant alice approved the ticket alone") as refused:
        workflow.clear_attention(change.id, actor=spelling, reason="all is well")

    assert refused.value.trigger == "clear_attention"
    assert reason_of(workflow.get(change.id)) == AttentionReason.SELF_APPROVED
    workflow.clear_attention(change.id, actor="olga")
    assert triggers(workflow, change).count("clear_attention") == 1


def test_another_attention_does_not_replace_the_review_of_an_approval_by_the_applicant(office: Office) -> None:
    """It is raised in its place, and as soon as it is cleared or resolved, another person is asked for again."""

    def fail(_call: EffectCall) -> None:
        if broken:
            raise OSError("disk full")

    broken = [True]
    policy = Policy(effect_attempts=1)
    workflow = office.workflow(effects={State.APPROVED: [Effect("start", fail)]}, policy=policy)
    change, ticket = filed(office, workflow, "alice")
    office.sandbox.approve(ticket, approver="alice")
    office.pass_time()
    assert reason_of(workflow.get(change.id)) == AttentionReason.EFFECT_PARKED
    assert "a person other than the applicant" in workflow.why(change.id)

    assert workflow.clear_attention(change.id, actor="alice").attention is not None
    assert reason_of(workflow.get(change.id)) == AttentionReason.SELF_APPROVED
    concern = Concern(reason=AttentionReason.HOST, facts={"why": "odd"})
    workflow.fire(change.id, "raise_attention", concern, actor="host")
    entries = len(workflow.history(change.id))
    workflow.fire(change.id, "raise_attention", concern, actor="host")
    assert len(workflow.history(change.id)) == entries, "the same concern again is no news"
    assert reason_of(workflow.get(change.id)) == AttentionReason.SELF_APPROVED
    assert "host why odd" in workflow.why(change.id)
    with pytest.raises(TransitionRefused, match="the applicant alice approved the ticket alone"):
        workflow.clear_attention(change.id, actor="alice")

    broken.clear()
    workflow.retry_effect(change.id, workflow.get(change.id).effects[0].id, actor="alice")
    assert reason_of(workflow.get(change.id)) == AttentionReason.SELF_APPROVED
    assert workflow.clear_attention(change.id, actor="olga").attention is None


def test_a_repeated_clear_does_not_clear_a_review_that_nobody_saw(office: Office) -> None:
    """The facts of the first attention name the approval by the applicant; clearing it clears both."""
    policy = Policy(effect_attempts=1)
    workflow = office.workflow(effects={State.APPROVED: [Effect("start", _fail)]}, policy=policy)
    change, ticket = filed(office, workflow, "alice")
    office.sandbox.approve(ticket, approver="alice")
    office.pass_time()
    assert "a person other than the applicant" in workflow.why(change.id)

    assert workflow.clear_attention(change.id, actor="olga", reason="looked at").attention is None
    with pytest.raises(TransitionRefused, match="no attention is raised"):
        workflow.clear_attention(change.id, actor="olga", reason="looked at")


def _fail(_call: EffectCall) -> None:
    raise OSError("disk full")


def test_attention_for_another_reason_is_the_applicants_to_clear(office: Office) -> None:
    """Only her own approval is nothing that she can look at for others."""
    workflow = office.workflow()
    change, _ = filed(office, workflow)
    workflow.fire(
        change.id, "raise_attention", Concern(reason=AttentionReason.HOST, facts={"why": "odd"}), actor="olga"
    )
    assert workflow.clear_attention(change.id, actor="alice").attention is None


@pytest.mark.parametrize(
    ("setting", "state", "reason"),
    [
        ("allow", State.APPROVED, None),
        ("attention", State.APPROVED, AttentionReason.SELF_APPROVED),
        ("refuse", State.PENDING, AttentionReason.SELF_APPROVED),
    ],
)
def test_the_approval_rule_decides_on_an_approval_by_the_applicant(
    office: Office, setting: SelfApproval, state: State, reason: AttentionReason | None
) -> None:
    """A refused one stays pending until another person decides."""
    workflow = office.workflow(definition=collector_change(ApprovalPolicy(self_approval=setting)))
    change, ticket = filed(office, workflow, "alice")
    office.sandbox.approve(ticket, approver="alice")
    office.pass_time()
    for _ in range(3):
        office.pass_time(300)
        workflow.reconcile()

    assert (workflow.get(change.id).state, reason_of(workflow.get(change.id))) == (state, reason)
    assert triggers(workflow, change).count("raise_attention") == (setting == "refuse")


def test_a_setting_that_there_is_not_is_refused() -> None:
    """It names the field and what it takes."""
    with pytest.raises(ValueError, match=r"self_approval.*allow.*attention.*refuse"):
        ApprovalPolicy(self_approval="never")  # type: ignore[arg-type]  # wrong on purpose
