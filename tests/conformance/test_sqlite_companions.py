"""The write-ahead log and its index beside a SQLite file: removed, replaced, left out of a copy, or made twice."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.errors import StorageCorrupt, StorageError, StorageUnavailable
from itsm_workflow.storage import files
from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.conformance._rows import create, follow, found, present, stored
from itsm_workflow_backends.json_file import JSONFileBackend
from itsm_workflow_backends.sqlite import SQLiteBackend, _marking, _opening, _schema
from tests.conformance.children import child
from tests.support.limits import PATIENCE
from tests.support.long import long_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_WAL, _SHM = "store.db-wal", "store.db-shm"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a store with one change in it, closed."""
    path = tmp_path / "store.db"
    backend = SQLiteBackend(path)
    stored(backend, create("c1"))
    backend.close()
    return path


@contextmanager
def _held_elsewhere(path: Path, *, change: str) -> Iterator[subprocess.Popen[str]]:
    """Let another process commit a change, and hold the store open until its input ends."""
    code = (
        "import sys\n"
        "from itsm_workflow_backends.sqlite import SQLiteBackend\n"
        "from itsm_workflow.testing.conformance._rows import create, stored\n"
        "backend = SQLiteBackend(sys.argv[1])\n"
        "stored(backend, create(sys.argv[2]))\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
        "backend.close()\n"
    )
    command = [sys.executable, "-c", code, str(path), change]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


# ---------------------------------------------------------------- removed under a running process


@pytest.mark.parametrize("names", [(_WAL,), (_SHM,), (_WAL, _SHM)], ids=["log", "index", "both"])
@pytest.mark.parametrize("call", ["commit", "get", "find", "history"])
def test_a_log_that_was_removed_is_noticed_and_loses_nothing(path: Path, names: tuple[str, ...], call: str) -> None:
    """The next call says so; what was committed is put into the store, and the same object then goes on."""
    backend = SQLiteBackend(path)
    row = stored(backend, follow(present(backend, "c1"), state="approved"))
    for name in names:
        path.with_name(name).unlink()
    calls: dict[str, Callable[[], object]] = {
        "commit": lambda: backend.commit([create("c2")]),
        "get": lambda: backend.get("c1"),
        "find": lambda: backend.find(Query()),
        "history": lambda: backend.history("c1"),
    }
    with pytest.raises(StorageUnavailable, match=rf"{names[0]} was removed while the store was open"):
        calls[call]()
    assert present(backend, "c1") == row
    assert backend.commit([create("c2")]) == [None]
    backend.close()
    again = SQLiteBackend(path)
    assert (present(again, "c1"), found(again)) == (row, ["c1", "c2"])
    again.close()


@pytest.mark.parametrize("name", [_WAL, _SHM])
def test_a_log_that_was_removed_while_it_was_written_is_noticed(path: Path, name: str) -> None:
    """The commit that was on its way is not acknowledged."""
    backend = SQLiteBackend(path)
    stored(backend, follow(present(backend, "c1")))

    def write() -> None:
        with backend._connections.writing() as connection:
            connection.execute("UPDATE changes SET state = 'approved'")
            path.with_name(name).unlink()

    with pytest.raises(StorageUnavailable, match=rf"{name} was removed .*whether it was stored is unknown"):
        write()
    assert present(backend, "c1").state == "approved"
    backend.close()


def test_a_connection_to_a_removed_log_is_not_used_again(path: Path) -> None:
    """The one that was in use meanwhile is closed when its call ends, so that the next call finds a new log."""
    backend = SQLiteBackend(path)
    stored(backend, follow(present(backend, "c1")))
    with backend._connections.reading():
        path.with_name(_WAL).unlink()
        with pytest.raises(StorageUnavailable, match=rf"{_WAL} was removed"):
            backend.get("c1")
    assert present(backend, "c1").version == 2
    backend.close()


def test_a_store_that_was_removed_with_its_log_is_missed_first(path: Path) -> None:
    """The store is what the operator has to put back."""
    backend = SQLiteBackend(path)
    stored(backend, follow(present(backend, "c1")))
    moved = [each.rename(each.with_name(f"moved-{each.name}")) for each in (path, path.with_name(_WAL))]

    with pytest.raises(StorageUnavailable, match=r"store\.db was removed while it was open: put the file back"):
        backend.get("c1")
    for each in moved:
        each.rename(each.with_name(each.name.removeprefix("moved-")))
    assert present(backend, "c1").version == 2
    backend.close()


