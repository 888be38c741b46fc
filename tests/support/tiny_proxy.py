"""A small HTTP proxy over real sockets: a fault of `FaultServer` that opens tunnels and forwards requests."""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.fault_server import Connection

_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def passing_on(seen: list[bytes], *, account: bytes = b"", refusal: bytes = b"") -> Callable[[Connection], None]:
    """Return a fault that acts as a proxy.

    Args:
        seen: A list to which the head of each request is appended.
        account: The value that ``Proxy-Authorization`` must have after ``Basic``; empty if any value is accepted.
        refusal: The answer to every request; empty if requests are forwarded.
    """

    def serve(connection: Connection) -> None:
        request = connection.read_request()
        if not request:
            return  # a connection without a request, made to test whether the proxy listens
        head, _, body = request.partition(b"\r\n\r\n")
        seen.append(head)
        if refusal or (account and b"Proxy-Authorization: Basic " + account not in head):
            connection.send(refusal or b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        method, target, _ = head.split(b" ", 2)
        is_tunnel = method == b"CONNECT"
        parts = urlsplit(b"//" + target if is_tunnel else target)
        assert parts.hostname is not None
        with socket.create_connection((parts.hostname.decode(), parts.port or 80), timeout=PATIENCE) as server:
            if is_tunnel:
                connection.send(_ESTABLISHED)
            else:
                kept = [line for line in head.split(b"\r\n")[1:] if not line.startswith(b"Proxy-")]
                first = b" ".join((method, target.partition(parts.netloc)[2], b"HTTP/1.1"))
                server.sendall(b"\r\n".join((first, *kept, b"", b"")) + body)
            _relay(connection.sock, server)

    return serve


def _relay(client: socket.socket, server: socket.socket) -> None:
    """Forward bytes in both directions until either side closes."""
    while True:
        pending = getattr(client, "pending", lambda: 0)()
        ready = [client] if pending else select.select([client, server], [], [], 10)[0]
        for one in ready:
            data = one.recv(65536)
            if not data:
                return
            (server if one is client else client).sendall(data)
        if not ready:
            return
