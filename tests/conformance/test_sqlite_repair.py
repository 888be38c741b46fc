"""A damaged SQLite store is made usable again; what it was is kept."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.errors import StorageCorrupt, StorageSchemaError, StorageUnavailable
from itsm_workflow.storage.abilities import Repair
from itsm_workflow.storage.protocol import Order
from itsm_workflow.testing.conformance._rows import (
    NOW,
    claim,
    create,
    entry,
    follow,
    found,
    present,
    stored,
    whole_history,
)
from itsm_workflow_backends.sqlite import SQLiteBackend, _queries, _repair, _schema
from tests.conformance.children import child
from tests.support.long import long_after

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.storage.protocol import EntryRow, Row

_DOCUMENT = '"' + "x" * 3000 + '"'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a store with forty changes of two entries, closed; every second one is due."""
    path = tmp_path / "store.db"
    backend = SQLiteBackend(path)
    for number in range(40):
        due = NOW if number % 2 else None
        columns = {"open_subject": f"w:{number:02}", "ticket_key": f"g:{number:02}", "ticket_sn": f"REQ{number:02}"}
        stored(
            backend, create(f"c{number:02}", entries=2, due_at=due, submission=number, document=_DOCUMENT, **columns)
        )
    backend.close()
    return path


def _execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def _without_triggers(path: Path, *statements: str) -> None:
    """Change entries, which the triggers of a store refuse."""
    _execute(path, "DROP TRIGGER entries_are_never_changed", "DROP TRIGGER entries_are_never_deleted", *statements)


