"""The endpoints of BK-ITSM 2, with the server's real methods and paths, and the shapes of their data.

A shape has only the keys that the library uses; other keys of an answer are ignored. Without the required keys of its
shape an answer is not valid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from itsm_workflow.bkapi.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.change import Ticket

T = TypeVar("T")

APP_CODES = range(3_900_000, 4_000_000)
"""The codes of BK-ITSM itself. Any other number is a code of the API gateway."""

NOT_PASSED_ON = frozenset(
    {
        *(1_640_100, 1_640_101, 1_640_102),  # invalid credentials of the application or the user
        *(1_640_301, 1_640_302, 1_640_303, 1_640_304),  # no permission, or a blocked address, user or tenant
        1_640_401,  # unknown resource
        *(1_642_901, 1_642_902, 1_642_903, 1_642_904),  # too many calls
    }
)
"""Codes with which the API gateway refuses a call before it passes it on.

Codes of errors about the service behind the gateway (``1650201``, ``1650401``, …) are not included, nor are codes of
malformed requests: the service may have received such a request.
"""

MODULE = "ITSM"
"""The module in the call records of these endpoints."""

REQUIRED = "REQUIRE"
"""The ``validate_type`` of a field that a create must contain; other fields have ``OPTION``."""

MAX_LOG = 16 << 20
"""The largest log of a ticket that is read, in bytes. Each step repeats its form, so a log can be long."""


@attrs.frozen(kw_only=True)
class CreatedTicket:
    """The data of create_ticket."""

    id: int
    sn: str
    ticket_url: Any = None


@attrs.frozen(kw_only=True)
class Field:
    """A field of a ticket's form, or of a completed step."""

    key: str
    type: str = ""
    name: str = ""
    value: Any = None
    display_value: Any = None


@attrs.frozen(kw_only=True)
class Step:
    """A current step of the flow, with the users whom it asks."""

    name: str = ""
    status: str = ""
    processors_type: Any = None
    processors: Any = None


@attrs.frozen(kw_only=True)
class _Ticket:
    """The keys that a ticket's page and its row in a list have in common."""

    id: int
    sn: str
    title: str
    creator: str
    current_status: str
    service_id: Any = None
    create_at: Any = None
    ticket_url: Any = None
    iframe_ticket_url: Any = None
    updated_by: str = ""


@attrs.frozen(kw_only=True)
class TicketPage(_Ticket):
    """The data of get_ticket_info."""

    current_steps: tuple[Step, ...]
    fields: tuple[Field, ...]


@attrs.frozen(kw_only=True)
class StepField:
    """A field that a current step requests."""

    key: str = ""
    meta: Any = None


@attrs.frozen(kw_only=True)
class Operation:
    """An operation on a ticket, or in one of its steps."""

    key: str = ""
    name: str = ""
    can_operate: bool = False


@attrs.frozen(kw_only=True)
class OpenStep(Step):
    """A current step, with the fields that it requests."""

    fields: tuple[StepField, ...] = ()
    operations: tuple[Operation, ...] = ()


@attrs.frozen(kw_only=True)
class TicketStatusPage:
    """The data of get_ticket_status."""

    current_steps: tuple[OpenStep, ...]
    current_status: str = ""
    ticket_url: Any = None
    iframe_ticket_url: Any = None
    operations: tuple[Operation, ...] = ()


@attrs.frozen(kw_only=True)
class LogLine:
    """One line of a ticket's log; ``form_data`` is a list of fields, or an empty object."""

    operator: str = ""
    operate_at: str = ""
    message: str = ""
    source: str = ""
    from_state_type: str = ""
    form_data: Any = None


@attrs.frozen(kw_only=True)
class TicketLogs:
    """The data of get_ticket_logs."""

    logs: tuple[LogLine, ...]
    sn: str = ""


@attrs.frozen(kw_only=True)
class ResultRow:
    """One row of ticket_approval_result."""

    sn: str
    ticket_url: str
    current_status: str
    approve_result: bool
    updated_by: str = ""


@attrs.frozen(kw_only=True)
class TicketRow(_Ticket):
    """One row of get_tickets."""


@attrs.frozen(kw_only=True)
class TicketList:
    """The data of get_tickets."""

    count: int
    total_page: int
    items: tuple[TicketRow, ...]


