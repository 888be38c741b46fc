"""The JSON file between processes: its locks, what is at its path, and names that outlive a power cut."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage import files
from itsm_workflow.testing.conformance._processes import Other
from itsm_workflow.testing.conformance._rows import create, follow, found, present, stored
from itsm_workflow_backends.json_file import JSONFileBackend, _log, _shared
from itsm_workflow_backends.json_file._lock import directory_locked, try_lock
from itsm_workflow_backends.json_file._replay import Replay
from tests.conformance.children import child
from tests.conformance.compactor import commit_and_stop, commit_on
from tests.conformance.json_lines import damage, lines_of, rows_of, small_store, unacknowledge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from itsm_workflow_backends.json_file._lock import LockDeadline

LOST = "was removed while it was open: put the file back, or open the store again"
REPLACED = (
    "was replaced by another file or by an older copy while it was open: put the file back, or open the store again"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a small store."""
    return small_store(tmp_path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file or a directory, as another process would."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------- the locks


def test_a_child_can_write_although_a_thread_of_its_parent_held_the_store(tmp_path: Path) -> None:
    """No thread of the child will ever release the mutex that it inherited."""
    printed = child(
        """
        import threading
        store = open_storage(f"json:///{sys.argv[1]}/store.jsonl")
        inside, go = threading.Event(), threading.Event()

        def hold():
            with store._shared._mutex:
                inside.set()
                go.wait()

        thread = threading.Thread(target=hold)
        thread.start()
        inside.wait()
        pid = os.fork()
        if pid == 0:
            stored(store, create("c1"))
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        go.set()
        thread.join()
        print(code, present(store, "c1").version)
        store.close()
        """,
        tmp_path,
    )
    assert printed == "0 1\n"


def test_most_of_a_long_file_is_read_without_the_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the rest is read under it, so that another process need not wait for a long read."""
    writer = JSONFileBackend(path)
    stored(writer, create("long", document=json.dumps("x" * 600_000)))
    writer.close()
    reads: list[tuple[bool, int]] = []
    feed = Replay.feed

    def watched(replay: Replay, data: bytes) -> None:
        with path.open("rb") as another:
            reads.append((try_lock(another.fileno(), path), len(data)))
        feed(replay, data)

    monkeypatch.setattr(Replay, "feed", watched)
    reader = JSONFileBackend(path)

    assert found(reader) == ["c1", "c2", "c3", "long"]
    free, under_the_lock = (sum(size for was_free, size in reads if was_free is each) for each in (True, False))
    assert free > 600_000
    assert under_the_lock < 256 * 1024
    reader.close()


def test_a_commit_can_follow_one_whose_sync_failed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is replaced by a copy first, and the commit goes into the copy."""
    backend = JSONFileBackend(path)

    def failing(*_: object) -> None:
        raise StorageUnavailable("the disk failed")

    with monkeypatch.context() as broken:
        broken.setattr(_log.Log, "append", failing)
        broken.setattr(_log.Log, "cut", failing)
        with pytest.raises(StorageUnavailable, match="whether it was stored is unknown"):
            backend.commit([create("c4")])
    before = path.stat().st_ino

    assert backend.commit([create("c5")]) == [None]
    assert path.stat().st_ino != before
    assert found(backend) == ["c1", "c2", "c3", "c5"]
    backend.close()


def test_a_removed_lock_file_loses_no_change(path: Path) -> None:
    """One process is about to write; the lock file goes, and another one, which makes a new one, waits all the same."""
    opener = partial(JSONFileBackend, path)
    holder, others = Other(commit_and_stop, opener, "c4"), []
    try:
        assert holder.receive() == "holds"
        path.with_name("store.jsonl.lock").unlink()
        with pytest.raises(
            StorageUnavailable,
            match=r"cannot lock .*store\.jsonl: another process held its lock for 0\.05 s; nothing was",
        ):
            JSONFileBackend(path, timeout=0.05)
        others = [Other(commit_on, opener, f"other{number}", 20) for number in range(2)]
        holder.send("go on")
        assert holder.receive() == [None]
        assert [other.receive() for other in others] == [20, 20]
    finally:
        for other in (holder, *others):
            other.close()
    backend = JSONFileBackend(path)
    assert len(found(backend)) == 3 + 1 + 40
    backend.close()


def test_a_process_that_is_killed_with_the_log_locked_holds_up_no_other(path: Path) -> None:
    """The system frees the lock of the log as it does that of the file beside it."""
    holder = Other(commit_and_stop, partial(JSONFileBackend, path), "c4")
    try:
        assert holder.receive() == "holds"
        path.with_name("store.jsonl.lock").unlink()
        holder.kill()
    finally:
        holder.close()
    backend = JSONFileBackend(path, timeout=0.05)
    stored(backend, create("c4"))
    backend.close()


@pytest.mark.parametrize("act", ["commit", "read", "compact", "open", "repair"])
@pytest.mark.parametrize("which", ["the file beside it", "the log"])
def test_each_act_takes_both_locks(path: Path, which: str, act: str) -> None:
    """While another process holds either, it waits, and says so in the end; then it can be done."""
    backend = JSONFileBackend(path, timeout=0.02)
    row = present(backend, "c1")
    acts: dict[str, Callable[[], object]] = {
        "commit": lambda: backend.commit([follow(row)]),
        "read": lambda: present(backend, "c4"),
        "compact": backend.compact,
        "open": lambda: JSONFileBackend(path, timeout=0.02).close(),
        "repair": lambda: JSONFileBackend.repair(path, timeout=0.02),
    }
    if act == "read":  # only what others have written has to be waited for
        other = JSONFileBackend(path)
        stored(other, create("c4"))
        other.close()
    before = path.read_bytes()
    with locked(path if which == "the log" else path.with_name("store.jsonl.lock")):
        if act != "read":
            assert present(backend, "c1") == row
        with pytest.raises(StorageUnavailable, match=r"another process held .* for 0\.02 s; nothing was stored"):
            acts[act]()
    assert path.read_bytes() == before
    acts[act]()
    backend.close()


def test_a_log_that_was_compacted_while_a_process_waited_for_it_is_not_written_to(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What holds the lock of the old file holds nothing."""
    backend, other, lock = JSONFileBackend(path), JSONFileBackend(path), _log.Log.lock

    def overtaken(log: _log.Log, deadline: LockDeadline) -> None:
        monkeypatch.undo()
        path.with_name("store.jsonl.lock").unlink()
        stored(other, create("c4"))
        other.compact()
        lock(log, deadline)

    monkeypatch.setattr(_log.Log, "lock", overtaken)
    stored(backend, create("c5"))
    assert found(other) == found(backend) == ["c1", "c2", "c3", "c4", "c5"]
    backend.close()
    other.close()


def test_making_a_store_locks_its_directory(tmp_path: Path) -> None:
    """Two processes of which each has a lock file of its own would put one empty log in place of the other's."""
    path = tmp_path / "store.jsonl"
    with (
        locked(tmp_path),
        pytest.raises(StorageUnavailable, match=rf"cannot lock {tmp_path}: another process held its lock for 0\.02 s"),
    ):
        JSONFileBackend(path, timeout=0.02)
    assert not path.exists()
    JSONFileBackend(path).close()
    with locked(tmp_path):
        JSONFileBackend(path).close()


def test_a_store_that_another_process_makes_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the directory is locked, the path is looked at again."""
    path, locking = tmp_path / "store.jsonl", directory_locked

    @contextmanager
    def overtaken(place: Path, deadline: LockDeadline) -> Iterator[None]:
        monkeypatch.undo()
        path.with_name("store.jsonl.lock").unlink()
        other = JSONFileBackend(path)
        stored(other, create("c1"))
        other.close()
        with locking(place, deadline):
            yield

    monkeypatch.setattr(_shared, "directory_locked", overtaken)
    backend = JSONFileBackend(path)
    assert found(backend) == ["c1"]
    backend.close()


# ---------------------------------------------------------------- what is at the path


def _older_copy(path: Path) -> None:
    """Put a copy from before the last commit in place of the log."""
    copy = path.with_name("copy")
    copy.write_bytes(b"".join(lines_of(path)[:-1]))
    copy.replace(path)


def _cut_back(path: Path) -> None:
    """Restore a copy from before the last commit in place."""
    path.write_bytes(b"".join(lines_of(path)[:-1]))


def _another_past(path: Path) -> None:
    """Restore an older copy in place, to which others have written since as much as was there."""
    *lines, last = lines_of(path)
    path.write_bytes(b"".join(lines))
    path.with_name(f"{path.name}.end").unlink(missing_ok=True)
    other = JSONFileBackend(path)
    while path.stat().st_size <= len(b"".join(lines)) + len(last):
        stored(other, create(f"other{path.stat().st_size}"))
    other.close()


def _copied_past(path: Path) -> None:
    """The same by renaming."""
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    _another_past(copy)
    copy.replace(path)


def _another_past_compacted(path: Path) -> None:
    """The same, and others have compacted it."""
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    _another_past(copy)
    other = JSONFileBackend(copy)
    other.compact()
    other.close()
    copy.replace(path)


def _older_generation(path: Path) -> None:
    """Put a copy from before a compaction in place of what the compaction left."""
    path.with_name("before").replace(path)


def _another_store(path: Path) -> None:
    """Put another store in place, of which there were more files."""
    place = path.with_name("other")
    other = JSONFileBackend(place)
    for _ in range(3):
        other.compact()
    other.close()
    place.replace(path)


@pytest.mark.parametrize(
    "happens",
    [_older_copy, _cut_back, _another_past, _copied_past, _another_past_compacted, _older_generation, _another_store],
)
def test_a_log_that_was_replaced_while_it_was_open_is_noticed(path: Path, happens: Callable[[Path], None]) -> None:
    """Nothing is read from it or written to it, until the right one is back, or the store is opened once more."""
    shutil.copy(path, path.with_name("before"))
    backend = JSONFileBackend(path)
    if happens is _older_generation:
        backend.compact()
    row = stored(backend, create("c4"))
    whole = path.read_bytes()
    happens(path)
    after = path.read_bytes()
    for _ in range(2):
        for call in (lambda: backend.commit([create("c5")]), backend.compact, lambda: backend.get("c4")):
            with pytest.raises(StorageUnavailable, match=REPLACED):
                call()
    assert path.read_bytes() == after
    fresh = JSONFileBackend(path)
    assert fresh.get("c4") is None
    fresh.close()
    path.write_bytes(whole)
    assert backend.get("c4") == row
    stored(backend, create("c5"))
    backend.close()


def test_a_log_that_was_removed_is_not_made_anew(path: Path) -> None:
    """It is told until it is back; nothing was stored meanwhile."""
    backend = JSONFileBackend(path)
    row = stored(backend, create("c4"))
    path.rename(path.with_name("elsewhere"))
    for call in (lambda: backend.commit([create("c5")]), backend.compact, lambda: backend.get("c4")):
        with pytest.raises(StorageUnavailable, match=LOST):
            call()
    assert not path.exists()
    path.with_name("elsewhere").rename(path)
    assert backend.get("c4") == row
    assert backend.get("c5") is None
    stored(backend, create("c5"))
    backend.close()


def test_a_log_that_is_removed_while_a_commit_is_written_is_noticed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit is not acknowledged: its line is in no file that another process can open."""
    backend, append = JSONFileBackend(path), _log.Log.append

    def removing(log: _log.Log, end: int, data: bytes) -> None:
        append(log, end, data)
        path.rename(path.with_name("elsewhere"))

    with monkeypatch.context() as patched:
        patched.setattr(_log.Log, "append", removing)
        with pytest.raises(StorageUnavailable, match=r"was removed or replaced .*; whether it was stored is unknown"):
            backend.commit([create("c4")])
    assert not path.exists()
    backend.close()


def test_a_log_that_goes_on_is_read_on(path: Path) -> None:
    """Compacted twice by another process, repaired, or copied whole: what was stored is there, and can be added to."""
    backend, other = JSONFileBackend(path), JSONFileBackend(path)
    stored(other, create("c4"))
    other.compact()
    stored(other, create("c5"))
    other.compact()
    stored(backend, create("c6"))
    assert found(other) == found(backend) == ["c1", "c2", "c3", "c4", "c5", "c6"]
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").replace(path)
    stored(backend, create("c7"))
    damage(path, len(lines_of(path)), b'"applying"')
    other.close()
    JSONFileBackend.repair(path)
    stored(backend, create("c8"))
    assert found(backend) == ["c1", "c2", "c3", "c4", "c5", "c6", "c8"]
    backend.close()


@pytest.mark.parametrize("blank", [b"\n", b" \t\r\n", b"\n\n\n"])
def test_a_blank_line_is_nothing(path: Path, blank: bytes) -> None:
    """Wherever an editor or a shell has left it; all goes on, in stores that are open as well."""
    clean = JSONFileBackend(path)
    rows = rows_of(clean)
    lines = lines_of(path)
    clean.close()
    for place in range(len(lines) + 1):
        unacknowledge(path)
        path.write_bytes(b"".join([*lines[:place], blank, *lines[place:]]))
        backend = JSONFileBackend(path)
        assert rows_of(backend) == rows
        assert JSONFileBackend.repair(path).problems == ()
        with path.open("ab") as file:
            file.write(blank)
        row = stored(backend, follow(present(backend, "c1")))
        with path.open("ab") as file:
            file.write(blank)
        backend.close()
        backend = JSONFileBackend(path)
        assert backend.get("c1") == row
        backend.compact()
        assert backend.get("c1") == row
        backend.close()
        assert len(lines_of(path)) == 4


@pytest.mark.parametrize("most", [0, 1 << 20])
def test_a_torn_line_that_was_given_an_end_is_nothing(path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """By an editor, say: what is there of it looks whole, and the next commit takes its place all the same."""
    whole = path.read_bytes()
    path.write_bytes(whole[:-20] + b"\n")
    unacknowledge(path)
    monkeypatch.setattr(_shared, "_MOST_READ_UNDER_THE_LOCK", most)
    backend = JSONFileBackend(path)
    assert found(backend) == ["c1", "c2"]
    stored(backend, create("c4"))
    other = JSONFileBackend(path)
    assert found(other) == found(backend) == ["c1", "c2", "c4"]
    backend.close()
    other.close()


# ---------------------------------------------------------------- names that outlive a power cut


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is done to names from now on, in its order."""
    acts: list[str] = []
    append, move = _log.Log.append, _log.Log.move

    def moving(log: _log.Log, path: Path) -> None:
        acts.append("move")
        move(log, path)
        acts.append("moved")

    def appending(log: _log.Log, end: int, data: bytes) -> None:
        append(log, end, data)
        acts.append("written")

    def syncing(path: Path) -> None:
        acts.append(f"sync {path.name}")
        files.sync_directory(path)

    monkeypatch.setattr(_log.Log, "move", moving)
    monkeypatch.setattr(_log.Log, "append", appending)
    for module in (_log, _shared):
        monkeypatch.setattr(module, "sync_directory", syncing)
    return acts


def test_a_new_name_is_synced_before_anybody_relies_on_it(tmp_path: Path, done: list[str]) -> None:
    """That of a new store and of a compacted one; a process that finds one syncs it before its first commit returns.

    The process that put it in place may have been killed before it could.
    """
    folder = tmp_path / "folder"
    folder.mkdir()
    backend = JSONFileBackend(folder / "store.jsonl")
    assert done == ["move", "sync folder", "moved"]
    done.clear()
    stored(backend, create("c1"))
    stored(backend, create("c2"))
    assert done == ["written", "sync folder", "written"]
    done.clear()
    backend.compact()
    stored(backend, create("c3"))
    assert done == ["move", "sync folder", "moved", "written"]
    other = JSONFileBackend(folder / "store.jsonl")
    done.clear()
    stored(other, create("c4"))
    stored(other, create("c5"))
    assert done == ["written", "sync folder", "written"]
    backend.compact()
    done.clear()
    stored(other, create("c6"))
    assert done == ["written", "sync folder"]
    backend.close()
    other.close()


def test_a_directory_that_was_removed_is_not_made_again(tmp_path: Path) -> None:
    """An empty one in its place would hide what has happened."""
    folder = tmp_path / "stores"
    folder.mkdir()
    backend = JSONFileBackend(folder / "store")
    stored(backend, create("c1"))
    shutil.rmtree(folder)
    for call in (lambda: backend.get("c1"), lambda: backend.commit([create("c2")])):
        with pytest.raises(StorageUnavailable):
            call()
    backend.close()
    assert not folder.exists()
