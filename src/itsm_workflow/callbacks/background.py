"""A thread pool for looks after callbacks, which is joined with a time-out, also when the interpreter exits.

The threads of `concurrent.futures` are joined at exit without a time-out. These threads are daemons: the changes that
they look at are stored as due, so another process looks at them if this process ends first.
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
    """Threads that run submitted calls, oldest first.

    Args:
        threads: The number of threads.
        name: The prefix of the threads' names.
        seconds: The default time to wait for the threads in `close` and at the exit of the interpreter.
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
        # Registered before the start, so that the started threads end even if the system cannot start another one.
        weakref.finalize(self, _end, self._queue, threads).atexit = False
        for thread in self._threads:
            thread.start()
        _open.add(self)

    def submit(self, work: Callable[..., T], *args: Any) -> Future[T]:
        """Submit a call to the threads, and return its future.

        Raises:
            RuntimeError: The threads are closed.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._is_closed:
                raise RuntimeError("cannot submit a call: the background threads are closed")
            self._queue.put((future, work, args))
        return future

    def close(self, seconds: float | None = None) -> bool:
        """Let the threads end after the submitted calls, and wait for them.

        Args:
            seconds: The maximum time to wait. Calls that were not begun by then are cancelled.

        Returns:
            Whether all calls were finished.
        """
        if self._pid != os.getpid():
            return True  # a forked child does not have its parent's threads, and the lock may never be released
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
    # Without a reference to the `Background`, so that its threads end when it is garbage-collected.
    while (one := todo.get()) is not None:
        future, work, args = one
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(work(*args))
        except BaseException as error:  # noqa: BLE001 - raised to the caller of the future's result
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
