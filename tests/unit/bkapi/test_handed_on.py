"""What a caller says of a call reaches the request, by whatever way it is made, and what comes back names the call."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import pytest

from itsm_workflow.bkapi.context import RequestContext
from itsm_workflow.bkapi.endpoint import PaginationStyle
from itsm_workflow.bkapi.retry import RetryPolicy
from itsm_workflow.bkapi.transport import HttpResponse, Transport
from itsm_workflow.budget import Budget
from itsm_workflow.errors import GatewayError, GatewayNotAsked, GatewayProtocolError, GatewayUnavailable
from itsm_workflow.testing.manual_clock import ManualClock
from tests.support.calls import client, endpoint
from tests.support.fault_server import success

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.bkapi.client import ApiClient
    from itsm_workflow.bkapi.transport import HttpRequest

ALICE = RequestContext(user="alice", request_id="r-1")
BUSY = HttpResponse(status=503, headers=MappingProxyType({}), body=b"", elapsed=0.0)
WAYS = ["call", "exchange", "batch_request", "bulk_request"]
PAGES = ["batch_request", "bulk_request"]


class Line:
    """Stands in for the transport: remembers each request, and answers it.

    Attributes:
        busy: How many requests are answered with "busy" first.
    """

    pool_size = 1

    def __init__(self, answer: Callable[[HttpRequest], HttpResponse] | None = None) -> None:
        self.requests: list[HttpRequest] = []
        self.busy = 0
        self.is_closed = False
        self._answer = answer

    def send(self, request: HttpRequest) -> HttpResponse:
        """Answer with two rows, of which the search finds four."""
        self.requests.append(request)
        if self.busy:
            self.busy -= 1
            return BUSY
        return self._answer(request) if self._answer else answered({"count": 4, "items": [1, 2]})

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


def answered(data: object, **envelope: object) -> HttpResponse:
    """Return an answer with these data."""
    body = json.dumps({**success(data), **envelope}).encode()
    return HttpResponse(
        status=200, headers=MappingProxyType({"content-type": "application/json"}), body=body, elapsed=0.0
    )


def client_of(line: Line, **options: Any) -> ApiClient:
    """Return a client whose requests go down that line."""
    given = {"timeout": (5.0, 6.0), "deadline": 10.0, **options.pop("given", {})}
    return client(given=given, transport=cast("Transport", line), **options)


def make(way: str, ours: ApiClient, **options: Any) -> None:
    """Make a call in one of the ways, or as many as it takes."""
    if way == "batch_request":
        ours.batch_request(
            endpoint(), "sns", [1, 2, 3, 4], get_data=lambda data: data["items"], chunk_size=2, concurrency=1, **options
        )
    elif way == "bulk_request":
        ours.bulk_request(
            endpoint(),
            get_data=lambda data: data["items"],
            get_count=lambda data: data["count"],
            page_size=2,
            **options,
        )
    elif way == "exchange":
        ours.exchange(endpoint(), {}, **options)
    else:
        ours.call(endpoint(), **options)


class TestOptions:
    """From the caller to the request."""

    @pytest.mark.parametrize("way", ["call", *PAGES])
    @pytest.mark.parametrize(
        ("option", "sent"),
        [
            ({"timeout": (1.0, 2.0)}, {"connect_timeout": 1.0, "read_timeout": 2.0, "deadline": 10.0}),
            ({"timeout": 3.0}, {"connect_timeout": 3.0, "read_timeout": 3.0, "deadline": 10.0}),
            ({"deadline": 4.0}, {"connect_timeout": 5.0, "read_timeout": 6.0, "deadline": 4.0}),
            ({"budget": Budget(2.5, elapsed=lambda: 0.0)}, {"deadline": 2.5}),
            ({}, {"connect_timeout": 5.0, "read_timeout": 6.0, "deadline": 10.0, "fresh": False, "max_bytes": None}),
        ],
    )
    def test_times_are_the_callers(self, way: str, option: dict[str, Any], sent: dict[str, Any]) -> None:
        """Of every request that the call takes."""
        line = Line()
        make(way, client_of(line), **option)

        assert line.requests
        for request in line.requests:
            assert {name: getattr(request, name) for name in sent} == sent

    @pytest.mark.parametrize("way", ["call", *PAGES])
    def test_tenant_is_the_callers(self, way: str) -> None:
        """It beats the settings'."""
        line = Line()
        make(way, client_of(line), tenant="t-9")

        assert {request.headers["X-Bk-Tenant-Id"] for request in line.requests} == {"t-9"}

    @pytest.mark.parametrize("way", WAYS)
    def test_context_is_the_callers(self, way: str) -> None:
        """User and request id."""
        line = Line()
        make(way, client_of(line), context=ALICE)

        for request in line.requests:
            assert request.request_id == request.headers["X-Request-Id"] == "r-1"
            assert json.loads(request.headers["X-Bkapi-Authorization"].reveal())["bk_username"] == "alice"  # type: ignore[union-attr]  # a Secret

    @pytest.mark.parametrize(("way", "calls"), [("call", 1), ("batch_request", 2), ("bulk_request", 2)])
    def test_retry_is_the_callers(self, way: str, calls: int) -> None:
        """The client by itself would try once."""
        line = Line()
        line.busy = 1
        make(way, client_of(line), retry=RetryPolicy(attempts=2, wait=False))

        assert len(line.requests) == calls + 1

    def test_endpoints_own_times_and_limits(self) -> None:
        """They beat the settings, and the caller's beat them."""
        line = Line()
        own = endpoint(timeout=(1.5, 2.5), deadline=7.0, fresh_connection=True, max_bytes=99)
        client_of(line).call(own)
        client_of(line).call(own, timeout=(1.0, 2.0), deadline=3.0)

        first, second = line.requests
        assert (first.connect_timeout, first.read_timeout, first.deadline) == (1.5, 2.5, 7.0)
        assert (second.connect_timeout, second.read_timeout, second.deadline) == (1.0, 2.0, 3.0)
        assert (first.fresh, first.max_bytes, first.endpoint, first.method) == (True, 99, "search", "POST")

    def test_what_we_accept_and_who_we_are(self) -> None:
        """In every request."""
        line = Line()
        client_of(line).call(endpoint())

        [request] = line.requests
        assert (request.headers["Accept"], request.headers["User-Agent"]) == ("application/json", "itsm-workflow")

    def test_body_holds_no_blanks(self) -> None:
        """Bytes that say nothing."""
        line = Line()
        client_of(line).call(endpoint(), {"a": [1, 2], "b": 3})

        assert line.requests[0].body == b'{"a":[1,2],"b":3}'


