"""A backend whose calls are made again while the store is busy, since the port lets it refuse a call then."""

from __future__ import annotations

import random
import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import attrs

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.testing.conformance._profiles import QUICK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.storage.protocol import Conflict, EntryRows, Query, Row, Rows, StorageBackend, Write

    T = TypeVar("T")

_FIRST, _LONGEST = 1 / 2000, 1 / 100
"""The seconds between two tries: at first, and at most."""


@attrs.frozen
class Insistent:
    """A backend of a race, each call of which is made again while it raises StorageUnavailable.

    A commit that raised may have been stored, and is then answered with a conflict when it is made again. Each try is
    recorded, so the judgement of the race knows that.

    Raises:
        AssertionError: It raised StorageUnavailable until the time limit of a call was over.
    """

    backend: StorageBackend

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store writes."""
        return self._again("commit", partial(self.backend.commit, writes))

    def get(self, change_id: str, /) -> Row | None:
        """Return a row."""
        return self._again("get", partial(self.backend.get, change_id))

    def find(self, query: Query, /) -> Rows:
        """Return a page of rows."""
        return self._again("find", partial(self.backend.find, query))

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Return a page of history."""
        return self._again("history", partial(self.backend.history, change_id, after_seq, limit))

    def close(self) -> None:
        """Close the backend."""
        self.backend.close()

    def _again(self, name: str, call: Callable[[], T]) -> T:
        pause, until = _FIRST, None
        while True:
            try:
                return call()
            except StorageUnavailable as error:
                limit = self._limit()
                until = time.monotonic() + limit if until is None else until
                if time.monotonic() > until:
                    raise AssertionError(f"{name} raised StorageUnavailable for {limit:.4g} s: {error}") from error
            time.sleep(pause * random.random())  # noqa: S311  # so that racers do not meet again
            pause = min(2 * pause, _LONGEST)

    def _limit(self) -> float:
        recording = getattr(self.backend, "recording", None)
        return QUICK.patience if recording is None else recording.pace.blocked
