"""The newest submitted change of a subject, which decides whether the subject is approved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.storage.protocol import Order, Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.runtime.journal import Journal
    from itsm_workflow.storage.codec import Stored


def newest_of(journal: Journal, subject: str) -> Sequence[Stored]:
    """Return the subject's newest submitted change; several if the store does not show which is the newest.

    The change that holds the subject is the newest. Otherwise the highest submission number decides; times do not.

    Raises:
        StorageCorrupt: One of the changes cannot be read.
    """
    holders = Query(open_subject=journal.held(subject))
    numbered = Query(workflow=journal.definition.name, subject=subject, order=Order.SUBMISSION, limit=2)
    rows = list(journal.rows(holders))
    for row in [] if rows else journal.rows(numbered):
        if rows and row.submission != rows[0].submission:
            break
        rows.append(row)
    return [journal.read(row) for row in rows] or _without_number(journal, subject)


def _without_number(journal: Journal, subject: str) -> Sequence[Stored]:
    """Return the newest change by time, for a subject whose submissions are from before they were numbered."""
    found = journal.find(Query(workflow=journal.definition.name, subject=subject))
    times = [(stored.change.attempt.submitted_at, stored) for stored in found if stored.change.attempt is not None]
    latest = max((submitted_at for submitted_at, _ in times), default=None)
    return [stored for submitted_at, stored in times if submitted_at == latest]
