"""The writes of a commit, in one transaction.

The unique constraints and ``UPDATE … WHERE version = …`` judge, so that nothing is read before it is written. Rows are
written in the order of their ids, so that two commits do not wait for each other. A transaction that meets a duplicate
is undone and done again with a savepoint around each write; most transactions meet none and need no savepoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from django.db import IntegrityError, connections, transaction
from django.db.models import Q

from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
from itsm_workflow.integrations.django.storage.queries import ENTRY_COLUMNS, ROW_COLUMNS
from itsm_workflow.storage.checks import check_follows
from itsm_workflow.storage.protocol import Conflict, ConflictKind, Write
from itsm_workflow.storage.server_errors import OUTRUN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow.storage.protocol import EntryRow, Row

    Results = dict[str, Conflict | None]

_TRIES = 20
_BATCH_CHARACTERS = 1024 * 1024
"""The characters of documents and forms that are inserted by one statement, since servers limit its size."""
_BATCH_ROWS = 500


@attrs.frozen
class Writer:
    """Writes changes to one database.

    Attributes:
        alias: The name of the database.
        changes: The model of the changes.
        entries: The model of the entries.
    """

    alias: str
    changes: Any
    entries: Any

    def write_boldly(self, writes: Sequence[Write]) -> Results:
        """Store writes that are sorted by id, without savepoints.

        Raises:
            IntegrityError: A unique constraint refused a write: undo the transaction, and write carefully.
            ValueError: As documented for `StorageBackend.commit`.
        """
        created = [write for write in writes if not write.expected_version]
        # An update can free a subject that a create of the same batch claims.
        results = {write.row.id: self._move(write) for write in writes if write.expected_version}
        self._create(created)
        return {**results, **{write.row.id: None for write in created}}

    def write_carefully(self, writes: Sequence[Write]) -> Results:
        """Store writes that are sorted by id, each within a savepoint to which a duplicate leads back.

        Raises:
            StorageCorrupt: A duplicate has no holder, so an index is damaged.
            ValueError: As documented for `StorageBackend.commit`.
        """
        return {write.row.id: self._write_in_savepoint(write) for write in writes}

    def write_once(self, writes: Sequence[Write]) -> Results:
        """Store writes in a transaction of the host, each within a savepoint; nothing is repeated.

        The transaction may see less than what decides: if it is a repeatable read, rows as they were when it began.

        Raises:
            StorageUnavailable: Another transaction wrote what a write needs, and this transaction does not see it.
            ValueError: As documented for `StorageBackend.commit`.
        """
        return {write.row.id: self._write_once(write) for write in writes}

    def _write_once(self, write: Write) -> Conflict | None:
        try:
            with transaction.atomic(using=self.alias):
                if not write.expected_version:
                    self._create([write])
                    return None
                if self._update(write):
                    return None
        except IntegrityError:
            pass  # judged below
        conflict = self._judge(write, newest=True)
        if conflict is None:
            raise StorageUnavailable(f"cannot store change {write.row.id}: {OUTRUN}")
        return conflict

    def _write_in_savepoint(self, write: Write) -> Conflict | None:
        for _ in range(_TRIES):
            try:
                with transaction.atomic(using=self.alias):
                    if write.expected_version:
                        return self._move(write)
                    self._create([write])
                    return None
            except IntegrityError:
                conflict = self._judge(write)
                if conflict is not None:
                    return conflict
                # The holder let go in the meantime.
        raise StorageCorrupt(
            f"cannot store change {write.row.id}: an index of the database refuses it as a duplicate, but no change "
            "has its values: rebuild the indexes of the tables",
            change_id=write.row.id,
        )

    def _create(self, writes: Sequence[Write]) -> None:
        """Store writes of new changes."""
        self._insert(self.changes, ROW_COLUMNS, [write.row for write in writes])
        self._insert(self.entries, ENTRY_COLUMNS, [entry for write in writes for entry in write.entries])

    def _move(self, write: Write) -> Conflict | None:
        """Store a write of an existing change, or return its conflict."""
        while not self._update(write):
            conflict = self._judge(write)
            if conflict is not None:
                return conflict
            # Another transaction brought the change to the expected version between the two statements.
        return None

    def _update(self, write: Write) -> bool:
        """Store a write of an existing change, and return whether the change had the expected version."""
        row = write.row
        as_read = self._rows().filter(id=row.id, version=write.expected_version, seq=row.seq - len(write.entries))
        if not as_read.update(**_moved(write)):
            return False
        self._insert(self.entries, ENTRY_COLUMNS, write.entries)
        return True

    def _insert(self, model: Any, columns: Sequence[str], values: Sequence[Row | EntryRow]) -> None:  # noqa: ANN401 - a model of Django
        for batch in _batches(values):
            model.objects.using(self.alias).bulk_create([model(**_values(value, columns)) for value in batch])

    def _judge(self, write: Write, *, newest: bool = False) -> Conflict | None:
        """Return the conflict of a write that the database refused, or None if it would no longer refuse it.

        Args:
            write: The write.
            newest: Whether to read rows that were committed after the transaction began, where the database can.

        Raises:
            ValueError: The version matches, but the entries do not follow the stored ones.
        """
        row = write.row
        sought = Q(id=row.id)
        unique = {"open_subject": row.open_subject, "ticket_key": row.ticket_key} if write.entries else {}
        for column, value in unique.items():
            if value is not None:
                sought |= Q(**{column: value})
        rows = self._rows().filter(sought)
        if newest and connections[self.alias].vendor == "mysql":  # only a locking read sees them in a repeatable read
            rows = rows.select_for_update()
        found = list(rows.values("id", "version", "seq", "open_subject", "ticket_key"))
        version, seq = next(((each["version"], each["seq"]) for each in found if each["id"] == row.id), (0, 0))
        if version != write.expected_version:
            return Conflict(kind=ConflictKind.VERSION, change_id=row.id)
        if version:
            check_follows(write, stored_seq=seq)
        for kind, column in ((ConflictKind.SUBJECT, "open_subject"), (ConflictKind.TICKET, "ticket_key")):
            for each in found:
                if unique.get(column) is not None and each["id"] != row.id and each[column] == unique[column]:
                    return Conflict(kind=kind, change_id=row.id, holder=each["id"])
        return None

    def _rows(self) -> Any:  # noqa: ANN401 - a query set of Django
        return self.changes.objects.using(self.alias)


def _values(value: object, columns: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in columns}


def _moved(write: Write) -> dict[str, Any]:
    """Return the columns that a write of an existing change sets."""
    row = write.row
    if not write.entries:
        return {"version": row.version, "due_at": row.due_at}
    values = _values(row, ROW_COLUMNS)
    del values["id"]
    if values["form"] is None:
        del values["form"]
    return values


def _batches(values: Sequence[Row | EntryRow]) -> Iterator[list[Row | EntryRow]]:
    batch: list[Row | EntryRow] = []
    size = 0
    for value in values:
        length = len(value.document) + len(getattr(value, "form", None) or "")
        if batch and (size + length > _BATCH_CHARACTERS or len(batch) == _BATCH_ROWS):
            yield batch
            batch, size = [], 0
        batch.append(value)
        size += length
    if batch:
        yield batch
