"""BK-ITSM on the wire: what each endpoint is, and what an answer may leave out."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from itsm_workflow.bkapi.envelope import decode
from itsm_workflow.errors import GatewayProtocolError
from itsm_workflow.gateway.bk_itsm import wire

ROW = {"id": 7, "sn": "REQ7", "title": "t", "creator": "alice", "current_status": "RUNNING"}


def test_the_endpoints() -> None:
    """How each is called; the two that change something are never sent twice, nor on a connection that may be dead."""
    told = {
        one.name: (one.method, one.url, one.answer, one.idempotent, one.fresh_connection, one.max_bytes)
        for one in wire.ENDPOINTS
    }

    assert told == {
        "create_ticket": ("POST", "create_ticket/", wire.CreatedTicket, False, True, None),
        "operate_ticket": ("POST", "operate_ticket/", object, False, True, None),
        "get_ticket_info": ("GET", "get_ticket_info/", wire.TicketPage, True, False, None),
        "get_ticket_status": ("GET", "get_ticket_status/", wire.TicketStatusPage, True, False, None),
        "get_ticket_logs": ("GET", "get_ticket_logs/", wire.TicketLogs, True, False, wire.MAX_LOG),
        "get_tickets": ("POST", "get_tickets/", wire.TicketList, True, False, None),
        "ticket_approval_result": ("POST", "ticket_approval_result/", tuple[wire.ResultRow, ...], True, False, None),
        "callback_failed_ticket": ("GET", "callback_failed_ticket/", tuple[str, ...], True, False, None),
        "token_verify": ("POST", "token/verify/", wire.TokenVerdict, True, False, None),
        "get_services": ("GET", "get_services/", tuple[wire.ServiceRow, ...], True, False, None),
        "get_service_detail": ("GET", "get_service_detail/", wire.ServiceDetail, True, False, None),
    }
    assert {one.module for one in wire.ENDPOINTS} == {wire.MODULE}


def test_the_codes_of_bk_itsm() -> None:
    """Seven digits that begin with 39; any other number is the gateway's."""
    assert (wire.APP_CODES[0], wire.APP_CODES[-1], len(wire.APP_CODES)) == (3_900_000, 3_999_999, 100_000)


LEAST: list[tuple[type[Any], dict[str, object]]] = [
    (wire.CreatedTicket, {"id": 7, "sn": "REQ7"}),
    (wire.Field, {"key": "a"}),
    (wire.Step, {}),
    (wire.TicketPage, {**ROW, "current_steps": (), "fields": ()}),
    (wire.StepField, {}),
    (wire.OpenStep, {}),
    (wire.TicketStatusPage, {"current_steps": ()}),
    (wire.LogLine, {}),
    (wire.TicketLogs, {"logs": ()}),
    (wire.ResultRow, {"sn": "REQ7", "ticket_url": "", "current_status": "RUNNING", "approve_result": False}),
    (wire.TicketRow, ROW),
    (wire.TicketList, {"count": 0, "total_page": 0, "items": ()}),
    (wire.ServiceRow, {"id": 1, "name": "n"}),
    (wire.FormField, {"key": "a"}),
    (wire.ServiceDetail, {"name": "n", "fields": ()}),
    (wire.ServiceRole, {}),
    (wire.TokenVerdict, {"is_passed": True}),
]


@pytest.mark.parametrize(("kind", "least"), LEAST)
def test_what_may_be_left_out_is_nothing(kind: type[Any], least: dict[str, object]) -> None:
    """An empty text, no items, or None: nothing stands where the server wrote nothing."""
    data = {name: list(value) if isinstance(value, tuple) else value for name, value in least.items()}
    found = decode(data, kind, endpoint="e", request_id="r")

    assert {name: value for name, value in attrs.asdict(found, recurse=False).items() if value} == {
        name: value for name, value in least.items() if value
    }


@pytest.mark.parametrize(("kind", "least"), LEAST)
def test_what_must_be_there(kind: type[Any], least: dict[str, object]) -> None:
    """Without any one of it, the answer does not count."""
    data = {name: list(value) if isinstance(value, tuple) else value for name, value in least.items()}
    for name in data:
        with pytest.raises(GatewayProtocolError, match="do not match the type"):
            decode({key: value for key, value in data.items() if key != name}, kind, endpoint="e", request_id="r")
