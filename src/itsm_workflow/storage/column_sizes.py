"""The longest text of each column in the tables of a database.

The columns that are compared are in indexes, whose entries have a greatest size: 3,072 bytes in InnoDB, about 2,700 in
PostgreSQL. The limits are the same for all databases, so that every change of one can be copied to another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.storage.protocol import EntryRow, Row, Write

ROW_SIZES = {
    "id": 128,
    "workflow": 200,
    "state": 200,
    "attention": 200,
    "subject": 255,
    "open_subject": 600,
    "ticket_key": 600,
    "ticket_sn": 255,
}
"""By column of a change: the greatest number of characters."""

ENTRY_SIZES = {"change_id": 128, "trigger": 200, "source": 200, "dest": 200, "actor": 255}
"""By column of an entry: the greatest number of characters."""


def check_sizes(writes: Sequence[Write]) -> None:
    """Reject texts that are longer than their column.

    Raises:
        ValueError: As documented for `StorageBackend.commit`.
    """
    for write in writes:
        _check(write.row, ROW_SIZES, write.row.id)
        for entry in write.entries:
            _check(entry, ENTRY_SIZES, write.row.id)


def is_findable(column: str, text: str) -> bool:
    """Return whether a change can have that text in that column."""
    return len(text) <= ROW_SIZES[column]


def _check(value: Row | EntryRow, sizes: dict[str, int], change_id: str) -> None:
    for column, size in sizes.items():
        text = getattr(value, column)
        if text is not None and len(text) > size:
            raise ValueError(
                f"change {change_id!r}: {column} has {len(text):,} characters, but a database keeps at most {size}"
            )
