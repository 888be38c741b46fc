"""Copying a store into another: what is copied, continued, refused, and found at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
from itsm_workflow.storage import copying
from itsm_workflow.storage.contents import examine
from itsm_workflow.storage.copying import Comparison, copy_store
from itsm_workflow.storage.protocol import EntryRows, Query
from itsm_workflow_backends.memory import MemoryBackend
from tests.support.desk import ASKED, Desk
from tests.support.places import SparseStore, WatchedStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow import ChangeRequest
    from itsm_workflow.storage.copying import CopyReport
    from itsm_workflow.storage.protocol import Conflict, Row, StorageBackend, Write


class Shop:
    """A store in use: a workflow with changes of several versions."""

    def __init__(self, *subjects: str) -> None:
        self.desk = Desk()
        self.workflow = self.desk.workflow()
        self.store: StorageBackend = self.desk.store
        self.changes = [self.apply(subject) for subject in subjects]

    def apply(self, subject: str) -> ChangeRequest:
        """File a change."""
        return self.workflow.apply(subject=subject, **ASKED)

    def move(self, change: ChangeRequest) -> None:
        """Let a change move on by some entries."""
        self.desk.decide(change)
        self.workflow.settle(change.id)

    def claim(self, change: ChangeRequest, times: int = 3) -> None:
        """Raise the version of a change without an entry."""
        for _ in range(times):
            self.desk.race(change.id)


class Failing(MemoryBackend):
    """A store whose commit fails once, before or after it has stored the writes."""

    def __init__(self, number: int, *, stored: bool) -> None:
        super().__init__()
        self.left = number
        self.stored = stored

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store the writes, or fail."""
        self.left -= 1
        if self.left == 0 and not self.stored:
            raise StorageUnavailable("the connection is lost")
        results = super().commit(writes)
        if self.left == 0:
            raise StorageUnavailable("the answer is lost")
        return results


def rows_of(store: StorageBackend) -> list[Row]:
    """Return all rows of a small store."""
    return list(store.find(Query()).rows)


def copied(source: StorageBackend, target: StorageBackend | None, **options: Any) -> CopyReport:
    """Copy, without a word about the progress."""
    return copy_store(source, target, lambda *_: None, **options)


def assert_equal(source: StorageBackend, target: StorageBackend) -> None:
    """Compare every column of every row and entry, without the code under test."""
    assert rows_of(source) == rows_of(target)
    for row in rows_of(source):
        assert source.history(row.id) == target.history(row.id)


@pytest.fixture
def shop() -> Shop:
    """Return a shop with a new change, one that was claimed, and one that has ended."""
    shop = Shop("new", "claimed", "ended")
    shop.claim(shop.changes[1])
    shop.move(shop.changes[2])
    return shop


def test_every_column_of_every_row_and_entry_is_copied(shop: Shop) -> None:
    """Versions and due times are those of the source, and the digests agree."""
    assert len({row.version for row in rows_of(shop.store)}) == 3
    target = MemoryBackend()
    report = copied(shop.store, target)
    assert (report.before, report.copied, report.verified) == (Comparison(missing=3), 3, True)
    assert_equal(shop.store, target)
    assert examine(target) == report.target


def test_the_copy_goes_on_as_the_original_would(shop: Shop) -> None:
    """A workflow that opens it settles the changes that are open."""
    target = MemoryBackend()
    copied(shop.store, target)
    new = shop.changes[0]
    shop.desk.decide(new)
    workflow = shop.desk.workflow(storage=target)
    assert workflow.settle(new.id).state == "approved"
    assert workflow.require_approved("new").id == new.id
    assert examine(target).damaged == ()


def test_a_second_copy_brings_what_is_newer_and_writes_nothing_else(shop: Shop) -> None:
    """A change that moved, one that was only claimed, and one that is new."""
    target = WatchedStore(MemoryBackend())
    copied(shop.store, target)
    shop.move(shop.changes[0])
    shop.claim(shop.changes[1])
    fourth = shop.apply("fourth")
    written: set[str] = set()
    target.before = lambda writes: written.update(write.row.id for write in writes)
    report = copied(shop.store, target)
    assert report.before == Comparison(missing=1, behind=2, same=1)
    assert report.verified
    assert written == {shop.changes[0].id, shop.changes[1].id, fourth.id}
    assert_equal(shop.store, target.inner)
    written.clear()
    assert copied(shop.store, target).before == Comparison(same=4)
    assert written == set()


