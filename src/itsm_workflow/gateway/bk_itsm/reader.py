"""The reads of one BK-ITSM ticket, or of the results of many, by id although the server answers by number."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.bkapi.envelope import clean
from itsm_workflow.bkapi.response import Reply
from itsm_workflow.errors import (
    GatewayAnswerTooLarge,
    GatewayError,
    GatewayProtocolError,
    GatewayRefused,
    GatewayTimeout,
    GatewayUnavailable,
)
from itsm_workflow.gateway.bk_itsm.log import deciders_in
from itsm_workflow.gateway.bk_itsm.search import plain_number
from itsm_workflow.gateway.bk_itsm.wire import (
    APP_CODES,
    GET_TICKET_INFO,
    GET_TICKET_LOGS,
    GET_TICKET_STATUS,
    TICKET_APPROVAL_RESULT,
    TicketRow,
)
from itsm_workflow.gateway.protocol import TicketResult
from itsm_workflow.machine.evidence import ENDED, Snapshot, TicketStatus, Withdrawal
from itsm_workflow.text import describe

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow.change import Decider, Ticket
    from itsm_workflow.gateway.bk_itsm.routes import RoutedClient
    from itsm_workflow.gateway.bk_itsm.search import TicketSearch
    from itsm_workflow.gateway.bk_itsm.wire import LogLine, OpenStep, ResultRow, TicketPage

BATCH = 50
_WORDS = {
    "RUNNING": TicketStatus.RUNNING,
    "SUSPENDED": TicketStatus.SUSPENDED,
    "FINISHED": TicketStatus.FINISHED,
    "TERMINATED": TicketStatus.TERMINATED,
    "REVOKED": TicketStatus.REVOKED,
}
# The id in a page's address: `.../#/ticket/detail?id=12` from the API, `.../#/ticket/12/` on a mobile page.
_ID_IN_URL = re.compile(r"(?:[?&]id=|/ticket/)([0-9]{1,19})(?=[/?&#]|$)")
_APPROVAL_CODE, _STEP_RUNNING = "APPROVE_RESULT", "RUNNING"
_OK = 200


def status_of(word: str) -> TicketStatus:
    """Return the status that a status word means; an unknown word is never final."""
    return _WORDS.get(word, TicketStatus.OTHER)


def ticket_id_in(url: str) -> str:
    """Return the ticket id in the address of a ticket's page; empty if the address has no id or two different ones."""
    found = set(_ID_IN_URL.findall(url))
    return found.pop() if len(found) == 1 else ""


