"""A backup is brought back in place of a store, whatever the store has left beside it."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.errors import StorageCorrupt, StorageError, StorageSchemaError, StorageUnavailable
from itsm_workflow.storage.files import sync_directory
from itsm_workflow.testing.conformance._rows import create, follow, found, present, stored
from itsm_workflow_backends.json_file import JSONFileBackend
from itsm_workflow_backends.sqlite import SQLiteBackend, _restore, _schema
from tests.conformance.children import child
from tests.conformance.test_backup import BOTH, back_up
from tests.conformance.test_sqlite_companions import _held_elsewhere
from tests.support.long import long_after
from tests.support.syncs import synced

if TYPE_CHECKING:
    from pathlib import Path

    from itsm_workflow.storage.abilities import Restored
    from tests.conformance.test_backup import Backend


def bring_back(backend: Backend, source: Path, path: Path) -> Restored:
    """Put the backup in place of the store at the path."""
    scheme = "sqlite" if backend is SQLiteBackend else "json"
    return backend.restore(f"{scheme}:///{path}", str(source))


def contents(folder: Path) -> dict[str, bytes]:
    """Return what is in each file of a folder, but for locks."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix != ".lock"}


def killed(path: Path, *names: str) -> None:
    """Let a process commit changes, and die with the store open."""
    child(
        """
        backend = open_storage(f"sqlite:///{sys.argv[1]}")
        for name in sys.argv[2:]:
            stored(backend, create(name))
        os._exit(0)
        """,
        path,
        *names,
    )


def refused(source: Path, path: Path) -> None:
    """See that a store in use is not replaced."""
    with pytest.raises(StorageUnavailable, match=r"a process has it open; stop all processes"):
        bring_back(SQLiteBackend, source, path)


def backed_up(backend: Backend, path: Path, *names: str) -> Path:
    """Return a backup of a store with changes of these names; it is closed."""
    live = backend(path)
    for name in names:
        stored(live, create(name))
    live.close()
    target = path.with_name("backup")
    back_up(backend, path, target)
    return target


@BOTH
def test_a_backup_takes_the_place_of_the_store(backend: Backend, tmp_path: Path) -> None:
    """The store is what it was at the backup, and goes on; what it was before is a store under another name."""
    path = tmp_path / "store"
    source = backed_up(backend, path, "c1")
    before = source.read_bytes()
    live = backend(path)
    stored(live, follow(present(live, "c1"), state="approved"))
    stored(live, create("c2"))
    live.close()
    path.chmod(0o640)
    done = bring_back(backend, source, path)
    assert (done.store, done.changes, done.aside[0].name) == (path, 1, "store.replaced-1")
    assert path.stat().st_mode & 0o777 == 0o640
    restored, aside = backend(path), backend(done.aside[0])
    assert (found(restored), present(restored, "c1").state, found(aside)) == (["c1"], "applying", ["c1", "c2"])
    stored(restored, create("c3"))
    restored.close()
    aside.close()
    assert source.read_bytes() == before
    assert bring_back(backend, source, path).aside[0].name == "store.replaced-2"


@BOTH
def test_a_store_that_is_gone_is_brought_back(backend: Backend, tmp_path: Path) -> None:
    """There is nothing to keep then."""
    path = tmp_path / "store"
    source = backed_up(backend, path, "c1")
    path.unlink()
    assert bring_back(backend, source, path) == attrs.evolve(bring_back(backend, source, path), aside=())
    opened = backend(path)
    assert found(opened) == ["c1"]
    opened.close()


@BOTH
def test_a_store_of_which_nothing_can_be_read_is_replaced(backend: Backend, tmp_path: Path) -> None:
    """It is the most likely reason to bring a backup back."""
    path = tmp_path / "store"
    source = backed_up(backend, path, "c1")
    path.write_bytes(b"\xff" * 9000)
    done = bring_back(backend, source, path)
    assert done.aside[0].read_bytes() == b"\xff" * 9000
    opened = backend(path)
    assert found(opened) == ["c1"]
    opened.close()


def test_the_log_that_a_killed_process_left_is_not_applied(tmp_path: Path) -> None:
    """It goes with the store that it belongs to, and nothing of it is lost or seen."""
    path = tmp_path / "store"
    source = backed_up(SQLiteBackend, path, "c1")
    killed(path, "c2", "c3")
    assert path.with_name("store-wal").stat().st_size
    before = contents(tmp_path)
    done = bring_back(SQLiteBackend, source, path)
    names = [f"store.replaced-1{end}" for end in ("", "-wal", "-shm")]
    assert [file.name for file in done.aside] == names
    after = contents(tmp_path)
    assert {name: after[name] for name in names} == {name: before[name.replace(".replaced-1", "")] for name in names}
    assert sorted(after) == sorted(["backup", "store", *names])
    restored, aside = SQLiteBackend(path), SQLiteBackend(done.aside[0])
    assert (found(restored), found(aside)) == (["c1"], ["c1", "c2", "c3"])
    restored.close()
    aside.close()


