"""Figures of a store: what is counted, from which rows, and the bound on the cost."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import Effect, Policy, State
from itsm_workflow.change import AttentionReason
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.runtime import figures
from itsm_workflow.settle import Step
from itsm_workflow.storage.protocol import Write
from tests.support import examples as x
from tests.support.desk import ASKED, Desk

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.storage.protocol import Query, Rows


def apply(workflow: Workflow, subject: str) -> ChangeRequest:
    """File a change."""
    return workflow.apply(subject=subject, **ASKED)


def fire(workflow: Workflow, change: ChangeRequest, trigger: Trigger, evidence: object) -> None:
    """Fire a trigger of the library on a change."""
    journal = workflow._journal
    journal.commit_one(journal.prepare(journal.load(change.id), [Step(trigger, evidence)], actor="test"))


def flag(workflow: Workflow, change: ChangeRequest, reason: AttentionReason) -> None:
    """Raise attention."""
    fire(workflow, change, Trigger.RAISE_ATTENTION, ev.Concern(reason=reason))


def hear(workflow: Workflow, change: ChangeRequest) -> None:
    """Store a callback."""
    heard = ev.CallbackHeard(sn=change.sn or "", digest="d", number=1)
    fire(workflow, change, Trigger.RECEIVE_CALLBACK, heard)


def heard_at(workflow: Workflow, change: ChangeRequest) -> dt.datetime:
    """Return the time of the change's last callback."""
    heard = workflow.get(change.id).heard
    assert heard is not None
    return heard.at


def test_an_empty_store_has_zeros_for_every_state_and_reason() -> None:
    """So a series begins before the first change does."""
    found = Desk().workflow().figures()

    open_states = {State.DRAFT, State.APPLYING, State.PENDING, State.FAILED_CALLBACK}
    assert found.states == dict.fromkeys(open_states, 0)
    assert found.attention == {reason.value: 0 for reason in AttentionReason}
    assert (found.oldest, found.earliest_due, found.last_callback, found.capped) == ({}, None, None, ())


def test_states_and_reasons_are_counted() -> None:
    """Each open change in its state, and each flagged one by its reason, open or ended."""
    desk = Desk()
    workflow = desk.workflow()
    first = apply(workflow, "a")
    desk.pass_time(100)
    second, ended = apply(workflow, "b"), apply(workflow, "c")
    workflow.draft(subject="d", **ASKED)
    desk.decide(ended)
    workflow.settle(ended.id)
    flag(workflow, second, AttentionReason.OVERDUE)
    flag(workflow, ended, AttentionReason.OVERDUE)

    found = workflow.figures()
    assert {state: count for state, count in found.states.items() if count} == {"pending": 2, "draft": 1}
    assert {reason: count for reason, count in found.attention.items() if count} == {"overdue": 2}
    assert found.oldest["pending"] == first.updated_at
    assert first.updated_at < found.at <= desk.clock.now()


def test_the_earliest_due_time_is_that_of_the_change_that_has_waited_longest() -> None:
    """Long past if no pass runs."""
    desk = Desk()
    workflow = desk.workflow()
    change = apply(workflow, "a")
    desk.pass_time(3600)
    apply(workflow, "b")

    due = desk.store.get(change.id)
    assert due is not None
    found = workflow.figures().earliest_due
    assert found is not None
    assert int(found.timestamp() * 1_000_000) == due.due_at
    assert found < desk.clock.now()


def test_parked_effects_and_contradictions_are_those_of_changes_with_attention() -> None:
    """A person who clears the attention has dealt with them."""

    def fail(_: object) -> None:
        raise ConnectionError("the database is down")

    desk = Desk()
    policy = Policy(effect_attempts=1)
    workflow = desk.workflow(effects={State.APPROVED: [Effect("start", fail), Effect("notify", fail)]}, policy=policy)
    change, other = apply(workflow, "a"), apply(workflow, "b")
    for one in (change, other):
        desk.decide(one)
        workflow.settle(one.id)
    fire(workflow, other, Trigger.RECORD_CONTRADICTION, x.snapshot(ticket_id=other.expect_ticket().id))

    found = workflow.figures()
    assert (found.parked, found.contradictions) == (4, 1)
    workflow.clear_attention(other.id, actor="olga", reason="known")
    found = workflow.figures()
    assert (found.parked, found.contradictions) == (2, 0)


