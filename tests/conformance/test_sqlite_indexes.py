"""Damaged indexes: one flipped bit decides nothing, admits no second holder, and ends no walk over many rows."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing, suppress
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import Workflow
from itsm_workflow.errors import NotApproved, StorageCorrupt, StorageError
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.storage.codec import Codec
from itsm_workflow.storage.protocol import Cursor, Order, Query, Schema
from itsm_workflow.testing import ManualClock, MemorySandbox
from itsm_workflow.testing.conformance._rows import NOW, create, follow, found, present, stored
from itsm_workflow_backends.sqlite import SQLiteBackend, _indexes, _queries, _schema
from tests.support.long import long_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.storage.protocol import Row, Rows

VERSION_2 = Path(__file__).parents[1] / "data" / "sqlite_version_2" / "store.db"
"""A store as version 2 of the tables left it: collector-42 was approved, then rejected; collector-43 is open."""

DECIDING = {
    "the open change": Query(open_subject="collector_change:collector-43"),
    "no open change": Query(open_subject="collector_change:collector-42"),
    "the newest": Query(workflow="collector_change", subject="collector-42", order=Order.SUBMISSION, limit=2),
    "the newest of one": Query(workflow="collector_change", subject="collector-43", order=Order.SUBMISSION, limit=2),
    "all": Query(workflow="collector_change", subject="collector-42"),
}
PAIRS = [f"{which}_{columns}" for which in ("changes", "second") for columns in ("open_subject", "subject_submission")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a copy of the older store, upgraded and closed."""
    path = tmp_path / "store.db"
    shutil.copy(VERSION_2, path)
    SQLiteBackend(path).close()
    return path


def _office(path: Path) -> Workflow:
    clock = ManualClock()
    return Workflow(storage=f"sqlite:///{path}", gateway=MemorySandbox(clock=clock).gateway, clock=clock)


def _flip(path: Path, at: int, bit: int = 1) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= bit
    path.write_bytes(content)


def _page_of(path: Path, index: str) -> range:
    """Return where in the file the one page of an index is."""
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (index,)).fetchone()
    return range((page - 1) * 4096, page * 4096)


def _place_in(path: Path, index: str, text: str, after: int = 0) -> int:
    """Return where in the page of an index a text stands."""
    page = _page_of(path, index)
    return path.read_bytes().index(text.encode(), page.start + after, page.stop)


# ---------------------------------------------------------------- what decides


def _answers(content: bytes) -> dict[str, list[Row] | None]:
    """Return what each question is answered from a file, None for an error or a row that is seen to be damaged."""
    codec, answers = Codec(COLLECTOR_CHANGE.evidence_types), dict[str, "list[Row] | None"]()
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.deserialize(content)
        for name, query in DECIDING.items():
            answers[name] = None
            with suppress(sqlite3.Error, UnicodeDecodeError, StorageError):
                rows = _indexes.find(connection, query).rows
                for row in rows:
                    codec.read(row)
                answers[name] = list(rows)
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    return answers


@pytest.mark.parametrize("index", long_after(1, PAIRS))
def test_no_flipped_bit_of_an_index_decides(path: Path, index: str) -> None:
    """In whichever of the two: the answer is the true one, or none."""
    content = bytearray(path.read_bytes())
    content[18:20] = b"\1\1"  # a file in memory has no log
    truth = _answers(bytes(content))
    assert {name: rows and len(rows) for name, rows in truth.items()} == {
        "the open change": 1,
        "no open change": [],
        "the newest": 2,
        "the newest of one": 1,
        "all": 2,
    }
    unanswered = 0
    for at in _page_of(path, index):
        if not content[at]:
            continue
        for bit in (0, 3, 6):
            content[at] ^= 1 << bit
            for name, rows in _answers(bytes(content)).items():
                assert rows in (None, truth[name]), (at, bit, name)
                unanswered += rows is None
            content[at] ^= 1 << bit
    assert unanswered > 100


