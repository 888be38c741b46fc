"""Every answer that the real server was seen to give ends in a typed answer or in an error of ours."""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from itsm_workflow.errors import GatewayProtocolError
from itsm_workflow.gateway.bk_itsm_wire import ENDPOINTS
from itsm_workflow.gateway.envelope import Refusal, decode, read_envelope
from itsm_workflow.gateway.transport import Answer

RECORDINGS = Path(__file__).parents[2] / "contract" / "recordings" / "bk_itsm_v2"
BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}
NOT_AN_ENVELOPE = {
    "create_ticket.bad_gateway_jwt",  # HTTP 200 with a page
    "create_ticket.no_gateway_jwt",  # HTTP 403
    "create_ticket.no_trailing_slash",  # HTTP 301
    "get_ticket_status.no_trailing_slash",
}


def exchanges() -> list[Any]:
    """Return each recorded answer to a call that this library makes."""
    found = []
    for path in sorted(RECORDINGS.glob("*.json")):
        recording = json.loads(path.read_text(encoding="utf-8"))
        if path.name.partition(".")[0] in BY_NAME and isinstance(recording.get("response"), dict):
            found.append(pytest.param(path.stem, recording["response"], id=path.stem))
    return found


@pytest.mark.parametrize(("name", "response"), exchanges())
def test_a_recorded_answer_is_understood(name: str, response: dict[str, Any]) -> None:
    """Successes decode to their type, refusals keep their code, and only what is no envelope is an error."""
    endpoint = BY_NAME[name.partition(".")[0]]
    # A recording that was cut to its first rows has no body, only what it said.
    body = (response["body"] if "body" in response else json.dumps(response["json"])).encode()
    answer = Answer(status=response["status"], headers=MappingProxyType({}), body=body, elapsed=0.0)

    if name in NOT_AN_ENVELOPE:
        with pytest.raises(GatewayProtocolError):
            read_envelope(answer, endpoint=endpoint.name, request_id="r")
        return
    envelope = read_envelope(answer, endpoint=endpoint.name, request_id="r")
    if isinstance(envelope, Refusal):
        assert envelope.code == response["json"]["code"]
    elif envelope.data == [] and endpoint.name == "get_tickets":  # page_size 0: a bare list, which is never asked for
        with pytest.raises(GatewayProtocolError):
            decode(envelope.data, endpoint.answer, endpoint=endpoint.name, request_id="r")
    else:
        decode(envelope.data, endpoint.answer, endpoint=endpoint.name, request_id="r")


def test_enough_was_recorded() -> None:
    """An empty folder would prove nothing."""
    seen = {case.values[0].partition(".")[0] for case in exchanges()}

    assert len(exchanges()) > 100
    assert {"create_ticket", "get_ticket_info", "get_tickets", "ticket_approval_result", "operate_ticket"} <= seen
