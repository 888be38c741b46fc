"""Tests that need servers are collected with ``--services`` only, and fail if a server is missing."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.services.servers import SERVERS, Server, new_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect nothing here, unless the option is given."""
    return None if config.getoption("--services") else True


@pytest.fixture(params=SERVERS, ids=lambda server: server.scheme)
def server(request: pytest.FixtureRequest) -> Server:
    """Each database server."""
    found: Server = request.param
    return found


@pytest.fixture
def store_url(server: Server) -> Iterator[str]:
    """The URL of an empty store."""
    with new_store(server, f"test_{secrets.token_hex(4)}") as url:
        yield url
