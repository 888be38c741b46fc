"""Lies of `commit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage import checks
from itsm_workflow.storage.protocol import Conflict, ConflictKind
from tests.conformance.liars import (
    ENTRY_COLUMNS,
    ROW_COLUMNS,
    Lie,
    altered,
    answers_what_must_be_refused,
    raises,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.storage.protocol import Write
    from tests.conformance.liars import Truth


def _with(values: Sequence[Any], place: int, value: object) -> Any:  # noqa: ANN401  # a list or a tuple
    """Return the values with another one at a place."""
    changed = [*values[:place], value, *values[place + 1 :]]
    return changed if isinstance(values, list) else tuple(changed)


def answers_what_it_does_not_store(truth: Truth) -> Truth | None:
    """One write of a commit is answered as stored, and is not."""
    for _, write in reversed(truth.writes(won=True)):
        return truth.having(write.row.id, *truth.before.get(write.row.id, (None, ())))
    return None


def stores_what_it_answers_as_a_conflict(truth: Truth) -> Truth | None:
    """One write is stored, and is answered as a conflict."""
    for place, write in truth.writes(won=True):
        conflict = Conflict(kind=ConflictKind.VERSION, change_id=write.row.id)
        return truth.answered(_with(truth.answer, place, conflict))
    return None


def swallows_a_conflict(truth: Truth) -> Truth | None:
    """One conflict is answered as stored."""
    for place, _ in truth.writes(won=False):
        return truth.answered(_with(truth.answer, place, None))
    return None


def gives_another_reason(truth: Truth) -> Truth | None:
    """One conflict has another kind."""
    kinds = [*ConflictKind]
    for place, _ in truth.writes(won=False):
        conflict = truth.answer[place]
        kind = kinds[(kinds.index(conflict.kind) + 1) % len(kinds)]
        return truth.answered(_with(truth.answer, place, Conflict(kind=kind, change_id=conflict.change_id)))
    return None


def names_another_change(truth: Truth) -> Truth | None:
    """One conflict has the id of another change."""
    for place, _ in truth.writes(won=False):
        conflict = attrs.evolve(truth.answer[place], change_id=f"{truth.answer[place].change_id}'")
        return truth.answered(_with(truth.answer, place, conflict))
    return None


def names_another_holder(truth: Truth) -> Truth | None:
    """One conflict names a change that does not hold the value."""
    for place, write in truth.writes(won=False):
        if truth.answer[place].holder is not None:
            return truth.answered(_with(truth.answer, place, attrs.evolve(truth.answer[place], holder=write.row.id)))
    return None


def swaps_two_answers(truth: Truth) -> Truth | None:
    """The answers of two writes of one commit change places."""
    won, lost = truth.writes(won=True), truth.writes(won=False)
    if not won or not lost:
        return None
    answer = _with(truth.answer, won[0][0], truth.answer[lost[0][0]])
    return truth.answered(_with(answer, lost[0][0], None))


def leaves_out_an_answer(truth: Truth) -> Truth | None:
    """The last answer of a commit is missing."""
    return truth.answered(truth.answer[:-1]) if isinstance(truth.answer, list) and truth.answer else None


def stores_a_row_without_entries(truth: Truth) -> Truth | None:
    """The row of one write is stored, and its entries are not."""
    for _, write in truth.writes(won=True):
        row, entries = truth.after[write.row.id]
        if write.entries:
            return truth.having(row.id, row, entries[: -len(write.entries)])
    return None


def stores_entries_without_their_row(truth: Truth) -> Truth | None:
    """The entries of one write are stored, and its row stays as it was."""
    for _, write in truth.writes(won=True):
        if write.entries and write.row.id in truth.before:
            return truth.having(write.row.id, truth.before[write.row.id][0], truth.after[write.row.id][1])
    return None


def stores_a_lost_write(truth: Truth) -> Truth | None:
    """One write is answered as a conflict, and is stored."""
    for _, write in truth.writes(won=False):
        return _forced(truth, write)
    return None


def keeps_entries_of_a_lost_write(truth: Truth) -> Truth | None:
    """The entries of a write that lost are in the history."""
    for _, write in truth.writes(won=False):
        if write.entries and write.row.id in truth.after:
            row, entries = truth.after[write.row.id]
            return truth.having(row.id, row, (*entries, *write.entries))
    return None


def grants(truth: Truth, kind: ConflictKind) -> Truth | None:
    """One write that must lose is stored."""
    for place, write in truth.writes(won=False):
        if truth.answer[place].kind is kind and write.entries:
            return _forced(truth, write).answered(_with(truth.answer, place, None))
    return None


def grants_a_claim_twice(truth: Truth) -> Truth | None:
    """One claim of an older version is stored."""
    for place, write in truth.writes(won=False):
        if not write.entries and write.row.id in truth.after:
            return _forced(truth, write).answered(_with(truth.answer, place, None))
    return None


def _forced(truth: Truth, write: Write) -> Truth:
    old, entries = truth.after.get(write.row.id, (None, ()))
    row = write.row
    if old is not None and not write.entries:
        row = attrs.evolve(old, version=old.version + 1, due_at=row.due_at)
    elif old is not None:
        row = attrs.evolve(row, version=old.version + 1, form=row.form or old.form)
    return truth.having(row.id, row, (*entries, *write.entries))


def stores_another(truth: Truth, column: str) -> Truth | None:
    """One column of one row is stored with another value."""
    for _, write in truth.writes(won=True):
        row, entries = truth.after[write.row.id]
        return truth.having(row.id, attrs.evolve(row, **{column: altered(getattr(row, column))}), entries)
    return None


def keeps_the(truth: Truth, column: str) -> Truth | None:
    """One column of one row keeps the value that it had before."""
    for _, write in truth.writes(won=True):
        row, entries = truth.after[write.row.id]
        old = truth.before.get(row.id, (row,))[0]
        if getattr(old, column) != getattr(row, column):
            return truth.having(row.id, attrs.evolve(row, **{column: getattr(old, column)}), entries)
    return None


def stores_an_entry_with_another(truth: Truth, column: str) -> Truth | None:
    """One column of one entry is stored with another value."""
    for _, write in truth.writes(won=True):
        row, entries = truth.after[write.row.id]
        if write.entries:
            line = attrs.evolve(entries[-1], **{column: altered(getattr(entries[-1], column))})
            return truth.having(row.id, row, (*entries[:-1], line))
    return None


def moves_more_than_the_due_time(truth: Truth) -> Truth | None:
    """A claim stores the time of the claim as that of the last update."""
    for _, write in truth.writes(won=True):
        row, entries = truth.after[write.row.id]
        if not write.entries and row.id in truth.before:
            return truth.having(row.id, attrs.evolve(row, updated_at=row.updated_at + 1), entries)
    return None


def loses_another_change(truth: Truth) -> Truth | None:
    """A commit removes a change that it does not write to."""
    written = {write.row.id for _, write in truth.writes(won=True)}
    for name in truth.before if written else ():
        if name not in written:
            return truth.having(name, None)
    return None


def raises_after_it_has_stored(truth: Truth) -> Truth | None:
    """One commit is refused, although it was stored."""
    return truth.answered(ValueError("a write is not valid")) if truth.writes(won=True) else None


def stores_a_part_of_what_it_refuses(truth: Truth) -> Truth | None:
    """A batch is refused, and its first good write is stored."""
    writes = truth.arguments[0]
    if not isinstance(truth.answer, (ValueError, TypeError)) or not isinstance(writes, (list, tuple)):
        return None
    for write in writes:
        try:
            checks.check_writes([write])
        except (ValueError, TypeError):
            continue
        if write.expected_version == 0 and write.row.id not in truth.after:
            return truth.having(write.row.id, write.row, write.entries)
    return None


LIES = (
    Lie("commit", answers_what_it_does_not_store, "all of a batch is stored"),
    Lie("commit", stores_what_it_answers_as_a_conflict, "winners and losers of one commit"),
    Lie("commit", swallows_a_conflict, "a stale version loses"),
    Lie("commit", gives_another_reason, "a conflict reports the first reason"),
    Lie("commit", names_another_change, "the answer fits the writes"),
    Lie("commit", names_another_holder, "one open change per subject"),
    Lie("commit", swaps_two_answers, "winners and losers of one commit"),
    Lie("commit", leaves_out_an_answer, "the answer fits the writes"),
    Lie("commit", stores_a_row_without_entries, "entries are numbered without a gap"),
    Lie("commit", stores_entries_without_their_row, "the last commit is read"),
    Lie("commit", stores_a_lost_write, "a lost write leaves no trace"),
    Lie("commit", keeps_entries_of_a_lost_write, "a lost write leaves no trace"),
    Lie("commit", grants, "a stale version loses", ConflictKind.VERSION),
    Lie("commit", grants, "one open change per subject", ConflictKind.SUBJECT),
    Lie("commit", grants, "a ticket belongs to one change", ConflictKind.TICKET),
    Lie("commit", grants_a_claim_twice, "a stale version loses"),
    Lie("commit", moves_more_than_the_due_time, "a write without entries moves only the due time"),
    Lie("commit", loses_another_change, "no row is left out while others change"),
    Lie("commit", raises_after_it_has_stored, "a bad write stores nothing"),
    Lie("commit", stores_a_part_of_what_it_refuses, "a bad write stores nothing"),
    Lie("commit", answers_what_must_be_refused, "a commit rejects anything but writes", "commit"),
    *(Lie("commit", raises, "the answer fits the writes", error) for error in (StorageUnavailable, KeyError)),
    *(Lie("commit", stores_another, "every column is read back", column) for column in ROW_COLUMNS),
    *(Lie("commit", keeps_the, "the last commit is read", column) for column in ROW_COLUMNS),
    *(
        Lie("commit", stores_an_entry_with_another, "entries are numbered without a gap", column)
        for column in ENTRY_COLUMNS
    ),
)

VISIBLE_IN_A_RACE = frozenset(
    {
        answers_what_it_does_not_store,
        stores_what_it_answers_as_a_conflict,
        swallows_a_conflict,
        names_another_change,
        names_another_holder,
        swaps_two_answers,
        leaves_out_an_answer,
        stores_a_row_without_entries,
        stores_entries_without_their_row,
        stores_a_lost_write,
        keeps_entries_of_a_lost_write,
        grants,
        grants_a_claim_twice,
        loses_another_change,
    }
)
"""Those that a later write cannot cover: they change an answer, a version or a history."""
