"""The two views of a process's calls: each call is seen, and can fail, be cut short or be skipped."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sqlite3
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.testing.conformance._base import NotRun
from itsm_workflow.testing.conformance._trials import preload
from itsm_workflow.testing.conformance._trials.calls import (
    CANCELLED,
    CHANGES,
    COUNTED,
    EIO,
    ENOSPC,
    READS,
    SHORT,
    TORN,
    TORN_AT_END,
    Cancelled,
    Fault,
    Kind,
    decoded,
)
from itsm_workflow.testing.conformance._trials.runner import Child, Silent, Stopped, run_where_calls_are_seen

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from itsm_workflow.testing.conformance._trials.calls import Operation, Watch

    Work = Callable[[Path], object]


@attrs.frozen
class Seen:
    """What was seen of some work: the calls, the spoiled one, and the result or the error."""

    operations: list[Operation]
    struck: str
    result: object


pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the trials fork processes")

IS_PRELOADED = bool(shutil.which("cc")) and sys.platform.startswith("linux")
WAYS = [
    pytest.param("python", marks=[pytest.mark.long] if IS_PRELOADED else []),  # the way where nothing is preloaded
    *(["preloaded"] if IS_PRELOADED else []),
]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a view, which the processes of the test then have."""
    if request.param == "python":
        monkeypatch.setattr(preload, "shim", lambda: None)
    return str(request.param)


def seen(folder: Path, work: Work, kinds: Kind = COUNTED, fault: Fault = EIO, *points: int) -> list[Seen]:
    """Do some work in a process of its own, once for each point at which it is spoiled; 0 spoils nothing."""
    return run_where_calls_are_seen(_seen, folder, work, kinds=kinds, fault=fault, points=points or (0,))


def _seen(
    watch: Watch, own: Path, folder: Path, work: Work, *, kinds: Kind, fault: Fault, points: tuple[int, ...]
) -> list[Seen]:
    trials, before = [], set(folder.iterdir())
    for at in points:
        for left in set(folder.iterdir()) - before:
            left.unlink()
        record = own / f"record {at}"
        watch.record(os.open(record, os.O_WRONLY | os.O_CREAT))
        watch.arm([folder], kinds, fault, at)
        try:
            result: object = work(folder)
        except OSError as error:
            result = errno.errorcode[error.errno or 0]
        watch.disarm()
        operations = [operation for operation in decoded(record.read_bytes()) if operation.kind & kinds]
        assert watch.count() == len(operations)
        trials.append(Seen(operations, watch.struck(), result))
    return trials


def short(operations: list[Operation]) -> list[str]:
    """Return the operations in words."""
    return [
        " ".join(
            filter(
                None,
                [
                    (operation.kind.name or "").lower(),
                    Path(operation.path).name,
                    Path(operation.other).name if operation.other else "",
                    operation.data.decode(),
                    "failed" if operation.failed else "",
                ],
            )
        )
        for operation in operations
    ]


def in_many_ways(folder: Path) -> None:
    """Change files by each function that Python has for it."""
    with (folder / "a").open("w", encoding="utf-8") as file:
        file.write("one")
        file.flush()
        os.fsync(file.fileno())
        file.truncate(1)
    (folder / "a").rename(folder / "b")
    os.link(folder / "b", folder / "c")
    (folder / "c").unlink()
    descriptor = os.open(folder / "b", os.O_WRONLY)
    os.write(descriptor, b"two")
    os.pwrite(descriptor, b"x", 1)
    os.close(descriptor)
    (folder / "b").replace(folder / "a")


def test_each_change_is_seen(tmp_path: Path, way: str) -> None:
    """In their order, with the data."""
    operations = seen(tmp_path, in_many_ways, CHANGES)[0].operations
    assert short(operations) == [
        *("create a", "write a one", "sync a", "truncate a", "close a"),
        *("rename a b", "link b c", "unlink c"),
        *("write b two", "write b x", "close b", "rename b a"),
    ], way
    assert [operation.at for operation in operations if operation.kind is Kind.WRITE] == [0, 0, 1]
    inodes = {operation.inode for operation in operations if operation.kind & (Kind.WRITE | Kind.SYNC | Kind.CREATE)}
    assert inodes == {(tmp_path / "a").stat().st_ino}


def look(folder: Path) -> list[object]:
    """Read a file, and look for files that are not there, in several ways."""
    with suppress(FileNotFoundError):
        (folder / "none").read_bytes()
    return [(folder / "a").read_text(encoding="utf-8"), (folder / "none").exists(), os.listdir(folder)]  # noqa: PTH208


