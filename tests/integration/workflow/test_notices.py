"""What must not be forgotten: a ticket that was filed, a callback that the gateway could not deliver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow import State
from tests.support.office import SUBJECT, asked, triggers
from tests.support.stores import EVERY_STORE

if TYPE_CHECKING:
    from tests.support.office import Office


@EVERY_STORE
def test_notice_outlives_the_read_that_takes_it_off_the_list(office: Office) -> None:
    """The gateway forgets a notice once it has answered; an answer that is lost must not lose it for us as well."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    office.sandbox.faults.callback_lost(listed=True)
    office.approve(change)
    office.sandbox.faults.lose_answer("ticket_approval_result", always=True)

    workflow.reconcile()

    assert office.sandbox.ledger.failed_callbacks() == []
    assert workflow.get(change.id).state == State.FAILED_CALLBACK
    office.sandbox.faults.clear()
    office.pass_time(300)
    assert workflow.reconcile().moved == 1
    assert triggers(workflow, change)[-2:] == ["fail_callback", "approve"]


@EVERY_STORE
def test_a_ticket_that_cannot_be_read_after_it_was_filed_is_not_lost(office: Office) -> None:
    """Filing depends on the answer to the create alone; a later failure takes nothing back."""
    workflow = office.workflow()
    for endpoint in ("get_ticket_info", "get_ticket_status", "ticket_approval_result"):
        office.sandbox.faults.status(endpoint, 502, always=True)

    change = workflow.apply(subject=SUBJECT, **asked())

    assert (change.state, change.sn) == (State.PENDING, office.only_ticket().sn)
    assert workflow.get(change.id) == change
