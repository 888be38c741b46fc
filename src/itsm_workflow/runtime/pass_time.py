"""The time of one pass: when it stops to begin work, and how long its reads from the gateway may take."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from itsm_workflow.budget import Budget

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.policy import Policy

_SHORTEST = 1e-6  # a budget is above 0, and `Policy.look_least` may be 0


class PassTime:
    """The time of one pass, counted from now.

    Args:
        seconds: The time after which the pass begins nothing more; None for no limit.
        policy: The timings in force.
        elapsed: A function that returns the seconds of a monotonic clock.
    """

    def __init__(self, seconds: float | None, *, policy: Policy, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._began = elapsed()
        self._ends_at = math.inf if seconds is None else self._began + seconds
        self._lease = policy.read_lease.total_seconds()
        self._least = policy.look_least.total_seconds()

    @property
    def taken(self) -> float:
        """Seconds since the pass began."""
        return self._elapsed() - self._began

    def is_over(self) -> bool:
        """Return whether the pass may begin nothing more."""
        return self._elapsed() >= self._ends_at

    def is_aging(self, claimed: float) -> bool:
        """Return whether a claim must be renewed before the gateway is asked about its change.

        Args:
            claimed: The clock's `elapsed` when the claim was begun.
        """
        return self._elapsed() >= claimed + self._lease / 4

    def list_budget(self) -> Budget:
        """Return the time for the list of undelivered callbacks: half of the pass, so that time is left for changes."""
        left = self._began + (self._ends_at - self._began) / 2 - self._elapsed()
        return Budget(max(left, _SHORTEST), elapsed=self._elapsed)

    def look_budget(self, claimed: float) -> Budget:
        """Return the time for a look: the rest of the pass plus `Policy.look_least`, but no longer than its claim.

        Args:
            claimed: The clock's `elapsed` when the claim was begun.
        """
        left = min(claimed + self._lease, self._ends_at + self._least) - self._elapsed()
        return Budget(max(left, self._least, _SHORTEST), elapsed=self._elapsed)
