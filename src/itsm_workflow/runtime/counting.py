"""Counts of a workflow's open changes, by state, age and reason for attention, with a bound on the cost of each.

The number of changes that have ended has no bound, so they are not counted.
"""

from __future__ import annotations

import datetime as dt
from itertools import islice
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import AttentionReason, EffectStatus
from itsm_workflow.clock import EPOCH, from_micros, to_micros
from itsm_workflow.machine.self_approval import reasons_of
from itsm_workflow.readonly import ReadOnlyDict
from itsm_workflow.runtime.arguments import check_whole
from itsm_workflow.storage import paging
from itsm_workflow.storage.abilities import SupportsCounts
from itsm_workflow.storage.protocol import Cursor, Order, Query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.runtime.journal import Journal
    from itsm_workflow.storage.protocol import Row

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)

_PARKED = f'"{EffectStatus.PARKED}"'
"""Part of the document of a change with such an effect; a field of the form can have the same text."""

_WINDOWS = (DAY, dt.timedelta(days=30), dt.timedelta(days=365))

_READ = 1000
"""The largest number of rows that are read for one number: also the largest count in a store that cannot count."""


@attrs.frozen(kw_only=True)
class Count:
    """A number of changes.

    Attributes:
        number: The number, at most the limit.
        is_more: Whether there are more; then the counted ones were drafted first.
        hour_old: How many of the counted ones had no entry for at least an hour.
        day_old: How many of them had none for at least a day.
    """

    number: int
    is_more: bool = False
    hour_old: int = 0
    day_old: int = 0


@attrs.frozen(kw_only=True)
class Counts:
    """Counts of a workflow's store at one time.

    Attributes:
        at: The time.
        states: By state that is not final, its changes.
        attention: By reason that a change has, the changes that a person should look at. A change with two reasons
            counts for each.
        due: The changes that are due for a look now.
        earliest_due: The earliest due time; long ago if no process reconciles. None if nothing is due at any time.
        parked: The ids of the changes with a parked effect, whatever their attention: of those that a person should
            look at, and of those whose last entry is at most a year old. No index has them, so at most 1,000 changes of
            each kind are looked at; if more have moved in the year, those of the last 30 days, or of the last day.
    """

    at: dt.datetime
    states: Mapping[str, Count]
    attention: Mapping[str, Count]
    due: Count = Count(number=0)
    earliest_due: dt.datetime | None = None
    parked: tuple[str, ...] = ()


class Counted:
    """Counts changes; `Records` inherits it."""

    _journal: Journal

    def counts(self, *, limit: int = 10_000) -> Counts:
        """Return how many changes are in each state that is not final, and need a person for each reason.

        A store without the ability to count (`SupportsCounts`) is read, and counts at most 1,000.

        Args:
            limit: The largest number to count for each state and each reason.

        Raises:
            ValueError: The limit is below 1.
            StorageError: The store failed.
        """
        check_whole("counts(limit=...)", limit, least=1)
        journal = self._journal
        definition, now = journal.definition, journal.clock.now()
        open_states = [state.value for state in definition.states if state not in definition.final]
        of_reasons = {
            reason.value: _count(journal, Query(workflow=definition.name, attention=(reason.value,)), limit, now)
            for reason in AttentionReason
        }
        flagged = _holding(journal, _flagged(journal, of_reasons), f'"{AttentionReason.SELF_APPROVED}"', _PARKED)
        moved = _holding(journal, _moved_lately(journal, now), _PARKED)
        second = sum(AttentionReason.SELF_APPROVED in reasons_of(change)[1:] for change in flagged)
        first = of_reasons[AttentionReason.SELF_APPROVED]
        number = min(first.number + second, limit)
        is_more = first.is_more or first.number + second > limit
        of_reasons[AttentionReason.SELF_APPROVED] = attrs.evolve(first, number=number, is_more=is_more)
        return Counts(
            at=now,
            states=ReadOnlyDict(
                {
                    state: _count(journal, Query(workflow=definition.name, states=(state,)), limit, now)
                    for state in open_states
                }
            ),
            attention=ReadOnlyDict({reason: count for reason, count in of_reasons.items() if count.number}),
            due=_count(journal, Query(workflow=definition.name, due_before=to_micros(now)), limit, now),
            earliest_due=_earliest_due(journal),
            parked=tuple(sorted({change.id for change in (*flagged, *moved) if change.parked_effects})),
        )


def _count(journal: Journal, query: Query, limit: int, now: dt.datetime) -> Count:
    ages = [to_micros(now - age) for age in (HOUR, DAY)]
    storage = journal.storage
    if isinstance(storage, SupportsCounts):
        number, hour_old, day_old = storage.count(attrs.evolve(query, limit=limit + 1), ages)
    else:
        limit = min(limit, _READ)
        moved = [row.updated_at for row in _rows(journal, query, limit + 1)]
        number, hour_old, day_old = len(moved), *(sum(one <= age for one in moved) for age in ages)
    return Count(
        number=min(number, limit),
        is_more=number > limit,
        hour_old=min(hour_old, limit),
        day_old=min(day_old, limit),
    )


def _rows(journal: Journal, query: Query, limit: int) -> list[Row]:
    """Return at most a number of the rows that match by their columns."""
    return list(islice(paging.rows(journal.storage, attrs.evolve(query, limit=limit)), limit))


def _flagged(journal: Journal, of_reasons: Mapping[str, Count]) -> list[Row]:
    """Return rows with attention, as many of each reason: a store may have to sort those of several reasons."""
    reasons = [reason for reason, count in of_reasons.items() if count.number]
    queries = [Query(workflow=journal.definition.name, attention=(reason,)) for reason in reasons]
    return [row for query in queries for row in _rows(journal, query, _READ // len(reasons))]


def _moved_lately(journal: Journal, now: dt.datetime) -> list[Row]:
    """Return the rows with an entry in the last year; in a shorter time if there are more than are read."""
    found: list[Row] = []
    for window in _WINDOWS:  # the shortest first: a busy store needs no other, and each costs a read
        after = Cursor(value=to_micros(max(now - window, EPOCH)), id="")
        query = Query(workflow=journal.definition.name, order=Order.UPDATED_AT, after=after)
        longer = _rows(journal, query, _READ + 1)
        if len(longer) > _READ:
            return found or longer[:_READ]
        found = longer
    return found


def _holding(journal: Journal, rows: Sequence[Row], *words: str) -> Sequence[ChangeRequest]:
    """Return the changes of the rows whose text has one of the words, as far as they can be read."""
    page = journal.read_rows([row for row in rows if any(word in row.document for word in words)])
    return [stored.change for stored in page.changes]


def _earliest_due(journal: Journal) -> dt.datetime | None:
    query = Query(workflow=journal.definition.name, order=Order.DUE_AT, limit=1)
    first = next(journal.rows(query), None)
    return None if first is None or first.due_at is None else from_micros(first.due_at)
