"""Every promise of the storage port, on both database servers."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING

import pytest

from itsm_workflow import open_storage
from itsm_workflow.testing import StorageConformance
from itsm_workflow_backends.sql import SQLBackend
from tests.services.servers import MARIADB, POSTGRESQL, new_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.storage import StorageBackend


class TestPostgreSQL(StorageConformance):
    """The store in PostgreSQL."""

    abilities = SQLBackend.abilities

    @pytest.fixture
    def open_backend(self) -> Iterator[Callable[[], StorageBackend]]:
        """Open the store of one test."""
        with new_store(POSTGRESQL, f"test_{secrets.token_hex(4)}") as url:
            yield partial(open_storage, url)


class TestMariaDB(StorageConformance):
    """The store in MariaDB."""

    abilities = SQLBackend.abilities

    @pytest.fixture
    def open_backend(self) -> Iterator[Callable[[], StorageBackend]]:
        """Open the store of one test."""
        with new_store(MARIADB, f"test_{secrets.token_hex(4)}") as url:
            yield partial(open_storage, url)
