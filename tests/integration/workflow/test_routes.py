"""The callback's route on real servers: WSGI and ASGI, one bare POST."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import threading
import wsgiref.simple_server
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import uvicorn

from itsm_workflow import State
from itsm_workflow.callbacks.asgi import asgi_app
from itsm_workflow.callbacks.parse import MAX_BODY
from itsm_workflow.callbacks.signer import HEADER
from itsm_workflow.callbacks.wsgi import wsgi_app
from tests.support.limits import PATIENCE
from tests.support.office import SUBJECT, Office, asked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping

    from itsm_workflow import Workflow
    from itsm_workflow.callbacks.parse import CallbackResponse, Receive

BOTH = pytest.mark.parametrize("kind", ["wsgi", "asgi"])


class _Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass


@attrs.frozen
class Route:
    """A server with the route, mounted at its root."""

    port: int

    @property
    def url(self) -> str:
        """The callback host."""
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Send a request and return status and body."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()


@contextlib.contextmanager
def served(kind: str, receive: Receive, **options: Any) -> Iterator[Route]:
    """Serve the route with a real server until the block ends."""
    if kind == "wsgi":
        with wsgiref.simple_server.make_server("127.0.0.1", 0, wsgi_app(receive), handler_class=_Quiet) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield Route(server.server_port)
            finally:
                server.shutdown()
                thread.join()
        return
    with socket.create_server(("127.0.0.1", 0)) as listener:  # bound before the server starts: a request can wait
        config = uvicorn.Config(asgi_app(receive, **options), log_config=None, lifespan="off")
        uvicorn_server = uvicorn.Server(config)
        thread = threading.Thread(target=uvicorn_server.run, args=([listener],))
        thread.start()
        try:
            yield Route(listener.getsockname()[1])
        finally:
            uvicorn_server.should_exit = True
            thread.join()


@pytest.fixture
def mounted(office: Office, kind: str) -> Iterator[tuple[Workflow, Route]]:
    """Serve a workflow's route, and let the ticket system call back there."""
    late: list[Workflow] = []

    def receive(*, method: str, path: str, headers: Mapping[str, str], body: bytes) -> CallbackResponse:
        return late[0].receive(method=method, path=path, headers=headers, body=body)

    with served(kind, receive) as route:
        late.append(office.workflow(office.settings(callback_host=route.url)))
        yield late[0], route


@BOTH
def test_callback_over_the_route_approves(office: Office, mounted: tuple[Workflow, Route]) -> None:
    """The server counts it as delivered, and the change is approved."""
    workflow, _ = mounted
    change = workflow.apply(subject=SUBJECT, **asked())

    office.approve(change)

    assert workflow.get(change.id).state == State.APPROVED
    assert [one.outcome for one in office.only_ticket().callbacks] == ["delivered"]


@BOTH
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(mounted: tuple[Workflow, Route], method: str) -> None:
    """Whatever a header asks the method to be taken for."""
    workflow, route = mounted
    change = workflow.apply(subject=SUBJECT, **asked())
    path = f"/itsm/callback/{change.id}/1/"
    assert route.ask(method, path, headers={"X-HTTP-Method-Override": "POST"})[0] == 405


@BOTH
def test_body_over_the_limit_is_refused_and_the_limit_is_read(mounted: tuple[Workflow, Route]) -> None:
    """One byte decides; what is as long as allowed is looked at, and refused for want of a credential."""
    _, route = mounted
    assert route.ask("POST", "/itsm/callback/", b"x" * (MAX_BODY + 1))[0] == 413
    assert route.ask("POST", "/itsm/callback/", b"x" * MAX_BODY)[0] == 401


@BOTH
def test_refusals_are_the_same_bytes(office: Office, mounted: tuple[Workflow, Route]) -> None:
    """Refusals for an unknown change, a wrong credential, another path and no credential do not differ."""
    workflow, route = mounted
    change = workflow.apply(subject=SUBJECT, **asked())
    before = len(workflow.history(change.id))
    calls = len(office.sandbox.calls)
    asked_for = [
        (f"/itsm/callback/{change.id}/1/", {HEADER: "x" * 43}),
        (f"/itsm/callback/{change.id}/1/", {}),
        (f"/itsm/callback/{'0' * 26}/1/", {HEADER: "x" * 43}),
        ("/elsewhere", {}),
    ]
    answers = {route.ask("POST", path, b"{}", headers) for path, headers in asked_for}
    assert len(answers) == 1
    assert next(iter(answers))[0] == 401
    assert (len(workflow.history(change.id)), len(office.sandbox.calls)) == (before, calls)


def test_a_body_that_does_not_arrive_is_given_up(office: Office) -> None:
    """The route waits for a body as long as `patience` says, and then answers."""
    workflow = office.workflow()
    with (
        served("asgi", workflow.receive, patience=0.05) as route,
        socket.create_connection(("127.0.0.1", route.port), timeout=PATIENCE) as slow,
    ):
        slow.sendall(b"POST /itsm/callback/ HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        assert slow.recv(4096).startswith(b"HTTP/1.1 408")


def test_caller_who_leaves_is_not_answered(office: Office) -> None:
    """What was sent until then is not handed on."""
    said: list[object] = []
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def incoming() -> Any:  # noqa: ANN401 - a message of any kind
        return next(messages)

    async def outgoing(message: object) -> None:
        said.append(message)

    scope = {"type": "http", "method": "POST", "path": "/itsm/callback/"}
    asyncio.run(asgi_app(office.workflow().receive)(scope, incoming, outgoing))
    assert (said, list(messages)) == ([], [])


def spoken(office: Office, kind: str) -> list[dict[str, Any]]:
    """Connect to the route by another protocol than HTTP, and return what it sends."""
    said: list[dict[str, Any]] = []

    async def incoming() -> Any:  # noqa: ANN401 - a message of any kind
        return {"type": f"{kind}.something"}

    async def outgoing(message: MutableMapping[str, Any]) -> None:
        said.append(dict(message))

    asyncio.run(asgi_app(office.workflow().receive)({"type": kind}, incoming, outgoing))
    return said


def test_a_websocket_is_refused(office: Office) -> None:
    """The server answers it with status 403, and logs no error."""
    assert spoken(office, "websocket") == [{"type": "websocket.close", "code": 1008}]


def test_a_lifespan_begins_and_ends(office: Office) -> None:
    """Also on a server that requires one."""
    assert [one["type"] for one in spoken(office, "lifespan")] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


def test_an_unknown_protocol_is_an_error(office: Office) -> None:
    """There is no answer to it."""
    with pytest.raises(ValueError, match="unknown"):
        spoken(office, "unknown")
