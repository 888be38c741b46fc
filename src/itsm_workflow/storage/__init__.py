"""The storage of changes: the port that each backend implements, and the function that opens a store by its URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.exports import exports
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
    Schema,
    StorageBackend,
    Write,
    cursor_at,
    sort_key,
)
from itsm_workflow.storage.registry import open_storage
from itsm_workflow.storage.url import path_of

if TYPE_CHECKING:
    from itsm_workflow.storage.abilities import (
        Repair,
        Restored,
        SupportsBackup,
        SupportsCounts,
        SupportsMigration,
        SupportsRepair,
        SupportsRestore,
        TellsDamage,
    )
    from itsm_workflow.storage.files import sync_directory, unavailable
else:
    __getattr__, __dir__ = exports(
        __name__,
        {
            "abilities": "Repair Restored SupportsBackup SupportsCounts SupportsMigration SupportsRepair "
            "SupportsRestore TellsDamage",
            "files": "sync_directory unavailable",
        },
    )

__all__ = [
    "PROTOCOL_VERSION",
    "Conflict",
    "ConflictKind",
    "Cursor",
    "EntryRow",
    "EntryRows",
    "Order",
    "Query",
    "Repair",
    "Restored",
    "Row",
    "Rows",
    "Schema",
    "StorageBackend",
    "SupportsBackup",
    "SupportsCounts",
    "SupportsMigration",
    "SupportsRepair",
    "SupportsRestore",
    "TellsDamage",
    "Write",
    "cursor_at",
    "open_storage",
    "path_of",
    "sort_key",
    "sync_directory",
    "unavailable",
]
