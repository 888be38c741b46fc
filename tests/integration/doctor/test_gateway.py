"""The doctor's findings about a gateway, over real HTTP: a stand-in of BK-ITSM, and servers that misbehave."""

from __future__ import annotations

import datetime as dt
from email.utils import format_datetime
from typing import TYPE_CHECKING

import attrs
import pytest
import trustme

from itsm_workflow.clock import SystemClock
from itsm_workflow.doctor import Finding, Level
from itsm_workflow.sandbox import Sandbox
from itsm_workflow.sandbox.services import DEFAULT_SERVICES, TITLE, FieldSpec, Service, self_finishing
from itsm_workflow.testing.manual_clock import ManualClock
from tests.integration.doctor.places import APP_SECRET, BARE_NAME, levels, of_gateway, settings
from tests.support.certificates import context_of
from tests.support.fault_server import Connection, FaultServer, answering, in_turn, response, success

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REQUEST = FieldSpec(id=40, key="space", type="STRING", name="业务")
PEOPLE = FieldSpec(id=41, key="leader", type="MEMBERS", name="审批人")
TEXT = FieldSpec(id=42, key="reason", type="TEXT", name="理由", required=False)
SERVICES = (
    *DEFAULT_SERVICES,
    Service(id=50, name="采集接入", display_role=",LOG_SEARCH,", form=(TITLE, PEOPLE, TEXT)),
    Service(id=51, name="两次"),
    Service(id=52, name="两次", form=(TITLE, REQUEST, PEOPLE)),
    self_finishing(53),
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A stand-in of BK-ITSM in which nothing is filed."""
    with Sandbox(services=SERVICES) as running:
        yield running


def of_sandbox(sandbox: Sandbox, **more: str) -> dict[str, Finding]:
    """Return what is found of it."""
    return of_gateway(settings(sandbox.url, **more), SystemClock())


def of_server(fault: Callable[[Connection], None]) -> dict[str, Finding]:
    """Return what is found of a server that misbehaves."""
    with FaultServer(fault) as server:
        return of_gateway(settings(server.url))


class TestWell:
    """A gateway without problems."""

    def test_the_built_in_service(self, sandbox: Sandbox) -> None:
        """Nothing more is to be found than that it is there."""
        assert levels(of_sandbox(sandbox)) == dict.fromkeys(
            ["gateway.connection", "gateway.clock", "gateway.credentials", "gateway.service"], "ok"
        )

    @pytest.mark.parametrize(
        "named",
        [{"SERVICE_ID": "50"}, {"SERVICE_NAME": "采集接入"}, {"SERVICE_ROLE": "LOG_SEARCH"}],
        ids=["number", "name", "role"],
    )
    def test_a_service_however_it_is_named(self, sandbox: Sandbox, named: dict[str, str]) -> None:
        """With a field for the approvers and one for the content."""
        found = of_sandbox(sandbox, APPROVER_FIELD="leader", CONTENT_FIELD="reason", **named)

        assert set(levels(found).values()) == {"ok"}
        assert found["gateway.service"].seen == "number 50 is 采集接入"
        assert found["gateway.form"].seen.endswith("title (标题), leader (审批人), reason (理由)")
        assert "内置审批节点" in found["gateway.approval"].seen

    def test_a_field_that_is_not_required(self, sandbox: Sandbox) -> None:
        """It may stay empty."""
        assert of_sandbox(sandbox, SERVICE_ID="50", APPROVER_FIELD="leader")["gateway.form"].level == Level.OK

    def test_nothing_but_reads_is_asked(self) -> None:
        """No ticket is made, and the list of undelivered callbacks keeps its entries."""
        with Sandbox() as sandbox:
            of_sandbox(sandbox, SERVICE_ID="5")
            asked = {name for name, count in sandbox.ledger.requests.items() if count}

            assert asked == {"get_services", "get_service_detail", "get_service_roles"}
            assert sandbox.tickets() == ()


class TestService:
    """The service that tickets are filed with."""

    def test_no_service_of_that_number(self, sandbox: Sandbox) -> None:
        """The finding lists the existing services."""
        found = of_sandbox(sandbox, SERVICE_ID="999")["gateway.service"]

        assert found.level == Level.PROBLEM
        assert "5 日志平台容量评估" in found.seen
        assert found.advice == "correct BKAPP_ITSM_SERVICE_ID"

    @pytest.mark.parametrize("name", ["get_service_detail", "get_service_roles"])
    @pytest.mark.parametrize("status", [404, 502])
    def test_what_cannot_be_read_of_a_service_keeps_no_ticket_from_being_filed(self, name: str, status: int) -> None:
        """It is a warning that names what was asked for; the address is not blamed by itself."""
        with Sandbox() as sandbox:
            sandbox.faults.status(name, status, always=True)
            found = of_sandbox(sandbox, SERVICE_ID="5")

            assert {one.level for one in found.values()} <= {Level.OK, Level.WARNING}
            [unread] = [one for one in found.values() if "cannot be read" in one.seen]
            assert unread.seen.startswith(f"{name} cannot be read: ")
            assert "tickets are filed without it" in unread.seen
            assert unread.advice.startswith(f"for {name}: ")

    @pytest.mark.parametrize(
        ("named", "count"),
        [({"SERVICE_NAME": "没有"}, 0), ({"SERVICE_NAME": "两次"}, 2), ({"SERVICE_ROLE": "NOBODY"}, 0)],
    )
    def test_not_exactly_one_service(self, sandbox: Sandbox, named: dict[str, str], count: int) -> None:
        """A name or role must lead to one."""
        found = of_sandbox(sandbox, **named)["gateway.service"]

        assert found.level == Level.PROBLEM
        assert f"but {count} match;" in found.seen
        assert next(iter(named)) in found.advice

    def test_a_form_with_fields_that_the_library_does_not_fill(self, sandbox: Sandbox) -> None:
        """The host must give these, and one of them looks as if it were for the approvers."""
        found = of_sandbox(sandbox, SERVICE_ID="52")["gateway.form"]

        assert found.level == Level.WARNING
        assert found.seen == "the form also requires: space (业务), leader (审批人)"
        assert "BKAPP_ITSM_APPROVER_FIELD=leader" in found.advice

    @pytest.mark.parametrize("setting", ["APPROVER_FIELD", "CONTENT_FIELD"])
    def test_a_field_that_the_form_has_not(self, sandbox: Sandbox, setting: str) -> None:
        """Each ticket would be refused."""
        found = of_sandbox(sandbox, SERVICE_ID="3", **{setting: "nowhere"})["gateway.form"]

        assert found.level == Level.PROBLEM
        assert found.advice.startswith(f"correct BKAPP_ITSM_{setting}")

    def test_a_flow_without_an_approver(self, sandbox: Sandbox) -> None:
        """Its tickets end as approved by themselves."""
        assert of_sandbox(sandbox, SERVICE_ID="53")["gateway.approval"].level == Level.WARNING

    def test_no_built_in_service(self) -> None:
        """An install may have taken it away."""
        with FaultServer(answering(response(success([])))) as server:
            assert of_gateway(settings(server.url))["gateway.service"].level == Level.WARNING

    def test_no_service_is_named(self, sandbox: Sandbox) -> None:
        """It is reported with the settings; the application may choose a service."""
        unnamed = attrs.evolve(settings(sandbox.url), fast_approval=False)

        assert "gateway.service" not in of_gateway(unnamed, SystemClock())

    def test_a_refusal_of_the_search_by_role(self) -> None:
        """No service is known to be missing."""
        refused = {"result": False, "code": 1640301, "message": "App has no permission", "data": None}
        with FaultServer(answering(response(success([])), response(refused))) as server:
            found = of_gateway(settings(server.url, SERVICE_ROLE="LOG_SEARCH"))

        assert found["gateway.permission"].level == Level.PROBLEM

    def test_a_refusal_of_the_detail(self) -> None:
        """The service is not known to be missing."""
        refused = {"result": False, "code": 1640301, "message": "App has no permission", "data": None}
        with FaultServer(answering(response(success([])), response(refused))) as server:
            found = of_gateway(settings(server.url, SERVICE_ID="5"))

        assert found["gateway.permission"].level == Level.WARNING


class TestConnection:
    """Getting there."""

    def test_nobody_listens(self) -> None:
        """The port is closed."""
        with FaultServer(answering(response(b""))) as server:
            url = server.url
        found = of_gateway(settings(url))

        assert levels(found) == {"gateway.connection": "problem"}
        assert "refused" in found["gateway.connection"].seen
        assert "BKAPP_ITSM_GATEWAY_URL" in found["gateway.connection"].advice

    def test_a_host_without_an_address(self) -> None:
        """The name is wrong."""
        found = of_gateway(settings(f"https://{BARE_NAME}/"))

        assert "could not be resolved" in found["gateway.connection"].seen

    def test_a_server_that_does_not_end_the_handshake(self) -> None:
        """Nothing comes back, as behind a firewall."""
        with FaultServer(Connection.hold) as server:
            found = of_gateway(settings(server.url.replace("http:", "https:"), TIMEOUT="0.2"))

        assert "no connection in time" in found["gateway.connection"].seen

    def test_a_server_that_speaks_no_tls(self) -> None:
        """The scheme is wrong."""
        with FaultServer(lambda connection: connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
            found = of_gateway(settings(server.url.replace("http:", "https:")))

        assert "TLS handshake failed" in found["gateway.connection"].seen
        assert "scheme" in found["gateway.connection"].advice

    def test_a_server_that_breaks_the_handshake_off(self) -> None:
        """Something in between does not like us."""

        def reset(connection: Connection) -> None:
            connection.sock.recv(64)
            connection.reset()

        with FaultServer(reset) as server:
            found = of_gateway(settings(server.url.replace("http:", "https:")))

        assert found["gateway.connection"].level == Level.PROBLEM


class TestCertificate:
    """Who the gateway is."""

    def found(self, certificate: trustme.LeafCert, bundle: Path, now: dt.datetime) -> Finding:
        """Return what is found of a gateway with that certificate."""
        with FaultServer(answering(response(success([]))), tls=context_of(certificate)) as server:
            return of_gateway(settings(server.url, CA_BUNDLE=str(bundle)), ManualClock(now))["gateway.certificate"]

    def test_it_holds(self, authority: trustme.CA, bundle: Path) -> None:
        """With the day on which it ends."""
        now = dt.datetime.now(dt.UTC)
        until = now.replace(microsecond=0) + dt.timedelta(days=90)
        found = self.found(authority.issue_cert("127.0.0.1", not_after=until), bundle, now)

        assert found.level == Level.OK
        assert found.seen == f"verified, valid until {until:%Y-%m-%d}, 89 days from now"

    def test_it_ends_soon(self, authority: trustme.CA, bundle: Path) -> None:
        """Before that, nothing fails."""
        now = dt.datetime.now(dt.UTC)
        found = self.found(authority.issue_cert("127.0.0.1", not_after=now + dt.timedelta(days=8)), bundle, now)

        assert (found.level, found.advice) == (Level.WARNING, "renew the certificate")
        assert "7 days from now" in found.seen

    @pytest.mark.parametrize(("host", "level"), [("localhost", Level.OK), ("127.0.0.1", Level.PROBLEM)])
    def test_it_is_of_the_name_that_is_asked_for(
        self, authority: trustme.CA, bundle: Path, host: str, level: Level
    ) -> None:
        """The same server, by one name and by another."""
        with FaultServer(answering(response(success([]))), tls=context_of(authority.issue_cert("localhost"))) as server:
            url = server.url.replace("127.0.0.1", host)
            found = of_gateway(settings(url, CA_BUNDLE=str(bundle)), SystemClock())

        assert found["gateway.certificate"].level == level

    @pytest.mark.parametrize("what", ["expired", "of another name", "of another authority"])
    def test_it_is_refused(self, authority: trustme.CA, bundle: Path, what: str) -> None:
        """No request follows."""
        certificate = {
            "expired": lambda: authority.issue_cert("127.0.0.1", not_after=dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
            "of another name": lambda: authority.issue_cert("other.example.com"),
            "of another authority": lambda: trustme.CA().issue_cert("127.0.0.1"),
        }[what]()
        seen: list[bytes] = []
        with FaultServer(answering(response(b""), seen=seen), tls=context_of(certificate)) as server:
            found = of_gateway(settings(server.url, CA_BUNDLE=str(bundle)))

        assert levels(found) == {"gateway.connection": "ok", "gateway.certificate": "problem"}
        assert "BKAPP_ITSM_CA_BUNDLE" in found["gateway.certificate"].advice
        assert seen == []


class TestClock:
    """Our clock against the gateway's."""

    NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)

    def found(self, *headers: str) -> Finding:
        """Return what is found when the gateway's answer has these headers."""
        with FaultServer(answering(response(success([]), headers=headers))) as server:
            return of_gateway(settings(server.url), ManualClock(self.NOW))["gateway.clock"]

    @pytest.mark.parametrize(
        ("ahead", "level", "words"),
        [
            (0, Level.OK, "agree"),
            (20, Level.OK, "20 s ahead of"),
            (120, Level.WARNING, "120 s ahead of"),
            (-120, Level.WARNING, "120 s behind"),
            (46_800, Level.PROBLEM, "miss our tickets"),
        ],
    )
    def test_how_far_they_are_apart(self, ahead: int, level: Level, words: str) -> None:
        """By the Date of its answer."""
        theirs = self.NOW - dt.timedelta(seconds=ahead)
        found = self.found(f"Date: {format_datetime(theirs, usegmt=True)}")

        assert found.level == level
        assert words in found.seen

    @pytest.mark.parametrize("headers", [(), ("Date: today",), ("Date: Mon, 99 Nov 2026 12:00:00 GMT",)])
    def test_a_gateway_that_sends_no_time(self, headers: tuple[str, ...]) -> None:
        """The finding is that the clocks cannot be compared."""
        assert "the clocks cannot be compared" in self.found(*headers).seen


