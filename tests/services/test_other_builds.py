"""The storage check raises no alarm on correct backends on servers, built in other ways than the shipped one."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis
from sqlalchemy import text

from itsm_workflow.testing import StorageConformance
from tests.conformance.profiles import SHORT
from tests.services.mariadb_by_hand import MariaDBByHand
from tests.services.postgresql_by_hand import PostgreSQLByHand
from tests.services.redis_by_lua import RedisByLua
from tests.services.servers import MARIADB, POSTGRESQL, REDIS_URL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.storage import StorageBackend


class TestPostgreSQLByHand(StorageConformance):
    """Statements written by hand, one connection, and a lock of the whole table."""

    abilities = PostgreSQLByHand.abilities
    profile = SHORT

    @pytest.fixture
    def open_backend(self) -> Iterator[Callable[[], StorageBackend]]:
        """Open the store of one test."""
        prefix = f"test_{secrets.token_hex(4)}_"
        yield partial(PostgreSQLByHand, POSTGRESQL.url, prefix)
        with psycopg.connect(POSTGRESQL.url) as connection:
            for table in ("changes", "entries"):
                connection.execute(f"DROP TABLE IF EXISTS {prefix}{table}".encode())


class TestMariaDBByHand(StorageConformance):
    """Statements written by hand, a connection for each thread, and digests for indexes."""

    abilities = MariaDBByHand.abilities
    profile = SHORT

    @pytest.fixture
    def open_backend(self) -> Iterator[Callable[[], StorageBackend]]:
        """Open the store of one test."""
        prefix = f"test_{secrets.token_hex(4)}_"
        yield partial(MariaDBByHand, MARIADB.url, prefix)
        with MARIADB.administration() as connection:
            for table in ("changes", "entries", "lock"):
                connection.execute(text(f"DROP TABLE IF EXISTS {prefix}{table}"))


class TestRedisByLua(StorageConformance):
    """Hashes, and a script that the server runs at one moment."""

    abilities = RedisByLua.abilities
    profile = SHORT

    @pytest.fixture
    def open_backend(self) -> Iterator[Callable[[], StorageBackend]]:
        """Open the store of one test."""
        prefix = f"test_{secrets.token_hex(4)}"
        yield partial(RedisByLua, REDIS_URL, prefix)
        with redis.Redis.from_url(REDIS_URL) as client:
            for key in client.scan_iter(f"{prefix}:*", count=1000):
                client.delete(key)
