"""Edges of the storage package that no backend's tests reach alone: indexes, limits, words, the system's calls."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.errors import StorageCorrupt, StorageError, StorageUnavailable
from itsm_workflow.storage import files, open_storage, registry
from itsm_workflow.storage import table as table_module
from itsm_workflow.storage.codec import Codec
from itsm_workflow.storage.protocol import (
    PROTOCOL_VERSION,
    Conflict,
    ConflictKind,
    EntryRow,
    Order,
    Query,
    Row,
    Write,
)
from itsm_workflow.storage.strict import json_value, strict_converter
from itsm_workflow.storage.table import Table
from itsm_workflow_backends.sqlite import SQLiteBackend
from tests.support import examples as x

if TYPE_CHECKING:
    from pathlib import Path

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


# ---------------------------------------------------------------- the table


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
    "query",
    [{"ids": ("a", "z")}, {"ticket_sns": ("S1",)}, {"subject": "subject of a"}, {"open_subject": "w:a"}],
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


# ---------------------------------------------------------------- the port


def test_the_words_of_the_port() -> None:
    """Backends of other people rely on them."""
    assert [kind.value for kind in ConflictKind] == ["version", "subject", "ticket"]
    assert [order.value for order in Order] == ["id", "due_at", "updated_at", "submission"]
    assert (Query().limit, Query().order) == (100, Order.ID)


# ---------------------------------------------------------------- documents

SHAPE = "the document must have a schema from 1 to 2 and exactly these keys: change, digest, head, schema"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"document": "[]"}, "the document must be an object"),
        ({"document": '{"schema":2,"head":"x"}'}, SHAPE),
        ({"document": '{"schema":0,"head":"x","digest":"","change":{}}'}, SHAPE),
        ({"document": '{"schema":"1","head":"x","digest":"","change":{}}'}, SHAPE),
        ({"document": '{"schema":2,"head":1,"digest":"","change":{}}'}, "head must be a string and change an object"),
        ({"document": '{"schema":2,"head":"x","digest":"","change":[]}'}, "head must be a string and change an object"),
        ({"form": None}, "the form is missing"),
        ({"attention": "overdue"}, "only one of the row's columns and its document has a value for attention"),
        (
            {"ticket_key": "g:1", "ticket_sn": "S"},
            "only one of the row's columns and its document has a value for ticket",
        ),
    ],
)
def test_what_is_wrong_with_a_stored_change_is_said(values: dict[str, Any], problem: str) -> None:
    """In words that tell where to look, not by whatever goes wrong behind it."""
    stored = CODEC.write(None, x.DRAFT, [], None, open_subject=None)[0].row
    with pytest.raises(StorageCorrupt) as caught:
        CODEC.read(attrs.evolve(stored, **values))
    assert str(caught.value).endswith(f": {problem}")


@pytest.mark.parametrize("number", [2**1024 - 1, -(2**1024 - 1)])
def test_a_number_that_a_double_could_not_hold_is_the_first_to_be_refused(number: int) -> None:
    """One bit less is kept."""
    assert json_value(number) == number
    with pytest.raises(ValueError, match="is a whole number of more than 1024 bits"):
        json_value(number * 2)


def test_every_level_of_a_value_counts_once() -> None:
    """In lists as in objects."""
    lists: Any = 1
    objects: Any = 1
    for levels in range(1, 6):
        assert (json_value(lists, levels), json_value(objects, levels)) == (lists, objects)
        lists, objects = [lists], {"a": objects}
        for value in (lists, objects):
            with pytest.raises(ValueError, match="nested deeper"):
                json_value(value, levels)


def test_a_value_has_sixty_four_levels() -> None:
    """As deep as a form's fields, or what a host keeps with a change, may go."""
    value: Any = 1
    for _ in range(63):
        value = [value]

    assert json_value(value) == value
    with pytest.raises(ValueError, match="is nested deeper than 64 levels"):
        json_value([value])


def test_the_version_of_the_port_is_a_promise() -> None:
    """Backends elsewhere say which one they were written for."""
    assert PROTOCOL_VERSION == 2


@attrs.frozen
class _Kept:
    """Evidence of a host."""

    facts: dict[str, object]


