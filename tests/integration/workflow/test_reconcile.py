"""Passes over due changes, by several workers at the same time, with reports that add up."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from itsm_workflow import Effect, EffectCall, State
from itsm_workflow.runtime import reconciler
from itsm_workflow.runtime.reconciler import Report
from itsm_workflow.sandbox import Draft
from tests.support.office import Office, asked, together, triggers
from tests.support.stores import EVERY_STORE
from tests.support.world import TOGETHER, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.storage.protocol import Write


class Killed(BaseException):
    """Ends a worker as a kill does: nothing of it runs any further."""


def apply_many(workflow: Workflow, count: int) -> list[ChangeRequest]:
    """Apply for so many subjects."""
    return [workflow.apply(subject=f"collector-{number}", **asked()) for number in range(count)]


def approve_unheard(office: Office, changes: Sequence[ChangeRequest]) -> None:
    """Let every ticket be approved, with callbacks that are lost without a trace, and the changes fall due."""
    lost = office.sandbox.faults.callback_lost(listed=False, always=True)
    office.pass_time()
    for change in changes:
        office.sandbox.approve(int(change.expect_ticket().id))
    office.pass_time()
    assert lost.hits == len(changes)
    office.pass_time(300)


def total(report: Report) -> int:
    """Return the sum of what a report says became of the due changes."""
    return report.moved + report.unchanged + report.busy + report.failed + report.unreadable


def test_pass_without_anything_due_does_nothing(office: Office) -> None:
    """Drafts and fresh tickets are not due."""
    workflow = office.workflow()
    workflow.draft(subject="collector-1", **asked())
    workflow.apply(subject="collector-2", **asked())

    assert workflow.reconcile() == Report()


def test_a_pass_goes_on_page_by_page(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is reported after each page, and the last report covers the whole pass."""
    monkeypatch.setattr(reconciler, "PAGE", 3)
    workflow = office.workflow()
    approve_unheard(office, apply_many(workflow, 7))
    told: list[Report] = []

    report = workflow.reconcile(progress=told.append)

    assert [one.due for one in told] == [3, 6, 7]
    assert (report.due, report.moved, report.finished) == (7, 7, True)
    assert {change.state for change in workflow.find()} == {State.APPROVED}


def test_limit_ends_a_pass_early_and_the_next_one_goes_on(office: Office) -> None:
    """Oldest first, nothing twice, nothing left over."""
    workflow = office.workflow()
    changes = apply_many(workflow, 7)
    approve_unheard(office, changes)

    first, second, third = (workflow.reconcile(limit=3) for _ in range(3))

    assert [(one.due, one.moved, one.finished) for one in (first, second, third)] == [
        (3, 3, False),
        (3, 3, False),
        (1, 1, True),
    ]
    assert len(office.sandbox.bodies("get_ticket_info")) == 7


@EVERY_STORE
def test_workers_at_once_claim_each_due_change_once(office: Office) -> None:
    """Four passes start together: each change is read and moved by one of them, and the reports add up."""
    workers = [office.workflow() for _ in range(4)]
    changes = apply_many(workers[0], 24)
    approve_unheard(office, changes)

    outcomes = together(*[worker.reconcile for worker in workers])

    reports = [one for one in outcomes if isinstance(one, Report)]
    assert len(reports) == 4
    assert [one.due for one in reports] == [total(one) for one in reports]
    assert (sum(one.moved for one in reports), sum(one.failed for one in reports)) == (24, 0)
    assert len(office.sandbox.bodies("get_ticket_info")) == 24
    for change in changes:
        assert triggers(workers[0], change)[4:] == ["approve"]


def test_a_change_that_another_worker_claims_first_counts_as_busy(office: Office) -> None:
    """Between the page and the claim another worker was faster."""
    workflow, other = office.workflow(), office.workflow()
    (change,) = apply_many(workflow, 1)
    approve_unheard(office, [change])

    def overtake(_: Sequence[Write]) -> None:
        office.store.before = lambda _: None
        other.settle(change.id)

    office.store.before = overtake
    report = workflow.reconcile()

    assert (report.due, report.busy, report.moved) == (1, 1, 0)
    assert triggers(workflow, change)[4:] == ["approve"]


@EVERY_STORE
def test_gateway_that_is_down_fails_every_question_and_loses_nothing(office: Office) -> None:
    """What was due falls due again, and is settled once the gateway is back."""
    workflow = office.workflow()
    changes = apply_many(workflow, 5)
    approve_unheard(office, changes)
    for endpoint in ("callback_failed_ticket", "ticket_approval_result", "get_ticket_info"):
        office.sandbox.faults.status(endpoint, 502, always=True)

    report = workflow.reconcile()
    assert (report.due, report.failed, total(report)) == (5, 5, 5)
    assert {workflow.get(change.id).state for change in changes} == {State.PENDING}

    office.sandbox.faults.clear()
    office.pass_time(300)
    assert workflow.reconcile().moved == 5
    assert {workflow.get(change.id).state for change in changes} == {State.APPROVED}


