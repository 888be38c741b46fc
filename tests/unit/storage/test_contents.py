"""Reading changes whole, and examining everything that a store holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.errors import StorageCorrupt
from itsm_workflow.storage.contents import Damaged, examine, whole
from itsm_workflow.storage.protocol import EntryRows, Query, Write
from itsm_workflow.strict import canonical, parse
from itsm_workflow.testing.conformance._rows import create, follow
from itsm_workflow_backends.memory import MemoryBackend
from tests.support.desk import ASKED, Desk

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.storage.protocol import Row


class Altered(MemoryBackend):
    """A store whose rows and histories are changed while they are read."""

    def __init__(self, inner: MemoryBackend) -> None:
        super().__init__()
        self._table = inner._table
        self.history_of: Callable[[str, EntryRows], EntryRows] = lambda _, page: page

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Return a page of history, altered."""
        return self.history_of(change_id, super().history(change_id, after_seq, limit))


def filled(*subjects: str) -> tuple[Altered, list[str]]:
    """Return a store with a change for each subject, and the ids of these."""
    desk = Desk()
    workflow = desk.workflow()
    ids = [workflow.apply(subject=subject, **ASKED).id for subject in subjects]
    inner = desk.store.inner
    assert isinstance(inner, MemoryBackend)
    return Altered(inner), ids


def edit(store: MemoryBackend, change_id: str, **columns: Any) -> None:
    """Change columns of a stored row, as a person with access to the file could."""
    table = store._table
    assert table is not None
    table.rows[change_id] = attrs.evolve(table.rows[change_id], **columns)


def row_of(store: MemoryBackend, change_id: str) -> Row:
    """Return a row that is stored."""
    row = store.get(change_id)
    assert row is not None
    return row


def test_an_intact_store_is_counted_and_has_a_digest() -> None:
    """Its progress is reported for each change."""
    store, ids = filled("a", "b")
    shown: list[int] = []
    found = examine(store, progress=shown.append)
    assert (found.changes, found.damaged, found.newer, shown) == (2, (), 0, [1, 2])
    assert found.entries == sum(row_of(store, one).seq for one in ids)
    assert examine(MemoryBackend()).digest != found.digest


@pytest.mark.parametrize("column", ["version", "due_at"])
def test_the_digest_covers_the_columns_that_a_rows_own_digest_does_not(column: str) -> None:
    """Two stores with the same digest hold the same."""
    store, [change_id] = filled("a")
    before = examine(store)
    edit(store, change_id, **{column: 7_000})
    after = examine(store)
    assert after.damaged == ()
    assert after.digest != before.digest


def test_each_damaged_change_is_named_once() -> None:
    """A change that is not damaged is not."""
    store, ids = filled("row", "entry", "gap", "end", "sound")
    row, entry, gap, end, _ = ids
    edit(store, row, subject="other")

    def history_of(change_id: str, page: EntryRows) -> EntryRows:
        lines = page.entries
        if change_id == entry:
            lines = (*lines[:1], attrs.evolve(lines[1], actor="mallory"), *lines[2:])
        if change_id == gap:
            lines = (*lines[:1], *lines[2:])
        if change_id == end:
            lines = lines[:-1]
        return attrs.evolve(page, entries=lines)

    store.history_of = history_of
    found = examine(store)
    assert found.changes == len(ids)
    assert sorted(str(one.change_id) for one in found.damaged) == sorted([row, entry, gap, end])


def test_a_history_that_cannot_be_read_is_damage_of_its_change() -> None:
    """The rest of the store is read all the same."""
    store, [broken, _] = filled("a", "b")

    def history_of(change_id: str, page: EntryRows) -> EntryRows:
        if change_id == broken:
            raise StorageCorrupt("its page is damaged")
        return page

    store.history_of = history_of
    found = examine(store)
    assert found.changes == 2
    assert found.damaged == (Damaged(change_id=broken, problem="its page is damaged"),)


def test_damage_that_the_store_itself_reports_is_listed() -> None:
    """It may hide a change from every query."""

    class Telling(MemoryBackend):
        def damage(self) -> list[str]:
            return ["line 7 is damaged"]

    assert examine(Telling()).damaged == (Damaged(change_id=None, problem="line 7 is damaged"),)


def test_a_change_of_a_newer_version_is_counted() -> None:
    """Only that version can decode it; the order of its entries is checked all the same."""
    store, [change_id] = filled("a")
    document = parse(row_of(store, change_id).document)
    assert isinstance(document, dict)
    edit(store, change_id, document=canonical({**document, "schema": 99}))
    found = examine(store)
    assert (found.newer, found.damaged) == (1, ())
    edit(store, change_id, state="draft")
    assert len(examine(store).damaged) == 1


def test_a_change_that_moves_while_it_is_read_is_read_again() -> None:
    """Its row was found before an entry was added, so the newer row belongs to the history."""
    store = MemoryBackend()
    assert store.commit([create("a", entries=2)]) == [None]
    old = row_of(store, "a")
    assert store.commit([follow(old)]) == [None]
    row, entries = whole(store, old)
    assert row == row_of(store, "a")
    assert [one.seq for one in entries] == [1, 2, 3]


def test_a_history_that_goes_on_beyond_its_row_is_returned_as_it_is() -> None:
    """No newer row belongs to it, so a write was lost."""
    store = Altered(MemoryBackend())
    assert store.commit([create("a", entries=2)]) == [None]
    more = follow(row_of(store, "a")).entries
    store.history_of = lambda _, page: attrs.evolve(page, entries=(*page.entries, *more)[: 3 if page.entries else 0])
    row, entries = whole(store, row_of(store, "a"))
    assert (row.seq, len(entries)) == (2, 3)


def test_a_change_of_many_pages_of_history_is_read_whole() -> None:
    """The page is smaller than the history."""
    store = MemoryBackend()
    write: Write = create("a", entries=1203)
    assert store.commit([write]) == [None]
    [row] = store.find(Query()).rows
    assert whole(store, row) == (write.row, write.entries)
