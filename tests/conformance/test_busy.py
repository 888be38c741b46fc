"""The races try a store again that does not wait while it is busy, and report one that stays unavailable."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing import check_storage
from itsm_workflow.testing.conformance import QUICK, PromiseOutcome
from itsm_workflow.testing.conformance._insistent import Insistent
from itsm_workflow.testing.conformance._rows import create, follow
from tests.conformance.good import PlainDict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow.storage.protocol import Conflict, Write
    from tests.conformance.good import Changes

RACES = (
    *("one thread wins each version", "one thread opens each subject", "threads claim each due row once"),
    *("calls of threads have an order", "existing rows are found while others write"),
)


class Refuses(PlainDict):
    """Refuses a racer some of its calls, as a store that does not wait does while it is busy."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: Counter[str] = Counter()

    def _refuses(self, number: int) -> bool:
        raise NotImplementedError

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        name = threading.current_thread().name
        self._calls[name] += 1
        if name.startswith("thread ") and self._refuses(self._calls[name]):
            raise StorageUnavailable("the store is busy")
        with super()._opened() as changes:
            yield changes


class RefusesTwice(Refuses):
    """Refuses each racer two calls of three."""

    def _refuses(self, number: int) -> bool:
        return number % 3 != 0


class RefusesTheFirst(PlainDict):
    """Refuses each racer its first commits, more than it makes of its own accord."""

    def __init__(self) -> None:
        super().__init__()
        self._commits: Counter[str] = Counter()

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store the writes, or refuse them."""
        name = threading.current_thread().name
        self._commits[name] += 1
        if name.startswith("thread ") and self._commits[name] < 20:
            raise StorageUnavailable("the store is busy")
        return super().commit(writes)


class RefusesEachRacer(Refuses):
    """Refuses every call of a racer."""

    def _refuses(self, number: int) -> bool:
        return number > 0


@pytest.mark.parametrize("only", RACES)
def test_a_store_that_does_not_wait_raises_no_alarm(only: str) -> None:
    """The port lets every method raise StorageUnavailable; a caller tries again."""
    report = check_storage(lambda: RefusesTwice, only=only)
    assert [(result.outcome, result.reason) for result in report.results] == [(PromiseOutcome.KEPT, "")]


def test_a_thread_that_every_other_one_delays_raises_no_alarm() -> None:
    """Beside seven others, a store that does not wait can refuse every commit of a thread, until they have ended."""
    few = attrs.evolve(QUICK, writes=4)
    report = check_storage(lambda: RefusesTheFirst, only="calls of threads have an order", profile=few)
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
