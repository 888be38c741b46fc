"""The tickets of a change's earlier submissions: a ticket answers one submission only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.readonly import ReadOnlyDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.evidence import TicketConfirmed


def with_the_ticket(change: ChangeRequest) -> Mapping[str, str]:
    """Return the tickets of the earlier submissions once the present ticket is one of them."""
    ticket, earlier = change.ticket, change.earlier_tickets
    return earlier if ticket is None else ReadOnlyDict({**earlier, _key(ticket.gateway, ticket.id): ticket.sn})


def answered_earlier(change: ChangeRequest, found: TicketConfirmed) -> str | None:
    """Return why a ticket of an earlier submission cannot be bound, or None if it is not one."""
    if _key(found.gateway, found.id) not in change.earlier_tickets:
        return None
    return f"ticket {found.sn} answered an earlier submission of this change, and cannot answer this one"


def _key(gateway: str, ticket_id: str) -> str:
    return f"{gateway}:{ticket_id}"
