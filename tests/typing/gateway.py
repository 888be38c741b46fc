"""The author of a gateway, and a host that calls a BlueKing gateway: the types of answers and of options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_type

import attrs

from itsm_workflow import BkItsmGateway, Settings, Workflow, open_storage
from itsm_workflow.bkapi import (
    ApiClient,
    CallFacts,
    CallRecord,
    DataResponse,
    Endpoint,
    File,
    PaginationStyle,
    RequestContext,
    RetryPolicy,
    fill_identity_and_app,
    without_waiting,
)
from itsm_workflow.gateway import (
    CreateAnswer,
    Created,
    CreateRequest,
    FoundTicket,
    NotSent,
    Refused,
    Routes,
    SentTicket,
    Service,
    ShownTicket,
    TicketGateway,
    TicketResult,
    Unknown,
)
from itsm_workflow.machine import Snapshot, TicketStatus, Withdrawal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow import Form
    from itsm_workflow.change import Ticket


class Desk:
    """A ticket system of the host; it inherits from nothing."""

    name = "desk"

    def check_form(self, form: Form) -> Sequence[tuple[str, str, str]]:
        """Return the problems of a form."""
        return [] if form.content else [("content", "", "is missing")]

    def service(self) -> str:
        """Return the only service."""
        return "1"

    def services(self) -> Sequence[Service]:
        """Return the only service."""
        return [Service(id="1", name="changes")]

    def preview(self, request: CreateRequest) -> Mapping[str, object]:
        """Return the body to send."""
        return {"title": request.form.title}

    def create(self, request: CreateRequest) -> CreateAnswer:
        """File a ticket."""
        return Created(id="1", sn="T1", url="") if request.form.title else Unknown(problem="no answer")

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Read a ticket."""
        raise NotImplementedError

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Read the results of tickets."""
        return {
            one.id: TicketResult(
                ticket_id=one.id, sn=one.sn, status=TicketStatus.RUNNING, word="open", approve_result=False
            )
            for one in tickets
        }

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Find a ticket by its key."""
        return []

    def find_by_sn(self, sn: str, sent: SentTicket) -> Sequence[FoundTicket]:
        """Find a ticket by its number."""
        return []

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """Withdraw a ticket."""
        return Withdrawal.DONE


def described(answer: CreateAnswer) -> str:
    """Handle every kind of answer: a checker knows that nothing else is left."""
    match answer:
        case Created():
            return answer.sn
        case NotSent() | Unknown():
            return answer.problem
        case Refused():
            return answer.message


def build() -> Workflow:
    """Use the gateway."""
    desk: TicketGateway = Desk()
    return Workflow(storage=open_storage("memory://"), gateway=desk)


@attrs.frozen(kw_only=True)
class Row:
    """A row of an answer."""

    id: int
    name: str


ROWS = Endpoint(name="rows", method="GET", url="rows/", answer=tuple[Row, ...], idempotent=True, cache_time=60)
ONE = Endpoint(name="one", method="GET", url="rows/{id}/", url_keys=("id",), answer=Row, default_return_value=None)
PLAIN = Endpoint(name="plain", method="POST", url="plain/", pagination_style=PaginationStyle.PAGE_NUMBER)


def sent(params: dict[str, Any], call: CallFacts) -> dict[str, Any]:
    """Change the parameters of a call."""
    return {**fill_identity_and_app(params, call), "operator": call.user}


HOOKED = Endpoint(name="hooked", method="POST", url="hooked/", before_request=sent, answer=object)


def log(record: CallRecord) -> None:
    """Observe a call."""
    record.endpoint.join(f"{record.seconds} s")


def call(settings: Settings) -> list[Row]:
    """Call endpoints in every way."""
    client = ApiClient(settings, retry=RetryPolicy(attempts=2), observers=[log])
    alice = RequestContext(user="alice")
    assert_type(client.call(ROWS), tuple[Row, ...])
    assert_type(client.call(ONE, {"id": 1}, context=alice, timeout=(1.0, 5.0), deadline=10, tenant="t"), Row)
    assert_type(client.call(ROWS, raw=True), DataResponse[tuple[Row, ...]])
    assert_type(client.call(ROWS, raise_exception=False), DataResponse[tuple[Row, ...]])
    client.call(PLAIN, {"page": 1}, files={"file": File(name="a.txt", content=b"")})
    client.call(ROWS, timout=5)  # type: ignore[call-overload] # pyright: ignore[reportCallIssue] # misspelt
    with without_waiting():
        rows = client.batch_request(ROWS, "ids", [1, 2, 3], get_data=list, chunk_size=2, context=alice, deadline=5.0)
    found = client.bulk_request(HOOKED, get_data=lambda data: [data], get_count=lambda data: len(str(data)), tenant="t")
    assert_type(found, list[object])
    assert_type(rows, list[Row])
    client.close()
    return rows


def shown(settings: Settings, ticket: Ticket) -> str:
    """Show a ticket of BK-ITSM."""
    gateway = BkItsmGateway(settings, routes=Routes("esb"), service=lambda: "5")
    page = gateway.show(ticket)
    assert_type(page, ShownTicket)
    return ", ".join(f"{field.name}: {field.text}" for field in page.fields)
