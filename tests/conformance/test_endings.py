"""Processes that end in the middle of a promise: what the report says of them, and what a check leaves when it ends."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import re
import select
import signal
import sys
import threading
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.testing import check_storage
from itsm_workflow.testing.conformance import _processes
from itsm_workflow.testing.conformance._forked import forked
from itsm_workflow.testing.conformance._pace import Patience
from itsm_workflow.testing.conformance._pipes import receive, send
from itsm_workflow.testing.conformance._processes import Other, end_others, shared_pulse, write_on
from itsm_workflow.testing.conformance._recording import CheckEnded, Recording
from itsm_workflow.testing.conformance._reports import Shown, end_of_process
from itsm_workflow.testing.conformance._rows import create
from itsm_workflow.testing.conformance._scratch import scratch_stores
from itsm_workflow.testing.conformance._stacks import stack_of_thread
from itsm_workflow.testing.conformance._trials.runner import end_runners, run_where_calls_are_seen
from itsm_workflow_backends.json_file import JSONFileBackend
from itsm_workflow_backends.memory import MemoryBackend
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

    from itsm_workflow.storage.protocol import Conflict, Row, Write
    from itsm_workflow.testing.conformance import Result
    from itsm_workflow.testing.conformance._recording import RecordedBackend
    from itsm_workflow.testing.conformance._trials.calls import Watch

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the trials fork processes")


class EndsInACommit(JSONFileBackend):
    """Ends the process in its third commit, in every process but that of the test."""

    commits = 0

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """End the process."""
        self.commits += 1
        if multiprocessing.parent_process() is not None and self.commits == 3:
            os._exit(3)
        return super().commit(writes)


class EndsOnAnError(JSONFileBackend):
    """Ends the process when a commit fails."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """End the process after an error."""
        try:
            return super().commit(writes)
        except StorageUnavailable:
            os._exit(5)


class WaitsInACommit(JSONFileBackend):
    """Does not return from its third commit in a process, in every process but that of the test."""

    commits = 0

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Wait without end."""
        self.commits += 1
        if multiprocessing.parent_process() is not None and self.commits == 3:
            threading.Event().wait()
        return super().commit(writes)


class FailsAfterAFork(JSONFileBackend):
    """Fails in each process that was forked from the one that opened the store."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.opened_by = os.getpid()

    def get(self, change_id: str, /) -> Row | None:
        """Fail elsewhere."""
        assert os.getpid() == self.opened_by, "this object was opened by another process"
        return super().get(change_id)


class AnswersWithAGenerator(JSONFileBackend):
    """Returns an answer that cannot be sent to another process, in every process but that of the test."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Return a generator."""
        answer = super().commit(writes)
        return answer if multiprocessing.parent_process() is None else (each for each in answer)  # type: ignore[return-value]  # as meant


def checked(backend: type[JSONFileBackend], only: str, folder: Path, patience: float | None = None) -> Result:
    """Return the result of one promise."""
    number = count()
    report = check_storage(
        lambda: partial(backend, folder / f"store{next(number)}"),
        abilities=JSONFileBackend.abilities,
        only=only,
        patience=patience,
    )
    (result,) = report.broken.values()
    return result


@pytest.mark.parametrize("only", ["killed process", "lose each others", "forked process does not disturb"])
def test_a_process_that_ends_in_a_call_is_reported_with_the_call(only: str, tmp_path: Path) -> None:
    """And how it ended."""
    reason = checked(EndsInACommit, only, tmp_path).reason
    assert reason.endswith(" ended in a call of commit, with exit code 3")


def test_a_process_that_fails_is_shown_with_the_last_calls_of_all(tmp_path: Path) -> None:
    """Of the forked process and of its parent, or of all processes of a race, and when they were made."""
    forked = checked(FailsAfterAFork, "forked process does not disturb", tmp_path)
    assert forked.reason == "the forked process failed: this object was opened by another process"
    assert {line.split("  ")[0].strip() for line in forked.calls} == {"the forked process", "its parent"}
    (wrong,) = [line for line in forked.calls if line.startswith("the forked process")]
    assert " ms  get(" in wrong
    assert wrong.endswith(" raised AssertionError: 'this object was opened by another process'")
    (race := tmp_path / "race").mkdir()
    lines = checked(EndsInACommit, "lose each others", race).calls
    assert {line[:9] for line in lines} == {f"process {number}" for number in range(1, 5)}
    assert any(line.endswith(" ms  commit did not return") for line in lines)


