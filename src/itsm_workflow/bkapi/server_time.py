"""The gateway's own clock, as its answers show it: a witness for waits that a wall clock alone must not decide."""

from __future__ import annotations

import datetime as dt
import email.utils
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class ServerTime:
    """Keeps the last ``Date`` of a gateway. Shared by threads.

    Args:
        elapsed: Seconds that never go back.
    """

    def __init__(self, *, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._seen: tuple[dt.datetime, float] | None = None

    def note(self, headers: Mapping[str, str]) -> None:
        """Take the time from an answer's headers, by lower-case name; one that cannot be read changes nothing."""
        try:
            moment = email.utils.parsedate_to_datetime(headers.get("date", ""))
            seen = moment.astimezone(dt.UTC) if moment.tzinfo is not None else None
        except (ValueError, OverflowError):
            return
        if seen is not None:
            self._seen = seen, self._elapsed()

    def now(self) -> dt.datetime | None:
        """Return the gateway's time, to the second: its last ``Date`` and what has elapsed since. None: not known."""
        if self._seen is None:
            return None
        moment, at = self._seen
        return moment + dt.timedelta(seconds=int(self._elapsed() - at))