class TestAnswers:
    """What a gateway says instead of an answer."""

    @pytest.mark.parametrize(
        ("answer", "name"),
        [
            (
                response(
                    {"code": 1640001, "result": False, "message": 'reason="bk_app_code or bk_app_secret is incorrect"'},
                    status="400 Bad Request",
                ),
                "credentials",
            ),
            (response({"code": 1640102, "result": False, "message": ""}, status="401 Unauthorized"), "credentials"),
            (response({"code": 1640301, "result": False, "message": ""}, status="403 Forbidden"), "permission"),
            (response({"code": 1306403, "result": False, "message": ""}), "permission"),
            (response({"code": 1640401, "result": False, "message": ""}, status="404 Not Found"), "address"),
            (response({"code": 1650401, "result": False, "message": ""}, status="504 Timeout"), "behind"),
            (response(b"<html>", status="302 Found", headers=("Location: /login",)), "address"),
            (response(b"<html>", headers=("Content-Type: text/html",)), "address"),
            (response(success({"no": "list"})), "answer"),
        ],
    )
    def test_each_leads_to_what_must_be_put_right(self, answer: bytes, name: str) -> None:
        """Over the wire as in the table."""
        found = of_server(answering(answer))

        assert found[f"gateway.{name}"].level == Level.PROBLEM
        assert found["gateway.connection"].level == Level.OK

    def test_bk_itsm_itself_where_a_gateway_should_be(self) -> None:
        """It wants a gateway's word, and answers with a bare sentence."""
        sentence = b"This API can only be accessed through API gateway"
        found = of_server(answering(response(sentence, status="403 Forbidden")))["gateway.address"]

        assert "BKAPP_ITSM_GATEWAY_URL" in found.advice

    def test_the_wrong_routes(self, sandbox: Sandbox) -> None:
        """The server takes this by GET alone."""
        found = of_sandbox(sandbox, ROUTES="esb")["gateway.address"]

        assert "BKAPP_ITSM_ROUTES" in found.advice

    def test_an_address_without_the_gateways_path(self, sandbox: Sandbox) -> None:
        """BK-ITSM answers an unknown path by a page, with HTTP 200."""
        found = of_gateway(settings(sandbox.root + "/"), SystemClock())

        assert found["gateway.address"].level == Level.PROBLEM

    def test_no_answer(self) -> None:
        """It takes the request and says nothing."""
        found = of_server(in_turn(Connection.hold))

        assert "no complete answer" in found["gateway.answer"].seen

    def test_a_gateway_that_sends_back_what_it_got(self) -> None:
        """No secret is shown; `by_name` looks."""
        refused = {"result": False, "code": f"no {APP_SECRET}", "message": f'{{"bk_app_secret": "{APP_SECRET}"}}'}
        headers = (f"X-Bkapi-Error-Message: {APP_SECRET}", f"Content-Type: {APP_SECRET}")
        for answer in (response(refused), response(APP_SECRET.encode(), status="403 Forbidden", headers=headers)):
            assert set(levels(of_server(answering(answer))).values()) >= {"problem"}
