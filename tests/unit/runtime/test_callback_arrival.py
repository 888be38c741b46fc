"""Rare looks: which changes of the store show that callbacks arrive, and when a pass relies on them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.policy import Policy
from itsm_workflow.runtime import callback_arrival
from itsm_workflow.runtime.callback_arrival import are_called_back
from itsm_workflow.sandbox.ticket import CallbackOutcome
from itsm_workflow.settle import Step
from itsm_workflow.storage.protocol import Query, Write
from tests.support.desk import ASKED, Desk

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.storage.protocol import Row, Rows

POLL, RARE = 300.0, 3600.0
POLICY = Policy(rare_poll=dt.timedelta(seconds=RARE), not_started=dt.timedelta(minutes=10))
OLD = 1001
"""Seconds after which the flow of a ticket was seen to have started."""


class Scene:
    """Changes that wait for their approvers and are due, all of them long enough."""

    def __init__(self, waiting: int = 2, *, desk: Desk | None = None, policy: Policy = POLICY) -> None:
        self.desk = desk or Desk()
        self.workflow: Workflow = self.desk.workflow(policy=policy)
        self.waiting = [self.apply(f"collector-{number}") for number in range(waiting)]
        self.desk.pass_time(OLD)

    def apply(self, subject: str) -> ChangeRequest:
        """File a change."""
        return self.workflow.apply(subject=subject, **ASKED)

    def end(self, subject: str, *, heard: bool) -> ChangeRequest:
        """File a change, let it be approved, and settle it after its callback, or after a callback that was lost."""
        change = self.apply(subject)
        self.desk.decide(change)
        if heard:
            hint = Step(Trigger.RECEIVE_CALLBACK, ev.CallbackHeard(sn=change.sn or "", digest="d", number=1))
            journal = self.workflow._journal
            journal.commit_one(journal.prepare(journal.load(change.id), [hint], actor="callback"))
        assert self.workflow.settle(change.id).state == "approved"
        return change

    def row(self, change: ChangeRequest) -> Row:
        """Return a change as it is stored."""
        row = self.desk.store.get(change.id)
        assert row is not None
        return row

    def due_in(self, change: ChangeRequest) -> float:
        """Return the seconds after which a change falls due."""
        due_at = self.workflow._journal.load(change.id).due_at
        assert due_at is not None
        return round((due_at - self.desk.clock.peek()).total_seconds())

    def is_called_back(self) -> bool:
        """Return what the store shows now."""
        return are_called_back(self.workflow._journal)


def test_while_callbacks_arrive_a_pass_looks_rarely() -> None:
    """A look that found nothing new has written the time of the next look, and nothing else."""
    scene = Scene()
    scene.end("collector-9", heard=True)
    before = [scene.row(change) for change in scene.waiting]

    report = scene.workflow.reconcile()

    assert (report.due, report.unchanged) == (2, 2)
    assert [scene.due_in(change) for change in scene.waiting] == [RARE, RARE]
    for change, row in zip(scene.waiting, before, strict=True):
        moved = scene.row(change)
        assert moved == attrs.evolve(row, version=row.version + 1, due_at=moved.due_at)


def test_a_callback_is_looked_into_immediately_while_looks_are_rare() -> None:
    """Its change falls due at its arrival."""
    scene = Scene()
    scene.end("collector-9", heard=True)
    scene.workflow.reconcile()
    scene.desk.pass_time(60)
    [first, _] = scene.waiting
    scene.desk.decide(first)
    journal = scene.workflow._journal
    hint = Step(Trigger.RECEIVE_CALLBACK, ev.CallbackHeard(sn=first.sn or "", digest="d", number=1))
    journal.commit_one(journal.prepare(journal.load(first.id), [hint], actor="callback"))

    assert scene.workflow.reconcile().moved == 1
    assert scene.workflow.get(first.id).state == "approved"


@pytest.mark.parametrize("heard", [None, False])
def test_a_silent_channel_is_not_relied_on(*, heard: bool | None) -> None:
    """Neither before the first callback, nor once a ticket has ended without one."""
    scene = Scene()
    if heard is not None:
        scene.end("collector-8", heard=heard)
        scene.desk.pass_time(POLL)
        scene.end("collector-9", heard=True)

    scene.workflow.reconcile()

    assert [scene.due_in(change) for change in scene.waiting] == [POLL, POLL]


def test_a_callback_that_the_gateway_lists_as_undelivered_ends_the_rare_looks() -> None:
    """The pass takes the list first, and relies on nothing from then on."""
    scene = Scene(3)
    scene.end("collector-9", heard=True)
    [first, *others] = scene.waiting
    scene.desk.ledger.record_delivery(scene.desk.decide(first), CallbackOutcome.FAILED)

    assert scene.workflow.reconcile().undelivered == 1
    assert [scene.due_in(change) for change in others] == [POLL, POLL]


def test_another_process_relies_on_the_same_changes_and_no_longer_than_they_show() -> None:
    """The store shows it, not the memory of the process; what ended too long ago shows nothing."""
    scene = Scene()
    scene.end("collector-9", heard=True)
    other = scene.desk.workflow(policy=POLICY)

    scene.desk.pass_time(RARE - 10)
    assert are_called_back(other._journal)
    scene.desk.pass_time(20)
    assert not are_called_back(other._journal)


def test_a_look_that_is_not_answered_is_repeated_as_often_as_ever() -> None:
    """Although its claim already was for a rare look."""
    scene = Scene()
    scene.end("collector-9", heard=True)
    scene.desk.faults.unreachable(always=True)

    assert scene.workflow.reconcile().failed == 2
    assert [scene.due_in(change) for change in scene.waiting] == [POLL, POLL]


def test_a_young_ticket_is_looked_at_as_often_as_ever() -> None:
    """Until a look has shown whether its flow started."""
    scene = Scene()
    young = scene.apply("collector-7")
    scene.end("collector-9", heard=True)
    scene.desk.pass_time(301)

    scene.workflow.reconcile()

    assert scene.due_in(young) == POLL


def test_whether_the_flow_runs_is_looked_into_once_an_hour_while_looks_are_rare() -> None:
    """Each look is an hour after the last one, so each of them reads the ticket in full."""
    scene = Scene()
    read: list[str] = []
    scene.desk.faults.meanwhile("read", lambda: read.append("read"), always=True)
    for number in range(3):
        scene.end(f"ended-{number}", heard=True)
        read.clear()
        assert scene.workflow.reconcile().unchanged == 2
        assert len(read) == 2
        scene.desk.pass_time(RARE)


def test_looks_of_a_silent_channel_read_no_more_in_full_than_they_did() -> None:
    """Their distance is the usual one, whatever the policy says about rare looks."""
    scene = Scene()
    scene.workflow.reconcile()
    read: list[str] = []
    scene.desk.faults.meanwhile("read", lambda: read.append("read"), always=True)
    scene.desk.pass_time(POLL)

    assert scene.workflow.reconcile().unchanged == 2
    assert read == []


@pytest.mark.parametrize("rare", [0.0, POLL])
def test_a_policy_without_rare_looks_reads_nothing(rare: float) -> None:
    """So the default costs nothing."""
    scene = Scene(policy=attrs.evolve(POLICY, rare_poll=dt.timedelta(seconds=rare)))
    scene.end("collector-9", heard=True)
    broken: Any = None
    scene.workflow._journal.storage = broken

    assert scene.is_called_back() is False


def test_a_damaged_change_is_no_evidence_and_holds_nothing_up() -> None:
    """Its error is reported where the change is needed."""
    scene = Scene()
    scene.end("collector-8", heard=True)
    damaged = scene.row(scene.end("collector-9", heard=True))
    spoilt = attrs.evolve(damaged, version=damaged.version + 1, document="{}", form=None)
    assert scene.desk.store.commit([Write(row=spoilt, expected_version=damaged.version, entries=())]) == [None]
    scene.desk.witness.troubles.clear()

    assert scene.is_called_back() is True
    assert scene.desk.witness.troubles == []


def test_a_store_that_fails_ends_the_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """It concerns all changes."""
    scene = Scene()
    scene.end("collector-9", heard=True)

    def fail(_: Row) -> None:
        raise StorageUnavailable("the disk is gone")

    monkeypatch.setattr(scene.workflow._journal, "read", fail)

    with pytest.raises(StorageUnavailable, match=r"^the disk is gone$"):
        scene.is_called_back()


def test_in_a_busy_store_the_last_changes_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of the time that fits into one page, so that a channel that falls silent is noticed."""
    monkeypatch.setattr(callback_arrival, "SAMPLE", 3)
    scene = Scene()
    for number in range(4):
        scene.end(f"early-{number}", heard=True)
    scene.desk.pass_time(RARE / 2)
    scene.end("late", heard=False)
    scene.desk.pass_time(POLL)
    assert scene.is_called_back() is False

    scene.desk.pass_time(RARE / 2 - POLL)
    for number in range(4):
        scene.end(f"latest-{number}", heard=True)
    scene.desk.pass_time(2 * POLL - 20)
    asked: list[Query] = []
    find = scene.desk.store.find

    def find_noted(query: Query) -> Rows:
        asked.append(query)
        return find(query)

    monkeypatch.setattr(scene.desk.store, "find", find_noted)
    assert scene.is_called_back() is True
    now = scene.desk.clock.peek().timestamp()
    starts = [query.after.value or 0 for query in asked if query.after is not None]
    assert [round(now - start / 1e6) for start in starts] == [3600, 1800, 900, 600]
    assert {query.limit for query in asked} == {3}
