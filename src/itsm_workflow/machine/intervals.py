"""Elapsed waits, checked by more than one clock.

A wall clock can be set forward. That must not shorten a wait, above all the wait before a second create request. So a
wait has passed only if an independent clock agrees: the machine's boot time, or the gateway's ``Date``.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from itsm_workflow.change import Moment

_MICROSECOND = dt.timedelta(microseconds=1)
_DATE_GRACE = dt.timedelta(seconds=1)  # a Date has whole seconds
_BOOT_GRACE = 100  # a hundredth of the wait: a time server slews the wall clock by far less


def has_passed(before: Moment, after: Moment, wait: dt.timedelta) -> bool | None:
    """Return whether a wait has passed between two moments; None if only the wall clock shows it.

    Args:
        before: The moment when the wait began.
        after: The current moment.
        wait: The duration; a wait of zero has always passed.
    """
    if after.wall < before.wall + wait:
        return False
    if not wait:
        return True
    if before.boot_id and before.boot_id == after.boot_id:
        return (after.boot - before.boot) * _MICROSECOND >= wait - wait / _BOOT_GRACE
    if before.gateway is not None and after.gateway is not None:
        return after.gateway - before.gateway >= wait - _DATE_GRACE
    return None
