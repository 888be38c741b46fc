"""Back up a store while other processes use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageCorrupt
from itsm_workflow.storage.files import new_file
from itsm_workflow_backends.json_file._whole import whole_file

if TYPE_CHECKING:
    from pathlib import Path


def backup(path: Path, target: Path, *, timeout: float) -> None:
    """Copy the store to a new file; the implementation of `JSONFileBackend.backup`."""
    with whole_file(path, "back up", timeout=timeout) as (data, replay):
        pass  # the locks are released before the copy is written
    for problem in replay.problems():
        raise StorageCorrupt(f"cannot back up {path}: {problem}. No file was made: {replay.advice()}", path=str(path))
    with new_file(target) as new:
        new.write_bytes(data[: replay.end])
