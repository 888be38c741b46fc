"""The queries of the port over Django's models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs
from django.db import connections
from django.db.models import Q

from itsm_workflow.storage.checks import is_keepable
from itsm_workflow.storage.column_sizes import ROW_SIZES, is_findable
from itsm_workflow.storage.protocol import Cursor, EntryRow, Order, Query, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet

ROW_COLUMNS = tuple(field.name for field in attrs.fields(Row))
ENTRY_COLUMNS = tuple(field.name for field in attrs.fields(EntryRow))
_LISTS = {"id": "ids", "state": "states", "attention": "attention", "ticket_sn": "ticket_sns"}
_MOST_PARAMETERS = 500
"""The longest list that is passed to SQLite as parameters, of which a statement has at most 32,766 or fewer."""


def page_of(changes: QuerySet, query: Query) -> QuerySet | None:
    """Return the rows of a page and one more, or None if no row can match.

    Args:
        changes: All changes of the database.
        query: The query.
    """
    named = {name: getattr(query, name) for name in ("workflow", "subject", "open_subject")}
    if not all(value is None or _can_match(name, value) for name, value in named.items()):
        return None
    found = changes.filter(**{name: value for name, value in named.items() if value is not None})
    for column, bound in (("due_at", query.due_before), ("updated_at", query.updated_before)):
        if bound is not None:
            found = found.filter(**{f"{column}__lte": bound})
    for column, name in _LISTS.items():
        several = getattr(query, name)
        if several is not None:
            possible = [text for text in several if _can_match(column, text)]
            if not possible:
                return None
            found = _one_of(found, column, possible)
    if query.order in {Order.DUE_AT, Order.SUBMISSION}:
        found = found.filter(**{f"{query.order.value}__isnull": False})
    if query.after is not None:
        found = found.filter(_after(query.after, query.order))
    return found.order_by(*_sorted(query.order)).values_list(*ROW_COLUMNS)[: query.limit + 1]


def to_row(values: Sequence[Any]) -> Row:
    """Return the row with the values of `ROW_COLUMNS`."""
    return Row(**dict(zip(ROW_COLUMNS, values, strict=True)))


def to_entry(values: Sequence[Any]) -> EntryRow:
    """Return the entry with the values of `ENTRY_COLUMNS`."""
    return EntryRow(**dict(zip(ENTRY_COLUMNS, values, strict=True)))


def _one_of(found: QuerySet, column: str, texts: list[str]) -> QuerySet:
    if len(texts) > _MOST_PARAMETERS and _is_sqlite(found):
        name = f'"{found.model._meta.db_table}"."{column}"'  # noqa: SLF001 - Django's documented attribute
        where = f"{name} IN (SELECT value FROM json_each(%s))"  # noqa: S608 - the names are those of the model
        return found.extra(where=[where], params=[json.dumps(texts, ensure_ascii=False)])  # noqa: S610 - as above
    return found.filter(**{f"{column}__in": texts})


def _is_sqlite(found: QuerySet) -> bool:
    return bool(connections[found.db].vendor == "sqlite")


def _sorted(order: Order) -> tuple[str, ...]:
    if order is Order.ID:
        return ("id",)
    return ("-submission", "id") if order is Order.SUBMISSION else (order.value, "id")


def _after(cursor: Cursor, order: Order) -> Q:
    """Return the condition of the rows after a cursor; its first term lets an index begin at the cursor."""
    if order is Order.ID:
        return Q(id__gt=cursor.id)
    column, value = order.value, cursor.value
    if order is Order.SUBMISSION:
        return Q(**{f"{column}__lte": value}) & (Q(**{f"{column}__lt": value}) | Q(id__gt=cursor.id))
    return Q(**{f"{column}__gte": value}) & (Q(**{f"{column}__gt": value}) | Q(id__gt=cursor.id))


def _can_match(column: str, text: str) -> bool:
    return is_keepable(text) and (column not in ROW_SIZES or is_findable(column, text))
