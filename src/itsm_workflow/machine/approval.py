"""The one rule by which a ticket counts as approved, refused, ended otherwise, still open, or doubtful."""

from __future__ import annotations

import enum

import attrs

from itsm_workflow.change import AttentionReason
from itsm_workflow.machine.evidence import ENDED, Snapshot, TicketStatus


class Verdict(enum.StrEnum):
    """What a snapshot says, taken alone."""

    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    TERMINATED = "terminated"


DOUBTS = frozenset({AttentionReason.DISAGREEMENT, AttentionReason.AMBIGUOUS_SN, AttentionReason.NO_APPROVAL_STEP})
"""The reasons that a `Doubt` can have."""


@attrs.frozen(kw_only=True)
class Doubt:
    """The snapshot says the ticket ended, and something about that cannot be relied on."""

    reason: AttentionReason
    detail: str


@attrs.frozen(kw_only=True)
class ApprovalPolicy:
    """Reads snapshots: approved needs two answers of the gateway that agree, and a step in which somebody approved.

    Attributes:
        decision_field: The key of a form field that must be exactly ``"true"`` as well for an approval, and
            ``"false"`` for a refusal.
    """

    decision_field: str | None = None

    def judge(self, snapshot: Snapshot) -> Verdict | Doubt:
        """Return what the snapshot says. Every snapshot has a verdict or a doubt."""
        status, result = snapshot.status, snapshot.result_status
        if snapshot.ambiguous and status in ENDED and not self._refused(snapshot):
            return Doubt(reason=AttentionReason.AMBIGUOUS_SN, detail="several tickets carry this sn")
        if result is not None and result is not status and (result in ENDED or status in ENDED):
            return Doubt(
                reason=AttentionReason.DISAGREEMENT,
                detail=f"the ticket's page says {status.value}, its result {result.value}",
            )
        if status is TicketStatus.FINISHED:
            return self._finished(snapshot)
        # A step that still runs can revive a withdrawn ticket: it has not ended yet.
        if status is TicketStatus.REVOKED and snapshot.step_running is False:
            return Verdict.WITHDRAWN
        if status is TicketStatus.TERMINATED and snapshot.step_running is False:
            return Verdict.TERMINATED
        return Verdict.OPEN

    def _refused(self, snapshot: Snapshot) -> bool:
        finished = snapshot.status is TicketStatus.FINISHED and snapshot.result_status is TicketStatus.FINISHED
        return finished and snapshot.approve_result is False and self.decision_field is None

    def _finished(self, snapshot: Snapshot) -> Verdict | Doubt:
        if snapshot.result_status is None or not isinstance(snapshot.approve_result, bool):
            return Doubt(reason=AttentionReason.DISAGREEMENT, detail="the ticket finished and its result is missing")
        if self.decision_field is not None:
            wanted = "true" if snapshot.approve_result else "false"
            if snapshot.decision != wanted:
                return Doubt(
                    reason=AttentionReason.DISAGREEMENT,
                    detail=f"the result is {wanted}, the field {self.decision_field} is not",
                )
        if not snapshot.approve_result:
            return Verdict.REFUSED
        if snapshot.approval_step is not True:
            return Doubt(
                reason=AttentionReason.NO_APPROVAL_STEP, detail="the ticket ended as approved and nobody was asked"
            )
        return Verdict.APPROVED
