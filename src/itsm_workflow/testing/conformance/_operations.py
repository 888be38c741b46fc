"""The calls of a race as operations on each change, each open subject and each ticket."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.storage.protocol import ConflictKind, EntryRow, EntryRows, Query, Row
from itsm_workflow.testing.conformance._linearizable import Operation, Step
from itsm_workflow.testing.conformance._reports import Shown
from itsm_workflow.testing.conformance._wording import word
from itsm_workflow.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
        meaning = f"answered {word(self.conflict) if self.conflict else 'stored'} for {word(self.write)}"
        ended = self.call.ended if self.known else None
        lost = self.conflict is not None
        return Operation(self.call.began, ended, step, reads=lost, source=self.call, meaning=meaning)


def operations_on_changes(calls: Sequence[Call]) -> dict[str, list[Operation[Change]]]:
    """Return the operations on each change, by its id.

    Raises:
        Shown: A commit has another number of answers than writes, or one that names another change.
    """
    found: dict[str, list[Operation[Change]]] = defaultdict(list)

    def add(change_id: str, call: Call, step: Step[Change], what: str) -> None:
        found[change_id].append(Operation(call.began, call.ended, step, reads=True, source=call, meaning=what))

    for each in _writes(calls):
        found[each.write.row.id].append(each.operation(_written(each)))
    for call in _reads(calls):
        if call.name == "history":
            change_id, after, limit = call.arguments
            assert isinstance(call.outcome, EntryRows)
            what = f"read {word(call.outcome)} in history({change_id!r}, {after}, {limit})"
            add(change_id, call, _history(after, limit, call.outcome), what)
            continue
        for change_id, row in _rows_read(call):
            what = f"read {word(row)} by {call.name}" if row else f"found no {change_id!r} by {call.name}"
            add(change_id, call, _got(row), what)
    return found


def holders_of(column: str, calls: Sequence[Call]) -> dict[str, set[str]]:
    """Return each value of a unique column with the ids of the changes that may have held it."""
    found: dict[str, set[str]] = defaultdict(set)
    for each in _writes(calls):
        value = getattr(each.write.row, column)
        if value is not None and _sets_columns(each.write):
            found[value].add(each.write.row.id)
    return found


def operations_on_holders(column: str, value: str, ids: set[str], calls: Sequence[Call]) -> list[Operation[Holder]]:
    """Return the operations on one value of a unique column; the state is the id of the change that holds it.

    Args:
        column: ``open_subject`` or ``ticket_key``.
        value: The value.
        ids: The changes that may hold it, see `holders_of`.
        calls: All calls.
    """
    found = []
    for each in _writes(calls):
        step = _held(each, column, value) if each.write.row.id in ids and _sets_columns(each.write) else None
        if step is not None:
            found.append(each.operation(step))
    for call in _reads(calls):
        for step, what in _holders_read(call, column, value, ids):
            found.append(Operation(call.began, call.ended, step, reads=True, source=call, meaning=what))
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


def _holders_read(call: Call, column: str, value: str, ids: set[str]) -> Iterator[tuple[Step[Holder], str]]:
    if call.name == "history":
        return
    for change_id, row in _rows_read(call):
        if change_id not in ids:
            continue
        if row is not None and getattr(row, column) == value:
            yield _is(change_id), f"read that {change_id!r} holds it"
        else:
            yield _is_not(change_id), f"read that {change_id!r} does not hold it"
    query = call.arguments[0]
    if column == "open_subject" and call.name == "find" and query == Query(open_subject=value):
        rows = call.outcome.rows  # type: ignore[attr-defined]  # checked where it was recorded
        yield _is(rows[0].id if rows else None), f"found {word(rows)} by find({word(query)})"


def _is(change_id: str | None) -> Step[Holder]:
    return lambda holder: (holder,) if holder == change_id else ()


def _is_not(change_id: str) -> Step[Holder]:
    return lambda holder: (holder,) if holder != change_id else ()
