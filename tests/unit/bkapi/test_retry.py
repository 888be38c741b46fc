"""How often and how patiently a call is tried again."""

from __future__ import annotations

import datetime as dt
import logging
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.bkapi import retry
from itsm_workflow.bkapi.retry import NO_RETRY, Pace, RetryPolicy, send_patiently, without_waiting
from itsm_workflow.bkapi.transport import HttpResponse
from itsm_workflow.errors import DefinitionError, GatewayError, GatewayProtocolError, GatewayTimeout, GatewayUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)


def answer(status: int = 200, **headers: str) -> HttpResponse:
    """Return an answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status=status, headers=MappingProxyType(named), body=b"", elapsed=0.0)


@attrs.define
class Line:
    """A server that answers in turn, and a clock that only sleeping and sending move.

    Attributes:
        outcomes: What each attempt brings.
        seconds: What each attempt takes.
        given: The seconds that each attempt was told are left.
        waits: The seconds that were slept.
    """

    outcomes: list[HttpResponse | GatewayError]
    seconds: float = 0.0
    time: float = 1000.0
    given: list[float] = attrs.field(factory=list)
    waits: list[float] = attrs.field(factory=list)

    def send(self, left: float) -> HttpResponse:
        """Take time, then answer or fail."""
        self.given.append(left)
        self.time += self.seconds
        outcome = self.outcomes[len(self.given) - 1]
        if isinstance(outcome, GatewayError):
            raise outcome
        return outcome

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.waits.append(seconds)
        self.time += seconds

    def run(self, policy: RetryPolicy, *, seconds: float = 20.0) -> HttpResponse:
        """Send patiently, always waiting as long as is allowed."""
        pace = Pace(monotonic=lambda: self.time, now=lambda: NOW, sleep=self.sleep, draw=lambda bound: bound)
        return send_patiently(self.send, policy=policy, seconds=seconds, pace=pace)


def line(outcomes: Iterable[HttpResponse | GatewayError], *, seconds: float = 0.0) -> Line:
    """Return a server."""
    return Line(outcomes=list(outcomes), seconds=seconds)


DOWN = GatewayUnavailable("down", endpoint="e")
SLOW = GatewayTimeout("slow", endpoint="e")
ODD = GatewayProtocolError("odd", endpoint="e")


@pytest.mark.parametrize("first", [DOWN, SLOW, answer(429), answer(502), answer(503), answer(504)])
def test_what_may_pass_is_tried_again(first: HttpResponse | GatewayError) -> None:
    """No connection, no answer, or a gateway that says "later"."""
    server = line([first, answer()])

    assert server.run(RetryPolicy()).status == 200
    assert server.waits == [0.2]


@pytest.mark.parametrize("first", [answer(400), answer(403), answer(404), answer(500), answer(302)])
def test_another_status_is_the_answer(first: HttpResponse) -> None:
    """Asking again would bring the same."""
    server = line([first])

    assert server.run(RetryPolicy()) is first


def test_what_is_not_the_gateway_s_language_is_not_tried_again() -> None:
    """It did answer."""
    server = line([ODD])

    with pytest.raises(GatewayProtocolError):
        server.run(RetryPolicy())
    assert len(server.given) == 1


def test_waits_double_up_to_their_bound() -> None:
    """Back off, but not for ever."""
    server = line([DOWN] * 6)

    with pytest.raises(GatewayUnavailable):
        server.run(RetryPolicy(attempts=6, first_wait=1, longest_wait=3), seconds=100)
    assert server.waits == [1, 2, 3, 3, 3]


def test_the_last_answer_is_returned_when_attempts_are_used_up() -> None:
    """The caller judges it."""
    server = line([answer(503)] * 3)

    assert server.run(RetryPolicy(attempts=3)).status == 503
    assert len(server.given) == 3


def test_no_retry_is_one_attempt() -> None:
    """For what must not happen twice."""
    server = line([DOWN])

    with pytest.raises(GatewayUnavailable):
        server.run(NO_RETRY)
    assert server.waits == []


def test_each_attempt_is_told_what_is_left() -> None:
    """The deadline is the call's, not the attempt's."""
    server = line([SLOW, answer()], seconds=8.0)

    server.run(RetryPolicy(first_wait=1.0))

    assert server.given == [20.0, 11.0]


def test_no_attempt_starts_that_cannot_end() -> None:
    """A wait that would reach the deadline is not begun."""
    server = line([SLOW] * 3, seconds=15.0)

    with pytest.raises(GatewayTimeout):
        server.run(RetryPolicy(first_wait=5.0))
    assert server.waits == []


@pytest.mark.parametrize(
    ("text", "waits"),
    [
        ("3", [3.0]),
        ("0", [0.2]),
        ("-5", [0.2]),
        ("soon", [0.2]),
        ("", [0.2]),
        ("Tue, 24 Nov 2026 12:00:07 GMT", [7.0]),
        ("Tue, 24 Nov 2026 11:00:00 GMT", [0.2]),
        ("Tue, 24 Nov 2026 12:00:07", [0.2]),
        ("10", [10.0]),
        ("11", []),
        ("99999999999999999999", []),
        ("Tue, 24 Nov 2099 12:00:00 GMT", []),
    ],
)
def test_retry_after_is_obeyed_up_to_a_bound(text: str, waits: list[float]) -> None:
    """Seconds or a date; a server that wants more than is obeyed is left alone."""
    server = line([answer(503, retry_after=text), answer()])

    server.run(RetryPolicy())

    assert server.waits == waits


def test_a_wait_is_drawn_between_the_shortest_and_its_bound() -> None:
    """What is drawn is what is between them; a shortest wait over a bound is waited for all the same."""
    server = line([DOWN] * 4)

    with pytest.raises(GatewayUnavailable):
        server.run(RetryPolicy(attempts=4, first_wait=1, longest_wait=3, shortest_wait=1.5), seconds=100)
    assert server.waits == [1.5, 2, 3]


def test_the_shortest_wait_may_be_the_longest() -> None:
    """Then nothing is drawn."""
    server = line([DOWN, answer()])

    server.run(RetryPolicy(first_wait=2, longest_wait=2, shortest_wait=2))
    assert server.waits == [2]


def test_the_log_says_which_attempt_of_which_call_failed_and_why(caplog: pytest.LogCaptureFixture) -> None:
    """As words, and as fields of the record."""
    caplog.set_level("INFO", logger="itsm_workflow.gateway.retry")
    server = line([DOWN, answer(503), answer()])
    pace = Pace(monotonic=lambda: server.time, now=lambda: NOW, sleep=server.sleep, draw=lambda bound: bound)

    send_patiently(server.send, policy=RetryPolicy(), seconds=20.0, pace=pace, call="search (request r)")

    assert [record.getMessage() for record in caplog.records] == [
        "search (request r): attempt 1 of 3 ended in gateway.unavailable, the next attempt follows in 0.200 s",
        "search (request r): attempt 2 of 3 ended in HTTP 503, the next attempt follows in 0.400 s",
    ]
    fields = [
        (vars(record)["itsm_call"], vars(record)["itsm_attempt"], vars(record)["itsm_reason"])
        for record in caplog.records
    ]
    assert fields == [("search (request r)", 1, "gateway.unavailable"), ("search (request r)", 2, "HTTP 503")]


def test_waiting_can_be_turned_off_by_a_block() -> None:
    """Tests of what surrounds the gateway do not sleep, and still try again."""
    server = line([DOWN, answer(503, retry_after="9"), answer()])

    with without_waiting():
        assert server.run(RetryPolicy()).status == 200
    assert server.waits == []
    waiting = line([DOWN, answer()])
    waiting.run(RetryPolicy())
    assert waiting.waits == [0.2]


def test_waiting_can_be_turned_off_by_the_policy() -> None:
    """The same, as a value."""
    server = line([DOWN, answer()])

    server.run(RetryPolicy(wait=False))

    assert server.waits == []


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("attempts", (0, -1, True, "3", 2.0)),
        ("first_wait", (-0.1, float("nan"), float("inf"), "1", True)),
        ("longest_wait", (-0.1, float("nan"), None)),
        ("shortest_wait", (-0.1, 5.1)),
        ("longest_retry_after", (-1, float("inf"))),
        ("statuses", ({503}, [503], frozenset({"503"}), frozenset({True}))),
        ("exceptions", ([GatewayUnavailable], GatewayUnavailable, (OSError,), ("GatewayUnavailable",))),
        ("results", ([bool], bool, ("bool",))),
        ("wait", ("no", 0, None)),
    ],
)
def test_a_policy_that_cannot_be_is_refused(field: str, values: Iterable[object]) -> None:
    """By the name of its field."""
    for value in values:
        with pytest.raises(DefinitionError, match=f"^retry policy: {field} must"):
            RetryPolicy(**{field: value})  # type: ignore[arg-type]  # the point of it


def test_all_problems_of_a_policy_are_named_together() -> None:
    """In the order of its fields."""
    with pytest.raises(DefinitionError) as caught:
        RetryPolicy(attempts=0, statuses={503}, results=[bool])  # type: ignore[arg-type]  # the point of it
    assert re.findall(r"(\w+) must", str(caught.value)) == ["attempts", "statuses", "results"]


def test_the_default_policy() -> None:
    """A call ends within seconds; a server that asks for a longer wait is left alone."""
    usual = RetryPolicy()

    assert (usual.first_wait, usual.longest_wait, usual.shortest_wait, usual.longest_retry_after) == (0.2, 5.0, 0.0, 10)
    assert usual.statuses == {429, 502, 503, 504}
    assert usual.wait


def test_waits_are_waited_for_by_default() -> None:
    """Outside of a block that turns them off; the log has a name of its own, so that a host can switch it."""
    assert retry._waiting.get()
    assert retry.logger is logging.getLogger("itsm_workflow.gateway.retry")


def test_the_least_that_a_policy_may_say() -> None:
    """One attempt, no wait, nothing that is tried again."""
    RetryPolicy(
        attempts=1,
        first_wait=0,
        longest_wait=0,
        shortest_wait=0,
        longest_retry_after=0,
        statuses=frozenset(),
        exceptions=(),
    )
