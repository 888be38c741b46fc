"""Calls to a gateway of any kind, with errors in the gateway's own code turned into `GatewayMistake`.

A `GatewayError` and a `StorageUnavailable` are raised unchanged, and so is an exception that ends the process. Any
other exception becomes a `GatewayMistake`, which is a `GatewayError`, so that it does not end a pass or lose a change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from itsm_workflow.errors import GatewayError, GatewayMistake, ItsmWorkflowError, StorageUnavailable
from itsm_workflow.failures import failures
from itsm_workflow.gateway.adoption import SupportsAdoption
from itsm_workflow.gateway.checked import (
    checked_answer,
    checked_known,
    checked_problems,
    checked_resting,
    checked_service,
    checked_snapshot,
    checked_standing,
    checked_time,
    page_url,
)
from itsm_workflow.gateway.protocol import (
    SentTicket,
    SupportsBudget,
    SupportsComparison,
    SupportsPages,
    SupportsRest,
    SupportsServiceForm,
    SupportsStanding,
    SupportsTime,
    Unknown,
)
from itsm_workflow.machine.evidence import Channel
from itsm_workflow.text import describe, kind_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow.budget import Budget
    from itsm_workflow.change import ChangeRequest, Form, Ticket
    from itsm_workflow.gateway.adoption import KnownTicket
    from itsm_workflow.gateway.checked import PageRule
    from itsm_workflow.gateway.protocol import CreateAnswer, CreateRequest, TicketGateway
    from itsm_workflow.machine.evidence import Snapshot, TicketStatus

    Notify = Callable[[GatewayError], object]

T = TypeVar("T")


def ask(endpoint: str, call: Callable[[], T]) -> T:
    """Call a gateway and return its answer.

    Args:
        endpoint: The name of the call, for the error message.
        call: Calls the gateway and checks its answer.

    Raises:
        GatewayError: The gateway could not be asked, or its own code failed.
    """
    try:
        return call()
    except (GatewayError, StorageUnavailable):
        raise
    except failures() as error:
        raise GatewayMistake(f"the gateway's own code failed: {describe(error)}", endpoint=endpoint) from error


def _ask_first(endpoint: str, call: Callable[[], T]) -> T:
    """Call a gateway for a caller who has stored nothing yet: every error of the library is raised unchanged."""
    try:
        return call()
    except ItsmWorkflowError:
        raise
    except failures() as error:
        raise GatewayMistake(f"the gateway's own code failed: {describe(error)}", endpoint=endpoint) from error


def form_problems(gateway: TicketGateway, form: Form) -> Sequence[tuple[str, str, str]]:
    """Return the problems of a form by the gateway's own rules.

    Raises:
        GatewayError: The gateway's own code failed, or its answer is not a list of problems.
    """
    return _ask_first("check_form", lambda: checked_problems(gateway.check_form(form)))


def service_of(gateway: TicketGateway) -> str:
    """Return the service with which the gateway would file a ticket now.

    Raises:
        GatewayError: The gateway could not be asked, its own code failed, or its answer is not plain text.
        ServiceNotFound: No service is configured, and none can be found.
    """
    return _ask_first("service", lambda: checked_service(gateway.service()))


def preview_of(gateway: TicketGateway, request: CreateRequest) -> Mapping[str, object]:
    """Return the body that the gateway would send. Nothing is sent.

    Raises:
        GatewayError: The gateway's own code failed.
    """
    return _ask_first("preview", lambda: gateway.preview(request))


def read_ticket(
    gateway: TicketGateway, ticket: Ticket, change: ChangeRequest, *, decision_field: str | None, skew: dt.timedelta
) -> Snapshot:
    """Return a snapshot of a change's ticket, compared with what was sent if the gateway can compare.

    A ticket that an operator bound is not compared again, since the operator has already seen its differences.

    Raises:
        GatewayError: The gateway could not be asked, or its own code failed.
    """

    def read() -> Snapshot:
        asks = gateway
        if ticket.channel != Channel.OPERATOR and isinstance(gateway, SupportsComparison):
            asks = gateway.comparing(SentTicket.of(change, skew))
        return checked_snapshot(asks.read(ticket, decision_field=decision_field), ticket)

    return ask("read", read)


def create_ticket(gateway: TicketGateway, request: CreateRequest, shows: PageRule, notify: Notify) -> CreateAnswer:
    """Send a request and return the result; unknown if the gateway raised, since the request may have been sent.

    Observers are notified of the exception's type only: its text may quote the credential.
    """
    try:
        answer = gateway.create(request)
    except StorageUnavailable:
        raise
    except failures() as error:  # a gateway of another author may raise anything
        kind = type(error).__name__
    else:
        return checked_answer(answer, shows)
    mistake = GatewayMistake(f"the gateway's own code failed with a {kind}", endpoint="create_ticket")
    notify(mistake)
    return Unknown(problem=describe(mistake))


def bounded(gateway: TicketGateway, budget: Budget, notify: Notify) -> TicketGateway:
    """Return the gateway with all its calls bounded by a budget; unchanged if it does not support one or fails."""
    if not isinstance(gateway, SupportsBudget):
        return gateway
    try:
        return ask("within", lambda: _checked_gateway(gateway.within(budget)))
    except GatewayError as error:
        notify(error)
        return gateway


def service_form_problems(
    gateway: TicketGateway, form: Form, service: str, budget: Budget, notify: Notify
) -> Sequence[tuple[str, str, str]]:
    """Return the problems of a form by the rules of its service; none if the gateway cannot check them or fails."""
    if not isinstance(gateway, SupportsServiceForm):
        return ()
    asks = bounded(gateway, budget, notify)
    if not isinstance(asks, SupportsServiceForm):
        return ()
    try:
        return ask("check_service_form", lambda: checked_problems(asks.check_service_form(form, service)))
    except GatewayError as error:
        notify(error)
        return ()


def known_ticket(gateway: TicketGateway, sn: str, ticket_id: str | None, shows: PageRule) -> KnownTicket | str:
    """Return the only ticket with a number, which any program may have filed, or the reason why it cannot be used.

    Args:
        gateway: The gateway.
        sn: The number.
        ticket_id: The id that the ticket must have; None for any.
        shows: Returns whether a page on a host may be shown.

    Raises:
        GatewayError: The gateway could not be asked, or its own code failed.
        ServiceNotFound: No service is configured, or none can be found.
    """
    if not isinstance(gateway, SupportsAdoption):
        return "the gateway of this process cannot show tickets of other programs: it has no known_tickets()"
    found = _ask_first("known_tickets", lambda: checked_known(gateway.known_tickets(sn), shows))
    ids = ", ".join(one.id for one in found)
    matching = [one for one in found if ticket_id in {None, one.id}]
    if not found:
        return f"the gateway shows no ticket with the number {sn}: check the number, or leave the row out"
    if not matching:
        return f"the ticket with the number {sn} has the id {ids}, not {ticket_id}: look at it in the ticket system"
    if len(found) > 1:
        return f"several tickets have the number {sn}, with the ids {ids}: let the handler that filed them finish them"
    return matching[0]


def peek_ticket(gateway: TicketGateway, ticket: Ticket, *, decision_field: str | None) -> Snapshot:
    """Return a snapshot of a ticket without its result, so that nothing is cleared at the gateway.

    Raises:
        GatewayError: The gateway could not be asked, cannot look without the result, or its own code failed.
    """

    def peek() -> Snapshot:
        if not isinstance(gateway, SupportsAdoption):
            raise GatewayMistake("it has no peek()", endpoint="peek")
        return checked_snapshot(gateway.peek(ticket, decision_field=decision_field), ticket)

    return ask("peek", peek)


def time_of(gateway: TicketGateway, notify: Notify) -> dt.datetime | None:
    """Return the time of the gateway's clock, or None if the gateway does not show it."""
    if not isinstance(gateway, SupportsTime):
        return None
    try:
        return ask("time", lambda: checked_time(gateway.time()))
    except GatewayError as error:
        notify(error)
        return None


def resting(gateway: TicketGateway, notify: Notify) -> str:
    """Return the reason why the gateway cannot be asked now; empty if it can be, or if the check fails."""
    if not isinstance(gateway, SupportsRest):
        return ""
    try:
        return ask("resting", lambda: checked_resting(gateway.resting()))
    except GatewayError as error:
        notify(error)
        return ""


def _checked_gateway(gateway: TicketGateway) -> TicketGateway:
    if hasattr(gateway, "create"):
        return gateway
    raise GatewayMistake(f"{kind_of(gateway)} is not a gateway: it has no create()", endpoint="within")


def standing_of(gateway: TicketGateway, ticket: Ticket, shows: PageRule) -> tuple[TicketStatus | None, str]:
    """Return a ticket's present status and its page to embed, as far as the gateway can show them.

    Raises:
        GatewayError: The gateway could not be asked, or its own code failed.
    """
    if isinstance(gateway, SupportsStanding):
        standing = ask("standing", lambda: checked_standing(gateway.standing(ticket), shows))
        return standing.status, standing.iframe_url
    if isinstance(gateway, SupportsPages):
        return None, ask("iframe_url", lambda: page_url(gateway.iframe_url(ticket), shows))
    return None, ""
