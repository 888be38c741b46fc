"""The promises about errors: each is needed, works in two ways, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from itertools import count
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.testing import check_storage
from itsm_workflow.testing.conformance import PromiseOutcome, _errors, _trying
from itsm_workflow.testing.conformance._crashing import CrashPromises
from itsm_workflow.testing.conformance._errors import ErrorPromises
from itsm_workflow.testing.conformance._trials import preload
from itsm_workflow.testing.conformance._trials.runner import run_where_calls_are_seen
from itsm_workflow.testing.conformance._trials.script import Script
from itsm_workflow.testing.conformance._trials.session import Step
from itsm_workflow.testing.conformance._trials.stage import Point
from itsm_workflow.testing.conformance._trials.trial import Trial
from itsm_workflow_backends.json_file import JSONFileBackend
from itsm_workflow_backends.memory import MemoryBackend
from itsm_workflow_backends.sqlite import SQLiteBackend
from tests.conformance import zoo_errors, zoo_hidden, zoo_making, zoo_undoing
from tests.conformance.good import CheckedJournal
from tests.conformance.profiles import SHORT
from tests.conformance.zoo_errors import (
    IgnoresAFailedSync,
    KeepsItsJournalInMemory,
    KeepsTheLock,
    KeepsTheLockOfAReader,
    RemembersAFailedWrite,
    RepeatsACommit,
    SyncsNoDirectory,
)
from tests.conformance.zoo_making import ChecksSubjectsByAnIndex
from tests.conformance.zoo_undoing import TakesAFailedWriteForNone, WritesOverATornCommit
from tests.support.long import long_after

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.storage.protocol import StorageBackend
    from itsm_workflow.testing.conformance._trials.calls import Fault, Kind

    NewStore = Callable[[type], Callable[[], Callable[[], StorageBackend]]]

ROOT = Path(__file__).parents[2]
SEES_LIBRARIES = bool(shutil.which("cc")) and sys.platform.startswith("linux")
PROMISES = {
    name.removeprefix("test_").replace("_", " ")
    for part in (ErrorPromises, CrashPromises)
    for name, value in vars(part).items()
    if hasattr(value, "needs")
}
MAKING = {backend: caught for backend, caught in zoo_making.ZOO.items() if caught.promise in PROMISES}
ZOO = {**zoo_errors.ZOO, **zoo_undoing.ZOO, **zoo_hidden.ZOO, **MAKING}

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the trials fork processes")


@pytest.fixture
def new_store(tmp_path: Path) -> NewStore:
    """Return what makes, for a backend, what makes empty stores."""
    number = count()
    return lambda backend: lambda: partial(backend, tmp_path / f"store{next(number)}")


def test_each_promise_about_errors_has_a_broken_backend() -> None:
    """That is caught by this promise."""
    assert {caught.promise for caught in ZOO.values()} == PROMISES


_NEW_STORE = frozenset({"a failed sync of a new store is not answered as stored"})
ALSO_CAUGHT: dict[type, frozenset[str]] = {
    KeepsTheLockOfAReader: frozenset({"a failed read does not find nothing"}),
    IgnoresAFailedSync: _NEW_STORE,
    SyncsNoDirectory: _NEW_STORE,
    ChecksSubjectsByAnIndex: frozenset(
        {
            "a failed sync is not answered as stored",
            "a failed write does not spoil the next",
            "a power cut at any moment leaves whole commits",
        }
    ),
}
"""Promises whose trials cannot go on after what a backend does wrong, or in which it does the same."""


@pytest.mark.long
@pytest.mark.parametrize("backend", ZOO, ids=lambda backend: backend.__name__)
def test_without_its_check_a_broken_backend_would_pass(backend: type, new_store: NewStore) -> None:
    """No other promise about errors catches it, so each of them is needed."""
    for name in sorted(PROMISES - {ZOO[backend].promise} - ALSO_CAUGHT.get(backend, frozenset())):
        abilities = backend.abilities  # type: ignore[attr-defined]  # of each backend
        assert check_storage(new_store(backend), abilities=abilities, profile=SHORT, only=name).broken == {}, name


def first_fault(every: Callable[[Kind], Sequence[Fault]], kind: Kind) -> Sequence[Fault]:
    """Return the first of the faults of a kind; another process can be given this function."""
    return every(kind)[:1]


@pytest.mark.long
@pytest.mark.parametrize(
    ("backend", "faults"), [(TakesAFailedWriteForNone, "tearing"), (WritesOverATornCommit, "killing")]
)
def test_without_the_fault_that_leaves_most_of_a_write_it_would_pass(
    backend: type, faults: str, new_store: NewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next commit is longer than a half of a write, so it covers what a write that was torn there has left."""
    monkeypatch.setattr(_errors, faults, partial(first_fault, getattr(_errors, faults)))
    name, abilities = ZOO[backend].promise, backend.abilities  # type: ignore[attr-defined]  # of each backend
    assert check_storage(new_store(backend), abilities=abilities, only=name).broken == {}