@pytest.mark.long
def test_each_read_is_seen(tmp_path: Path, way: str) -> None:
    """Also one that finds nothing."""
    (tmp_path / "a").write_text("one", encoding="utf-8")
    (trial,) = seen(tmp_path, look, READS)
    assert trial.result == ["one", False, ["a"]]
    assert {"open a", "read a", "open none failed", "stat none failed"} <= set(short(trial.operations)), way


@pytest.mark.long
def test_each_change_can_fail(tmp_path: Path, way: str) -> None:
    """The error is that of the fault, and what failed changes nothing."""
    for at, trial in enumerate(seen(tmp_path, in_many_ways, CHANGES, ENOSPC, *range(1, 13)), start=1):
        assert trial.result == "ENOSPC", way
        assert [number for number, each in enumerate(trial.operations, start=1) if each.failed == 1] == [at]
        assert Path(trial.struck.split()[-1]).name == Path(trial.operations[at - 1].path).name


@pytest.mark.long
def test_a_read_can_fail(tmp_path: Path, way: str) -> None:
    """An error in reading is not taken for a file that is not there."""
    (tmp_path / "a").write_text("one", encoding="utf-8")
    trials = seen(tmp_path, read_the_file, READS, EIO, *range(1, 6))
    results = {trial.struck.partition(" ")[0]: trial.result for trial in trials}
    assert (results["open"], results["read"]) == ("EIO", "EIO"), way


def read_the_file(folder: Path) -> str:
    """Read a file."""
    return (folder / "a").read_text(encoding="utf-8")


def write_ten(folder: Path) -> int:
    """Write ten bytes as often as it takes."""
    with (folder / "a").open("wb", buffering=0) as file:
        rest = memoryview(b"0123456789")
        while rest:
            rest = rest[file.write(rest) :]
    return (folder / "a").stat().st_size


def test_a_write_can_be_cut_short(tmp_path: Path, way: str) -> None:
    """The rest is written by a second call; or that call fails, and a part is left."""
    (trial,) = seen(tmp_path, write_ten, Kind.WRITE, SHORT, 1)
    assert (short(trial.operations), trial.result) == (["write a 01234", "write a 56789"], 10), way
    (trial,) = seen(tmp_path, write_ten, Kind.WRITE, TORN, 1)
    assert (short(trial.operations), trial.result) == (["write a 01234", "write a failed"], "ENOSPC"), way
    assert (tmp_path / "a").read_bytes() == b"01234"
    (trial,) = seen(tmp_path, write_ten, Kind.WRITE, TORN_AT_END, 1)
    assert (short(trial.operations), trial.result) == (["write a 012345678", "write a failed"], "ENOSPC"), way
    assert (tmp_path / "a").read_bytes() == b"012345678"


def test_what_makes_a_name_is_recorded_uncounted(tmp_path: Path, way: str) -> None:
    """Only the writes to one file count; the record still has each file that is to be removed afterwards."""
    recorded = ["create a", "write a one", "create b", "write b two"]
    assert run_where_calls_are_seen(_second, tmp_path) == (recorded, 1), way


def _second(watch: Watch, own: Path, folder: Path) -> tuple[list[str], int]:
    watch.record(os.open(own / "record", os.O_WRONLY | os.O_CREAT))
    watch.arm([folder], Kind.WRITE, only=folder / "b")
    for name, text in (("a", "one"), ("b", "two")):
        (folder / name).write_text(text, encoding="utf-8")
    watch.disarm()
    return short(list(decoded((own / "record").read_bytes()))), watch.count()


@pytest.mark.skipif(not IS_PRELOADED, reason="it needs a C compiler, and Linux")
def test_the_calls_of_a_library_in_c_are_seen(tmp_path: Path) -> None:
    """SQLite's writes and syncs, and its locks."""
    operations = seen(tmp_path, make_a_table)[0].operations
    kinds = {(operation.kind, Path(operation.path).name) for operation in operations}
    assert {(Kind.WRITE, "a.db"), (Kind.SYNC, "a.db"), (Kind.LOCK, "a.db"), (Kind.UNLINK, "a.db-journal")} <= kinds


def make_a_table(folder: Path) -> None:
    """Make a database."""
    with closing(sqlite3.connect(folder / "a.db")) as connection:
        connection.execute("CREATE TABLE a (b)")