def test_a_process_that_is_blocked_is_shown_with_the_line_of_code_at_which_it_is(tmp_path: Path) -> None:
    """Below the calls of all processes, also of those that wait for it."""
    result = checked(WaitsInACommit, "lose each others", tmp_path, patience=0.5)
    assert re.fullmatch(r"blocked: a call of commit by process \d did not return within [\d.]+ s", result.reason)
    (process,) = re.findall(r"process \d", result.reason)
    at = result.calls.index(f"{process} is in")
    assert re.fullmatch(
        r"  \S+test_endings.py, line \d+, in commit: threading.Event\(\).wait\(\)", result.calls[at + 1]
    )


def test_the_middle_of_a_deep_stack_is_left_out() -> None:
    """The lines of the backend are the outer ones, and the last one says what it waits for."""
    there, ended = threading.Event(), threading.Event()

    def go_deeper(times: int) -> None:
        if times:
            go_deeper(times - 1)
        else:
            there.set()
            ended.wait()

    thread = threading.Thread(target=go_deeper, args=(9,))
    thread.start()
    there.wait()
    lines = stack_of_thread(thread.ident or 0)
    ended.set()
    thread.join()
    assert [line.rpartition(": ")[2] for line in lines] == [
        *["go_deeper(times - 1)"] * 3,
        "  … 5 calls inside of these",
        "go_deeper(times - 1)",
        "ended.wait()",
    ]
    assert stack_of_thread(thread.ident or 0) == ()


@pytest.mark.long
def test_a_process_of_a_trial_that_ends_is_reported_with_its_calls(tmp_path: Path) -> None:
    """Not as an EOFError of the check."""
    result = checked(EndsOnAnError, "failed write is not answered", tmp_path)
    assert result.reason == "process 1 ended in a call of commit, with exit code 5"
    assert result.calls[0].startswith("where its step ")
    assert result.calls[1] == "process 1: open"
    assert result.calls[-1].endswith(" does not return")


def test_an_answer_that_cannot_be_sent_is_reported_as_of_the_wrong_type(tmp_path: Path) -> None:
    """Not as an error of pickle."""
    for only in ("killed process", "crash inside"):
        (folder := tmp_path / only).mkdir()
        reason = checked(AnswersWithAGenerator, only, folder).reason
        assert "failed: commit" in reason, only
        assert "<generator object " in reason, only


@pytest.mark.parametrize(
    ("code", "words"),
    [(3, "with exit code 3"), (-signal.SIGKILL, "by SIGKILL"), (-44, "by signal 44"), (None, "with exit code None")],
)
def test_the_end_of_a_process_is_put_in_words(code: int | None, words: str) -> None:
    """A signal has its name."""
    assert end_of_process(code) == words


def test_what_uses_the_stores_of_a_check_ends_with_it(tmp_path: Path) -> None:
    """Another process would make files while their folder is removed."""
    left: list[str] = []
    with scratch_stores(f"json:///{tmp_path}/store", left) as new_store:
        opener = new_store()
        Other(write_on, opener, "c1").receive()
    assert multiprocessing.active_children() == []
    assert (left, list(tmp_path.iterdir())) == ([], [])
    with pytest.raises(StorageUnavailable, match="the check has ended"):
        opener()
    with pytest.raises(StorageUnavailable, match="the check has ended"):
        pickle.dumps(opener)


def test_a_removal_that_is_interrupted_lists_the_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a second signal."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("itsm_workflow.testing.conformance._scratch.end_runners", interrupted)
    left: list[str] = []
    with pytest.raises(KeyboardInterrupt), scratch_stores(f"json:///{tmp_path}/store", left):
        pass
    assert left == [str(each) for each in tmp_path.iterdir()]
    assert len(left) == 1


@pytest.mark.long
def test_a_process_in_which_calls_are_seen_is_ended(tmp_path: Path) -> None:
    """With the check."""
    os.mkfifo(started := tmp_path / "started")
    errors: list[Shown] = []

    def run() -> None:
        try:
            run_where_calls_are_seen(announce_and_wait, str(started))
        except Shown as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.read_text(encoding="utf-8") == "started"
    end_runners()
    thread.join(PATIENCE)
    assert [*map(str, errors)] == ["the process that ran the backend ended by SIGKILL"]


def announce_and_wait(_watch: Watch, _folder: Path, started: str) -> None:
    """Announce that the process is there, and wait for its end."""
    with open(started, "w", encoding="utf-8") as file:  # noqa: PTH123 - a FIFO
        file.write("started")
    signal.pause()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other kernels do not end a process with its parent")
