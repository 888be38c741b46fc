"""A time limit that several calls share."""

from __future__ import annotations

import copy
import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Budget:
    """A time limit for an operation of several calls, counted from now.

    A call with a budget ends at its own deadline or at the end of the budget, whichever is first. If the budget is used
    up, the call raises `GatewayNotAsked` and sends nothing. Threads can share a budget.

    Args:
        seconds: The time limit; infinity means no limit.
        elapsed: A clock that returns seconds and never goes back.

    Raises:
        ValueError: The seconds are not a number above 0.
    """

    def __init__(self, seconds: float, *, elapsed: Callable[[], float] = time.monotonic) -> None:
        if type(seconds) not in {int, float} or math.isnan(seconds) or seconds <= 0:
            raise ValueError(f"a budget must be a number of seconds above 0, not {seconds!r}")
        self._elapsed = elapsed
        self._ends_at = elapsed() + seconds

    def part(self, seconds: float) -> Budget:
        """Return a budget of at most that many of the seconds left; with 0 or less, it is used up."""
        part = copy.copy(self)
        part._ends_at = min(self._ends_at, self._elapsed() + seconds)  # noqa: SLF001 - a copy of this very class
        return part

    @property
    def left(self) -> float:
        """The seconds that are left, at least 0."""
        return max(self._ends_at - self._elapsed(), 0.0)
