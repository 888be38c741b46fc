"""Lies of `get`, `find` and `history`."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.protocol import EntryRow, EntryRows, Row, Rows, cursor_at
from tests.conformance.liars import (
    ENTRY_COLUMNS,
    ROW_COLUMNS,
    Lie,
    altered,
    answers_what_must_be_refused,
    raises,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.liars import Truth


def reads_the_row_of_before(truth: Truth) -> Truth | None:
    """One read returns the row as it was before the last commit."""
    if isinstance(truth.answer, Exception):
        return None
    return truth.answered(truth.past.get(truth.arguments[0], (None,))[0])


def does_not_see_a_change(truth: Truth) -> Truth | None:
    """One read returns None for a change that exists."""
    return truth.answered(None) if isinstance(truth.answer, Row) else None


def reads_the_row_of_another(truth: Truth) -> Truth | None:
    """One read returns the row of another change."""
    for name, (row, _) in truth.after.items() if isinstance(truth.answer, Row) else ():
        if name != truth.arguments[0]:
            return truth.answered(row)
    return None


def finds_another_spelling(truth: Truth) -> Truth | None:
    """One read of an id that does not exist returns the change whose id differs in case, blanks or accents."""
    if truth.answer is not None:
        return None
    looks = _alike(truth.arguments[0])
    return next((truth.answered(row) for name, (row, _) in truth.after.items() if _alike(name) == looks), None)


def _alike(name: str) -> str:
    return unicodedata.normalize("NFKD", name).casefold().rstrip(" \0")


def reads_another(truth: Truth, column: str) -> Truth | None:
    """One read returns another value of one column."""
    if not isinstance(truth.answer, Row):
        return None
    return truth.answered(attrs.evolve(truth.answer, **{column: altered(getattr(truth.answer, column))}))


# Lies of `find`.


def leaves_out_a_row(truth: Truth) -> Truth | None:
    """One page lacks the row in its middle."""
    middle = len(truth.answer.rows) // 2 if isinstance(truth.answer, Rows) else 0
    return _page(truth, lambda rows: rows[:middle] + rows[middle + 1 :])


def gives_a_row_twice(truth: Truth) -> Truth | None:
    """One page has its last row twice."""
    return _page(truth, lambda rows: rows + rows[-1:])


def swaps_two_rows(truth: Truth) -> Truth | None:
    """One page has its last two rows in the wrong order."""
    return _page(truth, lambda rows: rows[:-2] + rows[-2:][::-1])


def adds_a_row_that_does_not_match(truth: Truth) -> Truth | None:
    """One page has a row at its end that is not asked for."""
    if not isinstance(truth.answer, Rows) or truth.answer.next is not None:
        return None
    found = {row.id for row in truth.answer.rows}
    others = [row for name, (row, _) in truth.after.items() if name not in found]
    # A row of an earlier page is not asked for either.
    return _page(truth, lambda rows: (*rows, others[-1])) if others else None


def finds_the_row_of_before(truth: Truth) -> Truth | None:
    """One page has a row as it was before the last commit."""
    return _page(truth, lambda rows: tuple(truth.past.get(row.id, (row,))[0] for row in rows))


def finds_another(truth: Truth, column: str) -> Truth | None:
    """One page has another value of one column in its last row."""
    return _page(
        truth,
        lambda rows: (*rows[:-1], *(attrs.evolve(row, **{column: altered(getattr(row, column))}) for row in rows[-1:])),
    )


def _page(truth: Truth, change: Callable[[tuple[Row, ...]], tuple[Row, ...]]) -> Truth | None:
    if not isinstance(truth.answer, Rows):
        return None
    return truth.answered(attrs.evolve(truth.answer, rows=change(truth.answer.rows)))


def ends_early(truth: Truth) -> Truth | None:
    """One page says that it is the last, and is not."""
    return truth.answered(attrs.evolve(truth.answer, next=None)) if isinstance(truth.answer, Rows) else None


def ends_late(truth: Truth) -> Truth | None:
    """The last page says that there are more."""
    if not isinstance(truth.answer, Rows) or not truth.answer.rows or truth.answer.next is not None:
        return None
    cursor = cursor_at(truth.answer.rows[-1], truth.arguments[0].order)
    return truth.answered(attrs.evolve(truth.answer, next=cursor))


def goes_on_too_early(truth: Truth) -> Truth | None:
    """One page is followed by one that begins with its last row."""
    if not isinstance(truth.answer, Rows) or truth.answer.next is None or len(truth.answer.rows) == 1:
        return None
    cursor = cursor_at(truth.answer.rows[-2], truth.arguments[0].order)
    return truth.answered(attrs.evolve(truth.answer, next=cursor))


# Lies of `history`.


def misses_the_last_entry(truth: Truth) -> Truth | None:
    """One page of history lacks its last entry."""
    return _entries(truth, lambda entries: entries[:-1])


def misses_the_first_entry(truth: Truth) -> Truth | None:
    """One page of history lacks its first entry."""
    return _entries(truth, lambda entries: entries[1:])


def gives_an_entry_twice(truth: Truth) -> Truth | None:
    """One page of history has its first entry twice."""
    return _entries(truth, lambda entries: entries[:1] + entries)


def swaps_two_entries(truth: Truth) -> Truth | None:
    """One page of history has its last two entries in the wrong order."""
    return _entries(truth, lambda entries: entries[:-2] + entries[-2:][::-1])


def reads_an_entry_with_another(truth: Truth, column: str) -> Truth | None:
    """One page of history has another value of one column in its last entry."""
    return _entries(
        truth,
        lambda entries: (
            *entries[:-1],
            *(attrs.evolve(e, **{column: altered(getattr(e, column))}) for e in entries[-1:]),
        ),
    )


def reads_the_history_of_before(truth: Truth) -> Truth | None:
    """One page of history has no entry of the last commit."""
    old = truth.past.get(truth.arguments[0], (None, ()))[1] if isinstance(truth.answer, EntryRows) else ()
    return _entries(truth, lambda entries: tuple(line for line in entries if line in old))


def reads_the_history_of_another(truth: Truth) -> Truth | None:
    """One page of history has the entries of another change."""
    _, after, limit = truth.arguments
    for name, (_, entries) in truth.after.items() if isinstance(truth.answer, EntryRows) else ():
        if name != truth.arguments[0]:
            return _entries(truth, lambda _, other=entries: other[after : after + limit])  # type: ignore[misc]  # bound
    return None


def _entries(truth: Truth, change: Callable[[tuple[EntryRow, ...]], tuple[EntryRow, ...]]) -> Truth | None:
    if not isinstance(truth.answer, EntryRows):
        return None
    return truth.answered(attrs.evolve(truth.answer, entries=change(truth.answer.entries)))


def ends_the_history_early(truth: Truth) -> Truth | None:
    """One page of history says that it is the last, and is not."""
    return truth.answered(attrs.evolve(truth.answer, next_seq=None)) if isinstance(truth.answer, EntryRows) else None


def ends_the_history_late(truth: Truth) -> Truth | None:
    """The last page of a history says that there are more."""
    if not isinstance(truth.answer, EntryRows) or not truth.answer.entries or truth.answer.next_seq is not None:
        return None
    return truth.answered(attrs.evolve(truth.answer, next_seq=truth.answer.entries[-1].seq))


def skips_an_entry(truth: Truth) -> Truth | None:
    """One page of history is followed by one that begins an entry too late."""
    if not isinstance(truth.answer, EntryRows) or truth.answer.next_seq is None:
        return None
    return truth.answered(attrs.evolve(truth.answer, next_seq=truth.answer.next_seq + 1))


LIES = (
    Lie("get", reads_the_row_of_before, "the last commit is read"),
    Lie("get", does_not_see_a_change, "the last commit is read"),
    Lie("get", reads_the_row_of_another, "all of a batch is stored"),
    Lie("get", finds_another_spelling, "ids are case sensitive"),
    *(Lie("get", reads_another, "every column is read back", column) for column in ROW_COLUMNS),
    Lie("find", leaves_out_a_row, "the four orders"),
    Lie("find", gives_a_row_twice, "the four orders"),
    Lie("find", swaps_two_rows, "the four orders"),
    Lie("find", adds_a_row_that_does_not_match, "none means any and empty means none"),
    Lie("find", finds_the_row_of_before, "rows are whole"),
    Lie("find", ends_early, "pages end"),
    Lie("find", ends_late, "pages end"),
    Lie("find", goes_on_too_early, "pages end"),
    *(Lie("find", finds_another, "rows are whole", column) for column in ROW_COLUMNS),
    Lie("history", misses_the_last_entry, "a page of history"),
    Lie("history", misses_the_first_entry, "a page of history"),
    Lie("history", gives_an_entry_twice, "a page of history"),
    Lie("history", swaps_two_entries, "a page of history"),
    Lie("history", reads_the_history_of_before, "entries are numbered without a gap"),
    Lie("history", reads_the_history_of_another, "entries are numbered without a gap"),
    Lie("history", ends_the_history_early, "pages of history lead on"),
    Lie("history", ends_the_history_late, "pages of history lead on"),
    Lie("history", skips_an_entry, "pages of history lead on"),
    *(
        Lie("history", reads_an_entry_with_another, "entries are numbered without a gap", column)
        for column in ENTRY_COLUMNS
    ),
    Lie("get", answers_what_must_be_refused, "an id of another type is rejected", "get"),
    Lie("find", answers_what_must_be_refused, "an invalid query is rejected", "find"),
    Lie("history", answers_what_must_be_refused, "an invalid page is rejected", "history"),
    *(
        Lie(method, raises, promise, error)
        for method, promise in (
            ("get", "the last commit is read"),
            ("find", "the four orders"),
            ("history", "a page of history"),
        )
        for error in (StorageUnavailable, KeyError)
    ),
)
