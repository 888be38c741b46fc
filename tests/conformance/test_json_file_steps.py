"""A large JSON file is compacted in steps: a commit does a small part of it, whatever becomes of its process."""

from __future__ import annotations

import json
import logging
from functools import partial
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.testing.conformance._rows import claim, create, follow, found, present, stored, whole_history
from itsm_workflow.testing.conformance._threads import at_once
from itsm_workflow_backends.json_file import JSONFileBackend, _log
from itsm_workflow_backends.json_file._compactor import STEP
from itsm_workflow_backends.json_file._log import Log
from tests.conformance.children import child
from tests.conformance.compactor import SMALL_STEPS, compact_by_commits
from tests.conformance.json_lines import lines_of, rows_of, small_store

if TYPE_CHECKING:
    from pathlib import Path

BESIDE = ["store.jsonl.end", "store.jsonl.lock"]
NEW = "store.jsonl.compacting"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a small store, of which more than half, but less than three quarters, is obsolete."""
    path = small_store(tmp_path)
    backend = JSONFileBackend(path)
    while _ratio(backend) < 2.2:
        touch(backend)
    backend.close()
    return path


def _ratio(backend: JSONFileBackend) -> float:
    with backend._shared.reading() as replay:
        return replay.end / replay.live


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a step write one change."""
    for module, name in SMALL_STEPS:
        monkeypatch.setattr(module, name, 1)


def touch(backend: JSONFileBackend) -> None:
    """Commit something that is obsolete after the next such commit."""
    stored(backend, claim(present(backend, "c2"), 5))


def names_beside(path: Path) -> list[str]:
    """Return the names of the other files in the store's folder."""
    return sorted(found.name for found in path.parent.iterdir() if found != path)


def test_a_commit_writes_a_small_part_of_a_large_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the bytes that it writes, reads and copies, and by the changes that it encodes."""
    path = tmp_path / "store.jsonl"
    document = json.dumps({"text": "x" * 2000})
    backend = JSONFileBackend(path, compact_at=10**9)
    writes = [create(f"c{number}", document=document) for number in range(400)]
    for _ in range(3):
        assert backend.commit(writes) == [None] * 400
        writes = [follow(write.row, document=document) for write in writes]
    backend.close()
    size, before = path.stat().st_size, path.stat().st_ino
    backend, other = JSONFileBackend(path, compact_at=1), JSONFileBackend(path)
    written: list[int] = []
    write, read = Log.write, Log.read

    def counting_write(log: Log, data: bytes) -> None:
        written[-1] += len(data)
        write(log, data)

    def counting_read(log: Log, start: int, end: int | None = None) -> bytes:
        data = read(log, start, end)
        written[-1] += len(data)
        return data

    monkeypatch.setattr(Log, "write", counting_write)
    monkeypatch.setattr(Log, "read", counting_read)
    while path.stat().st_ino == before:
        written.append(0)
        stored(backend, create(f"new{len(written)}"))
        assert len(found(other)) == 400 + len(written)
    monkeypatch.undo()
    assert size // 3 <= sum(written)
    # A step, the change that ends it, and what was appended meanwhile.
    assert max(written) <= 2 * STEP
    assert path.stat().st_size < size / 2
    assert len(lines_of(path)) == 1 + 400 + len(written)
    assert [entry.seq for entry in whole_history(backend, "c7")] == [1, 2, 3]
    fresh = JSONFileBackend(path)
    assert rows_of(fresh) == rows_of(backend) == rows_of(other)
    for each in (backend, other, fresh):
        each.close()
    assert names_beside(path) == BESIDE


def test_a_step_grows_with_what_is_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By twice as much, so that a compaction ends before the log has grown by half of what is not obsolete."""
    path = tmp_path / "store.jsonl"
    document = json.dumps({"text": "x" * 2000})
    monkeypatch.setattr(_log, "_BLOCK", 1024)
    backend = JSONFileBackend(path, compact_at=10**9)
    writes = [create(f"c{number}", document=document) for number in range(600)]
    for _ in range(2):
        assert backend.commit(writes) == [None] * 600
        writes = [follow(write.row, document=document) for write in writes]
    before, live = path.stat().st_ino, path.stat().st_size // 2
    backend._compactor._compact_at = 1
    sizes = []
    while path.stat().st_ino == before:
        sizes.append(path.stat().st_size)
        some, writes = writes[:100], writes[100:]
        assert backend.commit(some) == [None] * 100
    assert len(sizes) >= 2
    assert sizes[-1] - sizes[0] <= live / 2 + 300_000
    backend.close()


def test_steps_go_on_with_the_next_commits(path: Path, small_steps: None) -> None:
    """Between them, the store is used as always; what is stored meanwhile is copied, by this process and others."""
    backend, other = JSONFileBackend(path, compact_at=1), JSONFileBackend(path, compact_at=10**9)
    row = present(other, "c1")
    touch(backend)
    assert names_beside(path) == [NEW, *BESIDE]
    row = stored(other, follow(row))
    assert 2 <= compact_by_commits(backend) < 20
    assert names_beside(path) == BESIDE
    assert json.loads(lines_of(path)[0])["generation"] == 2
    assert present(backend, "c1") == present(other, "c1") == row
    fresh = JSONFileBackend(path)
    assert rows_of(fresh) == rows_of(backend) == rows_of(other)
    for each in (backend, other, fresh):
        each.close()


