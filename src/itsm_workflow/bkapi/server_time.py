"""The gateway's clock, read from its answers: a second source for waits that must not depend on our clock alone."""

from __future__ import annotations

import datetime as dt
import email.utils
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class ServerTime:
    """The last ``Date`` of a gateway. Thread-safe.

    Args:
        elapsed: Source of monotonic seconds.
    """

    def __init__(self, *, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._seen: tuple[dt.datetime, float] | None = None

    def note(self, headers: Mapping[str, str]) -> None:
        """Record the time in an answer's headers, which have lower-case names; ignore a date that cannot be parsed."""
        try:
            moment = email.utils.parsedate_to_datetime(headers.get("date", ""))
            seen = moment.astimezone(dt.UTC) if moment.tzinfo is not None else None
        except (ValueError, OverflowError):
            return
        if seen is not None:
            self._seen = seen, self._elapsed()

    def now(self) -> dt.datetime | None:
        """Return the gateway's time, to the second: its last ``Date`` plus the elapsed time, or None if unknown."""
        if self._seen is None:
            return None
        moment, at = self._seen
        return moment + dt.timedelta(seconds=int(self._elapsed() - at))
