"""The zoo of broken backends: the kit catches each, and raises no alarm on the good ones."""

from __future__ import annotations

import inspect
import multiprocessing
import os
import time
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, ClassVar

import attrs
import pytest

from itsm_workflow.testing import StorageConformance, check_storage
from itsm_workflow.testing.conformance import QUICK, THOROUGH, PromiseOutcome, _pace, _shortest
from itsm_workflow.testing.conformance._kit import Kit
from itsm_workflow_backends.json_file import JSONFileBackend
from itsm_workflow_backends.memory import MemoryBackend
from itsm_workflow_backends.sqlite import SQLiteBackend
from tests.conformance import zoo_errors, zoo_hidden, zoo_interrupts, zoo_taking_over, zoo_undoing
from tests.conformance.collection import COLLECTION
from tests.conformance.good import (
    CheckedJournal,
    FilePerChange,
    Journal,
    NeverWaits,
    OneFile,
    PidLock,
    PlainDict,
    TwoTables,
)
from tests.conformance.good_links import LinkedCommits
from tests.conformance.profiles import SHORT
from tests.conformance.zoo import (
    CapsPages,
    IgnoresTheVersion,
    MovesUpdatedAtOnAClaim,
    ReturnsAConflictAsSuccess,
)
from tests.conformance.zoo_answers import SkipsAClaimThatMovesNothing
from tests.conformance.zoo_making import CutsItsTailWhenOpened, MakesItsFileWithoutTheLock
from tests.conformance.zoo_races import (
    GoesOnWithWhatWasRead,
    KeepsItsLog,
    LocksForASecond,
    LocksTheProcess,
    SharesItsLockAcrossAFork,
    WritesTheRowBeforeItsEntries,
)
from tests.conformance.zoo_sizes import (
    CountsEntriesInTwoBytes,
    CountsEntriesInTwoBytesWithoutSign,
    FindsTheFirstTenThousand,
    StoresAThousandEntries,
)
from tests.conformance.zoo_spelling import HoldsSubjectsForASecond
from tests.support.long import long_after

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from itsm_workflow.storage.protocol import StorageBackend
    from tests.conformance.caught import Caught

    Backend = type[MemoryBackend | SQLiteBackend | JSONFileBackend | PlainDict]
    NewStore = Callable[[Backend], Callable[[], Callable[[], StorageBackend]]]

ALL: dict[Backend, Caught] = {backend: caught for members in COLLECTION.values() for backend, caught in members.items()}
GOOD: tuple[Backend, ...] = (
    *(MemoryBackend, SQLiteBackend, JSONFileBackend),
    *(PlainDict, OneFile, NeverWaits, Journal, CheckedJournal, FilePerChange, TwoTables, PidLock, LinkedCommits),
)


@pytest.fixture
def new_store(tmp_path: Path) -> NewStore:
    """Return what makes, for a backend, what makes empty stores."""
    number = count()

    def new(backend: Backend) -> Callable[[], Callable[[], StorageBackend]]:
        def new_store() -> Callable[[], StorageBackend]:
            if issubclass(backend, (MemoryBackend, PlainDict)) and not issubclass(backend, (OneFile, LinkedCommits)):
                return backend
            return partial(backend, tmp_path / f"store{next(number)}")

        return new_store

    return new


SLOW = {
    *(HoldsSubjectsForASecond, LocksForASecond, LocksTheProcess, SkipsAClaimThatMovesNothing),
    *(WritesTheRowBeforeItsEntries, CutsItsTailWhenOpened, FindsTheFirstTenThousand, CapsPages),
    *(StoresAThousandEntries, CountsEntriesInTwoBytes, MakesItsFileWithoutTheLock),
    *(*zoo_errors.ZOO, *zoo_undoing.ZOO, *zoo_hidden.ZOO, *zoo_interrupts.ZOO, *zoo_taking_over.ZOO),
}
"""What they do is found after seconds, or in many trials."""
FIRST = set({caught.promise: backend for backend, caught in reversed(ALL.items()) if backend not in SLOW}.values())
"""The first of each promise runs each time."""


