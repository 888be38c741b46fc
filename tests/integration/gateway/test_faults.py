"""Whatever a server does, a call ends in time, in one error of ours, and a create in one of four answers."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.bkapi.retry import RetryPolicy
from itsm_workflow.errors import GatewayError, GatewayRefused, GatewayTimeout, GatewayUnavailable
from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway
from itsm_workflow.gateway.bk_itsm.wire import NOT_PASSED_ON
from itsm_workflow.gateway.protocol import Created, NotSent, Refused, Unknown
from tests.support.callers import CALLERS, READ, SENDERS, WRITE, client, outcome
from tests.support.fault_server import CREATED, FaultServer, answering, packed, response, success
from tests.support.gateways import create_request, gateway
from tests.support.limits import PATIENCE
from tests.support.server_faults import AFTER_SENDING, OK, ask

if TYPE_CHECKING:
    from itsm_workflow.bkapi.call_log import CallRecord


@pytest.mark.parametrize("name", AFTER_SENDING)
def test_a_fault_after_sending_leaves_a_create_unknown_and_ends_in_time(name: str) -> None:
    """Bytes may have left, so there may be a ticket. Each call is one attempt, one record and one kind of error.

    A read and a write of the client are calls on a shared connection and on one of their own. A server that holds one
    of the calls would hold this test.
    """
    fault, kind = AFTER_SENDING[name]
    records: list[CallRecord] = []
    # Only what never ends is waited for until the deadline; the rest must not meet it on a busy machine.
    times = {"deadline": 0.5} if kind is GatewayTimeout else {"deadline": 60.0, "timeout": (60.0, 60.0)}
    with FaultServer(fault) as server, client(server.url, observers=[records.append], **times) as made:
        errors = [outcome(made, endpoint) for endpoint in (READ, WRITE)]
        created = BkItsmGateway(made.settings, client=made).create(create_request())

        assert isinstance(created, Unknown), created
        assert server.connections == 3
    assert [type(error) for error in errors] == [kind, kind]
    assert [(record.outcome, record.attempts) for record in records] == [(kind.code, 1)] * 3
    assert [record.status for record in records[:2]] == [error.status for error in errors]


class TestProvenNotSent:
    """Only what happens before the first byte is safe to send again."""

    def test_nobody_listens(self) -> None:
        """Connection refused."""
        with socket.create_server(("127.0.0.1", 0)) as closed:
            url = f"http://127.0.0.1:{closed.getsockname()[1]}/"

        assert isinstance(gateway(url).create(create_request()), NotSent)

    def test_no_such_name(self) -> None:
        """The name lookup failed."""
        outcome = gateway("https://no-such-host.invalid/").create(create_request())

        assert isinstance(outcome, NotSent)
        assert "could not be resolved" in outcome.problem

    def test_a_full_queue_of_connections(self) -> None:
        """The listener's queue is full, so that a connection is never made."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            waiting = []
            for _ in range(8):
                sock = socket.socket()
                sock.settimeout(0)
                sock.connect_ex(listener.getsockname())
                waiting.append(sock)
            outcome = gateway(url, timeout=(1.0, 1.0)).create(create_request())
            for sock in waiting:
                sock.close()

        assert isinstance(outcome, NotSent), outcome

    def test_a_request_that_cannot_be_written(self) -> None:
        """A stored form that JSON has no word for is never half sent."""
        request = create_request()
        odd = attrs.evolve(
            request,
            form=attrs.evolve(request.form, fields={"f": float("nan")}),
            attempt=attrs.evolve(request.attempt, service="5"),
        )

        assert isinstance(gateway("http://127.0.0.1:1/").create(odd), NotSent)

    def test_a_read_says_unavailable(self) -> None:
        """The same for calls that may be tried again."""
        with pytest.raises(GatewayUnavailable):
            gateway("https://no-such-host.invalid/").services()


