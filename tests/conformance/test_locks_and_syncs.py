"""What nothing but a crash or a race would show: that a lock is held, and that a file is durable, when it counts."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage import files
from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.conformance._rows import NOW, claim, create, present, stored
from itsm_workflow_backends.json_file import JSONFileBackend, _log
from itsm_workflow_backends.json_file._log import Log
from itsm_workflow_backends.json_file._shared import SharedLog
from itsm_workflow_backends.memory import MemoryBackend
from itsm_workflow_backends.sqlite import SQLiteBackend, _forks
from tests.conformance.json_lines import small_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.storage.protocol import StorageBackend
    from itsm_workflow_backends.sqlite._connections import Connections

CALLS: dict[str, Callable[[StorageBackend], object]] = {
    "commit": lambda backend: backend.commit([create("c9")]),
    "get": lambda backend: backend.get("c1"),
    "find": lambda backend: backend.find(Query()),
    "history": lambda backend: backend.history("c1"),
}


class Guarded:
    """Stands in for an object that threads share, and fails if it is used without the lock."""

    def __init__(self, target: object, is_held: Callable[[], bool]) -> None:
        self._target = target
        self._is_held = is_held
        self.uses = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the object has
        assert self._is_held(), f"{name} was used without the lock"
        self.uses += 1
        return getattr(self._target, name)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_threads_take_turns_in_memory(call: Callable[[StorageBackend], object]) -> None:
    """The table is not made for threads."""
    backend = MemoryBackend()
    stored(backend, create("c1"))
    guarded = Guarded(backend._table, backend._lock.locked)
    backend._table = guarded  # type: ignore[assignment]  # stands in for it

    call(backend)

    assert guarded.uses


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("is_current", [False, True], ids=["read first", "read before"])
def test_threads_take_turns_with_a_json_file(
    tmp_path: Path, call: Callable[[StorageBackend], object], *, is_current: bool
) -> None:
    """Whether the file must be read first or not."""
    backend = JSONFileBackend(small_store(tmp_path))
    backend.get("c1")
    shared = backend._shared
    if not is_current:
        other = JSONFileBackend(tmp_path / shared._path.name)
        stored(other, create("c8"))
        other.close()
    opened = shared._opened
    assert opened is not None
    guarded = Guarded(opened.replay.table, shared._mutex.locked)
    opened.replay.table = guarded  # type: ignore[assignment]  # stands in for it

    call(backend)

    assert guarded.uses
    backend.close()


def test_processes_take_turns_to_write_to_a_json_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one appends, another cannot lock the file."""
    path, refused = small_store(tmp_path), []
    backend, append = JSONFileBackend(path), Log.append

    def asked(log: Log, end: int, data: bytes) -> None:
        with path.open("r+b") as another, pytest.raises(BlockingIOError):
            fcntl.flock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)
        refused.append(end)
        append(log, end, data)

    monkeypatch.setattr(Log, "append", asked)
    assert backend.commit([create("c9")]) == [None]
    backend.close()

    assert refused


def test_a_json_file_is_made_and_closed_by_one_thread_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of the processes is one that the threads of a process share."""
    held: list[str] = []
    forget = SharedLog.forget

    def closing(shared: SharedLog) -> None:
        held.append(f"forget {shared._mutex.locked()}")
        forget(shared)

    monkeypatch.setattr(SharedLog, "forget", closing)
    backend = JSONFileBackend(tmp_path / "store.jsonl")
    held.clear()
    backend.close()

    assert held == ["forget True"]


class Idle(list[Any]):
    """Stands in for the idle connections of a SQLite store, and fails if it is used without the lock."""

    def __init__(self, owner: Connections) -> None:
        super().__init__(owner._idle)
        self.owner = owner
        self.uses: list[str] = []

    def _use(self, what: str) -> None:
        assert self.owner._mutex._is_owned(), f"{what} without the lock"  # type: ignore[attr-defined]  # threading's own
        self.uses.append(what)

    def __len__(self) -> int:
        self._use("count")
        return super().__len__()

    def append(self, connection: object) -> None:
        """Give one back."""
        self._use("append")
        super().append(connection)

    def pop(self, *place: Any) -> Any:  # noqa: ANN401 - a connection
        """Take one."""
        self._use("pop")
        return super().pop(*place)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_threads_take_turns_at_the_idle_connections(tmp_path: Path, call: Callable[[StorageBackend], object]) -> None:
    """Two threads must not be lent the same one."""
    backend = SQLiteBackend(tmp_path / "store.db")
    stored(backend, create("c1"))
    idle = backend._connections._idle = Idle(backend._connections)

    call(backend)

    assert {"count", "pop", "append"} <= set(idle.uses)
    backend.close()


def test_one_thread_at_a_time_writes_to_a_sqlite_file(tmp_path: Path) -> None:
    """Others wait for it here and not in SQLite, which lets them starve; readers do not wait."""
    backend = SQLiteBackend(tmp_path / "store.db", timeout=0.01)
    with backend._connections._writers:
        with pytest.raises(StorageUnavailable, match=r"other threads kept it busy for 0\.01 s; nothing was stored"):
            backend.commit([create("c1")])
        assert backend.get("c1") is None
    stored(backend, create("c1"))
    backend.close()


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, bool]]]:
    """Give the names of the files that are put in place, each with whether all of it was synced by then."""
    synced: dict[int, int] = {}
    moved: list[tuple[str, bool]] = []
    replace = Path.replace

    def sync(descriptor: int) -> None:
        files.sync(descriptor)
        found = os.fstat(descriptor)
        synced[found.st_ino] = found.st_size

    def moving(path: Path, target: Path) -> Path:
        found = path.stat()
        moved.append((target.name, synced.get(found.st_ino) == found.st_size))
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(_log, "sync", sync)
        patch.setattr(Path, "replace", moving)
        yield moved


def test_a_file_is_durable_before_it_is_put_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a new store, and that of a compacted one: after a power cut, the name must not lead to half a file."""
    with watched(monkeypatch) as moved:
        backend = JSONFileBackend(tmp_path / "store.jsonl")
        for name in ("c1", "c2"):
            stored(backend, create(name))
        for number in range(20):
            stored(backend, claim(present(backend, "c2"), NOW + number))
        backend.compact()
        backend.close()

    assert moved == [("store.jsonl", True)] * 2


class Watched:
    """Stands in for the lock of a fork, and notes who is held when it is let go of."""

    def __init__(self, registry: _forks._Registry) -> None:
        self.registry = registry
        self.held: list[list[_forks.Forkable]] = []

    def acquire(self) -> None:
        """Nobody else forks."""

    def release(self) -> None:
        """Another fork may begin now, and hold others."""
        self.held.append(self.registry.held)


def test_a_fork_lets_go_of_all_before_another_one_may_begin() -> None:
    """Otherwise what the other one holds is forgotten, and its stores wait for good."""
    calls: list[str] = []

    class Store:
        hold = release = close_inherited = restart = lambda _: calls.append("call")

    registry, store = _forks._Registry(), Store()
    registry.known.add(store)
    watched: Any = Watched(registry)
    registry.forking = watched
    registry.before()
    assert registry.held == [store]
    registry.after_in_parent()

    assert (watched.held, calls) == ([[]], ["call", "call"])
