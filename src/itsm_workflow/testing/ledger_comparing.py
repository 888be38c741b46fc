"""A ledger's gateway that compares a ticket that ended with what was sent."""

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
    """A gateway that compares what it reads; all else it leaves to the gateway, which may be of a class derived of it.

    It is no copy: a derived class may count what it is asked.
    """

    def __init__(self, gateway: LedgerGateway, sent: SentTicket) -> None:
        self._gateway, self._sent = gateway, sent

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - an attribute of the gateway
        return getattr(self._gateway, name)

    def read(self, ticket: BoundTicket, *, decision_field: str | None = None) -> Snapshot:
        """Return how the ticket stands, see `TicketGateway.read`; with what differs if it ended."""
        snapshot = self._gateway.read(ticket, decision_field=decision_field)
        if not {snapshot.status, snapshot.result_status} & ENDED:
            return snapshot
        return attrs.evolve(snapshot, differences=self._gateway.differences(ticket, self._sent))
