"""A gateway with scripted answers: it replaces the connections, so that everything above them is real."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, urlsplit

from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.bkapi.retry import NO_RETRY
from itsm_workflow.bkapi.transport import HttpResponse, Transport
from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway
from tests.support.gateways import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.bkapi.call_log import CallObserver
    from itsm_workflow.bkapi.transport import HttpRequest
    from itsm_workflow.clock import Clock
    from itsm_workflow.gateway.bk_itsm.services import ChooseService

URL = "http://127.0.0.1:9/v2/itsm/"  # no server listens on this port, and nothing is sent


def success(data: object) -> bytes:
    """Return an envelope that reports success."""
    return json.dumps({"result": True, "code": 0, "message": "success", "data": data}).encode()


def refusal(code: int | str, message: str = "no") -> bytes:
    """Return an envelope that refuses."""
    return json.dumps({"result": False, "code": code, "message": message, "data": None}).encode()


class ScriptedTransport:
    """A transport that answers each request with a function.

    Args:
        answer: Returns the body of the answer, with HTTP 200, or the whole answer.

    Attributes:
        requests: The requests that were sent, in order.
        is_closed: Whether it was closed.
    """

    pool_size = 4

    def __init__(self, answer: Callable[[HttpRequest], bytes | HttpResponse]) -> None:
        self._answer = answer
        self.requests: list[HttpRequest] = []
        self.is_closed = False

    def send(self, request: HttpRequest) -> HttpResponse:
        """Record the request, and return the answer to it."""
        self.requests.append(request)
        answer = self._answer(request)
        if isinstance(answer, HttpResponse):
            return answer
        return HttpResponse(status=200, headers=MappingProxyType({}), body=answer, elapsed=0.0)

    def close(self) -> None:
        """Record it, since there is no connection to close."""
        self.is_closed = True


def scripted_client(
    answer: Callable[[HttpRequest], bytes | HttpResponse],
    *,
    observers: Sequence[CallObserver] = (),
    clock: Clock | None = None,
    **given: Any,
) -> tuple[ApiClient, ScriptedTransport]:
    """Return a client whose gateway is scripted, and its transport."""
    transport = ScriptedTransport(answer)
    client = ApiClient(
        settings(URL, **given), transport=cast("Transport", transport), retry=NO_RETRY, observers=observers, clock=clock
    )
    return client, transport


def scripted_gateway(
    answer: Callable[[HttpRequest], bytes | HttpResponse],
    *,
    clock: Clock | None = None,
    service: ChooseService | None = None,
    observers: Sequence[CallObserver] = (),
    **given: Any,
) -> tuple[BkItsmGateway, ScriptedTransport]:
    """Return an adapter whose gateway is scripted, and its transport."""
    client, transport = scripted_client(answer, observers=observers, **given)
    return BkItsmGateway(client.settings, client=client, clock=clock, service=service), transport


def asked(request: HttpRequest) -> dict[str, Any]:
    """Return the query parameters and the JSON body of a request together."""
    query = dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))
    return {**query, **json.loads(request.body or b"{}")}
