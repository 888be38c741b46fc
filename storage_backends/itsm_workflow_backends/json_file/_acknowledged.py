"""The ``.end`` file next to the log, which records the number of the last acknowledged commit.

A log that was cut at its end looks like a log that was never longer. This file distinguishes the two; it is used only
to report that commits are missing. It is written after the log was synced, so it is never ahead of the log. It is not
synced itself, so after a power cut it may be out of date, empty or missing. In that case, and if it was not copied
together with the log, a log that was cut is taken for a complete one.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.files import SAFE_FLAGS, look_at
from itsm_workflow_backends.json_file._format import digest

if TYPE_CHECKING:
    from pathlib import Path

_MOST = 1024


def end_of(path: Path) -> Path:
    """Return the path of the ``.end`` file of the log at a path."""
    return path.with_name(f"{path.name}.end")


def note_acknowledged(path: Path, store: str, number: int) -> None:
    """Record that the commit is durable, if the file can be written; the caller holds the log's lock."""
    # The text always has the same length, so that it is one write into one block.
    text = b'{"store":"%s","acknowledged":%20d' % (store.encode(), number)
    with suppress(OSError, StorageUnavailable):
        found = look_at(end_of(path))
        descriptor = os.open(end_of(path), os.O_RDWR | os.O_CREAT | SAFE_FLAGS, 0o600)
        try:
            written = os.write(descriptor, text + b',"check":"' + digest(text) + b'"}\n')
            if found is not None and found.st_size > written:
                os.ftruncate(descriptor, written)
        finally:
            os.close(descriptor)


def last_acknowledged(path: Path, store: str) -> int:
    """Return the recorded number of the last acknowledged commit, or 0 if unknown; the caller holds the log's lock."""
    with suppress(OSError, StorageUnavailable, ValueError, KeyError, TypeError):
        found = look_at(end_of(path))
        if found is not None and found.st_size <= _MOST:
            data = end_of(path).read_bytes()
            fields = json.loads(data)
            text = data[: data.rindex(b',"check":"')]
            if fields["check"].encode() == digest(text) and fields["store"] == store:
                return int(fields["acknowledged"])
    return 0
