"""The table of the backends that keep all rows in memory: its indexes, its order, and what a query looks at."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from itsm_workflow.storage import table as table_module
from itsm_workflow.storage.codec import Codec
from itsm_workflow.storage.protocol import Conflict, ConflictKind, EntryRow, Order, Query, Row, Write
from itsm_workflow.storage.table import Table
from tests.support import examples as x

CODEC = Codec({})


def row(change_id: str = "a", **values: Any) -> Row:
    """Return a row of version 1, with one entry behind it."""
    usual: dict[str, Any] = {
        "workflow": "w",
        "state": "draft",
        "attention": None,
        "version": 1,
        "seq": 1,
        "subject": f"subject of {change_id}",
        "open_subject": None,
        "ticket_key": None,
        "ticket_sn": None,
        "submission": None,
        "due_at": None,
        "created_at": 0,
        "updated_at": 0,
        "form": "{}",
        "document": "{}",
    }
    return Row(**{**usual, "id": change_id, **values})


def entry(change_id: str = "a", seq: int = 1, **values: Any) -> EntryRow:
    """Return an entry."""
    usual = {"at": 0, "trigger": "draft", "source": "", "dest": "draft", "actor": "", "document": "{}"}
    return x.filled(EntryRow, values, change_id=change_id, seq=seq, **usual)


def create(change_id: str = "a", **values: Any) -> Write:
    """Return the write that creates a row."""
    return Write(row=row(change_id, **values), expected_version=0, entries=(entry(change_id),))


def follow(before: Row, *, entries: int = 1, **values: Any) -> Write:
    """Return the next write of a row."""
    following = attrs.evolve(before, version=before.version + 1, seq=before.seq + entries, **values)
    news = tuple(entry(before.id, before.seq + number) for number in range(1, entries + 1))
    return Write(row=following, expected_version=before.version, entries=news)


def table(*writes: Write) -> Table:
    """Return a table after some writes."""
    filled = Table()
    assert filled.commit(writes) == [None] * len(writes)
    return filled


def found(filled: Table, **query: Any) -> list[str]:
    """Return the ids that a query finds."""
    return [one.id for one in filled.find(Query(**query)).rows]


def test_a_row_is_found_by_each_of_the_few_names_that_it_may_have() -> None:
    """By id, by number, by subject; and by nothing that it no longer has."""
    filled = table(create("a", ticket_sn="S1"), create("b", ticket_sn="S1"), create("c", ticket_sn="S2"))

    assert found(filled, ids=("c", "a", "z")) == ["a", "c"]
    assert found(filled, ticket_sns=("S1",)) == ["a", "b"]
    assert found(filled, ticket_sns=("S2", "S3")) == ["c"]
    assert found(filled, subject="subject of b") == ["b"]
    assert found(filled, subject="nobody's") == []
    filled.commit([follow(filled.rows["a"], ticket_sn="S9")])
    assert (found(filled, ticket_sns=("S1",)), found(filled, ticket_sns=("S9",))) == (["b"], ["a"])


def test_what_a_row_was_called_before_costs_no_look_at_it() -> None:
    """The index forgets it, and does not merely leave it to the filter behind it."""
    filled = table(create("a", ticket_sn="S1"))
    filled.commit([follow(filled.rows["a"], ticket_sn=None)])
    assert filled._by_sn["S1"] == set()
    assert filled._by_subject == {"subject of a": {"a"}}


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the ids of the rows that tables look at from now on."""
    seen: list[str] = []
    matches = table_module._matches

    def note(row: Row, query: Query) -> bool:
        seen.append(row.id)
        return matches(row, query)

    monkeypatch.setattr(table_module, "_matches", note)
    return seen


@pytest.mark.parametrize(
    "query", [{"ids": ("a", "z")}, {"ticket_sns": ("S1",)}, {"subject": "subject of a"}, {"open_subject": "w:a"}]
)
def test_a_row_that_is_named_is_the_only_one_that_is_looked_at(query: dict[str, Any], looked: list[str]) -> None:
    """A callback in a store of a million changes does not look at a million."""
    filled = table(create("a", ticket_sn="S1", open_subject="w:a"), create("b", ticket_sn="S2"), create("c"))

    assert (found(filled, **query), looked) == (["a"], ["a"])


