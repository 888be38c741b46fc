"""Waits for the end of a change: block a thread, or suspend a task, until the change is decided.

A wait reads the store and nothing else. It reads the change immediately after a thread of this process committed it,
see `wakeups`, and otherwise at an interval, since another process may have committed it.
"""

from __future__ import annotations

import contextlib
import functools
import math
import queue
import time
from typing import TYPE_CHECKING

from itsm_workflow.budget import Budget
from itsm_workflow.errors import StorageUnavailable, WaitTimeout, WorkflowClosed
from itsm_workflow.exports import lazy_module
from itsm_workflow.runtime.arguments import check_seconds, check_text
from itsm_workflow.runtime.status import why
from itsm_workflow.runtime.wakeups import Waiter, registered, wake_all

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.runtime.journal import Journal
    from itsm_workflow.storage.codec import Stored
    from itsm_workflow.storage.protocol import Row
else:
    asyncio = lazy_module("asyncio")  # a caller that awaits has loaded it

POLL_LEAST, POLL_MOST = 0.01, 3600.0
"""The bounds of the interval between two reads, in seconds."""


def has_ended(definition: WorkflowDefinition, state: str) -> bool:
    """Return whether a change in the state is decided: the state grants, is the refused one, or is final."""
    return definition.is_granting(state) or state == definition.roles_in(state).refused or state in definition.final


class Waits:
    """The waits of the callers of one workflow.

    Args:
        journal: The changes.
        knows: A function that returns whether this process can deliver the named effect; None if it delivers none.
    """

    def __init__(self, journal: Journal, knows: Callable[[str], bool] | None) -> None:
        self.journal = journal
        self.knows = knows
        self.is_closed = False

    def wait(self, change_id: str, *, seconds: float | None, poll: float) -> ChangeRequest:
        """Block until the change has ended, and return it, see `Records.wait`."""
        signal: queue.SimpleQueue[None] = queue.SimpleQueue()  # `put` may be called by a signal handler
        with self._reading("wait", change_id, seconds, poll, wake=lambda: signal.put(None)) as reading:
            while (change := reading.read()) is None:
                with contextlib.suppress(queue.Empty):
                    signal.get(timeout=min(poll, reading.left))
                    while True:  # the read that follows sees what all of them announced
                        signal.get_nowait()
            return change

    async def wait_async(self, change_id: str, *, seconds: float | None, poll: float) -> ChangeRequest:
        """Suspend the task until the change has ended, and return it, see `Records.wait_async`."""
        signal = asyncio.Event()
        wake = functools.partial(asyncio.get_running_loop().call_soon_threadsafe, signal.set)
        with self._reading("wait_async", change_id, seconds, poll, wake=wake) as reading:
            while (change := await asyncio.to_thread(reading.read)) is None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(poll, reading.left)):
                        await signal.wait()
                signal.clear()
            return change

    def close(self) -> None:
        """End all waits, also later ones, with `WorkflowClosed`; a change that has ended is still returned."""
        self.is_closed = True
        wake_all(self)

    @contextlib.contextmanager
    def _reading(
        self, method: str, change_id: str, seconds: float | None, poll: float, *, wake: Callable[[], object]
    ) -> Iterator[_Reading]:
        """Check the arguments, and wake the caller until the end of the block."""
        check_text(f"{method}(change_id)", change_id)
        if seconds is not None:
            check_seconds(f"{method}(timeout=...)", seconds)
        check_seconds(f"{method}(poll=...)", poll, least=POLL_LEAST, most=POLL_MOST)
        # Registered before the first read, so that no commit after that read is missed.
        with registered(Waiter(storage=self.journal.storage, change_id=change_id, owner=self, wake=wake)):
            yield _Reading(self, change_id, math.inf if seconds is None else seconds)


class _Reading:
    """The reads of one wait."""

    def __init__(self, waits: Waits, change_id: str, seconds: float) -> None:
        self._waits = waits
        self._id = change_id
        self._seconds = seconds
        # By the clock of the workflow, and by that of the machine, so that a clock that nothing advances ends as well.
        clocks = (waits.journal.clock.elapsed, time.monotonic)
        self._budgets = [Budget(math.inf, elapsed=elapsed).part(seconds) for elapsed in clocks]
        self._row: Row | None = None
        self._stored: Stored | None = None

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return min(budget.left for budget in self._budgets)

    def read(self) -> ChangeRequest | None:
        """Return the change if it has ended, or None if the caller goes on waiting.

        Raises:
            WaitTimeout: The time is over.
            WorkflowClosed: The workflow was closed.
        """
        waits, journal = self._waits, self._waits.journal
        is_closed, is_over = waits.is_closed, not self.left  # before the read, which sees what was committed until then
        try:
            stored = self._load()
        except StorageUnavailable as error:
            if waits.is_closed:  # with its store
                raise self._closed() from error
            raise
        state = stored.change.state
        if has_ended(journal.definition, state):
            return stored.change
        if is_closed:
            raise self._closed()
        if is_over:
            sentence = why(journal.definition, stored, journal.clock.now(), waits.knows, policy=journal.policy)
            message = f"change {self._id} did not end within {self._seconds:g} s and is in state {state}: {sentence}"
            raise WaitTimeout(message, change_id=self._id, state=state)
        return None

    def _load(self) -> Stored:
        """Read the change, and decode it if it is another than before."""
        row = self._waits.journal.row(self._id)
        if self._stored is None or row != self._row:
            self._row, self._stored = row, self._waits.journal.read(row)
        return self._stored

    def _closed(self) -> WorkflowClosed:
        message = f"cannot wait for change {self._id}: the workflow was closed; the change goes on: read it later"
        return WorkflowClosed(message, change_id=self._id)
