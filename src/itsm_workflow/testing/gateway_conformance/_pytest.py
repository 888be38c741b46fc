"""The check as a class of tests for pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow.testing.gateway_conformance._check import try_promise
from itsm_workflow.testing.gateway_conformance._promises import PROMISES
from itsm_workflow.testing.gateway_conformance._verdicts import SkippedPromise

if TYPE_CHECKING:
    from itsm_workflow.testing.gateway_conformance._system import TicketSystem


class GatewayConformance:
    """Every promise of the gateway port; a gateway's test class is a subclass with one fixture, ``system``."""

    @pytest.fixture
    def system(self) -> TicketSystem:
        """Return a ticket system without tickets; a subclass overrides this fixture."""
        raise TypeError(f"{type(self).__name__} needs a fixture system that returns a TicketSystem")

    @pytest.mark.parametrize("promise", PROMISES)
    def test_promise(self, promise: str, system: TicketSystem) -> None:
        """The gateway keeps one promise; one that cannot be tested on the ticket system is skipped."""
        try:
            try_promise(promise, system)
        except SkippedPromise as skipped:
            pytest.skip(str(skipped))
