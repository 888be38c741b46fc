"""A pass of the reconciler: whose notices it takes, where it stops, and what it tells of a change that fails in it."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import State
from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.runtime import reconciler
from itsm_workflow.runtime.reconciler import Report
from itsm_workflow.sandbox.ticket import CallbackOutcome
from tests.support.desk import ASKED, SUBJECT, Desk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.settle import Leave, Plan
    from itsm_workflow.storage.codec import Stored
    from itsm_workflow.storage.protocol import Write


def pending(count: int) -> tuple[Desk, Workflow, list[ChangeRequest]]:
    """Return changes that wait for their approvers and are not due."""
    desk = Desk()
    workflow = desk.workflow()
    return desk, workflow, [workflow.apply(subject=f"collector-{number}", **ASKED) for number in range(count)]


def call_in_vain(desk: Desk, changes: Sequence[ChangeRequest]) -> None:
    """Let the tickets be approved, and each callback be lost; the ticket system lists them."""
    for change in changes:
        desk.ledger.record_delivery(desk.decide(change), CallbackOutcome.FAILED)
    assert sorted(desk.ledger.failed_callbacks()) == sorted(change.sn or "" for change in changes)


def triggers(workflow: Workflow, change: ChangeRequest) -> list[str]:
    """Return the triggers of a change's history."""
    return [entry.trigger for entry in workflow.history(change.id)]


# ---------------------------------------------------------------- clocks that stood ahead


def test_what_a_clock_that_stood_ahead_put_off_is_looked_at_again() -> None:
    """Once the clock is right again, a pass finds it beyond anything that is ever put off."""
    desk, workflow, changes = pending(2)
    now = desk.clock.now()
    desk.clock.set_wall(now + dt.timedelta(days=400))
    workflow.reconcile()
    desk.decide(changes[0])
    desk.clock.set_wall(now)

    assert workflow.reconcile().due == 2

    assert [workflow.get(change.id).state for change in changes] == [State.APPROVED, State.PENDING]


# ---------------------------------------------------------------- notices of undelivered callbacks


def test_only_what_is_listed_was_called_back_in_vain() -> None:
    """Another change that waits is not touched."""
    desk, workflow, changes = pending(3)
    call_in_vain(desk, changes[:1])

    report = workflow.reconcile()

    assert (report.undelivered, report.due, report.moved) == (1, 1, 1)
    assert [triggers(workflow, change).count("fail_callback") for change in changes] == [1, 0, 0]
    [entry] = [entry for entry in workflow.history(changes[0].id) if entry.trigger == "fail_callback"]
    assert (entry.actor, getattr(entry.evidence, "sn", "")) == ("gateway", changes[0].sn)
    assert [workflow.get(change.id).state for change in changes] == [State.APPROVED, State.PENDING, State.PENDING]


def test_notices_that_are_not_taken_when_the_time_is_over_are_taken_by_the_next_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are listed until their tickets are read."""
    monkeypatch.setattr("itsm_workflow.runtime.reconciler.PAGE", 1)
    desk, workflow, changes = pending(3)
    call_in_vain(desk, changes)
    desk.store.after = lambda _: desk.clock.advance(5)

    first = workflow.reconcile(seconds=8)
    desk.store.after = lambda _: None

    assert (first.undelivered, first.due, first.stopped) == (2, 0, "its time was used up")
    assert workflow.reconcile().undelivered == 1
    assert {workflow.get(change.id).state for change in changes} == {State.APPROVED}


def test_a_list_that_cannot_be_had_is_told_of_and_holds_nothing_up() -> None:
    """It is about no single change."""
    desk, workflow, _ = pending(1)
    desk.faults.unreachable("undelivered")
    desk.pass_time(301)

    report = workflow.reconcile()

    assert (report.due, report.unchanged, report.undelivered) == (1, 1, 0)
    assert [name for name, _ in desk.witness.troubles] == [""]


def test_a_notice_that_another_worker_takes_first_is_not_counted() -> None:
    """It is counted once, by whoever stored it."""
    desk, workflow, changes = pending(1)
    call_in_vain(desk, changes)
    desk.race_once(changes[0].id)

    assert workflow.reconcile().undelivered == 0


# ---------------------------------------------------------------- planning and putting off


def test_a_change_that_cannot_be_planned_is_told_of_and_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule of the host may fail on it."""
    desk, workflow, changes = pending(3)
    desk.pass_time(301)
    plan = workflow._executor.plan

    def brittle(stored: Stored) -> Plan | Leave | None:
        if stored.change.id == changes[1].id:
            raise ZeroDivisionError("a host's mistake")
        return plan(stored)

    monkeypatch.setattr(workflow._executor, "plan", brittle)
    report = workflow.reconcile()

    assert (report.due, report.unchanged, report.unreadable, report.finished) == (3, 2, 1, True)
    [(name, error)] = desk.witness.troubles
    assert name == changes[1].id
    assert str(error).startswith("the change could not be processed, and falls due again: ZeroDivisionError")


