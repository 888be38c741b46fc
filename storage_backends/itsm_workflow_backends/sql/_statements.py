"""The SQL statements of the port, and the conversion of rows and queries to their parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    MetaData,
    Select,
    Table,
    Text,
    and_,
    any_,
    bindparam,
    case,
    cast,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from itsm_workflow.storage.checks import is_keepable
from itsm_workflow.storage.column_sizes import ROW_SIZES, is_findable
from itsm_workflow.storage.protocol import Cursor, EntryRow, Order, Query, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

NUMBERS = {"version", "seq", "submission", "due_at", "created_at", "updated_at", "at"}
"""The columns that are whole numbers; the others are texts."""
_ROW_COLUMNS = tuple(field.name for field in attrs.fields(Row))
_ENTRY_COLUMNS = tuple(field.name for field in attrs.fields(EntryRow))


class Statements:
    """The statements for the tables with one prefix.

    Attributes:
        changes: The table of changes.
        one: Reads a change by ``id``.
        entries: Reads ``limit`` entries of ``change_id`` after number ``after``.
        locked: Reads id, version and seq of the changes in ``ids``, and locks them in the order of their ids.
        rivals: Reads the change ``id``, and those that hold ``open_subject`` or ``ticket_key``.
        newest_rivals: The same. In MariaDB, it also reads what was committed after a repeatable read began.
        create: Inserts a change.
        move: Updates a change that has the version ``read_version`` and the seq ``read_seq``.
        claim: Moves version and due time of such a change.
        append: Inserts an entry.
    """

    def __init__(self, prefix: str, *, is_postgresql: bool) -> None:
        self._is_postgresql = is_postgresql
        tables = MetaData()
        self.changes = changes = _table(f"{prefix}changes", tables, _ROW_COLUMNS)
        entries = _table(f"{prefix}entries", tables, _ENTRY_COLUMNS)
        c = changes.c
        self.one = select(*c).where(c.id == bindparam("id"))
        self.entries = (
            select(*entries.c)
            .where(entries.c.change_id == bindparam("change_id"), entries.c.seq > bindparam("after"))
            .order_by(entries.c.seq)
            .limit(bindparam("limit", type_=BigInteger))
        )
        self.locked = (
            select(c.id, c.version, c.seq)
            .where(c.id.in_(bindparam("ids", expanding=True)))
            .order_by(c.id)
            .with_for_update()
        )
        self.rivals = select(c.id, c.version, c.seq, c.open_subject, c.ticket_key).where(
            or_(
                c.id == bindparam("id"),
                c.open_subject == bindparam("open_subject", type_=Text),
                c.ticket_key == bindparam("ticket_key", type_=Text),
            )
        )
        self.newest_rivals = self.rivals if is_postgresql else self.rivals.with_for_update()
        self.create = insert(changes)
        as_read = and_(
            c.id == bindparam("read_id"), c.version == bindparam("read_version"), c.seq == bindparam("read_seq")
        )
        # The other columns are set to the parameters of their names.
        self.move = update(changes).where(as_read).values(form=func.coalesce(bindparam("new_form", type_=Text), c.form))
        self.claim = update(changes).where(as_read)
        self.append = insert(entries)

    def page(self, query: Query) -> Select[Any] | None:
        """Return the statement that reads one row more than the page, or None if no row can match."""
        c = self.changes.c
        named = {name: getattr(query, name) for name in ("workflow", "subject", "open_subject")}
        if not all(value is None or _can_match(name, value) for name, value in named.items()):
            return None
        terms = [c[name] == value for name, value in named.items() if value is not None]
        for column, bound in (("due_at", query.due_before), ("updated_at", query.updated_before)):
            if bound is not None:
                terms.append(c[column] <= bound)
        for column, several in (
            ("id", query.ids),
            ("state", query.states),
            ("attention", query.attention),
            ("ticket_sn", query.ticket_sns),
        ):
            if several is not None:
                possible = [text for text in several if _can_match(column, text)]
                if not possible:
                    return None
                terms.append(self._one_of(c[column], possible))
        if query.order in {Order.DUE_AT, Order.SUBMISSION}:
            terms.append(c[query.order.value].is_not(None))
        if query.after is not None:
            terms.append(self._after(query.after, query.order))
        return select(*c).where(*terms).order_by(*self._sorted(query.order)).limit(query.limit + 1)

    def counted(self, query: Query, before: Sequence[int]) -> Select[Any] | None:
        """Return the statement that counts the rows of a page, and those whose last entry is not later than each time.

        It is None if no row can match.
        """
        page = self.page(query)
        if page is None:
            return None
        rows = page.with_only_columns(self.changes.c.updated_at).limit(query.limit).subquery()
        sums = [func.coalesce(func.sum(case((rows.c.updated_at <= at, 1), else_=0)), 0) for at in before]
        return select(func.count(), *sums).select_from(rows)

    def _one_of(self, column: Column[str], texts: list[str]) -> ColumnElement[bool]:
        if len(texts) == 1:  # PostgreSQL reads the index of an equal value in the order of the ids, and does not sort
            return column == texts[0]
        if self._is_postgresql:  # one parameter for any number of texts, of which a statement has at most 65,535
            return column == any_(cast(texts, ARRAY(Text)))
        return column.in_(texts)

    def _sorted(self, order: Order) -> tuple[ColumnElement[Any], ...]:
        c = self.changes.c
        if order is Order.ID:
            return (c.id,)
        if order is Order.SUBMISSION:
            return c.submission.desc(), c.id
        return c[order.value], c.id

    def _after(self, cursor: Cursor, order: Order) -> ColumnElement[bool]:
        c = self.changes.c
        if order is Order.ID:
            return c.id > cursor.id
        column = c[order.value]
        if order is Order.SUBMISSION:
            return and_(column <= cursor.value, or_(column < cursor.value, c.id > cursor.id))
        if self._is_postgresql:
            return tuple_(column, c.id) > tuple_(cursor.value, cursor.id)
        # MariaDB searches no index by a comparison of pairs; the first term lets it begin at the cursor.
        return and_(column >= cursor.value, or_(column > cursor.value, c.id > cursor.id))


def _table(name: str, tables: MetaData, columns: Sequence[str]) -> Table:
    return Table(name, tables, *(Column(each, BigInteger if each in NUMBERS else Text) for each in columns))


def _can_match(column: str, text: str) -> bool:
    return is_keepable(text) and (column not in ROW_SIZES or is_findable(column, text))


def row_values(row: Row) -> dict[str, Any]:
    """Return the parameters of `Statements.create`."""
    return {name: getattr(row, name) for name in _ROW_COLUMNS}


def entry_values(entry: EntryRow) -> dict[str, Any]:
    """Return the parameters of `Statements.append`."""
    return {name: getattr(entry, name) for name in _ENTRY_COLUMNS}


def to_row(values: Sequence[Any]) -> Row:
    """Return the row with these columns, as `Statements.one` reads them."""
    return Row(**dict(zip(_ROW_COLUMNS, values, strict=True)))


def to_entry(values: Sequence[Any]) -> EntryRow:
    """Return the entry with these columns, as `Statements.entries` reads them."""
    return EntryRow(**dict(zip(_ENTRY_COLUMNS, values, strict=True)))
