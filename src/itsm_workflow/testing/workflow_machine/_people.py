"""The acts of people in the ticket system."""

from __future__ import annotations

import contextlib
import enum
from typing import TYPE_CHECKING

from itsm_workflow.sandbox import acting
from itsm_workflow.sandbox.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from itsm_workflow.sandbox.ledger import Ledger
    from itsm_workflow.sandbox.ticket import Outgoing, Ticket


class TicketAct(enum.StrEnum):
    """The acts of people in the ticket system."""

    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    TERMINATE = "terminate"
    SUSPEND = "suspend"
    RESUME = "resume"


def act_on_newest(ledger: Ledger, act: TicketAct, approver: str) -> list[Outgoing]:
    """Let a person act on the newest ticket, unless the ticket system refuses the act; return the callbacks."""
    with contextlib.suppress(Refusal):
        return [sent for ticket in ledger.newest_first()[:1] for sent in _carry_out(ledger, ticket, act, approver)]
    return []


def _carry_out(ledger: Ledger, ticket: Ticket, act: TicketAct, approver: str) -> Iterable[Outgoing]:
    if act is TicketAct.WITHDRAW:
        return acting.withdraw(ledger, ticket, ticket.draft.creator)
    if act is TicketAct.TERMINATE:
        return acting.terminate(ledger, ticket, approver)
    if act is TicketAct.SUSPEND:
        acting.suspend(ledger, ticket, approver)
    elif act is TicketAct.RESUME:
        acting.resume(ledger, ticket, approver)
    else:
        acting.decide(ledger, ticket, approver, approved=act is TicketAct.APPROVE, remark="")
    return ()
