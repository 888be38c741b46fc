"""The floor of a life: the same commits by sqlite3 alone, in the tables of the SQLite backend."""

from __future__ import annotations

import sqlite3
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from itsm_workflow.storage.protocol import Write

_TABLES = """
    CREATE TABLE IF NOT EXISTS changes (id TEXT PRIMARY KEY, state TEXT, version INTEGER, due_at INTEGER, form TEXT,
        document TEXT) STRICT;
    CREATE TABLE IF NOT EXISTS entries (change_id TEXT, seq INTEGER, document TEXT, PRIMARY KEY (change_id, seq))
        STRICT, WITHOUT ROWID;
"""


class RawStore:
    """A SQLite file in WAL mode whose commits are synced, used without a library.

    Args:
        path: The file; it may be a store of the SQLite backend, to read from.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + _TABLES)
        self._numbers = count(1)

    def life(self, writes: Sequence[Write]) -> None:
        """Store the writes of a life as a new change: one commit each, with a compare-and-swap, nothing computed."""
        execute, change_id = self._connection.execute, f"change-{next(self._numbers)}"
        for write in writes:
            row = write.row
            execute("BEGIN IMMEDIATE")
            if write.expected_version == 0:
                values = (change_id, row.state, 1, row.due_at, row.form, row.document)
                execute("INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?)", values)
            else:
                execute(
                    "UPDATE changes SET state = ?, version = ?, due_at = ?, document = ? WHERE id = ? AND version = ?",
                    (row.state, row.version, row.due_at, row.document, change_id, write.expected_version),
                )
            for entry in write.entries:
                execute("INSERT INTO entries VALUES (?, ?, ?)", (change_id, entry.seq, entry.document))
            execute("COMMIT")

    def fill(self, commits: Sequence[Sequence[Write]]) -> None:
        """Store the changes that the commits write, at their first version."""
        first = {write.row.id: write for writes in reversed(commits) for write in writes}
        values = [
            (one.row.id, one.row.state, one.expected_version, one.row.due_at, one.row.form, one.row.document)
            for one in first.values()
        ]
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?)", values)
        self._connection.execute("COMMIT")

    def replay(self, commits: Sequence[Sequence[Write]]) -> None:
        """Store commits of many writes each with ``executemany``; entries get numbers that no entry has."""
        execute, many, shift = self._connection.execute, self._connection.executemany, next(self._numbers) * 1000
        for writes in commits:
            execute("BEGIN IMMEDIATE")
            many(
                "UPDATE changes SET state = ?, due_at = ?, document = ? WHERE id = ?",
                [(one.row.state, one.row.due_at, one.row.document, one.row.id) for one in writes],
            )
            many(
                "INSERT INTO entries VALUES (?, ?, ?)",
                [(one.row.id, entry.seq + shift, entry.document) for one in writes for entry in one.entries],
            )
            execute("COMMIT")

    def read(self, change_id: str) -> object:
        """Return the columns of a row."""
        return self._connection.execute("SELECT * FROM changes WHERE id = ?", (change_id,)).fetchone()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
