"""The time that the gateway takes beside the time that the settings give it."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING

from itsm_workflow.doctor.configuration import variable_of
from itsm_workflow.doctor.findings import warning
from itsm_workflow.doctor.refusals import THEM
from itsm_workflow.policy import Policy
from itsm_workflow.settings.rules import MAX_SECONDS

if TYPE_CHECKING:
    from itsm_workflow.doctor.findings import Finding
    from itsm_workflow.settings import Settings

NEAR = 0.8
"""From this part of the time on, a call counts as nearly too slow."""


def speed(took: float, settings: Settings, *, near: float = NEAR) -> Finding | None:
    """Return a warning if the slowest call took nearly all of the time that it has, or more; None if it did not.

    Args:
        took: Seconds from the request to the end of the answer.
        settings: The times in force.
        near: From which part of the time on it is a warning.
    """
    allowed = allowed_time(settings)
    if took < near * allowed:
        return None
    seen = f"the slowest call took {took:.1f} s of the {allowed:g} s that it has: a slower one fails"
    return warning("gateway.speed", seen, longer_times(settings, took) or THEM)


def allowed_time(settings: Settings) -> float:
    """Return the seconds after which a gateway that says nothing is given up."""
    return min(settings.timeout[1], settings.deadline)


def longer_times(settings: Settings, took: float) -> str:
    """Return which variables to set to what, so that a call may take twice the time.

    Args:
        settings: The times in force.
        took: Seconds that a call took, or after which it was given up.
    """
    connect, read = settings.timeout
    wanted = min(max(math.ceil(2 * took), 1), MAX_SECONDS)
    whole = min(math.ceil(connect + wanted), MAX_SECONDS)
    told = []
    if wanted > read:
        told.append(f"{variable_of(settings, 'timeout')}={connect:g},{wanted}")
    if whole > settings.deadline:
        told.append(f"{variable_of(settings, 'deadline')}={whole}")
    misfits = Policy().misfits(dt.timedelta(seconds=max(whole, settings.deadline)))
    room = f", and give the workflow a policy with room for it: {'; '.join(misfits)}" if misfits else ""
    return f"set {' and '.join(told)}{room}" if told else ""
