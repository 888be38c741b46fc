"""A gateway that does not answer is left alone, tried again by one call, and asked again once it answers."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from itsm_workflow.bkapi.breaker import Breaker, Resting
from itsm_workflow.bkapi.client import _ABSENT as ABSENT
from itsm_workflow.bkapi.retry import RetryPolicy
from itsm_workflow.bkapi.transport import HttpResponse
from itsm_workflow.budget import Budget
from itsm_workflow.errors import GatewayError, GatewayNotAsked, GatewayProtocolError, GatewayTimeout, GatewayUnavailable
from itsm_workflow.gateway.protocol import NotSent, SupportsRest
from itsm_workflow.testing.manual_clock import ManualClock
from tests.support.calls import endpoint
from tests.support.gateways import create_request, settings, ticket
from tests.support.limits import PATIENCE
from tests.support.pids import see_pid
from tests.support.scripted import ScriptedTransport, scripted_client, scripted_gateway, success

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.bkapi.transport import HttpRequest


class Time:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return them."""
        return self.now


def fail(breaker: Breaker, times: int, *names: str) -> None:
    """Let that many calls in a row fail."""
    for _ in range(times):
        breaker.failed(*names)


class TestBreaker:
    """The states alone."""

    def test_rests_after_failures_in_a_row(self) -> None:
        """Not before, and an answer in between counts from the beginning."""
        breaker = Breaker(failures=3, rest=30, monotonic=Time())
        fail(breaker, 2, "a")
        breaker.answered("a")
        fail(breaker, 2, "a")
        assert breaker.admit("a") is None
        breaker.failed("a")
        assert breaker.admit("a") == Resting(name="a", failures=3, seconds=30.0)
        assert breaker.admit("b") is None

    def test_one_call_is_let_through_after_the_rest(self) -> None:
        """Others wait for what it finds; one that vanishes delays the next attempt by a rest."""
        time = Time()
        breaker = Breaker(failures=1, rest=30, monotonic=time)
        breaker.failed("a")
        time.now += 29.9
        assert breaker.admit("a") is not None
        time.now += 0.1
        assert [breaker.admit("a") is None for _ in range(3)] == [True, False, False]
        time.now += 30
        assert [breaker.admit("a") is None for _ in range(3)] == [True, False, False]

    def test_the_attempt_decides(self) -> None:
        """An answer ends the rest, a failure starts another one."""
        time = Time()
        breaker = Breaker(failures=2, rest=30, monotonic=time)
        fail(breaker, 2, "a")
        time.now += 30
        assert breaker.admit("a") is None
        time.now += 10
        breaker.failed("a")
        resting = breaker.admit("a")
        assert resting is not None
        assert resting.seconds == 30.0
        time.now += 30
        assert breaker.admit("a") is None
        breaker.answered("a")
        assert breaker.admit("a") is None
        assert breaker.state == []

    def test_a_call_that_is_held_back_claims_nothing(self) -> None:
        """Of two names the one that may be tried keeps its turn while the other one rests."""
        time = Time()
        breaker = Breaker(failures=1, rest=30, monotonic=time)
        breaker.failed("early")
        time.now += 20
        breaker.failed("late")
        time.now += 10
        assert breaker.admit("early", "late") is not None
        assert breaker.admit("early") is None

    def test_the_state_shows_what_rests(self) -> None:
        """By name, with when it is tried again; looking claims nothing."""
        time = Time()
        breaker = Breaker(failures=1, rest=30, monotonic=time)
        breaker.failed("b", "a")
        time.now += 10.4
        assert [(each.name, each.failures, round(each.seconds, 1)) for each in breaker.state] == [
            ("a", 1, 19.6),
            ("b", 1, 19.6),
        ]
        assert str(breaker.state[0]) == "1 calls of a in a row were not answered"
        time.now += 20
        assert breaker.state == []
        assert breaker.resting("a") is None
        assert breaker.admit("a") is None

    def test_none_is_ever_held_back_with_0(self) -> None:
        """The way to do without."""
        breaker = Breaker(failures=0)
        fail(breaker, 100, "a")
        assert breaker.admit("a") is None

    @pytest.mark.parametrize(
        "given",
        [{"failures": -1}, {"failures": True}, {"failures": 1.5}, {"rest": 0}, {"rest": float("inf")}, {"rest": "9"}],
    )
    def test_numbers_that_make_no_sense(self, given: dict[str, Any]) -> None:
        """Named where they are given."""
        with pytest.raises(ValueError, match=f"^{next(iter(given))} must be a"):
            Breaker(**given)

    def test_threads_get_one_attempt_between_them(self) -> None:
        """However many ask at the same moment."""
        time = Time()
        breaker = Breaker(failures=1, rest=30, monotonic=time)
        breaker.failed("a")
        time.now += 30
        barrier, admitted = threading.Barrier(8), list[bool]()

        def ask() -> None:
            barrier.wait(PATIENCE)
            admitted.append(breaker.admit("a") is None)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert sorted(admitted) == [False] * 7 + [True]

    def test_whatever_reads_or_writes_the_states_holds_the_lock(self) -> None:
        """Also where one step of today's interpreter would do."""
        breaker = Breaker(failures=1)
        lock = breaker._lock = mock.MagicMock(wraps=breaker._lock)

        breaker.failed("a")
        breaker.resting("a")
        breaker.admit("a")
        assert len(breaker.state) == 1
        breaker.answered("a")

        assert lock.__enter__.call_count == lock.__exit__.call_count == 5

    def test_a_forked_child_starts_without_a_rest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its parent's lock may be held by a thread that it does not have."""
        breaker = Breaker(failures=1, monotonic=Time())
        breaker.failed("a")
        breaker._lock.acquire()
        see_pid(monkeypatch, "itsm_workflow.bkapi.breaker")
        assert breaker.admit("a") is None


