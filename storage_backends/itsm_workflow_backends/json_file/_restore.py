"""Restore a backup: a copy of the backup replaces the store, which is kept under another name.

A process that has the store open cannot be detected while it is idle. So the copy gets a new store name in its header.
In such a process each call fails from then on, however similar the two files are, until it opens the store again.
"""

from __future__ import annotations

from contextlib import closing, nullcontext
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageCorrupt
from itsm_workflow.storage.abilities import Restored
from itsm_workflow.storage.files import check_backup, check_writable, look_at, unavailable
from itsm_workflow_backends.json_file._acknowledged import end_of
from itsm_workflow_backends.json_file._lock import Lock, directory_locked
from itsm_workflow_backends.json_file._log import Log, replace
from itsm_workflow_backends.json_file._replay import Replay
from itsm_workflow_backends.json_file._rewrite import with_another_name
from itsm_workflow_backends.json_file._whole import free_name, wrong_content

if TYPE_CHECKING:
    from pathlib import Path

    from itsm_workflow.storage.abilities import ContentCheck


def restore(path: Path, source: Path, *, timeout: float, check: ContentCheck | None) -> Restored:
    """Put a copy of the backup at the path; the implementation of `JSONFileBackend.restore`."""
    check_backup(source, path)
    with unavailable("read", source):
        data = source.read_bytes()
    changes = _checked(data, source, check)
    check_writable(path)
    # The directory is locked as well, as when a store is made, since the file may not exist yet.
    with (
        Lock(path, timeout=timeout).held() as deadline,
        directory_locked(path.parent, deadline),
        nullcontext() if look_at(path) is None else closing(Log.open(path)) as log,
    ):
        aside: tuple[Path, ...] = ()
        if log is not None:
            log.lock(deadline)
            aside = (free_name(path, "replaced"),)
            replace(aside[0], [log.read(0)])
        replace(path, with_another_name(data))
        aside += _end_set_aside(path, aside)
    return Restored(store=path, changes=changes, aside=aside)


def _checked(data: bytes, source: Path, check: ContentCheck | None) -> int:
    """Return the number of changes in the backup, after a check of its content.

    Raises:
        StorageCorrupt: The backup is damaged, or is not a store.
        StorageSchemaError: A newer version wrote it.
    """
    replay = Replay(source)
    replay.feed(data)
    if data[replay.end :].strip(b"\0"):
        # Only a crash leaves an incomplete line in a store; a backup ends with a complete line.
        raise StorageCorrupt(
            f"cannot restore {source}: its end was cut off; nothing was changed: use another backup", path=str(source)
        )
    for problem in (*replay.problems(), *(f"change {name}: {why}" for name, why in wrong_content(replay, check))):
        raise StorageCorrupt(
            f"cannot restore {source}: {problem}; nothing was changed: use another backup, or repair this one with "
            "`itsm-workflow storage repair` first",
            path=str(source),
        )
    return len(replay.table.rows)


def _end_set_aside(path: Path, aside: tuple[Path, ...]) -> tuple[Path, ...]:
    """Move the ``.end`` file along with the log that it belongs to; it does not apply to the restored log."""
    end = end_of(path)
    if not aside or look_at(end) is None:
        return ()
    with unavailable("move", end):
        end.rename(end_of(aside[0]))
    return (end_of(aside[0]),)
