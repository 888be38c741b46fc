"""The calls of a race as operations on each change, each open subject and each ticket."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.storage.protocol import ConflictKind, EntryRow, EntryRows, Query, Row
from itsm_workflow.testing.conformance._linearizable import Meaning, Operation, Step
from itsm_workflow.testing.conformance._reports import Shown
from itsm_workflow.testing.conformance._wording import word
from itsm_workflow.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from itsm_workflow.storage.protocol import Conflict, Write
    from itsm_workflow.testing.conformance._linearizable import State
    from itsm_workflow.testing.conformance._recording import Call


Change = tuple[Row | None, tuple[EntryRow, ...]]
"""The row of a change and its entries."""

Holder = str | None
"""The id of the change that holds a unique value."""

NEW: Change = (None, ())
"""A change that does not exist."""

_KINDS = {"open_subject": ConflictKind.SUBJECT, "ticket_key": ConflictKind.TICKET}


@attrs.frozen
class _Answered:
    """One write of a commit and its answer; `known` is False if the outcome of the commit is not known."""

    call: Call
    write: Write
    conflict: Conflict | None
    known: bool

    def operation(self, step: Step[State]) -> Operation[State]:
        ended = self.call.ended if self.known else None
        lost = self.conflict is not None
        return Operation(self.call.began, ended, step, reads=lost, source=self.call, meaning=self._meaning)

    def _meaning(self) -> str:
        return f"answered {word(self.conflict) if self.conflict else 'stored'} for {word(self.write)}"


def operations_on_changes(calls: Sequence[Call]) -> dict[str, list[Operation[Change]]]:
    """Return the operations on each change, by its id.

    Raises:
        Shown: A commit has another number of answers than writes, or one that names another change.
    """
    found: dict[str, list[Operation[Change]]] = defaultdict(list)

    def add(change_id: str, call: Call, step: Step[Change], what: Meaning) -> None:
        found[change_id].append(Operation(call.began, call.ended, step, reads=True, source=call, meaning=what))

    for each in _writes(calls):
        found[each.write.row.id].append(each.operation(_written(each)))
    for call in _reads(calls):
        if call.name == "history":
            change_id, after, limit = call.arguments
            assert isinstance(call.outcome, EntryRows)
            add(change_id, call, _history(after, limit, call.outcome), partial(_read_history, call))
            continue
        for change_id, row in _rows_read(call):
            add(change_id, call, _got(row), partial(_read_row, call.name, change_id, row))
    return found


def _read_history(call: Call) -> str:
    change_id, after, limit = call.arguments
    return f"read {word(call.outcome)} in history({change_id!r}, {after}, {limit})"


def _read_row(by: str, change_id: str, row: Row | None) -> str:
    return f"read {word(row)} by {by}" if row else f"found no {change_id!r} by {by}"


def operations_on_holders(column: str, calls: Sequence[Call]) -> dict[str, list[Operation[Holder]]]:
    """Return the operations on each value of a unique column; the state is the id of the change that holds it.

    Args:
        column: ``open_subject`` or ``ticket_key``.
        calls: All calls.
    """
    found: dict[str, list[Operation[Holder]]] = defaultdict(list)
    wanted: dict[str, set[str]] = defaultdict(set)
    """Each change with the values that it may have held."""
    setting = [each for each in _writes(calls) if _sets_columns(each.write)]
    for each in setting:
        if (value := getattr(each.write.row, column)) is not None:
            wanted[each.write.row.id].add(value)
    for each in setting:
        for value in wanted.get(each.write.row.id, ()):
            step = _held(each, column, value)
            if step is not None:
                found[value].append(each.operation(step))
    values = set().union(*wanted.values())
    for call in _reads(calls):
        for value, step, what in _holders_read(call, column, wanted, values):
            found[value].append(Operation(call.began, call.ended, step, reads=True, source=call, meaning=what))
    return found


def _writes(calls: Sequence[Call]) -> Iterator[_Answered]:
    for call in calls:
        if call.name != "commit" or not call.arguments:
            continue
        known = call.ended is not None and isinstance(call.outcome, list)
        writes = call.arguments[0]
        answers = call.outcome if isinstance(call.outcome, list) and known else [None] * len(writes)
        if len(answers) != len(writes):
            raise Shown(
                f"{call.by}: commit of {counted(len(writes), 'write')} returned {counted(len(answers), 'answer')}",
                (str(call),),
            )
        for write, conflict in zip(writes, answers, strict=True):
            if conflict is not None and conflict.change_id != write.row.id:
                raise Shown(f"{call.by}: the answer for {write.row.id!r} is a {word(conflict)}", (str(call),))
            yield _Answered(call, write, conflict, known)


def _reads(calls: Sequence[Call]) -> Iterator[Call]:
    for call in calls:
        answered = call.ended is not None and not isinstance(call.outcome, BaseException)
        if answered and call.arguments and call.name in {"get", "find", "history"}:
            yield call


def _rows_read(call: Call) -> Iterator[tuple[str, Row | None]]:
    """Yield what a call of get or find says about each change."""
    if call.name == "get":
        yield call.arguments[0], call.outcome  # type: ignore[misc]  # checked where it was recorded
        return
    rows = {row.id: row for row in call.outcome.rows}  # type: ignore[attr-defined]  # the same
    yield from rows.items()
    query = call.arguments[0]
    if query == Query(ids=query.ids, limit=query.limit) and len(rows) < query.limit:
        yield from ((change_id, None) for change_id in query.ids or () if change_id not in rows)


def _sets_columns(write: Write) -> bool:
    return bool(write.entries) or write.expected_version == 0


def _written(each: _Answered) -> Step[Change]:
    write = each.write

    def step(state: Change) -> tuple[Change, ...]:
        row, entries = state
        fits = (row.version if row else 0) == write.expected_version
        if each.conflict is not None:
            return (state,) if fits != (each.conflict.kind is ConflictKind.VERSION) else ()
        if not fits:
            return ()
        if row is not None and not write.entries:
            return ((attrs.evolve(row, version=write.row.version, due_at=write.row.due_at), entries),)
        form = row.form if row is not None and write.row.form is None else write.row.form
        return ((attrs.evolve(write.row, form=form), entries + write.entries),)

    return step


def _got(row: Row | None) -> Step[Change]:
    return lambda state: (state,) if state[0] == row else ()


def _history(after: int, limit: int, page: EntryRows) -> Step[Change]:
    def step(state: Change) -> tuple[Change, ...]:
        entries = state[1][after : after + limit]
        following = entries[-1].seq if entries and after + limit < len(state[1]) else None
        return (state,) if page == EntryRows(entries=entries, next_seq=following) else ()

    return step


def _held(each: _Answered, column: str, value: str) -> Step[Holder] | None:
    """Return the step of a write that can hold the value, or None if its answer says nothing about the value."""
    change_id, takes = each.write.row.id, getattr(each.write.row, column) == value
    conflict = each.conflict
    if conflict is None:
        if takes:
            return lambda holder: (change_id,) if holder in {None, change_id} else ()
        return lambda holder: (None,) if holder == change_id else (holder,)
    if not takes or conflict.kind is ConflictKind.VERSION:
        return None
    if conflict.kind is _KINDS[column]:
        named = conflict.holder
        return lambda holder: (holder,) if holder not in {None, change_id} and named in {None, holder} else ()
    if column == "open_subject":  # the subject is checked before the ticket
        return lambda holder: (holder,) if holder in {None, change_id} else ()
    return None


def _holders_read(
    call: Call, column: str, wanted: Mapping[str, set[str]], values: set[str]
) -> Iterator[tuple[str, Step[Holder], Meaning]]:
    """Yield what a read says about each value."""
    if call.name == "history":
        return
    for change_id, row in _rows_read(call):
        for value in wanted.get(change_id, ()):
            if row is not None and getattr(row, column) == value:
                yield value, _is(change_id), partial("read that {!r} holds it".format, change_id)
            else:
                yield value, _is_not(change_id), partial("read that {!r} does not hold it".format, change_id)
    query = call.arguments[0]
    if column == "open_subject" and call.name == "find" and query.open_subject in values:
        rows = call.outcome.rows  # type: ignore[attr-defined]  # checked where it was recorded
        if query == Query(open_subject=query.open_subject):
            yield query.open_subject, _is(rows[0].id if rows else None), partial(_found, rows, query)


def _found(rows: Sequence[Row], query: Query) -> str:
    return f"found {word(rows)} by find({word(query)})"


def _is(change_id: str | None) -> Step[Holder]:
    return lambda holder: (holder,) if holder == change_id else ()


def _is_not(change_id: str) -> Step[Holder]:
    return lambda holder: (holder,) if holder != change_id else ()