Say = GatewayError | int | bytes


def speaking(*lines: Say) -> Callable[[HttpRequest], bytes | HttpResponse]:
    """Return what answers each request with the next line, the last one again and again."""
    waiting = list(lines)

    def answer(_: HttpRequest) -> bytes | HttpResponse:
        line = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(line, GatewayError):
            raise line
        return HttpResponse(status=line, headers={}, body=b"", elapsed=0.0) if isinstance(line, int) else line

    return answer


GONE = GatewayUnavailable("nothing was sent", endpoint="e")
SILENT = GatewayTimeout("no complete answer", endpoint="e")
GARBAGE = GatewayProtocolError("not HTTP", endpoint="e")
OK = success([])
READ = endpoint(name="read")


class TestClient:
    """What counts as not answered, and what a call says that was not sent."""

    @pytest.mark.parametrize("line", [GONE, SILENT, 429, 502, 503, 504])
    def test_silence_is_left_alone(self, line: Say) -> None:
        """After the failures that the settings allow nothing is sent, and the error says why and until when."""
        client, transport = scripted_client(speaking(line), breaker_failures=3, breaker_rest=60.0)
        for _ in range(3):
            with pytest.raises(GatewayError) as caught:
                client.call(READ)
            assert not isinstance(caught.value, GatewayNotAsked)
        with pytest.raises(GatewayNotAsked, match=r"read: not asked: 3 calls of \S+") as caught:
            client.call(READ)

        assert len(transport.requests) == 3
        assert caught.value.code == "gateway.not_asked"
        assert "http://127.0.0.1:9 in a row were not answered (" in str(caught.value)  # no time that passes

    def test_the_statuses_of_silence_are_those_that_are_tried_again(self) -> None:
        """A proxy reports with them that the gateway behind it does not answer."""
        assert RetryPolicy().statuses == ABSENT

    @pytest.mark.parametrize("line", [200, 400, 403, 404, 500, GARBAGE, OK])
    def test_an_answer_of_any_other_kind_counts_as_one(self, line: Say) -> None:
        """A page of errors, or one ticket that the server cannot show, says that it is there."""
        lines: list[Say] = [SILENT, SILENT, line, SILENT, SILENT, OK]
        client, transport = scripted_client(speaking(*lines), breaker_failures=3)
        for _ in lines:
            client.call(READ, raise_exception=False)
        assert len(transport.requests) == 6

    def test_an_answer_counts_also_if_a_hook_fails_on_it(self) -> None:
        """A defect of the host's own says nothing of the gateway, and must not keep it held back."""
        client, transport = scripted_client(speaking(SILENT, OK, SILENT, OK), breaker_failures=2)
        hooked = endpoint(name="read", after_request=lambda envelope: envelope["missing"])
        client.call(READ, raise_exception=False)
        with pytest.raises(KeyError):
            client.call(hooked)
        client.call(READ, raise_exception=False)
        client.call(READ)
        assert len(transport.requests) == 4

    def test_an_endpoint_is_left_alone_by_itself(self) -> None:
        """While others are answered, only the one that hangs rests."""

        def answer(request: HttpRequest) -> bytes:
            if request.endpoint == "hangs":
                raise SILENT
            return OK

        client, transport = scripted_client(answer, breaker_failures=2)
        for _ in range(5):
            client.call(endpoint(name="hangs"), raise_exception=False)
            client.call(READ)
        assert [request.endpoint for request in transport.requests].count("hangs") == 2
        assert client.resting(READ) is None
        resting = client.resting(endpoint(name="hangs"))
        assert resting is not None
        assert resting.name == "hangs at http://127.0.0.1:9"

    def test_a_gateway_that_is_gone_is_gone_for_every_endpoint(self) -> None:
        """Another host is not."""
        client, _ = scripted_client(speaking(GONE, GONE, OK), breaker_failures=2)
        for name in ("one", "two"):
            client.call(endpoint(name=name), raise_exception=False)
        with pytest.raises(GatewayNotAsked):
            client.call(READ)
        client.call(endpoint(url="https://other.example.com/search/"))

    def test_an_answer_ends_the_rest(self) -> None:
        """The one call that is let through asks for all."""
        time = Time()
        breaker = Breaker(failures=1, rest=30, monotonic=time)
        client, _ = scripted_client(speaking(GONE, OK))
        client.breaker = breaker
        client.call(READ, raise_exception=False)
        time.now += 30
        client.call(READ)
        client.call(endpoint(name="another"))
        assert breaker.state == []

    def test_what_needs_no_gateway_goes_on(self) -> None:
        """A remembered answer and a default are returned meanwhile."""
        remembered = endpoint(name="read", method="GET", cache_time=600)
        client, _ = scripted_client(speaking(OK, GONE), breaker_failures=1)
        client.call(remembered)
        client.call(READ, raise_exception=False)
        assert client.resting(remembered) is not None
        assert client.call(remembered) == []
        assert client.call(endpoint(default_return_value=7)) == 7

    def test_the_last_drops_of_a_budget_say_nothing_of_the_gateway(self) -> None:
        """A call that was given less time than one read may take is no evidence; one that was given enough is."""
        client, transport = scripted_client(speaking(SILENT), breaker_failures=2, timeout=(1.0, 2.0), deadline=9.0)
        for _ in range(5):
            client.call(READ, budget=Budget(1.0), raise_exception=False)
        assert client.resting(READ) is None
        for _ in range(5):
            client.call(READ, budget=Budget(3.0), raise_exception=False)
        assert len(transport.requests) == 7

    def test_it_is_recorded_as_not_asked(self) -> None:
        """One record, no attempt."""
        records: list[Any] = []
        client, _ = scripted_client(speaking(GONE), observers=[records.append], breaker_failures=1)
        for _ in range(2):
            client.call(READ, raise_exception=False)
        assert [(record.outcome, record.attempts) for record in records] == [
            ("gateway.unavailable", 1),
            ("gateway.not_asked", 0),
        ]


