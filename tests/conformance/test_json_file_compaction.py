"""The JSON file is compacted while other processes go on with it, and only if half of it or more is obsolete."""

from __future__ import annotations

import errno
import json
import os
import signal
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
from itsm_workflow.storage.protocol import Write
from itsm_workflow.testing.conformance._processes import Other
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
from itsm_workflow.testing.conformance._threads import at_once
from itsm_workflow_backends.json_file import JSONFileBackend, _compaction, _log, _rewrite
from itsm_workflow_backends.json_file._format import Names, encode_commit
from itsm_workflow_backends.json_file._replay import Replay
from itsm_workflow_backends.json_file._shared import SharedLog
from tests.conformance.compactor import commit_on, compact_often, compact_slowly, open_in_small_steps, read_slowly
from tests.conformance.json_lines import lines_of, rows_of, small_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a small store, of which a compaction leaves less."""
    path = small_store(tmp_path)
    backend = JSONFileBackend(path)
    for number in range(20):
        stored(backend, claim(present(backend, "c2"), NOW + number))
    backend.close()
    return path


@pytest.fixture
def opener(path: Path) -> Callable[[], JSONFileBackend]:
    """Return what opens the store, in other processes as well, and waits for none of them."""
    return partial(JSONFileBackend, path, timeout=0)


def names_beside(path: Path) -> list[str]:
    """Return the names of the other files in the store's folder."""
    return sorted(found.name for found in path.parent.iterdir() if found != path)


@pytest.mark.parametrize("by_commit", [False, True])
def test_other_processes_commit_while_one_compacts(
    path: Path, opener: Callable[[], JSONFileBackend], *, by_commit: bool
) -> None:
    """Not one of them waits for a lock; all that they store is in the compacted file."""
    backend = opener()
    compactor = Other(compact_slowly, opener, by_commit)
    third = None
    try:
        assert compactor.receive() == "writing"
        row = present(backend, "c1")
        for _ in range(5):
            row = stored(backend, follow(row, state="pending", open_subject=None))
        third = Other(commit_on, opener, "third", 5)
        assert third.receive() == 5
        compactor.send("go on")
        assert compactor.receive() == "compacted"
    finally:
        compactor.close()
        if third is not None:
            third.close()
    assert len(lines_of(path)) == 1 + 3 + 10
    assert present(backend, "c1") == row
    assert found(backend) == ["c1", "c2", "c3", *(f"third-{number}" for number in range(5))]
    assert whole_history(backend, "c1") == [entry("c1", seq) for seq in range(1, row.seq + 1)]
    stored(backend, follow(row))
    backend.close()
    assert names_beside(path) == ["store.jsonl.end", "store.jsonl.lock"]


@pytest.mark.long
@pytest.mark.parametrize("by_steps", [False, True])
def test_a_process_that_is_killed_while_it_compacts_loses_nothing(
    path: Path, opener: Callable[[], JSONFileBackend], *, by_steps: bool
) -> None:
    """At each line of the backend's code, while another process commits: before the kill where it can, else after it.

    What was stored is there, and the next compaction clears away what the kill left.
    """
    whole = path.read_bytes()
    child_opener: Callable[[], JSONFileBackend] = partial(open_in_small_steps, path, timeout=0) if by_steps else opener
    other = Other(compact_often, child_opener, child_opener, by_steps)
    try:
        other.send(0)
        lines = other.receive()
        assert other.receive() == "ended"
        unlocked = []
        for stop, reached in enumerate(lines, 1):
            if reached.startswith(("_format", "_embedding", "_replay")):  # they touch no file
                continue
            for found_there in path.parent.iterdir():
                found_there.unlink()
            path.write_bytes(whole)
            backend = opener()
            other.send(stop)
            process, line = other.receive()
            with suppress(StorageUnavailable):
                stored(backend, create("c4"))
                unlocked.append(line.split(":")[1])
            os.kill(process, signal.SIGKILL)
            assert other.receive() == "ended"
            if backend.get("c4") is None:
                stored(backend, create("c4"))
            left = found(backend)
            assert left in (["c1", "c2", "c3", "c4"], ["c1", "c2", "c3", "c4", "meanwhile"]), line
            rows = rows_of(backend)
            backend.compact()
            backend.close()
            backend = opener()
            assert rows_of(backend) == rows, line
            backend.close()
            assert names_beside(path) == ["store.jsonl.end", "store.jsonl.lock"], line
            assert len(lines_of(path)) == 1 + len(rows), line
        other.send(None)
    finally:
        other.close()
    # The long part, and copying what the others stored meanwhile, were reached, and no process waited for them.
    assert {"_write", "in_blocks", "rewritten", "_copy", "sync"} <= set(unlocked)
    assert "move" not in unlocked


