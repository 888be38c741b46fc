"""Changes with two reasons for attention, and parked effects whose attention was cleared, are found and counted."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from itsm_workflow import Effect, Policy, State, open_storage
from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
from itsm_workflow.runtime import counting
from itsm_workflow.runtime.reasons import pages_of
from itsm_workflow.storage.protocol import Query
from tests.support.desk import ASKED, Desk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.form import FormArguments
    from itsm_workflow.storage.codec import Stored
    from itsm_workflow.storage.protocol import Row


def unreachable(_: object) -> None:
    """Fail, as an effect whose host is away."""
    raise RuntimeError("the collector's host is unreachable")


@pytest.fixture(params=["memory", "sqlite"])
def workflow(request: pytest.FixtureRequest, desk: Desk, tmp_path: Path) -> Iterator[Workflow]:
    """A workflow in a store that is read to count, and in one that counts; its effect fails."""
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/itsm.db"
    with closing(open_storage(url)) as store:
        effects = {State.APPROVED: [Effect("start_collection", unreachable)]}
        yield desk.workflow(storage=store, effects=effects, policy=Policy(effect_attempts=1))


@pytest.fixture
def desk() -> Desk:
    """A desk without changes."""
    return Desk()


def approved(workflow: Workflow, desk: Desk, subject: str, applicant: str) -> ChangeRequest:
    """Return a change that carol has approved, and whose effect has failed for good."""
    asked: FormArguments = {**ASKED, "applicant": applicant}
    change = workflow.apply(subject=subject, **asked)
    desk.decide(change)
    return workflow.settle(change.id)


def test_a_change_is_found_by_its_second_reason(desk: Desk, workflow: Workflow) -> None:
    """By `find` and on each page, and it counts for both reasons."""
    changes = [approved(workflow, desk, f"collector-{number}", "carol") for number in range(3)]
    other = approved(workflow, desk, "collector-3", "alice")
    assert {change.attention and change.attention.reason for change in (*changes, other)} == {"effect_parked"}

    found = [change.id for change in workflow.find(attention=["self_approved"])]
    assert found == [change.id for change in changes]
    first = workflow.find_page(attention=["self_approved"], limit=2)
    second = workflow.find_page(attention=["self_approved"], limit=2, after=first.next)
    assert [change.id for change in (*first.changes, *second.changes)] == found
    assert second.next is None
    both = workflow.find(attention=["self_approved", "effect_parked"])
    assert [change.id for change in both] == [*found, other.id]

    counts = workflow.counts().attention
    assert {reason: count.number for reason, count in counts.items()} == {"effect_parked": 4, "self_approved": 3}
    figures = workflow.figures()
    assert (figures.attention["self_approved"], figures.attention["effect_parked"], figures.parked) == (3, 4, 4)
    bounded = workflow.counts(limit=2).attention["self_approved"]
    assert (bounded.number, bounded.is_more) == (2, True)


def test_a_parked_effect_counts_whatever_the_attention(desk: Desk, workflow: Workflow) -> None:
    """Also after a person has cleared it, or while another reason is raised."""
    changes = [approved(workflow, desk, f"collector-{number}", "alice") for number in range(2)]
    asked: FormArguments = {**ASKED, "fields": {"parked": "no"}}
    workflow.draft(subject="collector-9", **asked)
    workflow.clear_attention(changes[0].id, actor="dave", reason="done by hand")

    assert workflow.counts().parked == tuple(change.id for change in changes)


def test_a_busy_store_looks_at_the_changes_that_moved_last(
    desk: Desk, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the page is as quick as in a small one."""
    monkeypatch.setattr(counting, "_READ", 2)
    for number in range(3):
        workflow.draft(subject=f"old-{number}", **ASKED)
    desk.clock.advance(40 * 86_400)
    change = approved(workflow, desk, "collector-0", "alice")
    workflow.clear_attention(change.id, actor="dave", reason="done by hand")
    assert workflow.counts().parked == (change.id,)


def test_a_change_that_cannot_be_read_is_found_by_its_first_reason_alone(desk: Desk) -> None:
    """A store that fails is an error, since it concerns every change."""
    effects = {State.APPROVED: [Effect("start_collection", unreachable)]}
    approved(desk.workflow(effects=effects, policy=Policy(effect_attempts=1)), desk, "collector-0", "carol")

    def found(reason: str, error: Exception) -> int:
        def read(row: Row) -> Stored:
            raise error

        query = Query(attention=(reason,))
        return sum(len(page) for page in pages_of(desk.store, query, read))

    damaged = StorageCorrupt("the digest differs", change_id="1")
    assert (found("effect_parked", damaged), found("self_approved", damaged)) == (1, 0)
    with pytest.raises(StorageUnavailable, match="it is locked"):
        found("self_approved", StorageUnavailable("it is locked"))
