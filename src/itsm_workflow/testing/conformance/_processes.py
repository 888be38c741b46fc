"""Other processes: what they do, and how a test starts them and hears from them.

They are started afresh, so they share nothing with the test but the store.
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
# Both start a process afresh; where there is a fork server, it takes a tenth of the time.
_FRESH = (
    multiprocessing.get_context("forkserver")
    if "forkserver" in multiprocessing.get_all_start_methods()
    else multiprocessing.get_context("spawn")
)
_NOT_THE_BACKENDS_OWN = (protocol.__file__, "<attrs generated")


def load_ahead() -> None:
    """Let other processes start with what each needs; for a program of its own, since it holds for all of it."""
    _FRESH.set_forkserver_preload([__name__, "itsm_workflow.storage.table"])


class Other:
    """One other process that works on the store and reports over a pipe."""

    def __init__(self, work: Callable[..., None], opener: Opener, *args: object) -> None:
        self._pipe, theirs = _FRESH.Pipe()
        self._process = _FRESH.Process(target=_run, args=(work, opener, theirs, args), daemon=True)
        self._process.start()
        # Or the end of the other process would not be seen as the end of its reports.
        theirs.close()

    def tell(self, message: object) -> None:
        """Send it something to do."""
        self._pipe.send(message)

    def hear(self) -> Any:  # noqa: ANN401  # whatever it reports
        """Wait for the next report.

        Raises:
            EOFError: It has ended.
            AssertionError: It failed, or did not report in time.
        """
        if not self._pipe.poll(_PATIENCE):
            raise AssertionError(f"the other process reported nothing for {_PATIENCE} s")
        kind, report = self._pipe.recv()
        if kind == "failed":
            raise AssertionError(f"the other process failed:\n{report}")
        return report

    def kill(self) -> list[Any]:
        """End it at once, as a power cut for processes would, and return what it had still reported."""
        self._process.kill()
        return self.last_words()

    def last_words(self) -> list[Any]:
        """Wait until it has died, and return what it had still reported."""
        rest = []
        with suppress(EOFError, OSError):  # OSError: the end came in the middle of a report
            while True:
                rest.append(self.hear())
        self._process.join(_PATIENCE)
        return rest

    def close(self) -> None:
        """End it if it has not ended by itself."""
        self._process.join(_LAST_WORDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(_PATIENCE)
        self._process.close()
        self._pipe.close()


def together(work: Callable[..., None], opener: Opener, arguments: Sequence[tuple[object, ...]]) -> list[Any]:
    """Let one process per argument tuple work at the same time, and return the one report of each."""
    start = _FRESH.Barrier(len(arguments))
    others = [Other(work, opener, start, *args) for args in arguments]
    try:
        return [other.hear() for other in others]
    finally:
        for other in others:
            other.close()


def count_up(backend: StorageBackend, sender: Connection, start: Any, change_id: str, rounds: int) -> None:  # noqa: ANN401
    """Write to one change so many times, reading again whenever somebody was faster; report how often that was."""
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
    """Try to open a change for each subject; report for which it was the first, and what was said otherwise."""
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
    """Claim all that is due, page by page; report the ids of what was claimed."""
    start.wait(_PATIENCE)
    sender.send(("done", claimed(backend, now)))


def claimed(backend: StorageBackend, now: int) -> list[str]:
    """Push what is due into the future, until nothing is; return the ids of those that this call pushed."""
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
    """Write to a change for ever, or up to that version; report each as soon as its commit has returned."""
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
    """Commit what is told and report the answers, until None is told."""
    while (writes := pipe.recv()) is not None:
        pipe.send(("done", backend.commit(writes)))


def write_and_die(backend: StorageBackend, pipe: Connection, commits: Sequence[Sequence[Write]], line: int) -> None:
    """Commit one after the other, report each answer, and die at that line of the last commit, or behind it."""
    for writes in commits[:-1]:
        pipe.send(("done", backend.commit(writes)))
    with _dying_at(line):
        answer = backend.commit(commits[-1])
    pipe.send(("done", answer))
    die()


def count_lines(backend: StorageBackend, pipe: Connection, writes: Sequence[Write]) -> None:
    """Commit, and report how many lines of Python that took."""
    with _dying_at(0) as lines:
        assert backend.commit(writes) == [None] * len(writes)
    pipe.send(("done", lines[0]))


def die() -> None:
    """End this process at once, without any of the things that a process does when it ends."""
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(9)  # Windows has no such signal


@contextmanager
def _dying_at(line: int) -> Iterator[list[int]]:
    """Die when so many lines of Python were run in the block, the port's own left out; give the number so far."""
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
    """Check that the change is whole, and return its version."""
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
        with suppress(OSError):  # nobody listens any more
            sender.send(("failed", traceback.format_exc()))
        raise
    finally:
        sender.close()
