"""The store in a database of a Django project keeps every promise of the port, on both database servers."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.integrations.django.storage import DjangoBackend
from itsm_workflow.testing import StorageConformance
from tests.services.servers import MARIADB, POSTGRESQL, Server, empty_database
from tests.support.django_host import stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.storage import StorageBackend


@contextmanager
def new_database(server: Server) -> Iterator[str]:
    """Yield the URL of a new database with the tables; it is dropped in the end."""
    with empty_database(server) as url:
        try:
            stores.migrate(stores.database_of(url))
            yield url
        finally:
            stores.leave()


class TestDjangoOnPostgreSQL(StorageConformance):
    """The tables in PostgreSQL."""

    abilities = DjangoBackend.abilities

    @pytest.fixture
    def open_backend(self) -> Iterator[Callable[[], StorageBackend]]:
        """Open the store of one test."""
        with new_database(POSTGRESQL) as url:
            yield partial(stores.open_by_url, url)


class TestDjangoOnMariaDB(StorageConformance):
    """The tables in MariaDB."""

    abilities = DjangoBackend.abilities

    @pytest.fixture
    def open_backend(self) -> Iterator[Callable[[], StorageBackend]]:
        """Open the store of one test."""
        with new_database(MARIADB) as url:
            yield partial(stores.open_by_url, url)
