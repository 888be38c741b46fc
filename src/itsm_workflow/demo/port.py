"""A real port that hears callbacks: the standard library's server, handing each request to `Workflow.receive`."""

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


class CallbackPort:
    """Listens on a free loopback port as long as it is entered. Its address is known before it is entered."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL,), name="demo-callback-port")

    @property
    def url(self) -> str:
        """Where it listens, such as ``http://127.0.0.1:8902``."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def open(self, receive: Callable[..., CallbackResponse]) -> None:
        """Begin to hear, and hand every request to ``receive``."""
        self._server.receive = receive
        self._thread.start()

    def close(self) -> None:
        """Stop hearing, once the requests that are being answered have been."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    receive: Callable[..., CallbackResponse]

    def server_bind(self) -> None:
        """Bind without asking a name server for this machine's name, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing: a path may hold a credential."""

    def handle_any(self) -> None:
        """CallbackResponse one request as the workflow says."""
        length = self.headers.get("Content-Length", "0")
        # One byte more than the workflow takes is enough for it to refuse.
        body = self.rfile.read(min(int(length), _TOO_LARGE)) if length.isdigit() else b""
        answer = self.server.receive(method=self.command, path=self.path, headers=dict(self.headers), body=body)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = handle_any  # noqa: N815 - http.server looks for these