@pytest.mark.long
def test_a_sleep_is_skipped(way: str) -> None:
    """The clocks advance by at least as much, also for a lock that is not given."""
    asleep, awake = run_where_calls_are_seen(_asleep)
    assert (asleep >= 60, awake < 30) == (True, True), way


def _asleep(watch: Watch, _own: Path) -> tuple[float, float]:
    watch.skip_sleeps()
    before, really = time.monotonic(), os.times().elapsed
    time.sleep(60)
    return time.monotonic() - before, os.times().elapsed - really


@pytest.mark.long
def test_the_wall_clock_stands_still(way: str) -> None:
    """The clock that measures time goes on."""
    now, elapsed = run_where_calls_are_seen(_at_a_second)
    assert (now, elapsed > 0) == ((1000.0, 1000 * 10**9), True), way


def _at_a_second(watch: Watch, _own: Path) -> tuple[tuple[float, int], float]:
    watch.set_clock(1000)
    before = time.monotonic()
    while time.monotonic() == before:
        pass
    return (time.time(), time.time_ns()), time.monotonic() - before


@pytest.mark.long
def test_a_call_is_interrupted(way: str, tmp_path: Path) -> None:
    """The handler of the signal raises, and the call was made."""
    assert run_where_calls_are_seen(_interrupted, tmp_path) == "Cancelled", way
    assert (tmp_path / "a.txt").read_bytes() == b"0"


def _interrupted(watch: Watch, _own: Path, folder: Path) -> str:
    def cancel(*_signal: object) -> None:
        raise Cancelled

    signal.signal(signal.SIGINT, cancel)
    watch.arm([folder], Kind.WRITE, CANCELLED, 1)
    file = os.open(folder / "a.txt", os.O_WRONLY | os.O_CREAT)
    try:
        for number in range(10):
            os.write(file, b"%d" % number)
    except Cancelled as cancelled:
        return type(cancelled).__name__
    return "not interrupted"


@pytest.mark.long
def test_a_child_reports_and_can_stop() -> None:
    """Its reports come, and a child that is stopped, silent, failed or killed is told from one that works."""
    assert run_where_calls_are_seen(_children) == ["one", "done", "stopped", "done", "silent", "ZeroDivisionError"]


def _children(_watch: Watch, _own: Path) -> list[str]:
    first = Child(_says, "one")
    ends = [first.receive(60.0), first.receive(60.0)]
    first.end()
    second = Child(_stops)
    with pytest.raises(Stopped):
        second.receive(60.0)
    second.resume()
    ends += ["stopped", second.receive(60.0)]
    second.end()
    third = Child(_waits)
    with pytest.raises(Silent):
        third.receive(0.01)
    fourth = Child(_fails)
    with pytest.raises(AssertionError) as failed:
        fourth.receive(60.0)
    fourth.end()
    return [*ends, "silent", str(failed.value).splitlines()[-1].split(":")[0]]


def _says(pipe: Connection, what: str) -> str:
    pipe.send(("done", what))
    return "done"


def _stops(_pipe: Connection) -> str:
    os.kill(os.getpid(), signal.SIGSTOP)
    return "done"


def _waits(pipe: Connection) -> None:
    pipe.recv()


def _fails(_pipe: Connection) -> float:
    return 1 / 0


@pytest.mark.long
def test_what_fails_there_is_reported(tmp_path: Path) -> None:
    """With its traceback; a thing that is missing is not a failure."""
    with pytest.raises(AssertionError, match="ZeroDivisionError") as failed:
        run_where_calls_are_seen(_divides)
    assert any("1 / 0" in line for line in failed.value.lines)  # type: ignore[attr-defined]  # see Shown
    with pytest.raises(NotRun, match="a thing is missing"):
        run_where_calls_are_seen(_lacks)
    with pytest.raises(AssertionError, match="ended with exit code 7"):
        run_where_calls_are_seen(_exits)


def _divides(_watch: Watch, _own: Path) -> float:
    return 1 / 0


def _lacks(_watch: Watch, _own: Path) -> None:
    message = "a thing is missing"
    raise NotRun(message)


def _exits(_watch: Watch, _own: Path) -> None:
    os._exit(7)


def test_the_object_cannot_be_built_everywhere(tmp_path: Path) -> None:
    """Without a compiler that works, Python's functions are the view."""
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    broken.chmod(0o700)
    assert preload.build(tmp_path, str(broken)) is None
    assert preload.environment(None) is os.environ
