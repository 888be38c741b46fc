"""A TCP proxy to a database server that can act at the moment a client commits."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    Act = Callable[["Link"], bool]

COMMIT = b"COMMIT"


class Link:
    """One client's connection through the proxy.

    Attributes:
        client: The socket to the client.
        server: The socket to the server.
    """

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server

    @property
    def port(self) -> int:
        """The port from which the server sees the connection come."""
        port: int = self.server.getsockname()[1]
        return port

    def close(self) -> None:
        """Cut the connection on both sides."""
        for each in (self.client, self.server):
            each.close()


class CutProxy:
    """Forwards every byte, but calls a function before the first message that is ``COMMIT`` is forwarded.

    Attributes:
        port: The port at which it listens.
        on_commit: Called once with the link and the message, then reset. It returns whether the proxy goes on.
    """

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.on_commit: Callable[[Link, bytes], bool] | None = None
        self._links: list[Link] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Listen no longer, and cut all connections; stopping twice is fine."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone does not wake a thread that accepts
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()

    def cut(self) -> None:
        """Cut all connections."""
        for link in self._links:
            for each in (link.client, link.server):
                with suppress(OSError):  # it is closed already
                    each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            link = Link(client, socket.create_connection(self._address))
            self._links.append(link)
            thread = threading.Thread(target=self._serve, args=(link,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, link: Link) -> None:
        try:
            while self._forward(link):
                pass
        except OSError:
            pass  # one side was cut
        finally:
            link.close()

    def _forward(self, link: Link) -> bool:
        for one in select.select([link.client, link.server], [], [])[0]:
            data = one.recv(1 << 16)
            if not data:
                return False
            act = self.on_commit
            if one is link.client and act is not None and data.rstrip(b"\0").endswith(COMMIT):
                self.on_commit = None
                if not act(link, data):
                    return False
                continue
            (link.server if one is link.client else link.client).sendall(data)
        return True


def lose_request(_link: Link, _message: bytes) -> bool:
    """Cut the connection before the server receives the message."""
    return False


def lose_answer(link: Link, message: bytes) -> bool:
    """Forward the message, wait for the server's answer, and cut the connection without forwarding the answer."""
    link.server.sendall(message)
    link.server.recv(1 << 16)
    return False
