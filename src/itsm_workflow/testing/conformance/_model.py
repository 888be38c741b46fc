"""The port over a plain dictionary, as short as it can be said; what a backend does is compared with it."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.storage.protocol import ConflictKind, Order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.storage.protocol import Conflict, EntryRow, Query, Row, Write


@attrs.define
class Model:
    """Rows and their entries, by id."""

    rows: dict[str, Row] = attrs.field(factory=dict)
    entries: dict[str, tuple[EntryRow, ...]] = attrs.field(factory=dict)

    def after(self, writes: Sequence[Write], answer: Sequence[Conflict | None]) -> Model:
        """Return what is stored after a commit that was answered so, in whichever order it explains the answer.

        Raises:
            AssertionError: No order does.
        """
        kinds = [conflict and conflict.kind for conflict in answer]
        for order in permutations(range(len(writes))):
            model = Model(dict(self.rows), dict(self.entries))
            told = {place: model.write(writes[place]) for place in order}
            if [told[place] for place in range(len(writes))] == kinds:
                return model
        raise AssertionError(f"no order of these writes explains the answer {kinds}: {writes}")

    def write(self, write: Write) -> ConflictKind | None:
        """Store the write, or return why not."""
        row = write.row
        old = self.rows.get(row.id)
        others = [other for other in self.rows.values() if other.id != row.id]
        if (old.version if old else 0) != write.expected_version:
            return ConflictKind.VERSION
        if old and not write.entries:
            self.rows[row.id] = attrs.evolve(old, version=row.version, due_at=row.due_at)
            return None
        if row.open_subject is not None and any(other.open_subject == row.open_subject for other in others):
            return ConflictKind.SUBJECT
        if row.ticket_key is not None and any(other.ticket_key == row.ticket_key for other in others):
            return ConflictKind.TICKET
        self.rows[row.id] = attrs.evolve(row, form=old.form) if old and row.form is None else row
        self.entries[row.id] = (*self.entries.get(row.id, ()), *write.entries)
        return None

    def find(self, query: Query) -> list[Row]:
        """Return all rows that match, in order."""

        def matches(row: Row) -> bool:
            tuples = ((query.ids, row.id), (query.states, row.state), (query.attention, row.attention))
            single = ((query.workflow, row.workflow), (query.subject, row.subject))
            times = ((query.due_before, row.due_at), (query.updated_before, row.updated_at))
            return (
                all(wanted is None or value in wanted for wanted, value in (*tuples, (query.ticket_sns, row.ticket_sn)))
                and all(wanted is None or value == wanted for wanted, value in single)
                and all(latest is None or (value is not None and value <= latest) for latest, value in times)
                and (query.order is not Order.DUE_AT or row.due_at is not None)
            )

        def key(row: Row) -> tuple[int, str]:
            return {Order.ID: 0, Order.DUE_AT: row.due_at or 0, Order.UPDATED_AT: row.updated_at}[query.order], row.id

        return sorted(filter(matches, self.rows.values()), key=key)
