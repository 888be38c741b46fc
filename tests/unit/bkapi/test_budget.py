"""The time of several calls together: handed on at every layer, and nothing is sent once it is used up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.bkapi.retry import RetryPolicy
from itsm_workflow.budget import Budget
from itsm_workflow.errors import GatewayNotAsked, GatewayTimeout
from itsm_workflow.gateway.protocol import NotSent, SupportsBudget
from tests.support.calls import endpoint
from tests.support.gateways import create_request, sent, ticket
from tests.support.scripted import asked, scripted_client, scripted_gateway, success

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.bkapi.transport import HttpRequest
    from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway

SN = ticket().sn
ROW = {"id": 7, "sn": SN, "title": "t #GV755PZN", "creator": "alice", "current_status": "RUNNING"}
DATA: dict[str, object] = {
    "get_ticket_info": {**ROW, "current_steps": [], "fields": []},
    "get_ticket_status": {"current_steps": []},
    "get_ticket_logs": {"logs": []},
    "get_tickets": {"count": 1, "total_page": 1, "items": [ROW]},
    "ticket_approval_result": [],
    "get_services": [{"id": 12, "name": "收录"}],
    "create_ticket": {"id": 7, "sn": SN},
    "operate_ticket": [],
    "callback_failed_ticket": [],
    "token_verify": {"is_passed": True},
}


class Time:
    """Seconds that pass by a call."""

    def __init__(self, by_a_call: float = 0.0) -> None:
        self.now = 50.0
        self._by_a_call = by_a_call

    def __call__(self) -> float:
        """Return them."""
        return self.now

    def answer(self, request: HttpRequest) -> bytes:
        """Answer a call, which takes its time."""
        self.now += self._by_a_call
        return success(DATA.get(request.endpoint, []))


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), True, "9", None])
def test_a_budget_is_a_number_of_seconds(seconds: Any) -> None:  # noqa: ANN401 - wrong on purpose
    """Named where it is given."""
    with pytest.raises(ValueError, match="a budget must be a number of seconds above 0"):
        Budget(seconds)


def test_it_is_counted_down() -> None:
    """From when it was made, and not below 0."""
    time = Time()
    budget = Budget(10, elapsed=time)
    time.now += 4
    assert budget.left == 6
    time.now += 40
    assert budget.left == 0


class TestCall:
    """Of one call."""

    @pytest.mark.parametrize(
        ("of_settings", "of_endpoint", "of_call", "budget", "expected"),
        [
            (9.0, None, None, None, 9.0),
            (9.0, 8.0, None, None, 8.0),
            (9.0, 8.0, 7.0, None, 7.0),
            (9.0, 8.0, 7.0, 6.0, 6.0),
            (9.0, 8.0, 7.0, 70.0, 7.0),
            (9.0, None, None, 6.0, 6.0),
        ],
    )
    def test_the_shortest_of_all_is_what_is_sent_with(
        self,
        of_settings: float,
        of_endpoint: float | None,
        of_call: float | None,
        budget: float | None,
        expected: float,
    ) -> None:
        """The call's beats the endpoint's beats the settings'; a budget only shortens."""
        client, transport = scripted_client(lambda _: success([]), deadline=of_settings)
        given = None if budget is None else Budget(budget, elapsed=Time())
        client.call(endpoint(deadline=of_endpoint), deadline=of_call, budget=given)
        client.exchange(endpoint(deadline=of_call or of_endpoint), {}, budget=given)

        assert [request.deadline for request in transport.requests] == [
            pytest.approx(expected, abs=0.5),
            pytest.approx(expected, abs=0.5),
        ]

    def test_a_retry_gets_what_is_left(self) -> None:
        """Waits and attempts count."""
        time = Time()

        def busy(request: HttpRequest) -> Any:  # noqa: ANN401 - raises
            time.now += 2
            raise GatewayTimeout("no answer", endpoint=request.endpoint)

        client, transport = scripted_client(busy, deadline=9.0)
        client._pace = attrs.evolve(client._pace, monotonic=time)
        with pytest.raises(GatewayTimeout):
            client.call(endpoint(), budget=Budget(5, elapsed=time), retry=RetryPolicy(attempts=9, wait=False))
        assert [request.deadline for request in transport.requests] == [5, 3, 1]

    def test_nothing_is_sent_once_it_is_used_up(self) -> None:
        """The error says so; a remembered answer costs nothing and is returned."""
        time = Time()
        budget = Budget(5, elapsed=time)
        remembered = endpoint(name="kept", method="GET", cache_time=60)
        client, transport = scripted_client(lambda _: success([]))
        client.call(remembered, budget=budget)
        time.now += 5
        with pytest.raises(GatewayNotAsked, match="search: not asked: the time for this operation is used up"):
            client.call(endpoint(), budget=budget)
        assert client.call(remembered, budget=budget) == []
        assert len(transport.requests) == 1


