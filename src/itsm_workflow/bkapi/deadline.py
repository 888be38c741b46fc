"""Sockets with a deadline: an exchange ends at its deadline, whatever the server does.

A read time-out alone is not a limit, because each received byte restarts it. So every wait on a socket lasts at most
the time that the whole exchange has left. Only the look-up of a name needs a thread, see `Resolver`.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import ipaddress
import math
import socket
import ssl
from typing import TYPE_CHECKING, Any

from itsm_workflow.bkapi.resolver import RESOLVER, ResolverHangs
from itsm_workflow.bkapi.tunnel import TunnelRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from itsm_workflow.bkapi.resolver import Resolver


class EndlessAnswerError(http.client.HTTPException):
    """The server sends too many bytes or lines around the body of an answer."""


class Exchange:
    """The progress of one request: the time that is left, and whether a byte of it may have been sent.

    Attributes:
        connect_timeout: Seconds to wait for one connection.
        read_timeout: Seconds to wait for one read or write.
        deadline: Seconds that the whole exchange may take.
        most: The largest number of bytes to read, including provisional answers, headers, chunk sizes and trailers.
        sent: Whether any byte of the request was passed to the system. If so, only an answer shows the outcome.
        tunnelling: Whether a proxy is opening a tunnel. Bytes sent meanwhile are not part of the request.
        host: The host of the last connection.
        problem: The reason why the connection failed, without any text from the server.
    """

    def __init__(
        self,
        *,
        connect_timeout: float,
        read_timeout: float,
        deadline: float,
        monotonic: Callable[[], float],
        most: float = math.inf,
    ) -> None:
        self.connect_timeout = connect_timeout
        self.read_timeout = read_timeout
        self.deadline = deadline
        self.most = most
        self.sent = False
        self.tunnelling = False
        self.host = ""
        self.problem = ""
        self._monotonic = monotonic
        self._started = monotonic()
        self._read = 0

    @property
    def elapsed(self) -> float:
        """Seconds since the exchange began."""
        return self._monotonic() - self._started

    @property
    def over(self) -> bool:
        """Whether the deadline has passed."""
        return self.elapsed >= self.deadline

    def count(self, size: int) -> None:
        """Add to the number of bytes that were read.

        Raises:
            EndlessAnswerError: The number exceeds the limit.
        """
        self._read += size
        if self._read > self.most:
            raise EndlessAnswerError(f"more than {self.most:g} bytes were read")

    def patience(self, limit: float = math.inf) -> float:
        """Return the number of seconds that the next wait may last.

        Raises:
            TimeoutError: The deadline has passed.
        """
        left = self.deadline - self.elapsed
        if left <= 0:
            raise TimeoutError(f"the deadline of {self.deadline} s has passed")
        return min(limit, left)


class DeadlineReader(io.RawIOBase):
    """A raw reader of a socket that waits at most until the deadline of the exchange."""

    _file: io.RawIOBase | None = None  # the base class calls close even if __init__ failed

    def __init__(self, sock: socket.socket, exchange: Exchange) -> None:
        super().__init__()
        self._sock = sock
        self._exchange = exchange
        # The file keeps the descriptor open until the file itself is closed, even if the socket is closed earlier.
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - the base class takes any writable buffer
        """Read the available bytes, or wait for some."""
        if self._file is None:
            raise ValueError("the reader is closed")
        self._sock.settimeout(self._exchange.patience(self._exchange.read_timeout))
        size = self._file.readinto(buffer)
        self._exchange.count(size or 0)
        return size

    def close(self) -> None:
        """Release the descriptor. Raises nothing: the garbage collector may call this, and would print an exception."""
        file, self._file = self._file, None
        with contextlib.suppress(OSError):
            if file is not None:
                file.close()
        super().close()


def open_socket(
    host: str, port: int, exchange: Exchange, options: Iterable[tuple[int, int, int | bytes]]
) -> socket.socket:
    """Connect to a host and return the socket, with a time-out that limits a TLS handshake.

    Raises:
        OSError: No address answered in time, or the name has no address.
    """
    exchange.host = host
    failure: OSError = socket.gaierror(f"{host} has no address")
    for family, kind, protocol, _, address in resolve(host, port, exchange):
        sock = socket.socket(family, kind, protocol)
        try:
            for option in options:
                sock.setsockopt(*option)
            sock.settimeout(exchange.patience(exchange.connect_timeout))
            sock.connect(address)
            sock.settimeout(exchange.patience(exchange.connect_timeout))
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:  # an interrupt, or the time limit of a task
            sock.close()
            raise
        else:
            return sock
    raise failure


def resolve(host: str, port: int, exchange: Exchange, resolver: Resolver = RESOLVER) -> Sequence[tuple[Any, ...]]:
    """Return the addresses of a name; an IP address needs no look-up.

    Raises:
        OSError: The name has no address, or the look-up did not end before the deadline.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    return resolver.resolve(host, port, exchange.patience)


def reason(error: BaseException) -> str:
    """Return the reason of a failed connection, taken only from messages of the system and OpenSSL."""
    chain = list(causes(error))
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the server's certificate was refused: {cause.verify_message}"
    for cause in chain:
        if isinstance(cause, ResolverHangs | TunnelRefused):
            return cause.words
        if isinstance(cause, socket.gaierror):
            return "the host name could not be resolved"
        if isinstance(cause, TimeoutError):
            return "no connection in time"
        if isinstance(cause, ssl.SSLError):
            return f"the TLS handshake failed: {getattr(cause, 'reason', None) or type(cause).__name__}"
        if isinstance(cause, OSError) and cause.strerror:
            return f"no connection: {cause.strerror}"
    return f"no connection: {type(error).__name__}"


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and each of its causes once: by chain, by argument, or by the ``reason`` of urllib3."""
    waiting, seen = [error], set[int]()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        near = (current.__cause__, current.__context__, getattr(current, "reason", None), *current.args)
        waiting.extend(each for each in near if isinstance(each, BaseException))
