"""Back up a store while other processes use it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
from itsm_workflow.storage.files import look_at, new_file
from itsm_workflow_backends.json_file._acknowledged import last_acknowledged
from itsm_workflow_backends.json_file._lock import Lock
from itsm_workflow_backends.json_file._log import Log
from itsm_workflow_backends.json_file._replay import Replay

if TYPE_CHECKING:
    from pathlib import Path


def backup(path: Path, target: Path, *, timeout: float) -> None:
    """Copy the store to a new file; the implementation of `JSONFileBackend.backup`."""
    if look_at(path) is None:
        raise StorageUnavailable(f"there is no store at {path}: check the path", path=str(path))
    with Lock(path, timeout=timeout).held() as deadline, closing(Log.open(path)) as log:
        log.lock(deadline)
        if not log.is_at_path(look_at(path)):
            raise StorageUnavailable(
                f"cannot back up {path}: another process replaced or removed it meanwhile: try again", path=str(path)
            )
        data = log.read(0)
        replay = Replay(path)
        replay.feed(data)
        replay.check_end(last_acknowledged(path, replay.store))
    for problem in replay.problems():
        raise StorageCorrupt(f"cannot back up {path}: {problem}. No file was made: {replay.advice()}", path=str(path))
    with new_file(target) as new:
        new.write_bytes(data[: replay.end])
