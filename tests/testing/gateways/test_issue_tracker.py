"""The gateway of the documentation, for an issue tracker, keeps every promise of the gateway port."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docs.examples.issue_tracker_system import Tracker
from itsm_workflow.testing.gateway_conformance import GatewayConformance

if TYPE_CHECKING:
    from collections.abc import Iterator


class TestTracker(GatewayConformance):
    """Every promise."""

    @pytest.fixture
    def system(self) -> Iterator[Tracker]:
        """Start a tracker without issues."""
        with Tracker() as system:
            yield system
