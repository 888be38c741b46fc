"""Figures of a workflow's store for its operators, read through indexes and with a bound on the cost.

The number of changes that have ended has no bound, so they are not counted. Of the others, at most a limit of each
state and of each reason for attention is read.
"""

from __future__ import annotations

import datetime as dt
from itertools import islice
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import AttentionReason, Outcome
from itsm_workflow.clock import from_micros, to_micros
from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.readonly import ReadOnlyDict
from itsm_workflow.storage.protocol import Cursor, Order, Query

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.runtime.journal import Journal
    from itsm_workflow.storage.protocol import Row, Rows

SAMPLE = 100
"""The largest number of changes that are read to see whether callbacks arrive."""

WINDOW = dt.timedelta(days=1)
"""The part of the past in which callbacks are looked for; a busy store is examined from `SHORTEST` ago only."""

SHORTEST = dt.timedelta(minutes=10)

_PAGE = 500
_MICROSECOND = dt.timedelta(microseconds=1)


@attrs.frozen(kw_only=True)
class Figures:
    """Figures of a workflow's store at one time.

    Attributes:
        at: The time.
        states: By state that is not final, the number of changes.
        oldest: By state, the time of the last entry of the change that has rested in it for the longest time.
        attention: By reason, the number of changes that a person should look at. A change with two reasons counts for
            each.
        parked: The number of parked effects of changes with attention.
        contradictions: The number of facts that contradicted the state of a change with attention.
        earliest_due: The earliest due time; long ago if no process reconciles. None if nothing is due at any time.
        last_callback: The time of the last callback of the changes that moved during the last day, or None.
        called_back: The number of their tickets that ended and were called back.
        not_called_back: The number of their tickets that ended more than `Policy.poll` ago and were not called back, or
            that the gateway lists as not delivered.
        missed_in_a_row: The number of these that ended after the last callback. If it grows, no callbacks arrive.
        unreadable: The number of changes with attention, or that moved during the last day, that cannot be read.
        capped: The states and reasons of which there are more changes than the limit; their numbers are the limit.
    """

    at: dt.datetime
    states: Mapping[str, int]
    oldest: Mapping[str, dt.datetime]
    attention: Mapping[str, int]
    parked: int = 0
    contradictions: int = 0
    earliest_due: dt.datetime | None = None
    last_callback: dt.datetime | None = None
    called_back: int = 0
    not_called_back: int = 0
    missed_in_a_row: int = 0
    unreadable: int = 0
    capped: tuple[str, ...] = ()


def read_figures(journal: Journal, limit: int) -> Figures:
    """Read the figures of a journal's workflow.

    Args:
        journal: The changes.
        limit: The largest number of changes to count in each state, and for each reason.
    """
    now = journal.clock.now()
    reading = _Reading(journal, limit)
    states, oldest = reading.states()
    attention, flagged = reading.attention()
    moved = list(reading.readable(_moved_lately(journal, now).rows))
    parked = [effect for change in flagged for effect in change.parked_effects]
    ended = [(change, _was_called_back(journal, change, now)) for change in moved]
    missed = [change.ended_at or change.updated_at for change, called_back in ended if called_back is False]
    last = max((change.heard.at for change in moved if change.heard is not None), default=None)
    return Figures(
        at=now,
        states=ReadOnlyDict(states),
        oldest=ReadOnlyDict(oldest),
        attention=ReadOnlyDict(attention),
        parked=len(parked),
        contradictions=sum(len(change.contradictions) for change in flagged),
        earliest_due=reading.earliest_due(),
        last_callback=last,
        called_back=sum(called_back is True for _, called_back in ended),
        not_called_back=len(missed),
        missed_in_a_row=sum(last is None or at > last for at in missed),
        unreadable=len(reading.unreadable),
        capped=tuple(reading.capped),
    )


class _Reading:
    """Reads rows up to the limit, and collects what was left out.

    Attributes:
        capped: The states and reasons of which more rows match.
        unreadable: The ids of the changes that cannot be read.
    """

    def __init__(self, journal: Journal, limit: int) -> None:
        self._journal = journal
        self._limit = limit
        self.capped: list[str] = []
        self.unreadable: set[str] = set()

    def states(self) -> tuple[dict[str, int], dict[str, dt.datetime]]:
        """Return the number of changes, and the oldest last entry, of each state that is not final."""
        definition = self._journal.definition
        counts: dict[str, int] = {}
        oldest: dict[str, dt.datetime] = {}
        for state in definition.states:
            if state in definition.final:
                continue
            counts[state.value] = 0
            for row in self._rows(state.value, states=(state.value,)):
                counts[state.value] += 1
                moved = from_micros(row.updated_at)
                oldest[state.value] = min(moved, oldest.get(state.value, moved))
        return counts, oldest

    def attention(self) -> tuple[dict[str, int], list[ChangeRequest]]:
        """Return the number of changes for each reason, and those that can be read."""
        counts: dict[str, int] = {}
        changes: dict[str, ChangeRequest] = {}
        for reason in AttentionReason:
            counts[reason.value] = 0
            for row in self._rows(reason.value, attention=(reason.value,)):
                counts[reason.value] += 1
                changes |= {change.id: change for change in self.readable([row])}
        return counts, list(changes.values())

    def earliest_due(self) -> dt.datetime | None:
        """Return the earliest due time, or None."""
        query = Query(workflow=self._journal.definition.name, order=Order.DUE_AT, limit=1)
        first = next(self._journal.rows(query), None)
        return None if first is None or first.due_at is None else from_micros(first.due_at)

    def readable(self, rows: Iterable[Row]) -> Iterator[ChangeRequest]:
        """Yield the changes of the rows that can be read."""
        for row in rows:
            try:
                yield self._journal.read(row).change
            except StorageUnavailable:
                raise
            except Exception:  # noqa: BLE001 - a look at the change reports the error
                self.unreadable.add(row.id)

    def _rows(
        self, name: str, *, states: tuple[str, ...] | None = None, attention: tuple[str, ...] | None = None
    ) -> Iterator[Row]:
        workflow, size = self._journal.definition.name, min(_PAGE, self._limit + 1)
        rows = self._journal.rows(Query(workflow=workflow, states=states, attention=attention, limit=size))
        yield from islice(rows, self._limit)
        if next(rows, None) is not None:
            self.capped.append(name)


def _moved_lately(journal: Journal, now: dt.datetime) -> Rows:
    """Return the changes with an entry in the last day, or in the last part of it that has at most `SAMPLE`."""
    window = WINDOW
    page = _moved_since(journal, now - window)
    while page.next is not None and window > SHORTEST:
        window = max(window / 2, SHORTEST)
        page = _moved_since(journal, now - window)
    return page


def _moved_since(journal: Journal, since: dt.datetime) -> Rows:
    after = Cursor(value=to_micros(since), id="")
    query = Query(workflow=journal.definition.name, order=Order.UPDATED_AT, after=after, limit=SAMPLE)
    return journal.storage.find(query)


def _was_called_back(journal: Journal, change: ChangeRequest, now: dt.datetime) -> bool | None:
    """Return whether the ticket of a change was called back when it ended, or None if the change does not show it."""
    if change.state == journal.definition.roles_in(change.state).undelivered:
        return False
    ended = change.ended_at
    if ended is None or change.ticket is None or change.outcome is Outcome.ABANDONED or ended < now - WINDOW:
        return None
    if change.heard is not None:
        return True
    return False if ended <= now - journal.policy.poll else None
