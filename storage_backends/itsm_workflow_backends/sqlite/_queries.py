"""The SQL of the port: rows to parameters, and a query to one statement."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.storage.checks import is_keepable
from itsm_workflow.storage.protocol import Cursor, EntryRow, Order, Query, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    Value = str | int | None

_ROW_COLUMNS = tuple(field.name for field in attrs.fields(Row))
_ENTRY_COLUMNS = tuple(field.name for field in attrs.fields(EntryRow))


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


# The names come from the two classes above, never from outside.
SELECT_ROW = f"SELECT {_listed(_ROW_COLUMNS)} FROM changes WHERE id = ?"  # noqa: S608
INSERT_ROW = f"INSERT INTO changes ({_listed(_ROW_COLUMNS)}) VALUES ({', '.join('?' * len(_ROW_COLUMNS))})"  # noqa: S608
UPDATE_ROW = (
    f"UPDATE changes SET {', '.join(f'{column} = ?' for column in _ROW_COLUMNS if column not in {'id', 'form'})}, "  # noqa: S608
    "form = coalesce(?, form) WHERE id = ?"
)
CLAIM_ROW = "UPDATE changes SET version = ?, due_at = ? WHERE id = ?"
INSERT_ENTRY = f"INSERT INTO entries ({_listed(_ENTRY_COLUMNS)}) VALUES ({', '.join('?' * len(_ENTRY_COLUMNS))})"  # noqa: S608
SELECT_ENTRIES = f"SELECT {_listed(_ENTRY_COLUMNS)} FROM entries WHERE change_id = ? AND seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
# One statement, so that it sees one state: a change that is created meanwhile is in both or in neither.
SELECT_IS_LOST = """
    SELECT EXISTS (SELECT 1 FROM entries WHERE change_id = ?) AND NOT EXISTS (SELECT 1 FROM changes WHERE id = ?)
"""
_SORTED = {
    Order.ID: "id",
    Order.DUE_AT: "due_at, id",
    Order.UPDATED_AT: "updated_at, id",
    Order.SUBMISSION: "submission DESC, id",
}
SELECT_VERSION = "SELECT version, seq FROM changes WHERE id = ?"
SELECT_HOLDER = {
    (column, index): f"SELECT rowid, id FROM changes INDEXED BY {index} WHERE {column} = ? AND id <> ?"  # noqa: S608
    for column in ("open_subject", "ticket_key")
    for index in (f"changes_{column}", f"second_{column}")
}
"""By column and index: which other change holds a value that is unique."""
_IN_THE_ROW = "SELECT EXISTS (SELECT 1 FROM changes NOT INDEXED WHERE rowid = ? AND id = ?{})"
SELECT_AGREES = {order: _IN_THE_ROW.format("" if order is Order.ID else f" AND {order.value} = ?") for order in Order}
"""By order: whether a row says of itself what an index says of it."""
_PLACED = {Order.ID: ("id", "?"), Order.DUE_AT: ("due_at, id", "?, ?"), Order.UPDATED_AT: ("updated_at, id", "?, ?")}
SELECT_BEFORE = {
    order: f"SELECT rowid, {place} FROM changes WHERE {place.split(',')[0]} IS NOT NULL AND ({place}) <= ({given}) "  # noqa: S608
    f"ORDER BY {place.replace(',', ' DESC,')} DESC LIMIT 1"
    for order, (place, given) in _PLACED.items()
}
"""By order: what the index has at a cursor, or else before it."""
SELECT_BEHIND = {
    order: f"SELECT rowid, {place} FROM changes WHERE {place.split(',')[0]} IS NOT NULL AND ({place}) > ({given}) "  # noqa: S608
    f"ORDER BY {place}"
    for order, (place, given) in _PLACED.items()
}
"""By order: what the index has behind a cursor, whatever else is asked."""


def insert_values(row: Row) -> tuple[Value, ...]:
    """Return what `INSERT_ROW` takes."""
    return tuple(getattr(row, column) for column in _ROW_COLUMNS)


def update_values(row: Row) -> tuple[Value, ...]:
    """Return what `UPDATE_ROW` takes."""
    values = tuple(getattr(row, column) for column in _ROW_COLUMNS if column not in {"id", "form"})
    return (*values, row.form, row.id)


def entry_values(entry: EntryRow) -> tuple[Value, ...]:
    """Return what `INSERT_ENTRY` takes."""
    return tuple(getattr(entry, column) for column in _ENTRY_COLUMNS)


def to_row(values: Sequence[Value]) -> Row:
    """Return the row whose columns a statement read."""
    return Row(**dict(zip(_ROW_COLUMNS, values, strict=True)))  # type: ignore[arg-type]  # STRICT columns


def to_entry(values: Sequence[Value]) -> EntryRow:
    """Return the entry that `SELECT_ENTRIES` read."""
    return EntryRow(**dict(zip(_ENTRY_COLUMNS, values, strict=True)))  # type: ignore[arg-type]  # STRICT columns


def indexes_of(query: Query) -> tuple[str, str]:
    """Return the two indexes by which a query is answered that names a subject; SQLite chooses one for any other."""
    for column, index in (("open_subject", "open_subject"), ("subject", "subject_submission")):
        if getattr(query, column) is not None:
            return f"changes_{index}", f"second_{index}"
    return "", ""


def select_page(
    query: Query, *, index: str = "", columns: Sequence[str] = _ROW_COLUMNS, searched: bool = True
) -> tuple[str, list[Value]] | None:
    """Return the statement and its parameters that read one row more than the page, or None if nothing can match.

    Args:
        query: What to find.
        index: The index by which to find it; by default SQLite chooses one.
        columns: What is read of each row, besides its rowid, which comes first.
        searched: Whether an index may be searched for where the page begins and ends, or is read from end to end.
    """
    if not all(text is None or is_keepable(text) for text in (query.workflow, query.subject, query.open_subject)):
        return None
    terms: list[str] = []
    values: list[Value] = []
    plus = "" if searched else "+"  # SQLite's way to keep a term from an index
    _narrow(query, terms, values, plus)
    if query.order in {Order.DUE_AT, Order.SUBMISSION}:
        terms.append(f"{query.order.value} IS NOT NULL")
    if query.after is not None:
        _continue_behind(query.after, query.order, terms, values, plus)
    where = f" WHERE {' AND '.join(terms)}" if terms else ""
    by = f" INDEXED BY {index}" if index else ""
    selected = f"SELECT rowid, {_listed(columns)} FROM changes{by}"  # noqa: S608  # names of our own
    return f"{selected}{where} ORDER BY {_SORTED[query.order]} LIMIT ?", [*values, query.limit + 1]


def _narrow(query: Query, terms: list[str], values: list[Value], plus: str) -> None:
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
        if several is not None:
            # One parameter however many there are. A text that cannot be stored is left out: it would end at its NUL.
            terms.append(f"{column} IS NOT NULL AND {column} IN (SELECT value FROM json_each(?))")  # noqa: S608
            values.append(json.dumps([text for text in several if is_keepable(text)]))


def _continue_behind(cursor: Cursor, order: Order, terms: list[str], values: list[Value], plus: str) -> None:
    if order is Order.ID:
        terms.append(f"{plus}id > ?")
        values += [cursor.id]
    elif order is Order.SUBMISSION:
        # The first term is implied by the second, but it is the one that bounds the search in the index.
        terms.append("submission <= ? AND (submission < ? OR id > ?)")
        values += [cursor.value, cursor.value, cursor.id]
    else:
        terms.append(f"({plus}{order.value}, {plus}id) > (?, ?)")
        values += [cursor.value, cursor.id]