def test_what_is_read_into_a_dict_cannot_be_changed_either() -> None:
    """Evidence is what was, however a host annotates it."""
    kept = strict_converter().structure({"facts": {"a": 1}}, _Kept)

    assert kept.facts == {"a": 1}
    with pytest.raises(TypeError):
        kept.facts["a"] = 2


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused_by_its_name(number: float) -> None:
    """Not by the type that every other fraction has as well."""
    with pytest.raises(ValueError, match=rf"^{number} has no JSON form$"):
        json_value(number)


# ---------------------------------------------------------------- the registry


def test_an_error_about_a_scheme_says_which_and_what_there_is() -> None:
    """As attributes, for a program; the nearest name alone, for a person."""
    with pytest.raises(StorageError) as caught:
        open_storage("jsn://x")
    told = vars(caught.value)
    assert (told["scheme"], set(told["known"]) >= {"json", "memory", "sqlite"}) == ("jsn", True)
    assert "did you mean json://? " in str(caught.value)


@pytest.mark.parametrize(
    ("protocol", "words"), [(99, "was written for version 99"), (None, "cannot be imported: nothing there")]
)
def test_a_backend_that_is_of_no_use_is_named(
    monkeypatch: pytest.MonkeyPatch, protocol: int | None, words: str
) -> None:
    """By its scheme, as an attribute as well."""

    class Entry:
        name, value = "theirs", "theirs:Backend"

        @staticmethod
        def load() -> object:
            if protocol is None:
                raise ImportError("nothing there")
            return type("Backend", (), {"protocol_version": protocol})

    monkeypatch.setattr(registry, "_entry_point", lambda _: Entry)
    with pytest.raises(StorageError, match=words) as caught:
        open_storage("theirs://x")
    assert vars(caught.value)["scheme"] == "theirs"


def test_the_schema_of_a_store_is_told_by_a_backend_that_can(tmp_path: Path) -> None:
    """And is None for one that cannot."""
    path = tmp_path / "store"
    SQLiteBackend(path).close()
    told = registry.schema_of(f"sqlite:///{path}")
    assert told is not None
    assert told.found == told.known
    assert registry.schema_of("memory://") is None


# ---------------------------------------------------------------- the file system


def test_an_error_of_the_system_is_told_with_its_path_and_an_advice(tmp_path: Path) -> None:
    """One that is not listed in the system's own words; one without a number in its own."""
    path = tmp_path / "store"
    known, listed_nowhere = OSError(errno.ENOSPC, "No space left"), OSError(errno.EIO, "Input/output error")
    for error, words in (
        (known, "the disk is full: free some space"),
        (listed_nowhere, os.strerror(errno.EIO)),
        (OSError("odd"), "odd"),
    ):
        with pytest.raises(StorageUnavailable) as caught, files.unavailable("do", path):
            raise error
        assert str(caught.value) == f"cannot do {path}: {words}"
        assert vars(caught.value)["path"] == str(path)


@pytest.mark.parametrize("kind", ["folder", "names"])
def test_a_place_that_is_no_plain_file_is_told_with_its_path(tmp_path: Path, kind: str) -> None:
    """A program may want to show it."""
    path = tmp_path / "store"
    if kind == "folder":
        path.mkdir()
    else:
        path.touch()
        os.link(path, tmp_path / "second")
    with pytest.raises(StorageUnavailable) as caught:
        files.look_at(path)
    assert vars(caught.value)["path"] == str(path)


class Asked:
    """Stands for the system: remembers what it was asked, and answers as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, refused: str = "", read_only: bool = False) -> None:
        self.modes: dict[str, int] = {}
        self.effective: set[bool] = set()
        self._refused = refused
        monkeypatch.setattr(os, "access", self.access)
        monkeypatch.setattr(os, "supports_effective_ids", {self.access})
        flags = os.ST_RDONLY if read_only else os.ST_NOSUID
        monkeypatch.setattr(os, "statvfs", lambda _: type("Flags", (), {"f_flag": flags}))

    def access(self, place: Path, mode: int, *, effective_ids: bool = False) -> bool:
        """Answer for one place."""
        self.modes[place.name] = mode
        self.effective.add(effective_ids)
        return place.name != self._refused


def test_a_store_is_read_and_written_in_a_folder_in_which_files_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is asked of the system, for the user that counts."""
    path = tmp_path / "store"
    path.touch()
    asked = Asked(monkeypatch)
    files.check_writable(path)
    assert asked.modes == {"store": os.R_OK | os.W_OK, tmp_path.name: os.W_OK | os.X_OK}
    assert asked.effective == {True}


