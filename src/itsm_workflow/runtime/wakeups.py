"""Wake-ups of callers that wait for a change, when a thread of this process commits it.

They are only hints that save time: each waiter also polls the store, since another process may commit the change.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

# Shared by all workflows, since several may use the same store object. Each operation on it is atomic, so there is no
# lock that an interrupt, a signal handler or a fork could find held.
_waiting: set[Waiter] = set()


@attrs.frozen(kw_only=True, eq=False)
class Waiter:
    """A caller that waits for a change.

    Attributes:
        storage: The store object.
        change_id: The change.
        owner: The object that `wake_all` names to wake the caller.
        wake: Wakes the caller; any thread may call it, also repeatedly. It raises RuntimeError if the caller is gone.
        process: The process of the caller.
    """

    storage: object
    change_id: str
    owner: object
    wake: Callable[[], object]
    process: int = attrs.field(factory=os.getpid)


@contextlib.contextmanager
def registered(waiter: Waiter) -> Iterator[None]:
    """Wake a waiter until the end of the block."""
    try:
        _waiting.add(waiter)
        yield
    finally:
        _waiting.discard(waiter)


def wake_for(storage: object, change_ids: Collection[str]) -> None:
    """Wake the callers that wait for one of these changes of a store object."""
    _wake(lambda waiter: waiter.storage is storage and waiter.change_id in change_ids)


def wake_all(owner: object) -> None:
    """Wake the callers of one owner."""
    _wake(lambda waiter: waiter.owner is owner)


def _wake(is_meant: Callable[[Waiter], bool]) -> None:
    if not _waiting:
        return
    process = os.getpid()
    for waiter in list(_waiting):
        if waiter.process != process:
            _waiting.discard(waiter)  # its thread stayed in the parent, and may have held a lock during the fork
        elif is_meant(waiter):
            try:
                waiter.wake()
            except RuntimeError:  # its event loop was closed with the task in it
                _waiting.discard(waiter)