def test_a_store_that_fails_while_a_change_is_planned_ends_the_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no trouble of one change."""
    desk, workflow, _ = pending(1)
    desk.pass_time(301)

    def fail(_: Stored) -> Plan | Leave | None:
        raise StorageUnavailable("gone")

    monkeypatch.setattr(workflow._executor, "plan", fail)
    with pytest.raises(StorageUnavailable, match="gone"):
        workflow.reconcile()
    assert desk.witness.troubles == []


@pytest.mark.parametrize("is_sent", [True, False])
def test_a_send_counts_by_whether_it_was_sent(*, is_sent: bool) -> None:
    """One that provably never left was not answered, and is tried again."""
    desk = Desk()
    desk.faults.unreachable("create", always=True)
    workflow = desk.workflow()
    change = workflow.apply(subject="collector-1", **ASKED)
    desk.pass_time(31)
    if is_sent:
        desk.faults.clear()

    report = workflow.reconcile()

    assert (report.due, report.moved, report.failed) == ((1, 1, 0) if is_sent else (1, 0, 1))
    assert workflow.get(change.id).state == (State.PENDING if is_sent else State.APPLYING)


def test_a_report_of_nothing_counts_nothing() -> None:
    """And nothing ended the pass."""
    nothing = Report()
    assert set(attrs.asdict(nothing).values()) == {0, True, ""}
    assert (nothing.finished, nothing.stopped, nothing.due, nothing.seconds) == (True, "", 0, 0.0)


# ---------------------------------------------------------------- the limit, the time and the progress


def test_a_limit_that_was_reached_with_the_last_change_ends_the_pass() -> None:
    """Whether more is due is not looked for."""
    desk, workflow, _ = pending(2)
    desk.pass_time(301)

    report = workflow.reconcile(limit=2)

    assert (report.due, report.finished, report.stopped) == (2, False, "the limit was reached")


def test_a_limit_of_none_looks_at_nothing() -> None:
    """Not even at a page."""
    desk, workflow, _ = pending(2)
    desk.pass_time(301)

    report = workflow.reconcile(limit=0)

    assert (report.due, report.finished, report.stopped) == (0, False, "the limit was reached")


def test_progress_is_told_after_each_page_and_tells_all_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one is the report."""
    monkeypatch.setattr("itsm_workflow.runtime.reconciler.PAGE", 2)
    desk, workflow, _ = pending(5)
    desk.pass_time(301)
    desk.store.after = lambda _: desk.clock.advance(1)
    seen: list[tuple[int, int, float]] = []

    report = workflow.reconcile(progress=lambda so_far: seen.append((so_far.due, so_far.unchanged, so_far.seconds)))

    assert [(due, unchanged) for due, unchanged, _ in seen[:3]] == [(2, 2), (4, 4), (5, 5)]
    assert seen[0][2] < seen[1][2] < seen[2][2] <= report.seconds
    assert (report.due, report.unchanged, report.finished, report.stopped) == (5, 5, True, "")