@attrs.frozen(kw_only=True)
class ServiceRow:
    """One row of get_services."""

    id: int
    name: str
    service_type: Any = None
    desc: Any = None


@attrs.frozen(kw_only=True)
class FormField:
    """A field of the form of a service's first step.

    Attributes:
        choice: The choices, a list of objects with ``key`` and ``name``; empty unless the service lists them.
        source_type: The source of the choices: ``CUSTOM`` means the list itself.
        show_type: 0 for a field that a condition hides.
        default: The value of the field in a ticket whose create leaves it out.
    """

    key: str
    type: str = ""
    name: str = ""
    validate_type: str = ""
    choice: Any = None
    source_type: str = ""
    show_type: Any = None
    default: Any = None


@attrs.frozen(kw_only=True)
class ServiceDetail:
    """The data of get_service_detail."""

    name: str
    fields: tuple[FormField, ...]


@attrs.frozen(kw_only=True)
class ServiceRole:
    """One row of get_service_roles: the users who process a step."""

    name: str = ""
    processors: Any = None


@attrs.frozen(kw_only=True)
class TokenVerdict:
    """The data of token/verify."""

    is_passed: bool


def _read(
    name: str, answer: type[T], description: str, *, method: str = "GET", url: str = "", max_bytes: int | None = None
) -> Endpoint[T]:
    """Return an endpoint that may be called again."""
    return Endpoint(
        name=name,
        module=MODULE,
        method=method,
        url=url or f"{name}/",
        answer=answer,
        idempotent=True,
        max_bytes=max_bytes,
        description=description,
    )


def _act(name: str, answer: type[T], description: str) -> Endpoint[T]:
    """Return an endpoint whose calls are sent once, each on a connection of its own."""
    return Endpoint(
        name=name,
        module=MODULE,
        method="POST",
        url=f"{name}/",
        answer=answer,
        fresh_connection=True,
        description=description,
    )


CREATE_TICKET = _act("create_ticket", CreatedTicket, "Create a ticket.")
OPERATE_TICKET = _act("operate_ticket", object, "Withdraw, suspend, resume or terminate a ticket.")
GET_TICKET_INFO = _read("get_ticket_info", TicketPage, "Read a ticket's page: status, creator, form.")
GET_TICKET_STATUS = _read(
    "get_ticket_status", TicketStatusPage, "Read a ticket's status and the fields that its current steps request."
)
GET_TICKET_LOGS = _read("get_ticket_logs", TicketLogs, "Read a ticket's log.", max_bytes=MAX_LOG)
GET_TICKETS = _read("get_tickets", TicketList, "Search tickets.", method="POST")
# A destructive read, but idempotent: a retry returns the same rows, and the tickets that the first call removed from
# the list of undelivered callbacks stay removed.
TICKET_APPROVAL_RESULT = _read(
    "ticket_approval_result",
    tuple[ResultRow, ...],
    "Read the results of tickets; removes them from the list of undelivered callbacks.",
    method="POST",
)
CALLBACK_FAILED_TICKET = _read(
    "callback_failed_ticket",
    tuple[str, ...],
    "List the tickets whose callback was not delivered, of all calling systems.",
)
TOKEN_VERIFY = _read(
    "token_verify",
    TokenVerdict,
    "Verify that the server issued a callback's token.",
    method="POST",
    url="token/verify/",
)
GET_SERVICES = _read("get_services", tuple[ServiceRow, ...], "List the services.")
GET_SERVICE_DETAIL = _read("get_service_detail", ServiceDetail, "Show a service with the form of its first step.")
GET_SERVICE_ROLES = _read(
    "get_service_roles", tuple[ServiceRole, ...], "Show the users who process each step of a service."
)

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    CREATE_TICKET,
    OPERATE_TICKET,
    GET_TICKET_INFO,
    GET_TICKET_STATUS,
    GET_TICKET_LOGS,
    GET_TICKETS,
    TICKET_APPROVAL_RESULT,
    CALLBACK_FAILED_TICKET,
    TOKEN_VERIFY,
    GET_SERVICES,
    GET_SERVICE_DETAIL,
)


def operation(ticket: Ticket, action: str, operator: str, reason: str) -> Mapping[str, object]:
    """Return the parameters of operate_ticket."""
    return {
        "sn": ticket.sn,
        "operator": operator,
        "action_type": action,
        "action_message": reason.strip() or f"by {operator}",  # the server requires a message
    }
