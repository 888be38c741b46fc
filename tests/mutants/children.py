"""Processes in which mutations are tried, and what they may cost."""

from __future__ import annotations

import os
import resource
import signal
import time
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.mutants.operators import Mutation

AT_ONCE = 2
SURVIVED, KILLED, LATER, STOPPED, BROKEN, UNPLACED = 0, 1, 3, 4, 5, 6
"""Exit codes; `LATER`: to be tried in another way; `UNPLACED`: so as well, with the same tests once more."""


@attrs.frozen(kw_only=True)
class Cost:
    """What tests cost where nothing is changed.

    Attributes:
        cpu: Seconds of processor time, of the process that runs them.
        seconds: Seconds that they take.
    """

    cpu: float
    seconds: float


class Children:
    """Forked processes, at most so many at once, each in a slot of its own.

    Args:
        done: Called with each mutation and the exit code of its process.
    """

    def __init__(self, done: Callable[[Mutation, int], object]) -> None:
        self._done = done
        self._free = list(range(AT_ONCE))
        self._running: dict[int, tuple[Mutation, float, int]] = {}

    def start(self, mutation: Mutation, work: Callable[[int], int], cost: Cost) -> None:
        """Do the work in a process of its own, once one is free; its result is the process's exit code.

        The process is stopped after a few times the processor time that the work costs where nothing is changed, and
        after ten times the time that it takes, for a mutation that waits without end.

        Args:
            mutation: The mutation.
            work: Called in the process with the number of its slot, which no other running process has.
            cost: What the work costs where nothing is changed.
        """
        while not self._free:
            self._reap()
        slot = self._free.pop()
        pid = os.fork()
        if pid == 0:
            in_child(lambda: work(slot), 20 + int(4 * cost.cpu))
        self._running[pid] = (mutation, time.monotonic() + 120 + 10 * cost.seconds, slot)

    def finish(self) -> None:
        """Wait for all of them."""
        while self._running:
            self._reap()

    def _reap(self) -> None:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            for late in [pid for pid, (_, end, _) in self._running.items() if time.monotonic() > end]:
                os.killpg(late, signal.SIGKILL)
            time.sleep(0.005)
            return
        mutation, _, slot = self._running.pop(pid)
        self._free.append(slot)
        code = os.waitstatus_to_exitcode(status)
        self._done(mutation, STOPPED if code < 0 else code)


def in_child(work: Callable[[], int], cpu: int) -> None:
    """Do the work in this process, which was forked for it, and end the process with the result.

    Args:
        work: Returns an exit code.
        cpu: Seconds of processor time after which the process is stopped.
    """
    code = BROKEN
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        code = work()
    finally:
        os._exit(code)
