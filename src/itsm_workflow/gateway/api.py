"""The API client: an endpoint is data, a call is one function of endpoint, parameters and context.

Nothing is shared between calls but connections. Each call writes one line to the log ``itsm_workflow.gateway``, with
its facts as flat fields and without secrets.
"""

from __future__ import annotations

import json
import logging
import random
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlencode, urlsplit

import attrs

from itsm_workflow.clock import SystemClock
from itsm_workflow.errors import GatewayError, GatewayRefused
from itsm_workflow.gateway.auth import BACKGROUND, headers
from itsm_workflow.gateway.envelope import Refusal, clean, decode, read_envelope
from itsm_workflow.gateway.retry import NO_RETRY, Pace, RetryPolicy, send_patiently
from itsm_workflow.gateway.transport import Answer, Request, Transport
from itsm_workflow.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.clock import Clock
    from itsm_workflow.gateway.auth import RequestContext
    from itsm_workflow.settings import Settings

T = TypeVar("T")

logger = logging.getLogger("itsm_workflow.gateway")

_STARS = "***"
_SECRET_KEYS = ("token", "secret", "password", "authorization", "cookie", "headers", "ticket_auth")
_LOGGED_TEXT = 200
_LOGGED_PARAMS = 1000
_LOGGED_ITEMS = 20


@attrs.frozen(kw_only=True)
class Endpoint(Generic[T]):
    """One call that a gateway offers, as data.

    Attributes:
        name: For logs and errors.
        method: The server's own method; a GET's parameters travel in the query, else as a JSON body.
        path: Appended to the gateway root; the trailing slash counts.
        answer: The type of the envelope's data.
        idempotent: Doing it twice is doing it once, so that it may be tried again.
        fresh_connection: Send on a connection of its own.
        description: One sentence for people.
    """

    name: str
    method: str
    path: str
    answer: type[T]
    idempotent: bool = False
    fresh_connection: bool = False
    description: str = ""


@attrs.frozen(kw_only=True)
class Reply(Generic[T]):
    """The gateway did it.

    Attributes:
        data: What it returned, typed.
        request_id: Our id of the call.
    """

    data: T = attrs.field(repr=False)
    request_id: str


@attrs.define(kw_only=True)
class _Line:
    """What the log will say of one call."""

    endpoint: str
    request_id: str
    params: str
    outcome: str = "interrupted"
    status: int | None = None
    code: int | str | None = None
    attempts: int = 0
    gateway_request_id: str = ""

    def answered(self, answer: Answer) -> None:
        self.status = answer.status
        self.gateway_request_id = clean(answer.headers.get("x-bkapi-request-id", ""), limit=64)

    def write(self, seconds: float) -> None:
        logger.log(
            logging.INFO if self.outcome == "success" else logging.WARNING,
            "%s: %s in %.3f s (request %s)",
            self.endpoint,
            self.outcome,
            seconds,
            self.request_id,
            extra={
                "bk_request_id": self.request_id,
                "itsm_endpoint": self.endpoint,
                "itsm_outcome": self.outcome,
                "itsm_status": self.status,
                "itsm_code": self.code,
                "itsm_seconds": round(seconds, 6),
                "itsm_attempts": self.attempts,
                "itsm_params": self.params,
                "itsm_gateway_request_id": self.gateway_request_id,
            },
        )


