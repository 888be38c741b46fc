"""Virtual time: events and tasks in an order that depends on nothing but the run.

A task is ordinary blocking code. It runs in its own thread, but only while it holds the baton. It passes the baton on
when it pauses, and gets it again when its time has come. So exactly one thread runs at any time, the order is that of
virtual time, and no real time is spent waiting.
"""

from __future__ import annotations

import heapq
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.testing.manual_clock import ManualClock


class Stopped(BaseException):
    """The run is over; raised in a task that still waits for its turn, to end it."""


class Scheduler:
    """Runs events and tasks in the order of virtual time.

    Args:
        clock: The clock to advance; nothing else may advance it.
    """

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._queue: list[tuple[float, int, Callable[[], None] | _Thread]] = []
        self._number = 0
        self._idle: list[_Thread] = []
        self._threads: list[_Thread] = []
        self._returned = threading.Lock()
        self._returned.acquire()
        self._running: _Thread | None = None
        self._over = False

    def call(self, delay: float, action: Callable[[], None]) -> None:
        """Schedule an action in that many seconds; it must not pause."""
        self._push(delay, action)

    def spawn(self, delay: float, work: Callable[[], None]) -> None:
        """Schedule a task in that many seconds; it may pause, and must not raise."""
        self._push(delay, lambda: self._begin(work))

    def pause(self, seconds: float) -> None:
        """Let time pass for the calling task; others may run in the meantime.

        Raises:
            Stopped: The run is over.
        """
        task, moment = self._running, self._clock.elapsed() + seconds
        if task is None:
            raise RuntimeError("only a task can pause")
        if not self._queue or self._queue[0][0] > moment:
            self._clock.advance(seconds)  # no other task is due before
            return
        self._push(seconds, task)
        self._returned.release()
        task.turn.acquire()
        if self._over:
            raise Stopped

    def run(self, horizon: float, most: int) -> bool:
        """Run until no event or task is left.

        Args:
            horizon: The number of seconds since the beginning after which to stop.
            most: The number of steps after which to stop, since a longer run is probably cyclic.

        Returns:
            Whether no event or task is left.
        """
        for _ in range(most):
            if not self._queue:
                return True
            moment, _, what = self._queue[0]
            if moment > horizon:
                return False
            heapq.heappop(self._queue)
            self._clock.advance(max(moment - self._clock.elapsed(), 0.0))
            if isinstance(what, _Thread):
                self._hand_to(what)
            else:
                what()
        return False

    def close(self) -> None:
        """End all tasks."""
        self._over = True
        waiting = [what for _, _, what in sorted(self._queue, key=lambda one: one[:2]) if isinstance(what, _Thread)]
        self._queue.clear()
        for task in waiting:
            self._hand_to(task)
        for thread in self._threads:
            thread.work = None
            thread.turn.release()
            thread.join()

    def _push(self, delay: float, what: Callable[[], None] | _Thread) -> None:
        if self._over:
            return  # called by a task that is being ended
        self._number += 1
        heapq.heappush(self._queue, (self._clock.elapsed() + delay, self._number, what))

    def _begin(self, work: Callable[[], None]) -> None:
        if not self._idle:
            self._idle.append(_Thread(self._put_back))
            self._threads.append(self._idle[0])
        thread = self._idle.pop()
        thread.work = work
        self._hand_to(thread)

    def _hand_to(self, thread: _Thread) -> None:
        self._running = thread
        thread.turn.release()
        self._returned.acquire()
        self._running = None

    def _put_back(self, thread: _Thread) -> None:
        self._idle.append(thread)
        self._returned.release()


class _Thread(threading.Thread):
    """A thread that runs one task after another, each when it gets the baton."""

    def __init__(self, done: Callable[[_Thread], None]) -> None:
        super().__init__(daemon=True, name="itsm-workflow-simulation")
        self.work: Callable[[], None] | None = None
        self.turn = threading.Lock()
        self.turn.acquire()
        self._done = done
        self.start()

    def run(self) -> None:
        while True:
            self.turn.acquire()
            if self.work is None:
                return
            try:
                self.work()
            except Stopped:
                pass
            finally:
                self._done(self)