@pytest.mark.parametrize(
    "backend",
    [pytest.param(backend, marks=[] if backend in FIRST else pytest.mark.long) for backend in ALL],
    ids=lambda backend: backend.__name__,
)
def test_each_of_the_zoo_is_caught(backend: Backend, new_store: NewStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken promise is found, with its sentence, what is wrong, and the calls that show it."""
    monkeypatch.setattr(_shortest, "_MOST_SECONDS", 1.0)
    if ALL[backend].patience is not None:
        monkeypatch.setattr(_pace, "_TIMES_THE_FIRST", 50)  # one slow sync would make the wait for it a quarter hour
    name = ALL[backend].promise
    report = check_storage(new_store(backend), abilities=backend.abilities, only=name, patience=ALL[backend].patience)
    assert list(report.broken) == [name]
    assert ALL[backend].words in report.broken[name].sentence
    assert report.broken[name].reason
    assert report.broken[name].calls


@pytest.mark.long
def test_a_history_of_more_entries_than_two_bytes_count_is_thorough(new_store: NewStore) -> None:
    """The thorough profile writes so many, and catches a number without a sign."""
    name = "thousands of entries"
    thorough = attrs.evolve(QUICK, entries=THOROUGH.entries)
    for profile, broken in ((QUICK, []), (thorough, [name])):
        report = check_storage(new_store(CountsEntriesInTwoBytesWithoutSign), profile=profile, only=name)
        assert list(report.broken) == broken


def test_each_of_the_zoo_is_a_small_change_of_a_good_one() -> None:
    """What is caught is one broken promise, not a bad backend."""
    assert [each for each in ALL if len(inspect.getsource(each).splitlines()) > 15] == []
    assert [each for each in ALL if not any(base in GOOD for base in each.__mro__[1:])] == []


@pytest.mark.long  # the tests of our own backends run the kit on each of them
@pytest.mark.parametrize("backend", [PlainDict, MemoryBackend])
def test_a_good_backend_raises_no_alarm(backend: Backend, new_store: NewStore) -> None:
    """The whole kit; `make conformance` does it a hundred times, with each of our backends."""
    report = check_storage(new_store(backend), abilities=backend.abilities)
    assert report.broken == {}
    assert report.count(PromiseOutcome.KEPT) + report.count(PromiseOutcome.NOT_DECLARED) == len(Kit.all_promises())


@pytest.mark.long
class TestOneFile(StorageConformance):
    """A good backend, which rewrites its one file; each promise is a test, since all together take minutes."""

    abilities = OneFile.abilities
    profile = SHORT
    build: ClassVar[type[OneFile]] = OneFile

    @pytest.fixture
    def open_backend(self, tmp_path: Path) -> Callable[[], StorageBackend]:
        """Return what opens the store of this test."""
        return partial(type(self).build, tmp_path / "store")


@pytest.mark.long
class TestJournal(TestOneFile):
    """A good backend, which appends to its file."""

    abilities = Journal.abilities
    build = Journal


@pytest.mark.long
class TestCheckedJournal(TestOneFile):
    """A good backend, which appends to its file and reports damage to it."""

    abilities = CheckedJournal.abilities
    build = CheckedJournal


@pytest.mark.long
class TestNeverWaits(TestOneFile):
    """A good backend, which refuses a call at once while another one is in the store."""

    abilities = NeverWaits.abilities
    build = NeverWaits


@pytest.mark.long
class TestTwoTables(TestOneFile):
    """A good backend, which keeps two tables in SQLite."""

    abilities = TwoTables.abilities
    build = TwoTables


@pytest.mark.long
@pytest.mark.parametrize(
    "only",
    [
        *(
            "power cut at any moment",
            "answered as a conflict",
            "failed read",
            "failed write",
            "killed process",
            "forked",
        ),
        *("killed at any call", "empty answer", "those of its files"),
    ],
)
def test_a_backend_with_many_files_raises_no_alarm(only: str, new_store: NewStore) -> None:
    """Those that depend on files; it reads all of them in each call, so the whole kit would take long."""
    report = check_storage(new_store(FilePerChange), abilities=FilePerChange.abilities, only=only)
    assert report.broken == {}
    assert report.count(PromiseOutcome.KEPT) == len(report.results)


@pytest.mark.parametrize("only", long_after(1, ["damage", "a failed read", "an interrupted commit does not spoil"]))
def test_a_backend_that_links_its_files_raises_no_alarm(only: str, new_store: NewStore) -> None:
    """The check damages also the files to which a name was linked, and removes them after each trial."""
    report = check_storage(new_store(LinkedCommits), abilities=LinkedCommits.abilities, only=only)
    assert {name: result.reason for name, result in report.broken.items()} == {}
    assert report.count(PromiseOutcome.KEPT) == len(report.results)


@pytest.mark.long
@pytest.mark.parametrize("backend", [PidLock, NeverWaits, Journal])
def test_a_backend_that_takes_over_in_turn_raises_no_alarm(backend: Backend, new_store: NewStore) -> None:
    """One process at a time takes the lock of a dead one, or the system releases it."""
    report = check_storage(new_store(backend), abilities=backend.abilities, only="lock of a dead one")
    assert {name: result.reason for name, result in report.broken.items()} == {}
    assert report.count(PromiseOutcome.KEPT) == 1


def test_a_backend_that_does_not_wait_for_a_lock_raises_no_alarm_in_the_walk(new_store: NewStore) -> None:
    """A commit that raised StorageUnavailable in a race may have been stored, or not."""
    few = attrs.evolve(QUICK, walks=4)
    report = check_storage(new_store(NeverWaits), abilities=NeverWaits.abilities, profile=few, only="dictionary")
    assert {name: result.reason for name, result in report.broken.items()} == {}
    assert report.count(PromiseOutcome.KEPT) == 1


class BeginsLateAfterAFork(SharesItsLockAcrossAFork):
    """Gives the machine much else to do when a process has forked."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        if multiprocessing.parent_process() is not None:  # the process of the tests goes on to other tests
            os.register_at_fork(after_in_child=partial(time.sleep, 0.6))


def test_a_lock_shared_across_a_fork_is_found_on_a_busy_machine(new_store: NewStore) -> None:
    """The thread inside of a commit waits for the calls of the forked process, however late that begins."""
    name = ALL[SharesItsLockAcrossAFork].promise
    report = check_storage(new_store(BeginsLateAfterAFork), abilities=OneFile.abilities, only=name)
    assert list(report.broken) == [name]


@pytest.mark.long
@pytest.mark.parametrize("backend", [SharesItsLockAcrossAFork, GoesOnWithWhatWasRead, KeepsItsLog])
def test_without_its_check_a_backend_that_shares_across_a_fork_would_pass(
    backend: Backend, new_store: NewStore
) -> None:
    """Each of the three promises about forks catches one that the others do not."""
    report = check_storage(new_store(backend), abilities=backend.abilities, only="forked process")
    assert list(report.broken) == [ALL[backend].promise]


@pytest.mark.long
@pytest.mark.parametrize("backend", [IgnoresTheVersion, ReturnsAConflictAsSuccess])
def test_the_walk_at_random_catches_it_as_well(backend: Backend, new_store: NewStore) -> None:
    """Hypothesis finds the defect without having been told where to look, and shows it in a few calls."""
    short = attrs.evolve(QUICK, steps=8)
    (broken,) = check_storage(new_store(backend), profile=short, only="dictionary").broken.values()
    assert len([call for call in broken.calls if call.startswith("commit")]) <= 2


def test_the_counterexample_is_the_shortest(new_store: NewStore) -> None:
    """Calls and writes that are not needed to show what is wrong are left out."""
    (broken,) = check_storage(new_store(MovesUpdatedAtOnAClaim), only="only the due time").broken.values()
    assert broken.calls == (
        "commit([create 'c1' (open_subject='s', due_at=1790000000123457)]) -> [None]",
        "commit([claim 'c1' v1 (open_subject='s', due_at=1790000060123458)]) -> [None]",
        "get('c1') -> 'c1' v2 seq 1 (open_subject='s', due_at=1790000060123458)",
    )
    assert broken.reason == "updated_at is 1790000000123459, must be 1790000000123458"


@pytest.mark.parametrize("limit", ["_MOST_SECONDS", "_MOST_REPLAYS"])
def test_calls_that_are_not_the_fewest_are_said_to_be_so(
    limit: str, new_store: NewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search for fewer ends after some time, and after some number of tries."""
    monkeypatch.setattr(_shortest, limit, 0)
    (broken,) = check_storage(new_store(MovesUpdatedAtOnAClaim), only="only the due time").broken.values()
    assert broken.calls[0] == "(perhaps not the fewest calls: the time to leave some out was over)"
    assert broken.calls[1].startswith("commit([create 'c1'")
