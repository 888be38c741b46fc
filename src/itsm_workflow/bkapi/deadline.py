"""Sockets that keep one promise: whatever the other side does, an exchange ends at its deadline.

A read time-out alone is no bound, since each byte that drips in starts it anew. Here every wait on a socket is given
only what is left of the whole exchange. No thread watches; name lookup alone needs one, see `Resolver`.
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
    """The other side sends more around an answer than belongs to one."""


class Exchange:
    """One request on its way: how much time it has left, and whether a byte of it may have gone.

    Attributes:
        connect_timeout: Seconds to wait for one connection.
        read_timeout: Seconds to wait for one read or write.
        deadline: Seconds that all of it may take.
        most: Bytes that may be read: provisional answers, headers, sizes of chunks and trailers count as well.
        sent: Whether any byte of the request was handed to the system. Once True, the outcome needs an answer.
        tunnelling: Whether a proxy is being asked for a tunnel: what is sent then is none of the request.
        host: The host that it was last connected to.
        problem: Why no connection could be made, in words that quote nothing the other side said.
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
        """Count bytes that were read.

        Raises:
            EndlessAnswerError: There were too many.
        """
        self._read += size
        if self._read > self.most:
            raise EndlessAnswerError(f"more than {self.most:g} bytes were read")

    def patience(self, limit: float = math.inf) -> float:
        """Return for how many seconds the next wait may last.

        Raises:
            TimeoutError: The deadline has passed.
        """
        left = self.deadline - self.elapsed
        if left <= 0:
            raise TimeoutError(f"the deadline of {self.deadline} s has passed")
        return min(limit, left)


class DeadlineReader(io.RawIOBase):
    """The reading end of a socket, which waits no longer than the exchange has left."""

    _file: io.RawIOBase | None = None  # until it is there: the base class closes what was only half made as well

    def __init__(self, sock: socket.socket, exchange: Exchange) -> None:
        super().__init__()
        self._sock = sock
        self._exchange = exchange
        # The file, unlike the socket, keeps the descriptor open until it is closed itself.
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - the base class takes any writable buffer
        """Read what is there, or wait for it."""
        if self._file is None:
            raise ValueError("the reader is closed")
        self._sock.settimeout(self._exchange.patience(self._exchange.read_timeout))
        size = self._file.readinto(buffer)
        self._exchange.count(size or 0)
        return size

    def close(self) -> None:
        """Let the descriptor go. Raises nothing: the garbage collector closes what was left, and would print it."""
        file, self._file = self._file, None
        with contextlib.suppress(OSError):
            if file is not None:
                file.close()
        super().close()


def open_socket(
    host: str, port: int, exchange: Exchange, options: Iterable[tuple[int, int, int | bytes]]
) -> socket.socket:
    """Return a socket that is connected to the host, and whose time-out bounds a TLS handshake.

    Raises:
        OSError: No address answered in time, or the name has none.
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
        except BaseException:  # an interrupt, a task's time limit
            sock.close()
            raise
        else:
            return sock
    raise failure


def resolve(host: str, port: int, exchange: Exchange, resolver: Resolver = RESOLVER) -> Sequence[tuple[Any, ...]]:
    """Return the addresses of a name; an address needs no look-up.

    Raises:
        OSError: There is none, or the lookup did not end before the deadline.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    return resolver.resolve(host, port, exchange.patience)


def reason(error: BaseException) -> str:
    """Return why a connection failed, from the system's and OpenSSL's own words alone."""
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
    """Yield an error and every error it was made from, by chain, by argument or by urllib3's ``reason``; each once."""
    waiting, seen = [error], set[int]()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        near = (current.__cause__, current.__context__, getattr(current, "reason", None), *current.args)
        waiting.extend(each for each in near if isinstance(each, BaseException))
