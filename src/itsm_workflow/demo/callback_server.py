"""A server for callbacks: the standard library's HTTP server, which passes each request to `Workflow.receive`."""

from __future__ import annotations

import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.callbacks.parse import CallbackResponse

_PATIENCE = 5.0
_TOO_LARGE = 1 << 20
_POLL = 0.05


class CallbackServer:
    """A server on a free loopback port. Its address is known before `open` is called."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL,), name="demo-callback-server")

    @property
    def url(self) -> str:
        """The address it listens on, such as ``http://127.0.0.1:8902``."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def open(self, receive: Callable[..., CallbackResponse]) -> None:
        """Start to listen, and pass every request to ``receive``."""
        self._server.receive = receive
        self._thread.start()

    def close(self) -> None:
        """Answer the requests that are in progress, then stop listening."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    receive: Callable[..., CallbackResponse]

    def server_bind(self) -> None:
        """Bind without a look-up of this machine's name, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Log nothing, since a path may hold a credential."""

    def handle_any(self) -> None:
        """Answer one request with the workflow's response."""
        length = self.headers.get("Content-Length", "0")
        # A body that is larger than the workflow accepts need not be read in full to be refused.
        body = self.rfile.read(min(int(length), _TOO_LARGE)) if length.isascii() and length.isdigit() else b""
        answer = self.server.receive(method=self.command, path=self.path, headers=dict(self.headers), body=body)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = handle_any  # noqa: N815 - http.server looks for these