@pytest.mark.parametrize("name", [_WAL, _SHM])
def test_a_log_that_was_replaced_is_noticed(path: Path, name: str) -> None:
    """What another program began in its place is not merged with ours: that would mix two histories."""
    backend = SQLiteBackend(path)
    stored(backend, follow(present(backend, "c1"), state="approved"))
    before = path.read_bytes()
    beside = path.with_name(name)
    beside.rename(path.with_name("old"))
    beside.write_bytes(b"")
    with pytest.raises(StorageCorrupt, match=rf"{name} was replaced by another file while the store was open"):
        backend.get("c1")
    backend.close()
    assert path.read_bytes() == before
    assert beside.read_bytes() == b""


@pytest.mark.parametrize("name", [_WAL, _SHM])
def test_a_store_whose_log_was_replaced_refuses_until_it_is_opened_anew(path: Path, name: str) -> None:
    """Each call says so: to whoever made the first one, and to everybody else who shares the store."""
    backend = SQLiteBackend(path)
    stored(backend, follow(present(backend, "c1"), state="approved"))
    shutil.copy(path.with_name(name), path.with_name("older"))
    stored(backend, follow(present(backend, "c1"), state="rejected"))
    path.with_name("older").replace(path.with_name(name))
    calls: list[Callable[[], object]] = [
        lambda: backend.find(Query()),
        lambda: backend.get("c1"),
        lambda: backend.commit([create("c2")]),
        lambda: backend.commit([]),
        lambda: backend.history("c1"),
        backend.damage,
    ]
    told = set()
    for call in [*calls, *calls]:
        with pytest.raises(
            StorageCorrupt, match=rf"{name} was replaced by another file while .* open it again"
        ) as refused:
            call()
        told.add(str(refused.value))
    assert len(told) == 1
    backend.close()
    with pytest.raises(StorageUnavailable, match="was closed"):
        backend.get("c1")


def test_a_log_that_was_replaced_during_a_commit_refuses_what_follows(path: Path) -> None:
    """The commit's own error says that its outcome is unknown; that of a later call does not."""
    backend = SQLiteBackend(path)
    stored(backend, create("c2"))

    def write() -> None:
        with backend._connections.writing() as connection:
            connection.execute("UPDATE changes SET state = 'approved'")
            path.with_name(_WAL).unlink()
            path.with_name(_WAL).write_bytes(b"")

    with pytest.raises(StorageCorrupt, match=r"was replaced .*whether it was stored is unknown"):
        write()
    with pytest.raises(
        StorageCorrupt, match="was replaced by another file while the store was open: each call"
    ) as refused:
        backend.get("c1")
    assert "unknown" not in str(refused.value)
    backend.close()


def test_a_child_of_a_process_whose_log_was_replaced_refuses_too(path: Path) -> None:
    """A fork is not opening it anew."""
    printed = child(
        """
        backend = open_storage(f"sqlite:///{sys.argv[1]}")
        stored(backend, create("c2"))
        log = sys.argv[1] + "-wal"
        os.unlink(log)
        open(log, "wb").close()

        def told():
            try:
                print(backend.get("c1"), flush=True)
            except StorageCorrupt as error:
                print(type(error).__name__, flush=True)

        told()
        pid = os.fork()
        if pid == 0:
            told()
            os._exit(0)
        os.waitpid(pid, 0)
        told()
        """,
        path,
    )
    assert printed == "StorageCorrupt\n" * 3


