"""Fixtures and hooks that run the rows of the fault matrix and record the result of each test."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.cases import QUICK, CannotRunHereError, Faults, profile_of_environment
from tests.faults.matrix import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

FAULTS = pytest.StashKey[Faults]()

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a new folder is made there

CASE, RECORD = "FAULT_MATRIX_CASE", "FAULT_MATRIX_RECORD"


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line("markers", "row(id, quick=True): a test of that row of the fault matrix")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that the quick profile does not run."""
    if profile_of_environment() != QUICK:
        return
    left_out = [
        item for item in items if (mark := item.get_closest_marker("row")) and not mark.kwargs.get("quick", True)
    ]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> Faults:
    """The counter of this test's cases."""
    mark = request.node.get_closest_marker("row")
    counted = Faults(row=ROWS[mark.args[0]].id, profile=profile_of_environment(), only=os.environ.get(CASE))
    request.node.stash[FAULTS] = counted
    return counted


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder in memory, whose syncs are fast, if possible: a killed process loses no page of the system."""
    if not os.access(SHARED_MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as made:
        yield Path(made)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test that has violations, and record its result."""
    failure: BaseException | None = None
    try:
        yield
        if (counted := item.stash.get(FAULTS, None)) is not None:
            counted.verdict()
    except BaseException as error:
        failure = error
        raise
    finally:
        _write_down(item, failure)


def _write_down(item: pytest.Item, failure: BaseException | None) -> None:
    counted, path = item.stash.get(FAULTS, None), os.environ.get(RECORD)
    if counted is None or not path:
        return
    violations = len(counted.violations) or (failure is not None)
    told = {
        "row": counted.row,
        "test": item.name,
        "ran": counted.ran,
        "found": counted.found,
        "violations": int(violations),
        "notes": counted.notes,
        "cannot": str(failure) if isinstance(failure, CannotRunHereError) else "",
    }
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(json.dumps(told) + "\n")
