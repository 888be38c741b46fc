"""One HTTP exchange: the only module that uses requests.

For any server, an exchange ends at its deadline, and earlier if headers or trailers do not end. At most 1 MiB of a body
is read, or the limit of the request. Redirects are not followed, cookies are not kept, and the environment sets no
proxy, netrc file or certificate. Certificates are checked, including the gateway's behind a proxy. An error shows
whether a byte of the request may have been sent. Library objects hold our headers and never leave this module.
"""

from __future__ import annotations

import contextlib
import functools
import os
import ssl
import threading
import time
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs
import requests
import requests.adapters

from itsm_workflow.bkapi.body import BROKE, MAYBE_DONE, Failure, read_body
from itsm_workflow.bkapi.connections import CUT_OFF, ERRORS, MALFORMED, POOLS, TLSContext, current
from itsm_workflow.bkapi.deadline import Exchange, causes, reason
from itsm_workflow.errors import GatewayProtocolError, GatewayTimeout, GatewayUnavailable
from itsm_workflow.secrets import Secret, SecretURL, without_frames
from itsm_workflow.settings.proxy import proxy_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

NO_PROXY = SecretURL("")
BODY_LIMIT = 1 << 20
"""The default limit of an answer's body in bytes, compressed or decompressed."""
_OVERHEAD = 1 << 20
"""Bytes allowed for provisional answers, headers, chunk sizes and trailers, in addition to twice the body limit."""
_POOL_SIZE = 10
_LIBRARY_ERRORS = (requests.RequestException, requests.cookies.CookieConflictError, *ERRORS)


@attrs.frozen(kw_only=True)
class HttpRequest:
    """A request to send.

    Attributes:
        endpoint: The endpoint's name, for errors.
        request_id: Our id of the call, for errors.
        headers: The headers; a `Secret` is revealed only when it is sent.
        connect_timeout: Seconds to wait for one connection.
        read_timeout: Seconds to wait for one read or write.
        deadline: Seconds that the whole exchange may take.
        fresh: Whether to use a new connection and close it afterwards, because a pooled connection may be dead.
        max_bytes: The largest body of the answer in bytes, decompressed or not; None means the transport's limit.
    """

    endpoint: str
    request_id: str
    method: str
    url: str = attrs.field(repr=False)  # a callback's address may hold its credential
    headers: Mapping[str, str | Secret] = attrs.field(repr=False)
    body: bytes | None = attrs.field(repr=False)
    connect_timeout: float
    read_timeout: float
    deadline: float
    fresh: bool = False
    max_bytes: int | None = None


@attrs.frozen(kw_only=True)
class HttpResponse:
    """A complete answer, of any status.

    Attributes:
        headers: The headers by lower-case name, without cookies.
        body: The decompressed body.
        elapsed: The duration of the exchange in seconds.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    elapsed: float


class _Adapter(requests.adapters.HTTPAdapter):
    def __init__(self, tls: ssl.SSLContext, size: int) -> None:
        self._tls = tls
        super().__init__(pool_connections=2, pool_maxsize=size, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._tls, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:  # noqa: ANN401 - as in the base class
        manager = super().proxy_manager_for(proxy, ssl_context=self._tls, proxy_ssl_context=self._tls, **kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager


class _Session(requests.Session):
    def __init__(self, tls: ssl.SSLContext, size: int) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            self.mount(scheme, _Adapter(tls, size))

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - the base class's name
        """Return None: to prepare the next request, the library would read the whole body of a redirect."""
        return


class _Pool:
    """The connections of one process; after a fork, the child must not use those of its parent."""

    def __init__(self, tls: ssl.SSLContext, size: int) -> None:
        self.process = os.getpid()
        self.session = _Session(tls, size)
        self.slots = threading.BoundedSemaphore(size)


class Transport:
    """Sends requests. Thread-safe, and usable after a fork.

    Args:
        ca_bundle: A file or folder of trusted certificates; empty means the certificates that requests ships.
        pool_size: The number of pooled connections and of concurrent exchanges that may use them.
        body_limit: The largest body of an answer in bytes, compressed or decompressed, unless the request sets its own
            limit. A longer answer raises an error.
        monotonic: Source of monotonic seconds.
        proxy: The proxy for every request; empty means no proxy.

    Attributes:
        pool_size: The number of pooled connections.
    """

    def __init__(
        self,
        *,
        ca_bundle: str = "",
        pool_size: int = _POOL_SIZE,
        body_limit: int = BODY_LIMIT,
        monotonic: Callable[[], float] = time.monotonic,
        proxy: SecretURL = NO_PROXY,
    ) -> None:
        if pool_size < 1 or body_limit < 1:
            raise ValueError("pool_size and body_limit must be at least 1")
        self._trusted = ca_bundle or requests.utils.DEFAULT_CA_BUNDLE_PATH
        self._tls = tls_context(self._trusted)
        self.pool_size = pool_size
        self._body_limit = body_limit
        self._monotonic = monotonic
        self._proxy = proxy
        self._pool = _Pool(self._tls, pool_size)

    def close(self) -> None:
        """Close the pooled connections; a later call opens new ones."""
        if self._pool.process == os.getpid():
            self._pool.session.close()

    def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request and return the answer, of any status.

        Raises:
            GatewayUnavailable: Nothing of the request was sent; this is certain.
            GatewayTimeout: No complete answer arrived. The request may have been carried out.
            GatewayAnswerTooLarge: The answer exceeds the size limit. The request may have been carried out.
            GatewayProtocolError: The answer is not HTTP. The request may have been carried out.
        """
        # An interrupt or a task's time limit passes through frames that hold the headers in clear.
        outcome = without_frames(self._exchange, request)
        if isinstance(outcome, HttpResponse):
            return outcome
        raise outcome.kind(
            outcome.problem, endpoint=request.endpoint, request_id=request.request_id, status=outcome.status
        )

    def _exchange(self, request: HttpRequest) -> HttpResponse | Failure:
        """Send the request; return a failure as a value, so that no traceback holds this frame."""
        exchange = Exchange(
            connect_timeout=request.connect_timeout,
            read_timeout=request.read_timeout,
            deadline=request.deadline,
            monotonic=self._monotonic,
            most=2 * (request.max_bytes or self._body_limit) + _OVERHEAD,
        )
        current.exchange = exchange
        try:
            with self._session(exchange, fresh=request.fresh) as session:
                if session is None:
                    return Failure(GatewayUnavailable, f"no connection was free within {exchange.deadline:g} s")
                with contextlib.closing(self._send(session, request)) as response:
                    return _read(response, exchange, request.max_bytes or self._body_limit)
        except _LIBRARY_ERRORS as error:
            return _failure(error, exchange, proxy_place(self._proxy) if self._proxy else "")
        finally:
            del current.exchange

    def _send(self, session: _Session, request: HttpRequest) -> requests.Response:
        headers = {
            name: value.reveal() if isinstance(value, Secret) else value for name, value in request.headers.items()
        }
        headers |= {"Accept-Encoding": "gzip", "Connection": "close" if request.fresh else "keep-alive"}
        if request.body is not None:
            headers["Content-Length"] = str(len(request.body))
        address, mark, query = request.url.partition("?")
        # Prepared by hand: the library would look for cookies, hooks and passwords, and parse the address each time.
        prepared = requests.PreparedRequest()
        prepared.method, prepared.url, prepared.body = request.method, _address(address) + mark + query, request.body
        prepared.headers = requests.structures.CaseInsensitiveDict(headers)
        return session.send(
            prepared,
            stream=True,
            allow_redirects=False,
            proxies=dict.fromkeys(("http", "https"), self._proxy.reveal()) if self._proxy else {},
            verify=self._trusted,
            timeout=(request.connect_timeout, request.read_timeout),
        )

    @contextlib.contextmanager
    def _session(self, exchange: Exchange, *, fresh: bool) -> Iterator[_Session | None]:
        if fresh:
            with _Session(self._tls, 1) as session:
                yield session
            return
        pool = self._pool
        if pool.process != os.getpid():
            pool = self._pool = _Pool(self._tls, self.pool_size)
        if not pool.slots.acquire(timeout=min(exchange.patience(), threading.TIMEOUT_MAX)):
            yield None
            return
        try:
            yield pool.session
        finally:
            pool.slots.release()


