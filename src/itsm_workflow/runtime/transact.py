"""Optimistic concurrency: read a change, prepare a write, commit it; repeat if another writer was first."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from itsm_workflow.errors import StorageConflict
from itsm_workflow.storage.protocol import ConflictKind

T = TypeVar("T")

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.runtime.journal import Journal, Prepared
    from itsm_workflow.storage.codec import Stored

TRIES = 16
"""How often a write is prepared before the conflict is raised: more than as many writers at the same moment need."""


def transact(
    journal: Journal, change_id: str, build: Callable[[Stored], Prepared], *, read: Stored | None = None
) -> Stored:
    """Commit what ``build`` prepares of a change; if another writer was first, read the change and build again.

    Args:
        journal: The changes.
        change_id: The change.
        build: Prepares the write of the change as it was read. What it raises ends the transaction.
        read: The change, if it was read already.

    Raises:
        ChangeNotFound: There is no such change.
        AlreadyApplied: Another open change holds its subject.
        StorageConflict: Another change holds its ticket, or other writers were first each time.
    """
    known = read

    def once() -> Stored:
        nonlocal known
        stored, known = known or journal.load(change_id), None
        return journal.commit_one(build(stored))

    return repeat_on_conflict(once)


def repeat_on_conflict(once: Callable[[], T]) -> T:
    """Call until no other writer is first, at most `TRIES` times; then raise the last conflict.

    A conflict over a ticket is raised immediately: no repetition resolves it.

    Args:
        once: Reads, prepares and commits.
    """
    for _ in range(TRIES - 1):
        try:
            return once()
        except StorageConflict as conflict:
            if conflict.kind == ConflictKind.TICKET:
                raise
    return once()
