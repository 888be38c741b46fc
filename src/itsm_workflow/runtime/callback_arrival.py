"""Finds out from the store whether callbacks arrive: if they do, a pass looks at waiting changes less often."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from itsm_workflow.clock import to_micros
from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.settle import callbacks_arrive
from itsm_workflow.storage.protocol import Cursor, Order, Query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.runtime.journal import Journal
    from itsm_workflow.storage.protocol import Rows

SAMPLE = 100
"""The largest number of changes that are read as evidence."""

_MICROSECOND = dt.timedelta(microseconds=1)


def are_called_back(journal: Journal) -> bool:
    """Return whether callbacks arrive, by the changes that moved last; False if the policy has no use for it.

    Nothing is remembered between two passes. In a busy store only the last part of `Policy.rare_poll` is examined, at
    least twice `Policy.poll`, so that a missing callback is noticed soon.
    """
    policy = journal.policy
    if policy.rare_poll <= policy.poll:
        return False
    now, window = journal.clock.now(), policy.rare_poll
    page = _moved_since(journal, now, window)
    while page.next is not None and window > 2 * policy.poll:
        window = max(window / 2, 2 * policy.poll)
        page = _moved_since(journal, now, window)
    return callbacks_arrive(journal.definition, _readable(journal, page), now, policy)


def _moved_since(journal: Journal, now: dt.datetime, window: dt.timedelta) -> Rows:
    """Return the changes with a new entry in that time that are past the wait for a decision."""
    definition = journal.definition
    before = {definition.initial, *(state for roles in definition.rounds for state in (roles.asking, roles.waiting))}
    states = tuple(state.value for state in definition.states if state not in before)
    after = Cursor(value=to_micros(now) - window // _MICROSECOND, id="")
    return journal.storage.find(
        Query(workflow=definition.name, states=states, order=Order.UPDATED_AT, after=after, limit=SAMPLE)
    )


def _readable(journal: Journal, page: Rows) -> Iterator[ChangeRequest]:
    for row in page.rows:
        try:
            yield journal.read(row).change
        except StorageUnavailable:
            raise
        except Exception:  # noqa: BLE001, S112 - it shows nothing; a look at the change reports the error
            continue