class TestMany:
    """Of batches and pages: each call by its own deadline, all together by the budget."""

    @pytest.mark.parametrize(
        ("given", "expected"), [({}, [9.0] * 3), ({"deadline": 7.0}, [7.0] * 3), ({"budget": 6.0}, [6.0, 4.0, 2.0])]
    )
    def test_of_a_batch(self, given: dict[str, Any], expected: list[float]) -> None:
        """In chunks."""
        time = Time(by_a_call=2.0)
        client, transport = scripted_client(time.answer, deadline=9.0)
        options: dict[str, Any] = dict(given)
        if "budget" in given:
            options["budget"] = Budget(given["budget"], elapsed=time)
        client.batch_request(endpoint(), "ids", [1, 2, 3], get_data=list, chunk_size=1, concurrency=1, **options)
        assert [request.deadline for request in transport.requests] == expected

    @pytest.mark.parametrize(
        ("given", "expected"), [({}, [9.0] * 3), ({"deadline": 7.0}, [7.0] * 3), ({"budget": 6.0}, [6.0, 4.0, 2.0])]
    )
    def test_of_pages(self, given: dict[str, Any], expected: list[float]) -> None:
        """The first and the others."""
        time = Time(by_a_call=2.0)

        def answer(request: HttpRequest) -> bytes:
            time.answer(request)
            return success([1])

        client, transport = scripted_client(answer, deadline=9.0)
        options: dict[str, Any] = dict(given)
        if "budget" in given:
            options["budget"] = Budget(given["budget"], elapsed=time)
        client.bulk_request(endpoint(), get_data=list, get_count=lambda _: 3, page_size=1, concurrency=1, **options)
        assert [request.deadline for request in transport.requests] == expected

    def test_a_batch_that_runs_out_stops(self) -> None:
        """What has not begun does not begin."""
        time = Time(by_a_call=2.0)
        client, transport = scripted_client(time.answer, deadline=9.0)
        with pytest.raises(GatewayNotAsked):
            client.batch_request(
                endpoint(),
                "ids",
                list(range(9)),
                get_data=list,
                chunk_size=1,
                concurrency=1,
                budget=Budget(4, elapsed=time),
            )
        assert len(transport.requests) == 2


ACTS: dict[str, Callable[[BkItsmGateway], object]] = {
    "service": lambda gateway: gateway.service(),
    "services": lambda gateway: gateway.services(),
    "create": lambda gateway: gateway.create(create_request()),
    "read": lambda gateway: gateway.read(ticket()),
    "results": lambda gateway: gateway.results([ticket()]),
    "find_by_key": lambda gateway: gateway.find_by_key(sent()),
    "find_by_sn": lambda gateway: gateway.find_by_sn(SN, sent()),
    "withdraw": lambda gateway: gateway.withdraw(ticket(), operator="alice", reason="r"),
    "suspend": lambda gateway: gateway.suspend(ticket(), operator="alice", reason="r"),
    "undelivered": lambda gateway: gateway.undelivered(),
    "verify_token": lambda gateway: gateway.verify_token("t"),
    "get_ticket_logs": lambda gateway: gateway.get_ticket_logs(ticket()),
    "show": lambda gateway: gateway.show(ticket()),
    "iframe_url": lambda gateway: gateway.iframe_url(ticket()),
}


class TestGateway:
    """Of the port: a gateway within a budget is the same gateway."""

    @pytest.mark.parametrize("act", ACTS)
    def test_every_call_behind_an_act_gets_what_is_left(self, act: str) -> None:
        """Each call of a ticket's read, search, creation or withdrawal takes from the same budget."""
        time = Time(by_a_call=1.0)
        gateway, transport = scripted_gateway(time.answer, deadline=20.0, fast_approval=False, service_name="收录")
        assert isinstance(gateway, SupportsBudget)
        bounded = gateway.within(Budget(10, elapsed=time))
        ACTS[act](bounded)
        sent = [request.deadline for request in transport.requests]
        assert sent
        assert sent == [10.0 - number for number in range(len(sent))]

    @pytest.mark.parametrize("act", [act for act in ACTS if act != "create"])
    def test_nothing_is_read_once_it_is_used_up(self, act: str) -> None:
        """A read raises what says that nothing was tried."""
        time = Time()
        gateway, transport = scripted_gateway(time.answer, fast_approval=False, service_name="收录")
        bounded = gateway.within(Budget(1, elapsed=time))
        time.now += 1
        with pytest.raises(GatewayNotAsked):
            ACTS[act](bounded)
        assert not transport.requests

    def test_nothing_is_created_once_it_is_used_up(self) -> None:
        """The create was not sent, and says why."""
        time = Time()
        gateway, transport = scripted_gateway(time.answer)
        bounded = gateway.within(Budget(1, elapsed=time))
        time.now += 1
        answer = bounded.create(create_request())
        assert isinstance(answer, NotSent)
        assert "not asked" in answer.problem
        assert not transport.requests

    def test_the_gateway_itself_has_no_bound(self) -> None:
        """Making a bounded one changes nothing; what was looked up is remembered by both."""
        time = Time()
        gateway, transport = scripted_gateway(time.answer, deadline=20.0, fast_approval=False, service_name="收录")
        bounded = gateway.within(Budget(1, elapsed=time))
        assert bounded.service() == gateway.service() == "12"
        assert len(transport.requests) == 1
        time.now += 1
        gateway.read(ticket())
        assert {request.deadline for request in transport.requests[1:]} == {20.0}
        gateway.within(Budget(5, elapsed=time)).read(ticket())
        assert asked(transport.requests[-1])["sn"] == [SN]
        assert transport.requests[-1].deadline == 5
