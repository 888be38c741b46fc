"""The mark in a SQLite file: two failures in a row while it is set or removed leave no store that counts as damaged.

A checkpoint marks the file in three steps. A process that dies, is interrupted or has no space left between them leaves
the mark at the end of the log. Whoever closes the store last must not copy that log into the file and remove it.
"""

from __future__ import annotations

import gc
import sqlite3
import sys
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.errors import StorageError
from itsm_workflow.testing.conformance._rows import create, found, stored
from itsm_workflow_backends.sqlite import SQLiteBackend, _marking
from tests.conformance.test_sqlite_companions import _held_elsewhere
from tests.support.long import long_after

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType

Failure = type[BaseException]


class _Full(sqlite3.OperationalError):
    """The error of SQLite on a full disk."""

    sqlite_errorcode = sqlite3.SQLITE_FULL
    sqlite_errorname = "SQLITE_FULL"


@contextmanager
def _failing(modules: tuple[str, ...], at: int, failure: Failure) -> Iterator[list[str]]:
    """Raise a failure at the n-th line of these modules, and return the lines so far."""
    lines: list[str] = []

    def trace(frame: FrameType, event: str, _argument: object) -> Any:  # noqa: ANN401 - as typeshed has it
        if not frame.f_code.co_filename.endswith(modules):
            return None
        if event == "line":
            lines.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
            if len(lines) == at:
                sys.settrace(None)
                raise failure
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield lines
    finally:
        sys.settrace(before)


@pytest.fixture
def _collecting() -> Iterator[None]:
    """Leave what a long run has made out of collections: there is one after each commit."""
    gc.collect()
    gc.freeze()
    yield
    gc.collect()  # here a connection without a name may be closed with a warning, in the next test it may not
    gc.unfreeze()


def _commit(backend: SQLiteBackend, name: str, modules: tuple[str, ...], at: int, failure: Failure) -> int:
    """Commit a change while the n-th line fails, and return the number of lines."""
    with suppress(KeyboardInterrupt, StorageError), _failing(modules, at, failure) as lines:
        stored(backend, create(name))
    gc.collect()  # a connection that was cut off from its name is closed with its last reference
    return len(lines)


def _lines(path: Path) -> tuple[int, int]:
    """Return how many lines mark a file in a first commit, and how many open the store and commit after that failed."""
    backend = SQLiteBackend(path)
    marking = _commit(backend, "a", ("_marking.py",), 0, KeyboardInterrupt)
    backend.close()
    again = SQLiteBackend(path)
    opening = _commit(again, "b", ("_marking.py", "_opening.py"), 0, KeyboardInterrupt)
    again.close()
    return marking, opening


@pytest.mark.long
@pytest.mark.filterwarnings(  # a failure between the opening of a connection and its name
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.usefixtures("_collecting")
@pytest.mark.parametrize("failure", long_after(1, [_Full, KeyboardInterrupt]))
@pytest.mark.parametrize("step", long_after(1, [23, 7]))
def test_two_failures_in_a_row_damage_nothing(tmp_path: Path, failure: Failure, step: int) -> None:
    """The first while the file is marked, the second while the store is opened again; each at each of the lines."""
    marking, opening = _lines(tmp_path / "counted.db")
    assert marking > 10
    assert opening > 20
    ended_with_mark = 0
    pairs = [(one, two) for one in range(1, marking + 1) for two in range(1, opening + 20)]
    for number, (one, two) in enumerate(pairs[::step]):
        path = tmp_path / f"{number}.db"
        backend = SQLiteBackend(path)
        stored(backend, create("before"))
        backend.close()
        backend = SQLiteBackend(path)
        _commit(backend, "a", ("_marking.py",), one, failure)
        ended_with_mark += _marking.log_size(path.with_name(f"{path.name}-wal")) > 0 and _marked(path)
        _commit(backend, "b", ("_marking.py", "_opening.py"), two, failure)
        stored(backend, create("after"))
        backend.close()
        assert {"before", "after"} <= _ids(path), f"lines {one} and {two}"
    assert ended_with_mark


def _ids(path: Path) -> set[str]:
    with closing(SQLiteBackend(path)) as backend:
        return set(found(backend))


def _marked(path: Path) -> bool:
    """Return whether a reader of the file and its log sees the mark."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return _marking.ends_with_mark(connection)


def test_another_process_that_closes_last_keeps_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It did not mark the file itself, and knows nothing of the failure."""
    path = tmp_path / "store.db"
    first = SQLiteBackend(path)
    stored(first, create("before"))
    first.close()
    with _held_elsewhere(path, change="theirs"):
        ours = SQLiteBackend(path)
        stored(ours, create("ours"))
        monkeypatch.setattr(_marking, "is_marked", lambda _path: False)  # it marks the file again
        set_id, calls = _marking._set, []

        def half(connection: sqlite3.Connection, value: int) -> None:
            calls.append(value)
            if len(calls) == 2:
                raise _Full
            set_id(connection, value)

        monkeypatch.setattr(_marking, "_set", half)
        ours._connections._marked = False
        with pytest.raises(StorageError):
            stored(ours, create("refused"))
        ours.close()
    monkeypatch.undo()
    assert _ids(path) == {"before", "theirs", "ours"}
