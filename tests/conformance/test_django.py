"""The store in a database of a Django project keeps every promise of the port, on SQLite."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from functools import partial
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.integrations.django.storage import DjangoBackend
from itsm_workflow.testing import StorageConformance
from itsm_workflow.testing.conformance import QUICK
from itsm_workflow.testing.conformance._dying import DyingPromises
from itsm_workflow.testing.conformance._filters import FilterPromises
from itsm_workflow.testing.conformance._forking import ForkingPromises
from itsm_workflow.testing.conformance._machine import ModelPromises
from itsm_workflow.testing.conformance._opposing import OpposingPromises
from itsm_workflow.testing.conformance._sharing import SharingPromises
from itsm_workflow.testing.conformance._spelling import SpellingPromises
from tests.conformance.profiles import SHORT, SLOW, long_promises
from tests.support.django_host import stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from itsm_workflow.storage import StorageBackend

EXPENSIVE = (
    *(*SLOW, DyingPromises, FilterPromises, ForkingPromises, ModelPromises, OpposingPromises, SharingPromises),
    SpellingPromises,
)
"""The parts that start many processes, each of which sets Django up, or that make thousands of calls of its ORM."""
ENGINE = "django.db.backends.sqlite3"
OPTIONS = {"timeout": 60}
"""The seconds that a commit waits for another one, longer than the kit lets one wait."""


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the tables, in the journal mode that lets readers and a writer work at the same time."""
    path = tmp_path_factory.mktemp("django") / "migrated.sqlite3"
    stores.migrate({"ENGINE": ENGINE, "NAME": str(path)})
    stores.leave()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    return path


@long_promises(*EXPENSIVE)
class TestDjangoOnSQLite(StorageConformance):
    """One file, opened by the alias of its database."""

    abilities = DjangoBackend.abilities
    profile = SHORT

    @pytest.fixture
    def open_backend(
        self, migrated: Path, tmp_path: Path, request: pytest.FixtureRequest
    ) -> Iterator[Callable[[], StorageBackend]]:
        """Return what opens the database of this test, a copy of the migrated one."""
        path = tmp_path / "store.sqlite3"
        shutil.copy(migrated, path)
        if "failed_sync" in request.node.name:  # the guide says why: WAL does not keep this promise
            with contextlib.closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA journal_mode=DELETE")
        yield partial(stores.open_store, {"ENGINE": ENGINE, "NAME": str(path), "OPTIONS": OPTIONS})
        stores.leave()


@pytest.mark.long
class TestDjangoOnSQLiteMoreOften(TestDjangoOnSQLite):
    """With as many trials as a backend's author gets."""

    profile = QUICK
