"""A server that injects faults over real sockets; standard library only.

A fault is a function of one connection, which reads and sends the bytes that it chooses.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self

from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

CREATED = {"id": 7, "sn": "REQ20261125000007", "ticket_url": "https://itsm.example.com/#/ticket/detail?id=7"}
_LINGER_0 = struct.pack("ii", 1, 0)


class Connection:
    """One accepted connection.

    Attributes:
        closing: Set when the server stops; every wait of a fault is a wait for it.
    """

    def __init__(self, sock: socket.socket, closing: threading.Event) -> None:
        self.sock = sock
        self.closing = closing

    def read_request(self) -> bytes:
        """Return a whole request, head and body; empty if the client closed the connection before its end."""
        data = b""
        while b"\r\n\r\n" not in data:
            part = self.sock.recv(65536)
            if not part:
                return b""
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
        )
        while len(body) < length:
            part = self.sock.recv(65536)
            if not part:
                return b""
            body += part
        return head + b"\r\n\r\n" + body

    def send(self, data: bytes) -> None:
        """Send these bytes."""
        self.sock.sendall(data)

    def reset(self) -> None:
        """Abort the connection, so that the other side gets a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
        self.sock.close()

    def drip(self, data: bytes, *, every: float = 0.05) -> None:
        """Send the bytes one at a time, then repeat the last byte without end."""
        for byte in data:
            self.send(bytes([byte]))
            if self.closing.wait(every):
                return
        while not self.closing.wait(every):
            self.send(data[-1:])

    def flood(self, data: bytes) -> None:
        """Send the same bytes repeatedly, until the other side closes the connection."""
        while not self.closing.is_set():
            self.send(data)

    def hold(self) -> None:
        """Send nothing, and keep the connection open."""
        self.closing.wait(PATIENCE)


class FaultServer:
    """A server on loopback that runs one fault on every connection.

    Args:
        fault: The fault.
        tls: The context for TLS; by default the server speaks plain text.

    Attributes:
        connections: The number of connections that were accepted.
    """

    def __init__(self, fault: Callable[[Connection], None], *, tls: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self._fault = fault
        self._tls = tls
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """The root address of a gateway on this server."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v2/itsm/"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            if self._tls is None:
                self._fault(Connection(sock, self._closing))
                return
            with self._tls.wrap_socket(sock, server_side=True) as wrapped:
                self._fault(Connection(wrapped, self._closing))


def response(
    body: bytes | object, *, status: str = "200 OK", headers: tuple[str, ...] = (), length: int | None = None
) -> bytes:
    """Return an HTTP response; a body that is not bytes is written as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    size = len(raw) if length is None else length
    head = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {size}", "", ""]
    return "\r\n".join(head).encode() + raw


def success(data: object) -> dict[str, object]:
    """Return an envelope that reports success."""
    return {"result": True, "code": 0, "message": "success", "data": data}


def answering(*responses: bytes, seen: list[bytes] | None = None) -> Callable[[Connection], None]:
    """Return a fault that answers requests with these responses in order, and repeats the last."""
    waiting: Iterator[bytes] = iter(responses)
    last = [responses[-1]]
    lock = threading.Lock()

    def serve(connection: Connection) -> None:
        while request := connection.read_request():
            with lock:
                if seen is not None:
                    seen.append(request)
                answer = next(waiting, last[0])
            connection.send(answer)

    return serve


def in_turn(*faults: Callable[[Connection], None]) -> Callable[[Connection], None]:
    """Return a fault that reads a whole request, and then runs these faults in order."""

    def serve(connection: Connection) -> None:
        if connection.read_request():
            for fault in faults:
                fault(connection)

    return serve


def sending(data: bytes) -> Callable[[Connection], None]:
    """Return a fault that sends these bytes."""
    return lambda connection: connection.send(data)


def packed(body: bytes) -> bytes:
    """Return a body compressed with gzip."""
    return gzip.compress(body)