def test_a_log_of_which_most_is_obsolete_is_compacted_by_one_commit(path: Path, small_steps: None) -> None:
    """For processes that end after a few commits, and never come to the end of a compaction in steps."""
    for _ in range(100):
        backend = JSONFileBackend(path, compact_at=1)
        before = path.stat().st_ino
        touch(backend)
        if path.stat().st_ino != before:
            break
        assert _ratio(backend) < 4
        # It ends without closing the store.
        assert backend._compactor._current is not None
        backend._compactor._current.leave()
        backend._shared.close()
        assert NEW in names_beside(path)
    else:
        pytest.fail("the log grew without end")
    assert len(lines_of(path)) == 1 + 3
    backend.close()
    assert names_beside(path) == BESIDE


def test_a_compaction_that_stands_still_is_left_alone_until_the_log_has_grown_by_half(
    path: Path, small_steps: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Then another process takes it over; the first one notices and goes on, without an error."""
    caplog.set_level(logging.WARNING)
    backend, other = JSONFileBackend(path, compact_at=1), JSONFileBackend(path, compact_at=1)
    touch(backend)
    start, new = path.stat().st_size, path.with_name(NEW).stat().st_ino
    while 2 * path.stat().st_size < 3 * start:
        assert path.with_name(NEW).stat().st_ino == new
        touch(other)
    before = path.stat().st_ino
    while (found := path.with_name(NEW)).exists() and found.stat().st_ino == new:
        touch(other)
        assert 2 * path.stat().st_size < 4 * start
    if path.stat().st_ino == before:
        # The first process gives its own one up, and leaves the other's alone.
        stored(backend, create("c5"))
        assert path.with_name(NEW).exists()
        compact_by_commits(other)
    stored(backend, create("c6"))
    assert json.loads(lines_of(path)[0])["generation"] == 2
    assert rows_of(backend) == rows_of(other)
    assert caplog.text == ""
    backend.close()
    other.close()
    assert names_beside(path) == BESIDE


@pytest.mark.parametrize("how", ["close", "compact"])
def test_a_compaction_in_steps_is_given_up(path: Path, small_steps: None, how: str) -> None:
    """When the store is closed, and for a compaction that was called for."""
    backend = JSONFileBackend(path, compact_at=1)
    touch(backend)
    assert NEW in names_beside(path)
    if how == "compact":
        backend.compact()
        assert len(lines_of(path)) == 1 + 3
    else:
        backend.close()
        backend.close()
    assert names_beside(path) == BESIDE
    backend.close()


def test_threads_do_the_steps_one_at_a_time(path: Path, small_steps: None) -> None:
    """Those that commit meanwhile do not wait for them; nothing is lost."""
    backend = JSONFileBackend(path, compact_at=1)

    def commit(name: str) -> None:
        for number in range(20):
            stored(backend, create(f"{name}-{number}"))

    touch(backend)
    at_once([partial(commit, name) for name in "abcd"])
    fresh = JSONFileBackend(path)
    assert rows_of(fresh) == rows_of(backend)
    assert len(rows_of(fresh)) == 3 + 80
    assert json.loads(lines_of(path)[0])["generation"] >= 2
    fresh.close()
    backend.close()
    assert names_beside(path) == BESIDE


def test_a_log_that_another_process_compacted_ends_the_steps(
    path: Path, small_steps: None, caplog: pytest.LogCaptureFixture
) -> None:
    """The new file is removed by then, and nothing failed."""
    caplog.set_level(logging.WARNING)
    backend, other = JSONFileBackend(path, compact_at=1), JSONFileBackend(path)
    touch(backend)
    path.with_name(NEW).unlink()
    other.compact()
    stored(backend, create("c5"))
    assert backend._compactor._current is None
    assert names_beside(path) == BESIDE
    assert json.loads(lines_of(path)[0])["generation"] == 2
    assert rows_of(backend) == rows_of(other)
    assert caplog.text == ""
    backend.close()
    other.close()


def test_steps_that_fail_do_not_fail_the_commit(
    path: Path, small_steps: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The compaction is given up, and reported once; the next one begins when the log has grown by half."""
    backend = JSONFileBackend(path, compact_at=1)
    touch(backend)

    def fail(_log: Log, _data: bytes) -> None:
        raise StorageUnavailable("no space", path=NEW)

    with monkeypatch.context() as failing:
        failing.setattr(Log, "write", fail)
        stored(backend, create("c5"))
    assert caplog.text.count("was not compacted") == 1
    assert names_beside(path) == BESIDE
    stored(backend, create("c6"))
    assert names_beside(path) == BESIDE
    compact_by_commits(backend)
    assert found(backend) == ["c1", "c2", "c3", "c5", "c6"]
    backend.close()


@pytest.mark.long
def test_a_forked_child_leaves_the_compaction_to_its_parent(path: Path) -> None:
    """Whether it uses the store or only closes it; neither removes the file of the parent."""
    printed = child(
        """
        import json
        from pathlib import Path
        from tests.conformance.compactor import compact_by_commits, open_in_small_steps
        path = Path(sys.argv[1])
        store = open_in_small_steps(path)
        stored(store, claim(present(store, "c2"), 5))
        for name in ("c5", None):
            pid = os.fork()
            if pid == 0:
                if name:
                    stored(store, create(name))
                store.close()
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            assert path.with_name(path.name + ".compacting").exists()
        assert compact_by_commits(store) > 1
        print(json.loads(path.read_bytes().splitlines()[0])["generation"], store.get("c5").id)
        store.close()
        """,
        path,
    )
    assert printed == "2 c5\n"
    assert names_beside(path) == BESIDE
