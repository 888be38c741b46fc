"""A callback receiver that gives prepared answers and records its requests."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

import attrs

from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from tests.support.recorded import Json

GOOD = b'{"result": true, "code": 0, "message": "ok", "data": null}'


@attrs.frozen
class Seen:
    """One request that came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        """The body as JSON."""
        return json.loads(self.body)


@attrs.frozen(kw_only=True)
class Say:
    """A prepared answer: a status with a body, or no answer."""

    status: int = 200
    body: bytes = GOOD
    content_type: str | None = "application/json"
    headers: dict[str, str] = attrs.field(factory=dict)
    close: bool = False


class Receiver:
    """A callback receiver on a free port of this machine.

    Args:
        tls: The context for HTTPS; by default the receiver speaks HTTP.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[Seen] = []
        self.answers: list[Say] = []
        self.hold = threading.Event()
        self.hold.set()
        self.inside: Callable[[Seen], None] = lambda _: None
        self._arrived = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                receiver.take(self, Seen(self.command, self.path, dict(self.headers.items()), body))

            do_GET = do_POST = serve  # noqa: N815 - http.server looks for these

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._scheme = "http"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """The address without a path."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        """Record a request, and give the next prepared answer; a good one if there is none left."""
        with self._arrived:
            answer = self.answers.pop(0) if self.answers else Say()
            self.seen.append(seen)
            self._arrived.notify_all()
        self.inside(seen)
        self.hold.wait(PATIENCE)
        if answer.close:
            return
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        if answer.content_type:
            handler.send_header("Content-Type", answer.content_type)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)

    def wait(self, count: int, timeout: float = 10.0) -> list[Seen]:
        """Wait until this many requests came in."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.seen) >= count, timeout)
            return list(self.seen)
