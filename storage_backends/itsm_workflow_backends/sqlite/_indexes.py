"""What indexes say, and how much of it is believed.

SQLite finds a row through an index, and an index has no checksum: one flipped bit in it hides a row, or puts it at
another place. A row itself is bound by its digest. So what decides, which is who holds a subject or a ticket and which
submission of a subject is the newest, is asked of two indexes, and nothing is decided where they differ. A walk over
many rows is read through one index: it goes on behind a row whose index says what the row itself says, so that a
damaged place ends no walk and sends none round in circles.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.errors import StorageCorrupt
from itsm_workflow.storage.checks import is_keepable
from itsm_workflow.storage.protocol import Order, Query, Row, Rows, cursor_at, sort_key
from itsm_workflow_backends.sqlite import _queries as sql
from itsm_workflow_backends.sqlite._errors import is_undecodable

if TYPE_CHECKING:
    from collections.abc import Sequence

    Found = tuple[int, Row]

_COMPARED = ("id", "submission")


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
    size = query.limit
    while True:
        found = _found(connection, attrs.evolve(query, limit=size))
        page = [one for one in found[:size] if not _is_repeated(connection, one, query)]
        rows = tuple(row for _, row in page)
        if len(found) <= size:
            return Rows(rows=rows)
        for one in reversed(page):
            if _is_ahead(one[1], query) and _agrees(connection, one, query.order):
                return Rows(rows=rows, next=cursor_at(one[1], query.order))
        size *= 2


def _found(connection: sqlite3.Connection, query: Query) -> list[Found]:
    """Return the rows of a page, and one more if there is one, each with its rowid."""
    first, second = sql.indexes_of(query)
    selected = sql.select_page(query, index=first)
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
    return query.after is None or sort_key(cursor_at(row, query.order), query.order) > sort_key(
        query.after, query.order
    )


def _is_repeated(connection: sqlite3.Connection, found: Found, query: Query) -> bool:
    """Return whether a damaged index led back to a row that was read before; a damaged row is never one."""
    return not _is_ahead(found[1], query) and _agrees(connection, found, query.order)


def _agrees(connection: sqlite3.Connection, found: Found, order: Order) -> bool:
    """Return whether the row itself says what its index says of its id and place."""
    rowid, row = found
    if not is_keepable(row.id):
        return False
    place = () if order is Order.ID else (getattr(row, order.value),)
    return bool(connection.execute(sql.SELECT_AGREES[order], (rowid, row.id, *place)).fetchone()[0])
