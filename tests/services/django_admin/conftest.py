"""The project of Django with its users, and a desk whose store is in a database of a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.services.test_django_conformance import new_database
from tests.support.django_host import itsm, stores
from tests.support.django_host.browsers import browsers, desk_of_process, tables_of_users

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.servers import Server
    from tests.support.desk import Desk
    from tests.support.django_host.browsers import As


@pytest.fixture(scope="session", autouse=True)
def _users_have_tables() -> Iterator[None]:
    with tables_of_users():
        yield


@pytest.fixture
def browser_of() -> Iterator[As]:
    """A function that returns a browser in which a user with some permissions is logged in."""
    with browsers() as browser_of:
        yield browser_of


@pytest.fixture
def desk(server: Server) -> Iterator[Desk]:
    """A desk whose store is in a database of a server."""
    with new_database(server) as url:
        alias = stores.use(stores.database_of(url))
        with desk_of_process() as desk:
            itsm.chosen["storage"] = f"django://{alias}"
            yield desk
