"""The ticket's present status, which is read from the gateway for a page and not stored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from itsm_workflow import State
from itsm_workflow.errors import GatewayMistake
from itsm_workflow.gateway.asking import ask
from itsm_workflow.gateway.checked import checked_standing
from itsm_workflow.gateway.protocol import Standing
from itsm_workflow.machine.evidence import TicketStatus
from itsm_workflow.sandbox import acting
from tests.support.office import SUBJECT, Office, asked, triggers

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Workflow


def waiting(office: Office, workflow: Workflow) -> ChangeRequest:
    """Apply, and let the ticket's flow reach its approval."""
    change = workflow.apply(subject=SUBJECT, **asked())
    office.pass_time()
    return change


def suspend(office: Office) -> None:
    """Suspend the one ticket in the ticket system."""
    with office.sandbox.locked() as ledger:
        acting.suspend(ledger, ledger.by_id(office.only_ticket().id), "carol")


def test_a_suspended_ticket_is_named_when_the_gateway_is_asked(office: Office) -> None:
    """A suspended ticket has not ended, so no entry records it, and the stored change does not show it."""
    workflow = office.workflow()
    change = waiting(office, workflow)
    before = triggers(workflow, change)
    suspend(office)
    workflow.settle(change.id)

    live = workflow.status(change.id, live=True)

    assert (live.state, live.ticket_status) == (State.PENDING, "suspended")
    assert workflow.status(change.id).ticket_status is None
    assert re.search(
        rf"waits for carol, dave to decide ticket {change.sn} since [^;]*, which is suspended;",
        workflow.why(change.id, live=True),
    )
    assert "suspended" not in workflow.why(change.id)
    assert triggers(workflow, change) == before


def test_a_running_ticket_is_not_called_suspended(office: Office) -> None:
    """The sentence is the stored one."""
    workflow = office.workflow()
    change = waiting(office, workflow)

    assert workflow.status(change.id, live=True).ticket_status == "running"
    assert workflow.why(change.id, live=True) == workflow.why(change.id)


def test_a_gateway_that_cannot_be_asked_costs_the_standing_only(office: Office) -> None:
    """The page and the sentence are shown as they are stored."""
    workflow = office.workflow()
    change = waiting(office, workflow)
    suspend(office)
    office.sandbox.faults.status("get_ticket_info", 502, always=True)

    assert workflow.status(change.id, live=True) == workflow.status(change.id)
    assert workflow.why(change.id, live=True) == workflow.why(change.id)


def test_a_live_status_clears_nothing_and_asks_once(office: Office) -> None:
    """The list of undelivered callbacks is left to the pass, which stores what it takes from it."""
    workflow = office.workflow()
    change = waiting(office, workflow)
    office.sandbox.faults.callback_lost(listed=True)
    office.approve(change)
    office.sandbox.calls.clear()

    assert workflow.status(change.id, live=True).ticket_status == "finished"

    assert [call.endpoint for call in office.sandbox.calls] == ["get_ticket_info"]
    assert office.sandbox.ledger.failed_callbacks() == [change.sn]


def test_a_change_without_a_ticket_asks_nothing(office: Office) -> None:
    """There is nothing to ask about."""
    workflow = office.workflow()
    draft = workflow.draft(subject=SUBJECT, **asked())

    assert workflow.status(draft.id, live=True) == workflow.status(draft.id)
    assert workflow.why(draft.id, live=True) == workflow.why(draft.id)


def test_a_ticket_of_another_gateway_is_not_asked_about(office: Office) -> None:
    """This gateway may have a ticket of the same id and number."""
    change = waiting(office, office.workflow())
    suspend(office)
    another = office.gateway()
    another.name = "another"
    workflow = office.workflow(gateway=another)
    office.sandbox.calls.clear()

    assert workflow.status(change.id, live=True) == workflow.status(change.id)
    assert office.sandbox.calls == []


def test_an_invalid_standing_is_a_mistake_of_the_gateway() -> None:
    """A host's own gateway may return anything."""
    for answer in ("suspended", Standing(status="suspended"), None):  # type: ignore[arg-type]  # on purpose
        with pytest.raises(GatewayMistake, match="is not the status of a ticket"):
            ask("standing", lambda answer=answer: checked_standing(answer, lambda _: True))  # type: ignore[misc]  # bound early
    shown = checked_standing(Standing(status=TicketStatus.RUNNING, iframe_url="javascript:x"), lambda _: True)
    assert shown == Standing(status=TicketStatus.RUNNING)
