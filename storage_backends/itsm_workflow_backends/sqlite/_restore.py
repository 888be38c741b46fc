"""Restore a backup: a copy of the backup replaces the store, which is kept under another name with its log.

The log of the store must be moved away before the copy gets the name of the store, because SQLite would apply the log
to the copy. So the copy is first completed, checked and made durable under a temporary name. While that name exists, no
process opens the store; an interrupted restore must be run again.
"""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import closing, contextmanager
from itertools import count
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
from itsm_workflow.storage.abilities import Restored
from itsm_workflow.storage.files import (
    SAFE_FLAGS,
    check_backup,
    check_writable,
    keep_owner,
    look_at,
    new_file,
    sync_directory,
    unavailable,
)
from itsm_workflow_backends.sqlite._connections import is_open_here
from itsm_workflow_backends.sqlite._errors import translated
from itsm_workflow_backends.sqlite._marking import is_marked
from itsm_workflow_backends.sqlite._opening import connect, repaired_name, restored_name
from itsm_workflow_backends.sqlite._repair import problems_of_the_file
from itsm_workflow_backends.sqlite._salvage import salvage
from itsm_workflow_backends.sqlite._schema import stored_version

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from itsm_workflow.storage.abilities import ContentCheck

_ENDS = ("", "-wal", "-shm", "-journal")

# The byte range that SQLite locks: each process that has a store open holds a lock somewhere in it.
_LOCKS_AT, _LOCKS = 0x40000000, 512


def restore(path: Path, source: Path, *, check: ContentCheck | None) -> Restored:
    """Put a copy of the backup at the path; the implementation of `SQLiteBackend.restore`."""
    _check_source(path, source)
    check_writable(path)
    if os.path.lexists(repaired_name(path)):
        raise StorageUnavailable(
            f"cannot restore {path}: a repair of it was interrupted; run `itsm-workflow storage repair` first",
            path=str(path),
        )
    copy, finished = path.with_name(f"{path.name}.restoring"), restored_name(path)
    with _locked_against_sqlite(path):
        with unavailable("remove", copy):
            copy.unlink(missing_ok=True)
        with new_file(copy) as new:
            with unavailable("copy", source):
                shutil.copyfile(source, new)
            changes = _checked(new, source, check)
            if look_at(path) is not None:
                keep_owner(new, path)
        with unavailable("replace", path):
            # This replaces the copy that an interrupted restore left.
            copy.replace(finished)
            aside = _set_aside(path)
            # The old log must be removed durably before the copy gets the name.
            sync_directory(path.parent)
            finished.rename(path)
            sync_directory(path.parent)
    return Restored(store=path, changes=changes, aside=aside)


def _check_source(path: Path, source: Path) -> None:
    check_backup(source, path)
    for end in ("-wal", "-journal"):
        companion = source.with_name(source.name + end)
        found = look_at(companion)
        if found is not None and found.st_size:
            raise StorageUnavailable(
                f"cannot restore {source}: {companion.name} next to it shows that it is a store in use, or was in use "
                "when its process died: copy it with `itsm-workflow storage backup`, and restore that copy",
                path=str(source),
            )


@contextmanager
def _locked_against_sqlite(path: Path) -> Iterator[None]:
    """Lock the file so that SQLite cannot open it, without SQLite itself, because the file is often damaged."""
    if look_at(path) is None or sys.platform == "win32":  # pragma: no cover  # where an open file cannot be renamed
        yield
        return
    # Checked before the file is opened here: closing the descriptor would release the locks of this process.
    if is_open_here(path):
        raise _in_use_error(path)
    with unavailable("open", path):
        descriptor = os.open(path, os.O_RDWR | SAFE_FLAGS)
    try:
        with unavailable("lock", path):
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCKS, _LOCKS_AT)
            except (BlockingIOError, PermissionError) as error:
                raise _in_use_error(path) from error
        yield
    finally:
        os.close(descriptor)


def _in_use_error(path: Path) -> StorageUnavailable:
    return StorageUnavailable(
        f"cannot restore {path}: a process has it open; stop all processes that use it, then restore it", path=str(path)
    )


def _checked(copy: Path, source: Path, check: ContentCheck | None) -> int:
    """Return the number of changes in the copy, after a check of its content.

    Raises:
        StorageCorrupt: The copy is damaged, or is not a store.
        StorageSchemaError: A newer version wrote it.
    """
    with (
        translated(source, "restore", outcome="; nothing was changed"),
        closing(connect(copy, "ro&immutable=1", timeout=0.0)) as connection,
    ):
        if stored_version(connection, source) == 0:
            raise StorageCorrupt(
                f"cannot restore {source}: it is empty; nothing was changed: use another backup", path=str(source)
            )
        if is_marked(copy):
            raise StorageCorrupt(
                f"cannot restore {source}: it was copied without its write-ahead log, which contained the last "
                "commits; nothing was changed: use a backup that `itsm-workflow storage backup` made",
                path=str(source),
            )
        problem = next(_problems(connection, check), None)
        (changes,) = connection.execute("SELECT count(*) FROM changes").fetchone()
    if problem is not None:
        raise StorageCorrupt(
            f"cannot restore {source}: it is damaged ({problem}); nothing was changed: use another backup, or repair "
            "this one with `itsm-workflow storage repair` first",
            path=str(source),
        )
    return int(changes)


def _problems(connection: sqlite3.Connection, check: ContentCheck | None) -> Iterator[str]:
    yield from problems_of_the_file(connection)
    for change in salvage(connection, check):
        if change.damage is not None or change.is_outdated:
            yield f"change {change.id}: {change.damage or 'its row is older than its history'}"


def _set_aside(path: Path) -> tuple[Path, ...]:
    """Rename the store and its companion files consistently, so that they can be opened; return the new paths."""
    there = [end for end in _ENDS if os.path.lexists(path.with_name(path.name + end))]
    for number in count(1):
        base = f"{path.name}.replaced-{number}"
        moves = [(path.with_name(path.name + end), path.with_name(base + end)) for end in there]
        if not any(os.path.lexists(new) for _, new in moves):
            break
    for old, new in moves:
        old.rename(new)
    return tuple(new for _, new in moves)
