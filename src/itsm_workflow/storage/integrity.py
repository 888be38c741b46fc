"""Check the integrity of a stored change: its row, its history, and the digests that bind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageCorrupt, StorageSchemaError
from itsm_workflow.storage.codec import START, Codec
from itsm_workflow.storage.documents import entry_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.storage.protocol import EntryRow, Row

# Without the definition's types, evidence is read as a plain mapping: only its digest is checked, not its content.
_CODEC = Codec({})


def row_problem(row: Row) -> str | None:
    """Return what is wrong with the row of a change, or None.

    A row that a newer version of this library wrote is not checked, since only that version can do so.
    """
    try:
        _CODEC.read(row)
    except StorageCorrupt as error:
        return str(error)
    except StorageSchemaError:
        return None
    return None


def content_problem(row: Row, entries: Sequence[EntryRow]) -> str | None:
    """Return what is wrong with a change and its whole history, or None; a `ContentCheck` for repairs.

    Raises:
        StorageSchemaError: A newer version of this library wrote it, so only that version can check it.
    """
    try:
        stored = _CODEC.read(row)
        _CODEC.entries(entries)
    except StorageCorrupt as error:
        return str(error)
    head = entry_digest(entries[-1]) if entries else START
    return None if stored.head == head else "its last entry does not have the digest that the change names"


def replay_problem(row: Row, entries: Sequence[EntryRow]) -> str | None:
    """Return where a history does not lead to the row, or None; digests are not checked.

    Entry by entry, the history must start where the entry before it ended, and it must end in the row's state, with its
    number and at its times.
    """
    state = ""
    for number, entry in enumerate(entries, start=1):
        if entry.seq != number:
            return f"entry {entry.seq} is in the place of entry {number}"
        if entry.source != state:
            return f"entry {number} starts in {entry.source!r}, but the entry before it ended in {state!r}"
        state = entry.dest
    if not entries or (len(entries), state) != (row.seq, row.state):
        end = f"entry {len(entries)} in {state!r}"
        return f"the row is at entry {row.seq} in {row.state!r}, but its history ends with {end}"
    if (entries[0].at, entries[-1].at) != (row.created_at, row.updated_at):
        return "the times of the row are not those of its first and its last entry"
    return None
