"""The facts that a page shows of one change, all of them of one time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest, Entry
    from itsm_workflow.runtime.status import Status


@attrs.frozen(kw_only=True)
class Overview:
    """The facts that a page shows of a change, as `Workflow.overview` read them.

    Attributes:
        change: The change.
        status: Its facts, as `Workflow.status` returns them.
        why: The sentence of `Workflow.why`.
        allowed: The operations of `Workflow.allowed`.
        history: Its entries, oldest first, up to the last one that the change names.
    """

    change: ChangeRequest
    status: Status
    why: str
    allowed: tuple[str, ...]
    history: tuple[Entry, ...]
