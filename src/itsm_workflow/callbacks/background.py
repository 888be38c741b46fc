"""A few threads of our own for looks after callbacks: waiting for them has a bound, also when the interpreter exits.

The threads of `concurrent.futures` are joined at exit however long they take. These are daemons: what they look into is
stored as due, so that another process looks into it if this one ends before they have.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import time
import weakref
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_Work = tuple["Future[Any]", "Callable[..., Any]", tuple[Any, ...]]
_open: weakref.WeakSet[Background] = weakref.WeakSet()


class Background:
    """Threads that do what is submitted, oldest first.

    Args:
        threads: How many there are.
        name: The beginning of their names.
        seconds: How long closing them, and the exit of the interpreter, waits by default.
    """

    def __init__(self, threads: int, name: str, *, seconds: float) -> None:
        self.seconds = seconds
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_closed = False
        self._pid = os.getpid()
        self._threads = [
            threading.Thread(target=_work, args=(self._queue,), name=f"{name}_{number}", daemon=True)
            for number in range(threads)
        ]
        # Before they are started: those that were end, too, if the system has no room for another one.
        weakref.finalize(self, _end, self._queue, threads).atexit = False
        for thread in self._threads:
            thread.start()
        _open.add(self)

    def submit(self, work: Callable[..., T], *args: Any) -> Future[T]:
        """Let a thread do it, and return its future.

        Raises:
            RuntimeError: The threads were told to end.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._is_closed:
                raise RuntimeError("these threads were told to end: nothing more can be submitted")
            self._queue.put((future, work, args))
        return future

    def close(self, seconds: float | None = None) -> bool:
        """Let the threads end once they have done what was submitted, and wait for that.

        Args:
            seconds: How long to wait at most. What was not begun then is dropped.

        Returns:
            Whether all of it was done.
        """
        if self._pid != os.getpid():
            return True  # a forked child has none of its parent's threads, and the lock may be held for good
        until = time.monotonic() + (self.seconds if seconds is None else seconds)
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                _end(self._queue, len(self._threads))
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))
        is_done = not any(thread.is_alive() for thread in self._threads)
        if not is_done:
            _drop(self._queue)
            _end(self._queue, len(self._threads))
        return is_done


def _work(todo: queue.SimpleQueue[_Work | None]) -> None:
    # Without a reference to the `Background`, so that one that its host has dropped ends its threads.
    while (one := todo.get()) is not None:
        future, work, args = one
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(work(*args))
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)
        del one, future, work, args


def _end(todo: queue.SimpleQueue[_Work | None], threads: int) -> None:
    for _ in range(threads):
        todo.put(None)


def _drop(todo: queue.SimpleQueue[_Work | None]) -> None:
    while True:
        try:
            one = todo.get_nowait()
        except queue.Empty:
            return
        if one is not None:
            one[0].cancel()


@atexit.register
def _close_all() -> None:
    waiting = list(_open)
    until = time.monotonic() + max((background.seconds for background in waiting), default=0.0)
    for background in waiting:
        background.close(max(until - time.monotonic(), 0.0))