@pytest.mark.parametrize("stored", [False, True])
def test_a_copy_that_was_interrupted_at_any_commit_is_continued(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, *, stored: bool
) -> None:
    """Until a copy has the version of the original, no worker finds it due."""
    monkeypatch.setattr(copying, "_PAGE", 1)
    originals = {row.id: row for row in rows_of(shop.store)}
    interrupted = 0
    while True:
        target = Failing(interrupted + 1, stored=stored)
        try:
            assert copied(shop.store, target).verified
            break
        except StorageUnavailable:
            interrupted += 1
        for row in rows_of(target):
            assert row == originals[row.id] or row.due_at is None
        report = copied(shop.store, target)
        assert report.verified
        assert_equal(shop.store, target)
    assert interrupted == sum(row.version for row in originals.values())


def test_batches_end_when_their_texts_are_large(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by the batch, not by the page."""
    sizes: list[int] = []
    target = WatchedStore(MemoryBackend())
    target.before = lambda writes: sizes.append(len(writes))
    copied(shop.store, target)
    assert sizes[0] == 3
    monkeypatch.setattr(copying, "_BATCH", 1)
    sizes.clear()
    again = WatchedStore(MemoryBackend())
    again.before = target.before
    assert copied(shop.store, again).verified
    assert sizes[:3] == [1, 1, 1]


def test_pages_that_are_short_or_empty_are_read_past(shop: Shop) -> None:
    """Of either store."""
    sparse = SparseStore(shop.desk.store.inner)
    target = SparseStore(MemoryBackend())
    assert copied(sparse, target).verified
    assert copied(sparse, target).before == Comparison(same=3)


def test_a_dry_run_counts_and_writes_nothing(shop: Shop) -> None:
    """Whether the target exists or not."""
    target = MemoryBackend()
    assert copied(shop.store, None, dry_run=True).before == Comparison(missing=3)
    report = copied(shop.store, target, dry_run=True)
    assert (report.before, report.target, report.copied, report.verified) == (Comparison(missing=3), None, 0, False)
    assert rows_of(target) == []


# ---------------------------------------------------------------- conflicts


def ahead(shop: Shop, target: MemoryBackend) -> str:
    """Let the copy move on while the original does not."""
    return shop.desk.workflow(storage=target).withdraw(shop.changes[0].id, actor="a", reason="there").id


def another_line(shop: Shop, target: MemoryBackend) -> str:
    """Let both move on, the original further."""
    shop.workflow.withdraw(shop.changes[0].id, actor="a", reason="here")
    shop.claim(shop.changes[0])
    return ahead(shop, target)


def stranger(shop: Shop, target: MemoryBackend) -> str:
    """File a change in the copy."""
    return shop.desk.workflow(storage=target).apply(subject="stranger", **ASKED).id


def another_row(shop: Shop, target: MemoryBackend) -> str:
    """Let the rows differ, though the histories do not."""
    table = target._table
    assert table is not None
    change_id = shop.changes[0].id
    table.rows[change_id] = attrs.evolve(table.rows[change_id], open_subject=None)
    shop.claim(shop.changes[0])
    return change_id


def claimed_there(shop: Shop, target: MemoryBackend) -> str:
    """Let a worker claim the copy: its version is as high as that of the original, and it is due at another time."""
    change_id = shop.changes[0].id
    table = target._table
    assert table is not None
    row = table.rows[change_id]
    table.claim(change_id, row.version + 1, 7)
    shop.claim(shop.changes[0], times=1)
    return change_id


@pytest.mark.parametrize("conflict", [ahead, another_line, stranger, another_row, claimed_there])
def test_a_change_that_is_not_an_earlier_version_is_named_and_nothing_is_written(
    shop: Shop, conflict: Callable[[Shop, MemoryBackend], str]
) -> None:
    """Not even the changes that could be copied."""
    target = MemoryBackend()
    copied(shop.store, target)
    change_id = conflict(shop, target)
    shop.apply("new and free to be copied")
    before = examine(target)
    report = copied(shop.store, target)
    assert [one.change_id for one in report.divergent] == [change_id]
    assert (report.target, report.verified, report.copied) == (None, False, 0)
    assert examine(target) == before


@pytest.mark.parametrize("strangers", [3, 1])
def test_the_list_of_conflicts_is_bounded(shop: Shop, strangers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stores may have nothing in common, and be large."""
    monkeypatch.setattr(copying, "_MOST", 2)
    target = MemoryBackend()
    copied(shop.store, target)
    workflow = shop.desk.workflow(storage=target)
    for change in shop.changes[:2]:
        workflow.withdraw(change.id, actor="a", reason="there")
    for number in range(strangers):
        workflow.apply(subject=f"stranger {number}", **ASKED)
    divergent = copied(shop.store, target).divergent
    assert len({one.change_id for one in divergent}) == len(divergent) == 2


def test_a_subject_that_changed_hands_is_copied_in_two_passes(shop: Shop) -> None:
    """The copy of the change that held it is older, and may come after the one that holds it now."""
    first = shop.changes[0]
    target = MemoryBackend()
    copied(shop.store, target)
    for round_number in range(6):  # the ids decide which comes first
        shop.desk.decide(first, approved=False)
        shop.workflow.settle(first.id)
        first = shop.apply("new")
        report = copied(shop.store, target)
        assert report.verified, round_number
        assert report.divergent == ()


# ---------------------------------------------------------------- writers


class Moving(WatchedStore):
    """A source that is written while it is read: a function is called before each page, a number of times."""

    def __init__(self, inner: StorageBackend, act: Callable[[], object], times: int) -> None:
        super().__init__(inner)
        self.act, self.times = act, times

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Return a page of history, which is newer than the row that the caller has."""
        if self.times:
            self.times -= 1
            self.act()
        return super().history(change_id, after_seq, limit)


@pytest.mark.parametrize("times", [1, 4, 5, 7])
def test_a_source_that_is_written_while_it_is_read_is_copied_again(shop: Shop, times: int) -> None:
    """A row and a history of two moments are never put together."""
    applied = iter(range(1000))

    def write() -> None:
        change = shop.apply(f"meanwhile {next(applied)}")
        shop.claim(shop.changes[1], times=1)
        if next(applied) == 1:
            shop.move(shop.changes[0])
        shop.move(change)

    target = MemoryBackend()
    report = copied(Moving(shop.desk.store.inner, write, times), target)
    assert report.verified
    assert_equal(shop.store, target)


def test_a_change_that_moves_after_its_row_was_read_is_copied_whole(shop: Shop) -> None:
    """Its history has an entry more than the row that was found, so the row is read again."""
    new = shop.changes[0]
    source = Moving(shop.desk.store.inner, lambda: shop.move(new), 0)

    def progress(step: str, _done: int, _all: int | None) -> None:
        if step == "comparing":
            source.times = 1

    target = WatchedStore(MemoryBackend())
    first: list[Row] = []
    target.before = lambda writes: first.extend(write.row for write in writes if write.expected_version == 0)
    monitored = copy_store(source, target, progress)
    assert monitored.verified
    assert source.times == 0
    moved = shop.store.get(new.id)
    assert moved is not None
    assert moved.seq in {row.seq for row in first if row.id == new.id}


class Noting(WatchedStore):
    """A source that notes how much history is read of it, beside the steps of a copy."""

    def __init__(self, inner: StorageBackend) -> None:
        super().__init__(inner)
        self.notes: list[object] = []

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Note the limit of a page."""
        self.notes.append(limit)
        return super().history(change_id, after_seq, limit)


def test_to_raise_the_version_of_a_copy_no_whole_history_is_read(shop: Shop) -> None:
    """A change that is polled for weeks has a thousand versions and few entries; its last entry is compared."""
    target, source = MemoryBackend(), Noting(shop.desk.store.inner)
    copied(source, target)
    shop.claim(shop.changes[0])
    source.notes.clear()
    copy_store(source, target, lambda step, _done, _all: source.notes.append(step))
    between = source.notes[source.notes.index("comparing") + 1 : source.notes.index("copying")]
    assert between == [1]
    assert_equal(shop.store, target)


def test_a_source_that_is_written_without_end_is_reported(shop: Shop) -> None:
    """The copy is an earlier version, and the next one continues it."""
    target = MemoryBackend()
    writing = Moving(shop.desk.store.inner, lambda: shop.claim(shop.changes[0], times=1), 10**6)
    report = copied(writing, target)
    assert report.target is not None
    assert (report.verified, report.divergent, report.damaged) == (False, (), ())
    assert copied(shop.store, target).verified


def test_a_target_that_others_write_is_reported(shop: Shop) -> None:
    """The change that was written there is not overwritten."""
    inner = MemoryBackend()
    target = WatchedStore(inner)
    workflow = shop.desk.workflow(storage=inner)
    calls = iter(range(1000))

    def step_in(writes: Sequence[Write]) -> None:
        if writes and next(calls) == 1:
            workflow.apply(subject="meanwhile", **ASKED)

    target.before = step_in
    report = copied(shop.store, target)
    assert report.target is not None
    assert [one.reason for one in report.divergent] == ["the source does not have it"]


def test_a_ticket_and_a_subject_that_others_took_are_named(shop: Shop) -> None:
    """With the change that holds them."""
    target = MemoryBackend()
    shop.desk.workflow(storage=target)
    taken = Shop("new")
    watched = WatchedStore(target)

    def step_in(writes: Sequence[Write]) -> None:
        if writes and rows_of(target) == []:
            row = rows_of(taken.store)[0]
            mine = attrs.evolve(row, id="taken", version=1, ticket_key=None)
            lines = tuple(attrs.evolve(one, change_id="taken") for one in taken.store.history(row.id).entries)
            assert target.commit([attrs.evolve(writes[0], row=mine, entries=lines)]) == [None]

    watched.before = step_in
    report = copied(shop.store, watched)
    reasons = {one.change_id: one.reason for one in report.divergent}
    assert reasons[shop.changes[0].id] == "its subject is held open in the target by change taken"


def test_a_change_that_the_target_cannot_keep_is_named_and_the_others_are_copied(shop: Shop) -> None:
    """A backend may have a limit that others do not have."""

    class Limited(MemoryBackend):
        def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
            for write in writes:
                if write.row.subject == "claimed":
                    raise ValueError("subject is too long")
            return super().commit(writes)

    target = Limited()
    report = copied(shop.store, target)
    assert {row.subject for row in rows_of(target)} == {row.subject for row in rows_of(shop.store)} - {"claimed"}
    assert not report.verified
    [divergent] = report.divergent
    assert divergent.change_id == shop.changes[1].id
    assert divergent.reason == "the target cannot keep it: subject is too long"


# ---------------------------------------------------------------- damage


def test_a_damaged_source_is_not_copied(shop: Shop) -> None:
    """Not in part: which of a subject's changes is the newest decides the gate."""
    inner = shop.desk.store.inner
    assert isinstance(inner, MemoryBackend)
    table = inner._table
    assert table is not None
    change_id = shop.changes[1].id
    table.rows[change_id] = attrs.evolve(table.rows[change_id], state="approved")
    target = MemoryBackend()
    report = copied(inner, target)
    assert [one.change_id for one in report.damaged] == [change_id]
    assert report.target is None
    assert rows_of(target) == []


def test_damage_that_appears_after_the_check_stops_the_copy(shop: Shop) -> None:
    """A history with a gap could not be stored."""

    class Losing(WatchedStore):
        checks = 0

        def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
            page = super().history(change_id, after_seq, limit)
            self.checks += 1
            return page if self.checks <= 3 else attrs.evolve(page, entries=page.entries[1:])

    with pytest.raises(StorageCorrupt, match="its history has"):
        copied(Losing(shop.desk.store.inner), MemoryBackend())


def test_a_target_that_reports_damage_is_not_written(shop: Shop) -> None:
    """It may hide changes."""

    class Telling(MemoryBackend):
        def damage(self) -> list[str]:
            return ["line 7 is damaged"]

    target = Telling()
    with pytest.raises(StorageCorrupt, match="nothing was written: line 7 is damaged"):
        copied(shop.store, target)
    assert rows_of(target) == []


def test_a_target_that_stores_something_else_is_found_at_the_end(shop: Shop) -> None:
    """It is read again, so a backend that answers before it has stored is noticed."""

    class Lying(MemoryBackend):
        def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
            changed = [attrs.evolve(one, row=attrs.evolve(one.row, submission=9)) for one in writes]
            return super().commit(changed)

    report = copied(shop.store, Lying())
    assert not report.verified
    assert report.damaged
