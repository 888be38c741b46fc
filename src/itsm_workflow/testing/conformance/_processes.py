"""The work of other processes, and the means to start them and exchange messages with them.

They are not forked from the test, so they share nothing with it but the store.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import traceback
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from itsm_workflow.storage import protocol
from itsm_workflow.storage.protocol import ConflictKind, Order, Query
from itsm_workflow.testing.conformance._rows import claim, create, entry, follow, pages, present

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from types import FrameType

    from itsm_workflow.storage.protocol import EntryRow, StorageBackend, Write

    Opener = Callable[[], StorageBackend]

_PATIENCE = 60.0
_LAST_WORDS = 10.0
# Neither method forks the test process; a fork server takes a tenth of the time.
_FRESH = (
    multiprocessing.get_context("forkserver")
    if "forkserver" in multiprocessing.get_all_start_methods()
    else multiprocessing.get_context("spawn")
)
_NOT_THE_BACKENDS_OWN = (protocol.__file__, "<attrs generated")


def load_ahead() -> None:
    """Preload the modules that other processes need; only for a program of its own, since the setting is global."""
    _FRESH.set_forkserver_preload([__name__, "itsm_workflow.storage.table"])


class Other:
    """Another process that works on the store and reports over a pipe."""

    def __init__(self, work: Callable[..., None], opener: Opener, *args: object) -> None:
        self._pipe, theirs = _FRESH.Pipe()
        self._process = _FRESH.Process(target=_run, args=(work, opener, theirs, args), daemon=True)
        self._process.start()
        # Otherwise the end of the other process would not be noticed as the end of its reports.
        theirs.close()

    def send(self, message: object) -> None:
        """Send a message to the process."""
        self._pipe.send(message)

    def receive(self) -> Any:  # noqa: ANN401  # whatever it reports
        """Wait for the next report.

        Raises:
            EOFError: The process has ended.
            AssertionError: The process failed, or did not report in time.
        """
        if not self._pipe.poll(_PATIENCE):
            raise AssertionError(f"the other process reported nothing for {_PATIENCE} s")
        kind, report = self._pipe.recv()
        if kind == "failed":
            raise AssertionError(f"the other process failed:\n{report}")
        return report

    def kill(self) -> list[Any]:
        """Kill the process without warning, and return the reports that it had sent."""
        self._process.kill()
        return self.remaining_reports()

    def remaining_reports(self) -> list[Any]:
        """Wait until the process has ended, and return the reports that it had sent."""
        reports = []
        with suppress(EOFError, OSError):  # OSError: it ended in the middle of a report
            while True:
                reports.append(self.receive())
        self._process.join(_PATIENCE)
        return reports

    def close(self) -> None:
        """End the process if it is still running."""
        self._process.join(_LAST_WORDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(_PATIENCE)
        self._process.close()
        self._pipe.close()


def together(work: Callable[..., None], opener: Opener, arguments: Sequence[tuple[object, ...]]) -> list[Any]:
    """Run one process per argument tuple at the same time, and return one report of each."""
    start = _FRESH.Barrier(len(arguments))
    others = [Other(work, opener, start, *args) for args in arguments]
    try:
        return [other.receive() for other in others]
    finally:
        for other in others:
            other.close()


def count_up(backend: StorageBackend, sender: Connection, start: Any, change_id: str, rounds: int) -> None:  # noqa: ANN401
    """Write to one change that many times, reading again after each lost race; report the number of lost races."""
    start.wait(_PATIENCE)
    lost = won = 0
    while won < rounds:
        (conflict,) = backend.commit([follow(present(backend, change_id))])
        if conflict is None:
            won += 1
        else:
            assert conflict.kind is ConflictKind.VERSION
            lost += 1
    sender.send(("done", lost))


def open_subjects(backend: StorageBackend, sender: Connection, start: Any, name: str, subjects: int) -> None:  # noqa: ANN401
    """Try to open a change for each subject; report the subjects that were won, and the conflicts of the others."""
    start.wait(_PATIENCE)
    won, kinds = [], set()
    for number in range(subjects):
        (conflict,) = backend.commit([create(f"{name}-{number}", open_subject=str(number))])
        if conflict is None:
            won.append(number)
        else:
            kinds.add(conflict.kind.value)
    sender.send(("done", (won, kinds)))


def claim_due(backend: StorageBackend, sender: Connection, start: Any, now: int) -> None:  # noqa: ANN401
    """Claim all due changes, page by page; report the claimed ids."""
    start.wait(_PATIENCE)
    sender.send(("done", claimed(backend, now)))


def claimed(backend: StorageBackend, now: int) -> list[str]:
    """Postpone due changes until none is left; return the ids of those that this call postponed."""
    mine: list[str] = []
    while True:
        seen = 0
        for page in pages(backend, Query(due_before=now, order=Order.DUE_AT, limit=7)):
            seen += len(page.rows)
            answer = backend.commit([claim(row, now + 60_000_000) for row in page.rows])
            mine += [row.id for row, conflict in zip(page.rows, answer, strict=True) if conflict is None]
        if not seen:
            return mine


def write_on(backend: StorageBackend, sender: Connection, change_id: str, rests_at: int | None = None) -> None:
    """Write to a change without end, or up to that version; report each version when its commit has returned."""
    row = create(change_id, due_at=0).row
    assert backend.commit([create(change_id)]) == [None]
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        write = follow(row, entries=2, document=f'{{"pad":"{"x" * 5000}"}}')
        assert backend.commit([write, create(f"{change_id}-{row.version}")]) == [None, None]
        row = write.row
        sender.send(("wrote", row.version))
        if row.version == rests_at:
            sender.recv()  # until it is killed


def serve(backend: StorageBackend, pipe: Connection) -> None:
    """Commit each batch that arrives and report the answers, until None arrives."""
    while (writes := pipe.recv()) is not None:
        pipe.send(("done", backend.commit(writes)))


def write_and_die(backend: StorageBackend, pipe: Connection, commits: Sequence[Sequence[Write]], line: int) -> None:
    """Make the commits, report each answer, and crash at that line of the last commit, or after it."""
    for writes in commits[:-1]:
        pipe.send(("done", backend.commit(writes)))
    with _dying_at(line):
        answer = backend.commit(commits[-1])
    pipe.send(("done", answer))
    die()


def count_lines(backend: StorageBackend, pipe: Connection, writes: Sequence[Write]) -> None:
    """Commit, and report the number of executed lines of Python."""
    with _dying_at(0) as lines:
        assert backend.commit(writes) == [None] * len(writes)
    pipe.send(("done", lines[0]))


def die() -> None:
    """End this process immediately, without any clean-up."""
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(9)  # Windows has no SIGKILL


@contextmanager
def _dying_at(line: int) -> Iterator[list[int]]:
    """Crash after that many lines of Python in the block, not counting the port's; yield the number so far."""
    lines = [0]

    def trace(frame: FrameType, event: str, _argument: object) -> Any:  # noqa: ANN401  # itself
        if frame.f_code.co_filename.startswith(_NOT_THE_BACKENDS_OWN):
            return None
        if event == "line":
            lines[0] += 1
            if lines[0] == line:
                die()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield lines
    finally:
        sys.settrace(before)


def check_prefix(backend: StorageBackend, change_id: str) -> int:
    """Check that the change is complete, and return its version."""
    row = present(backend, change_id)
    lines: list[EntryRow] = []
    after: int | None = 0
    while after is not None:
        page = backend.history(change_id, after)
        lines += page.entries
        after = page.next_seq
    assert lines == [entry(change_id, seq) for seq in range(1, row.seq + 1)]
    return row.version


def _run(work: Callable[..., None], opener: Opener, sender: Connection, args: tuple[object, ...]) -> None:
    try:
        backend = opener()
        try:
            work(backend, sender, *args)
        finally:
            backend.close()
    except BaseException:
        with suppress(OSError):  # the test no longer listens
            sender.send(("failed", traceback.format_exc()))
        raise
    finally:
        sender.close()
