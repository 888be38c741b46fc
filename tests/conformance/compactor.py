"""What another process does to a JSON store: it stops where a test says, and waits there until it is told or killed."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import itsm_workflow_backends.json_file
from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.conformance._rows import claim, create, present
from itsm_workflow_backends.json_file import JSONFileBackend, _compaction, _compactor, _log, _rewrite, _shared
from itsm_workflow_backends.json_file._log import Log
from itsm_workflow_backends.json_file._replay import Replay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from types import FrameType

    from itsm_workflow.testing.conformance._recording import RecordedBackend

    Opener = Callable[[], JSONFileBackend]

_PACKAGE = str(Path(itsm_workflow_backends.json_file.__file__).parent)


SMALL_STEPS = ((_compactor, "STEP"), (_log, "_BLOCK"), (_compaction, "_BLOCK"), (_compaction, "_LITTLE"))
"""Numbers of bytes: with 1 in their place, a step of a compaction writes one change."""


def open_in_small_steps(path: Path, **options: Any) -> JSONFileBackend:
    """Open a store that is compacted as soon as half of it is obsolete, one change after each commit."""
    for module, name in SMALL_STEPS:
        setattr(module, name, 1)
    return JSONFileBackend(path, compact_at=1, **options)


def compact_often(unused: JSONFileBackend, pipe: Connection, opener: Opener, by_steps: bool) -> None:  # noqa: FBT001
    """Compact each time that a number is told, in a fork that stops at that line of the backend's code.

    Report its process and the line, wait for its end, and report that. With 0, report every line that was reached, in
    the order of the first time. Another handle creates a change while the new file is written.
    """
    unused.close()
    while (stop := pipe.recv()) is not None:
        child = os.fork()  # faster than a fresh process, and this one has no threads
        if not child:
            _compact_up_to(stop, pipe, opener, by_steps=by_steps)
            os._exit(0)
        os.waitpid(child, 0)
        pipe.send(("done", "ended"))


def _compact_up_to(stop: int, pipe: Connection, opener: Opener, *, by_steps: bool) -> None:
    backend = opener()
    with mock.patch.object(_compaction, "_LITTLE", 0), _overtaken(opener), _stopping_at(stop, pipe) as lines:
        if by_steps:
            compact_by_commits(backend)
        else:
            backend.compact()
    pipe.send(("done", lines))


def compact_by_commits(backend: JSONFileBackend) -> int:
    """Commit until the file was replaced by a compacted one; return the number of commits."""
    path, number = backend._compactor._path, 0
    before = path.stat().st_ino
    while path.stat().st_ino == before:
        number += 1
        assert backend.commit([claim(present(backend, "c2"), number)]) == [None]
        assert number < 100
    return number


def compact_slowly(recorded: RecordedBackend, pipe: Connection, by_commit: bool) -> None:  # noqa: FBT001  # positional
    """Compact, and report when the first change was written; go on when told, and report the end.

    Or commit, so that it is compacted.
    """
    backend, rewritten = recorded.bare, _rewrite.rewritten
    assert isinstance(backend, JSONFileBackend)

    def slowly(*arguments: Any, **options: Any) -> Iterator[bytes]:
        for place, line in enumerate(rewritten(*arguments, **options)):
            if place == 2:
                pipe.send(("done", "writing"))
                pipe.recv()
            yield line

    with mock.patch.object(_compaction, "rewritten", slowly), mock.patch.object(backend._compactor, "_compact_at", 1):
        if by_commit:
            assert backend.commit([claim(present(backend, "c2"), 5)]) == [None]
        else:
            backend.compact()
    pipe.send(("done", "compacted"))


def read_slowly(backend: JSONFileBackend, pipe: Connection, opener: Opener) -> None:
    """Open the store once more, and report when the file was read for the first time; go on when told."""
    feed = Replay.feed
    stops = iter(["read", ""])

    def slowly(replay: Replay, data: bytes) -> None:
        if stop := next(stops, ""):
            pipe.send(("done", stop))
            pipe.recv()
        feed(replay, data)

    backend.close()
    with (
        mock.patch.object(_shared, "_MOST_READ_UNDER_THE_LOCK", 0),
        mock.patch.object(Replay, "feed", slowly),
    ):
        again = opener()
    pipe.send(("done", sorted(row.id for row in again.find(Query(limit=10_000)).rows)))
    again.close()


def commit_and_stop(backend: JSONFileBackend, pipe: Connection, name: str) -> None:
    """Create a change; report when its line is about to be synced, and wait to be told; report that it was stored."""
    append = Log.append

    def stopping(log: Log, end: int, data: bytes) -> None:
        pipe.send(("done", "holds"))
        pipe.recv()
        append(log, end, data)

    with mock.patch.object(Log, "append", stopping):
        answer = backend.commit([create(name)])
    pipe.send(("done", answer))


def commit_on(backend: JSONFileBackend, pipe: Connection, name: str, changes: int) -> None:
    """Create so many changes, and report when all were stored."""
    for number in range(changes):
        assert backend.commit([create(f"{name}-{number}")]) == [None]
    pipe.send(("done", changes))


@contextmanager
def _overtaken(opener: Opener) -> Iterator[None]:
    """Commit through another handle as soon as the new file is being written."""
    rewritten = _rewrite.rewritten

    def wrapped(*arguments: Any, **options: Any) -> Iterator[bytes]:
        yield from rewritten(*arguments, **options)
        tracing = sys.gettrace()
        sys.settrace(None)
        other = opener()
        assert other.commit([create("meanwhile")]) == [None]
        other.close()
        sys.settrace(tracing)

    with mock.patch.object(_compaction, "rewritten", wrapped):
        yield


@contextmanager
def _stopping_at(stop: int, pipe: Connection) -> Iterator[list[str]]:
    """Trace the backend's own code; give its lines in the order in which they were first reached."""
    lines: dict[str, None] = {}

    def trace(frame: FrameType, event: str, _argument: object) -> Any:  # noqa: ANN401  # itself
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            return None
        if event == "line":
            line = f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}:{frame.f_lineno}"
            if line not in lines:
                lines[line] = None
                if len(lines) == stop:
                    pipe.send(("done", (os.getpid(), line)))
                    signal.pause()
        return trace

    shown: list[str] = []
    sys.settrace(trace)
    try:
        yield shown
    finally:
        sys.settrace(None)
        shown += lines