@pytest.mark.parametrize(
    ("read_only", "words"), [(True, "the file system is mounted read-only"), (False, "this user may not write there")]
)
def test_why_a_place_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, read_only: bool, words: str
) -> None:
    """A mount is another matter than a mode."""
    path = tmp_path / "store"
    path.touch()
    Asked(monkeypatch, refused="store", read_only=read_only)
    with pytest.raises(StorageUnavailable, match=words):
        files.check_writable(path)


def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Return what is synced from now on: how, and whether it is a folder."""
    done: list[tuple[str, bool]] = []
    for name in ("fsync", "fdatasync"):

        def note(descriptor: int, name: str = name) -> None:
            done.append((name, stat.S_ISDIR(os.fstat(descriptor).st_mode)))

        monkeypatch.setattr(os, name, note)
    return done


def test_what_is_made_durable_and_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with its folder, data with the file alone; no descriptor stays open."""
    done = synced(monkeypatch)
    closed: list[int] = []
    close = os.close

    def note(descriptor: int) -> None:
        closed.append(descriptor)
        close(descriptor)

    monkeypatch.setattr(os, "close", note)
    with (tmp_path / "store").open("w+b") as opened:
        files.sync(opened.fileno())
    assert done == [("fdatasync", False)]
    del closed[:]
    files.sync_directory(tmp_path)
    assert (done[-1], len(closed)) == (("fsync", True), 1)


def test_a_link_that_comes_after_the_look_is_not_followed(tmp_path: Path) -> None:
    """Whoever puts one there between our look and our opening gains nothing."""
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "target").write_bytes(b"")
    with pytest.raises(OSError, match="link") as caught:
        os.open(tmp_path / "link", os.O_RDONLY | files.SAFE_FLAGS)

    assert caught.value.errno == errno.ELOOP


def test_a_pipe_that_comes_after_the_look_is_not_waited_for(tmp_path: Path) -> None:
    """To open one for reading takes a writer, which need not come."""
    os.mkfifo(tmp_path / "pipe")
    descriptor = os.open(tmp_path / "pipe", os.O_RDONLY | files.SAFE_FLAGS)
    try:
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------- files


def test_a_file_that_cannot_be_made_is_named_with_what_was_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For whoever reads the error: what, where and why."""

    def refuse(*_: object, **__: object) -> tuple[int, str]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    target = tmp_path / "backup"
    with pytest.raises(StorageUnavailable, match=f"cannot write {target}: "), files.new_file(target):
        raise AssertionError("there is nothing to write")


def test_a_new_file_is_open_nowhere_else_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A descriptor that is left open keeps a file from being moved on some systems."""
    made: list[int] = []
    make = tempfile.mkstemp

    def note(**given: Any) -> tuple[int, str]:
        descriptor, name = make(**given)
        made.append(descriptor)
        return descriptor, name

    monkeypatch.setattr(tempfile, "mkstemp", note)
    with files.new_file(tmp_path / "backup"):
        for descriptor in made:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(descriptor)
    assert made


def test_a_replaced_file_keeps_its_owner_and_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that root repairs is still its host's; who may not give files away goes on without."""
    old, new, given = tmp_path / "old", tmp_path / "new", []
    old.touch(mode=0o640)
    new.touch(mode=0o600)
    monkeypatch.setattr(os, "chown", lambda *asked: given.append(asked))
    files.keep_owner(new, old)
    assert given == [(new, old.stat().st_uid, old.stat().st_gid)]
    assert new.stat().st_mode & 0o777 == old.stat().st_mode & 0o777

    def forbid(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "chown", forbid)
    old.chmod(0o604)
    files.keep_owner(new, old)
    assert new.stat().st_mode & 0o777 == 0o604