@pytest.mark.parametrize("index", [True, False], ids=["with its index", "log alone"])
def test_a_log_beside_a_copied_backup_is_refused(tmp_path: Path, *, index: bool) -> None:
    """By whatever opens the file, before SQLite applies the log: neither of the two is changed."""
    path = tmp_path / "store"
    source = backed_up(SQLiteBackend, path, "c1")
    killed(path, "c2")
    shutil.copyfile(source, path)
    if not index:
        path.with_name("store-shm").unlink()
    before = contents(tmp_path)
    url = f"sqlite:///{path}"
    for opening in (
        lambda: SQLiteBackend(path),
        lambda: SQLiteBackend.schema_of(url),
        lambda: SQLiteBackend.repair(path),
        lambda: SQLiteBackend.backup(url, str(tmp_path / "other")),
    ):
        with pytest.raises(StorageCorrupt, match=r"store-wal next to it is the write-ahead log of the store that was"):
            opening()
        assert contents(tmp_path) == before
    bring_back(SQLiteBackend, source, path)
    opened = SQLiteBackend(path)
    assert found(opened) == ["c1"]
    opened.close()


@pytest.mark.long
def test_a_backup_that_became_a_store_has_a_log_of_its_own(tmp_path: Path) -> None:
    """Once it was opened, a process that is killed leaves a log that belongs to it, also where it only read."""
    path = tmp_path / "store"
    source = backed_up(SQLiteBackend, path, "c1")
    shutil.copyfile(source, path.with_name("other"))
    for name in ("store", "other"):
        where = path.with_name(name)
        if name == "store":
            bring_back(SQLiteBackend, source, where)
        killed(where, "c2")
        assert where.with_name(f"{name}-wal").stat().st_size
        opened = SQLiteBackend(where)
        assert found(opened) == ["c1", "c2"]
        opened.close()


def test_a_backup_is_a_store_before_it_has_a_log(tmp_path: Path) -> None:
    """Also where a reader keeps the log from being copied into the file: after a crash, it is the file's own log."""
    path = tmp_path / "store"
    bring_back(SQLiteBackend, backed_up(SQLiteBackend, path, "c1"), path)
    child(
        """
        import sqlite3
        backend = open_storage(f"sqlite:///{sys.argv[1]}")
        reader = sqlite3.connect(sys.argv[1], isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM changes").fetchone()
        stored(backend, create("c2"))
        os._exit(0)
        """,
        path,
    )
    opened = SQLiteBackend(path)
    assert found(opened) == ["c1", "c2"]
    opened.close()


@BOTH
def test_a_backup_can_be_backed_up(backend: Backend, tmp_path: Path) -> None:
    """As it is, without becoming a store."""
    path = tmp_path / "store"
    source = backed_up(backend, path, "c1")
    before = source.read_bytes()
    back_up(backend, source, tmp_path / "second")
    assert source.read_bytes() == before
    done = bring_back(backend, tmp_path / "second", path)
    assert done.changes == 1


def test_a_store_that_a_process_has_open_is_left_alone(tmp_path: Path) -> None:
    """In another process or in this one, and although it is only open."""
    path = tmp_path / "store"
    source = backed_up(SQLiteBackend, path, "c1")
    with _held_elsewhere(path, change="c2"):
        refused(source, path)
    live = SQLiteBackend(path)
    stored(live, create("c3"))
    refused(source, path)
    other = SQLiteBackend(path)
    stored(other, create("c4"))
    assert found(live) == ["c1", "c2", "c3", "c4"]
    live.close()
    other.close()
    assert not list(tmp_path.glob("*.re*"))


@pytest.mark.parametrize("behind", [True, False], ids=["older backup", "equal backup"])
def test_a_process_that_has_a_json_store_open_goes_no_further(tmp_path: Path, *, behind: bool) -> None:
    """It cannot be seen while it rests, so it is told by its next call, also once others have gone on."""
    path = tmp_path / "store"
    source = backed_up(JSONFileBackend, path, "c1")
    live = JSONFileBackend(path)
    if behind:
        stored(live, create("c2"))
    bring_back(JSONFileBackend, source, path)
    with pytest.raises(StorageUnavailable, match="was replaced by another file"):
        live.get("c1")
    other = JSONFileBackend(path)
    for number in range(9):
        stored(other, create(f"d{number}"))
        other.compact()
    with pytest.raises(StorageUnavailable, match="was replaced by another file"):
        live.commit([create("c3")])
    assert "c2" not in found(other)
    other.close()
    live.close()


