"""The API client against a gateway that fails, row by row: a closed list of errors, and a call that always ends.

What a fault means for a ticket is `test_faults`'s; what a gateway may lie about, `test_lies`'s.
"""

from __future__ import annotations

import contextlib
import email.utils
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.bkapi.breaker import Breaker
from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.bkapi.endpoint import Endpoint
from itsm_workflow.bkapi.retry import NO_RETRY, RetryPolicy
from itsm_workflow.errors import GatewayError, GatewayProtocolError, GatewayTimeout
from itsm_workflow.gateway.bk_itsm.wire import CREATE_TICKET, GET_TICKETS, CreatedTicket
from tests.support.fault_server import (
    CREATED,
    Connection,
    FaultServer,
    answering,
    in_turn,
    response,
    sending,
    success,
)
from tests.support.gateways import NOW, settings
from tests.support.limits import PATIENCE
from tests.support.server_faults import AFTER_SENDING, OK, ask

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from itsm_workflow.bkapi.call_log import CallRecord

READ = Endpoint(name="read", method="GET", url="read/", answer=CreatedTicket, idempotent=True)
WRITE = Endpoint(name="write", method="POST", url="write/", answer=CreatedTicket, fresh_connection=True)
GOOD = response(OK)
THRICE = RetryPolicy(attempts=3, wait=False)


@contextlib.contextmanager
def client(url: str, **options: Any) -> Iterator[ApiClient]:
    """Give a client whose calls end after a second, and that tries once unless told otherwise."""
    fixed: dict[str, Any] = {"retry": NO_RETRY}
    wanted = {name: options.pop(name) for name in ("ca_bundle", "deadline", "timeout") if name in options}
    made = ApiClient(settings(url, **wanted), **fixed | options)
    try:
        yield made
    finally:
        made.close()


def outcome(made: ApiClient, endpoint: Endpoint[Any], **options: Any) -> GatewayError:
    """Return the error that a call ends in."""
    with pytest.raises(GatewayError) as caught:
        made.call(endpoint, {"sn": "REQ1"}, **options)
    return caught.value


class TestAfterSending:
    """G1 to G4: whatever comes back, or does not."""

    @pytest.mark.parametrize("name", AFTER_SENDING)
    def test_one_error_one_record_one_attempt(self, name: str) -> None:
        """The same for a call on a connection of its own; a server that holds the call would hold this test."""
        fault, kind = AFTER_SENDING[name]
        records: list[CallRecord] = []
        # Only what never ends is waited for until the deadline; the rest must not meet it on a busy machine.
        times = {"deadline": 0.5} if kind is GatewayTimeout else {"deadline": 60.0, "timeout": (60.0, 60.0)}
        with FaultServer(fault) as server, client(server.url, observers=[records.append], **times) as made:
            errors = [outcome(made, endpoint) for endpoint in (READ, WRITE)]

            assert [type(error) for error in errors] == [kind, kind]
            assert server.connections == 2
        assert [(record.outcome, record.attempts) for record in records] == [(kind.code, 1)] * 2
        assert [record.status for record in records] == [error.status for error in errors]

    @pytest.mark.parametrize("name", ["silence", "dripping headers", "dripping body", "dripping trailers"])
    def test_the_deadline_is_the_call_s_not_the_attempt_s(self, name: str) -> None:
        """A server that drips would have each of a hundred attempts for as long; all together have one deadline."""
        fault, _ = AFTER_SENDING[name]
        with FaultServer(fault) as server, client(server.url, deadline=0.5) as made:
            error = outcome(made, READ, retry=RetryPolicy(attempts=100, wait=False))

            assert type(error) is GatewayTimeout
            assert server.connections == 1

    @pytest.mark.parametrize("name", ["silence", "half a body, then closed", "reset after the request is read"])
    def test_a_read_is_tried_again_and_a_write_is_not(self, name: str) -> None:
        """A second connection for the one; never for the other, whatever the client's policy."""
        fault, _ = AFTER_SENDING[name]
        for endpoint, connections in ((READ, 3), (WRITE, 1)):
            with FaultServer(fault) as server, client(server.url, retry=THRICE, timeout=(0.2, 0.2)) as made:
                outcome(made, endpoint)

                assert server.connections == connections

    def test_the_next_call_is_none_the_worse(self) -> None:
        """A connection that broke is not used again, and a half-read answer is nobody else's."""
        waiting = iter([AFTER_SENDING["half a body, then closed"][0]] * 3 + [ask(OK)])

        def serve(connection: Connection) -> None:
            next(waiting)(connection)

        with FaultServer(serve) as server, client(server.url) as made:
            for _ in range(3):
                assert type(outcome(made, READ)) is GatewayTimeout
            assert made.call(READ).sn == CREATED["sn"]

    def test_a_provisional_answer_is_not_the_answer(self) -> None:
        """100 Continue goes before."""
        with FaultServer(answering(b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD)) as server, client(server.url) as made:
            assert made.call(READ).id == CREATED["id"]

    def test_a_thousand_resets_are_a_thousand_errors(self) -> None:
        """None hangs, none is tried again by a layer below, none leaves a connection behind."""
        with (
            FaultServer(in_turn(Connection.reset)) as server,
            client(server.url, deadline=30.0, breaker=Breaker(failures=0)) as made,
        ):
            kinds = {type(outcome(made, WRITE)) for _ in range(1000)}

            assert kinds == {GatewayTimeout}
            assert server.connections == 1000

    def test_a_kept_connection_that_died_costs_a_read_nothing(self) -> None:
        """The server hangs up after each answer; some calls notice before they send, the others try again."""
        with FaultServer(in_turn(sending(GOOD))) as server, client(server.url, retry=THRICE) as made:
            found = [made.call(READ).id for _ in range(300)]

            assert found == [CREATED["id"]] * 300
            assert server.connections == 300

    def test_a_write_never_uses_a_kept_connection(self) -> None:
        """It may have died without our knowing, and then the write's fate is unknown."""
        with FaultServer(answering(GOOD)) as server, client(server.url) as made:
            for endpoint in (READ, WRITE, READ, WRITE):
                made.call(endpoint)

            assert server.connections == 3

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
    "name", ["endless body", "a body until closed, endless", "a body that is said to be huge", "a bomb"]
)
def test_what_has_no_end_takes_no_memory(name: str) -> None:
    """G4: fifty such answers take a process no more than 8 MiB beyond what a good one of the allowed size takes."""
    whole = response(b"x" * (1 << 20))
    with FaultServer(AFTER_SENDING[name][0]) as server, FaultServer(answering(whole)) as other:
        command = [sys.executable, "-c", MEASURE, other.url, server.url]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= 8 * 1024