class TestAnswered:
    """What the gateway itself said."""

    def test_created(self) -> None:
        """HTTP 200, result true, a whole id and a number that looks like one."""
        with FaultServer(ask(OK)) as server:
            outcome = gateway(server.url).create(create_request())

        assert outcome == Created(id="7", sn="REQ20261125000007", url=str(CREATED["ticket_url"]))

    @pytest.mark.parametrize("packing", ["gzip", "x-gzip"])
    def test_created_in_a_packed_answer(self, packing: str) -> None:
        """A gateway may pack."""
        body = packed(response(OK).partition(b"\r\n\r\n")[2])
        with FaultServer(ask(body, headers=(f"Content-Encoding: {packing}",))) as server:
            assert isinstance(gateway(server.url).create(create_request()), Created)

    @pytest.mark.parametrize(
        "url", [None, 5, "javascript:alert(1)", "https://user@evil.example.com/", "https://a b/", "https://[::1/"]
    )
    def test_a_page_that_may_not_be_shown_is_left_out(self, url: object) -> None:
        """The ticket counts all the same."""
        with FaultServer(ask(success({**CREATED, "ticket_url": url}))) as server:
            assert gateway(server.url).create(create_request()) == Created(id="7", sn="REQ20261125000007", url="")

    def test_a_page_of_a_host_that_is_not_listed_is_left_out(self) -> None:
        """By a setting."""
        with FaultServer(ask(OK)) as server:
            listed = gateway(server.url, ticket_hosts=("itsm.example.com",)).create(create_request())
            other = gateway(server.url, ticket_hosts=("other.example.com",)).create(create_request())

        assert isinstance(listed, Created)
        assert listed.url == CREATED["ticket_url"]
        assert isinstance(other, Created)
        assert other.url == ""

    @pytest.mark.parametrize(
        "sn", ["", "req20261125000007", "REQ1", "REQ20261125000007 ", "../../etc", "REQ" + "1" * 99]
    )
    def test_an_invalid_number_proves_nothing(self, sn: str) -> None:
        """It might belong to any ticket."""
        with FaultServer(ask(success({**CREATED, "sn": sn}))) as server:
            assert isinstance(gateway(server.url).create(create_request()), Unknown)

    @pytest.mark.parametrize("code", [3900000, 3900003, 3900004, 3999999])
    def test_refused_by_the_ticket_system_itself(self, code: int) -> None:
        """One look-up decides."""
        body = {"result": False, "code": code, "data": None, "message": "title:\n请输入\x1b[0m"}
        with FaultServer(ask(body)) as server:
            outcome = gateway(server.url).create(create_request())

        assert outcome == Refused(remote_code=code, message="title: 请输入 [0m")

    @pytest.mark.parametrize(
        "code", [None, 0, 1, 400, 3899999, 4000000, "3900004", "METHOD_NOT_ALLOWED", "SERVER_500_ERROR"]
    )
    def test_refused_by_something_between_is_unknown(self, code: int | str | None) -> None:
        """A gateway's code, or a word, does not prove that the ticket system has finished with it."""
        with FaultServer(ask({"result": False, "code": code, "data": None, "message": "no"})) as server:
            assert isinstance(gateway(server.url).create(create_request()), Unknown)

    @pytest.mark.parametrize("status", ["401 Unauthorized", "200 OK"])
    @pytest.mark.parametrize("code", sorted(NOT_PASSED_ON))
    def test_refused_by_the_api_gateway_before_it_passed_it_on(self, code: int, status: str) -> None:
        """The code is the API gateway's own, and its header has the same code: no ticket was made."""
        body = {"result": False, "code": code, "data": None, "message": "App authentication failed"}
        with FaultServer(ask(body, status=status, headers=(f"X-Bkapi-Error-Code: {code}",))) as server:
            outcome = gateway(server.url).create(create_request())

        assert isinstance(outcome, NotSent)
        assert f"App authentication failed (code {code}, " in outcome.problem

    @pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "502 Bad Gateway", "200 OK"])
    @pytest.mark.parametrize(
        ("code", "header"),
        [
            (1640101, ""),  # a proxy may write any body
            (1640101, "1640301"),
            (1640101, "1640101x"),
            ("1640101", "1640101"),
            (1650201, "1650201"),  # the service behind the gateway may have got it
            (1640001, "1640001"),
            (3900004, "3900004"),
        ],
    )
    def test_refused_without_proof_that_it_was_not_passed_on(self, code: object, header: str, status: str) -> None:
        """There may be a ticket; what was said is kept."""
        body = {"result": False, "code": code, "data": None, "message": "App authentication failed"}
        headers = (f"X-Bkapi-Error-Code: {header}",) if header else ()
        with FaultServer(ask(body, status=status, headers=headers)) as server:
            outcome = gateway(server.url).create(create_request())

        if code == 3900004 and status == "200 OK":
            assert outcome == Refused(remote_code=3900004, message="App authentication failed")
            return
        assert isinstance(outcome, Unknown)
        assert f"App authentication failed (code {code}" in outcome.problem

    def test_a_code_without_end_is_cut(self) -> None:
        """It is shown to people, and kept."""
        body = {"result": False, "code": 1640101, "data": None, "message": "no"}
        answer = ask(body, status="401 Unauthorized", headers=(f"X-Bkapi-Error-Code: {'7' * 500}",))
        with FaultServer(answer) as server, pytest.raises(GatewayError) as caught:
            gateway(server.url).services()

        assert caught.value.gateway_code.rstrip("…").strip("7") == ""
        assert 32 < len(caught.value.gateway_code) <= 64

    def test_a_refused_read_keeps_the_code_and_the_cleaned_words(self) -> None:
        """For people: on one line, in the error's text as well."""
        body = {"result": False, "code": 3900022, "data": None, "message": "没有找到\n对应的单据"}
        with FaultServer(ask(body)) as server, pytest.raises(GatewayRefused) as caught:
            gateway(server.url).services()

        assert caught.value.remote_code == 3900022
        assert vars(caught.value)["remote_message"] == "没有找到 对应的单据"
        assert str(caught.value).startswith(
            "get_services: the gateway refused the call: 没有找到 对应的单据 (code 3900022, "
        )


