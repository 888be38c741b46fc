"""The promises about a backend object that is used on after a fork, by both processes or by the forked one alone."""

from __future__ import annotations

import itertools
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.conformance._base import NotRun, Promises, promise
from itsm_workflow.testing.conformance._forked import FORKED, forked
from itsm_workflow.testing.conformance._judging import judge, read_again
from itsm_workflow.testing.conformance._lines import at_line, packages_of
from itsm_workflow.testing.conformance._pipes import receive, send
from itsm_workflow.testing.conformance._processes import Other, shared_pulse
from itsm_workflow.testing.conformance._racing import created, mix, tried
from itsm_workflow.testing.conformance._reports import Shown
from itsm_workflow.testing.conformance._rows import create, follow, found, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from multiprocessing.connection import Connection

    from itsm_workflow.testing.conformance._pulse import SharedPulse
    from itsm_workflow.testing.conformance._recording import RecordedBackend, RecordedOpener

_PARENT = "its parent"
_FORKS = 4
"""The lines inside of a commit at which the process forks, and the forked process begins while the commit goes on."""
_LATER_FORKS = 10
"""The lines inside of a commit, and of a find, at which it forks, and the forked process begins after its parent."""
_MOST_MISSED = 2
_TURNS = 2
_EVERYTHING = Query(limit=1000)
_PAUSE = 1.0
_LEAD = 0.25
"""The seconds that the forked process has for each call, which a lock that both processes hold does not prevent."""
_LONGEST_LEAD = 5.0
_GLANCE = 0.005
_CALLS_INSIDE = 2
"""The calls of the forked process, a get and a commit, while its parent is inside of a commit."""


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
        _judged(open_backend, fork_and_go_on, self.profile.writes)

    @promise("multi_process")
    def test_a_forked_process_works_on_what_its_parent_stored_since(self, open_backend: RecordedOpener) -> None:
        """A process forks while a thread of it is inside of a call, and commits twice before the forked process begins.

        The thread has read a part of the store, or has begun a transaction, which the forked process does not go on
        with: it reads and writes the store as it is then, or is refused with StorageUnavailable.

        Port: "One backend object is shared by the threads of a process; the store behind it is shared by processes."
        """
        _judged(open_backend, fork_and_go_first)

    @promise("multi_process")
    def test_a_forked_process_goes_on_without_its_parent(self, open_backend: RecordedOpener) -> None:
        """A process forks and closes its backend, as one that becomes a daemon does; the forked process uses it on.

        It does so from another directory, in turns with a process that opens the store, reads and writes it, and closes
        it. The forked process may be refused with StorageUnavailable.

        Port: "One backend object is shared by the threads of a process; the store behind it is shared by processes."
        """
        _judged(open_backend, fork_and_close, visits=_TURNS)


def _judged(open_backend: RecordedOpener, work: Callable[..., None], *arguments: object, visits: int = 0) -> None:
    """Let another process do this, visit the store whenever it waits for that, read everything, and judge all calls."""
    if not hasattr(os, "fork"):
        raise NotRun("this system has no fork")
    recording, pulse = open_backend.recording, shared_pulse()
    other = Other(work, open_backend, pulse, recording.pace.blocked, *arguments, name=_PARENT, witnessed=True)
    other.watched[FORKED] = pulse
    try:
        for number in range(visits):
            other.receive()
            _visit(open_backend, number)
            other.send(None)
        recording.calls += other.receive()
    finally:
        other.close()
    backend = open_backend()
    try:
        held = read_again(backend, recording.calls)
        judge(recording.calls, held, may_refuse=FORKED)
        stored(backend, create("after"))
    finally:
        backend.close()


def _visit(open_backend: RecordedOpener, number: int) -> None:
    """Open the store, write to each change and create one, and close it."""
    backend = open_backend()
    try:
        _go_on_with(backend, found(backend), f"visit{number}")
    finally:
        backend.close()


def _go_on_with(backend: RecordedBackend, names: Iterable[str], new: str) -> None:
    """Read these changes, write to those that are there, and create one; stop when the store is unavailable."""
    with suppress(StorageUnavailable):
        for change_id in names:
            row = backend.get(change_id)
            if row is not None:
                backend.commit([follow(row)])
        backend.commit([create(new)])


def fork_and_go_on(backend: RecordedBackend, _pipe: Connection, pulse: SharedPulse, limit: float, steps: int) -> None:
    """Use the store, fork, and go on in both processes; add the calls of the forked process to those of this one."""
    created(backend, "first")
    with forked(backend, pulse, lambda _: mix(backend, None, _Alone(), 2, steps)) as ours:
        mix(backend, None, _Alone(), 1, steps)
        backend.recording.calls += ours.calls(limit)
    mix(backend, None, _Alone(), 3, steps)
    for number, line in enumerate(_lines(backend, lambda: created(backend, "counted"), _FORKS)):
        _fork_inside_a_commit(backend, pulse, number, line, limit)
    created(backend, "last")


