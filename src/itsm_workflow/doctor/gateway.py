"""The examination of the gateway: connection, certificate, credentials, clock, service and speed."""

from __future__ import annotations

import datetime as dt
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar, cast

from itsm_workflow.bkapi.body import BROKE
from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.bkapi.retry import NO_RETRY
from itsm_workflow.bkapi.transport import Transport
from itsm_workflow.bkapi.tunnel import NO_TUNNEL
from itsm_workflow.doctor.connection import connection_findings, reach
from itsm_workflow.doctor.findings import ok, problem, warning
from itsm_workflow.doctor.refusals import PROXY, THEM, explain
from itsm_workflow.doctor.scrubbing import scrubbed
from itsm_workflow.doctor.service import Failed, examine_service
from itsm_workflow.doctor.speed import NEAR, allowed_time, longer_times, speed
from itsm_workflow.errors import GatewayTimeout
from itsm_workflow.gateway.bk_itsm.routes import Routes
from itsm_workflow.gateway.bk_itsm.wire import GET_SERVICES
from itsm_workflow.settings.proxy import proxy_place
from itsm_workflow.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from itsm_workflow.bkapi.endpoint import Endpoint
    from itsm_workflow.bkapi.transport import HttpRequest, HttpResponse
    from itsm_workflow.clock import Clock
    from itsm_workflow.doctor.findings import Finding
    from itsm_workflow.errors import GatewayError
    from itsm_workflow.settings import Settings

T = TypeVar("T")

SKEW_NOTABLE = dt.timedelta(seconds=30)
SKEW_HARMFUL = dt.timedelta(hours=12)
"""A look-up searches the tickets of 24 hours around a submission, measured by our clock."""


def examine_gateway(settings: Settings, *, clock: Clock, near: float = NEAR) -> Iterator[Finding]:
    """Call the gateway with reads that change nothing, and yield the findings.

    Args:
        settings: The address of the gateway and our credentials.
        clock: Source of the current time.
        near: The fraction of its time limit from which a call is reported as nearly too slow.
    """
    # With a proxy, only the connection to the proxy is examined; the first call checks the gateway's certificate.
    part, field, url = "gateway", "gateway_url", settings.gateway_url
    if settings.proxy:
        part, field, url = "proxy", "proxy", proxy_place(settings.proxy)
    reached = reach(url, settings)
    yield from connection_findings(part, field, reached, clock.now(), settings)
    if reached.obstacle is not None:
        return
    caller = GatewayCaller(settings, clock=clock)
    try:
        services = caller.call(GET_SERVICES, {})
        if caller.transport.answer is not None:
            yield _clock_skew(caller.transport.answer, caller.transport.at)
        if isinstance(services, Failed):
            yield services.finding
            return
        yield ok(
            "gateway.credentials",
            f"app {settings.app_code} and user {settings.api_user} were accepted; it lists "
            f"{counted(len(services), 'service')}",
        )
        yield from examine_service(settings, caller, services)
        slow = speed(caller.transport.slowest, settings, near=near)
        if slow is not None:
            yield slow
    finally:
        caller.close()


class GatewayCaller:
    """Calls the gateway as `BkItsmGateway` does, but without retries.

    Args:
        settings: The address of the gateway and our credentials.
        clock: Source of the current time.

    Attributes:
        transport: The transport, which keeps the last answer.
    """

    def __init__(self, settings: Settings, *, clock: Clock) -> None:
        self.transport = RecordingTransport(settings, clock)
        self._settings = settings
        self._routes = Routes.of(settings)
        self._client = ApiClient(settings, transport=self.transport, retry=NO_RETRY, clock=clock)

    def call(self, endpoint: Endpoint[T], params: Mapping[str, object]) -> T | Failed:
        """Call an endpoint and return its data, or the finding about its failure."""
        self.transport.forget()
        routed = self._routes.lead(endpoint, self._settings.gateway_url)
        response = self._client.call(routed, params, raise_exception=False)
        if response.error is None:
            return cast("T", response.data)
        if self.transport.answer is None:
            found = problem("gateway.answer", str(response.error), _why_unanswered(response.error, self._settings))
        else:
            found = explain(scrubbed(self.transport.answer, self._settings))
        return Failed(code=response.code, finding=found)

    def close(self) -> None:
        """Close the pooled connections."""
        self._client.close()


class RecordingTransport(Transport):
    """A transport that keeps the last answer, of any status.

    Attributes:
        answer: The last answer, or None.
        at: The time of the last answer.
        slowest: The duration of the slowest answered call in seconds.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(ca_bundle=settings.ca_bundle, proxy=settings.proxy)
        self._clock = clock
        self.answer: HttpResponse | None = None
        self.at = clock.now()
        self.slowest = 0.0

    def forget(self) -> None:
        """Discard the last answer."""
        self.answer = None

    def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request and keep the answer."""
        answer = super().send(request)
        self.answer, self.at = answer, self._clock.now()
        self.slowest = max(self.slowest, answer.elapsed)
        return answer


def _why_unanswered(error: GatewayError, settings: Settings) -> str:
    if NO_TUNNEL in str(error):
        return PROXY
    if not isinstance(error, GatewayTimeout) or BROKE in str(error):  # a longer time-out would not help
        return THEM
    longer = longer_times(settings, allowed_time(settings))
    return f"if the gateway is only slow, {longer}; otherwise {THEM}" if longer else THEM


def _clock_skew(answer: HttpResponse, received_at: dt.datetime) -> Finding:
    """Compare the gateway's clock with ours at the middle of the exchange; its ``Date`` has whole seconds."""
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return ok("gateway.clock", "the clocks cannot be compared: the gateway's answer has no valid Date header")
    ours = received_at - dt.timedelta(seconds=answer.elapsed / 2)
    ahead = ours - theirs.replace(tzinfo=theirs.tzinfo or dt.UTC)
    seconds = round(ahead.total_seconds())
    seen = f"our clock is {abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'} the gateway's"
    advice = "synchronize the clock of this machine, or of the gateway, with a time server"
    if abs(ahead) > SKEW_HARMFUL:
        return problem("gateway.clock", f"{seen}: look-ups by time miss our tickets", advice)
    if abs(ahead) > SKEW_NOTABLE:
        return warning("gateway.clock", seen, advice)
    return ok("gateway.clock", seen if abs(seconds) > 1 else "our clock and the gateway's agree")
