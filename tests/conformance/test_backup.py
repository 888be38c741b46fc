"""A store is copied while others use it."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
from itsm_workflow.storage import files
from itsm_workflow.testing.conformance._rows import create, entry, follow, found, present, stored, whole_history
from itsm_workflow_backends.json_file import JSONFileBackend
from itsm_workflow_backends.sqlite import SQLiteBackend, _backup, _marking, _schema
from tests.conformance.children import child
from tests.support.syncs import synced

if TYPE_CHECKING:
    from pathlib import Path

    Backend = type[SQLiteBackend | JSONFileBackend]

BACKENDS: list[Backend] = [SQLiteBackend, JSONFileBackend]
BOTH = pytest.mark.parametrize("backend", BACKENDS)


def back_up(backend: Backend, path: Path, target: Path) -> None:
    """Copy the store at the path."""
    scheme = "sqlite" if backend is SQLiteBackend else "json"
    backend.backup(f"{scheme}:///{path}", str(target))


@BOTH
def test_the_copy_of_a_live_store_has_what_was_committed(backend: Backend, tmp_path: Path) -> None:
    """All of it, in one file that only its owner can read, which opens as a store; the store goes on."""
    path, target = tmp_path / "store", tmp_path / "copy"
    live = backend(path)
    row = stored(live, follow(stored(live, create("c1", entries=2)), submission=3))
    back_up(backend, path, target)
    stored(live, create("c2"))
    assert sorted(file.name for file in tmp_path.iterdir() if file.name.startswith((".", "copy"))) == ["copy"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    copy = backend(target)
    assert (found(copy), present(copy, "c1")) == (["c1"], row)
    assert whole_history(copy, "c1") == [entry("c1", seq) for seq in (1, 2, 3)]
    stored(copy, create("c3"))
    assert found(live) == ["c1", "c2"]
    copy.close()
    live.close()


@BOTH
def test_a_copy_made_among_writers_holds_whole_commits(backend: Backend, tmp_path: Path) -> None:
    """Each commit creates two changes; a copy has both or neither, and the writer is not refused meanwhile."""
    path = tmp_path / "store"
    live = backend(path)
    done = threading.Event()
    committed: list[int] = []

    def write() -> None:
        while not done.is_set() and len(committed) < 500:
            number = len(committed)
            assert live.commit([create(f"a{number:03}"), create(f"b{number:03}")]) == [None, None]
            committed.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    sizes = []
    for number in range(6):
        target = tmp_path / f"copy{number}"
        at_least = len(committed)
        back_up(backend, path, target)
        copy = backend(target)
        names = found(copy, limit=1000)
        assert [name[1:] for name in names if name[0] == "a"] == [name[1:] for name in names if name[0] == "b"]
        assert len(names) >= 2 * at_least
        sizes.append(len(names))
        copy.close()
    done.set()
    writer.join()
    assert sizes == sorted(sizes)
    live.close()


@BOTH
@pytest.mark.parametrize("what", ["file", "link", "folder"])
def test_nothing_is_overwritten(backend: Backend, tmp_path: Path, what: str) -> None:
    """Whatever stands at the target stays, and nothing is made beside it."""
    path, target = tmp_path / "store", tmp_path / "there" / "copy"
    target.parent.mkdir()
    backend(path).close()
    if what == "file":
        target.write_bytes(b"precious")
    elif what == "link":
        target.symlink_to(tmp_path / "nowhere")
    else:
        target.mkdir()
    with pytest.raises(StorageUnavailable, match="cannot"):
        back_up(backend, path, target)
    assert list(target.parent.iterdir()) == [target]
    assert what != "file" or target.read_bytes() == b"precious"


@BOTH
def test_something_that_comes_meanwhile_is_not_overwritten(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two backups by one name: the second is refused, also where a file system has no links."""
    path, target = tmp_path / "store", tmp_path / "copy"
    backend(path).close()
    sync = files.sync

    def late(descriptor: int) -> None:
        target.write_bytes(b"precious")
        sync(descriptor)

    def without_links(source: str, target: str) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(files, "sync", late)
    for _ in range(2):
        with pytest.raises(StorageUnavailable, match="nothing is overwritten"):
            back_up(backend, path, target)
        assert target.read_bytes() == b"precious"
        target.unlink()
        monkeypatch.setattr(os, "link", without_links)


@BOTH
def test_a_file_system_without_links_is_written_to(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a rename then."""
    path, target = tmp_path / "store", tmp_path / "copy"
    live = backend(path)
    stored(live, create("c1"))

    def without_links(source: str, target: str) -> None:
        raise PermissionError(1, "no links here")

    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(os, "link", without_links)
        back_up(backend, path, target)
    live.close()
    copy = backend(target)
    assert found(copy) == ["c1"]
    copy.close()


@BOTH
def test_the_copy_is_durable_before_it_has_its_name(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is synced, then its directory, so that a power cut leaves the whole copy or none."""
    path, target = tmp_path / "store", tmp_path / "copy"
    backend(path).close()
    done = synced(monkeypatch)
    back_up(backend, path, target)
    assert done[-2:] == [("fdatasync", False), ("fsync", True)]


@BOTH
def test_there_must_be_a_store(backend: Backend, tmp_path: Path) -> None:
    """None is made, neither there nor at the target."""
    with pytest.raises(StorageUnavailable, match="there is no store at"):
        back_up(backend, tmp_path / "store", tmp_path / "copy")
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".lock"] == []


