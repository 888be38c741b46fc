"""The memory backend keeps every promise of the port that does not outlive it."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.protocol import Order, Query
from itsm_workflow.testing import StorageConformance
from itsm_workflow.testing.conformance import QUICK
from itsm_workflow.testing.conformance._rows import create, follow
from itsm_workflow_backends import memory
from itsm_workflow_backends.memory import MemoryBackend
from tests.conformance.profiles import SHORT
from tests.support.limits import exit_code
from tests.support.long import long_after
from tests.support.strikes import LIBRARY, Striker

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


class TestMemory(StorageConformance):
    """One store in this process."""

    abilities = MemoryBackend.abilities
    profile = SHORT

    @pytest.fixture
    def open_backend(self) -> Callable[[], MemoryBackend]:
        """Return the class: a new store each time, which the kit asks for once in a test."""
        return MemoryBackend


@pytest.mark.long
class TestMemoryMoreOften(TestMemory):
    """With as many trials as a backend's author gets."""

    profile = QUICK


# Not the lock's own lines: the interpreter delivers no signal there, as a trace function does.
WITHIN = (f"{LIBRARY}/storage/",)
FORKS_APART = 8
"""A run forks at each eighth line: a process is copied each time."""
STORED = [
    create("kept", subject="s", open_subject="s", ticket_key="k1", submission=1),
    create("moved", subject="t", open_subject="t", ticket_key="k2", due_at=5),
]
MOVED = follow(STORED[1].row, due_at=9, open_subject=None, form=None)
BATCH = [create("new", subject="s", ticket_sn="n", submission=3), MOVED]


def shown(store: MemoryBackend) -> object:
    """Return all that a store answers about these changes."""
    queries = [
        *(Query(order=order) for order in Order if order is not Order.SUBMISSION),
        *(Query(subject="s", order=order) for order in Order),
        *(Query(open_subject=subject) for subject in "st"),
        Query(ticket_sns=("n",)),
    ]
    return [
        [store.find(query) for query in queries],
        [store.history(name) for name in ("kept", "moved", "new")],
        [store.get(name) for name in ("kept", "moved", "new")],
    ]


def filled() -> MemoryBackend:
    """Return a store with two changes that keeps every order."""
    store = MemoryBackend()
    assert store.commit(STORED) == [None, None]
    shown(store)
    return store


def test_an_interrupt_anywhere_in_a_commit_stores_nothing_of_it_or_all() -> None:
    """Ctrl-C in the middle leaves a store that answers, and that takes the same commit once."""
    untouched, whole, ends = shown(filled()), filled(), set()
    assert whole.commit(BATCH) == [None, None]
    for at in itertools.count():
        store, striker = filled(), Striker(KeyboardInterrupt, at, within=WITHIN)
        with contextlib.suppress(KeyboardInterrupt), striker.watching():
            store.commit(BATCH)
        was_stored = store.get("new") is not None
        ends.add(was_stored)
        assert shown(store) == (shown(whole) if was_stored else untouched), striker.place
        store.commit(BATCH)
        assert shown(store) == shown(whole), striker.place
        if striker.lines <= at:
            break
    assert ends == {False, True}


def in_child(passed: Callable[[], bool]) -> bool:
    """Return what a forked process finds."""
    child = os.fork()
    if child == 0:  # what a child does must not reach the test's runner
        code = 2
        try:
            sys.settrace(None)
            code = 0 if passed() else 1
        finally:
            os._exit(code)
    return exit_code(child) == 0


def goes_on(store: MemoryBackend) -> bool:
    """Return whether a store can be read, and written from several threads."""
    writers = [threading.Thread(target=store.commit, args=([create(name)],)) for name in ("later", "last")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    return None not in {store.get(name) for name in ("kept", "later", "last")}


@pytest.mark.parametrize("is_held", [True, False])
def test_a_forked_child_waits_for_no_lock_of_its_parent(is_held: bool) -> None:  # noqa: FBT001 - a case
    """The thread that held it is not there; the parent keeps its own lock."""
    store, held, done = filled(), threading.Event(), threading.Event()

    def hold() -> None:
        with store._lock if is_held else contextlib.nullcontext():
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        assert in_child(lambda: goes_on(store))
        assert store._lock.locked() is is_held
    finally:
        done.set()
        thread.join()
    assert store.get("later") is None


class Forker(Striker):
    """A tracer that forks at one of the lines, as another thread may while this one is in a call."""

    def __init__(self, at: int, passed: Callable[[], bool]) -> None:
        super().__init__(KeyboardInterrupt, within=(*WITHIN, memory.__file__))
        self._fork_at = at
        self._passed = passed
        self.has_passed: bool | None = None

    def _line(self, frame: FrameType, event: str, given: object) -> Any:  # noqa: ANN401 - as there
        super()._line(frame, event, given)
        if event == "line" and self.lines == self._fork_at + 1:
            self.place = f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}"
            self.has_passed = in_child(self._passed)
        return self._line


@pytest.mark.parametrize("first", long_after(1, range(FORKS_APART)))
def test_a_fork_anywhere_in_a_commit_leaves_the_child_all_of_it_or_nothing(first: int) -> None:
    """The commit does not go on in the child, which would otherwise have a part of a batch."""
    untouched, whole = shown(filled()), filled()
    assert whole.commit(BATCH) == [None, None]
    for at in itertools.count(first, FORKS_APART):
        store = filled()

        def is_whole(store: MemoryBackend = store) -> bool:
            found = shown(store)
            store.commit(BATCH)
            return found in (untouched, shown(whole)) and shown(store) == shown(whole)

        forker = Forker(at, is_whole)
        with forker.watching():
            store.commit(BATCH)
        assert shown(store) == shown(whole), forker.place
        if forker.lines <= at:
            break
        assert forker.has_passed, forker.place
    assert at > len(BATCH)


def test_a_fork_after_a_commit_keeps_it() -> None:
    """Whatever call is under way then; and a closed store stays closed."""
    store, closed = filled(), filled()
    assert store.commit(BATCH) == [None, None]
    with store._lock:
        assert in_child(lambda: store.get("new") is not None)
    closed.close()

    def is_closed() -> bool:
        with contextlib.suppress(StorageUnavailable):
            closed.get("kept")
            return False
        return True

    with closed._lock:
        assert in_child(is_closed)


def test_what_an_interrupted_commit_has_left_undoes_nothing_in_a_child() -> None:
    """The interrupt may come when the commit is over, before it forgets how to undo itself."""
    store = filled()
    now = shown(store)
    store._undo = {"kept": None}
    assert in_child(lambda: shown(store) == now)
    with store._lock:  # as another call does
        store._open_table()
        assert in_child(lambda: shown(store) == now)
