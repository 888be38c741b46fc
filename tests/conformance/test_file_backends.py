"""What the two backends that keep one file have in common: which paths they take, and what they do without space."""

from __future__ import annotations

import inspect
import os
import socket
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.errors import StorageError, StorageUnavailable
from itsm_workflow.storage import open_storage
from itsm_workflow.storage.abilities import SupportsBackup, SupportsRepair, SupportsRestore
from itsm_workflow.testing.conformance._rows import create, follow, present, stored
from itsm_workflow_backends.json_file import JSONFileBackend
from itsm_workflow_backends.memory import MemoryBackend
from itsm_workflow_backends.sqlite import SQLiteBackend
from tests.conformance.children import child

if TYPE_CHECKING:
    from collections.abc import Callable

    Backend = type[SQLiteBackend | JSONFileBackend]

pytestmark = pytest.mark.parametrize("backend", [SQLiteBackend, JSONFileBackend])


def _link_to_nothing(path: Path) -> None:
    path.symlink_to(path.with_name("nothing"))


def _link_to_a_store(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"")
    path.symlink_to(other)


def _two_names(path: Path) -> None:
    path.write_bytes(b"")
    os.link(path, path.with_name("second name"))


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


UNUSABLE: dict[str, Callable[[Path], None]] = {
    "it is a directory": Path.mkdir,
    "it is a symbolic link": _link_to_nothing,
    "symbolic link, but a store": _link_to_a_store,
    "it is a FIFO": os.mkfifo,
    "it is a socket": _socket,
    "hard links": _two_names,
}


@pytest.mark.parametrize("ability", [SupportsBackup, SupportsRestore, SupportsRepair])
def test_a_store_with_a_file_can_be_copied_and_repaired(backend: Backend, ability: type) -> None:
    """What is in memory only has nothing to copy from by its URL."""
    assert (isinstance(backend, ability), isinstance(MemoryBackend, ability)) == (True, False)


@pytest.mark.parametrize("reason", UNUSABLE)
def test_what_is_no_plain_file_is_refused(backend: Backend, reason: str, tmp_path: Path) -> None:
    """Nothing else happens, and the message says what stands there."""
    path = tmp_path / "store"
    UNUSABLE[reason](path)
    before = {found: found.lstat().st_mtime_ns for found in tmp_path.iterdir()}
    with pytest.raises(StorageUnavailable, match=reason):
        backend(path)
    assert {found: found.lstat().st_mtime_ns for found in tmp_path.iterdir()} == before


@pytest.mark.parametrize("reason", UNUSABLE)
def test_the_schema_of_what_is_no_plain_file_is_not_read(backend: Backend, reason: str, tmp_path: Path) -> None:
    """For the same reason; reading a FIFO would wait for a writer."""
    path = tmp_path / "store"
    UNUSABLE[reason](path)
    with pytest.raises(StorageUnavailable, match=reason):
        backend.schema_of(f"file:///{path}")


def test_a_missing_directory_is_not_made(backend: Backend, tmp_path: Path) -> None:
    """A typing error in the path must not become an empty store."""
    with pytest.raises(StorageUnavailable, match="its directory does not exist"):
        backend(tmp_path / "nowhere" / "store")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_directory(backend: Backend, tmp_path: Path) -> None:
    """The message says which kind of thing is wrong."""
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(StorageUnavailable, match="is a file, not a directory"):
        backend(tmp_path / "file" / "store")


def test_only_the_owner_can_read_a_new_store(backend: Backend, tmp_path: Path) -> None:
    """Whatever the umask says."""
    before = os.umask(0)
    try:
        opened = backend(tmp_path / "store")
        stored(opened, create("c1"))
        assert {stat.S_IMODE(found.stat().st_mode) for found in tmp_path.iterdir()} == {0o600}
        opened.close()
    finally:
        os.umask(before)


