"""The races try a store again that does not wait while it is busy, and report one that stays unavailable."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

import pytest

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing import check_storage
from itsm_workflow.testing.conformance import PromiseOutcome
from itsm_workflow.testing.conformance._insistent import Insistent
from itsm_workflow.testing.conformance._rows import create, follow
from tests.conformance.good import PlainDict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.good import Changes

RACES = (
    *("one thread wins each version", "one thread opens each subject", "threads claim each due row once"),
    "existing rows are found while others write",
)


class RefusesTwice(PlainDict):
    """Refuses each racer two calls of three, as a store that does not wait does while it is busy."""

    tries: ClassVar[int] = 3

    def __init__(self) -> None:
        super().__init__()
        self._calls: Counter[str] = Counter()

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        name = threading.current_thread().name
        self._calls[name] += 1
        if name.startswith("thread ") and self._calls[name] % self.tries:
            raise StorageUnavailable("the store is busy")
        with super()._opened() as changes:
            yield changes


class RefusesEachRacer(RefusesTwice):
    """Refuses every call of a racer."""

    tries = 10**9


@pytest.mark.parametrize("only", RACES)
def test_a_store_that_does_not_wait_raises_no_alarm(only: str) -> None:
    """The port lets every method raise StorageUnavailable; a caller tries again."""
    report = check_storage(lambda: RefusesTwice, only=only)
    assert [(result.outcome, result.reason) for result in report.results] == [(PromiseOutcome.KEPT, "")]


@pytest.mark.parametrize("only", RACES)
def test_a_store_that_stays_unavailable_is_reported(only: str) -> None:
    """No racer could do its work; the race ends with the time limit of a call."""
    (broken,) = check_storage(lambda: RefusesEachRacer, only=only, patience=0.2).broken.values()
    assert "raised StorageUnavailable for " in broken.reason
    assert broken.reason.endswith(": the store is busy")


def test_each_call_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two that write and the three that read, each until it has its answer."""
    monkeypatch.setattr(threading.current_thread(), "name", "thread 1")
    store = RefusesTwice()
    insistent = Insistent(store)
    written = create("c1")
    assert insistent.commit([written]) == [None]
    assert insistent.get("c1") == written.row
    assert insistent.commit([follow(written.row)]) == [None]
    assert insistent.history("c1", 1).entries == follow(written.row).entries
    assert [row.version for row in insistent.find(Query()).rows] == [2]
    assert store._calls == {"thread 1": 15}