class TestSizes:
    """What a search in pages, or a list in chunks, may ask for."""

    @pytest.mark.parametrize("size", [0, -1, True, 1.5, "2"])
    @pytest.mark.parametrize("name", ["page_size", "max_pages", "concurrency"])
    def test_sizes_of_pages_are_whole_numbers(self, name: str, size: object) -> None:
        """The error names which is not, and nothing is sent."""
        line = Line()
        wrong: dict[str, Any] = {name: size}
        with pytest.raises(ValueError, match=f"^{name} must be a whole number of at least 1, not {size!r}$"):
            client_of(line).bulk_request(endpoint(), get_data=list, get_count=len, **wrong)

        assert line.requests == []

    @pytest.mark.parametrize("name", ["chunk_size", "concurrency"])
    def test_sizes_of_chunks_are_whole_numbers(self, name: str) -> None:
        """The same."""
        wrong: dict[str, Any] = {name: 0}
        with pytest.raises(ValueError, match=f"^{name} must be a whole number of at least 1, not 0$"):
            client_of(Line()).batch_request(endpoint(), "sns", [1], get_data=list, **wrong)

    def test_as_many_pages_as_are_allowed(self) -> None:
        """One row more is refused."""
        counts: dict[str, Any] = {
            "get_data": lambda data: data["items"],
            "get_count": lambda data: data["count"],
            "page_size": 2,
        }
        assert client_of(Line()).bulk_request(endpoint(), max_pages=2, **counts) == [1, 2, 1, 2]
        with pytest.raises(
            GatewayProtocolError, match="the search finds 4 rows, more than 1 pages of 2: narrow the search"
        ):
            client_of(Line()).bulk_request(endpoint(), max_pages=1, **counts)

    @pytest.mark.parametrize(
        ("options", "key"),
        [
            ({}, "page"),
            ({"method": "GET"}, "offset"),
            ({"method": "GET"}, "limit"),
            ({"pagination_style": PaginationStyle.PAGE_NUMBER}, "page"),
            ({"pagination_style": PaginationStyle.PAGE_NUMBER}, "pagesize"),
        ],
    )
    def test_the_page_is_not_among_the_parameters(self, options: dict[str, Any], key: str) -> None:
        """It would be asked for twice."""
        line = Line()
        with pytest.raises(ValueError, match=f"search: '{key}' selects the page of each call"):
            client_of(line).bulk_request(endpoint(**options), {key: 1}, get_data=list, get_count=len)
        assert line.requests == []