def _names(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


def _all() -> list[str]:
    return [f"c{number:02}" for number in range(40)]


def test_a_sound_store_is_left_alone(path: Path) -> None:
    """To the byte, its log included that a killed process left; nothing is made beside it."""
    before = path.read_bytes()
    assert SQLiteBackend.repair(path) == Repair()
    assert (path.read_bytes(), _names(path)) == (before, ["store.db"])


def test_what_a_killed_process_left_is_no_damage(path: Path) -> None:
    """Its log is taken in, as any process that opens the store does."""
    child(
        """
        backend = open_storage(f"sqlite:///{sys.argv[1]}")
        stored(backend, create("new"))
        os._exit(0)
        """,
        path,
    )
    assert SQLiteBackend.repair(path) == Repair()
    backend = SQLiteBackend(path)
    assert found(backend) == [*_all(), "new"]
    backend.close()


def test_a_page_that_cannot_be_read_costs_the_changes_on_it(path: Path) -> None:
    """All others are there with their history, due as they were; the damaged file is kept as it was."""
    path.chmod(0o640)
    content = path.read_bytes()
    page = next(at for at in range(8192, len(content), 4096) if content[at] == 13 and b"c17" in content[at : at + 4096])
    damaged = content[:page] + b"\xa5" * 4096 + content[page + 4096 :]
    path.write_bytes(damaged)
    repair = SQLiteBackend.repair(path)
    assert repair.original == path.with_name("store.db.damaged-1")
    assert repair.original.read_bytes() == damaged
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert "c17" in repair.dropped
    assert len(repair.dropped) < 10
    assert repair.restored == {}
    backend = SQLiteBackend(path)
    left = [name for name in _all() if name not in repair.dropped]
    assert found(backend) == left
    for name in left:
        row = present(backend, name)
        number = int(name[1:])
        assert (row.due_at, row.submission, row.open_subject) == (NOW if number % 2 else None, number, f"w:{name[1:]}")
        assert whole_history(backend, name) == [entry(name, 1), entry(name, 2)]
    for name in repair.dropped:
        assert backend.get(name) is None
        assert any(problem.startswith(f"change {name}: ") for problem in repair.problems)
    stored(backend, follow(present(backend, left[0])))
    backend.close()
    assert SQLiteBackend.repair(path) == Repair()


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_damaged_what_is_read_after_a_repair_is_what_was_written(path: Path, seed: int) -> None:
    """A page at a time: lost changes are named, and none is other than it was."""
    content = bytearray(path.read_bytes())
    backend = SQLiteBackend(path)
    truth = {name: (present(backend, name), whole_history(backend, name)) for name in _all()}
    backend.close()
    page = 4096 * (1 + seed * (len(content) // 4096 - 1) // 12)
    content[page : page + 4096] = b"\0" * 4096 if seed % 2 else content[4096 : 2 * 4096]
    path.write_bytes(content)
    try:
        repair = SQLiteBackend.repair(
            path, check=lambda row, lines: None if truth.get(row.id) == (row, [*lines]) else ""
        )
    except StorageCorrupt:
        assert path.read_bytes() == content
        return
    backend = SQLiteBackend(path)
    read = {name: (present(backend, name), whole_history(backend, name)) for name in found(backend)}
    assert read.keys() | set(repair.dropped) >= set(_all()) - (
        {*_all()} if "entries" in str(repair.problems) else set()
    )
    for name, change in read.items():
        assert change == truth[name]
    backend.close()


def test_a_damaged_index_costs_nothing(path: Path) -> None:
    """Rows are found by other ways, and the index is made new."""
    other = "UPDATE sqlite_schema SET sql = replace(sql, 'ticket_sn)', 'subject)') WHERE name LIKE '%_sn'"
    _execute(path, "PRAGMA writable_schema = ON", other)
    repair = SQLiteBackend.repair(path)
    assert (repair.restored, repair.dropped, repair.lost) == ({}, (), 0)
    assert repair.problems
    backend = SQLiteBackend(path)
    assert found(backend, ticket_sns=("REQ05",)) == ["c05"]
    assert found(backend) == _all()
    backend.close()


def test_a_row_that_no_index_leads_to_is_found(path: Path) -> None:
    """One that its own index hides would be missing from all that is read by its id."""
    backend = SQLiteBackend(path)
    row = present(backend, "c05")
    backend.close()
    _execute(
        path,
        "PRAGMA writable_schema = ON",
        "CREATE TABLE other (id TEXT NOT NULL PRIMARY KEY)",
        "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema "
        "WHERE name = 'sqlite_autoindex_other_1') WHERE name = 'sqlite_autoindex_changes_1'",
        "DELETE FROM sqlite_schema WHERE name LIKE '%other%'",
    )
    repair = SQLiteBackend.repair(path)
    assert (repair.restored, repair.dropped) == ({}, ())
    backend = SQLiteBackend(path)
    assert (present(backend, "c05"), found(backend)) == (row, _all())
    backend.close()


def test_a_change_without_its_row_is_dropped(path: Path) -> None:
    """Its history shows that there was one."""
    _execute(path, "DELETE FROM changes WHERE id = 'c05'")
    repair = SQLiteBackend.repair(path)
    assert (repair.dropped, repair.restored) == (("c05",), {})
    assert repair.problems == ("change c05: it has a history, but its row is missing or unreadable",)
    backend = SQLiteBackend(path)
    assert (backend.get("c05"), whole_history(backend, "c05")) == (None, [])
    backend.close()


def test_a_gap_in_a_history_is_no_history(path: Path) -> None:
    """The change is left out; the message says what it was about, for whoever looks its ticket up."""
    _without_triggers(path, "DELETE FROM entries WHERE change_id = 'c05' AND seq = 1")
    repair = SQLiteBackend.repair(path)
    assert repair.dropped == ("c05",)
    assert repair.problems[-1] == (
        "change c05: entry 1 of its history is missing; its subject is 'subject of c05', its ticket is REQ05"
    )


def test_text_that_is_none_is_left_out(path: Path) -> None:
    """In a row, in an entry and in an id."""
    _without_triggers(
        path,
        "UPDATE changes SET document = CAST(x'ff' AS TEXT) WHERE id = 'c05'",
        "UPDATE entries SET document = CAST(x'ff' AS TEXT) WHERE change_id = 'c06' AND seq = 2",
        "UPDATE changes SET id = CAST(x'ff' AS TEXT) WHERE id = 'c07'",
    )
    repair = SQLiteBackend.repair(path)
    assert sorted(repair.dropped) == ["c05", "c06", "c07", "in row 8"]
    assert ["UTF-8" in problem for problem in repair.problems if "c07" not in problem and "trigger" not in problem] == [
        True,
        True,
        True,
    ]
    backend = SQLiteBackend(path)
    assert len(found(backend)) == 37
    backend.close()


def test_a_row_that_is_behind_its_history_is_restored_and_due_at_no_time(path: Path) -> None:
    """A stray entry is the trace of a write that was lost, so nothing acts on the change before a person looked."""
    backend = SQLiteBackend(path)
    row = stored(backend, claim(present(backend, "c05"), NOW + 1))
    backend.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(_queries.INSERT_ENTRY, _queries.entry_values(entry("c05", 3)))
        connection.execute(_queries.INSERT_ENTRY, _queries.entry_values(entry("nobody", 1)))
    repair = SQLiteBackend.repair(path)
    assert (repair.restored, repair.dropped) == ({"c05": row.version}, ("nobody",))
    backend = SQLiteBackend(path)
    kept = present(backend, "c05")
    assert (kept.version, kept.seq, kept.due_at, kept.document) == (row.version, 2, None, row.document)
    assert whole_history(backend, "c05") == [entry("c05", 1), entry("c05", 2)]
    backend.close()


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("DROP TRIGGER entries_are_never_deleted", "its trigger entries_are_never_deleted is missing"),
        ("DROP INDEX changes_due_at", "its index changes_due_at is missing"),
    ],
)
def test_what_was_dropped_is_made_again(path: Path, statement: str, problem: str) -> None:
    """Whoever typed that into a shell took a protection away; no change is lost."""
    _execute(path, statement)
    repair = SQLiteBackend.repair(path)
    assert (repair.problems, repair.restored, repair.dropped, repair.lost) == ((problem,), {}, (), 0)
    backend = SQLiteBackend(path)
    assert found(backend) == _all()
    backend.close()
    assert SQLiteBackend.repair(path) == Repair()


def test_content_that_the_check_finds_wrong_is_left_out(path: Path) -> None:
    """A flipped bit in a document is none of SQLite's business; the library's digests tell."""

    def check(row: Row, entries: Sequence[EntryRow]) -> str | None:
        assert [line.seq for line in entries] == [1, 2]
        return "its digest is wrong" if row.id == "c05" else None

    repair = SQLiteBackend.repair(path, check=check)
    assert repair.dropped == ("c05",)
    assert repair.problems[0].startswith("change c05: its digest is wrong; its subject is")


def test_two_rows_of_one_id_are_left_out(path: Path) -> None:
    """Neither can be told to be the true one."""
    _execute(
        path,
        "CREATE TEMP TABLE double AS SELECT * FROM changes WHERE id = 'c05'",
        "UPDATE double SET open_subject = NULL, ticket_key = NULL",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(sql, 'id TEXT NOT NULL PRIMARY KEY', 'id TEXT NOT NULL UNIQUE') "
        "WHERE name = 'changes'",
    )
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL UNIQUE', ' NOT NULL')")
        connection.execute("DELETE FROM sqlite_schema WHERE name = 'sqlite_autoindex_changes_1'")
    columns = ", ".join(f'"{name}"' for name in _queries._ROW_COLUMNS)
    values = columns.replace('"open_subject"', "NULL").replace('"ticket_key"', "NULL")
    _execute(path, f"INSERT INTO changes ({columns}) SELECT {values} FROM changes WHERE id = 'c05'")  # noqa: S608
    repair = SQLiteBackend.repair(path)
    assert repair.dropped == ("c05",)
    assert "change c05: two rows have its id" in repair.problems
    backend = SQLiteBackend(path)
    assert found(backend) == [name for name in _all() if name != "c05"]
    assert stored(backend, create("c05")).version == 1
    backend.close()


def test_what_another_change_holds_is_not_held_twice(path: Path) -> None:
    """If both indexes that make a subject unique are damaged, two changes can hold it; the second is dropped."""
    drop = [f"DROP INDEX {index}" for index in ("changes_open_subject", "second_open_subject")]
    _execute(path, *drop, "UPDATE changes SET open_subject = 'w:04' WHERE id = 'c05'")
    repair = SQLiteBackend.repair(path)
    assert repair.dropped == ("c05",)
    assert any("another change holds its subject or its ticket" in problem for problem in repair.problems)


def test_a_store_without_its_log_goes_on_without_those_commits(path: Path) -> None:
    """On a person's word; that commits are missing is said, and the file is kept as it was."""
    backend = SQLiteBackend(path)
    stored(backend, create("new"))
    shutil.copy(path, path.with_name("copy.db"))
    backend.close()
    copy = path.with_name("copy.db")
    before = copy.read_bytes()
    with pytest.raises(StorageCorrupt, match="storage repair"):
        SQLiteBackend(copy)
    repair = SQLiteBackend.repair(copy)
    assert (repair.lost, repair.dropped, repair.restored) == (1, (), {})
    assert repair.problems == ("its write-ahead log is missing, with the commits in it",)
    assert repair.original is not None
    assert repair.original.read_bytes() == before
    opened = SQLiteBackend(copy)
    assert found(opened) == _all()
    opened.close()


def test_a_store_that_others_use_is_not_repaired(path: Path) -> None:
    """They would go on with the old file."""
    _execute(path, "DELETE FROM changes WHERE id = 'c05'")
    before = path.read_bytes()
    backend = SQLiteBackend(path)
    with pytest.raises(StorageUnavailable, match=r"cannot repair .*: another process has it open; stop all processes"):
        SQLiteBackend.repair(path, timeout=0.05)
    assert len(found(backend)) == 39
    backend.close()
    assert (path.read_bytes(), _names(path)) == (before, ["store.db"])


def test_a_store_of_version_1_is_repaired_to_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The columns that it lacks are empty."""
    path = tmp_path / "store.db"
    with monkeypatch.context() as older:
        older.setattr(_schema, "MIGRATIONS", _schema.MIGRATIONS[:1])
        older.setattr(_schema, "SCHEMA_VERSION", 1)
        SQLiteBackend(path).close()
    row = create("c1", subject="s").row
    columns = [name for name in _queries._ROW_COLUMNS if name != "submission"]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO changes ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
        connection.execute(statement, [getattr(row, name) for name in columns])
        connection.execute(_queries.INSERT_ENTRY, _queries.entry_values(entry("c1", 1)))
        connection.execute(_queries.INSERT_ENTRY, _queries.entry_values(entry("c2", 1)))
    assert SQLiteBackend.repair(path).dropped == ("c2",)
    assert SQLiteBackend.schema_of(f"sqlite:///{path}").found == _schema.SCHEMA_VERSION
    backend = SQLiteBackend(path)
    assert present(backend, "c1") == row
    assert found(backend, order=Order.SUBMISSION) == []
    backend.close()


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (None, StorageUnavailable, "there is no store at"),
        (b"", StorageCorrupt, "store.db: it is empty, and a store is never empty"),
        (b"no database" * 1000, StorageCorrupt, "file is not a database"),
    ],
)
def test_what_is_no_store_is_not_repaired(
    tmp_path: Path, content: bytes | None, error: type[Exception], words: str
) -> None:
    """And left as it is."""
    path = tmp_path / "store.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=words):
        SQLiteBackend.repair(path)
    assert _names(path) == ([] if content is None else ["store.db"])
    assert content is None or path.read_bytes() == content


@pytest.mark.parametrize(
    ("statement", "error"),
    [("PRAGMA user_version = 99", StorageSchemaError), ("PRAGMA application_id = 7", StorageCorrupt)],
)
def test_what_is_not_ours_is_not_repaired(path: Path, statement: str, error: type[Exception]) -> None:
    """A newer version's store is not taken for a damaged one."""
    _execute(path, statement)
    before = path.read_bytes()
    with pytest.raises(error):
        SQLiteBackend.repair(path)
    assert (path.read_bytes(), _names(path)) == (before, ["store.db"])


@pytest.mark.parametrize("step", long_after(2, range(1, 8)))
def test_a_repair_that_dies_is_finished_by_the_next(path: Path, step: int) -> None:
    """At any of its steps; until then no process opens what is half-way, and none makes an empty store of it."""
    child(
        """
        backend = open_storage(f"sqlite:///{sys.argv[1]}")
        stored(backend, create("new"))
        os._exit(0)
        """,
        path,
    )
    child(
        """
        import pathlib, sqlite3
        from itsm_workflow_backends.sqlite import SQLiteBackend
        left = int(sys.argv[2])

        def dying(function):
            def call(*given, **options):
                global left
                left -= 1
                if left == 0:
                    os._exit(0)
                return function(*given, **options)
            return call

        for name in ("link", "unlink", "rename", "fsync", "fdatasync", "chmod", "replace"):
            setattr(os, name, dying(getattr(os, name)))
        SQLiteBackend.repair(sys.argv[1], check=lambda row, entries: "wrong" if row.id == "c05" else None)
        """,
        path,
        step,
    )
    repaired = path.with_name("store.db.repaired")
    if repaired.exists():
        with pytest.raises(
            StorageUnavailable, match=r"a repair of it was interrupted; run `itsm-workflow storage repair`"
        ):
            SQLiteBackend(path)
    assert path.exists() or repaired.exists()
    SQLiteBackend.repair(path, check=lambda row, _: "wrong" if row.id == "c05" else None)
    assert not repaired.exists()
    assert not path.with_name("store.db-wal").exists()
    backend = SQLiteBackend(path)
    assert found(backend) == [*(name for name in _all() if name != "c05"), "new"]
    backend.close()
    with closing(sqlite3.connect(path.with_name("store.db.damaged-1"))) as connection:
        assert connection.execute("SELECT count(*) FROM changes").fetchone() == (41,)


def test_the_old_log_is_gone_before_the_new_file_has_the_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite applies a log that it finds beside a file, whichever it belongs to; so their order is synced."""
    done: list[str] = []
    rename, fsync = Path.rename, os.fsync

    def renamed(self: Path, target: Path) -> Path:
        done.append(f"{self.name} to {target.name}")
        return rename(self, target)

    def synced(descriptor: int) -> None:
        done.append("synced")
        fsync(descriptor)

    child(
        """
        backend = open_storage(f"sqlite:///{sys.argv[1]}")
        stored(backend, create("new"))
        os._exit(0)
        """,
        path,
    )
    monkeypatch.setattr(Path, "rename", renamed)
    monkeypatch.setattr(os, "fsync", synced)
    SQLiteBackend.repair(path, check=lambda row, _: "wrong" if row.id == "c05" else None)
    assert done == [
        "synced",
        "store.db to store.db.damaged-1",
        "store.db-wal to store.db.damaged-1-wal",
        "synced",
        "store.db.repaired to store.db",
        "synced",
    ]


def test_a_disk_that_is_full_leaves_the_store_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is moved before the new file is complete."""
    _execute(path, "DELETE FROM changes WHERE id = 'c05'")
    before = path.read_bytes()

    def full(damaged: sqlite3.Connection, new: Path, *_: object) -> None:
        new.write_bytes(b"half")
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    with monkeypatch.context() as failing:
        failing.setattr(_repair, "_write", full)
        with pytest.raises(StorageUnavailable, match=r"cannot repair .*: the disk is full"):
            SQLiteBackend.repair(path)
    assert (path.read_bytes(), _names(path)) == (before, ["store.db"])
