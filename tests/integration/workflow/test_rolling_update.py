"""Processes of two releases on one store: the older refuses what it does not know, and harms nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.rolling import update_during_a_send, update_in_turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.long


@pytest.mark.parametrize("scheme", ["sqlite", "json"])
@pytest.mark.parametrize("update", [update_in_turns, update_during_a_send])
def test_two_releases_share_a_store(tmp_path: Path, scheme: str, update: Callable[[str], None]) -> None:
    """Changes of the other release are refused or read, and none is overwritten, sent twice or let through."""
    update(f"{scheme}:///{tmp_path / 'store'}")
