"""The author of a storage backend: a skeleton that implements the port without inheriting from it, and its tests."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from itsm_workflow import Workflow, open_storage
from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage import (
    PROTOCOL_VERSION,
    Conflict,
    ConflictKind,
    EntryRow,
    EntryRows,
    Order,
    Query,
    Row,
    Rows,
    StorageBackend,
    SupportsBackup,
    Write,
    checks,
    cursor_at,
    path_of,
    sort_key,
    unavailable,
)
from itsm_workflow.testing import StorageConformance, check_storage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.gateway import TicketGateway


class Drawer:
    """A skeleton of a backend."""

    protocol_version = PROTOCOL_VERSION
    abilities = frozenset({"durable"})

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, Row] = {}
        self._entries: dict[str, list[EntryRow]] = {}

    @classmethod
    def from_url(cls, url: str, /) -> Drawer:
        """Open the drawer of a URL."""
        return cls(path_of(url))

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store what has the expected version."""
        checks.check_writes(writes)
        answers: list[Conflict | None] = []
        for write in writes:
            old = self._rows.get(write.row.id)
            if write.expected_version == (old.version if old else 0):
                self._rows[write.row.id] = write.row
                self._entries.setdefault(write.row.id, []).extend(write.entries)
                answers.append(None)
            else:
                answers.append(Conflict(kind=ConflictKind.VERSION, change_id=write.row.id))
        return answers

    def get(self, change_id: str, /) -> Row | None:
        """Return a row."""
        return self._rows.get(change_id)

    def find(self, query: Query, /) -> Rows:
        """Return all rows as one page."""
        places = {sort_key(cursor_at(row, query.order), query.order): row for row in self._rows.values()}
        return Rows(rows=tuple(places[at] for at in sorted(places)), next=None)

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Return a page of entries."""
        with unavailable("read", self._path):
            entries = self._entries.get(change_id, [])[after_seq : after_seq + limit]
        if not self._path.exists():
            raise StorageUnavailable(f"the drawer {self._path} is gone")
        return EntryRows(entries=tuple(entries), next_seq=None)

    def close(self) -> None:
        """Close it."""


class TestDrawer(StorageConformance):
    """The tests of the port, run on the skeleton."""

    __test__ = False  # the skeleton keeps few of the port's promises
    abilities = Drawer.abilities

    @pytest.fixture
    def open_backend(self, tmp_path: Path) -> Callable[[], StorageBackend]:
        """Return a function that opens the same store again."""
        return partial(Drawer, tmp_path / "drawer")


def use(gateway: TicketGateway) -> Workflow:
    """Pass the backend where the port is expected."""
    check_storage(lambda: partial(Drawer, Path("drawer")), abilities=Drawer.abilities)
    backend: StorageBackend = open_storage("memory://")
    if isinstance(backend, SupportsBackup):
        backend.backup("drawer:///changes", "copy")
    backend.find(Query(states=("pending",), order=Order.UPDATED_AT))
    Workflow(storage=Path("itsm.db"), gateway=gateway)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # not a backend
    return Workflow(storage=Drawer(Path("drawer")), gateway=gateway)
