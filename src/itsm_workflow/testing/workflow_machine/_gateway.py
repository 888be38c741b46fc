"""The ledger as a gateway, with faults between the workflow and the ledger."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, NoReturn

from itsm_workflow.errors import GatewayRefused, GatewayTimeout, GatewayUnavailable
from itsm_workflow.gateway.protocol import NotSent, Refused, Unknown
from itsm_workflow.machine.evidence import Withdrawal
from itsm_workflow.testing.ledger_gateway import LedgerGateway

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.change import Ticket
    from itsm_workflow.gateway.protocol import CreateAnswer, CreateRequest, FoundTicket, SentTicket, TicketResult
    from itsm_workflow.machine.evidence import Snapshot


class Trouble(enum.StrEnum):
    """The fault of the next call."""

    UNREACHABLE = "unreachable"
    """The request is not sent."""
    LOST_REQUEST = "lost_request"
    """The request is sent and never arrives, and the caller cannot know."""
    LOST_ANSWER = "lost_answer"
    """The call is carried out, but its answer is lost."""
    REFUSED = "refused"
    """The gateway refuses the call."""


class TroubledGateway(LedgerGateway):
    """A `LedgerGateway` whose next call can fail."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._trouble: Trouble | None = None

    def expect(self, trouble: Trouble) -> None:
        """Let the next call fail."""
        self._trouble = trouble

    def create(self, request: CreateRequest) -> CreateAnswer:
        """File a ticket, unless the call fails."""
        trouble, self._trouble = self._trouble, None
        if trouble is Trouble.UNREACHABLE:
            return NotSent(problem="connection refused")
        if trouble is Trouble.REFUSED:
            return Refused(remote_code=3900004, message="refused")
        if trouble is not Trouble.LOST_REQUEST:
            answer = super().create(request)
            if trouble is None:
                return answer
        return Unknown(problem="no answer in time")

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Read a ticket, unless the call fails."""
        self._fail("get_ticket_info")
        return super().read(ticket, decision_field=decision_field)

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Read results, unless the call fails."""
        self._fail("ticket_approval_result")
        return super().results(tickets)

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Search for a key, unless the call fails."""
        self._fail("get_tickets")
        return super().find_by_key(sent)

    def undelivered(self) -> Sequence[str]:
        """List the undelivered callbacks, unless the call fails."""
        self._fail("callback_failed_ticket")
        return super().undelivered()

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """Withdraw a ticket, unless the call fails."""
        if self._trouble is Trouble.LOST_ANSWER:
            self._trouble = None
            super().withdraw(ticket, operator=operator, reason=reason)
            return Withdrawal.UNKNOWN
        self._fail("operate_ticket")
        return super().withdraw(ticket, operator=operator, reason=reason)

    def _fail(self, endpoint: str) -> None:
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            _raise(trouble, endpoint)


def _raise(trouble: Trouble, endpoint: str) -> NoReturn:
    if trouble is Trouble.UNREACHABLE:
        raise GatewayUnavailable("nothing was sent", endpoint=endpoint)
    if trouble is Trouble.REFUSED:
        raise GatewayRefused("refused", endpoint=endpoint, remote_code=3900004)
    raise GatewayTimeout("no answer in time", endpoint=endpoint)
