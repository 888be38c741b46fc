"""Choose the changes that an archive keeps: those that ended, and that have nothing left to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.change import EffectStatus
from itsm_workflow.clock import to_micros
from itsm_workflow.errors import StorageCorrupt
from itsm_workflow.storage.codec import Codec
from itsm_workflow.storage.copying import Selection
from itsm_workflow.storage.protocol import Query

if TYPE_CHECKING:
    import datetime as dt

    from itsm_workflow.storage.protocol import Row

_CODEC = Codec({})
_SETTLED = frozenset({EffectStatus.DELIVERED, EffectStatus.SUPERSEDED})


def ended_before(time: dt.datetime) -> Selection:
    """Return a selection of the changes whose last entry is not newer than a time, and that have nothing left to do.

    Such a change has ended and does not hold its subject, needs no attention, is not due, and has no effect that is
    still to be delivered.
    """
    return Selection(query=Query(updated_before=to_micros(time)), wanted=_is_done)


def _is_done(row: Row) -> bool:
    """Return whether nothing will move a change any more.

    Raises:
        StorageSchemaError: A newer version of this library wrote it, so only that version can say so.
    """
    if row.open_subject is not None or row.attention is not None or row.due_at is not None:
        return False
    try:
        change = _CODEC.read(row).change
    except StorageCorrupt:
        return True  # so that the check of the chosen changes reports it
    return change.ended_at is not None and all(effect.status in _SETTLED for effect in change.effects)
