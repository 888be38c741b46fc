"""Broken backends that a thread closes while another one is in a commit."""

# ruff: noqa: D102  # a class says what is broken, the port says what each method is for

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tests.conformance.caught import Caught
from tests.conformance.good import Journal, OneFile, PlainDict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import FileIO

    from tests.conformance.good import Changes


class SkipsWritesOnceClosed(OneFile):
    """Writes nothing once it is being closed, and answers a running commit as stored."""

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        if not self._closed:
            super()._store(after, stored)


class ClosesTheFileOfACommit(Journal):
    """Closes the file that a commit writes to, so that the commit ends with an error of Python."""

    def _write(self, file: FileIO, entry: memoryview) -> None:
        vars(self)["file"] = file
        super()._write(file, entry)

    def close(self) -> None:
        super().close()
        if "file" in vars(self):
            vars(self)["file"].close()


class LocksInAnotherOrder(PlainDict):
    """Takes its two locks in another order when it is closed than in a commit."""

    def __init__(self) -> None:
        super().__init__()
        self._closing = threading.Lock()

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        with self._closing:
            super()._store(after, stored)

    def close(self) -> None:
        with self._closing, self._mutex:
            super().close()


class LeavesEntriesOutOnceClosed(OneFile):
    """Stores no more than the rows of a commit if it is being closed, so that the service ends sooner."""

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        if self._closed:
            before = self._read()
            after = {name: (row, before.get(name, (row, ()))[1]) for name, (row, _) in after.items()}
        super()._store(after, stored)


ZOO: dict[type, Caught] = {
    SkipsWritesOnceClosed: Caught(
        "a close during a commit leaves whole writes",
        "shared by the threads of a process",
        "A ticket is filed for a change that is gone, since the service was ended in that moment.",
    ),
    ClosesTheFileOfACommit: Caught(
        "a close during a commit leaves whole writes",
        "shared by the threads of a process",
        "A worker that handles StorageError ends with a ValueError when the service is ended.",
    ),
    LocksInAnotherOrder: Caught(
        "a close during a commit leaves whole writes",
        "shared by the threads of a process",
        "A service that is ended during a commit does not end.",
        patience=2.0,
    ),
    LeavesEntriesOutOnceClosed: Caught(
        "a close during a commit leaves whole writes",
        "shared by the threads of a process",
        "A change is reported as damaged that was approved while the service was ended.",
    ),
}
"""By broken backend: the promise that catches it."""
