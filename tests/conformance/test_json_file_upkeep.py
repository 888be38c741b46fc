"""The JSON file is compacted, repaired and locked, and outlives what fails meanwhile."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
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
from itsm_workflow_backends.json_file import JSONFileBackend, _log
from itsm_workflow_backends.json_file._format import encode_header, new_header
from itsm_workflow_backends.json_file._replay import Replay
from itsm_workflow_backends.json_file._rewrite import entry_bytes, row_bytes
from tests.conformance.json_lines import damage, lines_of, rewrite, rows_of, small_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from itsm_workflow.storage.protocol import EntryRow, Row


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a small store."""
    return small_store(tmp_path)


def test_compaction_keeps_what_counts(path: Path) -> None:
    """Rows, history, order, what is unique; not the lines that later ones made obsolete."""
    backend = JSONFileBackend(path)
    for number in range(50):
        stored(backend, claim(present(backend, "c2"), NOW + number))
    rows = rows_of(backend)
    before = path.stat().st_size
    backend.compact()
    assert path.stat().st_size < before / 3
    assert [json.loads(line).get("names", {}).get("number") for line in lines_of(path)] == [None, 53, 54, 55]
    assert rows_of(backend) == rows
    stored(backend, create("c4"))
    backend.close()
    backend = JSONFileBackend(path)
    assert rows_of(backend)[:3] == rows
    assert whole_history(backend, "c1") == [entry("c1", 1), entry("c1", 2), entry("c1", 3)]
    kinds = [c and c.kind for c in backend.commit([create("c5", open_subject="two"), create("c6", ticket_key="t1")])]
    assert kinds == ["subject", "ticket"]
    backend.close()


def test_compaction_under_an_open_handle(path: Path) -> None:
    """Whoever has the old file open notices, and reads and writes the new one."""
    one, other = JSONFileBackend(path), JSONFileBackend(path)
    for _ in range(3):
        row = present(other, "c1")
        one.compact()
        assert other.get("c1") == row
        stored(other, follow(row))
        assert present(one, "c1").version == row.version + 1
    one.close()
    other.close()


def test_the_file_is_compacted_by_itself(tmp_path: Path) -> None:
    """So that it stays within a small multiple of what is in it, while others read it."""
    path = tmp_path / "store.jsonl"
    backend, reader = JSONFileBackend(path, compact_at=20_000), JSONFileBackend(path)
    row = stored(backend, create("c1", document='"' + "x" * 1000 + '"'))
    for number in range(400):
        row = stored(backend, claim(row, number) if number % 4 else follow(row))
        assert reader.get("c1") == row
    assert path.stat().st_size < 100_000
    assert len(whole_history(reader, "c1")) == 101
    assert path.stat().st_mode & 0o777 == 0o600
    backend.close()
    reader.close()


def test_a_compaction_that_fails_does_not_fail_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The commit is durable; the old file stays in use."""
    path = tmp_path / "store.jsonl"
    backend = JSONFileBackend(path, compact_at=1)
    (tmp_path / "store.jsonl.compacting").mkdir()
    row = stored(backend, create("c1"))
    for _ in range(9):
        row = stored(backend, claim(row, NOW))
    # It is not tried at every commit from then on.
    assert 1 <= caplog.text.count("was not compacted") <= 3
    assert len(lines_of(path)) == 11
    backend.close()


def test_a_compaction_without_space_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing beside it."""
    before = path.read_bytes()
    backend = JSONFileBackend(path)
    with monkeypatch.context() as failing:
        failing.setattr(_log, "sync", _fail(1))
        with pytest.raises(StorageUnavailable, match="cannot write to"):
            backend.compact()
    assert path.read_bytes() == before
    names = sorted(found.name for found in path.parent.iterdir())
    assert names == ["store.jsonl", "store.jsonl.end", "store.jsonl.lock"]
    assert found(backend) == ["c1", "c2", "c3"]
    backend.close()


@pytest.mark.parametrize("size", ["1", 1.5, None, True])
def test_a_size_to_compact_at_is_a_number(path: Path, size: Any) -> None:  # noqa: ANN401  # of any type
    """It is refused at once, not by the first commit, which would have been stored by then."""
    with pytest.raises(TypeError, match="compact_at must be a number of bytes, not "):
        JSONFileBackend(path, compact_at=size)


