"""The API client against a gateway that fails: its bounds, its connections, its waits.

The rows of faults are those of `tests/integration/gateway/test_faults.py`, where a create meets them as well.
"""

from __future__ import annotations

import email.utils
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.bkapi.breaker import Breaker
from itsm_workflow.bkapi.retry import RetryPolicy
from itsm_workflow.errors import GatewayTimeout
from itsm_workflow.gateway.bk_itsm.wire import CREATE_TICKET, GET_TICKETS
from tests.support.callers import READ, WRITE, client, outcome
from tests.support.fault_server import CREATED, Connection, FaultServer, answering, in_turn, response, sending, success
from tests.support.gateways import NOW
from tests.support.limits import PATIENCE
from tests.support.long import long_after
from tests.support.server_faults import AFTER_SENDING, OK, ask

if TYPE_CHECKING:
    import datetime as dt


GOOD = response(OK)
THRICE = RetryPolicy(attempts=3, wait=False)


class TestAfterSending:
    """G1 to G4: whatever comes back, or does not."""

    @pytest.mark.parametrize("name", ["silence", "dripping headers", "dripping body", "dripping trailers"])
    def test_the_deadline_is_the_call_s_not_the_attempt_s(self, name: str) -> None:
        """A server that drips would have each of a hundred attempts for as long; all together have one deadline."""
        fault, _ = AFTER_SENDING[name]
        with FaultServer(fault) as server, client(server.url, deadline=0.5) as made:
            error = outcome(made, READ, retry=RetryPolicy(attempts=100, wait=False))

            assert type(error) is GatewayTimeout
            assert server.connections == 1

    def test_the_next_call_works(self) -> None:
        """A broken connection is not used again, and a half-read answer does not reach another call."""
        waiting = iter([AFTER_SENDING["half a body, then closed"][0]] * 3 + [ask(OK)])

        def serve(connection: Connection) -> None:
            next(waiting)(connection)

        with FaultServer(serve) as server, client(server.url, deadline=PATIENCE) as made:
            for _ in range(3):
                assert type(outcome(made, READ)) is GatewayTimeout
            assert made.call(READ).sn == CREATED["sn"]

    def test_a_provisional_answer_is_not_the_answer(self) -> None:
        """100 Continue goes before."""
        fault = answering(b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD)
        with FaultServer(fault) as server, client(server.url, deadline=PATIENCE) as made:
            assert made.call(READ).id == CREATED["id"]

    def test_three_hundred_resets_are_three_hundred_errors(self) -> None:
        """None hangs, none is tried again by a layer below, none leaves a connection behind."""
        with (
            FaultServer(in_turn(Connection.reset)) as server,
            client(server.url, deadline=30.0, breaker=Breaker(failures=0)) as made,
        ):
            kinds = {type(outcome(made, WRITE)) for _ in range(300)}

            assert kinds == {GatewayTimeout}
            assert server.connections == 300

    def test_a_kept_connection_that_died_costs_a_read_nothing(self) -> None:
        """The server hangs up after each answer; some calls notice before they send, the others try again."""
        with FaultServer(in_turn(sending(GOOD))) as server, client(server.url, retry=THRICE, deadline=PATIENCE) as made:
            found = [made.call(READ).id for _ in range(300)]

            assert found == [CREATED["id"]] * 300
            assert server.connections == 300

    def test_the_calls_that_must_not_happen_twice(self) -> None:
        """create_ticket sends on its own connection, once; a search may be tried again."""
        assert (CREATE_TICKET.fresh_connection, CREATE_TICKET.idempotent) == (True, False)
        assert (GET_TICKETS.fresh_connection, GET_TICKETS.idempotent) == (False, True)


MEASURE = """
import resource, sys
from itsm_workflow.errors import GatewayAnswerTooLarge
from itsm_workflow.bkapi.transport import HttpRequest, Transport
def request(url):
    return HttpRequest(endpoint="e", request_id="r", method="GET", url=url, headers={}, body=None,
                   connect_timeout=10.0, read_timeout=10.0, deadline=60.0)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 if sys.platform == "linux" else 1024)
transport, (plain, bad) = Transport(), sys.argv[1:]
for _ in range(5):
    transport.send(request(plain))
before = peak()
for _ in range(50):
    try:
        transport.send(request(bad))
    except GatewayAnswerTooLarge as error:
        assert "larger than 1048576 bytes" in str(error), error
    else:
        raise SystemExit("an answer without end was taken")
print(peak() - before)
"""


