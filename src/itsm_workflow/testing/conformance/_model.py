"""The port over a plain dictionary, as a reference for backends."""

from __future__ import annotations

from itertools import chain, combinations, permutations
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.storage.protocol import ConflictKind, EntryRows, Order, cursor_at
from itsm_workflow.testing.conformance._answers import check_answer
from itsm_workflow.testing.conformance._wording import word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from itsm_workflow.storage.protocol import Conflict, Cursor, EntryRow, Query, Row, Write

_FEW = 5


@attrs.define
class Model:
    """Rows and their entries, by id."""

    rows: dict[str, Row] = attrs.field(factory=dict)
    entries: dict[str, tuple[EntryRow, ...]] = attrs.field(factory=dict)

    def after(self, writes: Sequence[Write], answer: Sequence[Conflict | None]) -> Model:
        """Return the contents after writes that got this answer, in an order of the writes that explains it.

        Raises:
            AssertionError: No order explains it.
        """
        check_answer("commit", answer)
        kinds = [None if conflict is None else conflict.kind for conflict in answer]
        ids = [None if conflict is None else write.row.id for write, conflict in zip(writes, answer, strict=False)]
        if len(kinds) != len(writes) or ids != [conflict and conflict.change_id for conflict in answer]:
            raise AssertionError(f"commit of {len(writes)} writes returned {word(list(answer))}")
        for order in _orders(len(writes)):
            model = self.copy()
            results = {place: model.write(writes[place]) for place in order}
            if [results[place] for place in range(len(writes))] == kinds:
                return model
        model = self.copy()
        right = [model.write(write) for write in writes]
        raise AssertionError(
            f"no order of these writes explains the answers {_kinds(kinds)}; one after the other they would be "
            f"{_kinds(right)}: {word(list(writes))}"
        )

    def after_any(self, writes: Sequence[Write]) -> Iterator[Model]:
        """Yield the possible contents after a commit that never returned: any of the writes, each of them whole."""
        for few in chain.from_iterable(combinations(writes, size) for size in range(len(writes) + 1)):
            for order in permutations(few):
                model = self.copy()
                if all(model.write(write) is None for write in order):
                    yield model

    def copy(self) -> Model:
        """Return a copy of the model."""
        return Model(dict(self.rows), dict(self.entries))

    def write(self, write: Write) -> ConflictKind | None:
        """Store the write, or return the kind of conflict."""
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

    def get(self, change_id: str) -> Row | None:
        """Return the row."""
        return self.rows.get(change_id)

    def history(self, change_id: str, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Return one page of entries."""
        later = [line for line in self.entries.get(change_id, ()) if line.seq > after_seq]
        page = tuple(later[:limit])
        return EntryRows(entries=page, next_seq=page[-1].seq if len(later) > limit else None)

    def find(self, query: Query) -> list[Row]:
        """Return all matching rows in order, from the query's cursor on."""

        def matches(row: Row) -> bool:
            tuples = ((query.ids, row.id), (query.states, row.state), (query.attention, row.attention))
            single = (
                (query.workflow, row.workflow),
                (query.subject, row.subject),
                (query.open_subject, row.open_subject),
            )
            times = ((query.due_before, row.due_at), (query.updated_before, row.updated_at))
            return (
                all(wanted is None or value in wanted for wanted, value in (*tuples, (query.ticket_sns, row.ticket_sn)))
                and all(wanted is None or value == wanted for wanted, value in single)
                and all(latest is None or (value is not None and value <= latest) for latest, value in times)
                and (query.order is not Order.DUE_AT or row.due_at is not None)
                and (query.order is not Order.SUBMISSION or row.submission is not None)
                and (query.after is None or key(row) > place(query.after))
            )

        def place(cursor: Cursor) -> tuple[int, str]:
            value = cursor.value or 0
            return -value if query.order is Order.SUBMISSION else value, cursor.id

        def key(row: Row) -> tuple[int, str]:
            return place(cursor_at(row, query.order))

        return sorted(filter(matches, self.rows.values()), key=key)


def _orders(count: int) -> Iterable[tuple[int, ...]]:
    # All orders of many writes are too many to try; a backend takes them as given, or sorted.
    return permutations(range(count)) if count <= _FEW else [tuple(range(count)), tuple(reversed(range(count)))]


def _kinds(kinds: Iterable[ConflictKind | None]) -> str:
    return f"[{', '.join('stored' if kind is None else kind.value for kind in kinds)}]"
