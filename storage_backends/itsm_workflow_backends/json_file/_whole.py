"""Read a whole file without opening it as a store, for a backup, a repair or a restore."""

from __future__ import annotations

from contextlib import closing, contextmanager
from itertools import count
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.files import check_exists, look_at
from itsm_workflow_backends.json_file._acknowledged import last_acknowledged
from itsm_workflow_backends.json_file._lock import Lock
from itsm_workflow_backends.json_file._log import Log
from itsm_workflow_backends.json_file._replay import Replay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from itsm_workflow.storage.abilities import ContentCheck


@contextmanager
def whole_file(path: Path, doing: str, *, timeout: float) -> Iterator[tuple[bytes, Replay]]:
    """Yield the bytes of the file and its content; its locks are held during the block.

    Raises:
        StorageUnavailable: The file does not exist or cannot be locked, so it is not possible to <doing> it.
        StorageCorrupt: The file is not a store.
        StorageSchemaError: A newer version wrote it.
    """
    check_exists(path)
    with Lock(path, timeout=timeout).held() as deadline, closing(Log.open(path)) as log:
        log.lock(deadline)
        if not log.is_at_path(look_at(path)):
            raise StorageUnavailable(
                f"cannot {doing} {path}: another process replaced or removed it meanwhile: try again", path=str(path)
            )
        data = log.read(0)
        replay = Replay(path)
        replay.feed(data)
        replay.check_end(last_acknowledged(path, replay.store))
        yield data, replay


def wrong_content(replay: Replay, check: ContentCheck | None) -> Iterator[tuple[str, str]]:
    """Yield the ids of the changes that have intact lines but wrong content, each with what is wrong."""
    for write in replay.table.writes():
        if write.row.id not in replay.quarantined and check is not None:
            why = check(write.row, write.entries)
            if why is not None:
                yield write.row.id, why


def free_name(path: Path, what: str) -> Path:
    """Return the path of a new file next to the file, to keep its previous content."""
    names = (path.with_name(f"{path.name}.{what}-{number}") for number in count(1))
    return next(name for name in names if look_at(name) is None)
