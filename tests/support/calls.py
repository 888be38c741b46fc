"""Helpers for tests of the API client: a client, a server on loopback, and the requests that it received."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

import attrs

from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.bkapi.endpoint import Endpoint
from itsm_workflow.bkapi.retry import NO_RETRY
from itsm_workflow.secrets import Secret
from itsm_workflow.settings import Settings
from tests.support.fault_server import FaultServer, answering, response, success

if TYPE_CHECKING:
    from collections.abc import Iterator

APP_SECRET = "canary-app-secret"
NOWHERE = "http://127.0.0.1:9/v2/itsm/"  # no server listens on this port


@attrs.frozen(kw_only=True)
class Sent:
    """A request as a server received it.

    Attributes:
        headers: The headers by lower-case name.
    """

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def authorization(self) -> dict[str, str]:
        """The JSON value of the gateway's authorization header."""
        claims: dict[str, str] = json.loads(self.headers["x-bkapi-authorization"])
        return claims


def sent(request: bytes) -> Sent:
    """Parse a request's bytes."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    method, target, _ = first.split(" ")
    path, _, query = target.partition("?")
    return Sent(
        method=method,
        path=unquote(path),
        query=parse_qs(query),
        headers={name.lower(): value for name, _, value in (line.partition(": ") for line in lines)},
        body=body,
    )


class Desk:
    """A client and the server that it calls.

    Attributes:
        client: The client.
        server: The server.
        raw: The bytes of each request.
    """

    def __init__(self, client: ApiClient, server: FaultServer, raw: list[bytes]) -> None:
        self.client = client
        self.server = server
        self.raw = raw

    @property
    def requests(self) -> list[Sent]:
        """The requests that the server received, in order."""
        return [sent(each) for each in self.raw]

    @property
    def last(self) -> Sent:
        """The last request that the server received."""
        return self.requests[-1]


def settings(url: str = NOWHERE, **given: object) -> Settings:
    """Return settings with time-outs that are long enough for a busy machine."""
    fixed: dict[str, Any] = {
        "app_code": "bk_flow",
        "app_secret": Secret(APP_SECRET),
        "gateway_url": url,
        "fast_approval": True,
        "timeout": (5.0, 5.0),
        "deadline": 10.0,
        "environment": "prod",
    }
    return Settings(**fixed | given)


def client(url: str = NOWHERE, given: dict[str, object] | None = None, **options: Any) -> ApiClient:
    """Return a client that does not retry, unless an option says otherwise."""
    fixed: dict[str, Any] = {"retry": NO_RETRY}
    return ApiClient(settings(url, **given or {}), **fixed | options)


def endpoint(**given: Any) -> Endpoint[Any]:
    """Return an endpoint."""
    fixed: dict[str, Any] = {"name": "search", "method": "POST", "url": "search/", "idempotent": True}
    return Endpoint(**fixed | given)


@contextlib.contextmanager
def desk(*answers: bytes | object, given: dict[str, object] | None = None, **options: Any) -> Iterator[Desk]:
    """Yield a client whose server gives these answers and repeats the last; a value that is not bytes is a success."""
    raw: list[bytes] = []
    ready = [each if isinstance(each, bytes) else response(success(each)) for each in answers or ({},)]
    with FaultServer(answering(*ready, seen=raw)) as server:
        ours = client(server.url, given, **options)
        try:
            yield Desk(ours, server, raw)
        finally:
            ours.close()
