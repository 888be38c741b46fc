"""Callers that wait for a change are woken by a commit of that change in the same process, and forgotten afterwards."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.runtime import wakeups
from itsm_workflow.runtime.wakeups import Waiter, registered, wake_all, wake_for
from tests.support.desk import ASKED, SUBJECT, Desk
from tests.support.limits import exit_code

if TYPE_CHECKING:
    from itsm_workflow import Workflow

STORE, OTHER = object(), object()


def waiter(woken: list[str], name: str, *, storage: object = STORE, owner: object = None) -> Waiter:
    """Return a waiter for the change C1 that records that it was woken."""
    return Waiter(storage=storage, change_id="C1", owner=owner, wake=lambda: woken.append(name))


def test_only_those_who_wait_for_the_change_in_the_same_store_are_woken() -> None:
    """Each of them, and none after its block."""
    woken: list[str] = []
    with registered(waiter(woken, "first")), registered(waiter(woken, "second")):
        with registered(waiter(woken, "elsewhere", storage=OTHER)):
            wake_for(STORE, {"C2"})
            assert woken == []
            wake_for(STORE, {"C0", "C1"})
        wake_for(OTHER, {"C1"})
    wake_for(STORE, {"C1"})

    assert sorted(woken) == ["first", "second"]


def test_the_waiters_of_one_owner_are_woken_whatever_they_wait_for() -> None:
    """And those of no other owner."""
    woken: list[str] = []
    mine, yours = object(), object()
    with registered(waiter(woken, "mine", owner=mine)), registered(waiter(woken, "yours", owner=yours)):
        wake_all(mine)

    assert woken == ["mine"]


def test_a_waiter_is_forgotten_when_its_block_fails() -> None:
    """Also by an interrupt."""
    with pytest.raises(KeyboardInterrupt), registered(waiter([], "first")):
        raise KeyboardInterrupt
    assert wakeups._waiting == set()


def test_a_forked_child_wakes_no_waiter_of_its_parent() -> None:
    """The thread that waits is not there, and the child forgets its waiter."""
    woken: list[str] = []
    with registered(waiter(woken, "parent")):
        pid = os.fork()
        if pid == 0:  # what a child does must not reach the test's runner
            code = 1
            try:
                with registered(waiter(woken, "child")):
                    wake_for(STORE, {"C1"})
                    code = 0 if (woken, len(wakeups._waiting)) == (["child"], 1) else 1
            finally:
                os._exit(code)
        assert exit_code(pid) == 0
        wake_for(STORE, {"C1"})
    assert woken == ["parent"]


def drafts(workflow: Workflow) -> list[str]:
    """Return the ids of the changes."""
    return [change.id for change in workflow.find()]


def test_a_commit_wakes_for_the_changes_that_it_stored() -> None:
    """After they are stored, and before observers are notified; a conflict wakes nobody."""
    desk = Desk()
    workflow = desk.workflow()
    change = workflow.draft(subject=SUBJECT, **ASKED)
    journal, seen = workflow._journal, []
    mine = Waiter(
        storage=desk.store,
        change_id=change.id,
        owner=None,
        wake=lambda: seen.append((desk.store.commits, len(desk.witness.entries))),
    )
    with registered(mine):
        commits, entries = desk.store.commits, len(desk.witness.entries)
        other = workflow.draft(subject="collector-43", **ASKED)
        assert seen == []
        workflow.revise(change.id, title="another", applicant="alice", approvers=["carol"])
        assert seen == [(commits + 2, entries + 1)]

        stored = journal.load(change.id)
        prepared = journal.prepare(stored, [], actor="alice", looked=True)
        desk.race(change.id)
        assert [conflict is None for conflict in journal.commit([prepared])] == [False]
        assert len(seen) == 1
    assert drafts(workflow) == sorted([change.id, other.id])