def fork_and_go_first(backend: RecordedBackend, _pipe: Connection, pulse: SharedPulse, limit: float) -> None:
    """Fork inside of finds and commits, and let the forked process begin after two commits of this one."""
    created(backend, "first")
    numbers, missed = itertools.count(), 0
    for call in (lambda: backend.find(_EVERYTHING), lambda: created(backend, f"inside{next(numbers)}")):
        for line in _lines(backend, call, _LATER_FORKS):
            missed += not _fork_and_commit_twice(backend, pulse, call, line, next(numbers), limit)
            if missed == _MOST_MISSED:
                return


def fork_and_close(backend: RecordedBackend, pipe: Connection, pulse: SharedPulse, limit: float) -> None:
    """Use the store, fork, write, and close it; then let the forked process go on, in turns with another one."""
    created(backend, "first")

    def take_turns(messages: Connection) -> None:
        elsewhere = Path(folder, *Path.cwd().parts[1:])  # no relative path leads back from there
        elsewhere.mkdir(parents=True, exist_ok=True)
        os.chdir(elsewhere)
        for number in range(_TURNS):
            receive(messages)
            visits = [f"visit{before}" for before in range(number)]
            _go_on_with(backend, ["first", "second", *visits], f"forked{number}")
            send(messages, ("calls", ()))
        receive(messages)

    with TemporaryDirectory() as folder, forked(backend, pulse, take_turns) as child:
        _go_on_with(backend, ["first"], "second")
        backend.close()
        for _ in range(_TURNS):
            send(child.pipe, None)
            child.calls(limit)
            send(pipe, ("turn", None))
            receive(pipe)
        send(child.pipe, None)
        backend.recording.calls += child.calls(limit)


def _lines(backend: RecordedBackend, call: Callable[[], object], count: int) -> list[int]:
    """Return lines of the backend's own code inside of a call, at equal distances from the first on."""
    with at_line(0, lambda: None, of=packages_of(backend.bare)) as lines:
        call()
    return sorted({1 + number * lines[0] // count for number in range(count)})


def _fork_inside_a_commit(backend: RecordedBackend, pulse: SharedPulse, number: int, line: int, limit: float) -> None:
    """Fork while a thread is at that line of a commit, where it waits until then."""

    def go_on_there(_: Connection) -> None:
        with suppress(StorageUnavailable):
            backend.get("first")
        tried(backend, create(f"forked{number}"))

    def has_gone_on() -> bool:
        return pulse.returned >= _CALLS_INSIDE or pulse.in_call()[1] > _LEAD

    inside = _Inside(backend, lambda: backend.commit([create(f"inside{number}")]), line, until=has_gone_on)
    with forked(backend, pulse, go_on_there) as child:
        inside.go_on()
        calls = child.calls(limit, f", which was forked while a thread of {_PARENT} was in commit,")
        inside.join(limit)
    backend.recording.calls += calls


def _fork_and_commit_twice(  # noqa: PLR0917  # called above only
    backend: RecordedBackend, pulse: SharedPulse, call: Callable[[], object], line: int, number: int, limit: float
) -> bool:
    """Fork while a thread is at that line of a call, and commit twice before the forked process begins.

    Return False if the backend has delayed the fork until the call had ended, or has refused the forked process, which
    may have taken as long as its time-out: then other lines show little.
    """

    def go_on_there(messages: Connection) -> None:
        receive(messages)
        _go_on_with(backend, ("first", f"second{number}"), f"forked{number}")

    inside = _Inside(backend, call, line)
    with forked(backend, pulse, go_on_there) as child:
        inside.go_on()
        inside.join(limit)
        _go_on_with(backend, ["first"], f"second{number}")
        send(child.pipe, None)
        calls = child.calls(limit)
    backend.recording.calls += calls
    return inside.held and not any(isinstance(call.outcome, StorageUnavailable) for call in calls)


class _Inside:
    """A thread that makes a call, and waits inside of it while the process forks.

    Args:
        backend: The backend.
        call: The call.
        line: The line of the backend's own code at which it waits.
        until: Whether it has waited long enough after the fork.

    Attributes:
        held: Whether it was there when the process had forked.
    """

    def __init__(
        self,
        backend: RecordedBackend,
        call: Callable[[], object],
        line: int,
        *,
        until: Callable[[], bool] = lambda: True,
    ) -> None:
        self._call, self._line, self._until, self._packages = call, line, until, packages_of(backend.bare)
        self._there, self._forked = threading.Event(), threading.Event()
        self.held = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._there.wait()

    def go_on(self) -> None:
        """Let the thread go on."""
        self._forked.set()

    def join(self, limit: float) -> None:
        """Wait for the end of the call."""
        self._thread.join(limit)
        if self._thread.is_alive():
            raise Shown(f"blocked: a call of {_PARENT}, which forked meanwhile, did not return within {limit:g} s")

    def _run(self) -> None:
        with suppress(Exception), at_line(self._line, self._pause, of=self._packages):
            self._call()  # its error is recorded, and judged
        self._there.set()

    def _pause(self) -> None:
        self._there.set()
        # Not longer: a backend may delay the fork until the call has ended.
        self.held = self._forked.wait(_PAUSE)
        last = time.monotonic() + _LONGEST_LEAD
        while self.held and not self._until() and time.monotonic() < last:
            time.sleep(_GLANCE)


class _Alone:
    """A meeting of one."""

    n_waiting = 0

    def wait(self) -> int:
        return 0
