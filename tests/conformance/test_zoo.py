"""The zoo of broken backends: the kit catches each, and raises no alarm on the good ones."""

from __future__ import annotations

import inspect
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.testing import check_storage
from itsm_workflow.testing.conformance import QUICK, PromiseOutcome, _shortest
from itsm_workflow.testing.conformance._kit import Kit
from itsm_workflow_backends.json_file import JSONFileBackend
from itsm_workflow_backends.memory import MemoryBackend
from itsm_workflow_backends.sqlite import SQLiteBackend
from tests.conformance.zoo import (
    ZOO,
    IgnoresTheVersion,
    MovesUpdatedAtOnAClaim,
    ReturnsAConflictAsSuccess,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from itsm_workflow.storage.protocol import StorageBackend

    Backend = type[MemoryBackend | SQLiteBackend | JSONFileBackend]
    NewStore = Callable[[Backend], Callable[[], Callable[[], StorageBackend]]]

GOOD: tuple[Backend, ...] = (MemoryBackend, SQLiteBackend, JSONFileBackend)


@pytest.fixture
def new_store(tmp_path: Path) -> NewStore:
    """Return what makes, for a backend, what makes empty stores."""
    number = count()

    def new(backend: Backend) -> Callable[[], Callable[[], StorageBackend]]:
        def new_store() -> Callable[[], StorageBackend]:
            return (
                backend if issubclass(backend, MemoryBackend) else partial(backend, tmp_path / f"store{next(number)}")
            )

        return new_store

    return new


@pytest.mark.parametrize("backend", ZOO, ids=lambda backend: backend.__name__)
def test_each_of_the_zoo_is_caught(backend: Backend, new_store: NewStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken promise is found, with its sentence, what is wrong, and the calls that show it."""
    monkeypatch.setattr(_shortest, "_MOST_SECONDS", 1.0)
    name, sentence = ZOO[backend]
    report = check_storage(new_store(backend), abilities=backend.abilities, only=name)
    assert list(report.broken) == [name]
    assert sentence in report.broken[name].sentence
    assert report.broken[name].reason
    assert report.broken[name].calls


@pytest.mark.parametrize("backend", ZOO, ids=lambda backend: backend.__name__)
def test_each_of_the_zoo_is_a_small_change_of_a_good_one(backend: Backend) -> None:
    """What is caught is one broken promise, not a bad backend."""
    assert len(inspect.getsource(backend).splitlines()) <= 15
    assert backend.__bases__[0] in GOOD


def test_a_good_backend_raises_no_alarm(new_store: NewStore) -> None:
    """The whole kit, five times over; `make conformance` does it a hundred times, with each of our backends."""
    for _ in range(5):
        report = check_storage(new_store(MemoryBackend))
        assert report.broken == {}
        assert report.count(PromiseOutcome.KEPT) + report.count(PromiseOutcome.NOT_DECLARED) == len(Kit.all_promises())


@pytest.mark.parametrize("backend", [IgnoresTheVersion, ReturnsAConflictAsSuccess])
def test_the_walk_at_random_catches_it_as_well(backend: Backend, new_store: NewStore) -> None:
    """Hypothesis finds the defect without having been told where to look, and shows it in a few calls."""
    short = attrs.evolve(QUICK, steps=8)
    (broken,) = check_storage(new_store(backend), profile=short, only="dictionary").broken.values()
    assert len([call for call in broken.calls if call.startswith("commit")]) <= 2


def test_the_counterexample_is_the_shortest(new_store: NewStore) -> None:
    """Calls and writes that are not needed to show what is wrong are left out."""
    (broken,) = check_storage(new_store(MovesUpdatedAtOnAClaim), only="moves when it is due").broken.values()
    assert broken.calls == (
        "commit([create 'c1' (open_subject='s', due_at=1790000000123457)]) -> [None]",
        "commit([claim 'c1' v1 (open_subject='s', due_at=1790000060123458)]) -> [None]",
        "get('c1') -> 'c1' v2 seq 1 (open_subject='s', due_at=1790000060123458)",
    )
    assert broken.reason == "updated_at is 1790000000123459, must be 1790000000123458"
