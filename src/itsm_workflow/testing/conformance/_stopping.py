"""The promise about a writer that is stopped inside a commit, as by a pause of its machine, and continues later."""

from __future__ import annotations

import enum
import os
import signal
import threading
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._judging import judge
from itsm_workflow.testing.conformance._lines import at_line
from itsm_workflow.testing.conformance._pipes import receive, send
from itsm_workflow.testing.conformance._processes import Other
from itsm_workflow.testing.conformance._racing import read, tried
from itsm_workflow.testing.conformance._recording import Call, RecordedOpener, Recording, portable
from itsm_workflow.testing.conformance._reports import Shown
from itsm_workflow.testing.conformance._rows import create, follow, present, stored, whole_history

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from itsm_workflow.storage.protocol import StorageBackend, Write
    from itsm_workflow.testing.conformance._recording import RecordedBackend

_SHORT_PAUSE = 0.25
_GLANCE = 0.1
_STOPPED = "stopped"


class Outcome(enum.Enum):
    """The effect of a stopped writer on the other."""

    LOSES = "the other commits, and the stopped writer has a conflict"
    KEEPS_WAITING = "the other waits until the stopped writer goes on"
    WINS = "the stopped writer has stored its write before it was stopped"


class StoppingPromises(Promises):
    """A writer that lost its turn does not write as if it still had it."""

    @promise("multi_process", waits=True)
    def test_a_stopped_writer_does_not_write_over_others(self, open_backend: RecordedOpener) -> None:
        """A writer is stopped between its read and its commit, and at lines inside the commit, while another commits.

        Before it is stopped, another thread of its process reads: that must not end the lock of the writer.

        The other is kept waiting, or it succeeds, and then the first gets a conflict when it continues. At one line at
        which the first keeps the other waiting, it is stopped for longer than a lock with a time limit lasts.

        Port: "0 creates; otherwise the version that the writer has read."
        """
        backend = open_backend()
        writer = Other(write_and_stop, open_backend, name="the stopped process", witnessed=True)
        try:
            race = _Race(open_backend, backend, writer)
            lines = race.count_lines()
            step = max(1, lines // self.profile.pauses)
            outcomes = {line: race.stopped_at(line, _SHORT_PAUSE) for line in range(0, lines + 1, step)}
            line = _waiting_line(race, outcomes)
            if line is not None:
                race.stopped_at(line, self.profile.pause)
            writer.send(None)
        finally:
            writer.close()
            backend.close()


def _waiting_line(race: _Race, outcomes: dict[int, Outcome]) -> int | None:
    """Return a line at which the writer keeps the other waiting; look for one where the outcome changes, if needed."""
    waiting = [line for line, outcome in outcomes.items() if outcome is Outcome.KEEPS_WAITING]
    if waiting:
        return waiting[len(waiting) // 2]
    loses = max((line for line, outcome in outcomes.items() if outcome is Outcome.LOSES), default=0)
    wins = min((line for line, outcome in outcomes.items() if outcome is Outcome.WINS and line > loses), default=loses)
    while wins - loses > 1:
        middle = (loses + wins) // 2
        outcome = race.stopped_at(middle, _SHORT_PAUSE)
        if outcome is Outcome.KEEPS_WAITING:
            return middle
        loses, wins = (middle, wins) if outcome is Outcome.LOSES else (loses, middle)
    return None


class _Race:
    """Races between a writer that is stopped and one that is not, each on changes of its own."""

    def __init__(self, open_backend: RecordedOpener, backend: StorageBackend, writer: Other) -> None:
        self._open_backend = open_backend
        self._backend = backend
        self._writer = writer
        self._number = 0

    def count_lines(self) -> int:
        """Return how many lines of Python a commit executes."""
        self._writer.send((follow(stored(self._backend, create("counted"))), None))
        return int(self._writer.receive())

    def stopped_at(self, line: int, pause: float) -> Outcome:
        """Stop the writer at that line until the other has committed, or for that many seconds."""
        self._number += 1
        recording = self._open_backend.recording
        first = len(recording.calls)
        ours, theirs = self._writes()
        other = Recording(by="the other process")
        rival = threading.Thread(target=partial(_commit, other, self._open_backend, theirs), daemon=True)
        waited = False
        self._writer.send((ours, line))
        report = self._writer.receive()
        if report == _STOPPED:
            rival.start()
            rival.join(pause)
            waited = rival.is_alive()
            self._writer.go_on()
            report = self._writer.receive()
            rival.join(recording.pace.blocked)
        if rival.is_alive():
            lines = (*map(str, report), *other.hanging())
            raise Shown("blocked: a call of the other process did not return after the stopped writer had ended", lines)
        self._judge([*recording.calls[first:], *report, *other.calls], ours.row.id, theirs.row.id)
        if waited:
            return Outcome.KEEPS_WAITING
        lost = any(call.name == "commit" and call.outcome == [None] for call in other.calls)
        return Outcome.LOSES if lost else Outcome.WINS

    def _writes(self) -> tuple[Write, Write]:
        """Return two writes of which one can be stored, because of the version, the open subject or the ticket."""
        name = f"c{self._number}"
        row = stored(self._backend, create(name))
        other = f"{name}-other"
        value: dict[str, Any] = {("open_subject", "ticket_key")[self._number % 2]: f"value of {name}"}
        if self._number % 3 == 0:
            return follow(row, state="pending"), follow(row, state="approved", **value)
        return follow(row, **value), create(other, **value)

    def _judge(self, calls: list[Call], *ids: str) -> None:
        seen = len(self._open_backend.recording.calls)
        held = [row for change_id in dict.fromkeys(ids) if (row := self._backend.get(change_id)) is not None]
        for row in held:
            whole_history(self._backend, row.id)
        judge([*calls, *self._open_backend.recording.calls[seen:]], held)
        # The store still accepts writes.
        stored(self._backend, follow(present(self._backend, ids[0])))


def _commit(recording: Recording, open_backend: RecordedOpener, write: Write) -> None:
    # An error of any call is recorded, and judged.
    with suppress(Exception), closing(RecordedOpener(recording, open_backend.bare)()) as backend:
        backend.get(write.row.id)
        tried(backend, write)


def write_and_stop(backend: RecordedBackend, pipe: Connection) -> None:
    """Commit each write that arrives, stop this process at that line of the commit, and report the calls.

    With line 0, stop between the read and the commit. Without a line, report how many lines of Python are executed.
    """

    def look() -> None:
        with suppress(Exception):  # other promises are about its errors
            backend.bare.find(Query())

    def stop() -> None:
        reader = threading.Thread(target=look, daemon=True)
        reader.start()
        reader.join(_GLANCE)  # not longer: it may have to wait for the commit
        send(pipe, ("done", _STOPPED))
        if hasattr(signal, "SIGSTOP"):
            os.kill(os.getpid(), signal.SIGSTOP)
        else:  # Windows: only this thread stops
            receive(pipe)

    while (order := receive(pipe)) is not None:
        write, line = order
        read(backend, write.row.id)
        backend.recording.calls.clear()
        if line == 0:
            stop()
        with at_line(line or 0, stop) as lines:
            tried(backend, write)
        send(pipe, ("done", lines[0] if line is None else [portable(call) for call in backend.recording.calls]))