class TicketReader:
    """A reader of tickets.

    Args:
        client: Calls the gateway.
        search: Finds the other tickets with the same number.
        now: Source of the wall-clock time.
    """

    def __init__(self, client: RoutedClient, search: TicketSearch, *, now: Callable[[], dt.datetime]) -> None:
        self._client = client
        self._search = search
        self._now = now

    def read(
        self,
        ticket: Ticket,
        *,
        decision_field: str | None,
        with_result: bool = True,
        differences: Callable[[TicketPage | TicketRow], Sequence[str]] | None = None,
    ) -> Snapshot:
        """Return a snapshot of the ticket with exactly this id.

        The page is read first and the result last. So if the page shows an end, the result is from after that end. In
        the other order, a ticket that is approved in between would appear as finished and rejected. Also, to read the
        result removes the ticket from the list of undelivered callbacks, so this read comes after all others. Only if
        the ticket ends between the two reads, the page is read again.

        If BK-ITSM answers but a part cannot be read, such as a log above the size limit, the other parts are still
        read, and the snapshot names the missing part.

        Args:
            ticket: The ticket.
            decision_field: The key of a field of the form that is read as well.
            with_result: Whether to read the result, which removes the ticket from the list of undelivered callbacks.
            differences: Compares an ended ticket with what was sent.

        Raises:
            GatewayError: The gateway could not be asked, or the number does not belong to our ticket.
        """
        page, unread = self._page_or_row(ticket)
        steps = self._steps(page)
        result, missed = self._result(ticket) if with_result else (None, "")
        if result is not None and result.status in ENDED and status_of(page.current_status) not in ENDED:
            # The ticket ended between the two reads. If the page still disagrees, the server really contradicts itself.
            page, unread = self._page_or_row(ticket)
            steps = self._steps(page)
        has_ended = status_of(page.current_status) in ENDED or (result is not None and result.status in ENDED)
        return Snapshot(
            ticket_id=ticket.id,
            sn=ticket.sn,
            status=status_of(page.current_status),
            word=clean(page.current_status, limit=64),
            seen_at=self._now(),
            result_status=None if result is None else result.status,
            approve_result=None if result is None else result.approve_result,
            approval_step=steps.approval,
            step_running=steps.running,
            decision=None if isinstance(page, TicketRow) else _decision(page, decision_field),
            ambiguous=isinstance(page, TicketRow) and not unread,
            closed_by=_people(page.updated_by),
            deciders=steps.deciders,
            inconclusive="; ".join(filter(None, (unread, steps.problem, missed))),
            differences=tuple(differences(page)) if differences and has_ended else (),
        )

    def page(self, ticket: Ticket) -> TicketPage | TicketRow:
        """Return the ticket's page, or its row of the list if several tickets, including ours, carry its number.

        Raises:
            GatewayError: The gateway could not be asked, or our ticket does not carry the number.
        """
        reply = self._client.exchange(GET_TICKET_INFO, {"sn": ticket.sn})
        if isinstance(reply, Reply) and str(reply.data.id) == ticket.id:
            return reply.data
        # The server fails on a number that two tickets carry, with a word as its code. The answer itself is ignored.
        if isinstance(reply, GatewayRefused) and isinstance(reply.remote_code, int):
            raise reply
        rows = {str(row.id): row for row in self._search.of_sn(ticket.sn)}
        if ticket.id in rows and len(rows) > 1:
            return rows[ticket.id]
        if isinstance(reply, GatewayRefused):
            raise reply
        raise GatewayProtocolError(
            f"{ticket.sn} is not the number of ticket {ticket.id}",
            endpoint=GET_TICKET_INFO.name,
            request_id=reply.request_id,
        )

    def log(self, sn: str) -> Sequence[LogLine]:
        """Return the log of the ticket with this number, oldest line first.

        Raises:
            GatewayError: The gateway could not be asked, or the answer names another ticket.
        """
        answer = self._client.call(GET_TICKET_LOGS, {"sn": sn, "show_type": "complex"})
        if answer.sn and plain_number(answer.sn) != plain_number(sn):
            raise GatewayProtocolError(f"the log of {sn} names another ticket", endpoint=GET_TICKET_LOGS.name)
        return answer.logs

    def page_of(self, row: TicketRow) -> TicketPage | str:
        """Return the page of a ticket of the list, or the reason why it cannot be read."""
        try:
            reply = self._client.exchange(GET_TICKET_INFO, {"sn": row.sn})
        except GatewayError as error:
            return describe(error)
        return unread(reply.remote_code) if isinstance(reply, GatewayRefused) else reply.data

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Return the results by ticket id, without results that the server omits or contradicts.

        Raises:
            GatewayError: The gateway could not be asked. It may have removed some of the tickets from the list of
                undelivered callbacks.
        """
        wanted = {ticket.id: ticket.sn for ticket in tickets}
        numbers = list(dict.fromkeys(wanted.values()))
        found: dict[str, TicketResult] = {}
        contradicted: set[str] = set()
        for start in range(0, len(numbers), BATCH):
            for row in self._client.call(TICKET_APPROVAL_RESULT, {"sn": numbers[start : start + BATCH]}):
                result = _result(row)
                if wanted.get(result.ticket_id) != result.sn:
                    continue  # another ticket with one of our numbers
                if found.setdefault(result.ticket_id, result) != result:
                    contradicted.add(result.ticket_id)
        return {ticket_id: result for ticket_id, result in found.items() if ticket_id not in contradicted}

    def _page_or_row(self, ticket: Ticket) -> tuple[TicketPage | TicketRow, str]:
        """Return the ticket's page, or its row of the list and the reason why the page cannot be read."""
        try:
            return self.page(ticket), ""
        except GatewayError as error:
            problem = _why_unreadable("page", error)
            row = next((row for row in self._search.of_sn(ticket.sn) if str(row.id) == ticket.id), None)
            if row is None:
                raise
            return row, problem

    def _result(self, ticket: Ticket) -> tuple[TicketResult | None, str]:
        """Return the ticket's result, or the reason why it cannot be read; neither if the server omits it."""
        try:
            return self.results([ticket]).get(ticket.id), ""
        except GatewayError as error:
            return None, _why_unreadable("result", error)

    def comes_before_approval(self, page: TicketPage) -> bool:
        """Return whether a running ticket shows that its flow has not reached an approval."""
        try:
            if self._steps(page).approval is not False:
                return False
            return not deciders_in(self.log(page.sn))
        except GatewayError:
            return False

    def _steps(self, page: TicketPage | TicketRow) -> _Steps:
        """Read the ticket's steps.

        The page's own fields do not prove a step: the server creates the fields of the whole flow before it starts, and
        the verdict among them is "true" from the beginning. So this method reads the log of a finished ticket, and the
        open steps of any other ticket. A withdrawn ticket may have a step that started after the withdrawal.
        """
        if isinstance(page, TicketRow):
            return _Steps()
        running = any(step.status == _STEP_RUNNING for step in page.current_steps)
        if status_of(page.current_status) is TicketStatus.FINISHED:
            try:
                deciders = deciders_in(self.log(page.sn))
            except GatewayError as error:
                return _Steps(running=running, problem=_why_unreadable("log", error))
            return _Steps(approval=any(one.approved for one in deciders), running=running, deciders=deciders)
        try:
            steps = self._client.call(GET_TICKET_STATUS, {"sn": page.sn}).current_steps
        except GatewayError as error:
            return _Steps(running=running, problem=_why_unreadable("status", error))
        return _Steps(
            approval=any(map(_asks_for_approval, steps)),
            running=running or any(step.status == _STEP_RUNNING for step in steps),
        )


