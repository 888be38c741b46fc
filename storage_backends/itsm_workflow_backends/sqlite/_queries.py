"""The SQL statements of the port, and the conversion of rows and queries to their parameters."""

from __future__ import annotations

import functools
import json
from itertools import compress
from operator import attrgetter
from typing import TYPE_CHECKING, cast

import attrs

from itsm_workflow.storage.checks import is_keepable
from itsm_workflow.storage.protocol import Cursor, EntryRow, Order, Query, Row, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Value = str | int | None
    Values = Callable[[Row | EntryRow], tuple[Value, ...]]

_ROW_COLUMNS = tuple(field.name for field in attrs.fields(Row))
_ENTRY_COLUMNS = tuple(field.name for field in attrs.fields(EntryRow))


@functools.cache
def _listed(columns: tuple[str, ...]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


# The column names come from the two classes above, never from outside.
SELECT_ROW = f"SELECT {_listed(_ROW_COLUMNS)} FROM changes WHERE id = ?"  # noqa: S608
INSERT_ROW = f"INSERT INTO changes ({_listed(_ROW_COLUMNS)}) VALUES ({', '.join('?' * len(_ROW_COLUMNS))})"  # noqa: S608
_EXPECTED = "id = ? AND version = ? AND seq = ?"
# An UPDATE writes the index entries of all columns that it names, also of those that keep their values. So it names
# those of the following columns that differ from the stored ones, and of most writes none does.
_SELDOM = (
    "workflow",
    "state",
    "attention",
    "subject",
    "open_subject",
    "ticket_key",
    "ticket_sn",
    "submission",
    "created_at",
)
_OFTEN = tuple(column for column in _ROW_COLUMNS if column not in {"id", "form", *_SELDOM})
_row_values, _seldom_values, _often_values, _entry_values = (
    cast("Values", attrgetter(*columns)) for columns in (_ROW_COLUMNS, _SELDOM, _OFTEN, _ENTRY_COLUMNS)
)
SELECT_CHANGED = f"SELECT {', '.join(f'{column} IS NOT ?' for column in _SELDOM)} FROM changes WHERE {_EXPECTED}"  # noqa: S608
"""Shows which columns a write changes; it finds no row if the version or the number of entries is another one."""
CLAIM_ROW = f"UPDATE changes SET version = ?, due_at = ? WHERE {_EXPECTED}"  # noqa: S608
INSERT_ENTRY = f"INSERT INTO entries ({_listed(_ENTRY_COLUMNS)}) VALUES ({', '.join('?' * len(_ENTRY_COLUMNS))})"  # noqa: S608
SELECT_ENTRIES = f"SELECT {_listed(_ENTRY_COLUMNS)} FROM entries WHERE change_id = ? AND seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
# One statement, which sees one state: a change that is created meanwhile is in both tables or in neither.
SELECT_IS_LOST = """
    SELECT EXISTS (SELECT 1 FROM entries WHERE change_id = ?) AND NOT EXISTS (SELECT 1 FROM changes WHERE id = ?)
"""
_SORTED = {
    Order.ID: "id",
    Order.DUE_AT: "due_at, id",
    Order.UPDATED_AT: "updated_at, id",
    Order.SUBMISSION: "submission DESC, id",
}
# Of one workflow, the first rows of the table alone are looked at: it can have very many of other workflows.
SELECT_IS_EMPTY = """
    SELECT NOT EXISTS (
        SELECT 1 FROM (SELECT workflow FROM changes NOT INDEXED LIMIT 1000) WHERE ?1 IS NULL OR workflow = ?1
    ) AND (EXISTS (SELECT 1 FROM changes NOT INDEXED) OR NOT EXISTS (SELECT 1 FROM entries NOT INDEXED))
"""
SELECT_VERSION = "SELECT version, seq FROM changes WHERE id = ?"
SELECT_HOLDER = {
    (column, index): f"SELECT rowid, id FROM changes INDEXED BY {index} WHERE {column} = ? AND id <> ?"  # noqa: S608
    for column in ("open_subject", "ticket_key")
    for index in (f"changes_{column}", f"second_{column}")
}
"""By column and index: the statement that finds another change with a unique value."""
_IN_THE_ROW = "SELECT EXISTS (SELECT 1 FROM changes NOT INDEXED WHERE rowid = ? AND id = ?{})"
_LISTED = ("attention", "state")
SELECT_AGREES: dict[str, str] = {
    name: _IN_THE_ROW.format("" if name == Order.ID else f" AND {name} = ?") for name in (*Order, *_LISTED)
}
"""By the first column of an index: the statement that compares an index entry with its row."""
_PLACED: dict[str, tuple[str, str, str]] = {
    Order.ID: ("id", "?", ""),
    **{name: (f"{name}, id", "?, ?", "") for name in (Order.DUE_AT, Order.UPDATED_AT)},
    **{name: (f"{name}, id", "?, ?", f" INDEXED BY changes_{name}") for name in _LISTED},
}
SELECT_BEFORE = {
    name: f"SELECT rowid, {place} FROM changes{by} WHERE {name} IS NOT NULL AND ({place}) <= ({given}) "  # noqa: S608
    f"ORDER BY {place.replace(',', ' DESC,')} DESC LIMIT 1"
    for name, (place, given, by) in _PLACED.items()
}
"""By the first column of an index: the statement that reads the entry at a place, or the last one before it."""
SELECT_AFTER = {
    name: f"SELECT rowid, {place} FROM changes{by} WHERE {name} IS NOT NULL AND ({place}) > ({given}) ORDER BY {place}"  # noqa: S608
    for name, (place, given, by) in _PLACED.items()
}
"""By the first column of an index: the statement that reads the entries after a place, without further conditions."""


def insert_values(row: Row) -> tuple[Value, ...]:
    """Return the parameters of `INSERT_ROW`."""
    return _row_values(row)


def expected_values(write: Write) -> tuple[Value, ...]:
    """Return the parameters by which an update finds the row that the write follows."""
    return write.row.id, write.expected_version, write.row.seq - len(write.entries)


def changed_values(write: Write) -> tuple[Value, ...]:
    """Return the parameters of `SELECT_CHANGED`."""
    return (*_seldom_values(write.row), *expected_values(write))


@functools.cache
def update_row(changed: tuple[int, ...]) -> str:
    """Return the statement that updates a row; it fails if another change holds the subject or the ticket.

    Args:
        changed: The row that `SELECT_CHANGED` returned.
    """
    named = ", ".join(f"{column} = ?" for column in (*_OFTEN, *compress(_SELDOM, changed)))
    return f"UPDATE changes SET {named}, form = coalesce(?, form) WHERE {_EXPECTED}"  # noqa: S608


def update_values(write: Write, changed: tuple[int, ...]) -> tuple[Value, ...]:
    """Return the parameters of `update_row`."""
    row = write.row
    return (*_often_values(row), *compress(_seldom_values(row), changed), row.form, *expected_values(write))


def claim_values(write: Write) -> tuple[Value, ...]:
    """Return the parameters of `CLAIM_ROW`."""
    return (write.row.version, write.row.due_at, *expected_values(write))


def entry_values(entry: EntryRow) -> tuple[Value, ...]:
    """Return the parameters of `INSERT_ENTRY`."""
    return _entry_values(entry)


def to_row(values: Sequence[Value]) -> Row:
    """Return the row with these columns, as a statement returns them."""
    return Row(**dict(zip(_ROW_COLUMNS, values, strict=True)))  # type: ignore[arg-type]  # STRICT columns


def to_entry(values: Sequence[Value]) -> EntryRow:
    """Return the entry with these columns, as `SELECT_ENTRIES` returns them."""
    return EntryRow(**dict(zip(_ENTRY_COLUMNS, values, strict=True)))  # type: ignore[arg-type]  # STRICT columns


def indexes_of(query: Query) -> tuple[str, str]:
    """Return the two indexes for a query that names a subject, or empty strings if SQLite may choose the index."""
    for column, index in (("open_subject", "open_subject"), ("subject", "subject_submission")):
        if getattr(query, column) is not None:
            return f"changes_{index}", f"second_{index}"
    return "", ""


def listed_by(query: Query) -> tuple[str, str] | None:
    """Return the column and the value of which an index lists the rows in the query's order, or None.

    Rows of several values would have to be sorted, all of them for each page.
    """
    if query.order is not Order.ID or query.subject is not None or query.open_subject is not None:
        return None
    if query.ids is not None or query.ticket_sns is not None:
        return None
    for column, several in (("attention", query.attention), ("state", query.states)):
        if several is not None and len(several) == 1 and is_keepable(several[0]):
            return column, several[0]
    return None


def select_page(
    query: Query, *, index: str = "", columns: tuple[str, ...] = _ROW_COLUMNS, searched: bool = True
) -> tuple[str, list[Value]] | None:
    """Return the statement that reads one row more than the page, with its parameters, or None if no row can match.

    Args:
        query: The query.
        index: The index to use; by default SQLite chooses one.
        columns: The columns to read of each row, after its rowid.
        searched: Whether SQLite may search an index for the beginning and the end of the page. If not, it reads the
            index from end to end.
    """
    named = [text for text in (query.workflow, query.subject, query.open_subject) if text is not None]
    if not all(map(is_keepable, named)):
        return None
    terms: list[str] = []
    values: list[Value] = []
    plus = "" if searched else "+"  # a unary plus keeps SQLite from using an index for a term
    listed = listed_by(query) if searched else None
    if listed is not None:
        index = f"changes_{listed[0]}"
    _narrow(query, terms, values, plus, listed=None if listed is None else listed[0])
    if query.order in {Order.DUE_AT, Order.SUBMISSION}:
        terms.append(f"{query.order.value} IS NOT NULL")
    if query.after is not None:
        _continue_after(query.after, query.order, terms, values, plus)
    where = f" WHERE {' AND '.join(terms)}" if terms else ""
    by = f" INDEXED BY {index}" if index else ""
    selected = f"SELECT rowid, {_listed(columns)} FROM changes{by}"  # noqa: S608  # the names are constants
    return f"{selected}{where} ORDER BY {_SORTED[query.order]} LIMIT ?", [*values, query.limit + 1]


def count_page(query: Query, before: Sequence[int]) -> tuple[str, list[Value]] | None:
    """Return the statement that counts the rows of a page, and those whose last entry is not later than each time."""
    page = select_page(query, columns=("updated_at",))
    if page is None:
        return None
    inner, values = page
    sums = "".join(", coalesce(sum(updated_at <= ?), 0)" for _ in before)
    return f"SELECT count(*){sums} FROM ({inner})", [*before, *values[:-1], query.limit]  # noqa: S608 - as above


def _narrow(query: Query, terms: list[str], values: list[Value], plus: str, *, listed: str | None) -> None:
    for term, value in (
        ("workflow = ?", query.workflow),
        ("subject = ?", query.subject),
        ("open_subject = ?", query.open_subject),
        (f"{plus}due_at <= ?", query.due_before),
        (f"{plus}updated_at <= ?", query.updated_before),
    ):
        if value is not None:
            terms.append(term)
            values += [value]
    for column, several in (
        ("id", query.ids),
        ("state", query.states),
        ("attention", query.attention),
        ("ticket_sn", query.ticket_sns),
    ):
        if several is not None and column == listed:
            terms.append(f"{column} = ?")
            values += several
        elif several is not None:
            # By the index of a state or a reason, the rows of several of them would have to be sorted for each page.
            own = f"+{column}" if column in _LISTED else column
            # One parameter for any number of values. A text that cannot be stored is left out: it would end at its NUL.
            terms.append(f"{column} IS NOT NULL AND {own} IN (SELECT value FROM json_each(?))")  # noqa: S608
            values.append(json.dumps([text for text in several if is_keepable(text)]))


def _continue_after(cursor: Cursor, order: Order, terms: list[str], values: list[Value], plus: str) -> None:
    if order is Order.ID:
        terms.append(f"{plus}id > ?")
        values += [cursor.id]
    elif order is Order.SUBMISSION:
        # The second term implies the first, but only the first lets SQLite bound the search in the index.
        terms.append("submission <= ? AND (submission < ? OR id > ?)")
        values += [cursor.value, cursor.value, cursor.id]
    else:
        terms.append(f"({plus}{order.value}, {plus}id) > (?, ?)")
        values += [cursor.value, cursor.id]