def test_a_large_store_is_opened_without_holding_the_lock(path: Path, opener: Callable[[], JSONFileBackend]) -> None:
    """Reading it takes long; what is stored meanwhile is read at last, under the lock."""
    backend = opener()
    reader = Other(read_slowly, opener, opener)
    try:
        assert reader.receive() == "read"
        stored(backend, create("c4"))
        reader.send("go on")
        assert reader.receive() == ["c1", "c2", "c3", "c4"]
    finally:
        reader.close()
    backend.close()


@pytest.mark.parametrize("behind", [0, 1])
@pytest.mark.parametrize("meanwhile", [0, 1])
def test_a_process_goes_on_in_a_compacted_file_where_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch, behind: int, meanwhile: int
) -> None:
    """It reads what it has not read yet, and not once more what it has: that would take as long as opening the store.

    Whether it had read the file before to its end, or not, and whether more was stored while that was compacted.
    """
    backend, other = JSONFileBackend(path), JSONFileBackend(path)
    rewritten = _rewrite.rewritten

    def overtaken(*arguments: Any) -> Iterator[bytes]:
        yield from rewritten(*arguments)
        for number in range(meanwhile):
            stored(other, create(f"meanwhile-{number}"))
            if not behind:
                present(backend, f"meanwhile-{number}")

    for number in range(behind):
        stored(other, create(f"before-{number}"))
    with monkeypatch.context() as patched:
        patched.setattr(_compaction, "rewritten", overtaken)
        compacting = JSONFileBackend(path)
        compacting.compact()
        compacting.close()
    after = stored(other, create("after"))
    read: list[int] = []
    feed = Replay.feed

    def counting(replay: Replay, data: bytes) -> None:
        read.append(data.count(b"\n"))
        feed(replay, data)

    monkeypatch.setattr(Replay, "feed", counting)
    assert backend.get("after") == after
    assert sum(read) == 1 + behind * (1 + meanwhile)
    assert rows_of(backend) == rows_of(other)
    stored(backend, follow(after))
    stored(other, create("last"))
    monkeypatch.undo()
    fresh = JSONFileBackend(path)
    assert rows_of(fresh) == rows_of(backend) == rows_of(other)
    for opened in (backend, other, fresh):
        opened.close()


def test_a_file_of_which_less_than_half_is_obsolete_is_not_compacted(tmp_path: Path) -> None:
    """However large it is; once half of it is obsolete, it is, and its history stays."""
    path = tmp_path / "store.jsonl"
    backend = JSONFileBackend(path, compact_at=1000)
    rows = [stored(backend, create(f"c{number}", document='{"d":"' + "接" * 200 + '"}')) for number in range(30)]
    before = path.stat()
    assert before.st_size > 20_000
    for row in rows[:5]:
        stored(backend, follow(row))
    assert path.stat().st_ino == before.st_ino
    claimed = 0
    while path.stat().st_ino == before.st_ino:
        size = path.stat().st_size
        stored(backend, claim(present(backend, "c9"), claimed))
        claimed += 1
    # The size just before: about half of it was obsolete, and a file without that is half as large.
    assert 1.9 <= size / path.stat().st_size <= 2.2
    assert (len(rows_of(backend)), len(whole_history(backend, "c0"))) == (30, 2)
    # What was estimated is measured now.
    with backend._shared.reading() as replay:
        assert replay.live == path.stat().st_size
    backend.close()


@pytest.mark.parametrize("count", [0, 1])
def test_how_long_a_line_will_be_is_known_to_the_byte(count: int) -> None:
    """With times of our days, a number of six digits, and documents that are no JSON, which are a little shorter."""
    now = 1_700_000_000_000_000
    names: dict[str, Any] = {"workflow": "work", "subject": "subject", "form": "several words", "document": "words"}
    row = attrs.evolve(create("c1").row, created_at=now, updated_at=now, due_at=now, **names)
    line = attrs.evolve(entry(row.id, 1), at=now, trigger="submit", source="draft", actor="alice", document="words")
    entries = (line,) * count
    held = (row.id, row.open_subject, row.ticket_key)

    written = encode_commit(Names(123_456, (held,)), [Write(row=row, expected_version=0, entries=entries)])
    assert _rewrite.row_bytes(row) + sum(map(_rewrite.entry_bytes, entries)) == len(written)


def test_how_much_is_obsolete_is_known_when_the_store_is_opened(tmp_path: Path) -> None:
    """By processes that write little each, which no file would ever double for."""
    path = tmp_path / "store.jsonl"
    backend = JSONFileBackend(path)
    row = stored(backend, create("c1"))
    for number in range(50):
        row = stored(backend, claim(row, number))
    backend.close()
    backend = JSONFileBackend(path, compact_at=1000)
    stored(backend, claim(row, NOW))
    assert len(lines_of(path)) == 2
    backend.close()


