"""Calls to a gateway of any kind, with errors in the gateway's own code turned into `GatewayMistake`.

A `GatewayError` and a `StorageUnavailable` are raised unchanged, and so is an exception that ends the process. Any
other exception becomes a `GatewayMistake`, which is a `GatewayError`, so that it does not end a pass or lose a change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from itsm_workflow.errors import GatewayError, GatewayMistake, StorageUnavailable, describe
from itsm_workflow.gateway.checked import (
    checked_answer,
    checked_problems,
    checked_resting,
    checked_snapshot,
    checked_time,
)
from itsm_workflow.gateway.protocol import (
    SentTicket,
    SupportsBudget,
    SupportsComparison,
    SupportsRest,
    SupportsServiceForm,
    SupportsTime,
    Unknown,
)
from itsm_workflow.machine.evidence import Channel

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence

    from itsm_workflow.budget import Budget
    from itsm_workflow.change import ChangeRequest, Form, Ticket
    from itsm_workflow.gateway.checked import PageRule
    from itsm_workflow.gateway.protocol import CreateAnswer, CreateRequest, TicketGateway
    from itsm_workflow.machine.evidence import Snapshot

    Notify = Callable[[GatewayError], object]

T = TypeVar("T")


def asked(endpoint: str, ask: Callable[[], T]) -> T:
    """Call a gateway and return its answer.

    Args:
        endpoint: The name of the call, for the error message.
        ask: Calls the gateway and checks its answer.

    Raises:
        GatewayError: The gateway could not be asked, or its own code failed.
    """
    try:
        return ask()
    except (GatewayError, StorageUnavailable):
        raise
    except Exception as error:
        raise GatewayMistake(f"the gateway's own code failed: {describe(error)}", endpoint=endpoint) from error


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

    return asked("read", read)


def created(gateway: TicketGateway, request: CreateRequest, shows: PageRule, notify: Notify) -> CreateAnswer:
    """Send a request and return the result; unknown if the gateway raised, since the request may have been sent.

    Observers are notified of the exception's type only: its text may quote the credential.
    """
    try:
        answer = gateway.create(request)
    except StorageUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - a gateway of another author may raise anything
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
        return asked("within", lambda: _checked_gateway(gateway.within(budget)))
    except GatewayError as error:
        notify(error)
        return gateway


def refused_by_service(
    gateway: TicketGateway, form: Form, service: str, budget: Budget, notify: Notify
) -> Sequence[tuple[str, str, str]]:
    """Return the problems of a form by the rules of its service; none if the gateway cannot check them or fails."""
    if not isinstance(gateway, SupportsServiceForm):
        return ()
    asks = bounded(gateway, budget, notify)
    if not isinstance(asks, SupportsServiceForm):
        return ()
    try:
        return asked("check_service_form", lambda: checked_problems(asks.check_service_form(form, service)))
    except GatewayError as error:
        notify(error)
        return ()


def time_of(gateway: TicketGateway, notify: Notify) -> dt.datetime | None:
    """Return the time of the gateway's clock, or None if the gateway does not show it."""
    if not isinstance(gateway, SupportsTime):
        return None
    try:
        return asked("time", lambda: checked_time(gateway.time()))
    except GatewayError as error:
        notify(error)
        return None


def resting(gateway: TicketGateway, notify: Notify) -> str:
    """Return the reason why the gateway cannot be asked now; empty if it can be, or if the check fails."""
    if not isinstance(gateway, SupportsRest):
        return ""
    try:
        return asked("resting", lambda: checked_resting(gateway.resting()))
    except GatewayError as error:
        notify(error)
        return ""


def _checked_gateway(gateway: TicketGateway) -> TicketGateway:
    if hasattr(gateway, "create"):
        return gateway
    raise GatewayMistake(f"a {type(gateway).__name__} is not a gateway: it has no create()", endpoint="within")