@BOTH
@pytest.mark.parametrize("what", ["damaged", "no store", "newer", "empty", "missing", "the store", "cut"])
def test_a_backup_that_is_none_changes_nothing(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """It is checked before anything is moved, with the content of each change."""
    path = tmp_path / "store"
    source = backed_up(backend, path, "c1")
    whole = source.read_bytes()
    if what == "damaged":
        source.write_bytes(whole.replace(b"applying", b"approved"))
    elif what == "cut":
        source.write_bytes(whole[: len(whole) * 3 // 4])
    elif what in {"no store", "empty"}:
        source.write_bytes(b"words" * 5000 if what == "no store" else b"")
    elif what == "newer":
        monkeypatch.setattr(_schema, "SCHEMA_VERSION", 2)
        monkeypatch.setattr("itsm_workflow_backends.json_file._replay.SCHEMA", 1)
    elif what == "missing":
        source.unlink()
    else:
        source = path
    before = contents(tmp_path)
    kinds: tuple[type[StorageError], ...] = (StorageCorrupt,)
    if what in {"missing", "the store"}:
        kinds = (StorageUnavailable,)
    elif what == "newer":
        kinds = (StorageSchemaError,)
    scheme = "sqlite" if backend is SQLiteBackend else "json"
    with pytest.raises(kinds) as caught:
        backend.restore(
            f"{scheme}:///{path}", str(source), check=lambda row, _: (row.state == "approved" and "odd") or None
        )
    assert str(source) in str(caught.value)
    assert contents(tmp_path) == before


def test_a_store_in_use_is_no_backup(tmp_path: Path) -> None:
    """Its last commits are in its log, which is not copied with it; nor is a copy without the log one."""
    path = tmp_path / "store"
    backed_up(SQLiteBackend, path, "c1")
    other = tmp_path / "other"
    killed(other, "c2")
    with pytest.raises(StorageUnavailable, match=r"other-wal next to it shows .*storage backup"):
        bring_back(SQLiteBackend, other, path)
    other.with_name("other-wal").unlink()
    with pytest.raises(StorageCorrupt, match=r"without its write-ahead log"):
        bring_back(SQLiteBackend, other, path)


@pytest.mark.parametrize("step", long_after(2, range(6)))
def test_a_restore_that_dies_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Wherever it stops the store does not open empty or with the wrong log, and nothing is lost."""
    path = tmp_path / "store"
    source = backed_up(SQLiteBackend, path, "c1")
    killed(path, "c2")
    before = contents(tmp_path)
    left = step

    def interrupted(name: str) -> object:
        work = getattr(type(path), name)

        def call(*args: object) -> object:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            return work(*args)

        return call

    with monkeypatch.context() as dying:
        dying.setattr(type(path), "rename", interrupted("rename"))
        dying.setattr(type(path), "replace", interrupted("replace"))
        if step < 5:
            with pytest.raises(KeyboardInterrupt):
                bring_back(SQLiteBackend, source, path)
        else:
            bring_back(SQLiteBackend, source, path)
    if 1 <= step < 5:
        for opening in (lambda: SQLiteBackend(path), lambda: SQLiteBackend.repair(path)):
            with pytest.raises(
                StorageUnavailable, match=r"a restore of it was interrupted; run `itsm.* storage restore`"
            ):
                opening()
        assert step == 1 or not path.exists()
    bring_back(SQLiteBackend, source, path)
    opened = SQLiteBackend(path)
    assert found(opened) == ["c1"]
    opened.close()
    after = contents(tmp_path)
    for end in ("", "-wal", "-shm"):
        assert after[f"store.replaced-1{end}"] == before[f"store{end}"]
    assert not any("restor" in name for name in after)


def test_the_old_names_are_removed_durably_before_the_copy_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut, the old log would otherwise be applied to the copy."""
    path = tmp_path / "store"
    source = backed_up(SQLiteBackend, path, "c1")
    killed(path, "c2")
    done: list[str] = []
    rename, sync = type(path).rename, sync_directory

    def renamed(old: Path, new: Path) -> Path:
        done.append(f"{old.name} -> {new.name}")
        return rename(old, new)

    def synced_directory(directory: Path) -> None:
        done.append("sync")
        sync(directory)

    monkeypatch.setattr(type(path), "rename", renamed)
    monkeypatch.setattr(_restore, "sync_directory", synced_directory)
    bring_back(SQLiteBackend, source, path)

    assert done[-3:] == ["sync", "store.restored -> store", "sync"]
    aside = [f"store{end} -> store.replaced-1{end}" for end in ("", "-wal", "-shm")]
    assert done[-3 - len(aside) : -3] == aside


def test_a_store_that_cannot_be_opened_is_not_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the store, and nothing is changed."""
    path = tmp_path / "store"
    source = backed_up(SQLiteBackend, path, "c1")
    before = contents(tmp_path)
    opening = os.open

    def refusing(name: str | Path, *arguments: int, **others: int) -> int:
        if name == path:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opening(name, *arguments, **others)

    with monkeypatch.context() as refused_by_the_system:
        refused_by_the_system.setattr(os, "open", refusing)
        with pytest.raises(StorageUnavailable, match=rf"^cannot open {path}: "):
            bring_back(SQLiteBackend, source, path)
    assert contents(tmp_path) == before


@BOTH
def test_the_copy_is_durable_before_it_has_its_name(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file and the directory without the old names are synced first, and the directory once more in the end."""
    path = tmp_path / "store"
    source = backed_up(backend, path, "c1")
    done = synced(monkeypatch)
    bring_back(backend, source, path)
    assert ("fdatasync", False) in done
    assert done[-1] == ("fsync", True)
    if backend is SQLiteBackend:
        assert done[-2:] == [("fsync", True)] * 2