def test_threads_that_compact_at_once_leave_it_to_one(path: Path, opener: Callable[[], JSONFileBackend]) -> None:
    """The others do nothing; and each goes on with the same file."""
    backend = JSONFileBackend(path)
    other = JSONFileBackend(path)
    rows = rows_of(backend)
    at_once([backend.compact, other.compact, backend.compact, other.compact])
    assert rows == rows_of(backend) == rows_of(other)
    assert names_beside(path) == ["store.jsonl.end", "store.jsonl.lock"]
    backend.close()
    other.close()


def test_a_log_that_another_process_replaces_meanwhile_is_left_to_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a repair, or another compaction: nothing is put in its place, and nothing failed."""
    backend, other, blocks = JSONFileBackend(path), JSONFileBackend(path), _log.in_blocks

    def overtaken(lines: Iterator[bytes]) -> Iterator[bytes]:
        monkeypatch.undo()
        path.with_name("store.jsonl.compacting").unlink()
        stored(other, create("c4"))
        other.compact()
        return blocks(lines)

    monkeypatch.setattr(_compaction, "in_blocks", overtaken)
    backend.compact()
    assert json.loads(lines_of(path)[0])["generation"] == 2
    assert found(other) == found(backend) == ["c1", "c2", "c3", "c4"]
    assert names_beside(path) == ["store.jsonl.end", "store.jsonl.lock"]
    backend.close()
    other.close()


def test_a_compaction_that_commits_overtake_is_brought_to_its_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they appended is copied without the lock first; a store that is always in use is compacted as well."""
    backend, other, blocks = JSONFileBackend(path), JSONFileBackend(path), _log.in_blocks

    def overtaken(lines: Iterator[bytes]) -> Iterator[bytes]:
        stored(other, create("c5"))
        return blocks(lines)

    monkeypatch.setattr(_compaction, "_LITTLE", 0)
    monkeypatch.setattr(_compaction, "in_blocks", overtaken)
    backend.compact()
    assert json.loads(lines_of(path)[0])["generation"] == 2
    assert found(other) == found(backend) == ["c1", "c2", "c3", "c5"]
    assert names_beside(path) == ["store.jsonl.end", "store.jsonl.lock"]
    backend.close()
    other.close()


def test_a_log_that_is_damaged_meanwhile_is_left_as_it_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is for a repair, which keeps the original; nothing failed."""
    backend, blocks = JSONFileBackend(path), _log.in_blocks
    damaged = path.read_bytes() + b"what is this?\n"

    def spoiled(lines: Iterator[bytes]) -> Iterator[bytes]:
        path.write_bytes(damaged)
        return blocks(lines)

    monkeypatch.setattr(_compaction, "in_blocks", spoiled)
    backend.compact()
    assert path.read_bytes() == damaged
    assert names_beside(path) == ["store.jsonl.end", "store.jsonl.lock"]
    with pytest.raises(StorageCorrupt, match="can only be read"):
        backend.commit([create("c4")])
    backend.close()


@pytest.mark.parametrize("fails", ["sync_directory", "switch"])
def test_a_compaction_that_fails_at_the_very_end_holds_no_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """The new file is in place by then: this process and others go on with it."""

    def failing(*_: object) -> None:
        raise OSError(errno.EIO, "failed")

    backend, other = JSONFileBackend(path), JSONFileBackend(path, timeout=0)
    monkeypatch.setattr(_log if fails == "sync_directory" else SharedLog, fails, failing)
    with pytest.raises((StorageUnavailable, OSError)):
        backend.compact()
    monkeypatch.undo()
    assert len(lines_of(path)) == 4
    stored(other, create("c4"))
    stored(backend, create("c5"))
    assert found(other) == found(backend) == ["c1", "c2", "c3", "c4", "c5"]
    assert names_beside(path) == ["store.jsonl.end", "store.jsonl.lock"]
    backend.close()
    other.close()


@pytest.mark.parametrize("what", ["the log", "the new file"])
def test_a_compaction_whose_file_was_taken_away_is_given_up(
    path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Neither is the log made anew where it was removed, nor is another file put in its place."""
    rewritten, new = _rewrite.rewritten, path.with_name("store.jsonl.compacting")

    def interfering(*arguments: Any, **options: Any) -> object:
        (path if what == "the log" else new).rename(path.with_name("taken"))
        if what == "the new file":
            new.write_text("not a store\n")
        return rewritten(*arguments, **options)

    backend = JSONFileBackend(path)
    before = path.read_bytes()
    monkeypatch.setattr(_compaction, "rewritten", interfering)
    with pytest.raises(StorageUnavailable, match="was removed"):
        backend.compact()
    if what == "the log":
        assert names_beside(path) == ["store.jsonl.end", "store.jsonl.lock", "taken"]
        assert not path.exists()
        path.with_name("taken").rename(path)
    assert path.read_bytes() == before
    assert found(backend) == ["c1", "c2", "c3"]
    backend.close()
