"""Makes stores of very many changes: copies of a few real ones, inserted without the library."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

import attrs

from itsm_workflow import open_storage
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.storage.codec import Codec
from itsm_workflow_backends.sqlite import _queries as sql

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from itsm_workflow import Workflow
    from itsm_workflow.change import Entry
    from itsm_workflow.storage.codec import Stored
    from itsm_workflow.storage.protocol import StorageBackend, Write

_BATCH = 1000
CODEC = Codec(COLLECTOR_CHANGE.evidence_types)


@attrs.frozen(kw_only=True)
class Model:
    """A change as it is stored, and its history; its copies have ids, subjects and tickets of their own."""

    stored: Stored
    entries: Sequence[Entry]

    @classmethod
    def of(cls, store: StorageBackend, workflow: Workflow, change_id: str) -> Model:
        """Return the change of that id."""
        row = store.get(change_id)
        if row is None:
            raise RuntimeError("the change was not stored")
        return cls(stored=CODEC.read(row), entries=workflow.history(change_id))

    def copy(self, number: int, *, due_at: dt.datetime | None, with_history: bool = False) -> Write:
        """Return the write that creates copy ``number``."""
        change, subject = self.stored.change, f"collector-{number}"
        if change.ticket is None:
            raise RuntimeError("the change has no ticket")
        ticket = attrs.evolve(change.ticket, id=str(number), sn=f"REQ{number:014}")
        named = attrs.evolve(change, id=f"{change.id[:16]}{number:010}", subject=subject, ticket=ticket)
        entries = [attrs.evolve(one, change_id=named.id) for one in self.entries] if with_history else []
        held = f"{named.workflow}:{subject}" if change.ended_at is None else None
        write, _ = CODEC.write(None, named, entries, due_at, open_subject=held)
        return write


def fill(path: Path, writes: Iterable[Write]) -> None:
    """Make a store at the path, and insert the rows and entries of new changes by sqlite3 alone, without a sync."""
    with closing(open_storage(f"sqlite:///{path}")):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144")
        left = iter(writes)
        while part := list(islice(left, _BATCH)):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(sql.INSERT_ROW, [sql.insert_values(one.row) for one in part])
            connection.executemany(sql.INSERT_ENTRY, [sql.entry_values(entry) for one in part for entry in one.entries])
            connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
