"""Local times that a clock shows twice, for backends that keep times as local ones."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ZONE = "CET-1CEST,M3.5.0,M10.5.0/3"

TWICE = (1_792_888_200_000_001, 1_792_891_800_000_001)
"""Half an hour before and after the end of summer time there, on 2026-10-25: a clock shows the same for both."""


@contextmanager
def summer_time() -> Iterator[None]:
    """Let local times of this process be those of a zone with summer time, where the system can do that."""
    before = os.environ.get("TZ")
    _set(_ZONE)
    try:
        yield
    finally:
        _set(before)


def _set(zone: str | None) -> None:
    if zone is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = zone
    if hasattr(time, "tzset"):
        time.tzset()
