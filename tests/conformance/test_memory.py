"""The memory backend keeps every promise of the port that does not outlive it."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.storage.protocol import Order, Query
from itsm_workflow.testing import StorageConformance
from itsm_workflow.testing.conformance import QUICK
from itsm_workflow.testing.conformance._rows import create, follow
from itsm_workflow_backends.memory import MemoryBackend
from tests.conformance.profiles import SHORT
from tests.support.strikes import LIBRARY, Striker

if TYPE_CHECKING:
    from collections.abc import Callable


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
