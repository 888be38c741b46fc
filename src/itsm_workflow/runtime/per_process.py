"""The object of each process, opened when the process first needs it.

A server that forks its workers loads the host before that, so each worker opens an object of its own: connections and
threads do not cross a fork.
"""

from __future__ import annotations

import functools
import os
import threading
import weakref
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable


class Closes(Protocol):
    """An object that can be closed."""

    def close(self) -> None:
        """Release what the object holds."""
        ...


ClosesT = TypeVar("ClosesT", bound=Closes)


class PerProcess(Generic[ClosesT]):
    """Opens one object in each process, and closes it there.

    Args:
        opener: Returns a new object, or raises.
    """

    def __init__(self, opener: Callable[[], ClosesT]) -> None:
        self._opener = opener
        self._inherited: list[ClosesT] = []
        self._object: ClosesT | None = None
        self._lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            # Before the forked process has other threads, of which two could each open an object.
            os.register_at_fork(after_in_child=functools.partial(_call, weakref.WeakMethod(self._start_process)))

    def get(self) -> ClosesT:
        """Return this process's object; the first call opens it, and raises what the opener raises."""
        with self._lock:
            if self._object is None:
                self._object = self._opener()
            return self._object

    def close(self) -> None:
        """Close this process's object, if it was opened; the next `get` opens another one."""
        with self._lock:
            opened, self._object = self._object, None
        if opened is not None:
            opened.close()

    def _start_process(self) -> None:
        """Forget what belongs to the process that forked this one."""
        if self._object is not None:
            # Kept, not closed: its connections belong to the parent, whose server would see their end.
            self._inherited.append(self._object)
        self._object = None
        self._lock = threading.Lock()  # the parent may have held its own during the fork


def _call(method: weakref.WeakMethod[Callable[[], None]]) -> None:
    called = method()
    if called is not None:
        called()
