"""A ticket that ended and of which something cannot be read: a person is called, and nothing is concluded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow import State
from itsm_workflow.change import AttentionReason
from itsm_workflow.errors import GatewayProtocolError
from tests.support.office import SUBJECT, asked, triggers

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Workflow
    from tests.support.office import Office


def approved(office: Office, workflow: Workflow) -> ChangeRequest:
    """Apply, and let the ticket be approved; the change was not looked at since."""
    change = workflow.apply(subject=SUBJECT, **asked())
    office.approve(change)
    return change


@pytest.mark.parametrize(
    ("endpoint", "part"),
    [("get_ticket_logs", "log"), ("ticket_approval_result", "result"), ("get_ticket_info", "page")],
)
def test_a_part_that_cannot_be_read_calls_a_person_until_it_can(office: Office, endpoint: str, part: str) -> None:
    """Whichever part: attention is raised once, says what to do, and goes when the ticket can be read again."""
    workflow = office.workflow(after_callback="later")
    change = approved(office, workflow)
    office.sandbox.faults.html(endpoint, always=True)
    for _ in range(3):
        workflow.reconcile()
        office.pass_time(300)

    waiting, said = workflow.get(change.id), workflow.why(change.id)
    assert waiting.state == State.PENDING
    assert waiting.attention is not None
    assert waiting.attention.reason is AttentionReason.INCONCLUSIVE
    assert f"its {part} cannot be read: the answer is not as agreed" in waiting.attention.facts["detail"]
    assert triggers(workflow, change).count("raise_attention") == 1
    assert "waits for carol" not in said
    assert "waits for a conclusive look at ticket" in said
    assert {type(error) for _, error in office.witness.troubles} == {GatewayProtocolError}

    office.sandbox.faults.clear()
    workflow.reconcile()
    settled = workflow.get(change.id)
    assert (settled.state, settled.attention) == (State.APPROVED, None)


def test_a_refusal_needs_no_log(office: Office) -> None:
    """What ends a change without an approval is not kept waiting for what only an approval needs."""
    workflow = office.workflow(after_callback="later")
    change = workflow.apply(subject=SUBJECT, **asked())
    office.reject(change)
    office.sandbox.faults.html("get_ticket_logs", always=True)

    settled = workflow.settle(change.id)

    assert (settled.state, settled.attention, settled.decision) == (State.REJECTED, None, None)


def test_an_open_ticket_with_an_unreadable_part_raises_no_attention(office: Office) -> None:
    """Nothing has to be decided yet; observers are notified."""
    workflow = office.workflow(after_callback="later")
    change = workflow.apply(subject=SUBJECT, **asked())
    office.pass_time()
    office.sandbox.faults.html("get_ticket_info", always=True)

    assert workflow.settle(change.id).attention is None
    assert [type(error) for _, error in office.witness.troubles] == [GatewayProtocolError]