def test_an_empty_file_is_no_store_to_copy(tmp_path: Path) -> None:
    """Opening it would make it one."""
    path = tmp_path / "store"
    path.touch()
    with pytest.raises(StorageCorrupt, match=r"store: it is empty, and a store is never empty"):
        back_up(SQLiteBackend, path, tmp_path / "copy")
    assert (path.stat().st_size, [file.name for file in tmp_path.iterdir()]) == (0, ["store"])


def test_a_damaged_json_store_is_not_copied(tmp_path: Path) -> None:
    """A backup that cannot be relied on is worse than none."""
    path = tmp_path / "store"
    live = JSONFileBackend(path)
    stored(live, create("c1"))
    live.close()
    path.write_bytes(path.read_bytes().replace(b"applying", b"approved", 1))
    with pytest.raises(StorageCorrupt, match=r"cannot back up .*change c1: .*storage repair"):
        back_up(JSONFileBackend, path, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_damaged_sqlite_store_is_not_copied(tmp_path: Path) -> None:
    """An index that has lost a row shows only where the whole file is checked."""
    path = tmp_path / "store"
    live = SQLiteBackend(path)
    stored(live, create("c1", ticket_sn="REQ1"))
    live.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, 'ticket_sn)', 'subject)') WHERE name LIKE '%_sn'"
        )
    with pytest.raises(StorageCorrupt, match=r"cannot back up .*it is damaged .*storage repair"):
        back_up(SQLiteBackend, path, tmp_path / "copy")
    assert [file.name for file in tmp_path.iterdir()] == ["store"]


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names both files."""
    path = tmp_path / "store"
    SQLiteBackend(path).close()

    def full(connection: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr(_backup, "complete_mark", full)
    with pytest.raises(StorageUnavailable, match=r"cannot copy to .*copy the store .*store: the disk is full"):
        back_up(SQLiteBackend, path, tmp_path / "copy")
    assert [file.name for file in tmp_path.iterdir()] == ["store"]


def test_an_older_store_is_copied_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup is what one makes before a newer version migrates the store."""
    path = tmp_path / "store"
    with monkeypatch.context() as older:
        older.setattr(_schema, "MIGRATIONS", _schema.MIGRATIONS[:1])
        older.setattr(_schema, "SCHEMA_VERSION", 1)
        SQLiteBackend(path).close()
    back_up(SQLiteBackend, path, tmp_path / "copy")
    for file in (path, tmp_path / "copy"):
        assert SQLiteBackend.schema_of(f"sqlite:///{file}").found == 1


def test_a_store_that_died_while_it_was_marked_is_none_the_worse(tmp_path: Path) -> None:
    """The backup opens it alone, and closing it must not leave a mark without a log."""
    path = tmp_path / "store"
    child(
        """
        from itsm_workflow_backends.sqlite import _marking, _schema
        backend = open_storage(f"sqlite:///{sys.argv[1]}")
        stored(backend, create("c1"))
        with backend._connections.writing() as connection:
            _marking._set(connection, _schema.MARKED_ID)
            os._exit(0)
        """,
        path,
    )
    back_up(SQLiteBackend, path, tmp_path / "copy")
    for file in (path, tmp_path / "copy"):
        opened = SQLiteBackend(file)
        assert found(opened) == ["c1"]
        opened.close()


def test_a_copy_is_not_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one that is made while the store is being marked: nothing is missing from it."""
    path = tmp_path / "store"
    live = SQLiteBackend(path)
    with live._connections.writing() as connection:
        _marking._set(connection, _schema.MARKED_ID)
        monkeypatch.setattr(_marking, "complete_mark", lambda _: None)
        back_up(SQLiteBackend, path, tmp_path / "copy")
        monkeypatch.undo()
        _marking.complete_mark(connection)
    live.close()
    copy = SQLiteBackend(tmp_path / "copy")
    assert found(copy) == []
    copy.close()


def test_a_copy_of_a_copy_leaves_it_as_it_is(tmp_path: Path) -> None:
    """It becomes a store of its own when it is opened to be written, not when it is read."""
    backend, copy = SQLiteBackend(tmp_path / "store.db"), tmp_path / "copy.db"
    stored(backend, create("c1"))
    backend.close()
    SQLiteBackend.backup(f"sqlite:///{tmp_path}/store.db", str(copy))
    before = copy.read_bytes()

    SQLiteBackend.backup(f"sqlite:///{copy}", str(tmp_path / "second.db"))

    assert copy.read_bytes() == before
    second = SQLiteBackend(tmp_path / "second.db")
    assert found(second) == ["c1"]
    second.close()
