"""The time that several calls may take together."""

from __future__ import annotations

import copy
import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Budget:
    """Seconds that an operation of several calls may take in all, counted from now.

    A call that is given a budget ends when its own deadline or the budget ends, whichever is first; one that finds the
    budget used up raises `GatewayNotAsked` and sends nothing. Shared by threads.

    Args:
        seconds: How long it lasts; infinity is no bound.
        elapsed: Seconds that never go back.

    Raises:
        ValueError: The seconds are not a number above 0.
    """

    def __init__(self, seconds: float, *, elapsed: Callable[[], float] = time.monotonic) -> None:
        if type(seconds) not in {int, float} or math.isnan(seconds) or seconds <= 0:
            raise ValueError(f"a budget is a number of seconds above 0, not {seconds!r}")
        self._elapsed = elapsed
        self._ends_at = elapsed() + seconds

    def part(self, seconds: float) -> Budget:
        """Return a budget of so many of the seconds that are left, or of fewer; of 0 or less: one that is used up."""
        part = copy.copy(self)
        part._ends_at = min(self._ends_at, self._elapsed() + seconds)  # noqa: SLF001 - a copy of this very class
        return part

    @property
    def left(self) -> float:
        """Seconds that are left, at least 0."""
        return max(self._ends_at - self._elapsed(), 0.0)