@pytest.mark.parametrize("index", ["changes_subject_submission", "second_subject_submission"])
def test_an_older_approval_opens_no_gate_when_an_index_hides_the_newer_rejection(path: Path, index: str) -> None:
    """One flipped bit; the error names the subject and the repair, which finds the rejection again."""
    _flip(path, _place_in(path, index, "collector-42"))
    with (
        closing(_office(path)) as workflow,
        pytest.raises(StorageCorrupt, match=r"changes of subject 'collector-42': .*itsm-workflow storage repair"),
    ):
        workflow.require_approved("collector-42")
    repair = SQLiteBackend.repair(path)
    assert (bool(repair.problems), repair.restored, repair.dropped) == (True, {}, ())
    with closing(_office(path)) as workflow, pytest.raises(NotApproved, match="ended as rejected"):
        workflow.require_approved("collector-42")


@pytest.mark.parametrize("index", ["changes_open_subject", "second_open_subject"])
def test_a_second_change_is_not_filed_when_an_index_hides_the_open_one(path: Path, index: str) -> None:
    """Nothing is stored, and no ticket filed; other subjects are applied for as before."""
    _flip(path, _place_in(path, index, "collector-43"))
    asked: dict[str, Any] = {"title": "t", "applicant": "alice", "approvers": ["bob"]}
    with closing(_office(path)) as workflow:
        before = [change.id for change in workflow.find()]
        with pytest.raises(StorageCorrupt, match="collector-43"):
            workflow.apply(subject="collector-43", **asked)
        assert [change.id for change in workflow.find()] == before
        assert workflow.apply(subject="collector-46", **asked).submission == 1


def test_a_header_that_hides_what_is_descending_does_not_turn_the_order(path: Path) -> None:
    """Below schema format 4, SQLite takes each index for ascending: the oldest submission would come first."""
    assert path.read_bytes()[44:48] == b"\0\0\0\4"
    _flip(path, 47, 4)
    with closing(_office(path)) as workflow, pytest.raises(StorageCorrupt, match="collector-42"):
        workflow.require_approved("collector-42")


@pytest.mark.parametrize("column", ["open_subject", "ticket_key"])
@pytest.mark.parametrize("which", ["changes", "second"])
def test_what_is_unique_is_not_given_away_when_an_index_hides_who_has_it(
    tmp_path: Path, column: str, which: str
) -> None:
    """A subject to a second open change, or a ticket to a second change: the commit stores nothing."""
    path = tmp_path / "store.db"
    held: dict[str, Any] = {column: "held by c1"}
    free: dict[str, Any] = {column: "free"}
    with closing(SQLiteBackend(path)) as backend:
        stored(backend, create("c1", **held))
    _flip(path, _place_in(path, f"{which}_{column}", "held by c1"))
    with closing(SQLiteBackend(path)) as backend:
        with pytest.raises(StorageCorrupt, match=f"the change that has the {column} 'held by c1'"):
            backend.commit([create("c2", **held)])
        assert backend.get("c2") is None
        assert backend.commit([create("c2", **free)]) == [None]


