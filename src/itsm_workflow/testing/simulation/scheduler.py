"""Virtual time: what happens when, and tasks that take turns, in an order that depends on nothing but the run.

A task is ordinary blocking code. It runs in a thread of its own, but only while it holds the baton: it gives it back
when it pauses, and gets it again when its moment has come. So exactly one thread runs at any time, the order is that
of virtual time, and no real time is waited for.
"""

from __future__ import annotations

import heapq
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.testing.manual_clock import ManualClock


class Stopped(BaseException):
    """The run is over; ends a task that still waits for its turn."""


class Scheduler:
    """Runs events and tasks in the order of virtual time.

    Args:
        clock: Is moved on; nothing else may move it.
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
        """Let an action happen so many seconds from now; it may not pause."""
        self._push(delay, action)

    def spawn(self, delay: float, work: Callable[[], None]) -> None:
        """Let a task begin so many seconds from now; it may pause, and must not raise."""
        self._push(delay, lambda: self._begin(work))

    def pause(self, seconds: float) -> None:
        """Let time pass for the task that calls this; others may run meanwhile.

        Raises:
            Stopped: The run is over.
        """
        task, moment = self._running, self._clock.elapsed() + seconds
        if task is None:
            raise RuntimeError("only a task can pause")
        if not self._queue or self._queue[0][0] > moment:
            self._clock.advance(seconds)  # nobody else has anything to do before
            return
        self._push(seconds, task)
        self._returned.release()
        task.turn.acquire()
        if self._over:
            raise Stopped

    def run(self, horizon: float, most: int) -> bool:
        """Run until nothing is left to happen.

        Args:
            horizon: Stop at so many seconds since the beginning.
            most: Stop after so many steps: what goes on for so long goes in circles.

        Returns:
            Whether nothing is left.
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
            return  # said by a task that is being ended
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
    """A thread that does one task after another, each when it is handed the baton."""

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
