"""Bringing a backup back: a copy of it takes the place of the store, which is kept beside it.

A process that has the store open cannot be seen while it rests. The copy is given another name as a store, so such a
process refuses each call from then on until it is started again, however alike the two files are.
"""

from __future__ import annotations

from contextlib import closing, nullcontext
from itertools import count
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
from itsm_workflow.storage.abilities import Restored
from itsm_workflow.storage.files import check_writable, look_at, unavailable
from itsm_workflow_backends.json_file._acknowledged import end_of
from itsm_workflow_backends.json_file._lock import Lock, directory_locked
from itsm_workflow_backends.json_file._log import Log, replace
from itsm_workflow_backends.json_file._repair import wrong_content
from itsm_workflow_backends.json_file._replay import Replay
from itsm_workflow_backends.json_file._rewrite import with_another_name

if TYPE_CHECKING:
    from pathlib import Path

    from itsm_workflow.storage.abilities import ContentCheck


def restore(path: Path, source: Path, *, timeout: float, check: ContentCheck | None) -> Restored:
    """Put a copy of the backup at the path; `JSONFileBackend.restore` is the door to this."""
    if look_at(source) is None:
        raise StorageUnavailable(f"there is no backup at {source}", path=str(source))
    if look_at(path) is not None and source.samefile(path):
        raise StorageUnavailable(f"cannot restore {path}: it is the backup itself", path=str(path))
    with unavailable("read", source):
        data = source.read_bytes()
    changes = _checked(data, source, check)
    check_writable(path)
    # The directory as well, as when a store is made, since there may be no file yet.
    with (
        Lock(path, timeout=timeout).held() as patience,
        directory_locked(path.parent, patience),
        nullcontext() if look_at(path) is None else closing(Log.open(path)) as log,
    ):
        aside: tuple[Path, ...] = ()
        if log is not None:
            log.lock(patience)
            aside = (_free_name(path),)
            replace(aside[0], [log.read(0)])
        replace(path, with_another_name(data))
        aside += _end_set_aside(path, aside)
    return Restored(store=path, changes=changes, aside=aside)


def _checked(data: bytes, source: Path, check: ContentCheck | None) -> int:
    """Return how many changes are in the backup.

    Raises:
        StorageCorrupt: It is damaged, or no store.
        StorageSchemaError: A newer version wrote it.
    """
    replay = Replay(source)
    replay.feed(data)
    if data[replay.end :].strip(b"\0"):
        # The beginning of a line is what a crash leaves in a store; a backup ends with a line.
        raise StorageCorrupt(
            f"cannot restore {source}: its end was cut off; nothing was changed: take another backup", path=str(source)
        )
    for problem in (*replay.problems(), *(f"change {name}: {why}" for name, why in wrong_content(replay, check))):
        raise StorageCorrupt(
            f"cannot restore {source}: {problem}; nothing was changed: take another backup, or make this one usable "
            "with `itsm-workflow storage repair` first",
            path=str(source),
        )
    return len(replay.table.rows)


def _end_set_aside(path: Path, aside: tuple[Path, ...]) -> tuple[Path, ...]:
    """Move what belongs to the file that was replaced after it; it says nothing of the one that took its place."""
    end = end_of(path)
    if not aside or look_at(end) is None:
        return ()
    with unavailable("move", end):
        end.rename(end_of(aside[0]))
    return (end_of(aside[0]),)


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.replaced-{number}") for number in count(1))
    return next(name for name in names if look_at(name) is None)
