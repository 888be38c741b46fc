"""What a caller leaves out is nothing, and what is shown of a call's parts holds no data and no secret."""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.bkapi import batch, retry
from itsm_workflow.bkapi.call_log import CallLog
from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.bkapi.context import NO_SECRET, RequestContext
from itsm_workflow.bkapi.endpoint import Endpoint, PaginationStyle
from itsm_workflow.bkapi.envelope import GatewayRefusal, Success
from itsm_workflow.bkapi.request import Asked
from itsm_workflow.bkapi.response import DataResponse, Reply
from itsm_workflow.bkapi.retry import RetryPolicy
from itsm_workflow.bkapi.transport import HttpRequest, HttpResponse
from itsm_workflow.bkapi.upload import File
from itsm_workflow.gateway.bk_itsm.page import LogEntry, ShownTicket
from itsm_workflow.gateway.bk_itsm.routes import Routes
from itsm_workflow.gateway.bk_itsm.services import ItsmService
from itsm_workflow.gateway.protocol import TicketResult
from itsm_workflow.machine.evidence import TicketStatus
from tests.support.calls import endpoint

if TYPE_CHECKING:
    from collections.abc import Callable

CANARY = "canary"
MINE = endpoint()
REQUEST: dict[str, Any] = {
    "endpoint": "e",
    "request_id": "r",
    "method": "GET",
    "url": CANARY,
    "headers": {"a": CANARY},
    "body": CANARY.encode(),
    "connect_timeout": 1.0,
    "read_timeout": 1.0,
    "deadline": 1.0,
}
TICKET: dict[str, Any] = {
    "id": "7",
    "sn": "REQ7",
    "title": "t",
    "creator": "alice",
    "status": TicketStatus.RUNNING,
    "word": "RUNNING",
    "labels": {"en": "x"},
    "ticket_url": "u",
    "iframe_ticket_url": "i",
}


def left_out(made: object, **given: object) -> dict[str, object]:
    """Return the parts of an object that were not given."""
    return {
        field.name: getattr(made, field.name)
        for field in attrs.fields(type(made))  # type: ignore[arg-type]  # an attrs class
        if field.name not in given
    }


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (CallLog, {"endpoint": MINE, "request_id": "r"}),
        (RequestContext, {}),
        (ShownTicket, TICKET),
        (LogEntry, {"at": None, "operator": "o", "message": "m", "source": "s", "step": "s"}),
        (ItsmService, {"id": "1", "name": "n"}),
        (Success, {"code": 0, "data": 1}),
        (GatewayRefusal, {"code": 1, "message": "m"}),
        (Asked, {"context": RequestContext()}),
        (DataResponse, {"is_success": True}),
        (HttpRequest, REQUEST),
        (
            TicketResult,
            {
                "ticket_id": "7",
                "sn": "REQ7",
                "status": TicketStatus.RUNNING,
                "word": "RUNNING",
                "approve_result": True,
            },
        ),
    ],
)
def test_what_is_left_out_is_nothing(kind: Callable[..., object], given: dict[str, Any]) -> None:
    """False, an empty text, none of them, or None."""
    made = kind(**given)

    assert [name for name, value in left_out(made, **given).items() if value] == []


def test_an_endpoint_that_says_little() -> None:
    """It does nothing that was not asked for."""
    said = {"name": "e", "method": "get", "url": "e/"}
    one: Endpoint[Any] = Endpoint(**said)  # type: ignore[arg-type]  # texts
    usual = {name: value for name, value in left_out(one, **said).items() if value}

    assert usual == {
        "answer": object,
        "pagination_style": PaginationStyle.LIMIT_OFFSET,
        "max_query_params_record": 1000,
        "max_response_record": 1000,
    }
    assert (one.method, one.method_override) == ("GET", "")
    assert Endpoint(**said, method_override="patch").method_override == "PATCH"  # type: ignore[arg-type]  # the same
    assert Endpoint(**said, timeout=3).timeout == (3, 3)  # type: ignore[arg-type]  # the same
    assert [style.value for style in PaginationStyle] == ["limit-offset", "page-number"]


def test_a_context_is_equal_by_its_logins_and_can_be_a_key() -> None:
    """Though a mapping of logins cannot."""
    one, other = (RequestContext(user="alice", logins={"uin": each}) for each in (NO_SECRET, NO_SECRET))

    assert one == other
    assert len({one, other}) == 1


def test_a_success_is_equal_by_what_it_brought() -> None:
    """Not by the gateway's words, which depend on the language."""
    assert Success(code=0, message="ok", data=1) == Success(code=0, message="成功", data=1)
    assert Success(code=0, data=1) != Success(code=0, data=2)


def test_routes_are_those_of_the_server_itself() -> None:
    """Unless they are chosen; the version only by its name."""
    assert Routes() == Routes("v2", version="v2")
    with pytest.raises(TypeError):
        Routes("v2", "v2")  # type: ignore[call-arg]  # the point of it


@pytest.mark.parametrize(
    "one",
    [
        CallLog(endpoint=endpoint(default_return_value=CANARY), request_id="r", params={"a": CANARY}, data=CANARY),
        endpoint(default_return_value=CANARY),
        Success(code=0, data=CANARY, errors=CANARY),
        GatewayRefusal(code=1, message="m", errors=CANARY),
        Asked(files={"a": File(name="a", content=CANARY.encode())}),
        DataResponse(is_success=True, data=CANARY, errors=CANARY),
        Reply(data=CANARY, request_id="r"),
        HttpRequest(**REQUEST),
        HttpResponse(status=200, headers=MappingProxyType({"a": CANARY}), body=CANARY.encode(), elapsed=0.0),
        File(name="a", content=CANARY.encode()),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_is_shown_of_it_holds_no_data(one: object) -> None:
    """It may stand in a frame that is reported."""
    assert CANARY not in repr(one)


def test_a_file_is_bytes_unless_its_kind_is_said() -> None:
    """As HTTP calls it."""
    assert File(name="a", content=b"").content_type == "application/octet-stream"


def test_what_functions_do_unless_they_are_told() -> None:
    """No tenant of its own, no second address, a call that raises and returns its data."""
    usual = {
        kind.__name__: {
            name: value for name, value in (kind.__kwdefaults__ or {}).items() if type(value) in {str, bool}
        }
        for kind in (ApiClient.call, ApiClient.__init__, batch.batch_request, batch.bulk_request)
    }

    assert usual == {
        "call": {"raw": False, "raise_exception": True, "tenant": ""},
        "__init__": {"base_url": ""},
        "batch_request": {"tenant": ""},
        "bulk_request": {"size_key": "pagesize", "tenant": ""},
    }


def test_a_wait_is_waited_for_unless_the_policy_says_otherwise() -> None:
    """The log that tells of it has a name to switch it by."""
    assert RetryPolicy().wait
    assert retry._waiting.get()
    assert retry.logger is logging.getLogger("itsm_workflow.gateway.retry")
