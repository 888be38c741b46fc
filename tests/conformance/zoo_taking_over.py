"""Broken backends of which two processes take over the lock of a dead one."""

# a class says what is broken, the port says what each method is for

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.conformance.caught import Caught
from tests.conformance.good import PidLock, is_left

if TYPE_CHECKING:
    from pathlib import Path


class RemovesTheLockOfAnother(PidLock):
    """Removes the lock of a dead process, and does not look whether another one has taken it since."""

    def _take_over(self, lock: Path) -> bool:
        if is_left(lock):
            lock.unlink(missing_ok=True)
        return False


class WritesOverALock(PidLock):
    """Writes its own number over that of a dead process, although another one may have done the same."""

    def _take_over(self, lock: Path) -> bool:
        if is_left(lock):
            lock.write_text(str(os.getpid()), encoding="ascii")
            return True
        return False


ZOO: dict[type, Caught] = {
    RemovesTheLockOfAnother: Caught(
        "two processes do not both take the lock of a dead one",
        "shared by processes",
        "After a worker was killed, two others file a ticket each for one change.",
    ),
    WritesOverALock: Caught(
        "two processes do not both take the lock of a dead one",
        "shared by processes",
        "After a worker was killed, the approval that one of two others has stored is lost.",
    ),
}
"""By broken backend: the promise that catches it."""
