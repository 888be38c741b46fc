"""Other processes: what they do, and how a test starts them and hears from them.

They are started afresh (spawn), so they share nothing with the test but the store.
"""

from __future__ import annotations

import multiprocessing
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from itsm_workflow.storage.protocol import ConflictKind, Order, Query
from itsm_workflow.testing.conformance._rows import claim, create, entry, follow, pages, present

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

    from itsm_workflow.storage.protocol import EntryRow, StorageBackend

    Opener = Callable[[], StorageBackend]

_PATIENCE = 60.0
_LAST_WORDS = 10.0
_SPAWN = multiprocessing.get_context("spawn")


class Other:
    """One other process that works on the store and reports over a pipe."""

    def __init__(self, work: Callable[..., None], opener: Opener, *args: object) -> None:
        self._reports, sender = _SPAWN.Pipe(duplex=False)
        self._process = _SPAWN.Process(target=_run, args=(work, opener, sender, args), daemon=True)
        self._process.start()
        # Or the end of the other process would not be seen as the end of its reports.
        sender.close()

    def hear(self) -> Any:  # noqa: ANN401  # whatever it reports
        """Wait for the next report.

        Raises:
            EOFError: It has ended.
            AssertionError: It failed, or did not report in time.
        """
        if not self._reports.poll(_PATIENCE):
            raise AssertionError(f"the other process reported nothing for {_PATIENCE} s")
        kind, report = self._reports.recv()
        if kind == "failed":
            raise AssertionError(f"the other process failed:\n{report}")
        return report

    def kill(self) -> list[Any]:
        """End it at once, as a power cut for processes would, and return what it had still reported."""
        self._process.kill()
        self._process.join(_PATIENCE)
        rest = []
        with suppress(EOFError, OSError):  # OSError: the end came in the middle of a report
            while True:
                rest.append(self.hear())
        return rest

    def close(self) -> None:
        """End it if it has not ended by itself."""
        self._process.join(_LAST_WORDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(_PATIENCE)
        self._process.close()
        self._reports.close()


def together(work: Callable[..., None], opener: Opener, arguments: Sequence[tuple[object, ...]]) -> list[Any]:
    """Let one process per argument tuple work at the same time, and return the one report of each."""
    start = _SPAWN.Barrier(len(arguments))
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


def write_on(backend: StorageBackend, sender: Connection, change_id: str) -> None:
    """Write to a change for ever; report each version as soon as its commit has returned."""
    row = create(change_id, due_at=0).row
    assert backend.commit([create(change_id)]) == [None]
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        write = follow(row, entries=2, document=f'{{"pad":"{"x" * 5000}"}}')
        assert backend.commit([write, create(f"{change_id}-{row.version}")]) == [None, None]
        row = write.row
        sender.send(("wrote", row.version))


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
