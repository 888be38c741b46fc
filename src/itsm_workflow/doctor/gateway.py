"""The gateway, asked once: can it be reached, by a certificate that holds, with our credentials, at the same time."""

from __future__ import annotations

import datetime as dt
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar, cast

from itsm_workflow.bkapi.body import BROKE
from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.bkapi.retry import NO_RETRY
from itsm_workflow.bkapi.transport import Transport
from itsm_workflow.bkapi.tunnel import NO_TUNNEL
from itsm_workflow.doctor.connection import reach, tell
from itsm_workflow.doctor.findings import ok, problem, warning
from itsm_workflow.doctor.refusals import PROXY, THEM, explain
from itsm_workflow.doctor.scrubbing import scrubbed
from itsm_workflow.doctor.service import Failed, examine_service
from itsm_workflow.doctor.speed import NEAR, allowed_time, longer_times, speed
from itsm_workflow.errors import GatewayTimeout
from itsm_workflow.gateway.bk_itsm.routes import Routes
from itsm_workflow.gateway.bk_itsm.wire import GET_SERVICES
from itsm_workflow.settings.proxy import proxy_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from itsm_workflow.bkapi.endpoint import Endpoint
    from itsm_workflow.bkapi.transport import HttpRequest, HttpResponse
    from itsm_workflow.clock import Clock
    from itsm_workflow.doctor.findings import Finding
    from itsm_workflow.errors import GatewayError
    from itsm_workflow.settings import Settings

T = TypeVar("T")

SKEW_TOLD = dt.timedelta(seconds=30)
SKEW_HARMFUL = dt.timedelta(hours=12)
"""Look-ups ask for the tickets of 24 hours around a submission, by our clock."""


def examine_gateway(settings: Settings, *, clock: Clock, near: float = NEAR) -> Iterator[Finding]:
    """Yield what is found when the gateway is asked by reads that change nothing.

    Args:
        settings: Where it is and who we are.
        clock: The wall-clock time.
        near: From which part of its time on a call counts as nearly too slow.
    """
    # Behind a proxy only the proxy is connected to; the gateway's certificate is checked by the first call.
    part, field, url = "gateway", "gateway_url", settings.gateway_url
    if settings.proxy:
        part, field, url = "proxy", "proxy", proxy_place(settings.proxy)
    reached = reach(url, settings)
    yield from tell(part, field, reached, clock.now(), settings)
    if reached.obstacle is not None:
        return
    asking = Asking(settings, clock=clock)
    try:
        services = asking.ask(GET_SERVICES, {})
        if asking.overheard.answer is not None:
            yield _clock_skew(asking.overheard.answer, asking.overheard.at)
        if isinstance(services, Failed):
            yield services.finding
            return
        yield ok(
            "gateway.credentials",
            f"app {settings.app_code} and user {settings.api_user} were taken; {len(services)} services are listed",
        )
        yield from examine_service(settings, asking, services)
        slow = speed(asking.overheard.slowest, settings, near=near)
        if slow is not None:
            yield slow
    finally:
        asking.close()


class Asking:
    """Asks the gateway as `BkItsmGateway` does, once each time.

    Args:
        settings: Where it is and who we are.
        clock: The wall-clock time.

    Attributes:
        overheard: The whole of the last answer.
    """

    def __init__(self, settings: Settings, *, clock: Clock) -> None:
        self.overheard = Overheard(settings, clock)
        self._settings = settings
        self._routes = Routes.of(settings)
        self._client = ApiClient(settings, transport=self.overheard, retry=NO_RETRY, clock=clock)

    def ask(self, endpoint: Endpoint[T], params: Mapping[str, object]) -> T | Failed:
        """Call an endpoint and return its data, or what it means that there are none."""
        self.overheard.forget()
        led = self._routes.lead(endpoint, self._settings.gateway_url)
        response = self._client.call(led, params, raise_exception=False)
        if response.error is None:
            return cast("T", response.data)
        if self.overheard.answer is None:
            found = problem("gateway.answer", str(response.error), _why_unanswered(response.error, self._settings))
        else:
            found = explain(scrubbed(self.overheard.answer, self._settings))
        return Failed(code=response.code, finding=found)

    def close(self) -> None:
        """Close the kept connections."""
        self._client.close()


class Overheard(Transport):
    """A transport that keeps the last answer, whatever it was.

    Attributes:
        answer: The answer; None if none came.
        at: When it came.
        slowest: Seconds that the slowest call took that was answered.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(ca_bundle=settings.ca_bundle, proxy=settings.proxy)
        self._clock = clock
        self.answer: HttpResponse | None = None
        self.at = clock.now()
        self.slowest = 0.0

    def forget(self) -> None:
        """Keep no answer, until the next one comes."""
        self.answer = None

    def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request, and keep the answer."""
        answer = super().send(request)
        self.answer, self.at = answer, self._clock.now()
        self.slowest = max(self.slowest, answer.elapsed)
        return answer


def _why_unanswered(error: GatewayError, settings: Settings) -> str:
    if NO_TUNNEL in str(error):
        return PROXY
    if not isinstance(error, GatewayTimeout) or BROKE in str(error):  # a longer time mends nothing
        return THEM
    longer = longer_times(settings, allowed_time(settings))
    return f"if it is only slow, {longer}; otherwise {THEM}" if longer else THEM


def _clock_skew(answer: HttpResponse, heard_at: dt.datetime) -> Finding:
    """Compare the gateway's clock with ours, at the middle of the exchange; its word has whole seconds."""
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return ok("gateway.clock", "the gateway's answers carry no time to compare with")
    ours = heard_at - dt.timedelta(seconds=answer.elapsed / 2)
    ahead = ours - theirs.replace(tzinfo=theirs.tzinfo or dt.UTC)
    seconds = round(ahead.total_seconds())
    seen = f"our clock is {abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'} the gateway's"
    advice = "let a time service set this machine's clock, or the gateway's"
    if abs(ahead) > SKEW_HARMFUL:
        return problem("gateway.clock", f"{seen}: look-ups by time miss our tickets", advice)
    if abs(ahead) > SKEW_TOLD:
        return warning("gateway.clock", seen, advice)
    return ok("gateway.clock", seen if abs(seconds) > 1 else "our clock and the gateway's agree")