def test_time_that_the_progress_takes_is_time_of_the_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told of each page, also of the last one, and what it uses up is not spent on another page."""
    monkeypatch.setattr("itsm_workflow.runtime.reconciler.PAGE", 2)
    desk, workflow, _ = pending(5)
    desk.pass_time(301)
    seen: list[int] = []

    def tell(so_far: Report) -> None:
        seen.append(so_far.due)
        desk.clock.advance(5)

    report = workflow.reconcile(seconds=8, progress=tell)

    assert seen == [2, 4]
    assert (report.due, report.seconds, report.stopped) == (4, 10.0, "its time was used up")


def test_the_limit_is_named_before_the_time_that_ended_with_it() -> None:
    """Whoever set it knows that there may be more."""
    desk, workflow, _ = pending(2)
    desk.pass_time(301)

    report = workflow.reconcile(limit=2, seconds=5, progress=lambda _: desk.clock.advance(5))

    assert (report.due, report.stopped) == (2, "the limit was reached")


def test_a_send_is_not_begun_after_the_time_of_the_pass() -> None:
    """The next pass sends it."""
    desk = Desk()
    desk.faults.unreachable("create", always=True)
    workflow = desk.workflow()
    changes = [workflow.apply(subject=f"collector-{number}", **ASKED) for number in range(2)]
    desk.pass_time(31)
    desk.faults.clear()
    desk.faults.meanwhile("create", lambda: desk.clock.advance(5), always=True)

    first = workflow.reconcile(seconds=3)

    assert (first.due, first.moved, first.stopped) == (1, 1, "its time was used up")
    assert workflow.reconcile().moved == 1
    assert {workflow.get(change.id).state for change in changes} == {State.PENDING}


def test_the_lease_of_a_send_counts_from_before_the_commit_of_its_mark() -> None:
    """A commit that took too much of it sends nothing: another worker takes over when it ends."""
    desk = Desk()
    desk.faults.unreachable("create", always=True)
    workflow = desk.workflow()
    change = workflow.apply(subject="collector-1", **ASKED)
    desk.pass_time(31)
    desk.faults.clear()

    def wait(_: Sequence[Write]) -> None:
        desk.store.after = lambda _: None
        desk.clock.advance(11)

    desk.store.after = wait

    assert workflow.reconcile().failed == 1
    assert "this worker took 11.0 s before it could send" in workflow.get(change.id).expect_attempt().problem
    assert desk.ledger.tickets() == ()


@pytest.mark.parametrize("limit", [None, 60])
def test_a_page_is_claimed_in_one_commit(limit: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What shows nothing new needs no other one."""
    monkeypatch.setattr(reconciler, "PAGE", 25)
    desk, workflow, _ = pending(30)
    desk.pass_time(301)
    sizes: list[int] = []
    desk.store.before = lambda writes: sizes.append(len(writes))

    workflow.reconcile(limit=limit)

    assert sizes == [25, 5]


def test_a_change_is_due_at_its_very_time() -> None:
    """And not a microsecond before; one without a time never is."""
    desk, workflow, [change] = pending(1)
    stored = workflow._journal.load(change.id)
    tick = dt.timedelta(microseconds=1)

    def is_due(after: dt.timedelta) -> bool:
        return workflow._executor.is_due(attrs.evolve(stored, due_at=desk.clock.peek() + after))

    assert (is_due(tick), is_due(2 * tick)) == (True, False), "each reading of this clock is a tick later"
    assert not workflow._executor.is_due(attrs.evolve(stored, due_at=None))


def test_a_change_that_falls_due_during_a_pass_belongs_to_the_next() -> None:
    """Otherwise a pass might never end."""
    desk, workflow, changes = pending(2)
    desk.pass_time(301)
    late = workflow.apply(subject="late", **ASKED)

    def fall_due(_: Sequence[Write]) -> None:
        desk.store.after = lambda _: None
        desk.clock.advance(301)

    desk.store.after = fall_due

    assert workflow.reconcile().due == len(changes)
    assert workflow._executor.is_due(workflow._journal.load(late.id))


def test_nothing_is_begun_once_the_time_is_over() -> None:
    """Not even what needs no call of the gateway: it is due, and the next pass begins with it."""
    desk = Desk()
    workflow = desk.workflow()
    change = workflow.draft(subject="collector-1", **ASKED)
    stored = workflow._journal.load(change.id)

    class Over:
        time = SimpleNamespace(is_over=lambda: True)

        def look(self, _asked: object) -> list[str]:
            return []

    over: Any = Over()
    commits = desk.store.commits
    assert workflow._reconciler._carry_out([(stored, None)], over) == []
    assert desk.store.commits == commits


def test_a_pass_a_list_and_a_look_by_name_read_past_empty_pages() -> None:
    """The end of a list is where the store says so."""
    desk = Desk()
    workflow = desk.sparse()
    change = workflow.apply(subject=SUBJECT, **ASKED)

    assert [one.id for one in workflow.find(subject=SUBJECT)] == [change.id]
    assert workflow.resolve(SUBJECT).id == change.id
    desk.clock.advance(600)
    assert workflow.reconcile().due == 1