class TestRepeating:
    """What may be sent twice, and what may not."""

    def test_a_read_is_tried_again(self) -> None:
        """A gateway that was busy answers the second time."""
        seen: list[bytes] = []
        busy, good = response(b"", status="503 Busy"), response(success([{"id": 5, "name": "five"}]))
        with FaultServer(answering(busy, busy, good, seen=seen)) as server:
            listed = gateway(server.url, retry=RetryPolicy(wait=False)).services()

        assert [service.id for service in listed] == ["5"]
        assert len(seen) == 3

    @pytest.mark.parametrize("status", ["429 Slow", "502 Bad", "503 Busy", "504 Late"])
    @pytest.mark.parametrize("caller", SENDERS)
    def test_a_write_is_sent_once_whatever_the_policy(self, caller: str, status: str) -> None:
        """At every layer."""
        seen: list[bytes] = []
        with FaultServer(answering(response(b"", status=status, headers=("Retry-After: 0",)), seen=seen)) as server:
            fate = CALLERS[caller](server.url, retry=RetryPolicy(attempts=9, wait=False))

        assert fate.word == "unknown"
        assert len(seen) == 1

    @pytest.mark.parametrize("name", ["silence", "half a body, then closed", "reset after the request is read"])
    @pytest.mark.parametrize(("caller", "connections"), [("read", 3), ("write", 1), ("create", 1)])
    def test_a_read_that_broke_is_sent_again_and_a_write_is_not(self, caller: str, connections: int, name: str) -> None:
        """Whatever the policy: a connection that dies may have carried the request."""
        fault, _ = AFTER_SENDING[name]
        with FaultServer(fault) as server:
            fate = CALLERS[caller](server.url, retry=RetryPolicy(attempts=3, wait=False), timeout=(0.2, 0.2))

            assert fate.word == "unknown"
            assert server.connections == connections

    def test_reads_share_a_connection_and_a_write_has_its_own(self) -> None:
        """Kept open for reads; it may have died unnoticed, and then the fate of a write is unknown."""
        with FaultServer(answering(response(OK))) as server, client(server.url, deadline=PATIENCE) as made:
            itsm = BkItsmGateway(made.settings, client=made)
            connections = []
            for act in (
                lambda: made.call(READ),
                lambda: made.call(READ),
                lambda: made.call(WRITE),
                lambda: made.call(READ),
                lambda: itsm.create(create_request()),
                lambda: made.call(READ),
            ):
                act()
                connections.append(server.connections)

        assert connections == [1, 1, 2, 2, 3, 3]