@pytest.mark.parametrize(
    "name", long_after(1, ["endless body", "a body until closed, endless", "a body that is said to be huge", "a bomb"])
)
def test_what_has_no_end_takes_no_memory(name: str) -> None:
    """G4: fifty such answers take a process no more than 8 MiB beyond what a good one of the allowed size takes."""
    whole = response(b"x" * (1 << 20))
    with FaultServer(AFTER_SENDING[name][0]) as server, FaultServer(answering(whole)) as other:
        command = [sys.executable, "-c", MEASURE, other.url, server.url]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= 8 * 1024


HTTP_DATE = email.utils.format_datetime(NOW.replace(second=3), usegmt=True)


class Now:
    """A clock that does not move."""

    def now(self) -> dt.datetime:
        """Return the time."""
        return NOW

    def elapsed(self) -> float:
        """Return how long it has stood."""
        return 0.0


class TestFlapping:
    """G8: a gateway that is down now and then is left in peace, and never for longer than was asked for."""

    @pytest.mark.parametrize(
        ("status", "header", "waits"),
        [
            ("429 Slow", "2", [2.0, 2.0]),
            ("503 Busy", "0", [0.1, 0.2]),
            ("503 Busy", "-7", [0.1, 0.2]),
            ("503 Busy", "soon", [0.1, 0.2]),
            ("503 Busy", HTTP_DATE, [3.0, 3.0]),
            ("503 Busy", "Thu, 01 Jan 1970 00:00:00 GMT", [0.1, 0.2]),
            ("429 Slow", "11", []),
            ("429 Slow", "86400", []),
            ("429 Slow", "9" * 400, []),
            ("503 Busy", "Fri, 31 Dec 9999 23:59:59 GMT", []),
            ("500 Broken", "1", []),
        ],
    )
    def test_waits_are_drawn_doubled_and_what_the_server_asked_for(
        self, status: str, header: str, waits: list[float]
    ) -> None:
        """Half of each bound is drawn here. A server that wants more than is obeyed is not asked again."""
        seen: list[bytes] = []
        slept: list[float] = []
        busy = response(b"", status=status, headers=(f"Retry-After: {header}",))
        options: dict[str, Any] = {"clock": Now(), "sleep": slept.append, "draw": lambda bound: bound / 2}
        with (
            FaultServer(answering(busy, seen=seen)) as server,
            client(server.url, deadline=20.0, retry=RetryPolicy(attempts=3, first_wait=0.2), **options) as made,
        ):
            error = outcome(made, READ)

        assert error.status == int(status[:3])
        assert slept == pytest.approx(waits)
        assert len(seen) == len(waits) + 1

    def test_a_gateway_that_flaps_is_read_all_the_same(self) -> None:
        """Every second answer is good."""
        answers = [response(b"", status="502 Bad"), GOOD] * 50
        with FaultServer(answering(*answers)) as server, client(server.url, retry=THRICE, deadline=PATIENCE) as made:
            assert [made.call(READ).id for _ in range(50)] == [CREATED["id"]] * 50


@pytest.mark.long
def test_threads_get_their_own_answers_while_others_fail() -> None:
    """Twenty threads share ten connections; every third request breaks its connection."""
    lock, count = threading.Lock(), [0]

    def serve(connection: Connection) -> None:
        while request := connection.read_request():
            with lock:
                count[0] += 1
                number = count[0]
            if number % 3 == 0:
                connection.reset()
                return
            asked = request.partition(b"n=")[2].partition(b"&")[0].decode()
            connection.send(response(success({"id": int(asked), "sn": asked})))

    wrong: list[object] = []
    with (
        FaultServer(serve) as server,
        client(server.url, retry=RetryPolicy(attempts=30, wait=False), deadline=60.0) as made,
    ):

        def call(first: int) -> None:
            for number in range(first, first + 20):
                found = made.call(READ, {"n": number})
                if found.id != number:
                    wrong.append((number, found))

        threads = [threading.Thread(target=call, args=(first,)) for first in range(0, 2000, 100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert wrong == []
    assert count[0] >= 400
