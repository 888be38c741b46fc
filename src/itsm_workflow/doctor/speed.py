"""Compare the duration of gateway calls with the time limits in the settings."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING

from itsm_workflow.doctor.configuration import variable_of
from itsm_workflow.doctor.findings import warning
from itsm_workflow.doctor.refusals import THEM
from itsm_workflow.policy import Policy
from itsm_workflow.settings.kinds import MAX_SECONDS

if TYPE_CHECKING:
    from itsm_workflow.doctor.findings import Finding
    from itsm_workflow.settings import Settings

NEAR = 0.8
"""The fraction of the time limit from which a call is reported as nearly too slow."""


def speed(took: float, settings: Settings, *, near: float = NEAR) -> Finding | None:
    """Return a warning if the slowest call took nearly all of its time limit or more, otherwise None.

    Args:
        took: Seconds from the request to the end of the answer.
        settings: The time limits.
        near: The fraction of the time limit from which the call is reported.
    """
    allowed = allowed_time(settings)
    if took < near * allowed:
        return None
    seen = f"the slowest call took {took:.1f} s of its limit of {allowed:g} s: a slower call fails"
    return warning("gateway.speed", seen, longer_times(settings, took) or THEM)


def allowed_time(settings: Settings) -> float:
    """Return the seconds after which a call without an answer fails."""
    return min(settings.timeout[1], settings.deadline)


def longer_times(settings: Settings, took: float) -> str:
    """Return the variables to set, with values that allow a call twice the time.

    Args:
        settings: The time limits.
        took: Seconds that a call took, or after which it failed.
    """
    connect, read = settings.timeout
    wanted = min(max(math.ceil(2 * took), 1), MAX_SECONDS)
    whole = min(math.ceil(connect + wanted), MAX_SECONDS)
    assignments = []
    if wanted > read:
        assignments.append(f"{variable_of(settings, 'timeout')}={connect:g},{wanted}")
    if whole > settings.deadline:
        assignments.append(f"{variable_of(settings, 'deadline')}={whole}")
    misfits = Policy().misfits(dt.timedelta(seconds=max(whole, settings.deadline)))
    room = f", and give the workflow a policy with longer leases: {'; '.join(misfits)}" if misfits else ""
    return f"set {' and '.join(assignments)}{room}" if assignments else ""
