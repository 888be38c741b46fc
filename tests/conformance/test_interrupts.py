"""The promises about signals, locks that fail and clocks: each is needed, and shows what it is about."""

from __future__ import annotations

import os
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.testing import check_storage
from itsm_workflow.testing.conformance import THOROUGH, PromiseOutcome
from itsm_workflow.testing.conformance._interrupts import InterruptPromises
from itsm_workflow_backends.json_file import JSONFileBackend
from itsm_workflow_backends.sqlite import SQLiteBackend
from tests.conformance.good import CheckedJournal, FilePerChange, Journal, NeverWaits, OneFile, TwoTables
from tests.conformance.profiles import SHORT
from tests.conformance.zoo_interrupts import ZOO, GoesOnAfterAHundredTries, ReadsAgainWhenTimeOrSizeDiffers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from itsm_workflow.storage.protocol import StorageBackend

    NewStore = Callable[[type], Callable[[], Callable[[], StorageBackend]]]

PROMISES = {
    name.removeprefix("test_").replace("_", " ")
    for name, value in vars(InterruptPromises).items()
    if hasattr(value, "needs")
}

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the trials fork processes")


@pytest.fixture
def new_store(tmp_path: Path) -> NewStore:
    """Return what makes, for a backend, what makes empty stores."""
    number = count()
    return lambda backend: lambda: partial(backend, tmp_path / f"store{next(number)}")


def test_each_promise_has_a_broken_backend() -> None:
    """It is caught by this promise."""
    assert {caught.promise for caught in ZOO.values()} == PROMISES


@pytest.mark.long
def test_a_read_interrupted_at_each_line_raises_no_alarm(new_store: NewStore) -> None:
    """Not every read executes each line, so some of the reads are answered; they read what this round has stored."""
    report = check_storage(
        new_store(JSONFileBackend),
        abilities=JSONFileBackend.abilities,
        profile=THOROUGH,
        only="a read can be interrupted in its code",
    )
    assert report.broken == {}


@pytest.mark.long
@pytest.mark.parametrize("backend", ZOO, ids=lambda backend: backend.__name__)
def test_without_its_promise_a_broken_backend_would_pass(backend: type, new_store: NewStore) -> None:
    """No other promise of this part catches it, so each of them is needed."""
    others = PROMISES - {ZOO[backend].promise}
    abilities = backend.abilities  # type: ignore[attr-defined]  # of each backend
    assert check_storage(new_store(backend), abilities=abilities, profile=SHORT, only=others).broken == {}


@pytest.mark.long
@pytest.mark.parametrize(
    "backend",
    [SQLiteBackend, JSONFileBackend, OneFile, NeverWaits, Journal, CheckedJournal, FilePerChange, TwoTables],
    ids=lambda backend: backend.__name__,
)
def test_a_good_backend_raises_no_alarm(backend: type, new_store: NewStore) -> None:
    """Each of them keeps these promises, and reports a file that cannot be reached."""
    only = {*PROMISES, "failed read"}
    abilities = backend.abilities  # type: ignore[attr-defined]  # of each backend
    report = check_storage(new_store(backend), abilities=abilities, only=only)
    assert {name: result.reason for name, result in report.broken.items()} == {}
    assert report.count(PromiseOutcome.KEPT) == len(report.results)


@pytest.mark.long
def test_a_report_shows_what_the_calls_met(new_store: NewStore) -> None:
    """The lock that failed and the call before which the other process was stopped; the time of the files."""
    for backend, words in (
        (GoesOnAfterAHundredTries, "where process 1 stops in its commit, before its step 1"),
        (ReadsAgainWhenTimeOrSizeDiffers, "where all files of the store have the same time of change"),
    ):
        abilities = backend.abilities
        report = check_storage(new_store(backend), abilities=abilities, only=ZOO[backend].promise)
        (broken,) = report.broken.values()
        assert broken.calls[0].startswith(words)