def test_a_log_that_was_replaced_by_a_link_is_refused(path: Path, tmp_path: Path) -> None:
    """As it is when the store is opened."""
    backend = SQLiteBackend(path)
    stored(backend, create("c2"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    path.with_name(_WAL).unlink()
    path.with_name(_WAL).symlink_to(elsewhere)
    with pytest.raises(StorageUnavailable, match="symbolic link"):
        backend.get("c1")
    path.with_name(_WAL).unlink()
    backend.close()
    assert elsewhere.read_bytes() == b"precious"


def test_a_log_that_the_last_connection_folded_in_is_not_missed(path: Path) -> None:
    """A failed statement closes the only connection, and SQLite removes the log with it."""
    backend = SQLiteBackend(path)
    with pytest.raises(StorageCorrupt), backend._connections.reading() as connection:
        connection.execute("SELECT * FROM nothing")
    assert not path.with_name(_WAL).exists()
    assert backend.commit([create("c2")]) == [None]
    assert found(backend) == ["c1", "c2"]
    backend.close()


def test_a_second_log_is_never_begun(path: Path) -> None:
    """A process that opens the store without its log waits for those that hold it; then all is there."""
    with _held_elsewhere(path, change="c2"):
        path.with_name(_WAL).unlink()
        path.with_name(_SHM).unlink()
        with pytest.raises(StorageUnavailable, match="another process has it open, and its write-ahead log is missing"):
            SQLiteBackend(path, timeout=0.1)
        assert [file.name for file in path.parent.iterdir()] == ["store.db"]
    backend = SQLiteBackend(path)
    assert found(backend) == ["c1", "c2"]
    backend.close()


def test_a_second_log_is_never_begun_by_a_question_about_the_schema(path: Path) -> None:
    """`doctor` asks it of a store that others work with."""
    with _held_elsewhere(path, change="c2"):
        path.with_name(_WAL).unlink()
        path.with_name(_SHM).unlink()
        with pytest.raises(StorageCorrupt, match="without its write-ahead log"):
            SQLiteBackend.schema_of(f"sqlite:///{path}")
        assert [file.name for file in path.parent.iterdir()] == ["store.db"]


def test_a_question_about_the_schema_leaves_nothing_behind(path: Path) -> None:
    """No empty log, which the next one to open the store would have to take for one that lost its content."""
    SQLiteBackend.schema_of(f"sqlite:///{path}")
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


@pytest.mark.long
def test_many_processes_open_a_closed_store_at_once(path: Path) -> None:
    """Each looks whether it is alone, and none takes another's look for a holder without a log."""
    code = (
        "import sys\n"
        "from itsm_workflow_backends.sqlite import SQLiteBackend\n"
        "from itsm_workflow.testing.conformance._rows import create, stored\n"
        "sys.stdin.read(1)\n"
        "backend = SQLiteBackend(sys.argv[1])\n"
        "stored(backend, create(sys.argv[2]))\n"
        "backend.close()\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(path), f"p{number}"], stdin=subprocess.PIPE)
        for number in range(8)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"x")
        process.stdin.flush()
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
    backend = SQLiteBackend(path)
    assert len(found(backend)) == 9
    backend.close()


# ---------------------------------------------------------------- forked


def test_a_child_keeps_what_it_commits_after_its_parent_closed(tmp_path: Path) -> None:
    """A forked child holds no lock of its parent's; without its own, others would remove the log under it."""
    printed = child(
        """
        path = sys.argv[1]
        backend = open_storage(f"sqlite:///{path}")
        stored(backend, create("c1"))
        to_child, child_reads = os.pipe()[::-1]
        parent_reads, to_parent = os.pipe()
        pid = os.fork()
        if pid == 0:
            stored(backend, create("c2"))
            os.write(to_parent, b"x")
            os.read(child_reads, 1)
            stored(backend, create("c3"))
            os._exit(0)
        os.read(parent_reads, 1)
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
    assert printed == "True\nc1 c2 c3\n"


def test_a_child_of_a_process_that_is_writing_can_write(tmp_path: Path) -> None:
    """The fork waits for the calls of other threads, so that the child inherits none that will never end."""
    printed = child(
        """
        import threading
        backend = open_storage(f"sqlite:///{sys.argv[1]}")
        done = threading.Event()

        def write(name):
            number = 0
            while not done.is_set():
                number += 1
                stored(backend, create(f"{name}{number}"))

        threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        codes = []
        for number in range(8):
            pid = os.fork()
            if pid == 0:
                stored(backend, create(f"child{number}"))
                os._exit(0)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        done.set()
        for thread in threads:
            thread.join()
        print(codes, sum(row.id.startswith("child") for row in backend.find(Query(limit=100000)).rows))
        backend.close()
        """,
        tmp_path / "store.db",
    )
    assert printed == "[0, 0, 0, 0, 0, 0, 0, 0] 8\n"


def test_a_child_that_was_forked_in_the_middle_of_a_call_is_refused(tmp_path: Path) -> None:
    """By name, instead of writing without locks."""
    printed = child(
        """
        backend = open_storage(f"sqlite:///{sys.argv[1]}")
        with backend._connections.reading():
            pid = os.fork()
            if pid == 0:
                try:
                    backend.get("c1")
                except StorageUnavailable as error:
                    print(error, flush=True)
                os._exit(0)
            os.waitpid(pid, 0)
        stored(backend, create("c1"))
        backend.close()
        """,
        tmp_path / "store.db",
    )
    assert "was forked while a thread was using the store" in printed


# ---------------------------------------------------------------- a copy without the log


def _is_refused(path: Path) -> None:
    """Fail unless the file is refused as one without its log, and left alone."""
    before = path.read_bytes()
    for act in (SQLiteBackend, lambda path: SQLiteBackend.schema_of(f"sqlite:///{path}")):
        with pytest.raises(StorageCorrupt, match="was copied or kept without its write-ahead log"):
            act(path)
    assert path.read_bytes() == before
    assert not path.with_name(f"{path.name}-wal").exists()


def test_a_plain_copy_of_a_live_store_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each commit, also after its log was copied into it; once the store is closed, a copy is whole."""
    monkeypatch.setattr(_marking, "LOG_BYTES", 64 * 1024)
    path, copy = tmp_path / "store.db", tmp_path / "copy.db"
    backend = SQLiteBackend(path)
    sizes = set()
    for number in range(40):
        stored(backend, create(f"c{number:02}", document='"' + "x" * 3000 + '"'))
        sizes.add(path.stat().st_size)
        shutil.copy(path, copy)
        _is_refused(copy)
    assert len(sizes) > 2
    assert len(found(backend)) == 40
    backend.close()
    shutil.copy(path, copy)
    again = SQLiteBackend(copy)
    assert len(found(again)) == 40
    again.close()


def test_a_log_that_was_removed_after_a_crash_is_missed(path: Path) -> None:
    """A person who clears away what a killed process left would clear away its commits."""
    child(
        """
        backend = open_storage(f"sqlite:///{sys.argv[1]}")
        stored(backend, create("c2"))
        os._exit(0)
        """,
        path,
    )
    log = path.with_name(_WAL)
    log.rename(path.with_name("away"))
    path.with_name(_SHM).unlink()
    _is_refused(path)
    path.with_name("away").rename(log)
    backend = SQLiteBackend(path)
    assert found(backend) == ["c1", "c2"]
    backend.close()


def test_reading_marks_nothing(path: Path) -> None:
    """A copy that is taken while others only read is whole."""
    backend = SQLiteBackend(path)
    assert found(backend) == ["c1"]
    assert not _marking.is_marked(path)
    backend.close()


@pytest.mark.parametrize("statement", long_after(2, range(1, 8)))
def test_a_crash_while_the_file_is_marked_is_no_loss(path: Path, statement: int) -> None:
    """Whatever is committed by then is there, and the next writer marks it again."""
    child(
        """
        from itsm_workflow_backends.sqlite import _marking
        left = int(sys.argv[2])

        class Dying:
            def __init__(self, connection):
                self.connection = connection

            def execute(self, statement):
                global left
                left -= 1
                if left == 0:
                    os._exit(0)
                return self.connection.execute(statement)

        mark = _marking.mark
        _marking.mark = lambda connection, path: mark(Dying(connection), path)
        backend = open_storage(f"sqlite:///{sys.argv[1]}")
        stored(backend, create("c2"))
        os._exit(0)
        """,
        path,
        statement,
    )
    backend = SQLiteBackend(path)
    assert found(backend) == ["c1"]
    stored(backend, create("c3"))
    assert _marking.is_marked(path)
    backend.close()
    again = SQLiteBackend(path)
    assert found(again) == ["c1", "c3"]
    again.close()


@pytest.mark.parametrize("statement", ["application_id = 1230263117", "wal_checkpoint", "application_id = 1230263127"])
def test_an_error_while_the_file_is_marked_is_no_loss(
    path: Path, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """The commit is refused and nothing was stored; closing leaves no mark without its log."""
    backend = SQLiteBackend(path)
    mark = _marking.mark

    class Failing:
        def __init__(self, connection: sqlite3.Connection) -> None:
            self.connection = connection

        def execute(self, text: str) -> sqlite3.Cursor:
            if statement in text:
                raise sqlite3.OperationalError("disk I/O error")
            return self.connection.execute(text)

    with monkeypatch.context() as failing:
        failing.setattr(_marking, "mark", lambda connection, path: mark(Failing(connection), path))  # type: ignore[arg-type]  # as much of one as is used
        with pytest.raises(StorageError):
            backend.commit([create("c2")])
    backend.close()
    again = SQLiteBackend(path)
    assert found(again) == ["c1"]
    assert again.commit([create("c2")]) == [None]
    again.close()


def test_a_log_that_cannot_be_copied_fails_no_commit(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What was committed is stored; the log is tried again when it has grown once more."""
    monkeypatch.setattr(_marking, "LOG_BYTES", 64 * 1024)
    backend = SQLiteBackend(path)
    stored(backend, create("c2"))

    def full(connection: sqlite3.Connection, path: Path) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as failing:
        failing.setattr(_marking, "mark", full)
        stored(backend, create("big", document='"' + "x" * 100_000 + '"'))
    assert "was not copied into it" in caplog.text
    assert found(backend) == ["big", "c1", "c2"]
    for number in range(40):
        stored(backend, create(f"d{number}", document='"' + "x" * 10_000 + '"'))
    assert path.with_name(_WAL).stat().st_size < 300_000
    backend.close()
    again = SQLiteBackend(path)
    assert len(found(again)) == 43
    again.close()


def test_the_log_stays_small(path: Path) -> None:
    """It is copied into the file and begun again, as SQLite by itself would do, every 4 MiB."""
    backend = SQLiteBackend(path)
    largest = 0
    for number in range(40):
        stored(backend, create(f"d{number}", document='"' + "x" * 400_000 + '"'))
        largest = max(largest, path.with_name(_WAL).stat().st_size)
    assert _marking.LOG_BYTES / 2 < largest < 2 * _marking.LOG_BYTES
    assert path.stat().st_size > 10 << 20
    backend.close()


def test_a_log_that_begins_again_keeps_its_size(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit into a log that need not grow is synced in less time; the log is still copied when it is full only."""
    monkeypatch.setattr(_marking, "LOG_BYTES", 64 * 1024)
    mark, copies = _marking.mark, []

    def counted(connection: sqlite3.Connection, path: Path) -> bool:
        copies.append(path)
        return mark(connection, path)

    monkeypatch.setattr(_marking, "mark", counted)
    backend = SQLiteBackend(path)
    sizes = []
    for number in range(60):
        stored(backend, create(f"d{number}", document='"' + "x" * 10_000 + '"'))
        sizes.append(path.with_name(_WAL).stat().st_size)
    assert set(sizes[20:]) == {64 * 1024}
    assert 5 < len(copies) < 45
    backend.close()


@pytest.mark.long
def test_two_that_mark_at_once_leave_it_marked(path: Path) -> None:
    """The checkpoint of one takes away the mark of the other, which looks again."""
    code = (
        "import sys\n"
        "from itsm_workflow_backends.sqlite import SQLiteBackend, _marking\n"
        "from itsm_workflow.testing.conformance._rows import create, stored\n"
        "_marking.LOG_BYTES = 20000\n"
        "backend = SQLiteBackend(sys.argv[1])\n"
        "for number in range(60):\n"
        "    stored(backend, create(sys.argv[2] + str(number)))\n"
        "backend.close()\n"
    )
    holder = SQLiteBackend(path)
    processes = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in "xyz"]
    for process in processes:
        assert process.wait(PATIENCE) == 0
    assert _marking.is_marked(path)
    assert len(found(holder)) == 181
    holder.close()


def test_a_plain_copy_without_any_table_is_refused(tmp_path: Path) -> None:
    """As an earlier version left them; a store without changes must not be made of it."""
    path = tmp_path / "copy.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    before = path.read_bytes()
    assert len(before) > 0
    for act in (SQLiteBackend, lambda path: SQLiteBackend.schema_of(f"sqlite:///{path}")):
        with pytest.raises(StorageCorrupt, match=r"an empty database, .*copy .*without its write-ahead log"):
            act(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["copy.db"]


def test_a_crash_at_any_statement_of_its_making_is_completed(tmp_path: Path) -> None:
    """The tables are made in one transaction before the file has its name; what a crash leaves has another one."""
    statements = sum(map(len, _schema.MIGRATIONS))
    child(
        """
        from itsm_workflow_backends.sqlite import SQLiteBackend, _schema
        migrations = _schema.MIGRATIONS
        left = 0

        class Dying(tuple):
            def __iter__(self):
                global left
                for statement in super().__iter__():
                    left -= 1
                    yield statement
                    if left == 0:
                        os._exit(0)

        _schema.MIGRATIONS = tuple(map(Dying, migrations))
        for number in range(1, int(sys.argv[2]) + 1):
            if (pid := os.fork()) == 0:
                left = number
                SQLiteBackend(os.path.join(sys.argv[1], f"{number}.db"))
                os._exit(1)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        """,
        tmp_path,
        statements,
    )
    for number in range(1, statements + 1):
        path = tmp_path / f"{number}.db"
        assert not path.exists()
        backend = SQLiteBackend(path)
        stored(backend, create("c1"))
        backend.close()


# ---------------------------------------------------------------- one file at two paths


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that stands for the system's list of mounts, empty."""
    path = tmp_path / "mountinfo"
    path.write_text("22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n")
    monkeypatch.setattr(files, "_MOUNTS", path)
    return path


@pytest.mark.parametrize("backend", [SQLiteBackend, JSONFileBackend])
@pytest.mark.parametrize("exists", [True, False])
def test_a_file_that_is_a_mount_point_is_refused(
    tmp_path: Path, mounts: Path, backend: type[SQLiteBackend | JSONFileBackend], *, exists: bool
) -> None:
    """What belongs beside it would be elsewhere at each of its paths, so two processes would not see each other."""
    directory = tmp_path / "a b\\c"
    directory.mkdir()
    path = directory / "store"
    if exists:
        backend(path).close()
    name = str(directory / "store").replace("\\", "\\134").replace(" ", "\\040")
    with mounts.open("a") as file:
        file.write(f"33 22 8:1 /srv/store {name} rw - ext4 /dev/sda1 rw\n")
    if not exists:
        backend(directory / "other").close()
        path.write_bytes(b"")
    with pytest.raises(StorageUnavailable, match="is itself a mount point: mount its directory instead"):
        backend(path)


def test_a_store_in_a_mounted_directory_is_used(tmp_path: Path, mounts: Path) -> None:
    """Its companions are mounted with it."""
    with mounts.open("a") as file:
        file.write(f"33 22 8:1 /srv {tmp_path} rw - ext4 /dev/sda1 rw\n")
    SQLiteBackend(tmp_path / "store.db").close()


@pytest.mark.parametrize("same_device", [True, False])
def test_without_a_list_of_mounts_the_device_is_compared(
    path: Path, mounts: Path, monkeypatch: pytest.MonkeyPatch, *, same_device: bool
) -> None:
    """Not every system has such a list."""
    mounts.unlink()
    look_at = files.look_at

    def elsewhere(path: Path) -> os.stat_result | None:
        found = look_at(path)
        if found is None or same_device:
            return found
        return os.stat_result((*found[:2], found.st_dev + 1, *found[3:]))

    monkeypatch.setattr(files, "look_at", elsewhere)
    if same_device:
        SQLiteBackend(path).close()
        return
    with pytest.raises(StorageUnavailable, match="is itself a mount point"):
        SQLiteBackend(path)


def test_two_paths_of_one_file_do_not_begin_two_logs(path: Path, tmp_path: Path, mounts: Path) -> None:
    """Should the mount be missed: whoever comes second finds the file held, and no log where it looks.

    A second directory that has the file under a second name stands for the mount, which only the superuser can make.
    """
    (tmp_path / "second").mkdir()
    second = tmp_path / "second" / "store.db"
    with _held_elsewhere(path, change="c2"):
        os.link(path, second)
        code = (
            "import os, sys\n"
            "from itsm_workflow.storage import files\n"
            "from itsm_workflow_backends.sqlite import SQLiteBackend, _connections, _companions\n"
            "def plain(path):\n"
            "    return path.lstat() if os.path.lexists(path) else None\n"
            "files.look_at = _connections.look_at = _companions.look_at = plain\n"
            "SQLiteBackend(sys.argv[1], timeout=0.1)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(second)], capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        assert "another process has it open, and its write-ahead log is missing" in done.stderr
        assert [file.name for file in second.parent.iterdir()] == ["store.db"]
        second.unlink()


def test_a_failed_look_is_not_taken_for_a_holder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a lock is waited for; what else goes wrong while the store is opened is raised as what it is."""
    connect = _opening.connect

    def damaged(path: Path, mode: str, *, timeout: float) -> sqlite3.Connection:
        path.write_bytes(b"no database at all" * 1000)
        return connect(path, mode, timeout=timeout)

    monkeypatch.setattr(_opening, "connect", damaged)
    with pytest.raises(StorageCorrupt, match="file is not a database"):
        SQLiteBackend(path)
