"""Which schema a file has, found out without the locks, and without touching it or anything beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.files import look_at, unavailable
from itsm_workflow_backends.json_file._format import decode_header, skip_blank
from itsm_workflow_backends.json_file._replay import Replay

if TYPE_CHECKING:
    from pathlib import Path


def read_schema(path: Path) -> int:
    """Return the schema of the store at the path; that of a file without a name for the store is the first.

    Raises:
        StorageError: There is none, or it cannot be read.
    """
    if look_at(path) is None:
        raise StorageUnavailable(f"there is no store at {path}", path=str(path))
    with unavailable("read", path), path.open("rb") as file:
        data = file.readline()
        # What is no first line is damaged, or there are blank lines before it: all of the file tells which.
        if decode_header(data) is None:
            data += file.read()
    replay = Replay(path)
    replay.feed(data)
    header = decode_header(data[skip_blank(data, 0) :].partition(b"\n")[0] + b"\n")
    return replay.schema if header is None or header.store else 1
