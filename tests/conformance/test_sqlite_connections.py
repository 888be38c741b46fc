"""What no race would show reliably: each lock is held where it must be, and no setting is left to SQLite."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.testing.conformance._rows import create, found, present, stored
from itsm_workflow_backends.sqlite import SQLiteBackend, _connections, _creation, _forks, _marking, _opening
from itsm_workflow_backends.sqlite._companions import Companions
from itsm_workflow_backends.sqlite._connections import Connections
from tests.conformance.children import child
from tests.support.limits import PATIENCE
from tests.support.pids import see_pid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a store with one change in it, closed."""
    path = tmp_path / "store.db"
    backend = SQLiteBackend(path)
    stored(backend, create("c1"))
    backend.close()
    return path


# ---------------------------------------------------------------- settings


def test_each_setting_is_made(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds of SQLite differ in their defaults; here all of them are the other way round."""
    connect = _opening.connect
    other = {"synchronous": 0, "fullfsync": 0, "checkpoint_fullfsync": 0, "cell_size_check": 0, "trusted_schema": 1}

    def built_otherwise(path: Path, mode: str, *, timeout: float) -> sqlite3.Connection:
        connection = connect(path, mode, timeout=timeout)
        for name, value in other.items():
            connection.execute(f"PRAGMA {name} = {value}")
        return connection

    monkeypatch.setattr(_connections, "connect", built_otherwise)
    backend = SQLiteBackend(path)
    wanted = {
        "synchronous": 2,
        "fullfsync": 1,
        "checkpoint_fullfsync": 1,
        "cell_size_check": 1,
        "trusted_schema": 0,
        "wal_autocheckpoint": 0,
        "journal_size_limit": _marking.LOG_BYTES,
    }
    with backend._connections.writing() as connection:
        settings = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}
        assert (settings, connection.execute("PRAGMA journal_mode").fetchone()[0]) == (wanted, "wal")
    backend.close()


def test_the_tables_are_made_durable_before_the_log_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the sync of the directory that only EXTRA does; afterwards each commit takes one sync, not two."""
    connect = _opening.connect
    done: list[str] = []

    def traced(path: Path, mode: str, *, timeout: float) -> sqlite3.Connection:
        connection = connect(path, mode, timeout=timeout)
        connection.set_trace_callback(done.append)
        return connection

    monkeypatch.setattr(_connections, "connect", traced)
    monkeypatch.setattr(_creation, "connect", traced)
    backend = SQLiteBackend(tmp_path / "store.db")
    told = [line for line in done if line.endswith(("IMMEDIATE", "COMMIT")) or "synchronous" in line or "WAL" in line]
    assert told[:5] == [
        "PRAGMA synchronous = EXTRA",
        "BEGIN IMMEDIATE",
        "COMMIT",
        "PRAGMA synchronous = FULL",
        "PRAGMA journal_mode = WAL",
    ]
    backend.close()


def test_a_commit_begins_with_the_right_to_write(path: Path) -> None:
    """What is read before would be of a state that another process has left behind."""
    backend = SQLiteBackend(path)
    done: list[str] = []
    stored(backend, create("c2"))
    with backend._connections.writing() as connection:
        connection.set_trace_callback(done.append)
    stored(backend, create("c3"))
    began = done.index("BEGIN IMMEDIATE")
    assert not [line for line in done[:began] if "changes" in line]
    assert "COMMIT" in done[began:]
    done.clear()
    assert backend.commit([create("c3")]) != [None]
    assert (done[0], done[-1]) == ("BEGIN IMMEDIATE", "ROLLBACK")
    backend.close()


# ---------------------------------------------------------------- locks


class Guarded(list[sqlite3.Connection]):
    """Idle connections that are touched only by who holds the lock."""

    def __init__(self, connections: Connections) -> None:
        super().__init__(connections._idle)
        self.held = connections._mutex._is_owned  # type: ignore[attr-defined]  # there is no public way to ask
        self.touched = 0

    def pop(self, *place: Any) -> sqlite3.Connection:  # as of a list
        """Take one."""
        assert self.held()
        self.touched += 1
        return super().pop(*place)

    def append(self, connection: sqlite3.Connection) -> None:
        """Give one back."""
        assert self.held()
        self.touched += 1
        super().append(connection)


def test_idle_connections_are_taken_and_given_back_under_the_lock(path: Path) -> None:
    """Two threads that take the same one would work in one transaction."""
    backend = SQLiteBackend(path)
    idle = backend._connections._idle = Guarded(backend._connections)
    stored(backend, create("c2"))
    assert found(backend) == ["c1", "c2"]
    assert idle.touched >= 6
    backend.close()


class Counting(Connections):
    """Connections whose count changes only under the lock."""

    _alive = 0
    changed = 0

    @property
    def _live(self) -> int:
        return self._alive

    @_live.setter
    def _live(self, value: int) -> None:
        if "_busy" in vars(self):  # not while it is made
            assert self._mutex._is_owned()  # type: ignore[attr-defined]  # as above
            self.changed += 1
        self._alive = value


def test_connections_are_counted_under_the_lock(path: Path) -> None:
    """With a wrong count, a log that SQLite took away looks like one that was removed, or the other way round."""
    connections = Counting(path, timeout=1.0)
    with connections.reading(), connections.reading():
        assert connections._live == 2
    connections.close()
    assert (connections._live, connections.changed) == (0, 4)


def test_a_connection_is_no_longer_counted_when_it_is_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the last one SQLite takes the log away, which another thread must not take for a loss."""
    backend = SQLiteBackend(path)
    connections = backend._connections

    class Closing:
        def __init__(self, connection: sqlite3.Connection) -> None:
            self.connection = connection

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what the connection has
            return getattr(self.connection, name)

        def close(self) -> None:
            assert (connections._live, connections._log) == (0, None)
            self.connection.close()
            assert backend.commit([create("c2")]) == [None]

    with connections._mutex:
        connections._idle = [Closing(connection) for connection in connections._idle]  # type: ignore[misc]
    (closing_one,) = connections._idle
    with connections._mutex:
        connections._idle = []
    connections._shut(closing_one)
    assert found(backend) == ["c1", "c2"]
    backend.close()


def test_a_look_at_the_files_drops_no_lock(path: Path) -> None:
    """Any closing of the file drops the locks that SQLite has on it: another process would then find itself alone."""
    code = "import sys, pathlib\nfrom itsm_workflow_backends.sqlite import _opening\n"
    code += "print(_opening._has_exclusive_access(pathlib.Path(sys.argv[1])))"
    backend = SQLiteBackend(path)
    stored(backend, create("c2"))
    assert _marking.is_marked(path)
    SQLiteBackend.schema_of(f"sqlite:///{path}")
    SQLiteBackend.backup(f"sqlite:///{path}", str(path.with_name("copy")))
    with pytest.raises(StorageUnavailable):
        SQLiteBackend.repair(path, timeout=0.0)
    other = SQLiteBackend(path)
    other.close()
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    backend.close()


# ---------------------------------------------------------------- forks


class Held:
    """Stands for an object that holds connections; writes down what it is told."""

    def __init__(self) -> None:
        self.done: list[tuple[str, bool]] = []

    def hold(self) -> None:
        """Before."""
        self.done.append(("hold", _forks._REGISTRY.forking.locked()))

    def release(self) -> None:
        """After."""
        self.done.append(("release", _forks._REGISTRY.forking.locked()))

    def close_inherited(self) -> None:
        """In the child."""
        self.done.append(("close", _forks._REGISTRY.forking.locked()))

    def restart(self) -> None:
        """In the child."""
        self.done.append(("begin", _forks._REGISTRY.forking.locked()))


def test_a_fork_holds_and_releases_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """One fork at a time; in the child, the locks of threads that do not exist there are new."""
    registry = _forks._Registry()
    monkeypatch.setattr(_forks, "_REGISTRY", registry)
    one = Held()
    _forks.register(one)
    registry.before()
    assert one.done == [("hold", True)]
    registry.after_in_parent()
    assert (one.done[1:], registry.forking.locked()) == ([("release", True)], False)
    registry.before()
    registry.mutex.acquire()
    registry.after_in_child()
    assert one.done[3:] == [("close", False), ("begin", False)]
    assert (registry.forking.locked(), registry.mutex.locked()) == (False, False)


def test_all_is_closed_before_anything_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two objects may have one file; beside an inherited connection of one, the other would get no lock."""
    registry, done = _forks._Registry(), list[str]()
    monkeypatch.setattr(_forks, "_REGISTRY", registry)

    class Noted(Held):
        def close_inherited(self) -> None:
            done.append("close")

        def restart(self) -> None:
            done.append("begin")

    both = Noted(), Noted()
    for one in both:
        _forks.register(one)
    registry.after_in_child()
    assert done == ["close", "close", "begin", "begin"]


def test_what_is_registered_is_listed_under_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A set that grows while it is walked through raises, in the middle of a fork."""
    registry = _forks._Registry()
    monkeypatch.setattr(_forks, "_REGISTRY", registry)
    looks = []

    class Looked(set[Any]):
        def add(self, one: object) -> None:
            looks.append(registry.mutex.locked())
            super().add(one)

        def __iter__(self) -> Iterator[Any]:
            looks.append(registry.mutex.locked())
            return super().__iter__()

    registry.known = Looked()  # type: ignore[assignment]  # enough of a set
    _forks.register(Held())
    assert len(registry.listed()) == 1
    assert looks
    assert all(looks)


def test_a_child_that_python_did_not_fork_closes_what_it_inherited(tmp_path: Path) -> None:
    """A server in C forks without Python's hooks; several threads of the child may notice at once."""
    printed = child(
        """
        import threading
        from itsm_workflow_backends.sqlite import _forks
        path = sys.argv[1]
        backend = open_storage(f"sqlite:///{path}")
        stored(backend, create("c1"))
        listed, _forks._REGISTRY.listed = _forks._REGISTRY.listed, lambda: []
        parent_reads, to_parent = os.pipe()
        child_reads, to_child = os.pipe()
        pid = os.fork()
        if pid == 0:
            _forks._REGISTRY.listed = listed
            left, leave = [], _forks.reset_in_child

            def count():
                left.append(1)
                leave()

            _forks.reset_in_child = count
            threads = [threading.Thread(target=lambda n=n: stored(backend, create(f"t{n}"))) for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            os.write(to_parent, bytes([len(left)]))
            os.read(child_reads, 1)
            stored(backend, create("last"))
            os._exit(0)
        _forks._REGISTRY.listed = listed
        print(os.read(parent_reads, 1)[0])
        backend.close()
        print(os.path.exists(path + "-wal"))
        os.write(to_child, b"x")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        again = open_storage(f"sqlite:///{path}")
        print(*[row.id for row in again.find(Query()).rows])
        again.close()
        """,
        tmp_path / "store.db",
    )
    assert printed == "1\nTrue\nc1 last t0 t1 t2 t3\n"


def test_a_fork_waits_for_the_calls_of_other_threads_only(path: Path) -> None:
    """And lets none begin; a thread in the middle of one goes on to its end, with a second connection as well.

    A call that waited begins when the fork is over, long before its time-out.
    """
    backend = SQLiteBackend(path, timeout=PATIENCE)
    connections, inside, go, read = backend._connections, threading.Event(), threading.Event(), []

    def call() -> None:
        with connections.reading():
            inside.set()
            assert go.wait(PATIENCE)
            with connections.reading() as second:
                read.append(second.execute("SELECT count(*) FROM changes").fetchone()[0])

    def late() -> None:
        read.append(present(backend, "c1").id)

    threads = [threading.Thread(target=call), threading.Thread(target=late)]
    threads[0].start()
    assert inside.wait(PATIENCE)
    holding = threading.Thread(target=connections.hold)
    holding.start()
    while not connections._held:
        threading.Event().wait(0.001)
    threads[1].start()
    assert (read, holding.is_alive()) == ([], True)
    go.set()
    holding.join(PATIENCE)
    assert (read, holding.is_alive(), connections._busy) == ([1], False, {})
    connections.release()
    threads[1].join(PATIENCE)
    assert read == [1, "c1"]
    backend.close()


def test_a_fork_that_takes_too_long_is_told(path: Path) -> None:
    """To a call that waits for its end."""
    backend = SQLiteBackend(path, timeout=0.05)
    backend._connections.hold()
    with pytest.raises(StorageUnavailable, match="a fork of this process took longer than"):
        backend.get("c1")
    backend._connections.release()
    assert present(backend, "c1").id == "c1"
    backend.close()


# ---------------------------------------------------------------- opening


@contextmanager
def _empty_companions(path: Path) -> Iterator[None]:
    """Put files beside the database that hold nothing, as a process without the true ones would make them."""
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).write_bytes(b"")
    yield
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink()