@functools.lru_cache(maxsize=256)
def _address(url: str) -> str:
    """Return the address as it is sent: the host name in ASCII, the path quoted."""
    prepared = requests.PreparedRequest()
    prepared.prepare_url(url, None)
    return prepared.url or url


def tls_context(trusted: str = "") -> ssl.SSLContext:
    """Return a TLS context that checks certificates against a file or folder; the default is that of requests.

    Clients that trust the same certificates share a context; when the file or folder has changed, the next
    client reads it again.

    Raises:
        OSError: The file or folder does not exist, or the file contains no certificate.
    """
    trusted = trusted or requests.utils.DEFAULT_CA_BUNDLE_PATH
    found = Path(trusted).stat()
    return _context(trusted, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns))


@functools.lru_cache(maxsize=16)
def _context(trusted: str, state: tuple[int, ...]) -> TLSContext:  # noqa: ARG001 - part of the cache's key
    """Read the certificates, which takes milliseconds."""
    # Not create_default_context, which writes the session keys to a file if the environment names one.
    context = TLSContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if Path(trusted).is_dir():
        context.load_verify_locations(capath=trusted)
    else:
        context.load_verify_locations(cafile=trusted)
    return context


def _failure(error: BaseException, exchange: Exchange, proxy: str) -> Failure:
    if not exchange.sent:
        way = f" (through the proxy {proxy})" if proxy else ""
        return Failure(GatewayUnavailable, f"nothing was sent: {exchange.problem or reason(error)}{way}")
    chain = list(causes(error))
    if exchange.over or any(isinstance(cause, TimeoutError) for cause in chain):
        return Failure(GatewayTimeout, f"no complete answer within {exchange.elapsed:.1f} s{MAYBE_DONE}")
    malformed = next((cause for cause in chain if isinstance(cause, MALFORMED)), None)
    if malformed is None or any(isinstance(cause, CUT_OFF) for cause in chain):
        return Failure(GatewayTimeout, f"{BROKE}{MAYBE_DONE}")
    return Failure(GatewayProtocolError, f"the answer is not HTTP ({type(malformed).__name__}){MAYBE_DONE}")


def _read(response: requests.Response, exchange: Exchange, limit: int) -> HttpResponse | Failure:
    headers = {name.lower(): value for name, value in response.headers.items() if name.lower() != "set-cookie"}
    body = read_body(response.raw, response.status_code, headers, limit)
    if isinstance(body, Failure):
        return body
    return HttpResponse(
        status=response.status_code, headers=MappingProxyType(headers), body=body, elapsed=exchange.elapsed
    )
