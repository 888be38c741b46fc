"""The proxy between a gateway and its ticket system, which loses, cuts, delays and damages what passes."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit, urlunsplit

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host", "date", "server"})
"""The headers that belong to one connection."""

_DRIP = 0.05
"""The seconds between two bytes of an answer that never ends."""


@attrs.frozen(kw_only=True)
class Request:
    """A request of the gateway, as it reached the proxy."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@attrs.frozen(kw_only=True)
class Answer:
    """An answer to a request."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchange:
    """One request at the proxy, on which a fault acts. A fault that does none of these lets the request pass."""

    def __init__(self, handler: _Handler, line: Line, request: Request) -> None:
        self._handler = handler
        self._line = line
        self.request = request

    def forward(self, request: Request | None = None) -> Answer:
        """Hand the request, or another one, on to the server, and return the answer."""
        return self._line.forward(request or self.request)

    def reply(self, answer: Answer, *, cut: bool = False) -> None:
        """Send an answer; with ``cut`` half of its body is missing."""
        handler = self._handler
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body[: len(answer.body) // 2] if cut else answer.body)
        if cut:
            self.hang_up()

    def hang_up(self) -> None:
        """End the connection as a machine does whose power fails."""
        handler = self._handler
        handler.close_connection = True
        with contextlib.suppress(OSError):
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.shutdown(socket.SHUT_RDWR)

    def hold(self, seconds: float | None = None) -> None:
        """Send no answer until the proxy is closed, or a time has passed."""
        self._line.closing.wait(seconds)
        self.hang_up()

    def drip(self) -> None:
        """Send an answer whose bytes come one by one, until the proxy is closed."""
        handler = self._handler
        handler.close_connection = True
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
        while not self._line.closing.wait(_DRIP):
            handler.wfile.write(b" ")
            handler.wfile.flush()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is written in two parts
    line: Line

    def handle_one_request(self) -> None:
        with contextlib.suppress(OSError):  # the gateway has gone
            super().handle_one_request()

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(method=self.command, path=self.path, headers=dict(self.headers), body=body)
        self.line.carry(Exchange(self, self.line, request))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _pass  # noqa: N815 - the names that the base class looks up

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Print nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # many threads may connect at once


class Line:
    """A proxy on the loopback interface in front of one server.

    Args:
        target: The address of the server.

    Attributes:
        url: The address of the proxy, with the path of the server's.
        requests: All requests that reached the proxy.
        fault: What the proxy does with a request instead of letting it pass; None for nothing.
        closing: Set when the proxy is closed.
    """

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        handler = type("_HandlerOfLine", (_Handler,), {"line": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = urlunsplit(("http", f"127.0.0.1:{self._server.server_port}", self._target.path, "", ""))
        self.requests: list[Request] = []
        self.fault: Callable[[Exchange], object] | None = None
        self.closing = threading.Event()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def carry(self, exchange: Exchange) -> None:
        """Let the fault act on a request, or let it pass."""
        self.requests.append(exchange.request)
        fault = self.fault
        if fault is None:
            exchange.reply(exchange.forward())
        else:
            fault(exchange)

    def forward(self, request: Request) -> Answer:
        """Hand a request on to the server."""
        connection = http.client.HTTPConnection(self._target.hostname or "", self._target.port or 80)
        with contextlib.closing(connection):
            headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
            connection.request(request.method, request.path, request.body or None, headers)
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            return Answer(status=answer.status, headers=kept, body=answer.read())

    def close(self) -> None:
        """End all connections."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
