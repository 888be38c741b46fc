"""Tests of the gateway port, with which a gateway shows that it keeps the port's promises.

The author of a gateway writes a `TicketSystem`: a server to test with, and how its people act. The check puts a proxy
between the two, which loses, cuts, delays and damages what passes, and compares what the gateway answers with what the
server has. A gateway's own test file contains a subclass and one fixture::

    import pytest
    from itsm_workflow.testing import GatewayConformance


    class TestMyGateway(GatewayConformance):
        @pytest.fixture
        def system(self):
            with MyTicketSystem() as system:
                yield system

Without pytest: ``itsm-workflow gateway check MODULE:NAME``, or `check_gateway`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.gateway.records import TicketRecord
from itsm_workflow.testing.gateway_conformance._check import GatewayReport, Outcome, PromiseResult, check_gateway
from itsm_workflow.testing.gateway_conformance._promises import PROMISES
from itsm_workflow.testing.gateway_conformance._system import TicketSystem
from itsm_workflow.testing.gateway_conformance._verdicts import BrokenPromise

if TYPE_CHECKING:
    from itsm_workflow.testing.gateway_conformance._pytest import GatewayConformance

__all__ = [
    "PROMISES",
    "BrokenPromise",
    "GatewayConformance",
    "GatewayReport",
    "Outcome",
    "PromiseResult",
    "TicketRecord",
    "TicketSystem",
    "check_gateway",
]


def __getattr__(name: str) -> object:
    """Import the class for pytest when it is first used, since the rest works without pytest."""
    if name != "GatewayConformance":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from itsm_workflow.testing.gateway_conformance._pytest import GatewayConformance  # noqa: PLC0415  # see above

    return GatewayConformance