def test_what_a_crash_left_of_a_compaction_is_cleared_away(path: Path) -> None:
    """It never became the store."""
    new = path.with_name("store.jsonl.compacting")
    new.write_bytes(encode_header(new_header()))
    backend = JSONFileBackend(path)
    backend.compact()
    assert found(backend) == ["c1", "c2", "c3"]
    assert not new.exists()
    backend.close()


def test_repair_of_a_sound_store_does_nothing(path: Path) -> None:
    """It can be run at any time, also after a crash."""
    with path.open("ab") as file:
        file.write(b'{"names":')
    before = path.read_bytes()
    repair = JSONFileBackend.repair(path)
    assert (repair.problems, repair.original, repair.restored, repair.dropped, repair.lost) == ((), None, {}, (), 0)
    assert path.read_bytes() == before


def test_repair_restores_what_is_certain(path: Path) -> None:
    """Back to the last write before the damage, due at no time; the original is kept, and a second one beside it."""
    damage(path, 5, b'"version":2')
    damage(path, 6, b'"approved"')
    damaged = path.read_bytes()
    repair = JSONFileBackend.repair(path)
    assert (repair.restored, repair.dropped, repair.lost) == ({"c2": 1, "c1": 2}, ("c3",), 0)
    assert [problem.split(":")[0] for problem in repair.problems] == ["change c2", "change c3", "change c1"]
    assert repair.original == path.with_name("store.jsonl.damaged-1")
    assert repair.original.read_bytes() == damaged
    assert repair.original.stat().st_mode & 0o777 == 0o600
    backend = JSONFileBackend(path)
    assert [(row.id, row.version, row.state, row.due_at) for row in rows_of(backend)] == [
        ("c1", 2, "pending", None),
        ("c2", 1, "applying", None),
    ]
    assert whole_history(backend, "c1") == [entry("c1", 1), entry("c1", 2)]
    stored(backend, follow(present(backend, "c1")))
    stored(backend, create("c3", open_subject="three"))
    backend.close()
    damage(path, 4, b'"applying"')
    assert JSONFileBackend.repair(path).original == path.with_name("store.jsonl.damaged-2")


def test_repair_leaves_out_what_the_check_finds_wrong(path: Path) -> None:
    """A line that is whole may hold what is not; what the change held is free again."""

    def check(row: Row, entries: Sequence[EntryRow]) -> str | None:
        assert len(entries) == row.seq
        return "its digest is wrong" if row.id == "c2" else None

    repair = JSONFileBackend.repair(path, check=check)
    assert (repair.problems, repair.dropped, repair.restored) == (("change c2: its digest is wrong",), ("c2",), {})
    backend = JSONFileBackend(path)
    assert [row.id for row in rows_of(backend)] == ["c1", "c3"]
    assert (backend.get("c2"), found(backend, subject="subject of c2"), found(backend, order=Order.DUE_AT)) == (
        None,
        [],
        [],
    )
    assert backend.commit([create("c2", open_subject="two")]) == [None]
    backend.close()


def test_what_a_restored_change_has_let_go_of_stays_free(path: Path) -> None:
    """Also if the change that took it is left out: it was certainly let go of, in a write that is lost."""
    backend = JSONFileBackend(path)
    stored(backend, follow(present(backend, "c2"), open_subject=None, ticket_key="t2"))
    stored(backend, create("c4", open_subject="two"))
    backend.close()
    rewrite(path, 7, b"")
    repair = JSONFileBackend.repair(path, check=lambda row, _: "its digest is wrong" if row.id == "c4" else None)
    assert (repair.restored, repair.dropped, repair.lost) == ({"c2": 2}, ("c4",), 1)
    backend = JSONFileBackend(path)
    assert present(backend, "c2").open_subject is None
    assert backend.commit([create("c5", open_subject="two")]) == [None]
    backend.close()


def test_repair_makes_a_read_only_store_writable(path: Path) -> None:
    """An open handle goes on with the repaired file."""
    damage(path, 5, b'"c2"')
    backend = JSONFileBackend(path)
    with pytest.raises(StorageCorrupt, match="can only be read"):
        backend.commit([create("c4")])
    repair = JSONFileBackend.repair(path)
    assert (len(repair.problems), repair.restored, repair.dropped, repair.lost) == (2, {}, (), 1)
    assert backend.commit([create("c4")]) == [None]
    assert found(backend) == ["c1", "c2", "c3", "c4"]
    backend.close()


