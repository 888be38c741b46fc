"""The port over a plain dictionary, as a reference for backends."""

from __future__ import annotations

from itertools import chain, combinations, permutations
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.storage.protocol import Conflict, ConflictKind, EntryRows, Order, cursor_at
from itsm_workflow.testing.conformance._answers import check_answer
from itsm_workflow.testing.conformance._wording import another_text, difference, word
from itsm_workflow.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from itsm_workflow.storage.protocol import Cursor, EntryRow, Query, Row, Write

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
        ids = [None if conflict is None else write.row.id for write, conflict in zip(writes, answer, strict=False)]
        if len(answer) != len(writes) or ids != [conflict and conflict.change_id for conflict in answer]:
            raise AssertionError(f"commit of {counted(len(writes), 'write')} returned {word(list(answer))}")
        for order in _orders(len(writes)):
            model = self.copy()
            results = {place: model.write(writes[place]) for place in order}
            if all(_is_fitting(answer[place], results[place]) for place in range(len(writes))):
                return model
        model = self.copy()
        right = [model.write(write) for write in writes]
        raise AssertionError(
            f"no order of these writes explains the answers {_kinds(answer)}; one after the other they would be "
            f"{_kinds(right)}: {word(list(writes))}"
        )

    def after_some(
        self, writes: Sequence[Write], answer: Sequence[Conflict | None], unknown: Sequence[Write]
    ) -> Iterator[Model]:
        """Yield the possible contents after a race of writes that got this answer, and of others that got none."""
        if len(answer) != len(writes):
            return
        known = list(zip(writes, answer, strict=True))
        for few in chain.from_iterable(combinations(unknown, size) for size in range(len(unknown) + 1)):
            for order in permutations([*known, *((write, None) for write in few)]):
                model = self.copy()
                if all(_is_fitting(given, model.write(write)) for write, given in order):
                    yield model

    def after_call(self, name: str, arguments: tuple[Any, ...], answer: Any) -> Model:  # noqa: ANN401  # of the call
        """Return the contents after a call of any method that got this answer.

        Raises:
            AssertionError: The answer is wrong.
        """
        if name == "commit":
            return self.after(arguments[0], answer)
        check_answer(name, answer)
        if name == "find":
            matching, limit = self.find(arguments[0]), arguments[0].limit
            expected: Any = matching[:limit]
            following = cursor_at(expected[-1], arguments[0].order) if len(matching) > limit else None
            if answer.next != following and list(answer.rows) == expected:
                raise AssertionError(f"next is {answer.next}, must be {following}")
            answer = list(answer.rows)
        else:
            expected = getattr(self, name)(*arguments)
        if answer != expected:
            reasons = (another_text(arguments[0], answer), difference(answer, expected))
            raise AssertionError("; ".join(filter(None, reasons)))
        return self

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

    def write(self, write: Write) -> Conflict | None:
        """Store the write, or return its conflict."""
        row = write.row
        old = self.rows.get(row.id)
        if (old.version if old else 0) != write.expected_version:
            return Conflict(kind=ConflictKind.VERSION, change_id=row.id)
        if old and not write.entries:
            self.rows[row.id] = attrs.evolve(old, version=row.version, due_at=row.due_at)
            return None
        for kind, column in ((ConflictKind.SUBJECT, "open_subject"), (ConflictKind.TICKET, "ticket_key")):
            value = getattr(row, column)
            for other in self.rows.values() if value is not None else ():
                if other.id != row.id and getattr(other, column) == value:
                    return Conflict(kind=kind, change_id=row.id, holder=other.id)
        self.rows[row.id] = attrs.evolve(row, form=old.form) if old and row.form is None else row
        self.entries[row.id] = (*self.entries.get(row.id, ()), *write.entries)
        return None

    def get(self, change_id: str) -> Row | None:
        """Return the row."""
        return self.rows.get(change_id)

    def history(self, change_id: str, after_seq: int, limit: int) -> EntryRows:
        """Return one page of entries."""
        later = [line for line in self.entries.get(change_id, ()) if line.seq > after_seq]
        page = tuple(later[:limit])
        return EntryRows(entries=page, next_seq=page[-1].seq if len(later) > limit else None)

    def find(self, query: Query) -> list[Row]:
        """Return all matching rows in order, from the query's cursor on."""

        def place(cursor: Cursor) -> tuple[int, str]:
            value = cursor.value or 0
            return -value if query.order is Order.SUBMISSION else value, cursor.id

        def key(row: Row) -> tuple[int, str]:
            return place(cursor_at(row, query.order))

        after = None if query.after is None else place(query.after)
        matching = (row for row in self.rows.values() if meets(row, query))
        return sorted((row for row in matching if after is None or key(row) > after), key=key)


def meets(row: Row, query: Query) -> bool:
    """Return whether a row meets the conditions of a query and has a value in its order, wherever its page begins."""
    several = (
        *((query.ids, row.id), (query.states, row.state)),
        *((query.attention, row.attention), (query.ticket_sns, row.ticket_sn)),
    )
    single = ((query.workflow, row.workflow), (query.subject, row.subject), (query.open_subject, row.open_subject))
    times = ((query.due_before, row.due_at), (query.updated_before, row.updated_at))
    return (
        all(wanted is None or value in wanted for wanted, value in several)
        and all(wanted is None or value == wanted for wanted, value in single)
        and all(latest is None or (value is not None and value <= latest) for latest, value in times)
        and (query.order is not Order.DUE_AT or row.due_at is not None)
        and (query.order is not Order.SUBMISSION or row.submission is not None)
    )


def _orders(count: int) -> Iterable[tuple[int, ...]]:
    # All orders of many writes are too many to try; a backend takes them as given, or sorted.
    return permutations(range(count)) if count <= _FEW else [tuple(range(count)), tuple(reversed(range(count)))]


def _is_fitting(answer: Conflict | None, right: Conflict | None) -> bool:
    """Return whether an answer is right; a backend need not know who holds a value."""
    if answer is None or right is None:
        return answer is right
    return answer.kind is right.kind and answer.holder in {None, right.holder}


def _kinds(answers: Iterable[Conflict | None]) -> str:
    return f"[{', '.join(map(_kind, answers))}]"


def _kind(conflict: Conflict | None) -> str:
    if conflict is None:
        return "stored"
    return conflict.kind.value + (f" held by {conflict.holder!a}" if conflict.holder is not None else "")
