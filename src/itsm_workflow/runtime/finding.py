"""The queries that a caller's filters make, and one page of the changes that match."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import AttentionReason
from itsm_workflow.clock import EPOCH, to_micros
from itsm_workflow.readonly import ReadOnlyDict
from itsm_workflow.runtime.arguments import (
    check_known,
    check_states,
    check_text,
    checked_age,
    checked_names,
)
from itsm_workflow.runtime.ids import ulid
from itsm_workflow.storage.protocol import Cursor, Order, Query

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition

_AT = "@"
"""Separates the time from the id in the token of a page that is ordered by the time of the last entry."""


@attrs.frozen(kw_only=True)
class FoundPage:
    """One page of the changes that `Workflow.find_page` found.

    Attributes:
        changes: The changes that could be read, in the order of the page.
        unreadable: By id, the error of each matching change that cannot be read.
        next: The token with which the following page begins; None if this was the last page.
    """

    changes: tuple[ChangeRequest, ...] = ()
    unreadable: Mapping[str, Exception] = ReadOnlyDict()
    next: str | None = None


def query_of(  # noqa: PLR0917 - the filters of a caller, all named
    method: str,
    definition: WorkflowDefinition,
    now: dt.datetime,
    states: Iterable[str] | None,
    attention: Iterable[str] | None,
    subject: str | None,
    sn: str | None,
    older_than: dt.timedelta | None,
) -> Query:
    """Return the query of a caller's filters, after checking them.

    Raises:
        TypeError: A filter has the wrong type.
        ValueError: A filter has a value that nothing can match.
    """
    for name, text in (("subject", subject), ("sn", sn)):
        if text is not None:
            check_text(f"{method}({name}=...)", text)
    before = None
    if older_than is not None:
        before = to_micros(now - checked_age(f"{method}(older_than=...)", older_than, now))
    in_states = None if states is None else checked_names(method, "states", states)
    reasons = None if attention is None else checked_names(method, "attention", attention)
    check_states(f"{method}(states=...)", in_states or (), definition)
    check_known(f"{method}(attention=...)", reasons or (), AttentionReason, "the reasons of attention")
    return Query(
        workflow=definition.name,
        states=in_states,
        attention=reasons,
        subject=None if subject is None else unicodedata.normalize("NFC", subject),
        ticket_sns=None if sn is None else (sn,),
        updated_before=before,
    )


def page_query(query: Query, now: dt.datetime, *, drafted_within: dt.timedelta | None, after: str | None) -> Query:
    """Return the query of a page: in the order that an index has, from the token of the page before.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: The token is not one that `Workflow.find_page` returned for these filters.
    """
    first = None
    if drafted_within is not None:
        since = now - checked_age("find_page(drafted_within=...)", drafted_within, now)
        first = Cursor(value=None, id=ulid(max(since, EPOCH), bytes))
    elif query.updated_before is not None and all(
        each is None for each in (query.states, query.attention, query.subject, query.ticket_sns)
    ):
        # In the order of ids, a store of a million changes could be read through for a few old ones.
        query = attrs.evolve(query, order=Order.UPDATED_AT)
    if after is None:
        return attrs.evolve(query, after=first)
    check_text("find_page(after=...)", after)
    value, separator, change_id = after.rpartition(_AT)
    is_by_time = query.order is Order.UPDATED_AT
    if is_by_time != bool(separator) or (is_by_time and not (value.isdecimal() and value.isascii())):
        raise ValueError("find_page(after=...) takes the `next` of the page before, found with the same filters")
    cursor = Cursor(value=int(value) if is_by_time else None, id=change_id)
    return attrs.evolve(query, after=max(cursor, first, key=lambda one: one.id) if first else cursor)


def token_of(cursor: Cursor) -> str:
    """Return the token of the page that continues after a cursor."""
    return cursor.id if cursor.value is None else f"{cursor.value}{_AT}{cursor.id}"
