"""The storage of changes: the port that each backend implements, and the function that opens a store by its URL."""

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
