"""Reading all rows of a query, or all entries of a change, page by page."""

from __future__ import annotations

from itertools import islice

import pytest

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage import paging
from itsm_workflow.storage.protocol import Cursor, EntryRows, Order, Query, Rows
from itsm_workflow.testing.conformance._rows import NOW, create
from itsm_workflow_backends.memory import MemoryBackend


class Counting(MemoryBackend):
    """Records the pages that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[object] = []

    def find(self, query: Query, /) -> Rows:
        """Return a page."""
        self.asked.append(query.after and query.after.id)
        return super().find(query)

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Return a page."""
        self.asked.append((change_id, after_seq, limit))
        return super().history(change_id, after_seq, limit)


@pytest.fixture
def store() -> Counting:
    """Return a store of five changes; the last has seven entries."""
    store = Counting()
    assert store.commit([create(name, due_at=NOW, entries=7 if name == "e" else 1) for name in "abcde"]) == [None] * 5
    return store


@pytest.mark.parametrize("order", [Order.ID, Order.DUE_AT])
def test_every_row_is_yielded_once_in_pages_of_the_limit(store: Counting, order: Order) -> None:
    """The last page ends the iteration, whether it is full or not."""
    assert [len(page) for page in paging.pages(store, Query(order=order, limit=2))] == [2, 2, 1]
    assert [len(page) for page in paging.pages(store, Query(order=order, limit=5))] == [5]
    assert [row.id for row in paging.rows(store, Query(order=order, limit=2))] == [*"abcde"]
    assert store.asked == [None, "b", "d", None, None, "b", "d"]


def test_a_page_is_read_when_its_first_row_is_asked_for(store: Counting) -> None:
    """A caller that stops early reads no more, and one that writes meanwhile finds what it wrote."""
    rows = paging.rows(store, Query(limit=2))
    assert store.asked == []
    assert [row.id for row in islice(rows, 2)] == ["a", "b"]
    assert store.asked == [None]
    assert store.commit([create("bb")]) == [None]
    assert [row.id for row in rows] == ["bb", *"cde"]


def test_a_short_or_an_empty_page_is_not_the_end(store: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the page without a cursor is."""
    a, b, *_ = store.find(Query()).rows
    left = [
        Rows(rows=(), next=Cursor(value=None, id="")),
        Rows(rows=(a,), next=Cursor(value=None, id="a")),
        Rows(rows=(b,)),
    ]
    monkeypatch.setattr(store, "find", lambda _: left.pop(0))

    assert list(paging.rows(store, Query(limit=5))) == [a, b]


def test_the_conditions_of_a_query_hold_on_every_page(store: Counting) -> None:
    """Not only on the first one."""
    assert [row.id for row in paging.rows(store, Query(ids=("a", "c", "e"), limit=1))] == ["a", "c", "e"]


def test_every_entry_is_yielded_once(store: Counting) -> None:
    """From the given one on; without any, as the port itself reads."""
    assert [entry.seq for entry in paging.entries(store, "e", after_seq=1, limit=3)] == [2, 3, 4, 5, 6, 7]
    assert [entry.seq for entry in paging.entries(store, "e")] == [1, 2, 3, 4, 5, 6, 7]
    assert list(paging.entries(store, "unknown")) == []
    assert store.asked == [("e", 1, 3), ("e", 4, 3), ("e", 0, 1000), ("unknown", 0, 1000)]


def test_an_error_of_the_store_is_raised_where_the_page_is_read(store: Counting) -> None:
    """After the rows of the pages before it."""
    rows, entries = paging.rows(store, Query(limit=2)), paging.entries(store, "e", limit=2)
    assert [row.id for row in islice(rows, 2)] == ["a", "b"]
    assert [entry.seq for entry in islice(entries, 2)] == [1, 2]
    store.close()
    for rest in (rows, entries):
        with pytest.raises(StorageUnavailable, match="closed"):
            next(rest)
