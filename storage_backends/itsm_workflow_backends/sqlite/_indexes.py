"""What indexes say, and how much of it is believed.

SQLite finds a row through an index, and an index has no checksum: one flipped bit in it hides a row, or puts it at
another place. A row itself is bound by its digest. So what decides, which is who holds a subject or a ticket and which
submission of a subject is the newest, is asked of two indexes, and nothing is decided where they differ. A walk over
many rows is read through one index. It goes on behind a row whose index says what the row itself says, and is not
believed where the entries around a page do not, so that a damaged entry neither ends a walk, nor sends it round in
circles, nor hides another row.
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

logger = logging.getLogger(__name__)

_COMPARED = ("id", "submission")
_FIRST = -(2**63)


def find(connection: sqlite3.Connection, query: Query) -> Rows:
    """Return one page of the rows that match.

    Where the index is damaged at all rows of a page, the page is longer than its limit: it reaches to a sound row.

    Raises:
        StorageCorrupt: The query names a subject, and its two indexes give different answers.
    """
    # In one transaction, or what another process commits in between would look like damage.
    connection.execute("BEGIN")
    page = _page(connection, query)
    connection.execute("COMMIT")
    return page


def other_holder(connection: sqlite3.Connection, column: str, value: str, change_id: str) -> str | None:
    """Return which other change holds a value of ``open_subject`` or ``ticket_key``.

    Raises:
        StorageCorrupt: Its two indexes give different answers.
    """
    one, other = (
        connection.execute(sql.SELECT_HOLDER[column, index], (value, change_id)).fetchone()
        for index in (f"changes_{column}", f"second_{column}")
    )
    if one != other:
        raise _differ(f"which change has the {column} {value!r}", **{column: value})
    return None if one is None else str(one[1])


def read(connection: sqlite3.Connection, statement: str, values: Sequence[sql.Value]) -> list[Any]:
    """Return the rows that a statement selects.

    Bytes that are not UTF-8 fail the whole statement. They are in one row, so the rows are read once more with these
    bytes escaped: whoever decodes the damaged row finds its digest wrong, and the other rows are read.
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
        found = _found(connection, attrs.evolve(query, limit=size), searched=searched)
        if searched and not _is_whole(connection, query, ended=len(found) <= size):
            logger.warning("the index of %s is damaged: run `itsm-workflow storage repair`", query.order)
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
    """Return whether no entry of the index led the page astray, so that rows are missing from it.

    A search that goes wrong by a damaged entry ends beside it, and a walk that ends too early ends at it. So the entry
    that the page begins behind, and the one that it ended before, must say what their rows say.
    """
    order, edges = query.order, []
    if order is Order.SUBMISSION or any(sql.indexes_of(query)):
        return True
    bound = {Order.DUE_AT: query.due_before, Order.UPDATED_AT: query.updated_before}.get(order)
    connection.text_factory = _escaped
    try:
        if query.after is not None:
            edges += connection.execute(sql.SELECT_BEFORE[order], _place(query.after)).fetchall()
        if bound is not None and ended:
            begin = _FIRST if query.after is None else query.after.value
            behind = connection.execute(sql.SELECT_BEHIND[order], (begin, ""))
            edges += islice((entry for entry in behind if not isinstance(entry[1], int) or entry[1] > bound), 1)
            behind.close()
    finally:
        connection.text_factory = str
    return all(_says(connection, order, *edge) for edge in edges)


def _found(connection: sqlite3.Connection, query: Query, *, searched: bool) -> list[Found]:
    """Return the rows of a page, and one more if there is one, each with its rowid."""
    first, second = sql.indexes_of(query)
    selected = sql.select_page(query, index=first, searched=searched)
    compared = sql.select_page(query, index=second, columns=_COMPARED)
    if selected is None or compared is None:
        return []
    if not second:
        return [(rowid, sql.to_row(values)) for rowid, *values in read(connection, *selected)]
    found = [(rowid, sql.to_row(values)) for rowid, *values in read(connection, *selected)]
    told = [(rowid, *(getattr(row, name) for name in _COMPARED)) for rowid, row in found]
    if told != read(connection, *compared):
        subject = query.subject if query.open_subject is None else query.open_subject
        raise _differ(f"the changes of subject {subject!r}", subject=subject)
    return found


def _differ(on: str, **facts: str | None) -> StorageCorrupt:
    return StorageCorrupt(
        f"two indexes of the store say different things on {on}, so one of them is damaged and nothing is decided by "
        "them: run `itsm-workflow storage repair`",
        **facts,
    )


def _is_ahead(row: Row, query: Query) -> bool:
    """Return whether the row belongs behind the query's cursor, by what its index says."""
    place = cursor_at(row, query.order)
    if query.after is None or [*map(type, _place(place))] != [*map(type, _place(query.after))]:
        return True  # damage can turn a text or a number into anything
    return sort_key(place, query.order) > sort_key(query.after, query.order)


def _is_repeated(connection: sqlite3.Connection, found: Found, query: Query) -> bool:
    """Return whether a damaged index led back to a row that was read before; a damaged row is never one."""
    return not _is_ahead(found[1], query) and _agrees(connection, found, query.order)


def _agrees(connection: sqlite3.Connection, found: Found, order: Order) -> bool:
    """Return whether the row itself says what its index says of its id and place."""
    rowid, row = found
    return _says(connection, order, rowid, *_place(cursor_at(row, order)))


def _says(connection: sqlite3.Connection, order: Order, rowid: int, *place: str | int) -> bool:
    *value, change_id = place
    if not is_keepable(str(change_id)):
        return False
    return bool(connection.execute(sql.SELECT_AGREES[order], (rowid, change_id, *value)).fetchone()[0])


def _place(cursor: Cursor) -> tuple[str | int, ...]:
    return (cursor.id,) if cursor.value is None else (cursor.value, cursor.id)
