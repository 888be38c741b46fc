"""How the library asks a gateway, whatever it is: a mistake of its own means that the question was not answered.

Only `StorageUnavailable` passes, and what ends the process. Anything else that is no `GatewayError` is told as a
`GatewayMistake`, which is one, so that no change is lost and no pass ends because of it.
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

    Tell = Callable[[GatewayError], object]

T = TypeVar("T")


def asked(endpoint: str, ask: Callable[[], T]) -> T:
    """Return what a gateway answers.

    Args:
        endpoint: What it is asked for, for the message.
        ask: Asks it, and checks what it answers.

    Raises:
        GatewayError: It could not be asked, or its own code failed.
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
    """Return what a gateway says of a change's ticket, compared with what was sent if the gateway can compare.

    What differs of a ticket that an operator bound was shown to the operator then, and is not looked for again.

    Raises:
        GatewayError: It could not be asked, or its own code failed.
    """

    def read() -> Snapshot:
        asks = gateway
        if ticket.channel != Channel.OPERATOR and isinstance(gateway, SupportsComparison):
            asks = gateway.comparing(SentTicket.of(change, skew))
        return checked_snapshot(asks.read(ticket, decision_field=decision_field), ticket)

    return asked("read", read)


def created(gateway: TicketGateway, request: CreateRequest, shows: PageRule, tell: Tell) -> CreateAnswer:
    """Send a request, and return what came of it; unknown if the gateway raised, since something may have been sent.

    Of what it raised only the type is told: its text may quote our credential.
    """
    try:
        answer = gateway.create(request)
    except StorageUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - a gateway may be made by anybody
        kind = type(error).__name__
    else:
        return checked_answer(answer, shows)
    mistake = GatewayMistake(f"the gateway's own code failed with a {kind}", endpoint="create_ticket")
    tell(mistake)
    return Unknown(problem=describe(mistake))


def bounded(gateway: TicketGateway, budget: Budget, tell: Tell) -> TicketGateway:
    """Return the gateway with all its calls bound to a budget; as it is if it has no budgets, or fails to take one."""
    if not isinstance(gateway, SupportsBudget):
        return gateway
    try:
        return asked("within", lambda: _checked_gateway(gateway.within(budget)))
    except GatewayError as error:
        tell(error)
        return gateway


def refused_by_service(
    gateway: TicketGateway, form: Form, service: str, budget: Budget, tell: Tell
) -> Sequence[tuple[str, str, str]]:
    """Return what the service that a form is for forbids in it; nothing if the gateway cannot tell, or fails to."""
    if not isinstance(gateway, SupportsServiceForm):
        return ()
    asks = bounded(gateway, budget, tell)
    if not isinstance(asks, SupportsServiceForm):
        return ()
    try:
        return asked("check_service_form", lambda: checked_problems(asks.check_service_form(form, service)))
    except GatewayError as error:
        tell(error)
        return ()


def time_of(gateway: TicketGateway, tell: Tell) -> dt.datetime | None:
    """Return the time by the gateway's clock, or None if it shows none."""
    if not isinstance(gateway, SupportsTime):
        return None
    try:
        return asked("time", lambda: checked_time(gateway.time()))
    except GatewayError as error:
        tell(error)
        return None


def resting(gateway: TicketGateway, tell: Tell) -> str:
    """Return why the gateway would not be asked now; empty if it would be, or fails to say."""
    if not isinstance(gateway, SupportsRest):
        return ""
    try:
        return asked("resting", lambda: checked_resting(gateway.resting()))
    except GatewayError as error:
        tell(error)
        return ""


def _checked_gateway(gateway: TicketGateway) -> TicketGateway:
    if hasattr(gateway, "create"):
        return gateway
    raise GatewayMistake(f"a {type(gateway).__name__} is no gateway", endpoint="within")
