"""The delivery of callbacks as by BK-ITSM, over real HTTP: once, unsigned, without a check of certificates."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import attrs

from itsm_workflow.sandbox.ticket import CallbackOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from itsm_workflow.sandbox.ticket import Outgoing

GOOD_STATUS = frozenset({200, 201})
AS_GET = frozenset({301, 302, 303})
AS_IS = frozenset({307, 308})
MOST_REDIRECTS = 30
LARGEST_ANSWER = 1 << 20
_FIRST_HEADERS = {
    "User-Agent": "python-requests/2.27.1",
    "Accept-Encoding": "gzip, deflate",
    "Accept": "*/*",
    "Connection": "keep-alive",
}


@attrs.frozen
class Sending:
    """The outcome of one sending, with a note that does not quote the callback."""

    outcome: CallbackOutcome
    note: str


@attrs.frozen(kw_only=True)
class _Message:
    method: str
    url: SplitResult
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes | None = attrs.field(repr=False)


class CallbackSender:
    """A sender of callbacks, which aborts all of them when it is closed.

    Args:
        timeout: the time-out in seconds without a byte from a receiver, so that a close never hangs. The real server
            has no time-out.
    """

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout
        self._lock = threading.Lock()
        self._open: set[http.client.HTTPConnection] = set()
        self._closed = False
        # Like the real server, without a check of certificates, so that a client that relies on TLS fails in its tests.
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    def close(self) -> None:
        """Abort every sending. Its callback is lost, like one whose worker was killed."""
        with self._lock:
            self._closed = True
            connections = list(self._open)
        for connection in connections:
            sock = connection.sock
            if sock is not None:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def send(self, outgoing: Outgoing) -> Sending:
        """Send one callback and evaluate the answer.

        The receiver acknowledges a callback by HTTP 200 or 201 and a JSON object whose ``code`` is the number 0, also
        after redirects. Any other answer is a failure.
        """
        try:
            status, body = self._follow(_first_message(outgoing))
        except (OSError, ValueError, http.client.HTTPException, zlib.error) as error:
            if self._closed:
                return Sending(CallbackOutcome.LOST, "broken off")
            return Sending(CallbackOutcome.FAILED, type(error).__name__)
        if status not in GOOD_STATUS:
            return Sending(CallbackOutcome.FAILED, f"HTTP {status}")
        if not _acknowledges(body):
            return Sending(CallbackOutcome.FAILED, f"HTTP {status} without code 0")
        return Sending(CallbackOutcome.DELIVERED, f"HTTP {status}")

    def _follow(self, message: _Message) -> tuple[int, bytes]:
        for _ in range(MOST_REDIRECTS):
            status, location, body = self._exchange(message)
            if not location or status not in AS_GET | AS_IS:
                return status, body
            message = _redirected(message, location, status)
        raise ValueError("too many redirects")

    def _exchange(self, message: _Message) -> tuple[int, str | None, bytes]:
        with self._connection(message.url) as connection:
            target = quote(message.url.path or "/", safe="%/:=&~+!$,;'@()*[]")
            query = f"?{quote(message.url.query, safe='%/:=&?~+!$,;@()*[]')}" if message.url.query else ""
            connection.putrequest(message.method, target + query, skip_accept_encoding=True)
            for name, value in message.headers.items():
                connection.putheader(name, value)
            connection.endheaders(message.body)
            answer = connection.getresponse()
            raw = answer.read(LARGEST_ANSWER)
            return answer.status, answer.getheader("Location"), _unpacked(raw, answer.getheader("Content-Encoding"))

    @contextmanager
    def _connection(self, url: SplitResult) -> Iterator[http.client.HTTPConnection]:
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise ValueError("the callback's address must be an http or https URL with a host")
        connection = (
            http.client.HTTPSConnection(url.hostname, url.port, timeout=self._timeout, context=self._tls)
            if url.scheme == "https"
            else http.client.HTTPConnection(url.hostname, url.port, timeout=self._timeout)
        )
        with self._lock:
            if self._closed:
                raise ConnectionAbortedError("the callback was not sent: the sandbox is closed")
            self._open.add(connection)
        try:
            yield connection
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()


def _first_message(outgoing: Outgoing) -> _Message:
    # ASCII-escaped, with the separators of json.dumps: the same bytes as from the real server.
    body = json.dumps(outgoing.body).encode("ascii")
    headers = dict(_FIRST_HEADERS)
    extra = outgoing.headers
    if not isinstance(extra, dict):
        raise ValueError("the callback's headers must be an object")  # noqa: TRY004 - as for any invalid callback
    for name, value in extra.items():
        if not isinstance(value, str) or "\r" in value or "\n" in value:
            raise ValueError("a header of the callback must be one line of text")
        headers = {known: kept for known, kept in headers.items() if known.lower() != name.lower()}
        headers[name] = value
    headers.setdefault("Content-Length", str(len(body)))
    if "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = "application/json"
    return _Message(method="POST", url=urlsplit(outgoing.url), headers=headers, body=body)


def _redirected(message: _Message, location: str, status: int) -> _Message:
    url = urlsplit(urljoin(message.url.geturl(), location))
    dropped = {"content-length", "content-type"} if status in AS_GET else set()
    if url.netloc != message.url.netloc:
        dropped |= {"authorization"}
    headers = {name: value for name, value in message.headers.items() if name.lower() not in dropped}
    method, body = ("GET", None) if status in AS_GET else (message.method, message.body)
    return _Message(method=method, url=url, headers=headers, body=body)


def _unpacked(raw: bytes, encoding: str | None) -> bytes:
    if encoding in {"gzip", "deflate"}:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(raw, LARGEST_ANSWER)
    return raw


def _acknowledges(body: bytes) -> bool:
    try:
        content: Any = json.loads(body)
    except ValueError:
        return False
    if not isinstance(content, dict):
        return False
    code = content.get("code")
    return isinstance(code, (int, float)) and not isinstance(code, bool) and code == 0
