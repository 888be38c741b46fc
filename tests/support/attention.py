"""The attention of a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from itsm_workflow.change import AttentionReason, ChangeRequest


def reason_of(change: ChangeRequest) -> AttentionReason | None:
    """Return why a person should look at the change, or None if no attention is raised."""
    return change.attention.reason if change.attention else None
