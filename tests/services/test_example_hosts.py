"""The example hosts of the documentation, with the changes on a PostgreSQL server: the same scenarios as on files."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest
from sqlalchemy import create_engine, make_url, text

from itsm_workflow_backends.sql._url import DRIVERS
from tests.integration.web.test_example_hosts import (
    alice,
    sandbox,
    test_a_collector_is_enabled_by_an_approval_only,
    test_a_database_that_is_gone_for_a_while_loses_nothing,
    test_a_pass_finds_the_approval_whose_callback_was_lost,
    test_a_server_that_is_killed_forgets_nothing,
    test_a_table_that_is_locked_delays_the_effect,
    test_a_user_acts_on_collectors_of_their_own_only,
)
from tests.services.servers import POSTGRESQL, empty_database
from tests.support.collector_host import KINDS, PREFIX, Host, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.sandbox import Sandbox

__all__ = [
    "alice",
    "sandbox",
    "test_a_collector_is_enabled_by_an_approval_only",
    "test_a_database_that_is_gone_for_a_while_loses_nothing",
    "test_a_pass_finds_the_approval_whose_callback_was_lost",
    "test_a_server_that_is_killed_forgets_nothing",
    "test_a_table_that_is_locked_delays_the_effect",
    "test_a_user_acts_on_collectors_of_their_own_only",
]

ROOT = Path(__file__).parents[2]


@attrs.frozen
class ServerDatabase:
    """A database on the PostgreSQL server.

    Attributes:
        url: Its URL.
    """

    url: str

    @contextmanager
    def away(self) -> Iterator[None]:
        """End all sessions, and refuse new ones."""
        name = make_url(self.url).database
        with POSTGRESQL.administration() as connection:
            connection.execute(text(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false"))
            sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
            connection.execute(text(sessions), {"name": name})
            try:
                yield
            finally:
                connection.execute(text(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true"))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the table of the example in Django."""
        engine = create_engine(make_url(self.url).set(drivername=DRIVERS[POSTGRESQL.scheme]))
        try:
            with engine.begin() as connection:
                connection.execute(text("LOCK TABLE shop_collector IN ACCESS EXCLUSIVE MODE"))
                yield
        finally:
            engine.dispose()


@pytest.fixture(params=KINDS)
def host(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path) -> Iterator[Host]:
    """Run a host. That in Django has its own table on the server as well."""
    with empty_database(POSTGRESQL) as url, Host(KINDS[request.param], tmp_path) as running:
        running.store = ServerDatabase(url)
        running.environment = {
            **environment(sandbox.settings(callback_host=running.url), tmp_path),
            f"{PREFIX}STORE": f"{url}?migrate=true&statement_timeout=5",
        }
        if request.param == "django":
            running.table = running.store
            running.environment |= {
                "COLLECTORS_URL": url,
                "DJANGO_SETTINGS_MODULE": "tests.services.django_example",
                "PYTHONPATH": str(ROOT),
            }
        running.prepare()
        running.start()
        yield running
