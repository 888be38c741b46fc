"""The promise about two processes that find what a killed one has left, such as its lock, and both take it over."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from typing import TYPE_CHECKING

from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._judging import judge
from itsm_workflow.testing.conformance._lines import at_place, each_line, packages_of, place_of
from itsm_workflow.testing.conformance._pipes import receive, send
from itsm_workflow.testing.conformance._processes import Other, die
from itsm_workflow.testing.conformance._racing import tried
from itsm_workflow.testing.conformance._recording import portable
from itsm_workflow.testing.conformance._rows import create, whole_history
from itsm_workflow.testing.conformance._trials.plans import sample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection
    from types import FrameType
    from typing import Any

    from itsm_workflow.storage.protocol import StorageBackend, Write
    from itsm_workflow.testing.conformance._lines import Place
    from itsm_workflow.testing.conformance._recording import Call, RecordedBackend, RecordedOpener

_QUARTERS = (2, 3)
"""The parts of a commit after which the owner is killed, and at which the second process is stopped."""
_USUAL = 3
"""The lines of any commit at which the first process is stopped."""
_PAUSE = 0.25
_STOPPED = "stopped"


class TakingOverPromises(Promises):
    """One process takes over what a killed process has left."""

    @promise("multi_process", waits=True)
    def test_two_processes_do_not_both_take_the_lock_of_a_dead_one(self, open_backend: RecordedOpener) -> None:
        """A process is killed inside a commit; then two others create the same change at the same time.

        The first is stopped at lines that it executes only after such an end, as those that remove a lock that was
        left. Meanwhile the second commits, and is stopped inside its commit; then the first goes on, and the second
        after it. Either of them may wait for the other.

        Port: "One backend object is shared by the threads of a process; the store behind it is shared by processes."
        """
        with closing(open_backend()) as backend, closing(_Contest(open_backend, backend)) as contest:
            usual = contest.places_of_a_commit()
            inside = [usual[len(usual) * quarter // 4] for quarter in _QUARTERS]
            for place in inside:
                contest.kill_owner_at(place)
                special = [each for each in contest.places_of_a_commit() if each not in usual]
                lines = (*sample(special, max(1, self.profile.pauses // 2)), *sample(usual, _USUAL))
                for number, line in enumerate(lines):
                    contest.take_over_at(line, owner=place, second=inside[number % len(inside)])
                    if line in special:
                        contest.take_over_at(line, owner=place, second=inside[(number + 1) % len(inside)])


class _Contest:
    """Two processes that commit after a third one was killed in its commit."""

    def __init__(self, open_backend: RecordedOpener, backend: StorageBackend) -> None:
        self._open_backend, self._backend = open_backend, backend
        self._first = Other(commit_and_stop, open_backend, name="the first process", witnessed=True)
        try:
            self._second = Other(commit_and_stop, open_backend, name="the second process", witnessed=True)
        except BaseException:
            self._first.close(kill=True)
            raise
        self._number = 0

    def close(self) -> None:
        """End the processes."""
        for other in (self._first, self._second):
            other.close(kill=True)

    def places_of_a_commit(self) -> list[Place]:
        """Return the lines of code that a commit of the first process executes."""
        self._number += 1
        self._first.send((create(f"counted{self._number}"), None))
        _, places = self._first.receive()
        return list(places)

    def kill_owner_at(self, place: Place) -> None:
        """Kill a process at that line of code inside a commit."""
        self._number += 1
        owner = Other(commit_and_die, self._open_backend, create(f"owner{self._number}"), place)
        try:
            owner.remaining_reports()
        finally:
            owner.close()

    def take_over_at(self, place: Place, *, owner: Place, second: Place) -> None:
        """Let both create a change after the owner was killed at a line: the first is stopped at this place.

        Args:
            place: The line of code at which the first process is stopped.
            owner: The one at which the owner is killed.
            second: The one at which the second process is stopped, if it comes there while the first one is stopped.
        """
        recording = self._open_backend.recording
        self.kill_owner_at(owner)
        begun, name = len(recording.calls), f"c{self._number}"
        self._first.send((create(name, state="pending"), place))
        first = self._first.receive()
        self._second.send((create(name, state="approved"), second))
        answered = _soon(self._second)  # or it waits for the first one
        if first == _STOPPED:
            self._first.go_on()
            first = _soon(self._first) if answered == _STOPPED else None  # or it waits for the second one
        calls = [*_finished(self._second, answered), *_finished(self._first, first)]
        for number, other in enumerate((self._first, self._second)):  # the store still accepts writes
            other.send((create(f"{name}-{number}"), None))
            calls += _finished(other, None)
        held = [row for each in (name, f"{name}-0", f"{name}-1") if (row := self._backend.get(each)) is not None]
        for row in held:
            whole_history(self._backend, row.id)
        judge([*recording.calls[begun:], *calls], held)


def _soon(other: Other) -> Any:  # noqa: ANN401  # whatever it reports
    """Return the next report of a process, or None if it is silent for a moment."""
    return other.receive() if other.pipe.poll(_PAUSE) else None


def _finished(other: Other, report: Any) -> Sequence[Call]:  # noqa: ANN401  # None for none so far
    """Return the calls of a process when its commit has ended; it goes on wherever it is stopped."""
    while report is None or report == _STOPPED:
        if report is not None:
            other.go_on()
        report = other.receive()
    calls: Sequence[Call]
    calls, _ = report
    return calls


def commit_and_stop(backend: RecordedBackend, pipe: Connection) -> None:
    """Commit each write that arrives, stop this process at that line of code, and report the calls and the lines."""
    packages = packages_of(backend.bare)
    while True:
        write, place = receive(pipe)
        places: dict[Place, None] = {}
        backend.recording.calls.clear()

        def see(frame: FrameType, places: dict[Place, None] = places, place: Place | None = place) -> None:
            here = place_of(frame)
            if here in places:
                return
            places[here] = None
            if here == place:
                send(pipe, ("done", _STOPPED))
                _stop(pipe)

        with each_line(see, of=packages):
            tried(backend, write)
        send(pipe, ("done", ([portable(call) for call in backend.recording.calls], [*places])))


def _stop(pipe: Connection) -> None:
    if hasattr(signal, "SIGSTOP"):
        os.kill(os.getpid(), signal.SIGSTOP)
    else:  # Windows
        receive(pipe)


def commit_and_die(backend: RecordedBackend, _pipe: Connection, write: Write, place: Place) -> None:
    """Commit a write, and crash at that line of code."""
    with at_place(place, die, of=packages_of(backend.bare)):
        backend.bare.commit([write])
