"""Find rows through indexes that may be damaged.

SQLite finds a row through an index, and an index has no checksum: one flipped bit can hide a row or move it to another
place. A row itself is protected by its digest. Two questions decide what is approved: which change holds a subject or a
ticket, and which submission of a subject is the newest. They are answered through two indexes, and an error is raised
if the two differ. A search over many rows reads one index, page by page. The next page starts after a row that agrees
with its index entry. If the index entries around a page do not agree with their rows, the page is read again without a
search in the index. So a damaged entry cannot end the search early, repeat pages without end, or hide another row.
"""

from __future__ import annotations

import logging
import sqlite3
from itertools import islice
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.errors import StorageCorrupt
from itsm_workflow.storage.checks import is_keepable
from itsm_workflow.storage.protocol import Cursor, Order, Query, Row, Rows, cursor_at, sort_key
from itsm_workflow_backends.sqlite import _queries as sql
from itsm_workflow_backends.sqlite._errors import is_undecodable

if TYPE_CHECKING:
    from collections.abc import Sequence

    Found = tuple[int, Row]

logger = logging.getLogger("itsm_workflow_backends.sqlite")

_COMPARED = ("id", "submission")
_FIRST = -(2**63)


def find(connection: sqlite3.Connection, query: Query) -> Rows:
    """Return one page of the rows that match.

    If the index entries of all rows of a page are damaged, the page is longer than its limit, up to an intact entry.

    Raises:
        StorageCorrupt: The query names a subject, and the two indexes give different results; or all changes are asked
            for, and none is found although the store has some.
    """
    # In one transaction, because a commit of another process between the statements would look like damage.
    connection.execute("BEGIN")
    page = _page(connection, query)
    is_of_all = query == Query(workflow=query.workflow, limit=query.limit)
    if not page.rows and is_of_all and is_keepable(query.workflow or ""):
        _check_empty(connection, query.workflow)
    connection.execute("COMMIT")
    return page


def _check_empty(connection: sqlite3.Connection, workflow: str | None) -> None:
    """Raise an error if no change was found and the store has some: a damaged page can look empty."""
    if not connection.execute(sql.SELECT_IS_EMPTY, (workflow,)).fetchone()[0]:
        raise StorageCorrupt(
            "cannot list the changes: the store has some, but its index or its table shows none, so it is damaged: run "
            "`itsm-workflow storage repair`"
        )


def other_holder(connection: sqlite3.Connection, column: str, value: str, change_id: str) -> str | None:
    """Return the id of another change that holds a value of ``open_subject`` or ``ticket_key``, or None.

    Raises:
        StorageCorrupt: The two indexes give different results.
    """
    one, other = (
        connection.execute(sql.SELECT_HOLDER[column, index], (value, change_id)).fetchone()
        for index in (f"changes_{column}", f"second_{column}")
    )
    if one != other:
        raise _disagreement(f"the change that has the {column} {value!r}", **{column: value})
    return None if one is None else str(one[1])


def read(connection: sqlite3.Connection, statement: str, values: Sequence[sql.Value]) -> list[Any]:
    """Return the rows that a statement selects.

    One row with bytes that are not UTF-8 makes the whole statement fail. Then the rows are read again with these bytes
    escaped, so that the other rows can be used; the digest of the damaged row is wrong when that row is decoded.
    """
    try:
        return connection.execute(statement, values).fetchall()
    except (sqlite3.OperationalError, UnicodeDecodeError) as error:
        if not is_undecodable(error):
            raise
    connection.text_factory = _escaped
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.text_factory = str


