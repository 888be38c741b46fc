"""The ability of a gateway to show tickets that another program filed, so that a change can be bound to one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

from itsm_workflow.readonly import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.change import Ticket
    from itsm_workflow.machine.evidence import Snapshot, TicketStatus


@attrs.frozen(kw_only=True)
class KnownTicket:
    """A ticket that any program may have filed, with the form that it was filed with.

    Attributes:
        word: The gateway's own status word.
        service: The service with which the gateway files now, if the ticket is one of its tickets.
        problem: The reason why no change of this gateway can be bound to the ticket, and what to do; empty if one can.
    """

    id: str
    sn: str
    url: str
    status: TicketStatus
    word: str
    title: str
    creator: str
    approvers: tuple[str, ...] = ()
    content: str = ""
    fields: Mapping[str, object] = NOTHING
    service: str = ""
    problem: str = ""


@runtime_checkable
class SupportsAdoption(Protocol):
    """A gateway that shows the tickets of other programs, and looks at a ticket without a destructive read."""

    def known_tickets(self, sn: str) -> Sequence[KnownTicket]:
        """Return all tickets with that number.

        Raises:
            GatewayError: The gateway could not be asked; this does not mean that no ticket exists.
            ServiceNotFound: No service is configured, or none can be found.
        """
        ...

    def peek(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Return a snapshot like `TicketGateway.read`, without the result of the ticket. Nothing is cleared.

        Raises:
            GatewayError: The gateway could not be asked, or its answer cannot be used.
        """
        ...