def test_a_forked_process_ends_with_its_parent(tmp_path: Path) -> None:
    """It would use the store of a check that was interrupted."""
    os.mkfifo(started := tmp_path / "started")
    parent = Other(fork_and_wait, partial(JSONFileBackend, tmp_path / "store"), str(started))
    forked = os.pidfd_open(int(started.read_text(encoding="utf-8")))
    parent.kill()
    assert select.select([forked], [], [], PATIENCE) == ([forked], [], [])
    os.close(forked)
    parent.close()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows stops no process")
def test_a_process_that_stops_late_goes_on(tmp_path: Path) -> None:
    """On a busy machine it announces that it stops, and is told to go on, before it has stopped."""
    late = Other(stop_late, partial(JSONFileBackend, tmp_path / "store"))
    try:
        assert late.receive() == "stops"
        late.go_on()
        late.send(None)
        assert late.receive() == "went on"
    finally:
        late.close(kill=True)


def stop_late(_: RecordedBackend, pipe: Connection) -> None:
    """Announce a stop, and stop after the next message."""
    send(pipe, ("done", "stops"))
    receive(pipe)
    os.kill(os.getpid(), signal.SIGSTOP)
    send(pipe, ("done", "went on"))


def test_an_error_of_a_message_leaves_nothing_that_the_garbage_collector_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal ends the processes of a check while threads of it send, and their errors are kept as results."""
    reports: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", reports.append)
    ended = Other(write_on, partial(JSONFileBackend, tmp_path / "store"), "c1")
    ended.receive()
    ended.kill()

    def keep_the_error() -> None:
        errors: list[Shown] = []
        try:
            ended.send("a message")
        except Shown as error:
            errors.append(error)  # which keeps the frames of its traceback, and these keep it
        assert len(errors) == 1

    keep_the_error()
    gc.collect()
    ended.close()
    assert reports == []


def fork_and_wait(backend: RecordedBackend, _pipe: Connection, started: str) -> None:
    """Fork a process that announces itself and waits, as this one does."""

    def wait(_: Connection) -> None:
        with open(started, "w", encoding="utf-8") as file:  # noqa: PTH123 - a FIFO
            file.write(str(os.getpid()))
        signal.pause()

    with forked(backend, shared_pulse(), wait):
        signal.pause()


def test_a_process_that_its_promise_closes_meanwhile_keeps_no_other_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal ends a check in one thread, while a promise ends its own processes in another."""
    closed = multiprocessing.get_context("spawn").Process()
    closed.close()
    running = multiprocessing.get_context("spawn").Process(target=signal.pause, daemon=True)
    running.start()
    monkeypatch.setattr(_processes, "_started", dict.fromkeys([closed, running]))
    end_others()
    assert running.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("only", ["one thread wins", "calls of threads", "it behaves like a dictionary"])
def test_after_a_signal_the_threads_of_a_promise_stop_at_their_next_call(
    only: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise they keep the processor busy, and the stores open, while these are removed."""
    begun, interrupted = threading.Event(), threading.Event()
    commits: list[str] = []

    class Waits(MemoryBackend):
        def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
            commits.append(threading.current_thread().name)
            begun.set()
            interrupted.wait()
            return super().commit(writes)

    def look(*_: object) -> None:
        begun.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr(Patience, "look", look)
    known = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        check_storage(lambda: Waits, only=only)
    interrupted.set()
    for thread in set(threading.enumerate()) - known:
        thread.join(PATIENCE)
    assert set(threading.enumerate()) <= known
    assert len(commits) == len(set(commits))  # those that had begun, one of each thread


def test_a_recording_that_has_ended_makes_no_call() -> None:
    """Neither of a backend nor of what opens one; a call that had begun is recorded."""
    recording = Recording()
    opener = recording.of("open_backend", MemoryBackend)
    backend = opener()
    recording.end_all()
    for call in (opener, partial(backend.get, "c1"), partial(backend.commit, [create("c1")]), backend.close):
        with pytest.raises(CheckEnded):
            call()
    assert [call.name for call in recording.calls] == ["open"]
    assert backend.bare.get("c1") is None


def test_no_process_goes_on_that_is_started_after_a_signal(tmp_path: Path) -> None:
    """The check has ended the others by then, and removes their stores."""
    recording = Recording()
    opener = recording.of("open_backend", partial(JSONFileBackend, tmp_path / "store"))
    recording.end_all()
    with pytest.raises(CheckEnded):
        Other(write_on, opener, "c1")
    assert multiprocessing.active_children() == []