@pytest.mark.long
def test_promises_about_the_same_trials_make_them_once(new_store: NewStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check does not wait for the same trials four times."""
    made: list[object] = []

    def counted(work: Callable[..., Any], opener: object, plan: object, *args: object, **options: object) -> object:
        made.append(plan)
        return run_where_calls_are_seen(work, opener, plan, *args, **options)

    monkeypatch.setattr(_trying, "run_where_calls_are_seen", counted)
    report = check_storage(new_store(JSONFileBackend), abilities=JSONFileBackend.abilities, only="failed write is not")
    assert [result.outcome for result in report.results] == [PromiseOutcome.KEPT] * 2
    assert len(made) == 1


@pytest.mark.long
@pytest.mark.parametrize(
    ("backend", "only"),
    long_after(
        1, [(RepeatsACommit, "an error"), (RemembersAFailedWrite, "failed write is not"), (KeepsTheLock, "an error")]
    ),
)
def test_trials_that_several_promises_judge_are_judged_by_each(backend: type, only: str, new_store: NewStore) -> None:
    """Whether the promise before kept them all, or broke one."""
    report = check_storage(new_store(backend), abilities=JSONFileBackend.abilities, only=only)
    assert list(report.broken) == [ZOO[backend].promise]


@pytest.mark.parametrize(
    "backend", long_after(1, [each for each in ZOO if issubclass(each, (JSONFileBackend, CheckedJournal))])
)
def test_it_is_caught_without_a_c_compiler(
    backend: type,
    new_store: NewStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If its calls are made by Python."""
    monkeypatch.setattr(preload, "shim", lambda: None)
    name, abilities = ZOO[backend].promise, backend.abilities  # type: ignore[attr-defined]  # of each backend
    report = check_storage(new_store(backend), abilities=abilities, only=name)
    assert list(report.broken) == [name]


@pytest.mark.long
def test_without_a_c_compiler_a_good_backend_raises_no_alarm(
    new_store: NewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Python does not see is left out, with what is missing."""
    monkeypatch.setattr(preload, "shim", lambda: None)
    report = check_storage(new_store(JSONFileBackend), abilities=JSONFileBackend.abilities, only="failed write")
    assert {result.outcome for result in report.results} == {PromiseOutcome.KEPT}
    report = check_storage(new_store(SQLiteBackend), abilities=SQLiteBackend.abilities, only="failed write")
    assert {result.outcome for result in report.results} == {PromiseOutcome.NOT_RUN}
    (reason,) = {result.reason for result in report.results}
    assert "; the calls of a library in C are seen only on Linux, with a C compiler (cc); " in reason


@pytest.mark.long
@pytest.mark.skipif(not SEES_LIBRARIES, reason="SQLite's calls are seen on Linux, with a C compiler (cc)")
def test_sqlite_survives_a_power_cut_at_any_moment(
    new_store: NewStore,
) -> None:
    """It does not declare fsync, since Python does not call it; SQLite does."""
    abilities = SQLiteBackend.abilities | {"fsync"}
    report = check_storage(new_store(SQLiteBackend), abilities=abilities, only="power cut at any moment")
    assert [result.outcome for result in report.results] == [PromiseOutcome.KEPT]


def test_a_stopped_process_is_not_one_that_waits() -> None:
    """Trials end after a few in which a call waits; those in which the fault has stopped a process all count."""
    step = Step("process 1", "commit", (), None)
    assert Trial(Script(), Point(), steps={"first": step}).silent is step
    assert Trial(Script(), Point(), steps={"first": step}, interrupted="first").silent is None


class InMemoryOnly(MemoryBackend):
    """Declares abilities, and writes no file."""

    abilities = frozenset({"durable", "multi_process"})


@pytest.mark.long
@pytest.mark.skipif(not SEES_LIBRARIES, reason="SQLite's calls are seen on Linux, with a C compiler (cc)")
def test_a_kill_is_reported_with_the_call_before_which_it_came(new_store: NewStore) -> None:
    """The number of a step alone does not say what to repair."""
    abilities, name = KeepsItsJournalInMemory.abilities, ZOO[KeepsItsJournalInMemory].promise
    (result,) = check_storage(new_store(KeepsItsJournalInMemory), abilities=abilities, only=name).results
    assert re.fullmatch(
        r"where process 1 is killed (?:before|in the middle of) its step \d+ \((write to|sync of) store\d+\)",
        result.calls[0],
    )


def test_a_step_of_which_no_call_is_known_has_its_number() -> None:
    """That is so for the messages to a server, which have no path."""
    assert Point(3).step == "its step 3"
    assert Point(3, call="write to rows/one").step == "its step 3 (write to rows/one)"


def test_a_backend_without_files_is_left_out() -> None:
    """The reason says what was looked for."""
    (result,) = check_storage(lambda: InMemoryOnly, abilities=InMemoryOnly.abilities, only="each error").results
    assert result.outcome is PromiseOutcome.NOT_RUN
    assert result.reason.startswith("a commit calls nothing in this process that changes a file")


@pytest.mark.long
def test_under_pytest_it_is_skipped(tmp_path: Path) -> None:
    """With the reason; a promise that cannot be tested is not broken."""
    test = tmp_path / "test_it.py"
    test.write_text(
        dedent("""
            import pytest
            from itsm_workflow.testing import StorageConformance
            from tests.conformance.test_trials import InMemoryOnly

            class TestIt(StorageConformance):
                abilities = InMemoryOnly.abilities

                @pytest.fixture
                def open_backend(self):
                    return InMemoryOnly
        """),
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-k", "each_error", f"--rootdir={tmp_path}", str(test)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0
    assert "a commit calls nothing in this process that changes a file" in done.stdout
    assert "1 skipped" in done.stdout


@pytest.mark.long
def test_nothing_is_left_behind(
    new_store: NewStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither a record nor a stopped process."""
    preload.shim()  # kept until this process ends
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    report = check_storage(new_store(JSONFileBackend), abilities=JSONFileBackend.abilities, only="not given")
    assert report.broken == {}
    assert list((tmp_path / "temporary").iterdir()) == []
