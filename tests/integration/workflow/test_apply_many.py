"""Many changes in one call, over HTTP and on real stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import ChangeRequest, State
from itsm_workflow.errors import AlreadyApplied, InvalidForm, SettingsError
from tests.support.office import asked, triggers
from tests.support.stores import EVERY_STORE

if TYPE_CHECKING:
    from tests.support.office import Office


def wanted(*numbers: int, **more: Any) -> list[Any]:
    """Return requests for collectors, with further arguments, valid or not."""
    return [{"subject": f"collector-{number}", **asked(), **more} for number in numbers]


@EVERY_STORE
def test_each_request_gets_one_ticket_or_its_error(office: Office) -> None:
    """In the order of the requests; the tickets ask for callbacks, as those of `apply` do."""
    workflow = office.workflow()
    held = workflow.apply(subject="collector-2", **asked())
    results = workflow.apply_many([*wanted(1, 2, 3, 1), *wanted(4, title="")])

    first, taken, third, second, wrong = results
    assert isinstance(first, ChangeRequest)
    assert isinstance(third, ChangeRequest)
    assert isinstance(taken, AlreadyApplied)
    assert isinstance(second, AlreadyApplied)
    assert isinstance(wrong, InvalidForm)
    assert (taken.change_id, second.change_id) == (held.id, first.id)
    assert [triggers(workflow, one) for one in (first, third)] == [
        ["draft", "submit", "mark_sending", "record_ticket"]
    ] * 2
    assert len(office.sandbox.tickets()) == 3

    office.approve(third)
    assert workflow.require_approved("collector-3").id == third.id


@EVERY_STORE
def test_a_call_that_is_interrupted_is_finished_by_the_next_pass(office: Office) -> None:
    """Every change that was stored gets one ticket."""
    workflow = office.workflow()

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workflow.apply_many(wanted(1, 2, 3), progress=interrupt)
    assert len(office.sandbox.tickets()) == 1

    report = office.workflow().reconcile()
    assert (report.due, report.moved) == (2, 2)
    assert [change.state for change in workflow.find()] == [State.PENDING] * 3
    assert len(office.sandbox.tickets()) == len({ticket.tag for ticket in office.sandbox.tickets()}) == 3


def test_a_missing_setting_is_an_error_of_the_whole_call(office: Office) -> None:
    """Each request would fail by it; nothing is stored."""
    workflow = office.workflow(office.settings(callback_host=""))
    with pytest.raises(SettingsError, match="BKAPP_ITSM_CALLBACK_HOST"):
        workflow.apply_many(wanted(1, 2))
    assert list(workflow.find()) == []
