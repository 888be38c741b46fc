"""The API client: an endpoint is data, a call is one function of endpoint, parameters and context.

Nothing is shared between calls but connections and, where an endpoint asks for it, remembered answers. Each call leaves
one `CallRecord`: a line in the log ``itsm_workflow.gateway``, and an object for observers.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload
from urllib.parse import urlsplit

import attrs

from itsm_workflow.bkapi import batch
from itsm_workflow.bkapi.breaker import Breaker
from itsm_workflow.bkapi.cache import AnswerCache
from itsm_workflow.bkapi.call_log import SLOW, CallLog, secrets_of
from itsm_workflow.bkapi.context import BACKGROUND
from itsm_workflow.bkapi.endpoint import check_seconds, check_timeout
from itsm_workflow.bkapi.incoming import Reader, failed
from itsm_workflow.bkapi.outgoing import REQUEST_ID_KEY
from itsm_workflow.bkapi.prepare import copied, resolve
from itsm_workflow.bkapi.request import Asked, build_request
from itsm_workflow.bkapi.response import DataResponse, Reply
from itsm_workflow.bkapi.retry import NO_RETRY, Pace, RetryPolicy, send_patiently
from itsm_workflow.bkapi.server_time import ServerTime
from itsm_workflow.bkapi.transport import Transport
from itsm_workflow.clock import SystemClock
from itsm_workflow.errors import GatewayError, GatewayNotAsked, GatewayRefused, GatewayTimeout, GatewayUnavailable
from itsm_workflow.secrets import without_frames
from itsm_workflow.settings.proxy import proxy_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import IO

    from itsm_workflow.bkapi.breaker import Resting
    from itsm_workflow.bkapi.call_log import CallObserver
    from itsm_workflow.bkapi.context import RequestContext
    from itsm_workflow.bkapi.endpoint import Endpoint
    from itsm_workflow.bkapi.request import Timeout
    from itsm_workflow.bkapi.transport import HttpRequest, HttpResponse
    from itsm_workflow.bkapi.upload import File
    from itsm_workflow.budget import Budget
    from itsm_workflow.clock import Clock
    from itsm_workflow.settings import Settings

T = TypeVar("T")

_ABSENT = frozenset({429, 502, 503, 504})  # what stands in front says that nothing behind it answers


class ApiClient:
    """Calls a gateway's endpoints; shared by threads, usable after a fork.

    Args:
        settings: Gateway root, credentials, time limits.
        base_url: Another root than the settings' gateway, for a host's further endpoints.
        transport: Sends; by default one of its own.
        retry: How idempotent endpoints are tried again that do not say so themselves.
        observers: Are given the `CallRecord` of each call, in the thread that made it.
        slow: Seconds from which on a call is logged as slow.
        cache: Remembers answers; by default one of its own.
        breaker: Holds calls back while the gateway does not answer; by default one as the settings say.
        clock: The wall-clock time, and how long the gateway is left alone.
        monotonic: Seconds that never go back.
        sleep: Waits between attempts.
        draw: Returns a number between 0 and its argument, for the waits.
        new_request_id: Returns a fresh id for a call.

    Attributes:
        breaker: As given; its ``state`` lists what is not asked at the moment.
        server_time: The gateway's own clock, as its last answer showed it.

    Raises:
        SettingsError: ``base_url`` is no address that the settings allow.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        base_url: str = "",
        transport: Transport | None = None,
        retry: RetryPolicy | None = None,
        observers: Sequence[CallObserver] = (),
        slow: float = SLOW,
        cache: AnswerCache | None = None,
        breaker: Breaker | None = None,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        draw: Callable[[float], float] = lambda bound: random.uniform(0, bound),  # noqa: S311 - no secret
        new_request_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        try:
            self.settings = without_frames(attrs.evolve, settings, gateway_url=base_url) if base_url else settings
        finally:
            del base_url  # one that is refused may hold a password
        self._transport = transport or Transport(
            ca_bundle=settings.ca_bundle, proxy=settings.proxy, monotonic=monotonic
        )
        self._retry = retry or RetryPolicy()
        self._observers = tuple(observers)
        self._slow = slow
        self._cache = cache or AnswerCache(monotonic=monotonic)
        clock = clock or SystemClock()
        self.breaker = breaker or Breaker(
            failures=settings.breaker_failures, rest=settings.breaker_rest, monotonic=clock.elapsed
        )
        self.server_time = ServerTime(elapsed=clock.elapsed)
        self._pace = Pace(monotonic=monotonic, now=clock.now, sleep=sleep, draw=draw)
        self._new_request_id = new_request_id

    # ---------------------------------------------------------------- one call

    @overload
    def call(
        self,
        endpoint: Endpoint[T],
        params: Mapping[str, Any] | None = None,
        *,
        context: RequestContext = ...,
        files: Mapping[str, File | IO[bytes]] | None = ...,
        raw: Literal[False] = ...,
        timeout: Timeout | None = ...,
        deadline: float | None = ...,
        raise_exception: Literal[True] = ...,
        retry: RetryPolicy | None = ...,
        tenant: str = ...,
        budget: Budget | None = ...,
    ) -> T: ...

    @overload
    def call(
        self,
        endpoint: Endpoint[T],
        params: Mapping[str, Any] | None = None,
        *,
        context: RequestContext = ...,
        files: Mapping[str, File | IO[bytes]] | None = ...,
        raw: bool = ...,
        timeout: Timeout | None = ...,
        deadline: float | None = ...,
        raise_exception: bool = ...,
        retry: RetryPolicy | None = ...,
        tenant: str = ...,
        budget: Budget | None = ...,
    ) -> DataResponse[T]: ...

    def call(
        self,
        endpoint: Endpoint[T],
        params: Mapping[str, Any] | None = None,
        *,
        context: RequestContext = BACKGROUND,
        files: Mapping[str, File | IO[bytes]] | None = None,
        raw: bool = False,
        timeout: Timeout | None = None,
        deadline: float | None = None,
        raise_exception: bool = True,
        retry: RetryPolicy | None = None,
        tenant: str = "",
        budget: Budget | None = None,
    ) -> T | DataResponse[T]:
        """Call an endpoint and return its data.

        Args:
            endpoint: What to call.
            params: JSON values; a `Secret` among them is revealed only on the way out. They are never changed.
            context: On whose behalf.
            files: Files to send along, as the parts of a form; a file that is open among the parameters is one too.
            raw: Return the whole `DataResponse` instead of its data.
            timeout: Seconds to wait for a connection and for one read, or a pair of them.
            deadline: Seconds that all of it may take, retries included.
            raise_exception: False to return a `DataResponse` in any case; a failure has ``is_success`` False.
            retry: How it is tried again; only for an idempotent endpoint.
            tenant: The BlueKing tenant; beats the endpoint's and the context's.
            budget: The time that this call and others may take together.

        Raises:
            GatewayNotAsked: Nothing was tried: several calls in a row were not answered, or the budget is used up.
            GatewayUnavailable: Nothing was sent.
            GatewayTimeout: No complete answer in time; it may have been done.
            GatewayRefused: The gateway said no; its cleaned words are in ``remote_message``.
            GatewayProtocolError: The answer is not the gateway's language; it may have been done.
            ValueError: What is asked cannot be sent; also if ``raise_exception`` is False.
            Exception: What a hook of the endpoint raised, as it is.
        """
        asked = Asked(
            context=context,
            files=files,
            timeout=timeout,
            deadline=deadline,
            budget=budget,
            retry=retry,
            tenant=tenant,
        )
        response = self._ask(endpoint, {} if params is None else params, asked)
        if response.error is not None and raise_exception:
            raise response.error
        return response if raw or not raise_exception else cast("T", response.data)

    def exchange(
        self,
        endpoint: Endpoint[T],
        params: Mapping[str, Any],
        *,
        context: RequestContext = BACKGROUND,
        budget: Budget | None = None,
    ) -> Reply[T] | GatewayRefused:
        """Call an endpoint; a refusal is returned, not raised. Otherwise like `call`."""
        response = self._ask(endpoint, params, Asked(context=context, budget=budget))
        if response.error is None:
            return Reply(data=cast("T", response.data), request_id=response.request_id)
        if isinstance(response.error, GatewayRefused):
            return response.error
        raise response.error

    # ---------------------------------------------------------------- many calls

    batch_request = batch.batch_request
    bulk_request = batch.bulk_request

    @property
    def concurrency(self) -> int:
        """How many calls can be under way at once."""
        return self._transport.pool_size

    def close(self) -> None:
        """Close the kept connections, and forget what is remembered."""
        self._transport.close()
        self._cache.clear()

    def resting(self, endpoint: Endpoint[Any]) -> Resting | None:
        """Return why a call of the endpoint would not be sent now; None: it would be. Sends and changes nothing."""
        return self.breaker.resting(*self._breaker_names(endpoint))

    # ---------------------------------------------------------------- how

    def _ask(self, endpoint: Endpoint[T], params: Mapping[str, Any], asked: Asked) -> DataResponse[T]:
        """Do it. A gateway's error is part of the response: raised, it would carry a traceback of inner frames."""
        if not isinstance(params, Mapping):
            raise ValueError(f"{endpoint.name}: the parameters must be a mapping of names to values")  # noqa: TRY004 - one kind of error for all bad input
        policy = self._policy(endpoint, asked)
        request_id = asked.context.request_id or self._new_request_id()
        log = CallLog(endpoint=endpoint, request_id=request_id, params=params)
        log.secrets = [
            *secrets_of(asked.context, self.settings.app_secret, params),
            *without_frames(proxy_secrets, self.settings.proxy),
        ]
        started = self._pace.monotonic()
        try:
            call = resolve(endpoint, self.settings, asked.context, params, tenant=asked.tenant, request_id=request_id)
            log.user, log.operator, log.tenant = call.user, call.context.operator, call.tenant
            final = params
            if endpoint.before_request is not None:
                final = endpoint.before_request(copied(dict(params)), call)
                if not isinstance(final, Mapping):
                    raise ValueError(f"{endpoint.name}: before_request must return the parameters to send")
                log.params = final
                log.secrets += secrets_of(asked.context, self.settings.app_secret, final)
            if endpoint.default_return_value is not None:
                default = endpoint.default_return_value
                log.outcome = "default"
                data = default(final) if callable(default) else default
                return DataResponse(is_success=True, data=data, request_id=request_id)
            request = build_request(endpoint, self.settings, final, call, asked)
            log.sending(request)
            response = self._exchange(endpoint, request, policy, log, asked.patience(endpoint, self.settings))
            log.outcome, log.code = (response.error.code, log.code) if response.error else ("success", response.code)
            log.data = response.data
            return response
        finally:
            log.write(self._pace.monotonic() - started, slow=self._slow, observers=self._observers)

    def _exchange(
        self, endpoint: Endpoint[T], request: HttpRequest, policy: RetryPolicy, log: CallLog, patience: float
    ) -> DataResponse[T]:
        key = self._cache.key(request, _without_id(request.url, log.request_id)) if endpoint.cache_time else b""
        reader = Reader(endpoint, log)
        answer = self._cache.get(key) if key else None
        if answer is not None:
            log.cached = True
            log.answered(answer)
            return reader.read(answer)

        names = self._breaker_names(endpoint)
        why = self.breaker.admit(*names) if request.deadline > 0 else "the time for this operation is used up"
        if why is not None:
            return failed(GatewayNotAsked(f"not asked: {why}", endpoint=endpoint.name, request_id=log.request_id))

        def send(left: float) -> HttpResponse:
            log.attempts += 1
            found = self._transport.send(attrs.evolve(request, deadline=left))
            log.answered(found)
            return found

        try:
            answer = send_patiently(
                send,
                policy=policy,
                seconds=request.deadline,
                pace=self._pace,
                why=reader.why(policy),
                call=f"{endpoint.name} (request {log.request_id})",
            )
        except GatewayError as error:
            log.status = error.status
            if not isinstance(error, GatewayUnavailable | GatewayTimeout):
                self.breaker.answered(*names)
            elif request.deadline >= min(request.read_timeout, patience):
                # Less time than one read may take says nothing of the gateway.
                self.breaker.failed(*names)
            return failed(error)
        self.server_time.note(answer.headers)
        (self.breaker.failed if answer.status in _ABSENT else self.breaker.answered)(*names)
        response = reader.read(answer)
        if key and response.is_success:
            self._cache.put(key, answer, endpoint.cache_time)
        return response

    def _breaker_names(self, endpoint: Endpoint[Any]) -> tuple[str, str]:
        """Return what a call depends on: the gateway as a whole, and this endpoint of it."""
        parts = urlsplit(endpoint.url if "://" in endpoint.url else self.settings.gateway_url)
        gateway = f"{parts.scheme}://{parts.netloc}"
        return gateway, f"{endpoint.name} at {gateway}"

    def _policy(self, endpoint: Endpoint[Any], asked: Asked) -> RetryPolicy:
        """Return how it is tried again, once what was asked is known to make sense."""
        if asked.retry is not None and asked.retry.attempts > 1 and not endpoint.idempotent:
            raise ValueError(f"{endpoint.name} is not marked idempotent: trying it again might do it twice")
        if asked.timeout is not None and not (check_seconds(asked.timeout) or check_timeout(asked.timeout)):
            raise ValueError(f"{endpoint.name}: timeout must be a number of seconds above 0, or two of them")
        if asked.deadline is not None and not check_seconds(asked.deadline):
            raise ValueError(f"{endpoint.name}: deadline must be a number of seconds above 0")
        if not endpoint.idempotent:
            return NO_RETRY
        return asked.retry or endpoint.retry or self._retry


def _without_id(url: str, request_id: str) -> str:
    return url.replace(f"{REQUEST_ID_KEY}={request_id}", "")