def test_repair_of_nothing(tmp_path: Path) -> None:
    """It makes no store."""
    with pytest.raises(StorageUnavailable, match="there is no store at"):
        JSONFileBackend.repair(tmp_path / "store.jsonl")
    assert list(tmp_path.iterdir()) == []


def _fail(times: int) -> object:
    left = [times]

    def sync(descriptor: int) -> None:
        if left[0]:
            left[0] -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.fsync(descriptor)

    return sync


@pytest.mark.parametrize("times", [1, 2])
def test_a_sync_that_failed_leaves_the_outcome_open(path: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """It is taken back if that can be made durable, else the file is written anew before anybody relies on it."""
    backend = JSONFileBackend(path)
    row = present(backend, "c1")
    inode = path.stat().st_ino
    with monkeypatch.context() as failing:
        failing.setattr(_log, "sync", _fail(times))
        with pytest.raises(StorageUnavailable, match="error; whether it was stored is unknown: read"):
            backend.commit([follow(row)])
    assert backend.get("c1") == row
    assert (path.stat().st_ino != inode) == (times == 2)
    stored(backend, follow(row))
    backend.close()
    backend = JSONFileBackend(path)
    assert present(backend, "c1").version == row.version + 1
    backend.close()


@pytest.mark.parametrize("at", ["sync", "_write_all"])
def test_an_interrupted_commit_leaves_the_index_right(path: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """Ctrl-C in the midst of it: the file decides, and what it says is durable before anybody relies on it."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    backend = JSONFileBackend(path)
    row = present(backend, "c1")
    inode = path.stat().st_ino
    with monkeypatch.context() as failing:
        failing.setattr(_log, at, interrupt)
        with pytest.raises(KeyboardInterrupt):
            backend.commit([follow(row)])
    assert backend.get("c1") == row
    assert (path.stat().st_ino != inode) == (at == "sync")
    stored(backend, follow(row))
    assert len(whole_history(backend, "c1")) == row.seq + 1
    backend.close()


def test_a_lock_that_is_never_freed_is_told(path: Path) -> None:
    """After the timeout; nothing was stored, and afterwards all goes on."""
    backend, other = JSONFileBackend(path, timeout=0.05), JSONFileBackend(path)
    with (
        other._shared._lock.held(),
        pytest.raises(StorageUnavailable, match=r"another process held .* nothing was stored"),
    ):
        backend.commit([create("c4")])
    assert backend.commit([create("c4")]) == [None]
    backend.close()
    other.close()


def test_a_link_in_place_of_the_lock_is_refused(path: Path, tmp_path: Path) -> None:
    """Or whoever can write to the directory could make the store write elsewhere."""
    lock = path.with_name("store.jsonl.lock")
    lock.unlink(missing_ok=True)
    lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageUnavailable, match="symbolic link"):
        JSONFileBackend(path)


def test_a_wrong_batch_does_not_disturb_the_index(path: Path) -> None:
    """What is refused has not been taken in."""
    backend = JSONFileBackend(path)
    row = present(backend, "c1")
    bad = follow(row)
    with pytest.raises(ValueError, match="a write without entries has the seq 4, but the last stored"):
        backend.commit([create("c4"), type(bad)(row=bad.row, expected_version=bad.expected_version)])
    assert backend.get("c4") is None
    assert backend.get("c1") == row
    backend.close()


def test_a_new_file_keeps_owner_and_mode(path: Path) -> None:
    """A compaction must not lock the group out that the operator let in."""
    path.chmod(0o640)
    backend = JSONFileBackend(path)
    backend.compact()
    assert path.stat().st_mode & 0o777 == 0o640
    backend.close()


def test_a_change_is_counted_whether_it_has_entries_or_not(tmp_path: Path) -> None:
    """Compaction is decided by the size without obsolete lines, in which a row counts once."""
    replay = Replay(tmp_path / "store.jsonl")
    sizes = []
    for write in (create("c1", entries=0), create("c2"), claim(create("c1", entries=0).row, NOW)):
        before = replay.live
        assert replay.commit([write]) == [None]
        sizes.append(replay.live - before)

    assert sizes[0] == row_bytes(create("c1", entries=0).row)
    assert sizes[1] == row_bytes(create("c2").row) + entry_bytes(entry("c2", 1))
    assert sizes[2] == 0
