"""The change that two looks at its ticket lead to, if both show the same."""

from __future__ import annotations

import pytest

from itsm_workflow.change import AttentionReason, ChangeRequest
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, State
from itsm_workflow.settle import foresee
from tests.support import examples as x


def foreseen(snapshot: ev.Snapshot, change: ChangeRequest = x.PENDING) -> ChangeRequest:
    """Return the change after two looks."""
    return foresee(COLLECTOR_CHANGE, change, snapshot, x.later(30), x.POLICY, gateway="bk_itsm")


@pytest.mark.parametrize(
    ("snapshot", "state", "outcome"),
    [
        (x.snapshot(ev.TicketStatus.RUNNING), State.PENDING, None),
        (x.snapshot(ev.TicketStatus.SUSPENDED), State.PENDING, None),
        (x.finished(approved=True), State.APPROVED, "approved"),
        (x.finished(approved=False), State.REJECTED, "rejected"),
        (x.withdrawn(), State.REJECTED, "withdrawn"),
        (x.snapshot(ev.TicketStatus.TERMINATED), State.REJECTED, "terminated"),
    ],
    ids=lambda value: getattr(value, "word", None),
)
def test_a_ticket_leads_to_the_state_that_a_pass_would_reach(
    snapshot: ev.Snapshot, state: State, outcome: str | None
) -> None:
    """An ending without a decision needs both looks."""
    after = foreseen(snapshot)
    assert (after.state, after.outcome) == (state, outcome)


def test_a_doubt_is_seen_as_attention() -> None:
    """The change waits, as it would for a person."""
    after = foreseen(x.finished(approved=True, approval_step=False))
    assert after.state == State.PENDING
    assert after.attention is not None
    assert after.attention.reason is AttentionReason.NO_APPROVAL_STEP


def test_a_finished_ticket_without_its_result_decides_nothing() -> None:
    """As `peek` shows it."""
    after = foreseen(x.snapshot(ev.TicketStatus.FINISHED, result_status=None, approve_result=None))
    assert after.state == State.PENDING


def test_the_change_itself_stays() -> None:
    """The function is pure."""
    before = x.PENDING
    foreseen(x.finished(approved=True), before)
    assert before == x.PENDING
