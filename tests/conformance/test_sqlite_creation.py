"""How a SQLite store is made: it has its tables before it has its name, and an empty file is never one."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
from itsm_workflow.testing.conformance._rows import create, found, stored
from itsm_workflow_backends.sqlite import SQLiteBackend, _creation, _schema
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


def test_an_empty_file_is_no_store(tmp_path: Path) -> None:
    """What was in it may be lost, and it must not look like a new store to whoever opens it; it is left as it is."""
    path = tmp_path / "store.db"
    path.touch()
    url = f"sqlite:///{path}"
    for opening in (
        lambda: SQLiteBackend(path),
        lambda: SQLiteBackend.schema_of(url),
        lambda: SQLiteBackend.repair(path),
        lambda: SQLiteBackend.backup(url, str(tmp_path / "copy")),
    ):
        with pytest.raises(
            StorageCorrupt, match=r"store.db: it is empty, and a store is never empty\. .*remove the file if"
        ):
            opening()
        assert [(file.name, file.stat().st_size) for file in tmp_path.iterdir()] == [("store.db", 0)]


@pytest.mark.parametrize("step", ["mkstemp", "migrate", "rename", "sync_directory"])
def test_a_store_that_was_being_made_is_made_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Wherever that stopped: there is no file at the path yet, or it has its tables."""
    path = tmp_path / "store.db"
    places = {"mkstemp": tempfile, "rename": type(path)}

    def stop(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(places.get(step, _creation), step, stop)
        with pytest.raises(KeyboardInterrupt):
            SQLiteBackend(path)
    assert [file.name for file in tmp_path.iterdir()] == (["store.db"] if step == "sync_directory" else [])
    backend = SQLiteBackend(path)
    stored(backend, create("c1"))
    backend.close()


def test_a_store_is_made_by_one_of_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others wait for it, and find it, however long the one takes; what it makes is readable by its owner only."""
    path, made = tmp_path / "store.db", []
    migrate = _schema.migrate
    waiting = threading.Barrier(4)

    def slowly(connection: sqlite3.Connection, path: Path) -> None:
        made.append(path)
        migrate(connection, path)

    def opened() -> SQLiteBackend:
        waiting.wait(PATIENCE)
        return SQLiteBackend(path)

    monkeypatch.setattr(_creation, "migrate", slowly)
    with ThreadPoolExecutor(4) as pool:
        stores = [task.result(PATIENCE) for task in [pool.submit(opened) for _ in range(4)]]
    for number, store in enumerate(stores):
        stored(store, create(f"c{number}"))
        assert len(found(store)) == number + 1
    for store in stores:
        store.close()
    assert made == [path]
    assert (path.stat().st_mode & 0o777, [file.name for file in tmp_path.iterdir()]) == (0o600, ["store.db"])


def test_the_lock_of_the_directory_is_free_though_a_child_has_a_copy_of_its_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was forked meanwhile, and lives on, keeps nobody from making a store."""
    copies, named = [], []
    lock, make = _creation._lock, tempfile.mkstemp

    def copied(descriptor: int, path: Path, deadline: float) -> None:
        lock(descriptor, path, deadline)
        copies.append(os.dup(descriptor))

    def note(**given: Any) -> tuple[int, str]:
        named.append(given["prefix"])
        return make(**given)

    monkeypatch.setattr(_creation, "_lock", copied)
    monkeypatch.setattr(tempfile, "mkstemp", note)
    SQLiteBackend(tmp_path / "store.db").close()

    directory = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    for descriptor in (*copies, directory):
        os.close(descriptor)
    assert len(copies) == 1
    assert named == [".store.db."]  # what a process leaves that dies over it is hidden, and says of which store it is


def test_a_directory_that_another_process_holds_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for ever; one that cannot be locked at all is used all the same."""
    path = tmp_path / "store.db"
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(StorageUnavailable, match="held the lock of its directory for too long"):
        SQLiteBackend(path, timeout=0.0)
    assert not path.exists()

    def cannot(descriptor: int, how: int) -> NoReturn:
        raise OSError(errno.ENOLCK, "no locks here")

    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(fcntl, "flock", cannot)
        SQLiteBackend(path, timeout=0.0).close()
    os.close(descriptor)


def test_a_log_without_its_file_is_no_new_store(tmp_path: Path) -> None:
    """It holds what was committed, and would be applied to whatever file is made."""
    path = tmp_path / "store.db"
    path.with_name("store.db-wal").write_bytes(b"x" * 100)
    with pytest.raises(StorageCorrupt, match="missing although its write-ahead log is not"):
        SQLiteBackend(path)
    assert not path.exists()
