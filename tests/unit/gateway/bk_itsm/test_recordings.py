"""Every answer that the real server was seen to give goes through the client and ends in a documented result."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.bkapi.endpoint import Endpoint
from itsm_workflow.bkapi.response import Reply
from itsm_workflow.bkapi.transport import HttpResponse
from itsm_workflow.errors import GatewayProtocolError, GatewayRefused
from itsm_workflow.gateway.bk_itsm.wire import ENDPOINTS
from tests.support.recorded import recordings
from tests.support.scripted import scripted_client

if TYPE_CHECKING:
    from tests.support.recorded import Recording

BY_PATH = {endpoint.url.rstrip("/"): endpoint for endpoint in ENDPOINTS}
NO_ENVELOPE = {
    "approve.no_jwt",  # HTTP 403
    "create_ticket.bad_gateway_jwt",  # HTTP 200 with a page
    "create_ticket.no_gateway_jwt",
    "create_ticket.no_trailing_slash",  # HTTP 301
    "get_ticket_status.no_trailing_slash",
    "path_outside_api",  # HTTP 200 with a page
}
"""Answers that are not the server's language."""
SERIES = {"races", "revived_after_withdraw", "callback.races_create_response", "callback.receiver_behaviour_matrix"}
"""Not one exchange, but what many came to."""
ALL = {recording.name: recording for recording in recordings()}
EXCHANGES = {name: recording for name, recording in ALL.items() if recording.is_exchange}


def endpoint_of(recording: Recording) -> Endpoint[Any]:
    """Return the endpoint that a recording asked; one that this library never calls answers with plain JSON."""
    plain = Endpoint(name="not_called", method="POST", url="not/called/", answer=object)
    return BY_PATH.get(recording.endpoint, plain)


def answer_of(recording: Recording) -> HttpResponse:
    """Return the answer as it came over the wire; one that was cut to its first rows has no text, only its values."""
    response = recording.response
    body = response["body"] if "body" in response else json.dumps(response["json"])
    return HttpResponse(
        status=response["status"], headers=MappingProxyType({}), body=(body or "").encode(), elapsed=0.0
    )


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_recorded_answer_is_understood(name: str) -> None:
    """Successes become their type, refusals keep their code, and only what is no envelope is an error."""
    recording = EXCHANGES[name]
    endpoint = endpoint_of(recording)
    client, _ = scripted_client(lambda _: answer_of(recording))

    if name in NO_ENVELOPE:
        with pytest.raises(GatewayProtocolError) as caught:
            client.exchange(endpoint, {})
        assert caught.value.status == recording.response["status"]
        return
    result = client.exchange(endpoint, {})
    if recording.succeeded:
        assert isinstance(result, Reply)
        assert matches(result.data, recording.data)
    else:
        assert isinstance(result, GatewayRefused)
        assert result.remote_code == recording.envelope["code"]


def matches(data: object, recorded: object) -> bool:
    """Return whether typed data says, field by field, what was recorded."""
    if isinstance(data, tuple):
        return isinstance(recorded, list) and len(data) == len(recorded) and all(map(matches, data, recorded))
    if hasattr(data, "__attrs_attrs__"):
        fields = [field.name for field in data.__attrs_attrs__]
        return isinstance(recorded, dict) and all(
            matches(getattr(data, name), recorded[name]) for name in fields if name in recorded
        )
    return data == recorded


def test_no_recording_is_left_out() -> None:
    """Each file is an exchange with the server, a callback of the server's, or a series of experiments."""
    callbacks = {name for name, recording in ALL.items() if recording.is_callback}

    assert set(ALL) == set(EXCHANGES) | callbacks | SERIES
    assert (len(EXCHANGES), len(ALL)) >= (200, 220)
    assert set(EXCHANGES) >= NO_ENVELOPE


def test_every_endpoint_was_recorded() -> None:
    """With at least one success, so that its type was seen to fit; of one, refusals alone were recorded.

    What get_service_detail shows is written in the server's own code, and what cannot be read blocks nothing.
    """
    seen = {endpoint_of(recording).name for recording in EXCHANGES.values() if recording.succeeded}

    assert {endpoint.name for endpoint in ENDPOINTS} - seen == {"get_service_detail"}
