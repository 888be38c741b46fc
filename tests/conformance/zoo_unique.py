"""Broken backends whose key is not the unique value alone, or that keep a key too long or not long enough."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.storage.protocol import Conflict, ConflictKind
from tests.conformance.caught import Caught
from tests.conformance.good import PlainDict

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.storage.protocol import Row, Write
    from tests.conformance.good import Changes

    Put = Callable[[Changes, Write], Conflict | None]


def _put_past(
    put: Put, changes: Changes, write: Write, column: str, is_hidden: Callable[[Row], bool]
) -> Conflict | None:
    """Write as `put` does if these other changes do not have the value of a column that the write has."""
    value = getattr(write.row, column)
    hidden: dict[str, Any] = {column: None}
    seen = {
        name: (attrs.evolve(row, **hidden), entries)
        if name != write.row.id and getattr(row, column) == value and is_hidden(row)
        else (row, entries)
        for name, (row, entries) in changes.items()
    }
    conflict = put(seen, write)
    if conflict is None:
        changes[write.row.id] = seen[write.row.id]
    return conflict


class JudgesTicketsPerWorkflow(PlainDict):
    """Has a unique index on the workflow and the ticket."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        def is_hidden(other: Row) -> bool:
            return other.workflow != write.row.workflow

        return _put_past(super()._put, changes, write, "ticket_key", is_hidden)


class JudgesSubjectsPerWorkflow(PlainDict):
    """Has a unique index on the workflow and the open subject."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        def is_hidden(other: Row) -> bool:
            return other.workflow != write.row.workflow

        return _put_past(super()._put, changes, write, "open_subject", is_hidden)


class JudgesTicketsOfTheUndecided(PlainDict):
    """Has a unique index on the tickets of the changes that are not approved."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        def is_hidden(other: Row) -> bool:
            return "approved" in {other.state, write.row.state}

        return _put_past(super()._put, changes, write, "ticket_key", is_hidden)


class JudgesTicketsPerSubject(PlainDict):
    """Lets the changes of one subject share a ticket, as if they were one."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        def is_hidden(other: Row) -> bool:
            return other.subject == write.row.subject

        return _put_past(super()._put, changes, write, "ticket_key", is_hidden)


class KeepsTheFormerTicket(PlainDict):
    """Releases a ticket if a change has none any more, and not if it has another one."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        former: dict[str | None, str] = vars(self).setdefault("former", {})
        old, _ = changes.get(write.row.id, (None, ()))
        conflict = super()._put(after := dict(changes), write)
        if conflict is None and former.get(write.row.ticket_key, write.row.id) != write.row.id:
            return Conflict(kind=ConflictKind.TICKET, change_id=write.row.id)
        if old and old.ticket_key and write.row.ticket_key not in {None, old.ticket_key}:
            former[old.ticket_key] = old.id
        changes.update(after)
        return conflict


class DropsEveryTicketItHad(PlainDict):
    """Removes all tickets that a change had before from its index with each write, also those that others have."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        had: dict[str, set[str | None]] = vars(self).setdefault("had", defaultdict(set))
        dropped: set[str | None] = vars(self).setdefault("dropped", set())
        row = write.row
        conflict = _put_past(super()._put, changes, write, "ticket_key", lambda _: row.ticket_key in dropped)
        if conflict is None and write.entries:
            had[row.id].add(row.ticket_key)
            dropped.update(had[row.id])
            dropped.discard(row.ticket_key)
        return conflict


ZOO = {
    JudgesTicketsPerWorkflow: Caught(
        "a ticket belongs to one change",
        "Gateway name and ticket id, or None. Unique.",
        "One approval is applied to a change of each of two workflows.",
    ),
    JudgesSubjectsPerWorkflow: Caught(
        "one open change per subject",
        "while the change holds its subject, else None. Unique.",
        "Two changes of one collector are open, since a workflow has another name now.",
    ),
    JudgesTicketsOfTheUndecided: Caught(
        "a ticket belongs to one change",
        "Gateway name and ticket id, or None. Unique.",
        "One approval is applied to one change after the other.",
    ),
    JudgesTicketsPerSubject: Caught(
        "a ticket belongs to one change",
        "Gateway name and ticket id, or None. Unique.",
        "The approval of a change is applied to the next change of its collector.",
    ),
    KeepsTheFormerTicket: Caught(
        "a ticket belongs to one change",
        "Gateway name and ticket id, or None. Unique.",
        "A ticket that an operator has taken from a wrong change cannot be given to the right one.",
    ),
    DropsEveryTicketItHad: Caught(
        "a ticket belongs to one change",
        "Gateway name and ticket id, or None. Unique.",
        "One approval is applied to two changes, after a ticket was moved to another change.",
    ),
}
"""By broken backend: the promise that catches it, words of the quoted sentence, and the harm to a user."""