@attrs.frozen(kw_only=True)
class _Steps:
    """The state of a ticket's steps; None for a part that could not be read.

    Attributes:
        approval: Whether an approver approved a finished ticket, or whether a step of another ticket asks for approval.
        running: Whether a step still runs.
        deciders: The deciders.
        problem: The part that could not be read, and the reason.
    """

    approval: bool | None = None
    running: bool | None = None
    deciders: tuple[Decider, ...] = ()
    problem: str = ""


def _why_unreadable(part: str, error: GatewayError) -> str:
    """Return the reason why a part of a ticket cannot be read although BK-ITSM answers; the same words each time.

    Raises:
        GatewayError: The error itself, if BK-ITSM cannot be asked now. The whole ticket is then read later.
    """
    code = vars(error).get("remote_code")
    is_the_gateways = isinstance(code, int) and code not in APP_CODES
    not_asked = isinstance(error, GatewayUnavailable | GatewayTimeout) or is_the_gateways
    if not_asked or vars(error).get("status") not in {None, _OK}:
        raise error
    if isinstance(error, GatewayAnswerTooLarge):
        return f"its {part} is too large to be read"
    why = "the answer is not as agreed" if code is None else f"the gateway refuses, code {code}"
    return f"its {part} cannot be read: {why}"


def unread(code: object) -> str:
    """Return the reason why a page is not shown, by the code that the gateway returned instead."""
    return f"the gateway answers with code {code}"


def _asks_for_approval(step: OpenStep) -> bool:
    codes = [field.meta.get("code") for field in step.fields if isinstance(field.meta, dict)]
    return _APPROVAL_CODE in codes


def _result(row: ResultRow) -> TicketResult:
    return TicketResult(
        ticket_id=ticket_id_in(row.ticket_url),
        sn=row.sn,
        status=status_of(row.current_status),
        word=clean(row.current_status, limit=64),
        approve_result=row.approve_result,
        closed_by=_people(row.updated_by),
    )


def _decision(page: TicketPage, key: str | None) -> str | None:
    """Return the decision field's text; None if the field is missing, is not text, or has two different values."""
    if key is None:
        return None
    values = [field.value for field in page.fields if field.key == key]
    if not values or any(value != values[0] for value in values):
        return None
    return values[0] if isinstance(values[0], str) else None


def _people(names: str) -> str:
    """Return user names without the commas that the server puts around them."""
    return clean(names.strip(","))


def withdrawal_of(status: TicketStatus) -> Withdrawal:
    """Return the result of a withdrawal by the status with which the ticket ended."""
    return Withdrawal.DONE if status is TicketStatus.REVOKED else Withdrawal.ENDED