def test_a_commit_between_two_looks_is_no_damage(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both indexes are read as of one moment, whatever another process stores meanwhile."""
    with closing(SQLiteBackend(path)) as backend, closing(SQLiteBackend(path)) as other:
        read, pending = _indexes.read, [create("new", workflow="collector_change", subject="collector-42")]

        def then_another_commits(
            connection: sqlite3.Connection, statement: str, values: list[_queries.Value]
        ) -> list[object]:
            answer = read(connection, statement, values)
            while pending:
                stored(other, pending.pop())
            return answer

        monkeypatch.setattr(_indexes, "read", then_another_commits)
        assert len(backend.find(DECIDING["all"]).rows) == 2
        assert len(backend.find(DECIDING["all"]).rows) == 3


def test_a_write_to_a_change_that_an_index_hides_is_no_lost_race(tmp_path: Path) -> None:
    """Who loses a race tries again, or leaves it to others: that must be told as what it is."""
    path = tmp_path / "store.db"
    with closing(SQLiteBackend(path)) as backend:
        row = stored(backend, create("change-1"))
    _flip(path, _place_in(path, "sqlite_autoindex_changes_1", "change-1"))
    with closing(SQLiteBackend(path)) as backend:
        with pytest.raises(StorageCorrupt, match="cannot read change change-1: it has a history but no row"):
            backend.commit([follow(row)])
        assert len(backend.history("change-1").entries) == 1


# ---------------------------------------------------------------- older files


def test_a_store_of_version_2_is_upgraded_when_it_is_opened(tmp_path: Path) -> None:
    """In one transaction; it then has both indexes of each pair, and what was stored."""
    path = tmp_path / "store.db"
    shutil.copy(VERSION_2, path)
    assert SQLiteBackend.schema_of(f"sqlite:///{path}") == Schema(found=2, known=4)
    with closing(_office(path)) as workflow:
        changes = [(change.subject, str(change.state)) for change in workflow.find()]
        with pytest.raises(NotApproved, match="ended as rejected"):
            workflow.require_approved("collector-42")
        assert workflow.require_approved("collector-45").state == "approved"
    assert sorted(changes) == [
        ("collector-42", "approved"),
        ("collector-42", "rejected"),
        ("collector-43", "pending"),
        ("collector-44", "draft"),
        ("collector-45", "approved"),
    ]
    assert SQLiteBackend.schema_of(f"sqlite:///{path}") == Schema(found=4, known=4)
    assert not SQLiteBackend.repair(path).problems


def test_an_index_that_was_damaged_before_the_upgrade_decides_nothing(tmp_path: Path) -> None:
    """The second one is made of the rows."""
    path = tmp_path / "store.db"
    shutil.copy(VERSION_2, path)
    _flip(path, _place_in(path, "changes_subject_submission", "collector-42"))
    with closing(_office(path)) as workflow, pytest.raises(StorageCorrupt, match="collector-42"):
        workflow.require_approved("collector-42")


@pytest.mark.parametrize(("column", "value"), [("open_subject", "w:s"), ("ticket_key", "g:1")])
def test_a_store_in_which_two_changes_hold_a_value_is_upgraded_by_a_repair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str, value: str
) -> None:
    """Opening it changes nothing, and names the repair, which keeps one of the two."""
    path = tmp_path / "store.db"
    with monkeypatch.context() as older:
        older.setattr(_schema, "MIGRATIONS", _schema.MIGRATIONS[:3])
        older.setattr(_schema, "SCHEMA_VERSION", 3)
        with closing(SQLiteBackend(path)) as backend:
            for name in ("c1", "c2"):
                stored(backend, create(name))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"DROP INDEX changes_{column}")
        connection.execute(f"UPDATE changes SET {column} = ?", (value,))  # noqa: S608  # a column's name
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(StorageCorrupt, match=rf"two changes have .*{column}.*run `itsm-workflow storage repair`"):
        SQLiteBackend(path)
    assert path.read_bytes() == before
    assert SQLiteBackend.repair(path).dropped == ("c2",)
    with closing(SQLiteBackend(path)) as backend:
        assert found(backend) == ["c1"]


# ---------------------------------------------------------------- walks over many rows

ORDERS = {
    "sqlite_autoindex_changes_1": Order.ID,
    "changes_due_at": Order.DUE_AT,
    "changes_updated_at": Order.UPDATED_AT,
}
NAMES = [f"change-{number:02}" for number in range(20)]


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Return the path of a store with twenty changes, of which each order is that of their ids."""
    path = tmp_path / "many.db"
    with closing(SQLiteBackend(path)) as backend:
        for number, name in enumerate(NAMES):
            stored(backend, create(name, due_at=NOW + number, created_at=NOW, updated_at=NOW + number))
    return path


def _walk(find: Callable[[Query], Rows], order: Order, limit: int) -> list[str]:
    """Return the ids of a walk, which must end."""
    names: list[str] = []
    after: Cursor | None = None
    for _ in range(2 * len(NAMES)):
        page = find(Query(order=order, limit=limit, after=after))
        names += [row.id for row in page.rows]
        after = page.next
        if after is None:
            return names
    raise AssertionError(f"the walk does not end: {names}")


@pytest.mark.parametrize("workflow", [None, "collector_change"])
@pytest.mark.parametrize("emptied", ["sqlite_autoindex_changes_1", "changes"])
def test_a_damaged_page_that_looks_empty_is_no_empty_store(path: Path, emptied: str, workflow: str | None) -> None:
    """The page at the root of the index or of the table says that it has no cells."""
    page, content = _page_of(path, emptied), bytearray(path.read_bytes())
    content[page.start + 3 : page.start + 5] = b"\0\0"
    path.write_bytes(content)

    with (
        closing(SQLiteBackend(path)) as backend,
        pytest.raises(StorageCorrupt, match=r"^cannot (list the changes: |read .* is damaged)"),
    ):
        backend.find(Query(workflow=workflow))


def test_a_store_without_changes_of_a_workflow_is_not_damaged(path: Path, tmp_path: Path) -> None:
    """Neither is one without any change."""
    with closing(SQLiteBackend(path)) as backend, closing(SQLiteBackend(tmp_path / "new.db")) as new:
        assert backend.find(Query(workflow="another")).rows == ()
        assert new.find(Query()).rows == new.find(Query(workflow="collector_change")).rows == ()


@pytest.mark.parametrize("limit", long_after(1, [5, 1, 7]))
@pytest.mark.parametrize("index", ORDERS)
@pytest.mark.parametrize("bit", [1, 4, 0x10, 0x80], ids="{:02x}".format)
def test_a_damaged_id_in_an_index_ends_no_walk(
    many: Path, index: str, limit: int, bit: int, caplog: pytest.LogCaptureFixture
) -> None:
    """At the end of a page, alone on one, or met by a search for the next page: all others are read, in order.

    What is read of the damaged one no digest allows.
    """
    _flip(many, _place_in(many, index, NAMES[14]) + 2, bit)
    with closing(SQLiteBackend(many)) as backend:
        names = _walk(backend.find, ORDERS[index], limit)
        assert backend.damage()
    assert [name for name in names if name in NAMES] == [name for name in NAMES if name != NAMES[14]]
    damaged = {name for name in names if name not in NAMES}
    assert len(damaged) == 1 or "is damaged" in caplog.text


@pytest.mark.parametrize("limit", [1, 5, 7, 100])
@pytest.mark.parametrize("bit", [1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80], ids="{:02x}".format)
@pytest.mark.parametrize("order", [Order.DUE_AT, Order.UPDATED_AT])
def test_a_damaged_time_in_an_index_ends_no_walk(many: Path, limit: int, bit: int, order: Order) -> None:
    """Nor hides what is due behind it: a pass would never look at that again."""
    _flip(many, _place_in(many, f"changes_{order}", NAMES[4]) - 4, bit)
    bounds = {"due_before": NOW + 17, "updated_before": NOW + 17}
    with closing(SQLiteBackend(many)) as backend:
        names = found(backend, order=order, limit=limit, **bounds)
        assert present(backend, NAMES[4]).due_at == NOW + 4
    assert [name for name in names if name != NAMES[4]] == [name for name in NAMES[:18] if name != NAMES[4]]


LISTS = {"changes_state": Query(states=("draft",)), "changes_attention": Query(attention=("overdue",))}


@pytest.mark.parametrize(("index", "limit"), long_after(1, product(LISTS, [6, 100])))
def test_a_flipped_bit_hides_no_other_change_from_a_list(tmp_path: Path, index: str, limit: int) -> None:
    """The list of one state, or of one reason, among changes with others before and after them."""
    path = tmp_path / "lists.db"
    with closing(SQLiteBackend(path)) as backend:
        for number, name in enumerate(NAMES):
            stored(backend, create(name, state="draft", attention="overdue"))
            stored(backend, create(f"before-{number}", state="approved", attention="duplicate"))
            stored(backend, create(f"after-{number}", state="pending", attention="unsent"))
    content = bytearray(path.read_bytes())
    content[18:20] = b"\1\1"
    page, hidden, fell_back = _page_of(path, index), list[object](), 0

    def listed() -> list[str]:
        names, after = list[str](), None
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            connection.deserialize(bytes(content))
            while True:
                rows = _indexes.find(connection, attrs.evolve(LISTS[index], limit=limit, after=after))
                names += [row.id for row in rows.rows]
                if (after := rows.next) is None:
                    return names

    assert listed() == NAMES
    for at in range(page.start + 8 + 6 * len(NAMES), page.stop, 3):
        for bit in (0, 6) if content[at] else ():
            content[at] ^= 1 << bit
            with suppress(sqlite3.Error, StorageError):
                names = listed()
                fell_back += names == NAMES
                if len({*NAMES} - {*names}) > 1:
                    hidden.append((at - page.start, bit, names))
            content[at] ^= 1 << bit
    assert hidden == []
    assert fell_back > 10


@pytest.mark.parametrize("index", long_after(1, ORDERS))
def test_a_flipped_bit_of_an_entry_hides_no_other(many: Path, index: str) -> None:
    """Whichever it is, and whatever it makes of a text or a number; an error says so as well."""
    content = bytearray(many.read_bytes())
    content[18:20] = b"\1\1"
    page = _page_of(many, index)
    header = 8 + 2 * len(NAMES)
    hidden = []
    for at in range(page.start + header, page.stop):
        for bit in (0, 3, 7) if content[at] else ():
            content[at] ^= 1 << bit
            with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
                connection.deserialize(bytes(content))
                with suppress(sqlite3.Error, StorageError):
                    names = _walk(partial(_indexes.find, connection), ORDERS[index], 6)
                    if len({*NAMES} - {*names}) > 1:
                        hidden.append((at - page.start, bit, names))
            content[at] ^= 1 << bit
    assert hidden == []


def test_a_damaged_id_of_a_row_ends_no_walk(many: Path) -> None:
    """The index has the true one then, and the row is found under it."""
    content = many.read_bytes()
    for place in (match.start() for match in re.finditer(NAMES[14].encode(), content)):
        many.write_bytes(content)
        _flip(many, place + 2, 0x80)
        with closing(SQLiteBackend(many)) as backend:
            names = _walk(backend.find, Order.ID, 5)
        assert [name for name in names if name in NAMES and name != NAMES[14]] == [
            name for name in NAMES if name != NAMES[14]
        ], place


def test_text_that_is_none_hides_no_row_behind_it(many: Path) -> None:
    """In the row and in each index, as an edit leaves it."""
    with closing(sqlite3.connect(many, isolation_level=None)) as connection:
        connection.execute("UPDATE changes SET id = CAST(x'61ff' AS TEXT) WHERE id = ?", (NAMES[4],))
    with closing(SQLiteBackend(many)) as backend:
        for limit in (1, 5):
            names = found(backend, limit=limit)
            assert [name for name in names if name in NAMES] == [name for name in NAMES if name != NAMES[4]]
            assert "a\udcff" in names


@pytest.mark.parametrize("name", ["\ud800", "x\ud800"])
def test_a_name_that_cannot_be_encoded_finds_nothing(path: Path, name: str) -> None:
    """An empty page of all changes is compared with the table; no change has such a name."""
    with closing(SQLiteBackend(path)) as backend:
        assert found(backend, workflow=name) == []