def raised(ours: ApiClient, **options: Any) -> GatewayError:
    """Return the error of a call."""
    with pytest.raises(GatewayError) as caught:
        ours.call(endpoint(**options), context=ALICE)
    return caught.value


class TestNames:
    """Each error and each response names the endpoint and the call."""

    @pytest.mark.parametrize(
        ("answer", "options"),
        [
            pytest.param(answered(None, result=False, code=1), {}, id="a refusal"),
            pytest.param(
                HttpResponse(status=200, headers=MappingProxyType({}), body=b"<p>", elapsed=0.0), {}, id="no JSON"
            ),
            pytest.param(answered("text"), {"answer": list[int]}, id="another type"),
            pytest.param(answered(None, result=None), {}, id="no result"),
            pytest.param(BUSY, {}, id="a status"),
        ],
    )
    def test_of_an_answer_that_does_not_count(self, answer: HttpResponse, options: dict[str, Any]) -> None:
        """For a person who looks for it in the gateway's log."""
        error = raised(client_of(Line(lambda _: answer)), **options)

        assert (error.endpoint, error.request_id) == ("search", "r-1")

    def test_of_a_call_that_is_held_back(self) -> None:
        """Nothing was sent; the log has a line of it all the same."""

        def gone(_: HttpRequest) -> HttpResponse:
            raise GatewayUnavailable("down", endpoint="search", request_id="r-1")

        ours = client_of(Line(gone), given={"breaker_failures": 1})
        raised(ours)
        error = raised(ours)

        assert isinstance(error, GatewayNotAsked)
        assert (error.endpoint, error.request_id) == ("search", "r-1")

    @pytest.mark.parametrize(
        ("answer", "options"),
        [
            pytest.param(answered(1), {}, id="a success"),
            pytest.param(answered(None, result=False, code=1), {}, id="a refusal"),
            pytest.param(BUSY, {}, id="no answer that counts"),
            pytest.param(answered(1), {"default_return_value": 5}, id="a default"),
        ],
    )
    def test_of_a_response(self, answer: HttpResponse, options: dict[str, Any]) -> None:
        """Also where nothing is raised."""
        ours = client_of(Line(lambda _: answer))
        response = ours.call(endpoint(**options), context=ALICE, raise_exception=False)

        assert response.request_id == "r-1"
        assert response.is_success == (response.error is None)


class TestClient:
    """What a client does with what it is made of."""

    def test_closing_closes_the_connections(self) -> None:
        """And an answer that was remembered is asked for again."""
        line = Line()
        ours = client_of(line)
        ours.call(endpoint(method="GET", cache_time=60))
        ours.close()
        ours.call(endpoint(method="GET", cache_time=60))

        assert line.is_closed
        assert len(line.requests) == 2

    def test_a_remembered_answer_is_recorded_like_one_that_came(self) -> None:
        """By its status and size."""
        records: list[Any] = []
        ours = client_of(Line(), observers=[records.append])
        for _ in range(2):
            ours.call(endpoint(method="GET", cache_time=60))

        first, second = records
        assert (second.cached, second.status, second.code) == (True, first.status, first.code)

    def test_its_clock_is_that_of_its_connections_and_its_memory(self) -> None:
        """A test moves it; a wait is never measured by another."""
        now = [100.0]
        ours = client(monotonic=lambda: now[0])

        assert ours._transport._monotonic() == ours._cache._monotonic() == 100.0

    def test_a_gateway_rests_as_long_as_the_settings_say(self) -> None:
        """By the client's own clock."""
        clock = ManualClock()

        def gone(_: HttpRequest) -> HttpResponse:
            raise GatewayUnavailable("down", endpoint="search")

        line = Line(gone)
        ours = client_of(line, clock=clock, given={"breaker_failures": 1, "breaker_rest": 7.0})
        for _ in range(2):
            raised(ours)
        clock.advance(6.9)
        raised(ours)
        assert len(line.requests) == 1

        clock.advance(0.2)
        raised(ours)
        assert len(line.requests) == 2
