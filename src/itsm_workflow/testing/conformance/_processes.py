"""The work of other processes, and the means to start them and exchange messages with them.

They are not forked from the test, so they share nothing with it but the store.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from contextlib import suppress
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.testing.conformance._answers import check_answer, plain
from itsm_workflow.testing.conformance._judging import timed
from itsm_workflow.testing.conformance._lines import at_line
from itsm_workflow.testing.conformance._pace import Pace
from itsm_workflow.testing.conformance._pipes import receive, send
from itsm_workflow.testing.conformance._profiles import QUICK
from itsm_workflow.testing.conformance._pulse import SharedPulse
from itsm_workflow.testing.conformance._recording import CheckEnded, RecordedOpener, Recording, portable
from itsm_workflow.testing.conformance._reports import Failure, Shown, end_of_process
from itsm_workflow.testing.conformance._rows import create, entry, follow, present
from itsm_workflow.testing.conformance._stacks import StacksOfProcess, write_stacks_to
from itsm_workflow.testing.conformance._wording import difference, word

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from itsm_workflow.storage.protocol import EntryRow, StorageBackend, Write
    from itsm_workflow.testing.conformance._recording import RecordedBackend

    Opener = Callable[[], StorageBackend]

_PATIENCE = 60.0
_LAST_WORDS = 10.0
_IDLE = 600.0
_GLANCE = 0.25
_LAST_CALLS = 6
_LAST_OF_ALL = 16
# Neither method forks the test process; a fork server takes a tenth of the time.
_FRESH = (
    multiprocessing.get_context("forkserver")
    if "forkserver" in multiprocessing.get_all_start_methods()
    else multiprocessing.get_context("spawn")
)


@attrs.frozen
class Unavailable:
    """The answer of a commit of another process that raised StorageUnavailable, with its message and its path."""

    message: str
    path: str | None


def load_ahead() -> None:
    """Preload the modules that other processes need; only for a program of its own, since the setting is global."""
    _FRESH.set_forkserver_preload([__name__, "itsm_workflow.storage.table"])


def shared_pulse() -> SharedPulse:
    """Return memory for the calls of a process that `Other` starts, or that is forked from it."""
    return SharedPulse(_FRESH)


_started: set[BaseProcess] = set()


def end_others() -> None:
    """End the processes that `Other` started and that still run, and no other child of this process."""
    started = [*_started]
    for process in started:
        with _closed_meanwhile():
            if process.is_alive():
                process.kill()  # also one that is stopped
    until = time.monotonic() + _LAST_WORDS
    for process in started:
        with _closed_meanwhile():
            process.join(max(0.0, until - time.monotonic()))


def _closed_meanwhile() -> AbstractContextManager[None]:
    """Pass over a process that the thread of its promise has ended and closed in this moment."""
    return suppress(ValueError, OSError)


class Other:
    """Another process that works on the store and reports over a pipe.

    Args:
        work: Called there with the opened store and this process's end of the pipe.
        opener: Opens the store.
        args: Further arguments of the work.
        name: The name of the process in a report.
        witnessed: Whether the process reports its calls when the work has ended.

    Attributes:
        watched: The processes whose last calls are shown when this one fails, ends early or is blocked, by name.

    Raises:
        CheckEnded: A signal has ended the check.
    """

    def __init__(
        self,
        work: Callable[..., None],
        opener: Opener,
        *args: object,
        name: str = "another process",
        witnessed: bool = False,
    ) -> None:
        recording = getattr(opener, "recording", None)
        self.name = name
        self._pace = Pace(QUICK.patience) if recording is None else recording.pace
        self._pulse = shared_pulse()
        self.watched = {name: self._pulse} if witnessed else {}
        self._beside = [self]
        self._stops_no_more = False
        self._returned = -1
        self._until = 0.0
        self.pipe, theirs = _FRESH.Pipe()
        self._stacks = StacksOfProcess(_FRESH)
        pipes, witness = (theirs, self._stacks.theirs), name if witnessed else ""
        self._process = _FRESH.Process(
            target=_run, args=(work, opener, *pipes, self._pulse, witness, args), daemon=True
        )
        self._process.start()
        _started.add(self._process)
        for each in pipes:  # otherwise the end of the other process would not be noticed as the end of its reports
            each.close()
        if recording is not None and recording.has_ended:  # after `end_others` has looked for processes
            self.close(kill=True)
            raise CheckEnded

    def send(self, message: object) -> None:
        """Send a message to the process.

        Raises:
            Shown: The process has ended, or failed.
        """
        try:
            send(self.pipe, message)
        except OSError:  # it no longer listens; its last report says why
            self.receive()
            raise Shown(f"{self.name} ended early") from None

    def receive(self) -> Any:  # noqa: ANN401  # whatever it reports
        """Wait for the next report.

        Raises:
            Shown: The process has ended without one, it failed, or a call of it is blocked.
        """
        try:
            return self._receive()
        except (EOFError, OSError):
            self._process.join(_LAST_WORDS)
            how = end_of_process(self._process.exitcode)
            raise Shown(f"{self.name} ended{self._where()} {how}", self._last_calls()) from None

    def _receive(self) -> Any:  # noqa: ANN401  # see above
        while not self.pipe.poll(_GLANCE):
            if self._stops_no_more:
                self._wake()
            self.look()
        self._stops_no_more = False
        kind, report = receive(self.pipe)
        if kind == "failed":
            who = "" if report.names_the_process else f"{self.name} failed: "
            error = Shown(f"{who}{report.problem}", self._last_calls() or report.lines)
            error.add_note(report.frames)
            raise error
        return report

    def _where(self) -> str:
        """Return where the process ended, which stays readable."""
        name, _ = self._pulse.in_call()
        return f" in a call of {name}," if name else " without a report,"

    def go_on(self) -> None:
        """Let the process continue after it has stopped itself, also if it announced the stop and stops only now."""
        if hasattr(signal, "SIGCONT"):
            self._stops_no_more = True
            self._wake()
        else:  # Windows
            self.send(None)

    def _wake(self) -> None:
        with suppress(ProcessLookupError):  # `receive` reports how it ended
            os.kill(self._process.pid or 0, signal.SIGCONT)

    def watch(self, others: list[Other]) -> None:
        """Show the last calls of these processes, of which this is one, with its own, and where a blocked one waits."""
        self._beside = others
        self.watched = {name: pulse for other in others for name, pulse in other.watched.items()}

    def look(self) -> None:
        """Check that the process is not blocked.

        Raises:
            Shown: A call of it has not returned within the limit for a call.
        """
        name, seconds = self._pulse.in_call()
        if name and seconds > self._pace.blocked:
            limit = f"{self._pace.blocked:g} s"
            lines = [*self._last_calls()]
            for each in self._beside:
                lines += each.stacks()
            raise Shown(f"blocked: a call of {name} by {self.name} did not return within {limit}", tuple(lines))
        now = time.monotonic()
        if name or self._pulse.returned != self._returned:
            self._returned, self._until = self._pulse.returned, now + _IDLE
        elif now > self._until:
            silent = f"{self.name} neither called the backend nor reported anything for {_IDLE:g} s"
            raise Shown(silent, self._last_calls())

    def stacks(self) -> tuple[str, ...]:
        """Return the lines of code at which the threads of the process are in the backend, below its name."""
        stacks = self._stacks.read(self._process.pid or 0)
        return (f"{self.name} is in", *stacks) if stacks else ()

    def _last_calls(self) -> tuple[str, ...]:
        """Return the last calls of all processes that are watched, as in the report of a race."""
        each = _LAST_OF_ALL // max(1, len(self.watched))
        calls = [call for name, pulse in self.watched.items() for call in pulse.last_calls(name)[-each:]]
        return timed(calls, min((call.began for call in calls), default=0))

    def kill(self) -> list[Any]:
        """Kill the process without warning, and return the reports that it had sent."""
        self._process.kill()
        return self.remaining_reports()

    def remaining_reports(self) -> list[Any]:
        """Wait until the process has ended, and return the reports that it had sent."""
        reports = []
        with suppress(EOFError, OSError):  # OSError: it ended in the middle of a report
            while True:
                reports.append(self._receive())
        self._process.join(_PATIENCE)
        return reports

    def close(self, *, kill: bool = False) -> None:
        """End the process if it is still running."""
        if not kill:
            self._process.join(_LAST_WORDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(_PATIENCE)
        _started.discard(self._process)
        self._process.close()
        self.pipe.close()
        self._stacks.close()


def together(
    work: Callable[..., None], opener: Opener, arguments: Sequence[tuple[object, ...]], *, witnessed: bool = False
) -> list[Any]:
    """Run one process per argument tuple at the same time, and return one report of each.

    The first argument of each is a barrier at which all of them meet.

    Raises:
        Shown: One of them failed, ended without a report, or is blocked.
    """
    meeting = _FRESH.Barrier(len(arguments))
    others: list[Other] = []
    reports: dict[int, Any] = {}
    try:
        for number, args in enumerate(arguments, start=1):
            others.append(Other(work, opener, meeting, *args, name=f"process {number}", witnessed=witnessed))
        for other in others:
            other.watch(others)
        while len(reports) < len(others):
            waiting = {other.pipe: place for place, other in enumerate(others) if place not in reports}
            for pipe in wait([*waiting], timeout=_GLANCE):
                place = waiting[pipe]  # type: ignore[index]  # one of its keys
                reports[place] = others[place].receive()
            for place, other in enumerate(others):
                if place not in reports:
                    other.look()
    except BaseException:
        for other in others:  # the others would wait for it
            other.close(kill=True)
        raise
    for other in others:
        other.close()
    return [reports[place] for place in range(len(others))]


def write_on(backend: StorageBackend, sender: Connection, change_id: str, rests_at: int | None = None) -> None:
    """Write to a change without end, or up to that version; report each version when its commit has returned."""
    row = create(change_id, due_at=0).row
    commit_all(backend, [create(change_id)])
    while True:  # until it is killed
        write = follow(row, entries=2, document=f'{{"pad":"{"x" * 5000}"}}')
        commit_all(backend, [write, create(f"{change_id}-{row.version}")])
        row = write.row
        send(sender, ("wrote", row.version))
        if row.version == rests_at:
            receive(sender)  # the same


def serve(backend: StorageBackend, pipe: Connection) -> None:
    """Commit each batch that arrives and report the answers, until None arrives."""
    while (writes := receive(pipe)) is not None:
        try:
            answer: object = backend.commit(writes)
        except StorageUnavailable as error:
            answer = Unavailable(str(error), getattr(error, "path", None))
        send(pipe, ("done", answer))


def write_and_die(backend: RecordedBackend, pipe: Connection, commits: Sequence[Sequence[Write]], line: int) -> None:
    """Make the commits, report each answer, and crash at that line of the last commit, or after it."""
    for writes in commits[:-1]:
        send(pipe, ("done", backend.commit(writes)))
    with at_line(line, die):
        answer = backend.bare.commit(commits[-1])  # the lines of the recording do not count
    answer = plain(answer)
    check_answer("commit", answer)
    send(pipe, ("done", answer))
    die()


def count_lines(backend: RecordedBackend, pipe: Connection, writes: Sequence[Write]) -> None:
    """Commit, and report the number of executed lines of Python."""
    with at_line(0, die) as lines:
        commit_all(backend.bare, writes)
    send(pipe, ("done", lines[0]))


def commit_all(backend: StorageBackend, writes: Sequence[Write]) -> None:
    """Commit writes that nothing conflicts with.

    Raises:
        AssertionError: Not all of them were answered as stored.
    """
    answer = backend.commit(writes)
    assert answer == [None] * len(writes), (
        f"commit({word([*writes])}) returned {word(answer)}, but nothing conflicts with these writes"
    )


def die() -> None:
    """End this process immediately, without any clean-up."""
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(9)  # Windows has no SIGKILL


def check_prefix(backend: StorageBackend, change_id: str) -> int:
    """Check that the change is complete, and return its version."""
    row = present(backend, change_id)
    lines: list[EntryRow] = []
    after: int | None = 0
    while after is not None:
        page = backend.history(change_id, after)
        lines += page.entries
        after = page.next_seq
    expected = [entry(change_id, seq) for seq in range(1, row.seq + 1)]
    assert lines == expected, f"{change_id} is {word(row)}, and its history: {difference(lines, expected)}"
    return row.version


def _run(  # noqa: PLR0917  # called by multiprocessing only
    work: Callable[..., None],
    opener: Opener,
    sender: Connection,
    stacks: Connection,
    pulse: SharedPulse,
    witness: str,
    args: tuple[object, ...],
) -> None:
    write_stacks_to(stacks)
    recording = Recording(by=witness, pulse=pulse, in_short=not witness)
    try:
        backend = RecordedOpener(recording, opener)()
        try:
            work(backend, sender, *args)
        finally:
            backend.close()
        if witness:
            send(sender, ("done", [portable(call) for call in recording.calls]))
    except BaseException as error:  # noqa: BLE001  # the process that waits for the report raises it
        lines = tuple(map(str, recording.calls[-_LAST_CALLS:]))
        with suppress(OSError):  # the test no longer listens
            send(sender, ("failed", Failure.of(error, lines)))
    finally:
        sender.close()
