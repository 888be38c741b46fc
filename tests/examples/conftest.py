"""The office in which the examples are run: the sandbox over HTTP, a door for its callbacks, each store in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.office import Office

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["memory", "sqlite"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """Open an office over each of the stores."""
    urls = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path / 'changes.db'}"}
    with Office(urls[request.param]) as opened:
        yield opened
