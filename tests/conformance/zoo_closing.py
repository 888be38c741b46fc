"""Broken backends that a thread closes while another one is in a commit, or in a read."""

# ruff: noqa: D102  # a class says what is broken, the port says what each method is for

from __future__ import annotations

import itertools
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs

from tests.conformance.caught import Caught
from tests.conformance.good import Journal, OneFile, PlainDict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import FileIO

    from itsm_workflow.storage.protocol import EntryRows, Query, Rows
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


class ForgetsItsChangesOnceClosed(PlainDict):
    """Empties its dictionary when it is closed, also under a thread that reads it."""

    def close(self) -> None:
        super().close()
        self._changes.clear()


class ClosesTheFileOfARead(OneFile):
    """Closes the file that a read has open, so that the read ends with an error of Python."""

    def _data(self) -> bytes | None:
        with suppress(FileNotFoundError), self._path.open("rb") as vars(self)["file"]:
            return bytes(vars(self)["file"].read())
        return None

    def close(self) -> None:
        super().close()
        if "file" in vars(self):
            vars(self)["file"].close()


class EndsAPageOnceClosed(PlainDict):
    """Ends a page with the row at which the close comes, so that the service ends sooner."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        rows = tuple(itertools.takewhile(lambda _: not self._closed, page.rows))
        return attrs.evolve(page, rows=rows)


class LocksAReadInAnotherOrder(PlainDict):
    """Takes its two locks in another order when it is closed than in a read of a history."""

    def __init__(self) -> None:
        super().__init__()
        self._closing = threading.Lock()

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        with self._mutex, self._closing:
            return super().history(change_id, after_seq, limit)

    def close(self) -> None:
        with self._closing, self._mutex:
            super().close()


class IsClosedInTwoSteps(PlainDict):
    """Drops its changes, waits for the thread that reads, and refuses calls only then."""

    def close(self) -> None:
        self._changes = {}
        with self._mutex:
            super().close()


class ClosesTheFileOfItsThread(OneFile):
    """Has its folder open in each thread that uses it, and closes that of the thread that closes the store."""

    def _data(self) -> bytes | None:
        own = vars(self).setdefault("own", threading.local())
        if not hasattr(own, "folder"):
            own.folder = os.open(self._path.parent, os.O_RDONLY)
        return super()._data()

    def close(self) -> None:
        super().close()
        with suppress(KeyError, AttributeError):
            os.close(vars(vars(self)["own"]).pop("folder"))


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
    ClosesTheFileOfItsThread: Caught(
        "a closed backend leaves no file open",
        "Release files and connections.",
        "A server that opens its store again for each request stops after some weeks, with too many open files.",
    ),
    ForgetsItsChangesOnceClosed: Caught(
        "a close during a read leaves right answers",
        "A read that fails raises",
        "A page says that a change does not exist, while the service is ended.",
    ),
    ClosesTheFileOfARead: Caught(
        "a close during a read leaves right answers",
        "A read that fails raises",
        "A page of the console fails with a ValueError when the service is ended.",
    ),
    EndsAPageOnceClosed: Caught(
        "a close during a read leaves right answers",
        "A read that fails raises",
        "A list that is written to a file while the service is ended lacks changes.",
    ),
    LocksAReadInAnotherOrder: Caught(
        "a close during a read leaves right answers",
        "A read that fails raises",
        "A service that is ended while a page is read does not end.",
        patience=2.0,
    ),
    IsClosedInTwoSteps: Caught(
        "a close during a read leaves right answers",
        "A read that fails raises",
        "A page says that a collector has no open change, and a person applies again elsewhere.",
    ),
}
"""By broken backend: the promise that catches it."""
