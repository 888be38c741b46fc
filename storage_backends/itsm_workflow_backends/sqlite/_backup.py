"""Back up a store while other processes use it, with SQLite's backup API."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageCorrupt
from itsm_workflow.storage.files import check_exists, new_file
from itsm_workflow_backends.sqlite._connections import Connections
from itsm_workflow_backends.sqlite._errors import translated
from itsm_workflow_backends.sqlite._marking import check_log_is_own, complete_mark, is_backup, mark_as_backup
from itsm_workflow_backends.sqlite._opening import check_finished, connect
from itsm_workflow_backends.sqlite._schema import stored_version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def backup(path: Path, target: Path, *, timeout: float) -> None:
    """Copy the store to a new file; the implementation of `SQLiteBackend.backup`."""
    check_exists(path)
    with new_file(target) as new, _reading(path, timeout) as source:
        _copy(source, path, new, target)


@contextmanager
def _reading(path: Path, timeout: float) -> Iterator[sqlite3.Connection]:
    if is_backup(path):
        # Opening the backup as a store would turn it into one.
        check_finished(path)
        check_log_is_own(path)
        with closing(connect(path, "ro", timeout=timeout)) as source:
            stored_version(source, path)
            yield source
        return
    connections = Connections(path, timeout=timeout, as_it_is=True)
    try:
        with connections.reading() as source:
            yield source
    finally:
        connections.close()


def _copy(source: sqlite3.Connection, path: Path, new: Path, target: Path) -> None:
    with translated(path, f"copy to {target} the store"), closing(sqlite3.connect(new, isolation_level=None)) as copy:
        # In one step, so in one read transaction: other processes go on writing, and the copy does not change.
        source.backup(copy)
        # Without a log, which could be forgotten when the copy is moved.
        copy.execute("PRAGMA journal_mode = DELETE")
        complete_mark(copy)
        mark_as_backup(copy)
        (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise StorageCorrupt(
            f"cannot back up {path}: it is damaged ({' '.join(str(found).split())}). No file was made: run "
            "`itsm-workflow storage repair`, which keeps the original",
            path=str(path),
        )
