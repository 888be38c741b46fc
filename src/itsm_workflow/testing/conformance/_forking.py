"""The promise about a backend object that is used on in both processes after a fork."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.testing.conformance._base import NotRun, Promises, promise
from itsm_workflow.testing.conformance._judging import judge
from itsm_workflow.testing.conformance._processes import Other, at_line
from itsm_workflow.testing.conformance._racing import created, mix, tried
from itsm_workflow.testing.conformance._recording import portable
from itsm_workflow.testing.conformance._reports import Failure, Shown
from itsm_workflow.testing.conformance._rows import create, found, present, stored, whole_history
from itsm_workflow.testing.conformance._trials.runner import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from itsm_workflow.testing.conformance._recording import Call, RecordedBackend, RecordedOpener

_FORKED = "the forked process"
_PARENT = "its parent"
_FORKS = 4
"""The lines inside of a commit at which the process forks."""
_PAUSE = 1.0
_LEAD = 0.25
"""The seconds that the forked process has for a commit, which a lock that both processes hold does not prevent."""


class ForkingPromises(Promises):
    """Connections are not shared by mistake."""

    @promise("multi_process")
    def test_a_forked_process_does_not_disturb_its_parent(self, open_backend: RecordedOpener) -> None:
        """A process that has used a backend forks, as servers do; both use it at the same time, then the parent alone.

        It forks again while a thread of it is inside of a commit, at different lines of the backend. The lock that this
        thread holds has no owner in the forked process, and still keeps that process out. The forked process may be
        refused with StorageUnavailable; its parent is not.

        Port: "One backend object is shared by the threads of a process; the store behind it is shared by processes."
        """
        if not hasattr(os, "fork"):
            raise NotRun("this system has no fork")
        recording = open_backend.recording
        limit = recording.pace.blocked
        other = Other(fork_and_go_on, open_backend, self.profile.writes, limit, name=_PARENT, witnessed=True)
        try:
            recording.calls += other.receive()
        finally:
            other.close()
        backend = open_backend()
        try:
            held = [present(backend, change_id) for change_id in found(backend)]
            for row in held:
                whole_history(backend, row.id)
            judge(recording.calls, held, may_refuse=_FORKED)
            stored(backend, create("after"))
        finally:
            backend.close()


def fork_and_go_on(backend: RecordedBackend, _pipe: Connection, steps: int, limit: float) -> None:
    """Use the store, fork, and go on in both processes; add the calls of the forked process to those of this one."""
    created(backend, "first")
    with _forked(backend, lambda: mix(backend, None, _Alone(), 2, steps)) as ours:
        mix(backend, None, _Alone(), 1, steps)
        backend.recording.calls += _calls_of_the_child(ours, limit)
    mix(backend, None, _Alone(), 3, steps)
    with at_line(0, lambda: None) as lines:
        created(backend, "counted")
    for number in range(_FORKS):
        _fork_inside_a_commit(backend, number, 1 + number * lines[0] // _FORKS, limit)
    created(backend, "last")


def _fork_inside_a_commit(backend: RecordedBackend, number: int, line: int, limit: float) -> None:
    """Fork while a thread is at that line of a commit, where it waits until then."""
    inside, go_on = threading.Event(), threading.Event()

    def pause() -> None:
        inside.set()
        go_on.wait(_PAUSE)  # not longer: a backend may delay the fork until the commit has ended
        time.sleep(_LEAD)

    def commit() -> None:
        with suppress(StorageUnavailable), at_line(line, pause):
            backend.commit([create(f"inside{number}")])
        inside.set()

    def go_on_there() -> None:
        with suppress(StorageUnavailable):
            backend.get("first")
        tried(backend, create(f"forked{number}"))

    thread = threading.Thread(target=commit, daemon=True)
    thread.start()
    inside.wait()
    with _forked(backend, go_on_there) as ours:
        go_on.set()
        calls = _calls_of_the_child(ours, limit, f", which was forked while a thread of {_PARENT} was in commit,")
        thread.join(limit)
        if thread.is_alive():
            raise Shown(f"blocked: a commit of {_PARENT}, which forked meanwhile, did not return within {limit:g} s")
    backend.recording.calls += calls


@contextmanager
def _forked(backend: RecordedBackend, work: Callable[[], None]) -> Iterator[Connection]:
    """Work in a forked process, and yield the pipe over which it reports; it is killed after the block."""
    ours, theirs = multiprocessing.Pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # this process has threads, or a backend has
        child = os.fork()
    if not child:
        end_with_parent()
        _in_the_child(backend, theirs, work)
        os._exit(0)
    theirs.close()
    try:
        yield ours
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        ours.close()


def _in_the_child(backend: RecordedBackend, pipe: Connection, work: Callable[[], None]) -> None:
    recording = backend.recording
    recording.by, recording.pulse, recording.calls, recording.pending = _FORKED, _Announced(pipe), [], {}
    try:
        work()
        backend.close()
        pipe.send(("calls", [portable(call) for call in recording.calls]))
    except BaseException as error:  # noqa: BLE001  # its parent reports it
        with suppress(OSError):
            pipe.send(("failed", Failure.of(error, tuple(map(str, recording.calls[-6:])))))


def _calls_of_the_child(pipe: Connection, limit: float, which: str = "") -> list[Call]:
    name = "open"
    while pipe.poll(limit):
        try:
            kind, report = pipe.recv()
        except EOFError:
            raise Shown(f"{_FORKED} ended in a call of {name}") from None
        if kind == "calls":
            return list(report)
        if kind == "failed":
            raise Shown(f"{_FORKED} failed: {report.problem}", report.lines)
        name = report
    raise Shown(f"blocked: a call of {name} by {_FORKED}{which} did not return within {limit:g} s")


class _Announced:
    """Sends the name of each call to the parent, which waits for the next message."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def begin(self, name: str, _now: int) -> None:
        self._pipe.send(("begun", name))

    def end(self) -> None:
        pass


class _Alone:
    """A meeting of one."""

    n_waiting = 0

    def wait(self) -> int:
        return 0