def test_tickets_that_ended_are_told_apart_by_their_callbacks() -> None:
    """One that ended just now may still be called back; an abandoned change and an open one show nothing."""
    desk = Desk()
    workflow = desk.workflow()
    also_heard, heard, missed, open_one = (apply(workflow, subject) for subject in "abcd")
    for change in (also_heard, heard, missed):
        desk.decide(change)
    for change in (also_heard, heard):
        hear(workflow, change)
    for change in (also_heard, heard, missed):
        workflow.settle(change.id)

    found = workflow.figures()
    assert (found.called_back, found.not_called_back) == (2, 0)
    assert found.last_callback == heard_at(workflow, heard)
    desk.pass_time(workflow.policy.poll.total_seconds())
    found = workflow.figures()
    assert (found.called_back, found.not_called_back, found.missed_in_a_row) == (2, 1, 1)
    fire(workflow, open_one, Trigger.FAIL_CALLBACK, ev.Undelivered(sn=open_one.sn or ""))
    found = workflow.figures()
    assert (found.not_called_back, found.missed_in_a_row) == (2, 2)
    hear(workflow, open_one)
    assert workflow.figures().missed_in_a_row == 0
    desk.pass_time(figures.WINDOW.total_seconds() + 1)
    found = workflow.figures()
    assert (found.last_callback, found.called_back, found.not_called_back) == (None, 0, 0)


def test_a_busy_store_is_examined_in_small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The window is halved until few changes are left in it."""
    monkeypatch.setattr(figures, "SAMPLE", 2)
    desk = Desk()
    workflow = desk.workflow()
    for number in range(5):
        apply(workflow, f"old-{number}")
    desk.pass_time(7200)
    newest = apply(workflow, "new")
    hear(workflow, newest)

    assert workflow.figures().last_callback == heard_at(workflow, newest)


@pytest.mark.parametrize("limit", [1, 2])
def test_counts_stop_at_the_limit(limit: int) -> None:
    """The figures name the states and the reasons of which there is more."""
    desk = Desk()
    workflow = desk.workflow()
    for number in range(3):
        flag(workflow, apply(workflow, f"c-{number}"), AttentionReason.OVERDUE)

    found = workflow.figures(limit=limit)
    assert (found.states["pending"], found.attention["overdue"]) == (limit, limit)
    assert found.capped == ("pending", "overdue")
    assert workflow.figures(limit=3).capped == ()


def test_rows_of_ended_changes_are_not_read() -> None:
    """Their number has no bound: a thousand more cost no further row."""
    desk = Desk()
    workflow = desk.workflow()
    change = apply(workflow, "a")
    desk.decide(change)
    workflow.settle(change.id)
    row = desk.store.get(change.id)
    assert row is not None
    # Ended long ago, as a store has them: copies of the row that were not touched for a year.
    year = 365 * 24 * 3600 * 1_000_000
    for number in range(1000):
        old = attrs.evolve(
            row, id=f"old-{number:04}", version=1, seq=0, ticket_key=None, due_at=None, updated_at=row.updated_at - year
        )
        assert desk.store.inner.commit([Write(row=old, expected_version=0, entries=())]) == [None]
    read: list[int] = []
    find = desk.store.find

    def counted(query: Query, /) -> Rows:
        found = find(query)
        read.append(len(found.rows))
        return found

    desk.store.find = counted  # type: ignore[method-assign]
    workflow.figures()
    assert sum(read) == 1  # as one that moved lately
    assert len(read) == 4 + len(AttentionReason) + 2


def test_a_change_that_cannot_be_read_is_counted_and_stops_nothing() -> None:
    """Its row shows the state and the reason."""
    desk = Desk()
    workflow = desk.workflow()
    change = apply(workflow, "a")
    flag(workflow, change, AttentionReason.OVERDUE)
    row = desk.store.get(change.id)
    assert row is not None
    damaged: Any = attrs.evolve(row, version=row.version + 1, document=row.document[:-2], form=None)
    entry = desk.store.history(change.id).entries[-1]
    damaged = attrs.evolve(damaged, seq=row.seq + 1)
    entry = attrs.evolve(entry, seq=row.seq + 1)
    write = Write(row=damaged, expected_version=row.version, entries=(entry,))
    assert desk.store.inner.commit([write]) == [None]

    found = workflow.figures()
    assert (found.attention["overdue"], found.states["pending"], found.unreadable) == (1, 1, 1)


def test_figures_of_another_workflow_in_the_store_are_not_mixed_in() -> None:
    """A host with several workflows reads the figures of each."""
    desk = Desk()
    change = apply(desk.workflow(), "a")
    row = desk.store.get(change.id)
    assert row is not None
    other = attrs.evolve(row, id="other", workflow="deployment", version=1, open_subject=None, ticket_key=None, seq=0)
    assert desk.store.inner.commit([Write(row=other, expected_version=0, entries=())]) == [None]

    found = desk.workflow().figures()
    assert found.states["pending"] == 1
    assert found.unreadable == 0


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    """It would count nothing and say that there is more."""
    with pytest.raises(ValueError, match=r"figures\(limit=\.\.\.\) takes a whole number of at least 1"):
        Desk().workflow().figures(limit=limit)


def test_the_window_is_longer_than_the_shortest_one() -> None:
    """Else the search for callbacks would never narrow."""
    assert figures.SHORTEST < figures.WINDOW == dt.timedelta(days=1)
