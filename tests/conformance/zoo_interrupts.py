"""Broken backends that a signal in a commit, a lock that fails, or a clock leads astray."""

# ruff: noqa: D102  # a class says what is broken, the port says what each method is for

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import pickle
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from itsm_workflow.storage.files import sync_directory, unavailable
from itsm_workflow_backends.json_file import JSONFileBackend
from tests.conformance.caught import Caught
from tests.conformance.good import Journal, OneFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import FileIO

    from itsm_workflow.storage.protocol import Conflict, Row, Write
    from tests.conformance.good import Changes


class KeepsTheLockWhenInterrupted(JSONFileBackend):
    """Releases the lock of other processes after an Exception in a commit, but not after another one, as of Ctrl-C."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        try:
            return super().commit(writes)
        except BaseException as error:
            if not isinstance(error, Exception):
                self._shared._lock._lock.acquire()
            raise


class RemembersAnInterruptedWrite(JSONFileBackend):
    """Serves rows from memory while they are written, and drops them only after an Exception."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        vars(self)["ahead"] = {write.row.id: write.row for write in writes}
        try:
            answer = super().commit(writes)
        except Exception:
            vars(self)["ahead"] = {}
            raise
        vars(self)["ahead"] = {}
        return answer

    def get(self, change_id: str, /) -> Row | None:
        return vars(self).get("ahead", {}).get(change_id) or super().get(change_id)


class AppendsToAnInterruptedLine(Journal):
    """Cuts off what a commit has written after an Exception only, and appends the next one to the rest."""

    def _cut(self, file: FileIO, end: int) -> None:
        if self._doubtful:
            super()._cut(file, end)

    def _write(self, file: FileIO, entry: memoryview) -> None:
        file.seek(0, os.SEEK_END)
        file.write(entry[: len(entry) // 2])
        file.write(entry[len(entry) // 2 :])


class GoesOnWithoutALock(OneFile):
    """Goes on without its lock if the system cannot give one, as on a network drive without a lock server."""

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        with unavailable("use", self._path), Path(f"{self._path}.lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
            except OSError as error:
                if error.errno != errno.ENOLCK:
                    raise
            self._check_open()
            yield self._read()


class GoesOnAfterAHundredTries(OneFile):
    """Asks a hundred times for its lock, and goes on without it, since a process that held it must have crashed."""

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        with unavailable("use", self._path), Path(f"{self._path}.lock").open("ab") as lock:
            for _ in range(100):
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(0.05)
            self._check_open()
            yield self._read()


class ReadsAgainWhenTimeOrSizeDiffers(OneFile):
    """Reads its file again only if its size or the time of its last change differs."""

    def _read(self) -> Changes:
        found = self._path.stat() if self._path.exists() else None
        key = found and (found.st_mtime_ns, found.st_size)
        if vars(self).get("read", (None,))[0] != key or key is None:
            vars(self)["read"] = key, super()._read()
        return dict(vars(self)["read"][1])


class NamesCommitsByTheClock(OneFile):
    """Keeps each commit in a file that is named after the time, and replays them in this order."""

    def _read(self) -> Changes:
        files = sorted(self._path.parent.glob(f"{self._path.name}.[0-9]*"))
        commits = [pickle.loads(file.read_bytes()) for file in files]  # noqa: S301  # its own
        return dict(itertools.chain.from_iterable(commit.items() for commit in commits))

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        with self._path.with_name(f"{self._path.name}.{time.time_ns():020}").open("wb") as file:
            pickle.dump({name: after[name] for name in stored}, file)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(self._path.parent)


class StoresOnlyWhatIsNewer(OneFile):
    """Does not replace a file that was written later, by the clock, than this commit begins."""

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        if self._path.exists() and self._path.stat().st_mtime_ns > time.time_ns():
            return
        super()._store(after, stored)
        os.utime(self._path, ns=(time.time_ns(), time.time_ns()))


ZOO: dict[type, Caught] = {
    KeepsTheLockWhenInterrupted: Caught(
        "an interrupted commit leaves nothing behind",
        "it holds no lock",
        "All other processes wait after a worker has caught the Ctrl-C of a person.",
    ),
    RemembersAnInterruptedWrite: Caught(
        "an interrupted commit leaves nothing behind",
        "reads what a newly opened store would read",
        "A server whose request was cancelled files a ticket for a change that no other process can see.",
    ),
    AppendsToAnInterruptedLine: Caught(
        "an interrupted commit does not spoil the next",
        "does not affect the following ones",
        "Every change that follows a cancelled request is gone after a restart.",
    ),
    GoesOnWithoutALock: Caught(
        "a lock that fails is not ignored",
        "A lock that is not given in time",
        "Two servers overwrite each other's changes when the lock server of a network drive is down.",
    ),
    GoesOnAfterAHundredTries: Caught(
        "a lock that fails is not ignored",
        "A lock that is not given in time",
        "A server that pauses for seconds overwrites what another one has stored meanwhile.",
    ),
    ReadsAgainWhenTimeOrSizeDiffers: Caught(
        "a commit of the same size and time is read",
        "as of the last commit",
        "Two workers send the same ticket, because one does not see the claim of the other in the same second.",
    ),
    NamesCommitsByTheClock: Caught(
        "commits do not depend on the clock",
        "make all that were stored durable",
        "An approval is gone after the clock of a server was set back.",
    ),
    StoresOnlyWhatIsNewer: Caught(
        "commits do not depend on the clock",
        "make all that were stored durable",
        "A server whose clock is late stores nothing, and reports every change as filed.",
    ),
}
"""By broken backend: the promise that catches it."""
