"""BK-ITSM 2 behind the gateway port.

A ticket is known by its id alone: BK-ITSM gives one number to two tickets when its counter is lost, and then answers
for either. What is read or done by number is checked to be about our id first.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Self

from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.bkapi.context import RequestContext
from itsm_workflow.clock import SystemClock
from itsm_workflow.errors import GatewayError, GatewayProtocolError, GatewayRefused, GatewayUnavailable
from itsm_workflow.gateway.bk_itsm.form import build_body, check_form, shown_body
from itsm_workflow.gateway.bk_itsm.match import TicketMatcher, found_ticket
from itsm_workflow.gateway.bk_itsm.page import show_log, show_status, show_ticket
from itsm_workflow.gateway.bk_itsm.reader import TicketReader, status_of, withdrawal_of
from itsm_workflow.gateway.bk_itsm.routes import RoutedClient, Routes
from itsm_workflow.gateway.bk_itsm.search import TicketSearch
from itsm_workflow.gateway.bk_itsm.service_form import ServiceForms
from itsm_workflow.gateway.bk_itsm.services import ServiceFinder
from itsm_workflow.gateway.bk_itsm.wire import (
    APP_CODES,
    CALLBACK_FAILED_TICKET,
    CREATE_TICKET,
    GET_TICKET_INFO,
    GET_TICKET_LOGS,
    GET_TICKET_STATUS,
    NOT_PASSED_ON,
    OPERATE_TICKET,
    TOKEN_VERIFY,
    TicketRow,
)
from itsm_workflow.gateway.checked import page_url
from itsm_workflow.gateway.protocol import Created, NotSent, Refused, Standing, Unknown
from itsm_workflow.machine.evidence import ENDED, TicketStatus, Withdrawal
from itsm_workflow.secrets import Secret

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from itsm_workflow.budget import Budget
    from itsm_workflow.change import Form, Ticket
    from itsm_workflow.clock import Clock
    from itsm_workflow.gateway.bk_itsm.page import LogEntry, ShownStatus, ShownTicket
    from itsm_workflow.gateway.bk_itsm.services import ChooseService, ItsmService
    from itsm_workflow.gateway.bk_itsm.wire import TicketPage
    from itsm_workflow.gateway.protocol import CreateAnswer, CreateRequest, FoundTicket, SentTicket, TicketResult
    from itsm_workflow.machine.evidence import Snapshot
    from itsm_workflow.settings import Settings

_SN = re.compile(r"[A-Z]{2,10}[0-9]{8,32}")


class BkItsmGateway:
    """BK-ITSM 2: `TicketGateway` with all its optional abilities. Shared by threads.

    Args:
        settings: Where it is and who we are.
        clock: The wall-clock time of what is seen, and how long a service is remembered.
        client: Calls the gateway; by default one of its own.
        service: Returns the number of the service at each filing, or None to leave it to the settings; for a feature
            toggle. It is called while a change is filed, so it must be quick.
        routes: How the endpoints are reached; by default as the settings say.

    Raises:
        SettingsError: The settings are for another generation of ITSM, or contradict ``service``.
    """

    name = "bk_itsm"

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        client: ApiClient | None = None,
        service: ChooseService | None = None,
        routes: Routes | None = None,
    ) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        routed = RoutedClient(client or ApiClient(settings, clock=self._clock), routes or Routes.of(settings))
        self._services = ServiceFinder(routed, settings, choose=service, elapsed=self._clock.elapsed)
        self._forms = ServiceForms(routed, settings, elapsed=self._clock.elapsed)
        self._sent: SentTicket | None = None
        self._ask_by(routed)

    def _ask_by(self, client: RoutedClient) -> None:
        self._client = client
        self._services, self._forms = self._services.by(client), self._forms.by(client)
        self._search = TicketSearch(client, key_in_title=self.settings.key_in_title)
        self._reader = TicketReader(client, self._search, now=self._clock.now)

    def within(self, budget: Budget) -> Self:
        """Return this gateway with a bound on the time that all its calls may take together.

        Connections, breaker and the remembered service are shared with this one; closing either closes both.
        """
        bounded = copy.copy(self)
        bounded._ask_by(self._client.within(budget))  # noqa: SLF001 - a copy of this very class
        return bounded

    def comparing(self, sent: SentTicket) -> Self:
        """Return this gateway, whose `read` compares a ticket that ended with what was sent."""
        comparing = copy.copy(self)
        comparing._sent = sent  # noqa: SLF001 - a copy of this very class
        return comparing

    def resting(self) -> str:
        """Return why tickets would not be read now, in words for people; empty: they would be."""
        resting = self._client.resting(GET_TICKET_INFO)
        return "" if resting is None else str(resting)

    def time(self) -> dt.datetime | None:
        """Return BK-ITSM's own time, as the ``Date`` of its last answer shows it; None before the first."""
        return self._client.time()

    # ---------------------------------------------------------------- filing

    def check_form(self, form: Form) -> Sequence[tuple[str, str, str]]:
        """Return every ``(field, value, rule)`` that BK-ITSM would refuse, or accept and get wrong."""
        return check_form(form, self.settings)

    def check_service_form(self, form: Form, service: str) -> Sequence[tuple[str, str, str]]:
        """Return what the service's own list of fields forbids, see `ServiceForms.check`; nothing if it shows none."""
        return self._forms.check(form, service)

    def service(self) -> str:
        """Return the number of the service to file with now, or ``fast_approval``.

        Raises:
            ServiceNotFound: None is configured, or not exactly one goes by the configured name and role.
            GatewayError: It could not be looked up.
        """
        return self._services.current()

    def preview(self, request: CreateRequest) -> Mapping[str, object]:
        """Return the exact body of create_ticket; the callback's credential shows as stars."""
        body = build_body(request, self.settings)
        return shown_body(self._client.preview(CREATE_TICKET, body, context=self._creator(request)))

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Send the request once and classify what came of it; what is not proven is unknown."""
        try:
            body = build_body(request, self.settings)
            reply = self._client.exchange(CREATE_TICKET, body, context=self._creator(request))
        except GatewayUnavailable as error:
            return NotSent(problem=str(error))
        except GatewayError as error:
            return _unanswered(error)
        except ValueError as error:
            return NotSent(problem=f"create_ticket: the request cannot be written: {error}")
        if isinstance(reply, GatewayRefused):
            self._services.forget()
            self._forms.forget(request.attempt.service)
            code = reply.remote_code
            if isinstance(code, int) and code in APP_CODES:
                return Refused(remote_code=code, message=reply.remote_message)
            return _unanswered(reply)
        if reply.data.id <= 0 or not _SN.fullmatch(reply.data.sn):
            return Unknown(problem=f"create_ticket: the answer names no ticket (request {reply.request_id})")
        return Created(id=str(reply.data.id), sn=reply.data.sn, url=self._page_url(reply.data.ticket_url))

    # ---------------------------------------------------------------- reading

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Return what BK-ITSM says of exactly this ticket id; see `TicketReader.read` for the order and why."""
        differences = self._matcher(self._sent).differences if self._sent else None
        return self._reader.read(ticket, decision_field=decision_field, differences=differences)

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Return the results by ticket id. Takes the tickets off the list of undelivered callbacks."""
        return self._reader.results(tickets)

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Return all tickets that carry the attempt's key, each compared with what was sent."""
        matcher = self._matcher(sent)
        rows = self._search.by_key(sent.attempt, matcher.looks_ours)
        return self._compared([(row, True) for row in rows], sent, matcher)

    def find_by_sn(self, sn: str, sent: SentTicket) -> Sequence[FoundTicket]:
        """Return all tickets of that sn, compared in the same way; ``key`` is set on those that carry the attempt's."""
        matcher = self._matcher(sent)
        return self._compared(self._search.by_sn(sn, sent.attempt, matcher.looks_ours), sent, matcher, in_full=True)

    def services(self) -> Sequence[ItsmService]:
        """Return the services that tickets can be filed with."""
        return self._services.listed()

    def get_services(
        self, *, display_role: str = "", display_type: str = "", service_type: str = "", catalog_id: str = ""
    ) -> Sequence[ItsmService]:
        """Return the services that match all that is given.

        Args:
            display_role: Who a service is shown to, by its owner's word, e.g. ``LOG_SEARCH``.
            display_type: How it is shown: ``OPEN``, ``API`` or ``INVISIBLE``.
            service_type: Its kind, e.g. ``request``.
            catalog_id: The number of its catalogue.

        Raises:
            GatewayError: It could not be asked.
        """
        return self._services.listed(
            display_role=display_role, display_type=display_type, service_type=service_type, catalog_id=catalog_id
        )

    def get_ticket_logs(self, ticket: Ticket) -> Sequence[LogEntry]:
        """Return what happened to exactly this ticket, oldest first, with what each step was given.

        Raises:
            GatewayError: It could not be asked, or several tickets carry its number.
        """
        self._alone(ticket, GET_TICKET_LOGS.name)
        return show_log(self._client.call(GET_TICKET_LOGS, {"sn": ticket.sn, "show_type": "complex"}).logs)

    def show(self, ticket: Ticket) -> ShownTicket:
        """Return what a page shows of the ticket: its status in words, its addresses, the form as it was filed.

        Raises:
            GatewayError: It could not be asked, or the number is not our ticket's.
        """
        page = self._reader.page(ticket)
        return show_ticket(page, status_of(page.current_status), self.settings.shows_pages_of)

    def ticket_info(self, sn: str) -> ShownTicket:
        """Return what a page shows of the ticket of a number, whoever filed it.

        Raises:
            GatewayError: It could not be asked, or not exactly one ticket goes by the number.
        """
        page = self._client.call(GET_TICKET_INFO, {"sn": sn})
        return show_ticket(page, status_of(page.current_status), self.settings.shows_pages_of)

    def ticket_status(self, sn: str) -> ShownStatus:
        """Return how the ticket of a number stands, whoever filed it: status, pages, steps, what can be done to it.

        Raises:
            GatewayError: It could not be asked, or not exactly one ticket goes by the number.
        """
        page = self._client.call(GET_TICKET_STATUS, {"sn": sn})
        return show_status(sn, page, status_of(page.current_status), self.settings.shows_pages_of)

    def undelivered(self) -> Sequence[str]:
        """Return the sns whose callback was not delivered, of all systems. Reading clears nothing."""
        return self._client.call(CALLBACK_FAILED_TICKET, {})

    def verify_token(self, token: Secret | str) -> bool:
        """Return whether a callback's token is the server's own. It is bound to no ticket, so True proves little."""
        token = Secret.of(token)  # in place of the text, which a traceback with variables would show
        reply = self._client.exchange(TOKEN_VERIFY, {"token": token})
        if not isinstance(reply, GatewayRefused):
            return reply.data.is_passed
        # The server answers a few malformed tokens with an error of its own instead of false.
        if isinstance(reply.remote_code, int) and reply.remote_code in APP_CODES:
            return False
        raise reply

    def iframe_url(self, ticket: Ticket) -> str:
        """Return the ticket's page for embedding, or an empty text if none may be shown."""
        return self._page_url(self._reader.page(ticket).iframe_ticket_url)

    def standing(self, ticket: Ticket) -> Standing:
        """Return how the ticket stands and its page for embedding, by one call that clears nothing at the server."""
        page = self._reader.page(ticket)
        return Standing(status=status_of(page.current_status), iframe_url=self._page_url(page.iframe_ticket_url))

    # ---------------------------------------------------------------- acting

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """Withdraw the ticket, and return what became of it; one that has ended is left alone.

        BK-ITSM refuses a withdrawal with one code for everything. So the ticket is read after a refusal: a running one
        that asks for no approval yet takes the withdrawal later.

        Raises:
            GatewayError: It was not withdrawn.
        """
        status = self._status(ticket)
        if status in ENDED:
            return withdrawal_of(status)
        try:
            reply = self._client.exchange(
                OPERATE_TICKET,
                _operation(ticket, "WITHDRAW", operator, reason),
                context=RequestContext(operator=operator),
            )
        except GatewayUnavailable:
            raise
        except GatewayError:
            return Withdrawal.UNKNOWN
        if not isinstance(reply, GatewayRefused):
            return Withdrawal.DONE
        page = self._alone(ticket, OPERATE_TICKET.name)
        after = status_of(page.current_status)
        if after in ENDED:
            return withdrawal_of(after)
        if after is TicketStatus.RUNNING and self._reader.comes_before_approval(page):
            return Withdrawal.NOT_YET
        raise reply

    def suspend(self, ticket: Ticket, *, operator: str, reason: str) -> None:
        """Suspend the ticket, unless it is: a second suspension succeeds, and then nothing resumes the ticket."""
        self._operate(ticket, "SUSPEND", operator, reason, done=frozenset({TicketStatus.SUSPENDED}))

    def resume(self, ticket: Ticket, *, operator: str, reason: str) -> None:
        """Resume the ticket, unless it is running.

        Raises:
            GatewayError: It could not be asked or refused; or it answered with success, and the ticket, which somebody
                suspended twice, is suspended all the same: nothing resumes it, it can be withdrawn or terminated.
        """
        self._operate(ticket, "UNSUSPEND", operator, reason, done=frozenset({TicketStatus.RUNNING}))
        if self._status(ticket) is TicketStatus.SUSPENDED:
            raise GatewayProtocolError(
                f"{ticket.sn} is suspended although the gateway resumed it: it was suspended twice, and nothing "
                "resumes it; withdraw or terminate it",
                endpoint=OPERATE_TICKET.name,
            )

    def terminate(self, ticket: Ticket, *, operator: str, reason: str) -> None:
        """Terminate the ticket, unless it is terminated. Its change ends once a look shows that.

        Raises:
            GatewayError: It could not be asked, or it refused, for example since the ticket ended otherwise.
        """
        self._operate(ticket, "TERMINATE", operator, reason, done=frozenset({TicketStatus.TERMINATED}))

    def close(self) -> None:
        """Close the kept connections."""
        self._client.close()

    def _operate(
        self, ticket: Ticket, action: str, operator: str, reason: str, *, done: frozenset[TicketStatus]
    ) -> None:
        """Act by number, once the number is known to be our ticket's alone; a refusal is judged by where it stands."""
        if self._status(ticket) in done:
            return
        params = _operation(ticket, action, operator, reason)
        reply = self._client.exchange(OPERATE_TICKET, params, context=RequestContext(operator=operator))
        if isinstance(reply, GatewayRefused) and self._status(ticket) not in done:
            raise reply

    def _status(self, ticket: Ticket) -> TicketStatus:
        return status_of(self._alone(ticket, OPERATE_TICKET.name).current_status)

    def _alone(self, ticket: Ticket, endpoint: str) -> TicketPage:
        """Return the ticket's page, if nothing but our ticket goes by its number."""
        page = self._reader.page(ticket)
        if isinstance(page, TicketRow):
            raise GatewayProtocolError(
                f"several tickets carry {ticket.sn}, so that nothing can be done by it", endpoint=endpoint
            )
        return page

    def _creator(self, request: CreateRequest) -> RequestContext:
        return RequestContext(user=self.settings.api_user, operator=request.attempt.creator)

    def _matcher(self, sent: SentTicket) -> TicketMatcher:
        return TicketMatcher(sent, self.settings, builtin=self._services.builtin, page=self._reader.page_of)

    def _compared(
        self, rows: Sequence[tuple[TicketRow, bool]], sent: SentTicket, matcher: TicketMatcher, *, in_full: bool = False
    ) -> Sequence[FoundTicket]:
        parts = matcher.compare((row for row, _ in rows), in_full=in_full)
        return [
            found_ticket(row, sent, parts[row.id], carries_key=carries, url=self._page_url(row.ticket_url))
            for row, carries in rows
        ]

    def _page_url(self, url: object) -> str:
        return page_url(url, self.settings.shows_pages_of)


def _unanswered(error: GatewayError) -> NotSent | Unknown:
    """Return what a create that brought no answer of BK-ITSM proves.

    A code of the gateway's own proves that the call was not passed on only with the header that the gateway sets beside
    it: something between us and the gateway may write any body and any HTTP status after it passed the call on.
    """
    is_gateways_own = error.remote_code in NOT_PASSED_ON and error.gateway_code == str(error.remote_code)
    return NotSent(problem=str(error)) if is_gateways_own else Unknown(problem=str(error))


def _operation(ticket: Ticket, action: str, operator: str, reason: str) -> Mapping[str, object]:
    return {
        "sn": ticket.sn,
        "operator": operator,
        "action_type": action,
        "action_message": reason.strip() or f"by {operator}",  # the server wants some
    }
