"""The call that another process is in, seen from outside, also while that process is stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

_METHODS = ("", "open", "commit", "get", "find", "history", "close")
_IN, _SINCE, _RETURNED = range(3)


class SharedPulse:
    """Three numbers in memory that two processes share: the method, the time of its call, and how many returned."""

    def __init__(self, context: BaseContext) -> None:
        self._cells: Any = context.RawArray("q", 3)

    def begin(self, name: str, now: int) -> None:
        """Note the beginning of a call; called by the process that makes it."""
        self._cells[_SINCE] = now
        self._cells[_IN] = _METHODS.index(name)

    def end(self) -> None:
        """Note that the call returned."""
        self._cells[_IN] = 0
        self._cells[_RETURNED] += 1

    @property
    def returned(self) -> int:
        """The number of calls that returned."""
        return int(self._cells[_RETURNED])

    def in_call(self) -> tuple[str, float]:
        """Return the method that the process is in and for how many seconds; an empty name if it is in none."""
        name = _METHODS[self._cells[_IN]]
        return name, (time.monotonic_ns() - self._cells[_SINCE]) / 1e9 if name else 0.0
