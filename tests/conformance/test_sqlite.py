"""The SQLite backend keeps every promise of the port."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.storage import open_storage
from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing import StorageConformance
from itsm_workflow.testing.conformance import QUICK
from itsm_workflow.testing.conformance._rows import create
from itsm_workflow_backends.sqlite import SQLiteBackend
from tests.conformance.profiles import SHORT, SLOW, long_promises

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from itsm_workflow.storage import StorageBackend


@long_promises(*SLOW)
class TestSQLite(StorageConformance):
    """One file, opened by its URL."""

    abilities = SQLiteBackend.abilities
    profile = SHORT

    @pytest.fixture
    def open_backend(self, tmp_path: Path) -> Callable[[], StorageBackend]:
        """Return what opens the file of this test."""
        return partial(open_storage, f"sqlite:///{tmp_path}/store.db")


@pytest.mark.long
class TestSQLiteMoreOften(TestSQLite):
    """With as many trials as a backend's author gets."""

    profile = QUICK


@pytest.mark.parametrize("query", [Query(ids=()), Query(subject="\ud800")], ids=["no name", "no text"])
def test_nothing_is_counted_where_nothing_can_be_found(tmp_path: Path, query: Query) -> None:
    """The total, and a number for each time."""
    with closing(SQLiteBackend(tmp_path / "store.db")) as backend:
        assert backend.commit([create("a")]) == [None]
        assert backend.count(query, (1, 2)) == (0, 0, 0)


def test_the_rows_of_a_page_are_counted_by_the_times_of_their_last_entries(tmp_path: Path) -> None:
    """No more than the limit of the query, and only those that meet it."""
    with closing(SQLiteBackend(tmp_path / "store.db")) as backend:
        rows = {name: create(name, subject=subject).row for name, subject in zip("abcd", "xxxy", strict=True)}
        assert backend.commit([create(name, subject=row.subject) for name, row in rows.items()]) == [None] * 4
        now = rows["a"].updated_at
        assert backend.count(Query(subject="x"), (now - 1, now)) == (3, 0, 3)
        assert backend.count(Query(subject="x", limit=2), (now,)) == (2, 2)
        assert backend.count(Query()) == (4,)
