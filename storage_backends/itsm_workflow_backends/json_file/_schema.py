"""Read the schema of a file, without locks and without changing the file or any other file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.storage.files import check_exists, unavailable
from itsm_workflow_backends.json_file._format import decode_header, skip_blank
from itsm_workflow_backends.json_file._replay import Replay

if TYPE_CHECKING:
    from pathlib import Path


def read_schema(path: Path) -> int:
    """Return the schema of the store at the path; a file with an intact header and without a store name has schema 1.

    Raises:
        StorageError: The store does not exist, or it cannot be read.
    """
    check_exists(path)
    with unavailable("read", path), path.open("rb") as file:
        data = file.readline()
        # The first line is damaged, or blank lines precede it; only the whole file shows which.
        if decode_header(data) is None:
            data += file.read()
    replay = Replay(path)
    replay.feed(data)
    header = decode_header(data[skip_blank(data, 0) :].partition(b"\n")[0] + b"\n")
    return replay.schema if header is None or header.store else 1
