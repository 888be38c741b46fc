"""Threads that commit to one JSON file at the same time share a lock and a sync, and each has its own outcome."""

from __future__ import annotations

import errno
import os
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
from itsm_workflow.storage import files
from itsm_workflow.storage.protocol import Conflict, ConflictKind
from itsm_workflow.testing.conformance._rows import claim, create, entry, follow, found, present, stored
from itsm_workflow_backends.json_file import JSONFileBackend, _backend, _log
from itsm_workflow_backends.json_file._replay import Replay
from tests.conformance.children import child
from tests.conformance.json_lines import damage, lines_of, rows_of
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from itsm_workflow.storage.protocol import Write

UNKNOWN = "whether it was stored is unknown: read again"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a store."""
    return tmp_path / "store.jsonl"


@pytest.fixture
def backend(path: Path) -> Iterator[JSONFileBackend]:
    """Return a store with one change that holds a subject."""
    with closing(JSONFileBackend(path, timeout=PATIENCE)) as backend:
        stored(backend, create("c1", subject="s", open_subject="w:s"))
        yield backend


def _together(backend: JSONFileBackend, *writes: Write) -> list[Any]:
    """Commit each write by a thread of its own, in one group; return what each thread got."""
    got: list[Any] = [None] * len(writes)
    commits = backend._commits

    def commit(place: int) -> None:
        try:
            got[place] = backend.commit([writes[place]])
        except BaseException as error:  # noqa: BLE001  # it is looked at by the test
            got[place] = error

    threads = [threading.Thread(target=commit, args=(place,)) for place in range(len(writes))]
    with backend._shared._mutex:
        for place, thread in enumerate(threads):
            thread.start()
            while commits._leader is None or len(commits._waiting) < place:
                threading.Event().wait(0.001)
    for thread in threads:
        thread.join(PATIENCE)
    return got


def test_threads_share_a_sync(backend: JSONFileBackend, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for each commit, all synced together; a conflict is reported to its own caller."""
    synced: list[bytes] = []

    def sync(descriptor: int) -> None:
        synced.append(os.pread(descriptor, 1 << 20, 0))
        files.sync(descriptor)

    monkeypatch.setattr(_log, "sync", sync)
    row = present(backend, "c1")
    taken = create("c3", subject="s", open_subject="w:s")
    got = _together(backend, create("c2"), create("c1"), follow(row), taken, create("c4", open_subject="w:t"))
    assert got == [
        [None],
        [Conflict(kind=ConflictKind.VERSION, change_id="c1")],
        [None],
        [Conflict(kind=ConflictKind.SUBJECT, change_id="c3", holder="c1")],
        [None],
    ]
    # The second and the third write are of one change, so they are in two groups.
    assert [data.count(b"\n") for data in synced] == [1 + 1 + 2, 1 + 1 + 3]
    assert synced[-1] == path.read_bytes()
    with closing(JSONFileBackend(path)) as fresh:
        assert rows_of(fresh) == rows_of(backend)
        assert found(fresh) == ["c1", "c2", "c4"]
        # The number of the last acknowledged commit counts each of them.
        assert fresh.damage() == ()
    assert b'"acknowledged":                   4' in path.with_name("store.jsonl.end").read_bytes()


def test_a_subject_that_is_released_can_be_taken_in_the_same_group(backend: JSONFileBackend, path: Path) -> None:
    """By the order of the commits; each line names what its change holds."""
    released = follow(present(backend, "c1"), open_subject=None)
    taken = create("c2", subject="s", open_subject="w:s")
    assert _together(backend, released, taken) == [[None], [None]]
    with closing(JSONFileBackend(path)) as fresh:
        assert fresh.damage() == ()
        assert rows_of(fresh) == rows_of(backend)
        assert fresh.commit([create("c3", subject="s", open_subject="w:s")]) == [
            Conflict(kind=ConflictKind.SUBJECT, change_id="c3", holder="c2")
        ]


