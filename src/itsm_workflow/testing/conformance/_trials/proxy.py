"""A proxy between a backend and its server, which loses connections, messages and answers.

It knows no protocol: what it receives from the backend in one piece is a message.
"""

from __future__ import annotations

import enum
import selectors
import socket
import struct
import threading
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Self

import attrs

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType

_PIECE = 65536
_SECONDS = 10.0
_RESET = struct.pack("ii", 1, 0)
"""The option of a socket whose closing is noticed immediately by the other side."""


class Interference(enum.Enum):
    """The fate of a message, or of a line of code, in the words of a report."""

    NONE = "arrives"
    SWALLOWED = "is answered, and the answer is lost with the connection"
    CUT = "is lost with the connection"
    HALVED = "arrives in part, and the connection is lost"
    REFUSED = "is lost with the connection, and no new connection is accepted"
    TRICKLED = "is answered byte by byte"
    STALLED = "is held back"
    BROKEN = "is reached when the connection breaks"

    @property
    def words(self) -> str:
        """The words of a report."""
        return self.value


@attrs.define(eq=False)
class _Pair:
    """A connection of the backend, and the one to the server that belongs to it."""

    backend: socket.socket
    server: socket.socket
    interference: Interference = Interference.NONE
    held: bytes = b""

    def other(self, one: socket.socket) -> socket.socket:
        """Return the other side."""
        return self.server if one is self.backend else self.backend


class Proxy:
    """A proxy on a port of this machine, which works in a thread of its own.

    Args:
        host: The host of the server.
        port: The port of the server.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._waker, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._interference, self._at, self._count = Interference.NONE, 0, 0
        self._struck, self._refusing, self._ended = "", False, False
        self._cut_all = threading.Event()
        self.stalled = threading.Event()
        for each in (self._listener, self._woken):
            self._selector.register(each, selectors.EVENT_READ)
        self._pairs: dict[socket.socket, _Pair] = {}
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """The host and the port of the proxy."""
        host, port = self._listener.getsockname()[:2]
        return str(host), int(port)

    @property
    def count(self) -> int:
        """The number of messages since `arm`."""
        return self._count

    @property
    def struck(self) -> str:
        """The message that was interfered with; empty if it did not come."""
        return self._struck

    def arm(self, interference: Interference, at: int) -> None:
        """Count messages from now on, and interfere with one.

        Args:
            interference: What happens to it.
            at: Its number, from 1; 0 for none.
        """
        with self._lock:
            self._interference, self._at, self._count = interference, at, 0
            self._struck, self._refusing = "", False
            self.stalled.clear()

    def disarm(self) -> None:
        """Let everything pass from now on."""
        with self._lock:
            self._at, self._refusing = 0, False

    def watching(self, _session: object) -> AbstractContextManager[None]:
        """Return a block in which nothing more is watched: all messages are seen."""
        return nullcontext()

    def cut(self) -> None:
        """End all connections, and return when they are closed."""
        done = self._cut_all = threading.Event()
        self._waker.send(b"c")
        done.wait(_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self._ended = True
        self._waker.send(b"e")
        self._thread.join(_SECONDS)

    def _run(self) -> None:
        while not self._ended:
            for key, _ in self._selector.select():
                one = key.fileobj
                if one is self._listener:
                    self._accept()
                elif one is self._woken:
                    self._wake()
                elif isinstance(one, socket.socket) and one in self._pairs:
                    self._pass_on(self._pairs[one], one)
        self._wake()
        for each in (self._listener, self._waker, self._woken, self._selector):
            each.close()

    def _wake(self) -> None:
        self._woken.setblocking(False)  # noqa: FBT003  # the signature of socket
        with suppress(BlockingIOError):
            self._woken.recv(_PIECE)
        for pair in set(self._pairs.values()):
            self._close(pair)
        self._cut_all.set()

    def _accept(self) -> None:
        backend, _ = self._listener.accept()
        try:
            if self._refusing:
                raise ConnectionRefusedError
            server = socket.create_connection(self._target, timeout=_SECONDS)
        except OSError:
            _reset(backend)
            return
        server.settimeout(None)
        pair = _Pair(backend, server)
        for one in (backend, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs[one] = pair
            self._selector.register(one, selectors.EVENT_READ)

    def _pass_on(self, pair: _Pair, one: socket.socket) -> None:
        try:
            data = one.recv(_PIECE)
            if not data:
                self._close(pair, reset=False)
            elif one is pair.backend:
                self._ask(pair, data)
            else:
                self._answer(pair, data)
        except OSError:
            self._close(pair)

    def _ask(self, pair: _Pair, data: bytes) -> None:
        with self._lock:
            self._count += 1
            if self._at and self._count == self._at:
                pair.interference = self._interference
                self._struck = f"message {self._count} to the server"
                self._refusing = pair.interference is Interference.REFUSED
        match pair.interference:
            case Interference.CUT | Interference.REFUSED:
                self._close(pair)
            case Interference.HALVED:
                pair.server.sendall(data[: len(data) // 2])
                self._close(pair, reset=False)
            case Interference.STALLED:
                pair.held += data
                self.stalled.set()
            case _:
                pair.server.sendall(data)

    def _answer(self, pair: _Pair, data: bytes) -> None:
        if pair.interference is Interference.SWALLOWED:
            self._close(pair)
        elif pair.interference is Interference.TRICKLED:
            for place in range(len(data)):
                pair.backend.sendall(data[place : place + 1])
        else:
            pair.backend.sendall(data)

    def _close(self, pair: _Pair, *, reset: bool = True) -> None:
        """Close both sides; with a reset, what the other side has not read yet is lost."""
        for one in (pair.backend, pair.server):
            if self._pairs.pop(one, None) is not None:
                self._selector.unregister(one)
                _reset(one) if reset else one.close()


def _reset(one: socket.socket) -> None:
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    one.close()
