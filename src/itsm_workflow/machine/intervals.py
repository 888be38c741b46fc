"""Whether a wait has passed, by more than one clock.

A wall clock can be set. What must not be hurried by that, a second create above all, is judged by the wall clock and by
a witness that is independent of it: the machine's boot time, or the gateway's ``Date``.
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
    """Return whether a wait has passed between two moments; None if only the wall clock says so.

    Args:
        before: When the wait began.
        after: Now.
        wait: How long it is; one of zero has always passed.
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
