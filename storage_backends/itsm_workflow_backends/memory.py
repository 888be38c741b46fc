"""The storage port in the memory of one process, for tests, trials and demonstrations."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar, Self

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.checks import check_history, check_id, check_query, check_writes
from itsm_workflow.storage.protocol import PROTOCOL_VERSION, Conflict, EntryRows, Query, Row, Rows, Write
from itsm_workflow.storage.table import Table
from itsm_workflow.storage.url import check_bare

if TYPE_CHECKING:
    from collections.abc import Sequence


class MemoryBackend:
    """A store that is empty when it is made and lost when it is closed. One lock makes every call atomic."""

    protocol_version: ClassVar[int] = PROTOCOL_VERSION
    abilities: ClassVar[frozenset[str]] = frozenset()

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._table: Table | None = Table()

    @classmethod
    def from_url(cls, url: str, /) -> Self:
        """Make a new, empty store; the URL must be ``memory://``."""
        check_bare(url)
        return cls()

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store the writes, see `StorageBackend.commit`."""
        check_writes(writes)
        with self._lock:
            table = self._open_table()
            before = {write.row.id: table.rows.get(write.row.id) for write in writes}
            try:
                return table.commit(writes)
            except BaseException:  # Ctrl-C can interrupt the commit, and a batch is stored as a whole or not at all
                self._table = table.as_before(before)
                raise

    def get(self, change_id: str, /) -> Row | None:
        """Return the row of that id, see `StorageBackend.get`."""
        check_id(change_id)
        with self._lock:
            return self._open_table().rows.get(change_id)

    def find(self, query: Query, /) -> Rows:
        """Return one page of rows, see `StorageBackend.find`."""
        check_query(query)
        with self._lock:
            return self._open_table().find(query)

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Return one page of history, see `StorageBackend.history`."""
        check_history(change_id, after_seq, limit)
        with self._lock:
            return self._open_table().history(change_id, after_seq, limit)

    def close(self) -> None:
        """Close the store, which loses its content; closing twice is fine."""
        with self._lock:
            self._table = None

    def _open_table(self) -> Table:
        if self._table is None:
            raise StorageUnavailable("this memory store was closed, and its content is lost: open a new one")
        return self._table