def test_an_empty_log_is_no_log(path: Path) -> None:
    """A copy beside which another program made one anew is as incomplete as without."""
    backend = SQLiteBackend(path)
    stored(backend, create("c2"))
    copy = path.with_name("copy.db")
    copy.write_bytes(path.read_bytes())
    backend.close()
    with _empty_companions(copy), pytest.raises(Exception, match="without its write-ahead log"):
        SQLiteBackend(copy)


def test_a_sound_store_with_an_empty_log_is_opened(path: Path) -> None:
    """As a process leaves it that has only read, and died."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("SELECT count(*) FROM changes").fetchone()
        assert path.with_name("store.db-wal").stat().st_size == 0
        backend = SQLiteBackend(path)
        assert found(backend) == ["c1"]
        backend.close()


def test_processes_wait_for_different_times_before_they_look_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that look at the same time get in each other's way."""
    waits: list[float] = []

    class Event:
        def wait(self, seconds: float) -> None:
            waits.append(seconds)

    monkeypatch.setattr(threading, "Event", Event)
    monkeypatch.setattr(_opening, "_has_exclusive_access", lambda _: len(waits) > 20)
    monkeypatch.setattr(Companions, "at", lambda _: type("None", (), {"complete": False}))
    for number in range(17):
        see_pid(monkeypatch, _opening.__name__, number)
        waits.clear()
        assert _opening._wait_for_exclusive_access("path", timeout=5.0)  # type: ignore[arg-type]  # nothing is opened
        assert waits[0] == pytest.approx(0.001 * (1 + number))


def test_processes_copy_the_log_at_different_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or all of them would copy it at once."""
    sizes = set()
    for number in range(16):
        see_pid(monkeypatch, _connections.__name__, number)
        connections = object.__new__(Connections)  # opens nothing
        connections._start()
        sizes.add(connections._copy_at)
    assert len(sizes) == 16
