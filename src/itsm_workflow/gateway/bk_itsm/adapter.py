"""The adapter that connects BK-ITSM 2 to the gateway port.

Only the id identifies a ticket. When BK-ITSM loses its counter, it gives the same number to two tickets, and then
answers for either of them. So before each operation by number, the adapter checks that the number belongs to our id.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Self

from itsm_workflow.bkapi.context import RequestContext
from itsm_workflow.clock import SystemClock
from itsm_workflow.errors import GatewayError, GatewayProtocolError, GatewayRefused, GatewayUnavailable
from itsm_workflow.exports import lazy_module
from itsm_workflow.gateway.checked import page_url
from itsm_workflow.gateway.protocol import Created, NotSent, Refused, Standing, Unknown
from itsm_workflow.machine.evidence import ENDED, TicketStatus, Withdrawal
from itsm_workflow.secrets import Secret

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from itsm_workflow.bkapi import client as api
    from itsm_workflow.budget import Budget
    from itsm_workflow.change import Form, Ticket
    from itsm_workflow.clock import Clock
    from itsm_workflow.gateway.adoption import KnownTicket
    from itsm_workflow.gateway.bk_itsm import form as forms
    from itsm_workflow.gateway.bk_itsm import known, match, outcomes, reader, search, service_form, services, wire
    from itsm_workflow.gateway.bk_itsm import page as pages
    from itsm_workflow.gateway.bk_itsm import routes as routing
    from itsm_workflow.gateway.bk_itsm.page import LogEntry, ShownStatus, ShownTicket
    from itsm_workflow.gateway.bk_itsm.services import ChooseService, ItsmService
    from itsm_workflow.gateway.bk_itsm.wire import TicketPage
    from itsm_workflow.gateway.protocol import CreateAnswer, CreateRequest, FoundTicket, SentTicket, TicketResult
    from itsm_workflow.machine.evidence import Snapshot
    from itsm_workflow.settings import Settings
else:
    # A host imports the class at its start; the HTTP libraries are loaded when it makes a gateway.
    api = lazy_module("itsm_workflow.bkapi.client")
    forms, known, match, outcomes, pages, reader = (
        lazy_module(f"itsm_workflow.gateway.bk_itsm.{name}")
        for name in ["form", "known", "match", "outcomes", "page", "reader"]
    )
    routing, search, service_form, services, wire = (
        lazy_module(f"itsm_workflow.gateway.bk_itsm.{name}")
        for name in ["routes", "search", "service_form", "services", "wire"]
    )

_SN = re.compile(r"[A-Z]{2,10}[0-9]{8,32}")


class BkItsmGateway:
    """The gateway of BK-ITSM 2: a `TicketGateway` with all optional abilities. Thread-safe.

    Args:
        settings: The address of the gateway, and the identity of the application.
        clock: Source of the wall-clock time of snapshots, and of the age of a cached service.
        client: Calls the gateway; by default a new client.
        service: Returns the number of the service at each filing, or None to leave the choice to the settings; for a
            feature toggle. It is called while a change is filed, so it must be quick.
        routes: The method and path of each endpoint; by default those that the settings select.

    Raises:
        SettingsError: The settings are for another generation of ITSM, or contradict ``service``.
    """

    name = "bk_itsm"

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        client: api.ApiClient | None = None,
        service: ChooseService | None = None,
        routes: routing.Routes | None = None,
    ) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        routed = routing.RoutedClient(
            client or api.ApiClient(settings, clock=self._clock), routes or routing.Routes.of(settings)
        )
        self._services = services.ServiceFinder(routed, settings, choose=service, elapsed=self._clock.elapsed)
        self._forms = service_form.ServiceForms(routed, settings, elapsed=self._clock.elapsed)
        self._sent: SentTicket | None = None
        self._ask_by(routed)

    def _ask_by(self, client: routing.RoutedClient) -> None:
        self._client = client
        self._services, self._forms = self._services.by(client), self._forms.by(client)
        self._search = search.TicketSearch(client, key_in_title=self.settings.key_in_title)
        self._reader = reader.TicketReader(client, self._search, now=self._clock.now)
        self._known = known.KnownTickets(
            client, search=self._search, services=self._services, forms=self._forms, settings=self.settings
        )

    def within(self, budget: Budget) -> Self:
        """Return this gateway with a bound on the total time of all its calls.

        The copy shares connections, breaker and the cached service with this gateway. Closing either closes both.
        """
        bounded = copy.copy(self)
        bounded._ask_by(self._client.within(budget))  # noqa: SLF001 - a copy of this very class
        return bounded

    def comparing(self, sent: SentTicket) -> Self:
        """Return this gateway with a `read` that compares an ended ticket with what was sent."""
        comparing = copy.copy(self)
        comparing._sent = sent  # noqa: SLF001 - a copy of this very class
        return comparing

    def resting(self) -> str:
        """Return the reason why tickets cannot be read now, for people; empty if they can."""
        resting = self._client.resting(wire.GET_TICKET_INFO)
        return "" if resting is None else f"{resting}; the next call is allowed in {resting.seconds:.0f} s"

    def time(self) -> dt.datetime | None:
        """Return BK-ITSM's own time by the ``Date`` header of its last answer; None before the first answer."""
        return self._client.time()

    # ---------------------------------------------------------------- filing

    def check_form(self, form: Form) -> Sequence[tuple[str, str, str]]:
        """Return a ``(field, value, rule)`` for each value that BK-ITSM would refuse or process wrongly."""
        return forms.check_form(form, self.settings)

    def check_service_form(self, form: Form, service: str) -> Sequence[tuple[str, str, str]]:
        """Return a problem for each value that the service's list of fields forbids; see `ServiceForms.check`."""
        return self._forms.check(form, service)

    def service(self) -> str:
        """Return the number of the service with which tickets are filed now, or ``fast_approval``.

        Raises:
            ServiceNotFound: No service is configured, or not exactly one has the configured name and role.
            GatewayError: The service could not be looked up.
        """
        return self._services.current()

    def preview(self, request: CreateRequest) -> Mapping[str, object]:
        """Return the exact body of create_ticket, with stars for the callback's credential."""
        body = forms.build_body(request, self.settings)
        return forms.shown_body(self._client.preview(wire.CREATE_TICKET, body, context=self._creator(request)))

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Send the request once and classify the result; a result without proof is unknown."""
        try:
            body = forms.build_body(request, self.settings)
            reply = self._client.exchange(wire.CREATE_TICKET, body, context=self._creator(request))
        except GatewayUnavailable as error:
            return NotSent(problem=str(error))
        except GatewayError as error:
            return outcomes.unanswered(error)
        except ValueError as error:
            return NotSent(problem=f"create_ticket: the request cannot be built: {error}")
        if isinstance(reply, GatewayRefused):
            self._services.forget()
            self._forms.forget(request.attempt.service)
            code = reply.remote_code
            if isinstance(code, int) and code in wire.APP_CODES:
                return Refused(remote_code=code, message=reply.remote_message)
            return outcomes.unanswered(reply)
        if reply.data.id <= 0 or not _SN.fullmatch(reply.data.sn):
            problem = f"create_ticket: the answer has no valid id and number of a ticket (request {reply.request_id})"
            return Unknown(problem=problem)
        return Created(id=str(reply.data.id), sn=reply.data.sn, url=self._page_url(reply.data.ticket_url))

    # ---------------------------------------------------------------- reading

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Return a snapshot of the ticket with exactly this id; `TicketReader.read` explains the order of the reads."""
        differences = self._matcher(self._sent).differences if self._sent else None
        return self._reader.read(ticket, decision_field=decision_field, differences=differences)

    def peek(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Return a snapshot without the result, so that the ticket stays on the list of undelivered callbacks."""
        return self._reader.read(ticket, decision_field=decision_field, with_result=False)

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Return the results by ticket id. Removes the tickets from the list of undelivered callbacks."""
        return self._reader.results(tickets)

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Return all tickets that carry the attempt's key, each compared with what was sent."""
        matcher = self._matcher(sent)
        rows = self._search.by_key(sent.attempt, matcher.looks_ours)
        return self._compared([(row, True) for row in rows], sent, matcher)

    def find_by_sn(self, sn: str, sent: SentTicket) -> Sequence[FoundTicket]:
        """Return all tickets with that sn, compared in the same way; ``key`` is set if they carry the attempt's key."""
        matcher = self._matcher(sent)
        return self._compared(self._search.by_sn(sn, sent.attempt, matcher.looks_ours), sent, matcher, in_full=True)

    def known_tickets(self, sn: str) -> Sequence[KnownTicket]:
        """Return the tickets with that number, with the form that each was filed with by any program."""
        return self._known.of_sn(sn, self._page_url)

    def services(self) -> Sequence[ItsmService]:
        """Return the services with which tickets can be filed."""
        return self._services.listed()

    def get_services(
        self, *, display_role: str = "", display_type: str = "", service_type: str = "", catalog_id: str = ""
    ) -> Sequence[ItsmService]:
        """Return the services that match all arguments.

        Args:
            display_role: The display role that the service's owner set, e.g. ``LOG_SEARCH``.
            display_type: The display type: ``OPEN``, ``API`` or ``INVISIBLE``.
            service_type: The kind of service, e.g. ``request``.
            catalog_id: The number of the service's catalogue.

        Raises:
            GatewayError: The gateway could not be asked.
        """
        return self._services.listed(
            display_role=display_role, display_type=display_type, service_type=service_type, catalog_id=catalog_id
        )

    def get_ticket_logs(self, ticket: Ticket) -> Sequence[LogEntry]:
        """Return the log of the ticket with exactly this id, oldest line first, with the form of each step.

        Raises:
            GatewayError: The gateway could not be asked, or several tickets carry the number.
        """
        self._unambiguous_page(ticket, wire.GET_TICKET_LOGS.name)
        return pages.show_log(self._reader.log(ticket.sn))

    def show(self, ticket: Ticket) -> ShownTicket:
        """Return the ticket as a page shows it: its status in words, its addresses, the form as it was filed.

        Raises:
            GatewayError: The gateway could not be asked, or the number does not belong to our ticket.
        """
        page = self._reader.page(ticket)
        return pages.show_ticket(page, reader.status_of(page.current_status), self.settings.shows_pages_of)

    def ticket_info(self, sn: str) -> ShownTicket:
        """Return the ticket with a number as a page shows it; any user may have filed it.

        Raises:
            GatewayError: The gateway could not be asked, or not exactly one ticket has the number.
        """
        page = self._client.call(wire.GET_TICKET_INFO, {"sn": sn})
        return pages.show_ticket(page, reader.status_of(page.current_status), self.settings.shows_pages_of)

    def ticket_status(self, sn: str) -> ShownStatus:
        """Return the status, pages, steps and operations of the ticket with a number; any user may have filed it.

        Raises:
            GatewayError: The gateway could not be asked, or not exactly one ticket has the number.
        """
        page = self._client.call(wire.GET_TICKET_STATUS, {"sn": sn})
        return pages.show_status(sn, page, reader.status_of(page.current_status), self.settings.shows_pages_of)

    def undelivered(self) -> Sequence[str]:
        """Return the sns whose callback was not delivered, of all systems. Reading the list does not clear it."""
        return self._client.call(wire.CALLBACK_FAILED_TICKET, {})

    def verify_token(self, token: Secret | str) -> bool:
        """Return whether the server issued a callback's token. True proves little: a token is not bound to a ticket."""
        token = Secret.of(token)  # replaces the text, which a traceback with local variables would show
        reply = self._client.exchange(wire.TOKEN_VERIFY, {"token": token})
        if not isinstance(reply, GatewayRefused):
            return reply.data.is_passed
        # The server answers a few malformed tokens with one of its error codes instead of false.
        if isinstance(reply.remote_code, int) and reply.remote_code in wire.APP_CODES:
            return False
        raise reply

    def iframe_url(self, ticket: Ticket) -> str:
        """Return the address of the ticket's page for embedding, or an empty string if none may be shown."""
        return self._page_url(self._reader.page(ticket).iframe_ticket_url)

    def standing(self, ticket: Ticket) -> Standing:
        """Return the ticket's status and its page for embedding, by one call that is not a destructive read."""
        page = self._reader.page(ticket)
        return Standing(status=reader.status_of(page.current_status), iframe_url=self._page_url(page.iframe_ticket_url))

    # ---------------------------------------------------------------- acting

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """Withdraw the ticket and return the result; an ended ticket is not changed.

        BK-ITSM refuses a withdrawal with the same code in all cases. So the ticket is read after a refusal: a running
        ticket that does not ask for approval yet accepts the withdrawal later.

        Raises:
            GatewayError: The ticket was not withdrawn.
        """
        status = self._status(ticket)
        if status in ENDED:
            return reader.withdrawal_of(status)
        try:
            reply = self._client.exchange(
                wire.OPERATE_TICKET,
                wire.operation(ticket, "WITHDRAW", operator, reason),
                context=RequestContext(operator=operator),
            )
        except GatewayUnavailable:
            raise
        except GatewayError:
            return Withdrawal.UNKNOWN
        if not isinstance(reply, GatewayRefused):
            return Withdrawal.DONE
        page = self._unambiguous_page(ticket, wire.OPERATE_TICKET.name)
        after = reader.status_of(page.current_status)
        if after in ENDED:
            return reader.withdrawal_of(after)
        if after is TicketStatus.RUNNING and self._reader.comes_before_approval(page):
            return Withdrawal.NOT_YET
        raise reply

    def suspend(self, ticket: Ticket, *, operator: str, reason: str) -> None:
        """Suspend the ticket, unless it is suspended: after a second suspension nothing can resume the ticket."""
        self._operate(ticket, "SUSPEND", operator, reason, done=frozenset({TicketStatus.SUSPENDED}))

    def resume(self, ticket: Ticket, *, operator: str, reason: str) -> None:
        """Resume the ticket, unless it is running.

        Raises:
            GatewayError: The gateway could not be asked, or refused. Or it answered with success, but the ticket was
                suspended twice and is still suspended: nothing resumes it, but it can be withdrawn or terminated.
        """
        self._operate(ticket, "UNSUSPEND", operator, reason, done=frozenset({TicketStatus.RUNNING}))
        if self._status(ticket) is TicketStatus.SUSPENDED:
            raise GatewayProtocolError(
                f"{ticket.sn} is suspended although the gateway resumed it, since it was suspended twice: nothing "
                "resumes it, so withdraw or terminate it",
                endpoint=wire.OPERATE_TICKET.name,
            )

    def terminate(self, ticket: Ticket, *, operator: str, reason: str) -> None:
        """Terminate the ticket, unless it is terminated. Its change ends when the next read shows that.

        Raises:
            GatewayError: The gateway could not be asked, or refused, for example since the ticket ended in another way.
        """
        self._operate(ticket, "TERMINATE", operator, reason, done=frozenset({TicketStatus.TERMINATED}))

    def close(self) -> None:
        """Close the kept connections."""
        self._client.close()

    def _operate(
        self, ticket: Ticket, action: str, operator: str, reason: str, *, done: frozenset[TicketStatus]
    ) -> None:
        """Operate on a ticket whose number is unambiguous; a refusal is ignored if the ticket has the wanted status."""
        if self._status(ticket) in done:
            return
        params = wire.operation(ticket, action, operator, reason)
        reply = self._client.exchange(wire.OPERATE_TICKET, params, context=RequestContext(operator=operator))
        if isinstance(reply, GatewayRefused) and self._status(ticket) not in done:
            raise reply

    def _status(self, ticket: Ticket) -> TicketStatus:
        return reader.status_of(self._unambiguous_page(ticket, wire.OPERATE_TICKET.name).current_status)

    def _unambiguous_page(self, ticket: Ticket, endpoint: str) -> TicketPage:
        """Return the ticket's page, if only our ticket has its number."""
        page = self._reader.page(ticket)
        if isinstance(page, wire.TicketRow):
            raise GatewayProtocolError(
                f"several tickets carry {ticket.sn}, so the number cannot be used: look at them in BK-ITSM",
                endpoint=endpoint,
            )
        return page

    def _creator(self, request: CreateRequest) -> RequestContext:
        return RequestContext(user=self.settings.api_user, operator=request.attempt.creator)

    def _matcher(self, sent: SentTicket) -> match.TicketMatcher:
        read, fields = self._reader.page_of, self._forms.fields
        return match.TicketMatcher(sent, self.settings, builtin=self._services.builtin, page=read, fields=fields)

    def _compared(
        self,
        rows: Sequence[tuple[wire.TicketRow, bool]],
        sent: SentTicket,
        matcher: match.TicketMatcher,
        *,
        in_full: bool = False,
    ) -> Sequence[FoundTicket]:
        parts = matcher.compare((row for row, _ in rows), in_full=in_full)
        return [
            match.found_ticket(row, sent, parts[row.id], carries_key=carries, url=self._page_url(row.ticket_url))
            for row, carries in rows
        ]

    def _page_url(self, url: object) -> str:
        return page_url(url, self.settings.shows_pages_of)
