"""The approval rule: decides whether a ticket is approved, refused, withdrawn, terminated, open, or in doubt."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import attrs

from itsm_workflow.change import AttentionReason
from itsm_workflow.machine.evidence import ENDED, Snapshot, TicketStatus
from itsm_workflow.text import is_same_user

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest

SelfApproval: TypeAlias = Literal["allow", "attention", "refuse"]
"""The handling of a ticket that only its applicant approved."""

_SELF_APPROVAL: tuple[SelfApproval, ...] = get_args(SelfApproval)


class Verdict(enum.StrEnum):
    """The verdict that a single snapshot gives."""

    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    TERMINATED = "terminated"


UNPROVEN = frozenset(
    {
        AttentionReason.AMBIGUOUS_SN,
        AttentionReason.NO_APPROVAL_STEP,
        AttentionReason.SELF_APPROVED,
        AttentionReason.INCONCLUSIVE,
        AttentionReason.NOT_AS_SENT,
    }
)
"""The reasons why the gateway cannot show an approval: an operator attests it, or gives the change up."""

DOUBTS = UNPROVEN | {AttentionReason.DISAGREEMENT}
"""The reasons that a `Doubt` can have."""


@attrs.frozen(kw_only=True)
class Doubt:
    """An ending of the ticket that cannot be relied on, and why."""

    reason: AttentionReason
    detail: str


@attrs.frozen(kw_only=True)
class ApprovalPolicy:
    """The rule of approval: two answers of the gateway must agree, and a person must have approved in a step.

    Attributes:
        decision_field: The key of a form field that must be exactly ``"true"`` as well for an approval, and
            ``"false"`` for a refusal.
        self_approval: The handling of an approval by the applicant alone. ``allow`` accepts it like any other,
            ``attention`` accepts it and raises attention, ``refuse`` leaves the change waiting and raises attention.
            An approver whose name may be another spelling of the applicant's counts as the applicant, see
            `is_same_user`.

    Raises:
        ValueError: `self_approval` has another value, or `decision_field` is not the key of a field.
    """

    decision_field: str | None = attrs.field(default=None)
    self_approval: SelfApproval = attrs.field(default="attention")

    @decision_field.validator
    def _check_decision_field(self, _field: object, value: object) -> None:
        if value is not None and not (isinstance(value, str) and value.strip()):
            raise ValueError(f"ApprovalPolicy.decision_field must be the key of a form field, or None, not {value!r}")

    @self_approval.validator
    def _check_self_approval(self, _field: object, value: object) -> None:
        if value not in _SELF_APPROVAL:
            allowed = ", ".join(map(repr, _SELF_APPROVAL))
            raise ValueError(f"ApprovalPolicy.self_approval must be one of {allowed}, not {value!r}")

    def judge(self, snapshot: Snapshot, *, applicant: str = "") -> Verdict | Doubt:
        """Return the verdict of the snapshot, or the doubt about it.

        Args:
            snapshot: The answers of the gateway about the ticket.
            applicant: The applicant, see `applicant_of`. If empty, no approval counts as the applicant's own.
        """
        status, result = snapshot.status, snapshot.result_status
        if snapshot.differences:
            shown = "; ".join(snapshot.differences)
            return Doubt(reason=AttentionReason.NOT_AS_SENT, detail=f"the ticket differs from what was sent: {shown}")
        if result is not None and result is not status and (result in ENDED or status in ENDED):
            return Doubt(
                reason=AttentionReason.DISAGREEMENT,
                detail=f"the ticket's page says {status.value}, but its result says {result.value}",
            )
        if status is TicketStatus.FINISHED:
            return self._finished(snapshot, applicant)
        # A step that still runs can revive a withdrawn ticket, so the ticket has not ended yet. If the steps cannot be
        # read, a second look after the quiet time decides, as for any withdrawal.
        if status is TicketStatus.REVOKED and snapshot.step_running is not True:
            return Verdict.WITHDRAWN
        if status is TicketStatus.TERMINATED and snapshot.step_running is not True:
            return Verdict.TERMINATED
        return Verdict.OPEN

    def alarms_of(self, snapshot: Snapshot, *, applicant: str) -> bool:
        """Return whether to accept an approval and raise attention because the applicant gave it."""
        by_applicant = bool(_approvers(snapshot)) and not _others(snapshot, applicant)
        return self.self_approval == "attention" and by_applicant

    def alarms_of_approver(self, approver: str, *, applicant: str) -> bool:
        """Return whether to accept an attested approval by that approver and raise attention."""
        return self.self_approval == "attention" and is_same_user(approver, applicant)

    def _finished(self, snapshot: Snapshot, applicant: str) -> Verdict | Doubt:
        if snapshot.result_status is None or not isinstance(snapshot.approve_result, bool):
            return _unproven(snapshot, "the ticket finished", "its result is missing")
        # The result rows do not show the field. A row can refuse, like an answer that is read by id, but never approve.
        by_rows = snapshot.decision is None and (snapshot.ambiguous or bool(snapshot.inconclusive))
        if self.decision_field is not None and not by_rows:
            wanted = "true" if snapshot.approve_result else "false"
            if snapshot.decision != wanted:
                return Doubt(
                    reason=AttentionReason.DISAGREEMENT,
                    detail=f"the result is {wanted}, but the field {self.decision_field} is not",
                )
        return self._approved(snapshot, applicant) if snapshot.approve_result else Verdict.REFUSED

    def _approved(self, snapshot: Snapshot, applicant: str) -> Verdict | Doubt:
        if snapshot.ambiguous or snapshot.inconclusive or snapshot.approval_step is None:
            return _unproven(snapshot, "the ticket ended as approved", "whether a person approved it cannot be read")
        if snapshot.approval_step is not True:
            return Doubt(
                reason=AttentionReason.NO_APPROVAL_STEP,
                detail="the ticket ended as approved, but the gateway shows no person who approved it",
            )
        if self.self_approval == "refuse" and not _others(snapshot, applicant):
            known = f"only {applicant}, the applicant, approved the ticket"
            unknown = "the gateway does not show who approved the ticket"
            return Doubt(reason=AttentionReason.SELF_APPROVED, detail=known if _approvers(snapshot) else unknown)
        return Verdict.APPROVED


def _unproven(snapshot: Snapshot, ending: str, missing: str) -> Doubt:
    if snapshot.ambiguous:
        several = "several tickets carry its number, so only its result rows can be read"
        return Doubt(reason=AttentionReason.AMBIGUOUS_SN, detail=f"{ending}, and {several}")
    return Doubt(reason=AttentionReason.INCONCLUSIVE, detail=f"{ending}, and {snapshot.inconclusive or missing}")


def _approvers(snapshot: Snapshot) -> set[str]:
    return {one.user for one in snapshot.deciders if one.approved}


def _others(snapshot: Snapshot, applicant: str) -> set[str]:
    """Return the approvers who are certainly not the applicant."""
    return {user for user in _approvers(snapshot) if not is_same_user(user, applicant)}


def applicant_of(change: ChangeRequest) -> str:
    """Return the applicant of the change: the creator of its ticket."""
    return change.form.applicant if change.attempt is None else change.attempt.creator