def test_a_write_that_is_refused_fails_alone(
    backend: JSONFileBackend, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries that leave a gap: its caller gets the ValueError, every other write is stored, and nothing is reread."""
    row, fed = present(backend, "c1"), []
    monkeypatch.setattr(Replay, "feed", lambda *_: fed.append(1))
    wrong = attrs.evolve(follow(row, seq=row.seq + 2), entries=(entry("c1", row.seq + 2),))
    got = _together(backend, create("c2"), wrong, create("c3"))
    assert (got[0], got[2]) == ([None], [None])
    assert isinstance(got[1], ValueError)
    assert fed == []
    monkeypatch.undo()
    with closing(JSONFileBackend(path)) as fresh:
        assert found(fresh) == found(backend) == ["c1", "c2", "c3"]
        assert present(fresh, "c1") == row


def test_a_write_to_a_damaged_change_fails_alone(backend: JSONFileBackend, path: Path) -> None:
    """The change is in quarantine; the others are stored."""
    row = present(backend, "c1")
    stored(backend, create("c2"))
    backend.close()
    damage(path, 2, b'"state"')
    with closing(JSONFileBackend(path, timeout=PATIENCE)) as again:
        got = _together(again, create("c3"), follow(row), create("c4"))
        assert (got[0], got[2]) == ([None], [None])
        assert isinstance(got[1], StorageCorrupt)
        assert found(again) == ["c2", "c3", "c4"]


@pytest.mark.parametrize("error", [OSError(errno.EIO, "failed"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("is_synced", [True, False])
def test_a_sync_that_fails_is_unknown_to_each(
    backend: JSONFileBackend, monkeypatch: pytest.MonkeyPatch, error: BaseException, *, is_synced: bool
) -> None:
    """Each caller gets an error of its own, and can read again; the next commit is stored."""

    def sync(descriptor: int) -> None:
        monkeypatch.undo()
        if is_synced:
            files.sync(descriptor)
        raise error

    monkeypatch.setattr(_log, "sync", sync)
    first, *others = _together(backend, create("c2"), create("c3"), create("c4"))
    assert isinstance(first, StorageUnavailable if isinstance(error, OSError) else KeyboardInterrupt)
    for other in others:
        assert isinstance(other, StorageUnavailable)
        assert UNKNOWN in str(other)
    assert others[0] is not others[1]
    # The index of the leader was ahead of the file.
    assert found(backend) == ["c1"]
    assert backend.commit([create("c5")]) == [None]


def test_a_group_that_fails_before_it_is_written_is_read_again(
    backend: JSONFileBackend, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was applied in memory is not shown."""
    before = path.read_bytes()

    def fail(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(_backend, "encode_writes", fail)
    first, other = _together(backend, create("c2"), create("c3"))
    monkeypatch.undo()
    assert isinstance(first, MemoryError)
    assert UNKNOWN in str(other)
    assert path.read_bytes() == before
    assert found(backend) == ["c1"]


def test_a_thread_waits_no_longer_than_its_time_out(path: Path) -> None:
    """For a thread that holds the store, and for a leader; nothing of it is stored later."""
    with closing(JSONFileBackend(path, timeout=0.1)) as backend:
        with backend._shared._mutex:
            threads = [
                threading.Thread(target=pytest.raises, args=(StorageUnavailable, backend.commit, [create(name)]))
                for name in ("c1", "c2", "c3")
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
        assert found(backend) == []
        assert backend.commit([create("c4")]) == [None]


def test_the_time_of_waiting_counts_for_the_locks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of it after another thread let go of the store, is left for other processes."""
    left: list[float] = []
    with closing(JSONFileBackend(path, timeout=PATIENCE)) as backend:
        held = backend._shared._lock.held

        def recording(*, until: float | None = None) -> Any:  # noqa: ANN401  # what it is given
            assert until is not None
            left.append(until)
            return held(until=until)

        monkeypatch.setattr(backend._shared._lock, "held", recording)
        _together(backend, create("c1"))
        monkeypatch.undo()
        with (
            closing(JSONFileBackend(path)) as other,
            other._shared.writing(),
            pytest.raises(StorageUnavailable, match="cannot lock"),
            backend._shared.writing(until=left[0] - PATIENCE),
        ):
            pytest.fail("the lock is held by another one")


def test_a_child_does_not_wait_for_the_threads_of_its_parent(path: Path) -> None:
    """A leader and a follower wait when the process forks; the child stores by itself."""
    printed = child(
        """
        import threading, time
        store = open_storage(f"json:///{sys.argv[1]}")
        threads = [threading.Thread(target=store.commit, args=([create(name)],)) for name in ("c1", "c2")]
        with store._shared._mutex:
            for place, thread in enumerate(threads):
                thread.start()
                while store._commits._leader is None or len(store._commits._waiting) < place:
                    time.sleep(0.001)
            pid = os.fork()
            if pid == 0:
                stored(store, create("c3"))
                os._exit(0)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        for thread in threads:
            thread.join()
        print(code, *(present(store, name).id for name in ("c1", "c2", "c3")))
        store.close()
        """,
        path,
    )
    assert printed == "0 c1 c2 c3\n"
    assert len(lines_of(path)) == 4


def test_a_claim_and_a_step_are_in_one_group(backend: JSONFileBackend, path: Path) -> None:
    """A line for each, of the form that it has by itself."""
    stored(backend, create("c2"))
    writes = (claim(present(backend, "c1"), 7), follow(present(backend, "c2")))
    assert _together(backend, *writes) == [[None], [None]]
    assert b'{"id":"c1","version":2,"due_at":7}' in lines_of(path)[-2]
    assert b'"row"' in lines_of(path)[-1]
