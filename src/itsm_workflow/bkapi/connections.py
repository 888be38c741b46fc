"""The connections of an exchange: those of urllib3, with our deadline, line limit and check of the host's name.

This is the only module that uses urllib3. It overrides or reads names that are private there: ``_new_conn``,
``_tunnel``, ``_tunnel_host`` and ``_dns_host``, which exist in every version from 1.26 to 2. The package caps urllib3.
"""

from __future__ import annotations

import http.client
import io
import ssl
import threading
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from itsm_workflow.bkapi.body import CHUNK
from itsm_workflow.bkapi.deadline import DeadlineReader, EndlessAnswerError, open_socket, reason
from itsm_workflow.bkapi.tunnel import tunnelling

if hasattr(urllib3, "AsyncPoolManager"):
    raise ImportError(
        "urllib3-future replaces urllib3 here, and itsm-workflow cannot bound its calls over it: run "
        "`pip uninstall urllib3-future` and `pip install --force-reinstall urllib3`, or use another environment"
    )

if TYPE_CHECKING:
    import socket

    from itsm_workflow.bkapi.deadline import Exchange

ERRORS = (
    *(urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError),
    Warning,  # a process may turn warnings into errors
    getattr(urllib3.util.wait, "NoWayToWaitForSocketError", OSError),  # only in urllib3 1.26
)
"""Every error of urllib3 and of the standard library below it."""
MALFORMED = (http.client.HTTPException, urllib3.exceptions.InvalidHeader, ValueError)
CUT_OFF = (http.client.IncompleteRead, http.client.RemoteDisconnected, urllib3.exceptions.IncompleteRead)
_LINES = 256
"""The largest number of consecutive lines without data between them."""

current = threading.local()
"""Its ``exchange`` is the thread's current exchange; the libraries do not pass it to their connections."""


class _Reader(io.BufferedReader):
    """Limits the lines of an answer; the standard library limits headers, but not provisional answers or trailers."""

    _lines = 0

    def readline(self, size: int | None = -1) -> bytes:
        self._lines += 1
        if self._lines > _LINES:
            raise EndlessAnswerError(f"more than {_LINES} lines in a row")
        return super().readline(size)

    def read(self, size: int | None = -1) -> bytes:
        self._lines = 0
        return super().read(size)


class _Response(http.client.HTTPResponse):
    """A response whose status line, headers and body are read before the exchange's deadline."""

    fp: Any = None  # the base class closes it on collection, even if __init__ failed

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        unbounded, self.fp = self.fp, _Reader(DeadlineReader(sock, current.exchange))
        unbounded.close()

    def begin(self) -> None:
        super().begin()
        if self.headers.defects or self.headers.get_payload():  # urllib3 would log the unreadable part
            raise http.client.HTTPException("the headers cannot be read")


class _PlainConnection(HTTPConnection):
    """A connection that records when the first byte of a request is sent, and why connecting failed."""

    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return open_socket(self._dns_host, self.port, current.exchange, self.socket_options or ())

    def connect(self) -> None:
        try:
            super().connect()
        except Exception as error:
            current.exchange.problem = reason(error)
            raise

    def _tunnel(self) -> None:
        with tunnelling(current.exchange, self._tunnel_host or ""):
            super()._tunnel()

    def send(self, data: Any) -> None:  # noqa: ANN401 - as in the base class
        exchange: Exchange = current.exchange
        if self.sock is None:
            self.connect()
        exchange.sent = exchange.sent or not exchange.tunnelling
        whole = memoryview(data)
        for start in range(0, len(whole), CHUNK):  # TLS restarts the time-out for each write
            self.sock.settimeout(exchange.patience(exchange.read_timeout))
            super().send(whole[start : start + CHUNK])


class _TLSConnection(_PlainConnection, HTTPSConnection):
    """The same over TLS; the handshake is part of ``connect``."""


class TLSContext(ssl.SSLContext):
    """A TLS context that always checks the name of the host to which the exchange connected."""

    def wrap_socket(  # noqa: PLR0917 - as in the base class
        self,
        sock: socket.socket,
        server_side: bool = False,  # noqa: FBT001, FBT002 - as in the base class
        do_handshake_on_connect: bool = True,  # noqa: FBT001, FBT002 - as in the base class
        suppress_ragged_eofs: bool = True,  # noqa: FBT001, FBT002 - as in the base class
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """Always pass the host name: urllib3 1.26 omits an IP address, and OpenSSL would then check no name."""
        name = server_hostname or current.exchange.host
        return super().wrap_socket(
            sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, server_hostname=name, session=session
        )

    def wrap_bio(  # type: ignore[override] # urllib3 passes further arguments by name
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *, server_hostname: str | None = None, **kwargs: Any
    ) -> ssl.SSLObject:
        """Do the same for TLS inside the TLS of a proxy, where OpenSSL would otherwise check no name."""
        name = server_hostname or current.exchange.host
        return super().wrap_bio(incoming, outgoing, server_hostname=name, **kwargs)


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


POOLS = {"http": _PlainPool, "https": _TLSPool}
