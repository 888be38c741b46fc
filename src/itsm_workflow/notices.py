"""Notices of undelivered callbacks whose changes have ended: taken off the gateway's list.

A ticket system keeps the number of a ticket whose callback failed until its result is read. A change that waits is read
by the look that its notice makes due. One that ended before its notice came, for example by polling, is read by nobody,
so that its number would stay on the list, which everybody reads in each pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import Outcome
from itsm_workflow.errors import GatewayError
from itsm_workflow.gateway.asking import asked
from itsm_workflow.gateway.checked import checked_results
from itsm_workflow.machine.evidence import TicketStatus
from itsm_workflow.settle import ReadAnswer, Sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.gateway.protocol import TicketGateway, TicketResult
    from itsm_workflow.isolation import Isolation
    from itsm_workflow.loop import Loop
    from itsm_workflow.observe import Observers
    from itsm_workflow.storage.codec import Stored

_ENDINGS = {TicketStatus.REVOKED: Outcome.WITHDRAWN, TicketStatus.TERMINATED: Outcome.TERMINATED}


@attrs.frozen(kw_only=True)
class EndedNotices:
    """Reads the results of tickets whose changes have ended, which takes them off the list.

    Attributes:
        gateway: Where the list was read, bound to the same time.
        loop: Looks into what contradicts the end of a change, bound to the same time.
    """

    loop: Loop
    gateway: TicketGateway
    observers: Observers
    isolation: Isolation

    def clear(self, ended: Sequence[Stored]) -> None:
        """Take the numbers of some changes' tickets off the list; what contradicts the end of one is recorded.

        Only tickets of this gateway are asked about: it may list the same number for a ticket of another application.
        """
        ours = {
            ticket.id: stored
            for stored in ended
            if (ticket := stored.change.ticket) is not None and self.loop.foreign(ticket) is None
        }
        if not ours:
            return
        tickets = [stored.change.expect_ticket() for stored in ours.values()]
        try:
            results = asked("results", lambda: checked_results(self.gateway.results(tickets), tickets))
        except GatewayError as error:
            self.observers.on_trouble("", error)  # they are listed until their results are read
            return
        for ticket_id, result in results.items():
            stored = ours[ticket_id]
            if not _is_known(stored.change, result):
                self.isolation.outcome(stored, self._look, stored)

    def _look(self, stored: Stored) -> tuple[Stored, bool]:
        question = Sweep(read=True, lookup=False)
        for answer in self.loop.look(stored.change, question):
            if isinstance(answer, ReadAnswer) and answer.snapshot is not None:
                return self.loop.record(stored, answer, keep=False), True
        return stored, False


def _is_known(change: ChangeRequest, result: TicketResult) -> bool:
    """Return whether the result says that the ticket ended as the change knows."""
    if result.status is TicketStatus.FINISHED:
        return change.ticket_outcome is (Outcome.APPROVED if result.approve_result else Outcome.REJECTED)
    return change.ticket_outcome is not None and change.ticket_outcome is _ENDINGS.get(result.status)
