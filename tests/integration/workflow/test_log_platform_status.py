"""The log platform's own status of a collector: one of four words, with its label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from docs.examples import external_permission, two_stage_change
from itsm_workflow.integrations.log_platform import CollectorStatus, collector_status
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from tests.support import examples as x
from tests.support.lost import apply_in_vain
from tests.support.office import SUBJECT, Office, asked

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Workflow


def status(workflow: Workflow) -> str:
    """Return the subject's status by the log platform's word."""
    return collector_status(workflow.newest(SUBJECT)).value


def test_a_collector_goes_through_the_four_words(office: Office) -> None:
    """Never applied for, with a draft only, applied for, and rejected; then applied for again and approved."""
    workflow = office.workflow()
    seen = [status(workflow)]
    workflow.draft(subject=SUBJECT, **asked())
    seen.append(status(workflow))
    first = workflow.apply(subject=SUBJECT, **asked())
    seen.append(status(workflow))
    office.reject(first)
    seen.append(status(workflow))
    second = workflow.apply(subject=SUBJECT, **asked())
    seen.append(status(workflow))
    office.approve(second)
    seen.append(status(workflow))

    assert seen == ["not_apply", "not_apply", "applying", "fail_apply", "applying", "success_apply"]


def test_a_create_that_was_not_found_still_holds_its_subject(office: Office) -> None:
    """The ticket may exist, so a second application must not be filed."""
    workflow = office.workflow()
    apply_in_vain(office, workflow)

    assert status(workflow) == "applying"


def test_a_draft_beside_a_rejected_change_does_not_hide_it(office: Office) -> None:
    """What was submitted counts."""
    workflow = office.workflow()
    office.reject(workflow.apply(subject=SUBJECT, **asked()))
    workflow.draft(subject=SUBJECT, **asked())

    assert status(workflow) == "fail_apply"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (None, CollectorStatus.NOT_APPLY),
        (x.DRAFT, CollectorStatus.NOT_APPLY),
        (x.QUEUED, CollectorStatus.APPLYING),
        (x.UNKNOWN, CollectorStatus.APPLYING),
        (x.PENDING, CollectorStatus.APPLYING),
        (x.SUSPECTED, CollectorStatus.APPLYING),
        (x.FAILED_CALLBACK, CollectorStatus.APPLYING),
        (x.APPROVED, CollectorStatus.SUCCESS_APPLY),
        (x.REJECTED, CollectorStatus.FAIL_APPLY),
        (x.WITHDRAWN, CollectorStatus.FAIL_APPLY),
        (x.ABANDONED, CollectorStatus.FAIL_APPLY),
    ],
)
def test_every_state_has_one_word(change: ChangeRequest | None, expected: CollectorStatus) -> None:
    """The platform's pages know these four."""
    assert collector_status(change) is expected


@pytest.mark.parametrize(
    ("status", "label"),
    [
        ("not_apply", "未申请采集接入"),
        ("applying", "采集接入进行中"),
        ("fail_apply", "采集接入失败"),
        ("success_apply", "采集接入完成"),
    ],
)
def test_the_labels_are_the_platforms(status: str, label: str) -> None:
    """They go into ``collect_itsm_status_display`` as they are."""
    assert CollectorStatus(status).label == label


@pytest.mark.parametrize(
    ("state", "expected"), [("provisioning", "applying"), ("live", "success_apply"), ("rolled_back", "fail_apply")]
)
def test_states_of_a_host_have_a_word_too(state: str, expected: str) -> None:
    """A change that goes on after its approval is applied for until a state grants, and failed where it ends."""
    change = attrs.evolve(x.APPROVED, state=state)

    assert collector_status(change, two_stage_change.TWO_STAGE_CHANGE).value == expected


def test_a_permission_that_was_revoked_is_not_there_any_more() -> None:
    """It was approved, and its last state does not grant."""
    change = attrs.evolve(x.APPROVED, state="revoked")

    assert collector_status(change, external_permission.EXTERNAL_PERMISSION).value == "fail_apply"


def test_a_state_of_another_workflow_is_refused() -> None:
    """It would be shown as something that it is not."""
    with pytest.raises(ValueError, match=r"'live' .*collector_change.*collector_status\(change, definition\)"):
        collector_status(attrs.evolve(x.APPROVED, state="live"), COLLECTOR_CHANGE)