def test_the_newest_submission_is_found_without_a_look_at_the_others(looked: list[str]) -> None:
    """However often a subject was submitted; the second is looked at to see whether there is more."""
    filled = table(*(create(f"c{number:03}", subject="s", submission=number) for number in range(100)))
    filled.commit([follow(filled.rows["c007"], submission=200), follow(filled.rows["c099"], subject="t")])

    assert (found(filled, subject="s", order=Order.SUBMISSION, limit=1), looked) == (["c007"], ["c007", "c098"])
    assert found(filled, subject="t", order=Order.SUBMISSION) == ["c099"]
    filled.commit([follow(filled.rows["c099"], submission=None)])
    assert found(filled, subject="t", order=Order.SUBMISSION) == []


def test_rows_that_are_due_later_are_not_looked_at(looked: list[str]) -> None:
    """Nor those that are due a moment later."""
    filled = table(*(create(name, due_at=at) for name, at in (("a", 5), ("b", 6), ("c", 7))))

    assert (found(filled, order=Order.DUE_AT, due_before=5), looked) == (["a"], ["a"])


def test_rows_are_found_up_to_the_moment_that_is_asked_for() -> None:
    """That moment included, in the order of the moments, also after one moved."""
    filled = table(*(create(name, due_at=at, updated_at=at) for name, at in (("c", 5), ("a", 6), ("b", 7))))

    for order, bound in ((Order.DUE_AT, "due_before"), (Order.UPDATED_AT, "updated_before")):
        assert [found(filled, order=order, **{bound: at}) for at in (4, 5, 6, 9)] == [
            [],
            ["c"],
            ["c", "a"],
            ["c", "a", "b"],
        ]
    filled.commit([follow(filled.rows["c"], entries=0, due_at=8)])
    assert found(filled, order=Order.DUE_AT, due_before=8) == ["a", "b", "c"]
    filled.commit([follow(filled.rows["a"], entries=0, due_at=None)])
    assert found(filled, order=Order.DUE_AT) == ["b", "c"]


def test_a_table_can_be_written_anew() -> None:
    """Each change comes as the write that would create it, with its whole history."""
    filled = table(create("a"))
    filled.commit([follow(filled.rows["a"], entries=2)])
    filled.commit([follow(filled.rows["a"], entries=0, due_at=3)])

    [write] = filled.writes()
    assert write.row == filled.rows["a"]
    assert (write.expected_version, [one.seq for one in write.entries]) == (2, [1, 2, 3])


def test_what_a_table_is_written_from_is_the_table_as_it_was() -> None:
    """It goes on changing while it is written: no row, entry or change of later is in it."""
    filled = table(create("a"), create("b"))
    before = list(filled.writes())
    writes = filled.writes()
    filled.commit([follow(filled.rows["a"], entries=2), create("c")])

    assert list(writes) == before
    assert [write.row.id for write in filled.writes()] == ["a", "b", "c"]


def test_a_change_that_is_dropped_is_found_in_no_way() -> None:
    """Nor does it hold anything, and its id is as good as new."""
    names = {"open_subject": "w:a", "ticket_key": "g:1", "ticket_sn": "S1", "submission": 1, "due_at": 5}
    filled = table(create("a", **names), create("b", due_at=6))
    filled.commit([follow(filled.rows["a"])])
    before = [found(filled, order=order) for order in Order]
    filled.drop("a")

    assert before == [["a", "b"], ["a", "b"], ["a", "b"], ["a"]]
    assert [found(filled, order=order) for order in Order] == [["b"], ["b"], ["b"], []]
    for named in ({"ids": ("a",)}, {"subject": "subject of a"}, {"ticket_sns": ("S1",)}, {"open_subject": "w:a"}):
        assert found(filled, **named) == []
    assert found(filled, subject="subject of a", order=Order.SUBMISSION) == []
    assert filled.history("a", 0, 9).entries == ()
    assert filled.held("a") == (None, None)
    assert filled.commit([create("c", **names), create("a")]) == [None, None]
    assert [one.seq for one in filled.history("a", 0, 9).entries] == [1]


def test_a_write_that_only_claims_is_judged_by_its_version_alone() -> None:
    """It moves no unique value, whatever its row says of them."""
    filled = table(create("a", open_subject="w:s"), create("b"))
    claim = follow(filled.rows["b"], entries=0, open_subject="w:s", ticket_key=None)

    assert filled.judge(claim) is None
    news = follow(filled.rows["b"], open_subject="w:s")
    assert filled.judge(news) == Conflict(kind=ConflictKind.SUBJECT, change_id="b", holder="a")
