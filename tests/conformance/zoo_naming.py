"""Broken backends that keep their users apart by the spelling of a path, which is not the only one of a store."""

# a class says what is broken, the port says what each method is for

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from filelock import FileLock

from itsm_workflow.storage import unavailable
from tests.conformance.caught import Caught
from tests.conformance.good import OneFile
from tests.conformance.zoo_races import LocksTheProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.good import Changes


class LocksTheSpellingOfItsPath(OneFile):
    """Names the file of its lock after a digest of its path, which is the same store through a link."""

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        name = hashlib.sha256(os.fsencode(self._path.absolute())).hexdigest()
        lock = FileLock(self._path.with_name(f"{name}.lock"))
        with unavailable("use", self._path), lock.acquire(poll_interval=0.002):
            self._check_open()
            yield self._read()


class LocksItsObjectsByTheirPath(LocksTheProcess):
    """Keeps the objects of one process apart by a lock for each path, and processes by another one."""

    locks: ClassVar[dict[object, threading.Lock]] = {}

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        with self.locks.setdefault((os.getpid(), self._path.absolute()), threading.Lock()), super()._opened() as all_:
            self._check_open()
            yield all_


ZOO: dict[type, Caught] = {
    LocksTheSpellingOfItsPath: Caught(
        "writers by other paths do not lose writes",
        "the store behind it is shared by processes",
        "A command of an operator who names the store by a link overwrites an approval that a server is storing.",
    ),
    LocksItsObjectsByTheirPath: Caught(
        "writers by other paths do not lose writes",
        "the store behind it is shared by processes",
        "A server whose settings name the store by two paths overwrites its own changes.",
    ),
}
"""By broken backend: the promise that catches it."""
