"""Make a damaged store usable again, when an operator asks for it: write what can be read to a new file, keep the old.

The new file is complete and durable under a temporary name before the old file is moved. While the temporary name
exists, no process opens the store. So an interrupted repair is finished by the next one, and never leaves the store in
an intermediate state.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.abilities import Repair
from itsm_workflow.storage.files import (
    check_exists,
    check_writable,
    keep_owner,
    look_at,
    new_file,
    sync_directory,
    unavailable,
)
from itsm_workflow_backends.sqlite import _queries as sql
from itsm_workflow_backends.sqlite._companions import empty_error, log_of
from itsm_workflow_backends.sqlite._errors import translated
from itsm_workflow_backends.sqlite._marking import check_log_is_own, is_without_log, log_size
from itsm_workflow_backends.sqlite._opening import check_finished, close_without_checkpoint, connect, repaired_name
from itsm_workflow_backends.sqlite._salvage import Salvaged, salvage
from itsm_workflow_backends.sqlite._schema import differences, migrate, stored_version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from itsm_workflow.storage.abilities import ContentCheck

_MOST_PROBLEMS = 20
_WAIT_SECONDS = 5.0


@attrs.define
class _Findings:
    problems: list[str] = attrs.field(factory=list)
    restored: dict[str, int] = attrs.field(factory=dict)
    dropped: list[str] = attrs.field(factory=list)

    def drop(self, change: Salvaged, why: str) -> None:
        about = ""
        if change.row is not None:
            ticket = f", its ticket is {change.row.ticket_sn}" if change.row.ticket_sn else ""
            about = f"; its subject is {change.row.subject!r}{ticket}"
        self.problems.append(f"change {change.id}: {why}{about}")
        self.dropped.append(change.id)


def repair(path: Path, *, timeout: float, check: ContentCheck | None) -> Repair:
    """Write what can be read to a new file; the implementation of `SQLiteBackend.repair`."""
    finished = repaired_name(path)
    if look_at(path) is None and os.path.lexists(finished):
        problem = "an earlier repair was interrupted after it had read the store; it has been finished now"
        return Repair(problems=(problem,), original=_put_in_place(path, finished))
    if look_at(path) is None:
        check_finished(path)  # an interrupted restore has already moved the store away
    check_exists(path)
    check_writable(path)
    with unavailable("remove", finished):
        finished.unlink(missing_ok=True)
    check_finished(path)
    check_log_is_own(path)
    with _exclusive_connection(path, timeout) as connection:
        found = _repair(connection, path, finished, check)
    return attrs.evolve(found, original=_put_in_place(path, finished)) if found.problems else found


def _repair(connection: sqlite3.Connection, path: Path, finished: Path, check: ContentCheck | None) -> Repair:
    version = stored_version(connection, path)
    if version == 0:
        raise empty_error(path)
    problems = list(problems_of_the_file(connection))
    without_log = is_without_log(connection, path)
    if without_log:
        problems.append("its write-ahead log is missing, with the commits in it")
    if not problems and all(change.damage is None and not change.is_outdated for change in salvage(connection, check)):
        return Repair()
    found = _Findings(problems)
    with new_file(finished) as new:
        _write(connection, new, found, check)
        keep_owner(new, path)
    return Repair(
        problems=tuple(found.problems), restored=found.restored, dropped=tuple(found.dropped), lost=int(without_log)
    )


@contextmanager
def _exclusive_connection(path: Path, timeout: float) -> Iterator[sqlite3.Connection]:
    """Yield a connection while no other process has the file open; closing it changes neither the file nor the log."""
    connection = connect(path, "rw", timeout=min(timeout, _WAIT_SECONDS))
    held = False
    with translated(path, "repair"):
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
            held = True
            yield connection
        except sqlite3.OperationalError as error:
            if held or getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            raise StorageUnavailable(
                f"cannot repair {path}: another process has it open; stop all processes that use it, then repair it",
                path=str(path),
            ) from error
        finally:
            if held and not log_size(log_of(path)):
                # SQLite has made the log for this connection; other processes would take it for one without content.
                log_of(path).unlink(missing_ok=True)
            close_without_checkpoint(connection)


def problems_of_the_file(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield the damage of the file: changed tables and indexes, and what SQLite's integrity check finds."""
    try:
        yield from differences(connection, int(connection.execute("PRAGMA user_version").fetchone()[0]))
        for (line,) in connection.execute(f"PRAGMA integrity_check({_MOST_PROBLEMS})"):
            if line != "ok":
                yield " ".join(str(line).split())
    except (sqlite3.Error, UnicodeDecodeError) as error:
        yield " ".join(str(error).split())


def _write(damaged: sqlite3.Connection, new: Path, found: _Findings, check: ContentCheck | None) -> None:
    with closing(sqlite3.connect(new, isolation_level=None)) as connection:
        migrate(connection, new)
        connection.execute("BEGIN")
        for change in salvage(damaged, check):
            if change.row is None or change.damage is not None:
                found.drop(change, change.damage or "its row is gone")
                continue
            row = change.row
            if change.is_outdated:
                found.problems.append(
                    f"change {change.id}: its history goes on after the last entry that its row names"
                )
                found.restored[change.id] = row.version
                row = attrs.evolve(row, due_at=None)
            try:
                connection.execute(sql.INSERT_ROW, sql.insert_values(row))
            except sqlite3.IntegrityError:
                found.drop(change, "another change holds its subject or its ticket")
                continue
            connection.executemany(sql.INSERT_ENTRY, map(sql.entry_values, change.entries))
        connection.execute("COMMIT")


def _put_in_place(path: Path, finished: Path) -> Path:
    """Move the damaged file and its log away and the new file to the path; return the new path of the damaged file."""
    names = (path.with_name(f"{path.name}.damaged-{number}") for number in count(1))
    with unavailable("replace", path):
        before = None
        for original in names:
            if look_at(original) is None:
                break
            before = original
        if look_at(path) is not None:
            path.rename(original)
        elif before is not None:  # an interrupted repair has moved the file there
            original = before
        log = path.with_name(f"{path.name}-wal")
        if log.exists():
            if log.stat().st_size:
                log.rename(original.with_name(f"{original.name}-wal"))
            else:
                log.unlink()
        with suppress(FileNotFoundError):
            path.with_name(f"{path.name}-shm").unlink()
        # The old log must be removed durably before the new file gets the name, because SQLite would apply it.
        sync_directory(path.parent)
        finished.rename(path)
        sync_directory(path.parent)
    return original