class ApiClient:
    """Calls a gateway's endpoints; shared by threads.

    Args:
        settings: Gateway root, credentials, time limits.
        transport: Sends; by default one of its own.
        retry: How idempotent endpoints are tried again.
        clock: The wall-clock time.
        monotonic: Seconds that never go back.
        sleep: Waits between attempts.
        draw: Returns a number between 0 and its argument, for the waits.
        new_request_id: Returns a fresh id for a call.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: Transport | None = None,
        retry: RetryPolicy | None = None,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        draw: Callable[[float], float] = lambda bound: random.uniform(0, bound),  # noqa: S311 - no secret
        new_request_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self.settings = settings
        self._transport = transport or Transport(ca_bundle=settings.ca_bundle, monotonic=monotonic)
        self._retry = retry or RetryPolicy()
        self._pace = Pace(monotonic=monotonic, now=(clock or SystemClock()).now, sleep=sleep, draw=draw)
        self._new_request_id = new_request_id

    def call(self, endpoint: Endpoint[T], params: Mapping[str, object], *, context: RequestContext = BACKGROUND) -> T:
        """Call an endpoint and return its data.

        Args:
            endpoint: What to call.
            params: JSON values; a `Secret` among them is revealed only on the way out.
            context: On whose behalf.

        Raises:
            GatewayUnavailable: Nothing was sent.
            GatewayTimeout: No complete answer in time; it may have been done.
            GatewayRefused: The gateway said no; its cleaned words are in ``remote_message``.
            GatewayProtocolError: The answer is not the gateway's language; it may have been done.
            ValueError: The parameters are no JSON values.
        """
        reply = self.exchange(endpoint, params, context=context)
        if isinstance(reply, Reply):
            return reply.data
        raise reply

    def exchange(
        self, endpoint: Endpoint[T], params: Mapping[str, object], *, context: RequestContext = BACKGROUND
    ) -> Reply[T] | GatewayRefused:
        """Call an endpoint; a refusal is returned, not raised. Otherwise like `call`."""
        request_id = context.request_id or self._new_request_id()
        line = _Line(endpoint=endpoint.name, request_id=request_id, params=_loggable(params))
        started = self._pace.monotonic()
        try:
            request = self._request(endpoint, params, context, request_id)

            def send(left: float) -> Answer:
                line.attempts += 1
                answer = self._transport.send(attrs.evolve(request, deadline=left))
                line.answered(answer)
                return answer

            policy = self._retry if endpoint.idempotent else NO_RETRY
            answer = send_patiently(send, policy=policy, seconds=self.settings.deadline, pace=self._pace)
            envelope = read_envelope(answer, endpoint=endpoint.name, request_id=request_id)
            line.code = envelope.code
            if isinstance(envelope, Refusal):
                line.outcome = GatewayRefused.code
                return _refused(envelope, endpoint.name, request_id)
            data = decode(envelope.data, endpoint.answer, endpoint=endpoint.name, request_id=request_id)
        except GatewayError as error:
            line.outcome, line.status = error.code, error.status
            raise
        else:
            line.outcome = "success"
            return Reply(data=data, request_id=request_id)
        finally:
            line.write(self._pace.monotonic() - started)

    def close(self) -> None:
        """Close the kept connections."""
        self._transport.close()

    def _request(
        self, endpoint: Endpoint[T], params: Mapping[str, object], context: RequestContext, request_id: str
    ) -> Request:
        query = f"?{_query(params)}" if endpoint.method == "GET" and params else ""
        connect_timeout, read_timeout = self.settings.timeout
        return Request(
            endpoint=endpoint.name,
            request_id=request_id,
            method=endpoint.method,
            url=f"{self.settings.gateway_url}{endpoint.path}{query}",
            headers={
                **headers(self.settings, context, request_id),
                "Accept": "application/json",
                "User-Agent": "itsm-workflow",
                **({} if endpoint.method == "GET" else {"Content-Type": "application/json"}),
            },
            body=None if endpoint.method == "GET" else encode_json(params),
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            deadline=self.settings.deadline,
            fresh=endpoint.fresh_connection,
        )


def encode_json(value: object) -> bytes:
    """Return the value as JSON, secrets revealed.

    Raises:
        ValueError: It is none; what it is is not quoted.
    """
    try:
        return json.dumps(value, allow_nan=False, default=_plain, separators=(",", ":")).encode("ascii")
    except (TypeError, RecursionError):
        pass
    raise ValueError("the parameters hold something that JSON has no word for")


def _plain(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Mapping):  # one that is no dict
        return dict(value)
    raise TypeError(type(value).__name__)


def _query(params: Mapping[str, object]) -> str:
    if any(isinstance(value, Secret) for value in params.values()):
        raise ValueError("a secret does not travel in a URL, which servers log")
    return urlencode({key: value for key, value in params.items() if value is not None}, doseq=True)


def _refused(refusal: Refusal, endpoint: str, request_id: str) -> GatewayRefused:
    error = GatewayRefused("the gateway refused", endpoint=endpoint, request_id=request_id, remote_code=refusal.code)
    vars(error)["remote_message"] = refusal.message
    return error


def _loggable(params: Mapping[str, object]) -> str:
    """Return the parameters as one short line of ASCII, secrets replaced by stars."""
    text = json.dumps(_redacted("", params), default=lambda value: f"<{type(value).__name__}>")
    return text if len(text) <= _LOGGED_PARAMS else text[: _LOGGED_PARAMS - 3] + "..."


def _redacted(key: str, value: Any) -> object:  # noqa: ANN401 - JSON
    if key.lower() == "callback_url":
        return _origin(value.reveal() if isinstance(value, Secret) else value)
    if isinstance(value, Secret) or any(word in key.lower() for word in _SECRET_KEYS):
        return _STARS
    if isinstance(value, Mapping):
        return {str(name): _redacted(str(name), each) for name, each in [*value.items()][:_LOGGED_ITEMS]}
    if isinstance(value, list | tuple):
        return [_redacted(key, each) for each in value[:_LOGGED_ITEMS]]
    return value[:_LOGGED_TEXT] if isinstance(value, str) else value


def _origin(url: object) -> str:
    """Return where a callback goes, without its path and query: a credential may travel there."""
    try:
        parts = urlsplit(str(url))
    except ValueError:
        return _STARS
    return f"{parts.scheme}://{parts.hostname or ''}/{_STARS}"
