"""Broken backends that lock the parts of a commit one after the other, in the order of its writes."""

# ruff: noqa: D102  # a class says what is broken, the port says what each method is for

from __future__ import annotations

import os
import threading
import zlib
from contextlib import ExitStack
from typing import TYPE_CHECKING

from filelock import FileLock

from itsm_workflow.storage import checks, unavailable
from tests.conformance.caught import Caught
from tests.conformance.good import OneFile, PlainDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.storage.protocol import Conflict, Write


class LocksChangesInTheirOrder(PlainDict):
    """Locks each change that a commit writes, in the order of the writes."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        checks.check_writes(writes)
        locks: dict[str, threading.Lock] = vars(self).setdefault("locks", {})
        with ExitStack() as held:
            for write in writes:
                held.enter_context(locks.setdefault(write.row.id, threading.Lock()))
            return super().commit(writes)


class LocksTicketsInTheirOrder(PlainDict):
    """Locks each ticket that a commit binds, in the order of the writes, in one line of code."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        checks.check_writes(writes)
        locks: dict[str, threading.Lock] = vars(self).setdefault("locks", {})
        tickets = [write.row.ticket_key for write in writes if write.row.ticket_key and write.entries]
        with ExitStack() as held:
            [held.enter_context(locks.setdefault(ticket, threading.Lock())) for ticket in dict.fromkeys(tickets)]
            return super().commit(writes)


class LocksClaimsInTheirOrder(PlainDict):
    """Locks each change that a commit claims, in the order of the writes."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        checks.check_writes(writes)
        locks: dict[str, threading.Lock] = vars(self).setdefault("locks", {})
        with ExitStack() as held:
            for claim in (write for write in writes if not write.entries):
                held.enter_context(locks.setdefault(claim.row.id, threading.Lock()))
            return super().commit(writes)


class LocksFilesInTheirOrder(OneFile):
    """Keeps its threads apart, and locks a file for each of 16 parts of the changes, in the order of the writes."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        checks.check_writes(writes)
        parts = dict.fromkeys(zlib.crc32(write.row.id.encode()) % 16 for write in writes)
        with unavailable("lock", self._path), ExitStack() as held:
            held.enter_context(vars(self).setdefault(f"of {os.getpid()}", threading.Lock()))
            for part in parts:
                held.enter_context(FileLock(f"{self._path}.{part}.lock").acquire(poll_interval=0.002))
            return super().commit(writes)


ZOO: dict[type, Caught] = {
    LocksChangesInTheirOrder: Caught(
        "commits of opposite orders return",
        "a deadlock that the store gives up",
        "A server stands still after two passes have written the same changes.",
        patience=2.0,
    ),
    LocksTicketsInTheirOrder: Caught(
        "commits of opposite orders return",
        "a deadlock that the store gives up",
        "A server stands still after two passes have bound the same tickets.",
        patience=2.0,
    ),
    LocksClaimsInTheirOrder: Caught(
        "commits of opposite orders return",
        "a deadlock that the store gives up",
        "A server stands still after two workers have claimed the same changes.",
        patience=2.0,
    ),
    LocksFilesInTheirOrder: Caught(
        "commits of processes of opposite orders return",
        "a deadlock that the store gives up",
        "Two servers stand still after a pass of each has written the same changes.",
        patience=2.0,
    ),
}
"""By broken backend: the promise that catches it."""
