"""The gateway of the documentation, for an issue tracker, keeps every promise of the gateway port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from docs.examples.issue_tracker_system import Tracker
from itsm_workflow.testing.gateway_conformance import GatewayConformance, check_gateway

if TYPE_CHECKING:
    from collections.abc import Iterator


class TestTracker(GatewayConformance):
    """Every promise."""

    @pytest.fixture
    def system(self) -> Iterator[Tracker]:
        """Start a tracker without issues."""
        with Tracker() as system:
            yield system


class RepeatsItsLastPage(Tracker):
    """A tracker that shows its last page again for each page after it."""

    def _page(self, external_id: str = "", page: str = "1") -> object:
        """Return the page, or the last one."""
        shown: Any = super()._page(external_id, page)
        return shown if shown["items"] or page == "1" else self._page(external_id, str(int(page) - 1))


def test_a_look_up_ends_at_a_page_that_shows_nothing_new() -> None:
    """A server that repeats its last page would otherwise be asked for ever."""
    report = check_gateway(RepeatsItsLastPage, only=["all tickets with one key are found"])
    assert report.broken == {}