def _escaped(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _page(connection: sqlite3.Connection, query: Query) -> Rows:
    size, searched = query.limit, True
    while True:
        sized = query if size == query.limit else attrs.evolve(query, limit=size)
        found = _found(connection, sized, searched=searched)
        if searched and not _is_whole(connection, query, ended=len(found) <= size):
            logger.warning("the index of %s is damaged: run `itsm-workflow storage repair`", _index_of(query))
            searched = False
            continue
        page = [one for one in found[:size] if not _is_repeated(connection, one, query)]
        rows = tuple(row for _, row in page)
        if len(found) <= size:
            return Rows(rows=rows)
        for one in reversed(page):
            if _is_ahead(one[1], query) and _agrees(connection, one, query.order):
                return Rows(rows=rows, next=cursor_at(one[1], query.order))
        size *= 2


def _is_whole(connection: sqlite3.Connection, query: Query, *, ended: bool) -> bool:
    """Return whether the page is complete, without rows missing because of a damaged index entry.

    A search that a damaged entry misleads ends next to that entry, and a scan that ends too early ends at that entry.
    So the entry before the page and the entry after it must agree with their rows.
    """
    if query.order is Order.SUBMISSION or any(sql.indexes_of(query)):
        return True
    name, begin, edges = _index_of(query), query.after, list[Any]()
    before: tuple[str | int, ...] = () if begin is None else _place(begin)
    start: tuple[str | int, ...] = (_FIRST if begin is None or begin.value is None else begin.value, "")
    bounded = _bound(query) is not None
    if (listed := sql.listed_by(query)) is not None:
        # The entries of one value are searched for, with or without a cursor, and end where another value begins.
        before = start = (listed[1], "" if begin is None else begin.id)
        bounded = True
    connection.text_factory = _escaped
    try:
        if before:
            edges += connection.execute(sql.SELECT_BEFORE[name], before).fetchall()
        if bounded and ended:
            following = connection.execute(sql.SELECT_AFTER[name], start)
            edges += islice((entry for entry in following if _is_beyond(entry[1], query)), 1)
            following.close()
    finally:
        connection.text_factory = str
    return all(_entry_agrees(connection, name, *edge) for edge in edges)


def _index_of(query: Query) -> str:
    """Return the first column of the index by which the page of a query is read."""
    listed = sql.listed_by(query)
    return query.order if listed is None else listed[0]


def _bound(query: Query) -> int | None:
    return {Order.DUE_AT: query.due_before, Order.UPDATED_AT: query.updated_before}.get(query.order)


def _is_beyond(value: object, query: Query) -> bool:
    """Return whether an index entry with that value in its first column comes after all entries that can match."""
    listed, bound = sql.listed_by(query), _bound(query)
    if listed is not None:
        return value != listed[1]
    return not isinstance(value, int) or (bound is not None and value > bound)


def _found(connection: sqlite3.Connection, query: Query, *, searched: bool) -> list[Found]:
    """Return the rows of a page, and one more if it exists, each with its rowid."""
    first, second = sql.indexes_of(query)
    selected = sql.select_page(query, index=first, searched=searched)
    if selected is None:
        return []
    found = [(rowid, sql.to_row(values)) for rowid, *values in read(connection, *selected)]
    compared = sql.select_page(query, index=second, columns=_COMPARED) if second else None
    if compared is None:
        return found
    by_first = [(rowid, *(getattr(row, name) for name in _COMPARED)) for rowid, row in found]
    if by_first != read(connection, *compared):
        subject = query.subject if query.open_subject is None else query.open_subject
        raise _disagreement(f"the changes of subject {subject!r}", subject=subject)
    return found


def _disagreement(about: str, **facts: str | None) -> StorageCorrupt:
    return StorageCorrupt(
        f"cannot find {about}: the two indexes of the store give different results, so one of them is damaged: run "
        "`itsm-workflow storage repair`",
        **facts,
    )


def _is_ahead(row: Row, query: Query) -> bool:
    """Return whether the row, with the values of its index entry, comes after the query's cursor."""
    place = cursor_at(row, query.order)
    if query.after is None or [*map(type, _place(place))] != [*map(type, _place(query.after))]:
        return True  # damage can turn a text or a number into a value of any type
    return sort_key(place, query.order) > sort_key(query.after, query.order)


def _is_repeated(connection: sqlite3.Connection, found: Found, query: Query) -> bool:
    """Return whether a damaged index led back to a row that was read before; a damaged row never counts as such."""
    return not _is_ahead(found[1], query) and _agrees(connection, found, query.order)


def _agrees(connection: sqlite3.Connection, found: Found, order: Order) -> bool:
    """Return whether the id and the place of a row in its index agree with the row itself."""
    rowid, row = found
    return _entry_agrees(connection, order, rowid, *_place(cursor_at(row, order)))


def _entry_agrees(connection: sqlite3.Connection, name: str, rowid: int, *place: str | int) -> bool:
    *value, change_id = place
    if not is_keepable(str(change_id)):
        return False
    return bool(connection.execute(sql.SELECT_AGREES[name], (rowid, change_id, *value)).fetchone()[0])


def _place(cursor: Cursor) -> tuple[str | int, ...]:
    return (cursor.id,) if cursor.value is None else (cursor.value, cursor.id)
