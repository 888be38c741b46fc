"""The HTTP server of a stand-in: it reads requests, applies faults, and writes answers."""

from __future__ import annotations

import socket
import socketserver
import struct
import sys
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from itsm_workflow.sandbox.calls import CallLog
from itsm_workflow.sandbox.control import PREFIX, control, is_local
from itsm_workflow.sandbox.endpoints import endpoint_of
from itsm_workflow.sandbox.envelope import SandboxResponse, broken_page, refused_in_front
from itsm_workflow.sandbox.faults import FaultKind
from itsm_workflow.sandbox.pages import is_page, serve_page
from itsm_workflow.sandbox.request import Request
from itsm_workflow.sandbox.ticket import Flow

if TYPE_CHECKING:
    from itsm_workflow.sandbox.faults import Armed
    from itsm_workflow.sandbox.server import Sandbox

LARGEST_BODY = 4 << 20
_DIGITS = 9  # of a length; Python converts no text of thousands of them
_JSON = "application/json; charset=utf-8"
_HTML = "text/html; charset=utf-8"


class Listener(ThreadingHTTPServer):
    """The listener of a stand-in. It tracks its connections, so that a close does not wait for idle clients."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.calls = CallLog()
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Bind without a look-up of this machine's name, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def track(self, connection: socket.socket) -> None:
        """Add an open connection."""
        with self._lock:
            self._connections.add(connection)

    def untrack(self, connection: socket.socket) -> None:
        """Remove a connection that ended."""
        with self._lock:
            self._connections.discard(connection)

    def hang_up(self) -> None:
        """Shut down every open connection, so that its thread ends."""
        self.closing.set()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's signature
        """Do not log clients that closed their connection: tests of faults do that on purpose."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """The handler of one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "nginx"
    sys_version = ""
    disable_nagle_algorithm = True
    # Head and body are sent together: the second of two packets would wait for an acknowledgement of the first.
    wbufsize = 1 << 16
    server: Listener

    def setup(self) -> None:
        """Add the connection to the listener's list."""
        super().setup()
        self.server.track(self.connection)

    def finish(self) -> None:
        """Remove the connection from the listener's list."""
        self.server.untrack(self.connection)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Do not log requests: paths contain ticket numbers, and the ledger counts the requests."""

    def serve(self) -> None:
        """Serve one request, with the fault that is armed for it."""
        path, _, query = self.path.partition("?")
        if is_page(path) or path.startswith(PREFIX):
            self._serve_person(path, query)
            return
        endpoint = endpoint_of(path)
        armed = self.server.sandbox.faults.take(endpoint)
        if armed is not None and armed.fault.kind is FaultKind.RESET:
            self._note(endpoint, None, armed)
            armed.reached.set()
            self._reset()
            return
        body = self._read_body()
        if body is None:
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(method=self.command, path=path, query=query, headers=headers, body=body)
        if armed is None:
            answer = self.server.sandbox.serve(request)
            self._note(endpoint, answer, None)
            self._write(answer)
        else:
            self._misbehave(armed, request, endpoint)

    def _note(self, endpoint: str | None, answer: SandboxResponse | None, armed: Armed | None) -> None:
        now = self.server.sandbox.ledger.now()
        self.server.calls.note(now, endpoint or "an unknown path", answer, armed.fault.kind.value if armed else "")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = serve  # noqa: N815 - http.server calls these

    def do_HEAD(self) -> None:
        """Serve the head of a page; the API refuses the method."""
        if is_page(self.path.partition("?")[0]):
            self.serve()
        else:
            self.send_error(HTTPStatus.NOT_IMPLEMENTED)

    def _misbehave(self, armed: Armed, request: Request, endpoint: str | None) -> None:
        fault, sandbox = armed.fault, self.server.sandbox
        done = fault.kind is not FaultKind.REFUSE and (
            fault.processed or fault.kind in {FaultKind.LOSE_ANSWER, FaultKind.HOLD}
        )
        flow = {FaultKind.EARLY_CALLBACK: Flow.AT_ONCE, FaultKind.FLOW_NEVER_STARTS: Flow.NEVER}.get(
            fault.kind, Flow.SOON
        )
        answer = sandbox.serve(request, flow=flow) if done else None
        armed.answer = answer
        armed.reached.set()
        if fault.kind is FaultKind.STATUS:
            answer = _plain(fault.status)
        elif fault.kind is FaultKind.REFUSE:
            answer = refused_in_front(fault.code)
        elif fault.kind is FaultKind.HTML:
            answer = broken_page()
        elif fault.kind is FaultKind.DELAY:
            self.server.closing.wait(fault.seconds)
            answer = answer or sandbox.serve(request)
        if fault.kind is FaultKind.LOSE_ANSWER or (fault.kind is FaultKind.HOLD and not armed.hold()):
            answer = None
        self._note(endpoint, answer, armed)
        if answer is None:
            self.close_connection = True
            return
        self._write(answer)

    def _serve_person(self, path: str, query: str) -> None:
        body = self._read_body()
        if body is None:
            return
        sandbox = self.server.sandbox
        if not is_local(self.client_address[0], self.headers.get("Host", ""), self.headers.get("Origin")):
            refusal = b'{"error": "Only requests from this machine are accepted."}'
            self._write(SandboxResponse(403, {"Content-Type": _JSON}, refusal))
        elif is_page(path):
            headers = {name.lower(): value for name, value in self.headers.items()}
            method = "GET" if self.command == "HEAD" else self.command
            request = Request(method=method, path=path, query=query, headers=headers, body=body)
            self._write(serve_page(sandbox, self.server.calls, request))
        else:
            status, content = control(sandbox, self.command, path, query, body)
            self._write(SandboxResponse(status, {"Content-Type": _JSON}, content))

    def _read_body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        digits = length.lstrip("0") or "0"
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            status = 411
        elif len(digits) > _DIGITS or int(digits) > LARGEST_BODY:
            status = 413
        else:
            body = self.rfile.read(int(digits))
            if len(body) == int(digits):
                return body
            self.close_connection = True  # the client ended the connection in the middle of its request
            return None
        self.close_connection = True
        self._write(_plain(status))
        return None

    def _reset(self) -> None:
        self.close_connection = True
        self.server.untrack(self.connection)
        # Zero linger: the peer receives a reset, not a normal close.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.close(self.connection.detach())

    def _write(self, answer: SandboxResponse) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()


def _plain(status: int) -> SandboxResponse:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Error"
    page = f"<html><head><title>{status} {phrase}</title></head><body><h1>{status} {phrase}</h1></body></html>"
    return SandboxResponse(status, {"Content-Type": _HTML}, page.encode("ascii"))
