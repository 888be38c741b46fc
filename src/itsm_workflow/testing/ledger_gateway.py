"""BK-ITSM in memory as a gateway: the sandbox's ledger without HTTP.

The sandbox serves the same model, and each answer equals the one that `BkItsmGateway` makes of the sandbox's answer.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, TypedDict, cast

from itsm_workflow.errors import GatewayProtocolError, GatewayRefused, ServiceNotFound
from itsm_workflow.gateway.bk_itsm.form import FAST_APPROVAL, build_body, check_form, shown_body
from itsm_workflow.gateway.bk_itsm.log import deciders_in
from itsm_workflow.gateway.bk_itsm.reader import status_of, withdrawal_of
from itsm_workflow.gateway.bk_itsm.wire import LogLine
from itsm_workflow.gateway.protocol import Created, NotSent, Refused, Service, Standing, TicketResult
from itsm_workflow.machine.evidence import ENDED, Snapshot, TicketStatus, Withdrawal
from itsm_workflow.runtime.arguments import check_flag
from itsm_workflow.sandbox import acting, rendering, tokens
from itsm_workflow.sandbox.connection import settings_for
from itsm_workflow.sandbox.create_form import read_create
from itsm_workflow.sandbox.refusals import Refusal
from itsm_workflow.sandbox.ticket import CallbackOutcome, FlowPhase, Status
from itsm_workflow.secrets import Secret
from itsm_workflow.testing.ledger_comparing import Comparing
from itsm_workflow.testing.ledger_search import LedgerSearch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow.callbacks.parse import CallbackResponse
    from itsm_workflow.change import Decider, Form
    from itsm_workflow.change import Ticket as BoundTicket
    from itsm_workflow.clock import Clock
    from itsm_workflow.gateway.protocol import CreateAnswer, CreateRequest, FoundTicket, SentTicket, TicketGateway
    from itsm_workflow.sandbox.ledger import Ledger
    from itsm_workflow.sandbox.ticket import Outgoing, Ticket
    from itsm_workflow.settings import Settings

NOWHERE = "http://127.0.0.1:9/v2/itsm/"
"""The gateway root in the default settings; no request is sent there, or anywhere."""

_TRIES = 16


class CallbackRequest(TypedDict):
    """The arguments of `Workflow.receive`."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class LedgerGateway:
    """A `TicketGateway` with all of BK-ITSM's optional abilities, over a `Ledger` in memory. Shared by threads.

    Events of the ledger happen when a method is called, or with `run_due`. Callbacks wait until the caller takes them
    with `run_due` or has them delivered with `deliver`.

    Args:
        ledger: The tickets.
        clock: Source of the time of each read; the ledger should use the same clock.
        settings: The settings that a workflow takes from its gateway; defaults if omitted.
        keeps_tag: Whether the correlation key is kept as the ticket's tag; a proxy may drop it.
        name: The gateway name that changes store with their tickets.

    Raises:
        TypeError: ``keeps_tag`` is not a bool.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock: Clock,
        settings: Settings | None = None,
        keeps_tag: bool = True,
        name: str = "bk_itsm",
    ) -> None:
        check_flag("LedgerGateway(keeps_tag=...)", keeps_tag)
        self.name = name
        self.settings: Settings = settings or settings_for(NOWHERE)
        self.ledger = ledger
        self._clock = clock
        self._keeps_tag = keeps_tag
        self._search = LedgerSearch(ledger, self.settings, keeps_tag=keeps_tag)
        self._lock = threading.RLock()
        self._outbox: list[Outgoing] = []

    # ---------------------------------------------------------------- filing

    def check_form(self, form: Form) -> Sequence[tuple[str, str, str]]:
        """Return what BK-ITSM would reject, see `TicketGateway.check_form`."""
        return check_form(form, self.settings)

    def service(self) -> str:
        """Return the configured service.

        Raises:
            ServiceNotFound: No service is configured, or not exactly one has the configured name.
        """
        if self.settings.service_id or self.settings.fast_approval:
            return self.settings.service_id or FAST_APPROVAL
        matches = [one.id for one in self.services() if one.name == self.settings.service_name]
        if len(matches) != 1:
            raise ServiceNotFound(f"{len(matches)} services are named {self.settings.service_name!r}")
        return matches[0]

    def preview(self, request: CreateRequest) -> Mapping[str, object]:
        """Return the body of create_ticket without filing a ticket."""
        return shown_body(build_body(request, self.settings))

    def create(self, request: CreateRequest) -> CreateAnswer:
        """File a ticket if the ledger accepts the request."""
        try:
            body: Any = _revealed(build_body(request, self.settings))
        except ValueError as error:
            return NotSent(problem=f"create_ticket: the request cannot be written: {error}")
        if not self._keeps_tag:
            del body["tag"]
        with self._lock:
            self._catch_up("create_ticket")
            try:
                draft = read_create(body, user=self.settings.api_user, services=self.ledger.services)
            except Refusal as refusal:
                if refusal.uses_number:
                    self.ledger.draw_number()
                return Refused(remote_code=int(refusal.code), message=refusal.message)
            ticket = self.ledger.file(draft)
            return Created(id=str(ticket.id), sn=ticket.sn, url=rendering.desk_url(self.ledger, ticket))

    # ---------------------------------------------------------------- reading

    def read(self, ticket: BoundTicket, *, decision_field: str | None = None) -> Snapshot:
        """Read the ticket, and remove it from the list of undelivered callbacks.

        Raises:
            GatewayError: The number does not exist, or belongs to another ticket.
        """
        with self._lock:
            self._catch_up("get_ticket_info")
            found, ambiguous = self._page(ticket)
            result = self._results([ticket]).get(ticket.id)
            status = status_of(found.status.value)
            step, running, deciders = (None, None, ()) if ambiguous else self._steps(found)
            return Snapshot(
                ticket_id=ticket.id,
                sn=ticket.sn,
                status=status,
                word=found.status.value,
                seen_at=self._clock.now(),
                result_status=None if result is None else result.status,
                approve_result=None if result is None else result.approve_result,
                approval_step=step,
                step_running=running,
                decision=None if ambiguous else self._decision(found, decision_field),
                ambiguous=ambiguous,
                closed_by=",".join(found.updated_by),
                deciders=deciders,
            )

    def comparing(self, sent: SentTicket) -> TicketGateway:
        """Return this gateway with a `read` that compares an ended ticket with what was sent."""
        return cast("TicketGateway", Comparing(self, sent))

    def differences(self, ticket: BoundTicket, sent: SentTicket) -> tuple[str, ...]:
        """Return which of title, creator and service of this ticket differ from what was sent."""
        with self._lock:
            return tuple(self._search.differences(self._page(ticket)[0], sent))

    def results(self, tickets: Sequence[BoundTicket]) -> Mapping[str, TicketResult]:
        """Return the results by ticket id, and remove the tickets from the list of undelivered callbacks."""
        with self._lock:
            self._catch_up("ticket_approval_result")
            return self._results(tickets)

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Return the tickets that carry the key, each compared with what was sent.

        Raises:
            GatewayProtocolError: The tag is dropped and titles do not carry the key, so the search cannot work.
        """
        with self._lock:
            self._catch_up("get_tickets")
            return self._search.by_key(sent)

    def find_by_sn(self, sn: str, sent: SentTicket) -> Sequence[FoundTicket]:
        """Return the tickets with that number, compared in the same way; ``key`` is set on those that carry it.

        Raises:
            GatewayProtocolError: The tag is dropped and titles do not carry the key, so the ledger cannot compare it.
        """
        with self._lock:
            self._catch_up("get_tickets")
            return self._search.by_sn(sn, sent)

    def services(self) -> Sequence[Service]:
        """Return the services of the ledger."""
        with self._lock:
            self._catch_up("get_services")
            return [Service(id=str(one.id), name=one.name) for one in self.ledger.services.values()]

    def undelivered(self) -> Sequence[str]:
        """Return the numbers of the tickets whose callback was not delivered."""
        with self._lock:
            self._catch_up("callback_failed_ticket")
            return self.ledger.failed_callbacks()

    def verify_token(self, token: Secret | str) -> bool:
        """Return whether the ledger issued such a token; a token is not bound to a ticket."""
        with self._lock:
            self._catch_up("token/verify")
        try:
            return tokens.verify(Secret.of(token).reveal())
        except TypeError:  # the server fails on some malformed tokens; the client treats that as False
            return False

    def iframe_url(self, ticket: BoundTicket) -> str:
        """Return the address of the ticket's page for embedding."""
        with self._lock:
            self._catch_up("get_ticket_info")
            return rendering.frame_url(self.ledger, self._page(ticket)[0])

    def standing(self, ticket: BoundTicket) -> Standing:
        """Return the ticket's status, and the address of its page for embedding."""
        with self._lock:
            frame = self.iframe_url(ticket)
            return Standing(status=status_of(self._page(ticket)[0].status.value), iframe_url=frame)

    # ---------------------------------------------------------------- acting

    def withdraw(self, ticket: BoundTicket, *, operator: str, reason: str) -> Withdrawal:
        """Withdraw the ticket and return its status afterwards; an ended ticket is not changed.

        Raises:
            GatewayError: Several tickets carry its number, or the operator has no permission.
        """
        del reason  # the ledger does not store it
        with self._lock:
            self._catch_up("operate_ticket")
            found = self._unambiguous(ticket)
            status = status_of(found.status.value)
            if status in ENDED:
                return withdrawal_of(status)
            try:
                self._outbox.extend(acting.withdraw(self.ledger, found, operator))
            except Refusal as refusal:
                if found.status is Status.RUNNING and not found.step_running and found.decided is None:
                    return Withdrawal.NOT_YET
                code = refusal.code
                raise GatewayRefused("refused", endpoint="operate_ticket", remote_code=code) from None
            return Withdrawal.DONE

    def suspend(self, ticket: BoundTicket, *, operator: str, reason: str) -> None:
        """Suspend the ticket, unless it is suspended already."""
        del reason
        done = frozenset({TicketStatus.SUSPENDED})
        self._operate(ticket, done, lambda found: acting.suspend(self.ledger, found, operator))

    def resume(self, ticket: BoundTicket, *, operator: str, reason: str) -> None:
        """Resume the ticket, unless it is running already."""
        del reason
        done = frozenset({TicketStatus.RUNNING})
        self._operate(ticket, done, lambda found: acting.resume(self.ledger, found, operator))

    # ---------------------------------------------------------------- the other side

    def run_due(self) -> list[Outgoing]:
        """Run the ledger's events that are due by the clock.

        Returns:
            The callbacks to deliver; the caller reports the outcome of each to the ledger.
        """
        with self._lock:
            caused = self.ledger.run_due()
            taken, self._outbox = [*self._outbox, *caused], []
            return taken

    def deliver(self, receive: Callable[..., CallbackResponse]) -> int:
        """Run the events that are due, and pass each callback to `Workflow.receive`, or to a substitute for it.

        Returns:
            The number of callbacks.
        """
        count = 0
        for _ in range(_TRIES):  # a receiver may act on tickets, which causes further callbacks
            waiting = self.run_due()
            if not waiting:
                break
            for outgoing in waiting:
                self.hand_over(outgoing, receive)
            count += len(waiting)
        return count

    def hand_over(self, outgoing: Outgoing, receive: Callable[..., CallbackResponse]) -> bool:
        """Deliver one callback, and report its outcome to the ledger.

        Returns:
            Whether the receiver acknowledged it.
        """
        answer = receive(**as_request(outgoing))
        acknowledged = answer.status in {200, 201} and json.loads(answer.body).get("code") == 0
        with self._lock:
            self.ledger.record_delivery(outgoing, CallbackOutcome.DELIVERED if acknowledged else CallbackOutcome.FAILED)
        return acknowledged

    def _catch_up(self, endpoint: str) -> None:
        self._outbox += self.ledger.run_due()
        self.ledger.requests[endpoint] += 1

    def _page(self, ticket: BoundTicket) -> tuple[Ticket, bool]:
        """Return the ticket, and whether other tickets carry its number."""
        found = self.ledger.by_sn(ticket.sn)
        ours = next((one for one in found if str(one.id) == ticket.id), None)
        if not found:
            raise GatewayRefused("no such ticket", endpoint="get_ticket_info", remote_code=3900022)
        if ours is None:
            raise GatewayProtocolError(
                f"{ticket.sn} is not the number of ticket {ticket.id}", endpoint="get_ticket_info"
            )
        return ours, len(found) > 1

    def _results(self, tickets: Sequence[BoundTicket]) -> dict[str, TicketResult]:
        found = {str(one.id): one for ticket in tickets for one in self.ledger.by_sn(ticket.sn)}
        self.ledger.forget_failed(ticket.sn for ticket in tickets)
        return {
            ticket.id: TicketResult(
                ticket_id=ticket.id,
                sn=ticket.sn,
                status=status_of(found[ticket.id].status.value),
                word=found[ticket.id].status.value,
                approve_result=found[ticket.id].approve_result,
                closed_by=",".join(found[ticket.id].updated_by),
            )
            for ticket in tickets
            if ticket.id in found and found[ticket.id].sn == ticket.sn
        }

    def _steps(self, ticket: Ticket) -> tuple[bool, bool, tuple[Decider, ...]]:
        """Return whether there is an approval step, whether a step is running, and the deciders."""
        running = ticket.step_running or (ticket.phase is FlowPhase.SUBMITTING and not ticket.ended)
        if ticket.status is not Status.FINISHED:
            return ticket.step_running, running, ()
        lines = rendering.logs(self.ledger, ticket, detailed=True)["logs"]
        deciders = deciders_in([LogLine(**line) for line in lines])
        return any(one.approved for one in deciders), running, deciders

    def _decision(self, ticket: Ticket, key: str | None) -> str | None:
        fields = rendering.info(self.ledger, ticket)["fields"]
        values = [field["value"] for field in fields if field["key"] == key]
        return values[0] if values and isinstance(values[0], str) and values.count(values[0]) == len(values) else None

    def _unambiguous(self, ticket: BoundTicket) -> Ticket:
        """Return the ticket if no other ticket carries its number."""
        found, ambiguous = self._page(ticket)
        if ambiguous:
            raise GatewayProtocolError(
                f"several tickets carry {ticket.sn}, so the number cannot be used", endpoint="operate_ticket"
            )
        return found

    def _operate(self, ticket: BoundTicket, done: frozenset[TicketStatus], act: Callable[[Ticket], object]) -> None:
        with self._lock:
            self._catch_up("operate_ticket")
            found = self._unambiguous(ticket)
            if status_of(found.status.value) in done:
                return
            try:
                act(found)
            except Refusal as refusal:
                code = refusal.code
                raise GatewayRefused("refused", endpoint="operate_ticket", remote_code=code) from None


def as_request(outgoing: Outgoing) -> CallbackRequest:
    """Convert a callback to the arguments of `Workflow.receive`."""
    return {
        "method": "POST",
        "path": "/" + outgoing.url.split("://", 1)[-1].partition("/")[2],
        "headers": dict(outgoing.headers),
        "body": json.dumps(outgoing.body).encode("ascii"),
    }


def _revealed(value: Any) -> Any:  # noqa: ANN401 - a JSON value with sealed texts in it
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, dict):
        return {key: _revealed(item) for key, item in value.items()}
    return [_revealed(item) for item in value] if isinstance(value, list) else value
