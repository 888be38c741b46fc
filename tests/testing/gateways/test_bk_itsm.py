"""The adapter of BK-ITSM keeps every promise of the gateway port, against the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow.sandbox import Sandbox
from itsm_workflow.sandbox.acting import transfer
from itsm_workflow.sandbox.services import FAST_APPROVAL
from itsm_workflow.testing.gateway_conformance import GatewayConformance, TicketSystem
from tests.support.gateways import APP_SECRET, gateway

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow.gateway.protocol import TicketGateway


class SandboxSystem(TicketSystem):
    """The sandbox, whose people decide at once."""

    patience = 60.0
    secrets = (APP_SECRET,)
    callbacks = True

    def __init__(self) -> None:
        self._sandbox = Sandbox(start_delay=0.0, decision_delay=0.0).start()
        self.url = self._sandbox.url.rstrip("/")
        with self._sandbox.locked() as ledger:
            self.decision_field, *_ = ledger.step_keys(FAST_APPROVAL)

    def gateway(self, url: str) -> TicketGateway:
        """Return a gateway with a short deadline."""
        return gateway(f"{url}/", timeout=(5.0, 5.0), deadline=5.0)

    def tickets(self) -> Sequence[str]:
        """Return the ids of the tickets."""
        return [str(ticket.id) for ticket in self._sandbox.tickets()]

    def approve(self, ticket_id: str, user: str) -> None:
        """Let an approver approve a ticket."""
        self._decide(ticket_id, user, approve=True)

    def approve_by_other(self, ticket_id: str, user: str) -> None:
        """Let an approver transfer the approval to a person, who approves."""
        self._sandbox.wait(lambda ledger: ledger.by_id(int(ticket_id)).step_running)
        with self._sandbox.locked() as ledger:
            ticket = ledger.by_id(int(ticket_id))
            transfer(ledger, ticket, ticket.first_approver, [user])
        self.approve(ticket_id, user)

    def reject(self, ticket_id: str, user: str) -> None:
        """Let an approver reject a ticket."""
        self._decide(ticket_id, user, approve=False)

    def refusals(self) -> Sequence[tuple[int, object]]:
        """Return refusals of BK-ITSM itself, and of the API gateway in front of it."""
        refused = {"result": False, "message": "refused", "data": None}
        return [
            (200, {**refused, "code": 3900099}),
            (200, {**refused, "code": "NO_SUCH_CODE"}),
            (403, {**refused, "code": 1640301, "code_name": "APP_NO_PERMISSION"}),
        ]

    def _decide(self, ticket_id: str, user: str, *, approve: bool) -> None:
        (self._sandbox.approve if approve else self._sandbox.reject)(int(ticket_id), approver=user)
        self._sandbox.wait(lambda ledger: ledger.by_id(int(ticket_id)).ended)

    def close(self) -> None:
        """Stop the server."""
        self._sandbox.close()


@pytest.mark.long
class TestBkItsm(GatewayConformance):
    """Every promise."""

    @pytest.fixture
    def system(self) -> Iterator[TicketSystem]:
        """Start a sandbox without tickets."""
        with SandboxSystem() as system:
            yield system
