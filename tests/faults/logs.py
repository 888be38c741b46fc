"""The log of a SQLite store, removed or replaced while processes have the store open."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import StorageCorrupt, StorageError, StorageUnavailable
from itsm_workflow.testing.conformance._rows import create, found
from tests.faults.stores import opened
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from itsm_workflow.storage.protocol import StorageBackend

CALLS = 10
STRIKES = {
    "log removed": ("-wal",),
    "index removed": ("-shm",),
    "both removed": ("-wal", "-shm"),
    "log replaced": ("-wal",),
    "index replaced": ("-shm",),
    "both replaced": ("-wal", "-shm"),
}


def strike(path: Path, how: str) -> None:
    """Remove or replace the files next to the database."""
    for end in STRIKES[how]:
        beside = path.with_name(path.name + end)
        if beside.exists():
            beside.rename(path.with_name(f"{path.name}{end}-away"))
            if "replaced" in how:
                beside.write_bytes(b"")


@attrs.define
class Committing:
    """A writer that commits through several objects in turn, and records the acknowledged commits.

    Attributes:
        path: The database.
        holders: The number of objects that have the store open.
        acknowledged: The ids of the acknowledged changes.
        errors: The errors of the other commits.
    """

    path: Path
    holders: int
    acknowledged: list[str] = attrs.field(factory=list)
    errors: list[StorageError] = attrs.field(factory=list)

    def run(self, *, how: str, point: int) -> None:
        """Commit repeatedly, and strike before the call with this number."""
        stores = [opened(self.url) for _ in range(self.holders)]
        for number in range(CALLS):
            if number == point:
                strike(self.path, how)
            self._commit(stores[number % self.holders], f"c{number}")
        for store in stores:
            store.close()

    @property
    def url(self) -> str:
        """The URL of the store."""
        return f"sqlite:///{self.path}"

    def _commit(self, store: StorageBackend, name: str) -> None:
        try:
            (conflict,) = store.commit([create(name)])
        except (StorageUnavailable, StorageCorrupt) as error:
            self.errors.append(error)
        else:
            assert conflict is None
            self.acknowledged.append(name)


def check(path: Path, acknowledged: list[str], *, log: Path | None = None) -> bool:
    """Fail unless a store has all acknowledged changes, or is refused for its missing log; return whether it has them.

    Args:
        path: The database.
        acknowledged: The ids of the acknowledged changes.
        log: The log that an operator puts back if the store is refused.
    """
    try:
        store = opened(f"sqlite:///{path}")
    except StorageCorrupt as error:
        if "without its write-ahead log" not in str(error):
            raise
        if log is not None:
            path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
            shutil.copy(log, path.with_name(f"{path.name}-wal"))
            assert check(path, acknowledged), "the log was put back, and is missed all the same"
        return False
    try:
        there = found(store)
    finally:
        store.close()
    lost = [name for name in acknowledged if name not in there]
    assert not lost, f"{lost} were acknowledged, and the store opens without them"
    return True


_HOLD = """
import os, sys
from itsm_workflow_backends.sqlite import SQLiteBackend
from itsm_workflow.testing.conformance._rows import create, stored
store = SQLiteBackend(sys.argv[1])
stored(store, create("held"))
print("held", flush=True)
if sys.stdin.read():
    os._exit(0)
store.close()
"""


@contextmanager
def held(path: Path, *, dies: bool) -> Iterator[None]:
    """Let another process commit a change, and keep the store open until the block ends, or crash immediately."""
    command = [sys.executable, "-c", _HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ}) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"held\n"
        if dies:
            process.communicate(b"die", timeout=PATIENCE)
        yield
        if not dies:
            process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