def test_worker_that_dies_over_a_page_leaves_it_to_the_next(office: Office) -> None:
    """Each is looked at again when its next poll is due."""
    workflow, other = office.workflow(), office.workflow()
    changes = apply_many(workflow, 3)
    approve_unheard(office, changes)

    def die(_: Sequence[Write]) -> None:
        office.store.after = lambda _: None
        raise Killed

    office.store.after = die
    with pytest.raises(Killed):
        workflow.reconcile()
    assert other.reconcile().due == 0
    office.pass_time(301)

    assert other.reconcile().moved == 3


def test_open_tickets_are_asked_about_together(office: Office) -> None:
    """One request for the page, and no ticket's page is read."""
    workflow = office.workflow(policy=TOGETHER)
    changes = apply_many(workflow, 12)
    office.pass_time(301)

    report = workflow.reconcile()

    assert (report.due, report.unchanged) == (12, 12)
    (asked_for,) = office.sandbox.bodies("ticket_approval_result")
    assert sorted(asked_for["sn"]) == sorted(change.sn or "" for change in changes)
    assert office.sandbox.bodies("get_ticket_info") == []


def test_only_our_own_numbers_are_asked_about(office: Office) -> None:
    """Asking takes a ticket off the list of undelivered callbacks, so other applications' entries stay there."""
    workflow = office.workflow()
    office.door.receive = None
    with office.sandbox.locked() as ledger:
        meta = {"callback_url": f"{office.door.url}/somebody/else/"}
        drafts = [
            Draft(title=f"theirs {number}", creator="eve", service=ledger.services[2], approvers=("eve",), meta=meta)
            for number in range(3)
        ]
        theirs = [ledger.file(draft).sn for draft in drafts]
    changes = apply_many(workflow, 3)
    office.pass_time()
    for sn in [*theirs, *(change.sn or "" for change in changes)]:
        office.sandbox.approve(sn)
    office.pass_time()
    assert len(office.sandbox.ledger.failed_callbacks()) == 6

    for _ in range(3):
        workflow.reconcile()
        office.pass_time(300)

    sent = {sn for body in office.sandbox.bodies("ticket_approval_result") for sn in body["sn"]}
    assert sent == {change.sn for change in changes}
    assert office.sandbox.ledger.failed_callbacks() == theirs
    assert {workflow.get(change.id).state for change in changes} == {State.APPROVED}


def test_sends_of_a_page_do_not_wait_for_each_other_with_their_mark(office: Office) -> None:
    """Creates that take seconds are each sent right after their own mark, so none is put back as too old."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/"
    changes = apply_many(office.workflow(office.settings(gateway_url=nobody)), 3)
    workflow = office.workflow()
    office.pass_time(31)
    office.sandbox.before["create_ticket"] = lambda: office.clock.advance(5)

    report = workflow.reconcile()

    assert (report.moved, report.failed, len(office.sandbox.tickets())) == (3, 0, 3)
    assert {workflow.get(change.id).state for change in changes} == {State.PENDING}


def test_effects_of_a_page_do_not_wait_for_each_other_with_their_lease(office: Office) -> None:
    """Work that takes minutes is claimed when it begins, so no other worker does it a second time."""
    calls: list[str] = []
    fail = True

    def work(call: EffectCall) -> None:
        if fail:
            raise ConnectionError("not yet")
        calls.append(call.id)
        office.clock.advance(200)
        if len(calls) == 3:
            other.reconcile()

    effects = {State.APPROVED: [Effect("start_collection", work)]}
    workflow, other = office.workflow(effects=effects), office.workflow(effects=effects)
    changes = apply_many(workflow, 4)
    for change in changes:
        office.approve(change)
    fail = False
    office.pass_time(60)

    workflow.reconcile()

    assert sorted(calls) == sorted(workflow.get(change.id).effects[0].id for change in changes)


def test_work_of_other_processes_does_not_use_up_the_limit() -> None:
    """A pass with a limit reaches its own work, however much work of others comes first."""
    world = World()

    def fail(_call: EffectCall) -> None:
        raise OSError("not yet")

    owner = world.workflow(effects={State.APPROVED: [Effect("start", fail)]})
    other = world.workflow(effects={})
    for number in range(5):
        change = world.apply(owner, f"collector-{number}")
        world.start_flow()
        world.decide(world.ticket_of(change), approved=True)
        assert owner.settle(change.id).state == State.APPROVED
    world.apply(owner, "collector-9")
    asked = world.ledger.requests["get_ticket_info"]
    world.clock.advance(301)

    report = other.reconcile(limit=1)

    assert (report.due, report.unchanged, report.finished) == (6, 6, False)
    assert world.ledger.requests["get_ticket_info"] == asked + 1
