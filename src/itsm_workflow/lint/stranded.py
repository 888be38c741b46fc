"""The stored changes that a new version of their definition would strand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import StorageCorrupt, StorageSchemaError
from itsm_workflow.machine.due import next_due
from itsm_workflow.machine.evidence import Drafted
from itsm_workflow.policy import Policy
from itsm_workflow.storage import paging
from itsm_workflow.storage.codec import Codec
from itsm_workflow.storage.protocol import Query

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.storage.protocol import Row, StorageBackend


@attrs.frozen(kw_only=True)
class Stranded:
    """A stored change that cannot go on under the definition.

    Attributes:
        id: The change's id.
        subject: Its subject.
        state: Its stored state.
        reason: The reason why the change is stuck, in one sentence.
    """

    id: str
    subject: str
    state: str
    reason: str


def stranded(
    definition: WorkflowDefinition, storage: StorageBackend, now: dt.datetime, policy: Policy | None = None
) -> Iterator[Stranded]:
    """Yield the changes of the workflow that the definition would strand, ordered by id. Nothing is written."""
    codec = Codec({**definition.evidence_types, Drafted.__name__: Drafted})
    for row in paging.rows(storage, Query(workflow=definition.name)):
        reason = _reason(definition, codec, row, now, policy or Policy())
        if reason:
            yield Stranded(id=row.id, subject=row.subject, state=row.state, reason=reason)


def _reason(definition: WorkflowDefinition, codec: Codec, row: Row, now: dt.datetime, policy: Policy) -> str:
    if row.state not in {state.value for state in definition.states}:
        return f"the table has no state {row.state}"
    try:
        change = codec.read(row).change
    except (StorageCorrupt, StorageSchemaError) as unreadable:
        return str(unreadable)
    if change.definition_version > definition.version:
        written = change.definition_version
        return f"version {written} of the table wrote the change, but the definition is version {definition.version}"
    holds = definition.is_open(change)
    if holds and row.open_subject is None:
        return f"{row.state} was final or a draft when the change was stored, so the change does not hold its subject"
    if not holds and row.open_subject is not None:
        return f"{row.state} is final now, but the change still holds its subject, so no other change can be submitted"
    return _unwatched(definition, change, row, now, policy)


def _unwatched(
    definition: WorkflowDefinition, change: ChangeRequest, row: Row, now: dt.datetime, policy: Policy
) -> str:
    roles = definition.roles_in(row.state)
    if row.state in {roles.waiting, roles.undelivered} and change.ticket is None:
        return f"{row.state} waits for a ticket, but the change has none"
    if row.state == roles.asking and change.attempt is None:
        return f"{row.state} files a ticket, but the change was never submitted"
    if row.state in definition.final or row.due_at is not None:
        return ""
    if next_due(definition, change, now, policy, looked=False) is None:
        return ""
    return f"{row.state} falls due by the table, but the change was stored as never due: settle it once"
