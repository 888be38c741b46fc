"""A ledger's gateway that compares an ended ticket with the request that created it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.machine.evidence import ENDED

if TYPE_CHECKING:
    from itsm_workflow.change import Ticket as BoundTicket
    from itsm_workflow.gateway.protocol import SentTicket
    from itsm_workflow.machine.evidence import Snapshot
    from itsm_workflow.testing.ledger_gateway import LedgerGateway


class Comparing:
    """A gateway that compares each ticket that it reads with what was sent, and delegates all other calls.

    It wraps the gateway instead of copying it, since a derived class may count its calls.
    """

    def __init__(self, gateway: LedgerGateway, sent: SentTicket) -> None:
        self._gateway, self._sent = gateway, sent

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - an attribute of the gateway
        return getattr(self._gateway, name)

    def read(self, ticket: BoundTicket, *, decision_field: str | None = None) -> Snapshot:
        """Read the ticket, see `TicketGateway.read`, with the differences if it has ended."""
        snapshot = self._gateway.read(ticket, decision_field=decision_field)
        if not {snapshot.status, snapshot.result_status} & ENDED:
            return snapshot
        return attrs.evolve(snapshot, differences=self._gateway.differences(ticket, self._sent))
