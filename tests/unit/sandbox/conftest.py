"""A sandbox for the tests of its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.stage import AT, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A sandbox in which time passes on request."""
    with Stage(AT) as running:
        yield running