class TestElsewhere:
    """G5: an answer that points elsewhere is not followed."""

    @pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
    @pytest.mark.parametrize("endpoint", [READ, WRITE], ids=["read", "write"])
    def test_a_redirect_to_another_host(self, status: str, endpoint: Endpoint[Any]) -> None:
        """It sees no connection, so no header of ours; the error says what came."""
        with FaultServer(answering(GOOD)) as second:
            moved = response(b"", status=status, headers=(f"Location: {second.url}read/",))
            with FaultServer(answering(moved)) as first, client(first.url) as made:
                error = outcome(made, endpoint)

            assert (type(error), error.status) == (GatewayProtocolError, int(status[:3]))
            assert second.connections == 0

    @pytest.mark.parametrize(
        "target", ["", "/", "read/", "https://127.0.0.1:1/", "file:///etc/passwd", "//", "http://["]
    )
    def test_a_redirect_to_anywhere(self, target: str) -> None:
        """The same host, a loop, another scheme, no address at all: one request, one error."""
        seen: list[bytes] = []
        moved = response(b"", status="302 Found", headers=(f"Location: {target}",))
        with FaultServer(answering(moved, seen=seen)) as server, client(server.url, retry=THRICE) as made:
            assert type(outcome(made, READ)) is GatewayProtocolError

        assert len(seen) == 1

    def test_no_cookie_is_kept_or_sent(self) -> None:
        """Neither the gateway's, nor a person's."""
        seen: list[bytes] = []
        good = response(OK, headers=("Set-Cookie: sid=1; Path=/", "Set-Cookie: b=2; Domain=127.0.0.1"))
        with FaultServer(answering(good, seen=seen)) as server, client(server.url) as made:
            made.call(READ)
            made.call(READ)

        assert len(seen) == 2
        assert b"cookie" not in b"".join(seen).lower()


HTTP_DATE = email.utils.format_datetime(NOW.replace(second=3), usegmt=True)


class Now:
    """A clock that stands still."""

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
        with FaultServer(answering(*answers)) as server, client(server.url, retry=THRICE) as made:
            assert [made.call(READ).id for _ in range(50)] == [CREATED["id"]] * 50


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
