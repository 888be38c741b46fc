"""The API client: an endpoint is data, a call is one function of endpoint, parameters and context.

Calls share only the connections, the circuit breaker, the gateway's time and, if an endpoint enables it, cached
answers. Each call produces one `CallRecord`: a line in the log ``itsm_workflow.gateway``, and an object for observers.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast, overload
from urllib.parse import urlsplit

import attrs

from itsm_workflow.bkapi import batch
from itsm_workflow.bkapi.breaker import Breaker
from itsm_workflow.bkapi.cache import AnswerCache
from itsm_workflow.bkapi.call_log import SLOW, CallLog, secrets_of, spelled
from itsm_workflow.bkapi.context import BACKGROUND
from itsm_workflow.bkapi.endpoint import check_seconds, check_timeout
from itsm_workflow.bkapi.incoming import Reader, failed
from itsm_workflow.bkapi.outgoing import REQUEST_ID_KEY
from itsm_workflow.bkapi.prepare import copied, resolve, without_instructions
from itsm_workflow.bkapi.request import CallArguments, build_request
from itsm_workflow.bkapi.response import DataResponse, Reply
from itsm_workflow.bkapi.retry import NO_RETRY, Pace, RetryPolicy, send_patiently
from itsm_workflow.bkapi.server_time import ServerTime
from itsm_workflow.bkapi.transport import Transport
from itsm_workflow.clock import SystemClock
from itsm_workflow.errors import GatewayError, GatewayNotAsked, GatewayRefused, GatewayTimeout, GatewayUnavailable
from itsm_workflow.secrets import without_frames
from itsm_workflow.settings import Settings
from itsm_workflow.settings.proxy import proxy_secrets
from itsm_workflow.text import kind_of

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

T = TypeVar("T")

_ABSENT = frozenset({429, 502, 503, 504})  # a proxy or the gateway reports that its backend does not answer


class ApiClient:
    """A client of a gateway's endpoints. Thread-safe, and usable after a fork.

    Args:
        settings: Gateway root, credentials, time limits.
        base_url: A root that replaces the gateway's address in the settings, for further endpoints of a host.
        transport: Sends the requests; by default a new `Transport`.
        retry: The retry policy of idempotent endpoints that do not define their own.
        observers: Called with the `CallRecord` of each call, in the thread that made the call.
        slow: The duration in seconds from which a call is logged as slow.
        cache: The cache of answers; by default a new one.
        breaker: The circuit breaker; by default one with the limits in the settings.
        clock: Source of the current time, and of the time that the breaker measures.
        monotonic: Source of monotonic seconds.
        sleep: Waits between attempts.
        draw: Returns a random number between 0 and its argument, for the back-off.
        new_request_id: Returns a new id for a call.

    Attributes:
        breaker: The circuit breaker; its ``state`` lists the endpoints and gateways that are not called at the moment.
        server_time: The gateway's own clock, read from its last answer.

    Raises:
        SettingsError: ``base_url`` is not an address that the settings allow.
        TypeError: The settings are not `Settings`.
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
        passed: object = settings
        if not isinstance(passed, Settings):
            raise TypeError(f"the settings must be Settings, such as Settings.from_env(), not {kind_of(passed)}")
        try:
            given = without_frames(attrs.evolve, settings, gateway_url=base_url) if base_url else settings
        finally:
            del base_url  # a rejected address may hold a password
        self.settings: Settings = given
        self._transport = transport or Transport(
            ca_bundle=settings.ca_bundle, proxy=settings.proxy, monotonic=monotonic
        )
        self._retry = retry or RetryPolicy()
        self._observers = tuple(observers)
        self._slow = slow
        self._cache = cache or AnswerCache(monotonic=monotonic)
        clock = clock or SystemClock()
        self.breaker: Breaker = breaker or Breaker(
            failures=settings.breaker_failures, rest=settings.breaker_rest, monotonic=clock.elapsed
        )
        self.server_time: ServerTime = ServerTime(elapsed=clock.elapsed)
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
            endpoint: The endpoint to call.
            params: JSON values, which are never changed; a `Secret` among them is revealed only when it is sent.
            context: The user on whose behalf the call is made.
            files: Files to send as parts of a form, in addition to open files among the parameters.
            raw: Return the whole `DataResponse` instead of its data.
            timeout: Seconds to wait for a connection and for one read, or a pair of them.
            deadline: Seconds that the whole call may take, retries included.
            raise_exception: False to return a `DataResponse` in any case; a failure has ``is_success`` False.
            retry: The retry policy of this call; allowed only for an idempotent endpoint.
            tenant: The BlueKing tenant; overrides the endpoint's and the context's tenant.
            budget: The time that this call may share with others.

        Raises:
            GatewayNotAsked: No attempt was made: the circuit breaker blocks the call, or the budget is used up.
            GatewayUnavailable: Nothing was sent.
            GatewayTimeout: No complete answer arrived in time. The request may have been carried out.
            GatewayRefused: The gateway refused the call; ``remote_message`` holds its cleaned message.
            GatewayProtocolError: The answer is not valid. The request may have been carried out.
            ValueError: The call cannot be sent; also raised if ``raise_exception`` is False.
            Exception: Any exception of a hook of the endpoint, unchanged.
        """
        for option, flag in (("raw", raw), ("raise_exception", raise_exception)):
            if not isinstance(flag, bool):
                raise ValueError(f"{endpoint.name}: {option} must be True or False")  # noqa: TRY004 - as other options
        arguments = CallArguments(
            context=context, files=files, timeout=timeout, deadline=deadline, budget=budget, retry=retry, tenant=tenant
        )
        response = self._ask(endpoint, {} if params is None else params, arguments)
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
        """Call an endpoint and return a refusal instead of raising it; otherwise like `call`."""
        response = self._ask(endpoint, params, CallArguments(context=context, budget=budget))
        if response.error is None:
            return Reply(data=cast("T", response.data), request_id=response.request_id)
        if isinstance(response.error, GatewayRefused):
            return response.error
        raise response.error

    # ---------------------------------------------------------------- many calls

    batch_request: Final = batch.batch_request
    bulk_request: Final = batch.bulk_request

    @property
    def concurrency(self) -> int:
        """The largest number of concurrent calls."""
        return self._transport.pool_size

    def close(self) -> None:
        """Close the pooled connections and clear the cache."""
        self._transport.close()
        self._cache.clear()

    def resting(self, endpoint: Endpoint[Any]) -> Resting | None:
        """Return the rest that would block a call of the endpoint now, or None. Sends and changes nothing."""
        return self.breaker.resting(*self._breaker_names(endpoint))

    # ---------------------------------------------------------------- steps of a call

    def _ask(self, endpoint: Endpoint[T], params: Mapping[str, Any], arguments: CallArguments) -> DataResponse[T]:
        """Make the call; a gateway's error is returned in the response, so that no traceback holds inner frames."""
        if not isinstance(params, Mapping):
            raise ValueError(f"{endpoint.name}: the parameters must be a mapping of names to values")  # noqa: TRY004 - one kind of error for all bad input
        policy = self._policy(endpoint, arguments)
        request_id = arguments.context.request_id or self._new_request_id()
        log = CallLog(endpoint=endpoint, request_id=request_id, params=params)
        known = secrets_of(arguments.context, self.settings.app_secret, params)
        log.secrets = spelled([*known, *without_frames(proxy_secrets, self.settings.proxy)])
        started = self._pace.monotonic()
        try:
            sent = without_instructions(endpoint, params)
            call = resolve(
                endpoint, self.settings, arguments.context, params, tenant=arguments.tenant, request_id=request_id
            )
            log.user, log.operator, log.tenant = call.user, call.context.operator, call.tenant
            final = sent
            if endpoint.before_request is not None:
                final = endpoint.before_request(copied(dict(sent)), call)
                if not isinstance(final, Mapping):
                    raise ValueError(f"{endpoint.name}: before_request must return the parameters to send")
                log.params = final
                log.secrets += spelled(secrets_of(arguments.context, self.settings.app_secret, final))
            if endpoint.default_return_value is not None:
                default = endpoint.default_return_value
                log.outcome = "default"
                data = default(final) if callable(default) else default
                return DataResponse(is_success=True, data=data, request_id=request_id)
            request = build_request(endpoint, self.settings, final, call, arguments)
            log.sending(request)
            response = self._exchange(
                endpoint, request, policy, log, arguments.allowed_seconds(endpoint, self.settings)
            )
            log.outcome, log.code = (response.error.code, log.code) if response.error else ("success", response.code)
            log.data = response.data
            return response
        finally:
            log.write(self._pace.monotonic() - started, slow=self._slow, observers=self._observers)

    def _exchange(
        self, endpoint: Endpoint[T], request: HttpRequest, policy: RetryPolicy, log: CallLog, patience: float
    ) -> DataResponse[T]:
        url = request.url.replace(f"{REQUEST_ID_KEY}={log.request_id}", "")  # which differs in each call
        key = self._cache.key(request, url) if endpoint.cache_time else b""
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
                # A failure counts only if the call had at least the time of one read.
                self.breaker.failed(*names)
            return failed(error)
        self.server_time.note(answer.headers)
        (self.breaker.failed if answer.status in _ABSENT else self.breaker.answered)(*names)
        response = reader.read(answer)
        if key and response.is_success:
            self._cache.put(key, answer, endpoint.cache_time)
        return response

    def _breaker_names(self, endpoint: Endpoint[Any]) -> tuple[str, str]:
        """Return the names that a call depends on: the whole gateway, and this endpoint of it."""
        parts = urlsplit(endpoint.url if "://" in endpoint.url else self.settings.gateway_url)
        gateway = f"{parts.scheme}://{parts.netloc}"
        return gateway, f"{endpoint.name} at {gateway}"

    def _policy(self, endpoint: Endpoint[Any], arguments: CallArguments) -> RetryPolicy:
        """Check the options of the call and return its retry policy."""
        if arguments.retry is not None and arguments.retry.attempts > 1 and not endpoint.idempotent:
            raise ValueError(f"{endpoint.name} is not marked idempotent, so a retry could repeat its effect")
        if arguments.timeout is not None and not (check_seconds(arguments.timeout) or check_timeout(arguments.timeout)):
            raise ValueError(f"{endpoint.name}: timeout must be a number of seconds above 0, or two of them")
        if arguments.deadline is not None and not check_seconds(arguments.deadline):
            raise ValueError(f"{endpoint.name}: deadline must be a number of seconds above 0")
        if not endpoint.idempotent:
            return NO_RETRY
        return arguments.retry or endpoint.retry or self._retry
