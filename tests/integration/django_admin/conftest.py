"""Django is set up once in a process, with the tables of its own users; each test has a desk and two kinds of users."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.django_host.browsers import browsers, desk_of_process, tables_of_users

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.desk import Desk
    from tests.support.django_host.browsers import As


@pytest.fixture(scope="session", autouse=True)
def _users_have_tables() -> Iterator[None]:
    with tables_of_users():
        yield


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A desk at which the process's workflow works."""
    with desk_of_process() as desk:
        yield desk


@pytest.fixture
def browser_of() -> Iterator[As]:
    """A function that returns a browser in which a user with some permissions is logged in."""
    with browsers() as browser_of:
        yield browser_of
