"""Threads that commit to one SQLite file at the same time share a transaction, and each has its own outcome."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
from itsm_workflow.storage.protocol import Conflict, ConflictKind
from itsm_workflow.testing.conformance._rows import claim, create, entry, follow, found, present, stored
from itsm_workflow_backends.sqlite import SQLiteBackend, _queries
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from itsm_workflow.storage.protocol import Write

UNKNOWN = "whether it was stored is unknown: read again"


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[SQLiteBackend]:
    """Return a store with one change that holds a subject."""
    with closing(SQLiteBackend(tmp_path / "store.db", timeout=PATIENCE)) as backend:
        stored(backend, create("c1", subject="s", open_subject="w:s"))
        yield backend


def _together(backend: SQLiteBackend, *writes: Write) -> list[Any]:
    """Commit each write by a thread of its own, in one transaction; return what each thread got."""
    got: list[Any] = [None] * len(writes)
    commits = backend._commits

    def commit(place: int) -> None:
        try:
            got[place] = backend.commit([writes[place]])
        except BaseException as error:  # noqa: BLE001  # it is looked at by the test
            got[place] = error

    threads = [threading.Thread(target=commit, args=(place,)) for place in range(len(writes))]
    with backend._connections._writers:
        for place, thread in enumerate(threads):
            thread.start()
            while commits._leader is None or len(commits._waiting) < place:
                threading.Event().wait(0.001)
    for thread in threads:
        thread.join(PATIENCE)
    return got


def _statements(backend: SQLiteBackend, done: list[str]) -> None:
    with backend._connections.writing() as connection:
        connection.set_trace_callback(done.append)


def test_threads_share_a_transaction(backend: SQLiteBackend) -> None:
    """One COMMIT, so one sync; a conflict is reported to its own caller, and the others are stored."""
    done: list[str] = []
    _statements(backend, done)
    row = present(backend, "c1")
    got = _together(backend, create("c2"), create("c1"), follow(row), create("c3", subject="s", open_subject="w:s"))
    assert got == [
        [None],
        [Conflict(kind=ConflictKind.VERSION, change_id="c1")],
        [None],
        [Conflict(kind=ConflictKind.SUBJECT, change_id="c3", holder="c1")],
    ]
    # The second and the third write are of one change, so they are in two transactions.
    assert [line for line in done if line in {"BEGIN IMMEDIATE", "COMMIT"}] == ["BEGIN IMMEDIATE", "COMMIT"] * 2
    assert found(backend) == ["c1", "c2"]
    assert present(backend, "c1").version == 2


def test_a_write_reads_only_which_columns_it_changes(backend: SQLiteBackend) -> None:
    """The statements that write decide whether there is a conflict; only its kind is then read."""
    done: list[str] = []
    row = stored(backend, create("c2"))
    _statements(backend, done)
    backend.commit([follow(row, ticket_key="g:1")])
    assert [line.split()[0] for line in done] == ["BEGIN", "PRAGMA", "SELECT", "UPDATE", "INSERT", "COMMIT"]
    done.clear()
    backend.commit([create("c3")])
    assert [line.split()[0] for line in done] == ["BEGIN", "PRAGMA", "INSERT", "INSERT", "COMMIT"]
    done.clear()
    assert backend.commit([follow(present(backend, "c1"), ticket_key="g:1")]) == [
        Conflict(kind=ConflictKind.TICKET, change_id="c1", holder="c2")
    ]
    words = [line.split()[0] for line in done[done.index("BEGIN IMMEDIATE") :]]
    assert words == ["BEGIN", "PRAGMA", "SELECT", "UPDATE", *["SELECT"] * 5, "ROLLBACK"]


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        ({}, set()),
        ({"state": "approved", "open_subject": None}, {"state", "open_subject"}),
        ({"ticket_key": "g:1", "ticket_sn": "1", "attention": "overdue"}, {"ticket_key", "ticket_sn", "attention"}),
        ({"workflow": "v", "subject": "t", "submission": 2}, {"workflow", "subject", "submission"}),
    ],
)
def test_an_update_names_only_indexed_columns_that_change(
    backend: SQLiteBackend, change: dict[str, Any], columns: set[str]
) -> None:
    """SQLite writes the index entry of each column that an UPDATE names; the due time and the last one always move."""
    done: list[str] = []
    row = present(backend, "c1")
    write = follow(row, **change)
    _statements(backend, done)
    assert backend.commit([write]) == [None]
    [update] = [line for line in done if line.startswith("UPDATE")]
    named = {part.partition(" = ")[0] for part in update.partition(" SET ")[2].partition(" WHERE ")[0].split(", ")}
    assert named & {*_queries._SELDOM} == columns
    assert present(backend, "c1") == attrs.evolve(write.row, form=row.form)


@pytest.mark.parametrize("statement", ["CLAIM_ROW", "SELECT_CHANGED", "update_row"])
def test_a_write_that_finds_no_row_is_not_acknowledged(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """If the row is there when it is read again, the store is damaged."""
    row = present(backend, "c1")
    with monkeypatch.context() as damaged:
        whole = getattr(_queries, statement)
        broken = (lambda changed: f"{whole(changed)} AND 0") if callable(whole) else f"{whole} AND 0"
        damaged.setattr(_queries, statement, broken)
        with pytest.raises(StorageCorrupt, match="cannot write change c1: the store refused it without a conflict"):
            backend.commit([claim(row, 5) if statement == "CLAIM_ROW" else follow(row, state="approved")])
    assert present(backend, "c1") == row


def test_a_write_that_is_refused_fails_alone(backend: SQLiteBackend) -> None:
    """Entries that leave a gap: its caller gets the ValueError, and every other write is stored."""
    row = present(backend, "c1")
    wrong = attrs.evolve(follow(row, seq=row.seq + 2), entries=(entry("c1", row.seq + 2),))
    got = _together(backend, create("c2"), wrong, create("c3"))
    assert (got[0], got[2]) == ([None], [None])
    assert isinstance(got[1], ValueError)
    assert found(backend) == ["c1", "c2", "c3"]
    assert present(backend, "c1") == row


def test_damage_fails_the_write_that_meets_it(backend: SQLiteBackend, tmp_path: Path) -> None:
    """A change without a row is reported to its own caller."""
    row = present(backend, "c1")
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        connection.execute("DELETE FROM changes")
        connection.commit()
    got = _together(backend, create("c2"), follow(row), create("c3"))
    assert (got[0], got[2]) == ([None], [None])
    assert isinstance(got[1], StorageCorrupt)


@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk I/O error"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("is_stored", [True, False])
def test_a_commit_that_fails_is_unknown_to_each(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch, error: BaseException, *, is_stored: bool
) -> None:
    """Each caller gets an error of its own, and can read again; the next commit is stored."""
    commit = backend._connections.commit

    def fail(connection: sqlite3.Connection) -> None:
        monkeypatch.undo()
        if is_stored:
            commit(connection)
        raise error

    monkeypatch.setattr(backend._connections, "commit", fail)
    first, *others = _together(backend, create("c2"), create("c3"), create("c4"))
    assert first is error or first.__cause__ is error
    for other in others:
        assert isinstance(other, StorageUnavailable)
        assert UNKNOWN in str(other)
    assert others[0] is not others[1]
    assert found(backend) == (["c1", "c2", "c3", "c4"] if is_stored else ["c1"])
    assert backend.commit([create("c5")]) == [None]


def test_the_time_of_waiting_counts_for_the_lock_of_sqlite(backend: SQLiteBackend) -> None:
    """What is left of the time-out, and then the whole time-out again."""
    connections, done = backend._connections, list[str]()
    _statements(backend, done)
    with connections.writing() as connection:
        connections.begin(connection, until=time.monotonic() + 5.0)
        connection.execute("ROLLBACK")
        assert connection.execute("PRAGMA busy_timeout").fetchone()[0] == PATIENCE * 1000
    patience, begin, *_ = done
    assert 4000 < int(patience.removeprefix("PRAGMA busy_timeout = ")) <= 5000
    assert begin == "BEGIN IMMEDIATE"
    with connections.writing() as connection:
        connections.begin(connection, until=time.monotonic() - 1.0)
        connection.execute("ROLLBACK")
    assert "PRAGMA busy_timeout = 0" in done


def test_a_thread_waits_no_longer_than_its_time_out(tmp_path: Path) -> None:
    """For a leader that waits for a lock; nothing of it is stored later."""
    with closing(SQLiteBackend(tmp_path / "store.db", timeout=0.1)) as backend:
        with backend._connections._writers:
            threads = [
                threading.Thread(target=pytest.raises, args=(StorageUnavailable, backend.commit, [create(name)]))
                for name in ("c1", "c2", "c3")
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
        assert found(backend) == []
        assert backend.commit([create("c4")]) == [None]
