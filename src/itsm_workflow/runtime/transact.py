"""Optimistic concurrency: read a change, prepare a write, commit it; repeat if another writer was first."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from itsm_workflow.errors import StorageConflict
from itsm_workflow.storage.protocol import ConflictKind

T = TypeVar("T")

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.runtime.journal import Journal, Prepared
    from itsm_workflow.storage.codec import Stored
    from itsm_workflow.storage.protocol import Row

TRIES = 16
"""The number of attempts before the conflict is raised: enough for as many concurrent writers."""


def transact(
    journal: Journal, change_id: str, build: Callable[[Stored], Prepared], *, read: Stored | None = None
) -> Stored:
    """Commit the write that ``build`` prepares; if another writer was first, read the change and build again.

    Args:
        journal: The changes.
        change_id: The change.
        build: A function that prepares the write from the change as read. An exception that it raises is passed on.
        read: The change, if the caller has read it already.

    Raises:
        ChangeNotFound: The workflow has no change with this id.
        AlreadyApplied: Another open change holds the subject.
        StorageConflict: Another change holds the ticket, or another writer was first in each attempt.
    """
    known = read

    def once() -> Stored:
        nonlocal known
        stored, known = known or journal.load(change_id), None
        return journal.commit_one(build(stored))

    return repeat_on_conflict(once)


def repeat_on_conflict(once: Callable[[], T]) -> T:
    """Call a function, and retry on a conflict, at most `TRIES` times in all; then raise the last conflict.

    A conflict over a ticket is raised immediately, since a retry does not resolve it.

    Args:
        once: A function that reads, prepares and commits.
    """
    for _ in range(TRIES - 1):
        try:
            return once()
        except StorageConflict as conflict:
            if conflict.kind == ConflictKind.TICKET:
                raise
    return once()


def ticket_taken(change: ChangeRequest, sn: str, holder: Row) -> StorageConflict:
    """Return the error for a change that cannot be bound to a ticket, since another change is; it names both subjects.

    Args:
        change: The change that is not bound.
        sn: The number of the ticket.
        holder: The row of the change that has the ticket.
    """
    words = (
        f"{sn} is the ticket of {holder.subject} (change {holder.id}); {change.subject} (change {change.id}) was not "
        "written"
    )
    return StorageConflict(change_id=change.id, kind=ConflictKind.TICKET, holder=holder.id, words=words)
