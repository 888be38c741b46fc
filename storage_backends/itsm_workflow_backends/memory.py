"""The storage port in the memory of one process, for tests, trials and demonstrations."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, ClassVar, Self

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.checks import check_history, check_id, check_query, check_writes
from itsm_workflow.storage.protocol import PROTOCOL_VERSION, Conflict, EntryRows, Query, Row, Rows, Write
from itsm_workflow.storage.table import Table
from itsm_workflow.storage.url import check_bare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_STORES: weakref.WeakSet[MemoryBackend] = weakref.WeakSet()


class MemoryBackend:
    """A store that is empty when it is made and lost when it is closed. One lock makes every call atomic.

    A forked child goes on with a store of its own, with what the parent had stored. A commit of another thread of the
    parent that the fork interrupted is not in it.
    """

    protocol_version: ClassVar[int] = PROTOCOL_VERSION
    abilities: ClassVar[frozenset[str]] = frozenset()

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._table: Table | None = Table()
        self._undo: Mapping[str, Row | None] = {}
        _STORES.add(self)

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
            self._undo = before = {write.row.id: table.rows.get(write.row.id) for write in writes}
            try:
                return table.commit(writes)
            except BaseException:  # Ctrl-C can interrupt the commit, and a batch is stored as a whole or not at all
                self._table = table.as_before(before)
                raise
            finally:
                self._undo = {}

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
        self._undo = {}  # Ctrl-C may have kept the last commit from this
        return self._table

    def _renew(self) -> None:
        """Go on in a forked child: the thread that held the lock is not there, and its commit does not go on."""
        if self._lock.locked() and self._undo and self._table is not None:
            self._table = self._table.as_before(self._undo)
        self._undo = {}
        self._lock = threading.Lock()


def _renew_all() -> None:
    for store in list(_STORES):
        store._renew()  # noqa: SLF001 - of this module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