class TestGateway:
    """What the port says of it."""

    def test_a_create_that_was_not_asked_was_not_sent(self) -> None:
        """It says that the gateway was left alone."""
        gateway, transport = scripted_gateway(speaking(GONE), breaker_failures=1)
        first, second = (gateway.create(create_request()) for _ in range(2))

        assert isinstance(first, NotSent)
        assert isinstance(second, NotSent)
        assert "not asked" not in first.problem
        assert "create_ticket: not asked: 1 calls of" in second.problem
        assert len(transport.requests) == 1

    def test_it_says_that_it_rests(self) -> None:
        """So that a pass over many changes stops."""
        gateway, _ = scripted_gateway(speaking(SILENT), breaker_failures=2)
        assert isinstance(gateway, SupportsRest)
        assert gateway.resting() == ""
        for _ in range(2):
            with pytest.raises(GatewayTimeout):
                gateway.read(ticket())
        with pytest.raises(GatewayNotAsked):
            gateway.read(ticket())
        said = r"2 calls of .+ in a row were not answered; the next call is allowed in \d+ s"
        assert re.fullmatch(said, gateway.resting())

    def test_each_client_has_its_own(self) -> None:
        """Another process, or another client, finds out for itself; nothing is stored."""
        one, _ = scripted_client(speaking(GONE), breaker_failures=1)
        one.call(READ, raise_exception=False)
        other, _ = scripted_client(speaking(OK), breaker_failures=1)
        assert other.call(READ) == []

    def test_it_rests_as_long_as_the_settings_say(self) -> None:
        """By the client's own clock."""
        clock = ManualClock()
        client, transport = scripted_client(speaking(GONE), clock=clock, breaker_failures=1, breaker_rest=7.0)
        sent = []
        for seconds in (0.0, 0.0, 6.9, 0.2):
            clock.advance(seconds)
            client.call(READ, raise_exception=False)
            sent.append(len(transport.requests))

        assert sent == [1, 1, 1, 2]

    def test_the_settings_set_it(self) -> None:
        """By default five calls, and half a minute."""
        made = settings("http://127.0.0.1:9/")
        assert (made.breaker_failures, made.breaker_rest) == (5, 30.0)
        client, transport = scripted_client(speaking(GONE))
        for _ in range(9):
            client.call(READ, raise_exception=False)
        assert isinstance(transport, ScriptedTransport)
        assert len(transport.requests) == 5