@pytest.mark.parametrize("read_only", ["file", "directory"])
def test_a_read_only_place_is_refused(backend: Backend, read_only: str) -> None:
    """Before anything is written, for the superuser's ordinary self as well."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        path = directory / "store"
        if read_only == "file":
            backend(path).close()
            path.chmod(0o444)
            directory.chmod(0o777)
        else:
            directory.chmod(0o555)
        printed = child(
            """
            from itsm_workflow_backends.json_file import JSONFileBackend
            from itsm_workflow_backends.sqlite import SQLiteBackend

            # From here on, the modules could not be read.
            me = os.geteuid()
            if me == 0:
                os.seteuid(65534)
            try:
                (SQLiteBackend if sys.argv[1] == "SQLiteBackend" else JSONFileBackend)(sys.argv[2])
            except StorageUnavailable as error:
                print(error)
            os.seteuid(me)
            """,
            backend.__name__,
            path,
        )
        directory.chmod(0o755)
        assert "may not write there" in printed


def test_a_full_disk_stores_nothing_by_half(backend: Backend, tmp_path: Path) -> None:
    """The commit says so, what was there can be read, and with new space the store works on."""
    scheme = "sqlite" if backend is SQLiteBackend else "json"
    printed = child(
        """
        import resource

        store = open_storage(sys.argv[1])
        row = stored(store, create("c1"))
        pad = '"' + "x" * 100_000 + '"'
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
        count, reason = 0, ""
        while not reason:
            try:
                store.commit([create(f"full{count}", document=pad), follow(present(store, "c1"))])
            except StorageUnavailable as error:
                reason = str(error)
            else:
                count += 1
            assert count < 10
        row = present(store, "c1")
        names = [found.id for found in store.find(Query()).rows]
        assert names == ["c1"] + [f"full{number}" for number in range(count)]
        assert (row.version, len(whole_history(store, "c1"))) == (count + 1, count + 1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        stored(store, create("again", document=pad))
        stored(store, follow(row))
        store.close()
        print(reason)
        """,
        f"{scheme}:///{tmp_path}/store",
    )
    assert "whether it was stored is unknown: read again" in printed
    reopened = backend(tmp_path / "store")
    assert present(reopened, "again").version == 1
    reopened.close()


def test_a_forked_child_shares_the_store_not_the_handles(backend: Backend, tmp_path: Path) -> None:
    """Parent and child both work on, and each sees what the other wrote."""
    scheme = "sqlite" if backend is SQLiteBackend else "json"
    printed = child(
        """
        store = open_storage(sys.argv[1])
        stored(store, create("c1"))
        pid = os.fork()
        for _ in range(20):
            while store.commit([follow(present(store, "c1"))]) != [None]:
                pass
        if pid == 0:
            store.close()
            sys.exit()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        print(present(store, "c1").version, len(whole_history(store, "c1")))
        store.close()
        """,
        f"{scheme}:///{tmp_path}/store",
    )
    assert printed == "41 41\n"


def test_a_store_that_was_removed_does_not_come_back_empty(backend: Backend, tmp_path: Path) -> None:
    """Neither reading nor writing makes a new one."""
    path = tmp_path / "store"
    opened = backend(path)
    row = stored(opened, create("c1"))
    path.rename(tmp_path / "elsewhere")
    for call in (lambda: opened.get("c1"), lambda: opened.commit([follow(row)])):
        with pytest.raises(StorageUnavailable, match="was removed while it was open"):
            call()
    assert not path.exists()
    opened.close()


def test_a_closed_store_can_be_closed_after_its_file_has_gone(backend: Backend, tmp_path: Path) -> None:
    """Letting go needs nothing."""
    opened = backend(tmp_path / "store")
    (tmp_path / "store").unlink()
    opened.close()
    opened.close()


@pytest.mark.parametrize("rest", ["", "store", "/", "/store?timeout=1", "/store#top", "/a%2", "/a%00b", "/a%ff"])
def test_a_url_that_is_written_wrong(backend: Backend, rest: str) -> None:
    """The message says how it is written."""
    scheme = "sqlite" if backend is SQLiteBackend else "json"
    with pytest.raises(StorageError, match=rf"a(n escape| %|) .*{scheme} URL|{scheme}:///relative/path"):
        open_storage(f"{scheme}://{rest}")


def test_three_slashes_are_relative_and_four_absolute(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As SQLAlchemy has it; what is percent-encoded is decoded."""
    scheme = "sqlite" if backend is SQLiteBackend else "json"
    monkeypatch.chdir(tmp_path)
    open_storage(f"{scheme}:///a%20b%3F%23%25接").close()
    open_storage(f"{scheme}:///{tmp_path}/absolute").close()
    assert (tmp_path / "a b?#%接").is_file()
    assert (tmp_path / "absolute").is_file()


def test_options_reach_the_backend(backend: Backend, tmp_path: Path) -> None:
    """What the class takes, `open_storage` takes."""
    scheme = "sqlite" if backend is SQLiteBackend else "json"
    open_storage(f"{scheme}:///{tmp_path}/store", timeout=1.5).close()
    with pytest.raises(TypeError, match="unexpected keyword"):
        open_storage(f"{scheme}:///{tmp_path}/store", tiemout=1.5)


def test_every_door_waits_for_half_a_minute_unless_told_otherwise(backend: Backend) -> None:
    """A host that sets nothing neither hangs for longer nor gives up sooner by one way than by another."""
    doors: list[Any] = [backend, backend.from_url, backend.backup, backend.repair]
    assert {inspect.signature(door).parameters["timeout"].default for door in doors} == {30.0}


@pytest.mark.parametrize("timeout", [-1, "30", None])
def test_a_timeout_that_cannot_be_is_refused_before_anything_is_made(
    backend: Backend,
    tmp_path: Path,
    timeout: Any,  # noqa: ANN401  # of any type
) -> None:
    """A negative one would wait for ever."""
    with pytest.raises((TypeError, ValueError), match="timeout must be "):
        backend(tmp_path / "store", timeout=timeout)
    assert list(tmp_path.iterdir()) == []
