"""A form that the service would refuse, or accept and get wrong, is refused before anything is stored or sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import CollectorForm, State, Workflow
from itsm_workflow.errors import InvalidForm
from tests.support.office import SUBJECT, Office, asked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FORM = CollectorForm(
    expect_access_data="2026-12-01",
    single_log_size=512,
    single_host_peak=100,
    single_host_log_volume=2.5,
    expect_host_size=10,
    log_keep_days=14,
    hot_data_days=7,
    apply_reason="接入",
).fields()
WHOLE = {**FORM, "bk_biz_id": 2}
NO_BUSINESS = ("fields.bk_biz_id", "", "must be given: the service 5 requires it (关联业务)")


def of_service_5(office: Office, **more: Any) -> Workflow:
    """Open a workflow that files with the log platform's own service."""
    return office.workflow(office.settings(fast_approval=False, service_id="5", **more))


def refused(act: Callable[[], object]) -> Sequence[tuple[str, str, str]]:
    """Return the problems that an act ends with."""
    with pytest.raises(InvalidForm) as caught:
        act()
    return caught.value.problems


def creates(office: Office) -> int:
    """Return how many creates the ticket system got."""
    return office.sandbox.ledger.requests["create_ticket"]


def test_the_collectors_form_lacks_the_business(office: Office) -> None:
    """The service requires it, and it is not among the eight fields: the error names it, and nothing was sent."""
    workflow = of_service_5(office)

    problems = refused(lambda: workflow.apply(subject=SUBJECT, **asked(approvers=(), fields=FORM)))

    assert problems == (NO_BUSINESS,)
    assert (office.store.commits, creates(office)) == (0, 0)


def test_a_whole_form_is_filed(office: Office) -> None:
    """With one look at the service's list of fields, which the next filing does not need."""
    workflow = of_service_5(office)

    for subject in ("a", "b"):
        assert workflow.apply(subject=subject, **asked(approvers=(), fields=WHOLE)).state == State.PENDING
    assert office.sandbox.ledger.requests["get_service_detail"] == 1


def test_all_wrong_fields_are_listed_in_one_error(office: Office) -> None:
    """It lists the fields that the server refuses, and those that it would accept and get wrong."""
    wrong = {**WHOLE, "single_log_size": "abc", "log_keep_days": True, "expect_access_data": "", "extra": 1}
    del wrong["hot_data_days"]
    workflow = of_service_5(office)

    problems = refused(lambda: workflow.apply(subject=SUBJECT, **asked(approvers=(), fields=wrong)))

    assert {field.removeprefix("fields.") for field, _, _ in problems} == {
        "hot_data_days",
        "single_log_size",
        "log_keep_days",
        "expect_access_data",
        "extra",
    }
    assert creates(office) == 0


def test_a_draft_stays_a_draft(office: Office) -> None:
    """It is stored without asking anybody, and held against the list when it is submitted."""
    workflow = of_service_5(office)
    draft = workflow.draft(subject=SUBJECT, **asked(approvers=(), fields=FORM))
    assert office.sandbox.ledger.requests["get_service_detail"] == 0

    assert refused(lambda: workflow.submit(draft.id)) == (NO_BUSINESS,)
    assert (workflow.get(draft.id).state, creates(office)) == (State.DRAFT, 0)
    workflow.revise(draft.id, **asked(approvers=(), fields=WHOLE))
    assert workflow.submit(draft.id).state == State.PENDING


def test_a_preview_reports_it_too(office: Office) -> None:
    """So does ``apply --dry-run``."""
    assert refused(lambda: of_service_5(office).preview(subject=SUBJECT, **asked(approvers=(), fields=FORM))) == (
        NO_BUSINESS,
    )


def test_a_preview_needs_no_gateway(office: Office) -> None:
    """The body is shown without the service's requirements."""
    workflow = office.workflow(
        office.settings(fast_approval=False, service_id="5", gateway_url="http://127.0.0.1:9/v2/itsm/")
    )

    body = workflow.preview(subject=SUBJECT, **asked(approvers=(), fields=FORM))

    assert body["service_id"] == 5


def test_a_list_that_is_not_shown_blocks_nothing(office: Office) -> None:
    """Without the permission to read it, the change is filed as before, and the server's word is the last one."""
    office.sandbox.faults.refuse("get_service_detail", 1640301, always=True)
    workflow = of_service_5(office)

    assert workflow.apply(subject="whole", **asked(approvers=(), fields=WHOLE)).state == State.PENDING
    change = workflow.apply(subject="part", **asked(approvers=(), fields=FORM))

    assert (change.state, creates(office)) == (State.DRAFT, 2)
    assert "bk_biz_id" in workflow.why(change.id)


def test_a_list_that_does_not_come_takes_a_short_time(office: Office) -> None:
    """The create is sent in the same call, while the list is still held."""
    office.sandbox.faults.hold("get_service_detail", always=True)
    workflow = of_service_5(office)

    change = workflow.apply(subject=SUBJECT, **asked(approvers=(), fields=WHOLE))

    assert (change.state, creates(office)) == (State.PENDING, 1)
    assert workflow.policy.apply_budget - workflow.policy.send_least >= workflow.policy.fields_most


def test_the_built_in_service_is_asked_for_no_list(office: Office) -> None:
    """Its form is known."""
    office.workflow().apply(subject=SUBJECT, **asked())

    assert office.sandbox.ledger.requests["get_service_detail"] == 0
