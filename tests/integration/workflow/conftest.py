"""The office in which these tests happen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.office import Office

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store_kind() -> str:
    """Name the store; a test that is about all of them says so by `stores.EVERY_STORE`."""
    return "memory"


@pytest.fixture
def store_url(store_kind: str, tmp_path: Path) -> str:
    """Return the URL of a new store."""
    return {
        "memory": "memory://",
        "sqlite": f"sqlite:///{tmp_path / 'changes.db'}",
        "json": f"json:///{tmp_path / 'changes.jsonl'}",
    }[store_kind]


@pytest.fixture
def office(store_url: str) -> Iterator[Office]:
    """Open an office."""
    with Office(store_url) as opened:
        yield opened
