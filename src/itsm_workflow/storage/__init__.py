"""Where changes are kept: the port that a backend fulfils, and the door through which one is opened."""

from __future__ import annotations

from itsm_workflow.storage.protocol import (
    PROTOCOL_VERSION,
    Conflict,
    ConflictKind,
    Cursor,
    EntryRow,
    EntryRows,
    Order,
    Query,
    Row,
    Rows,
    StorageBackend,
    Write,
)
from itsm_workflow.storage.registry import open_storage

__all__ = [
    "PROTOCOL_VERSION",
    "Conflict",
    "ConflictKind",
    "Cursor",
    "EntryRow",
    "EntryRows",
    "Order",
    "Query",
    "Row",
    "Rows",
    "StorageBackend",
    "Write",
    "open_storage",
]
