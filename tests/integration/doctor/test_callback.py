"""The doctor's findings when it calls our callback address: a running host, and anything in front of it."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trustme

from itsm_workflow.callbacks.signer import HEADER, PROBE
from itsm_workflow.doctor import Finding, Level
from itsm_workflow.doctor.callback import examine_callback
from itsm_workflow.secrets import Secret
from itsm_workflow.testing.manual_clock import ManualClock
from tests.integration.doctor.places import (
    APP_SECRET,
    BARE_NAME,
    KEY,
    OTHER_KEY,
    by_name,
    levels,
    of_callback,
    settings,
)
from tests.support.certificates import context_of
from tests.support.fault_server import Connection, FaultServer, answering, in_turn, response, sending
from tests.support.office import Office

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from itsm_workflow.callbacks.parse import CallbackResponse

WELL = {"callback.connection": "ok", "callback.delivery": "ok", "callback.credential": "ok", "callback.speed": "ok"}
FIELDS = {
    "title",
    "current_status",
    "sn",
    "ticket_url",
    "update_at",
    "updated_by",
    "approve_result",
    "token",
    "last_approver",
}


@pytest.fixture
def office() -> Iterator[Office]:
    """A host whose door is open, and which takes callbacks with our key."""
    with Office("memory://") as opened:
        opened.workflow(opened.settings(callback_keys=(Secret(KEY),)))
        yield opened


def before(office: Office, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Put something before the host that changes each request on its way."""
    host = office.door.receive
    assert host is not None

    def receive(**request: Any) -> CallbackResponse:
        return host(**change(request))

    office.door.receive = receive


def of_server(fault: Callable[[Connection], None]) -> dict[str, Finding]:
    """Return what is found of a server that misbehaves."""
    with FaultServer(fault) as server:
        return of_callback(server.url.removesuffix("/v2/itsm/"))


def answered(body: object, **more: Any) -> Finding:
    """Return what is found of an answer; it is the only problem."""
    findings = of_server(answering(response(body, **more)))
    return next(finding for finding in findings.values() if finding.level == Level.PROBLEM)


class TestHost:
    """A host that runs."""

    def test_it_answers_a_probe(self, office: Office) -> None:
        """BK-ITSM would count it as delivered, and our credential arrived."""
        assert levels(of_callback(office.door.url)) == WELL

    def test_a_probe_has_no_effect(self, office: Office) -> None:
        """Nothing is written, the gateway is not called, and observers are not notified of an error."""
        of_callback(office.door.url)

        assert len(office.door.knocks) == 1
        assert (office.store.commits, office.sandbox.calls, office.witness.troubles) == (0, [], [])

    def test_a_probe_is_sent_as_bk_itsm_sends(self) -> None:
        """Its nine fields in ASCII, its user agent, our header; and nothing that is for the gateway alone."""
        seen: list[bytes] = []
        with FaultServer(answering(response(b""), seen=seen)) as server:
            of_callback(server.url.removesuffix("/v2/itsm/") + "/prefix")
        head, _, body = seen[0].partition(b"\r\n\r\n")

        assert head.startswith(f"POST /prefix/itsm/callback/{PROBE}/1/ HTTP/1.1\r\n".encode())
        assert b"python-requests/2.27.1" in head
        assert HEADER.lower().encode() in head.lower()
        assert b"bkapi" not in head.lower()
        assert APP_SECRET.encode() not in seen[0]
        assert body.isascii()
        assert set(json.loads(body)) == FIELDS

    def test_the_credential_may_stand_in_the_path(self, office: Office) -> None:
        """By the setting, as for every callback."""
        assert levels(of_callback(office.door.url, CALLBACK_CREDENTIAL="path")) == WELL
        assert HEADER not in office.door.knocks[0].headers

    def test_keys_that_are_being_rotated(self, office: Office) -> None:
        """The host has the new key first, and still believes the old one."""
        office.workflow(office.settings(callback_keys=(Secret(OTHER_KEY), Secret(KEY))))

        assert levels(of_callback(office.door.url)) == WELL

    def test_it_answers_slowly(self, office: Office) -> None:
        """It is reported from a limit on; in this test every answer exceeds it."""
        found = of_callback(office.door.url, slow=0.0)

        assert found["callback.speed"].level == Level.WARNING
        assert "withdrawal" in found["callback.speed"].seen


class TestCredential:
    """The credential, from us to the host."""

    def test_the_header_is_taken_away(self, office: Office) -> None:
        """The host answers 401; that it knows the credential in the path shows why."""

        def strip(request: dict[str, Any]) -> dict[str, Any]:
            kept: Mapping[str, str] = {name: text for name, text in request["headers"].items() if name != HEADER}
            return {**request, "headers": kept}

        before(office, strip)
        found = of_callback(office.door.url)["callback.credential"]

        assert found.level == Level.PROBLEM
        assert HEADER in found.seen
        assert "BKAPP_ITSM_CALLBACK_CREDENTIAL=path" in found.advice

    @pytest.mark.parametrize("credential", ["header", "path"])
    def test_the_host_has_other_keys(self, office: Office, credential: str) -> None:
        """However it is sent."""
        office.workflow(office.settings(callback_keys=(Secret(OTHER_KEY),)))
        found = of_callback(office.door.url, CALLBACK_CREDENTIAL=credential)["callback.credential"]

        assert found.level == Level.PROBLEM
        assert "BKAPP_ITSM_CALLBACK_KEYS" in found.advice

    def test_the_host_takes_no_callbacks(self, office: Office) -> None:
        """It was built without."""
        office.workflow(callbacks=False)

        assert of_callback(office.door.url)["callback.credential"].level == Level.PROBLEM

    def test_the_body_is_changed(self, office: Office) -> None:
        """The credential holds, and what was sent is not what arrived."""
        before(office, lambda request: {**request, "body": request["body"].replace(b"doctor", b"dentist")})
        found = of_callback(office.door.url)["callback.delivery"]

        assert found.level == Level.PROBLEM

    def test_the_body_is_cut(self, office: Office) -> None:
        """The host refuses it as no callback."""
        before(office, lambda request: {**request, "body": request["body"][:20]})
        found = of_callback(office.door.url)["callback.delivery"]

        assert (found.level, found.seen[:8]) == (Level.PROBLEM, "HTTP 400")


class TestFailed:
    """What BK-ITSM would count as failed, each from a real server."""

    @pytest.mark.parametrize(
        ("body", "more", "words"),
        [
            (b"", {"status": "302 Found", "headers": ("Location: https://login.example.com/",)}, "login.example.com"),
            (b"", {"status": "204 No Content"}, "HTTP 204"),
            (b"<html>", {"headers": ("Content-Type: text/html",)}, "an HTML page"),
            ({"code": "0"}, {}, 'the code "0"'),
            ({"result": True}, {}, "no code"),
            ([], {}, "JSON that is not an object"),
            (b"ok", {}, "not JSON"),
            (b"", {}, "an empty body"),
            (b"", {"status": "401 Unauthorized"}, "refused before it reached the library"),
            (b"CSRF", {"status": "403 Forbidden"}, "refused before it reached the library"),
            (b"", {"status": "404 Not Found"}, "does not exist"),
            (b"", {"status": "405 Method Not Allowed"}, "does not accept POST"),
            (b"", {"status": "502 Bad Gateway"}, "HTTP 502"),
        ],
    )
    def test_an_answer(self, body: object, more: dict[str, Any], words: str) -> None:
        """Each kind of answer is reported by its own finding."""
        assert words in answered(body, **more).seen

    def test_another_server_that_acknowledges(self) -> None:
        """Callbacks would count as delivered, and no process of the host would have received them."""
        found = answered({"result": True, "code": 0, "message": "success", "data": {"probe": "x" * 43}})

        assert "not from a host with our keys" in found.seen

    def test_a_redirect_is_not_followed(self) -> None:
        """Where it leads to gets nothing."""
        with FaultServer(answering(response(b""))) as second:
            answered(b"", status="307 Temporary", headers=(f"Location: {second.url}",))
            assert second.connections == 0

    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            (in_turn(Connection.hold), "no complete answer"),
            (in_turn(Connection.reset), "the connection broke"),
            (in_turn(), "the connection broke"),
            (in_turn(sending(b"220 mail.example.com\r\n")), "the answer is not HTTP"),
        ],
        ids=["slow", "reset", "closed", "no HTTP"],
    )
    def test_no_answer(self, fault: Callable[[Connection], None], words: str) -> None:
        """It took the request."""
        with FaultServer(fault) as server:
            findings = of_callback(server.url.removesuffix("/v2/itsm/"), TIMEOUT="0.5")

        assert findings["callback.delivery"].level == Level.PROBLEM
        assert words in findings["callback.delivery"].seen

    def test_nobody_listens(self) -> None:
        """Refused."""
        with FaultServer(answering(response(b""))) as server:
            port = server.port
        found = of_callback(f"http://127.0.0.1:{port}")

        assert levels(found) == {"callback.connection": "problem"}
        assert "BKAPP_ITSM_CALLBACK_HOST" in found["callback.connection"].advice

    def test_a_host_without_an_address(self) -> None:
        """The name is wrong."""
        assert of_callback(f"https://{BARE_NAME}")["callback.connection"].level == Level.PROBLEM

    def test_a_server_that_sends_back_what_it_got(self) -> None:
        """No credential is shown."""
        seen: list[str] = []

        def echo(connection: Connection) -> None:
            request = connection.read_request()
            if not request:
                return  # the doctor only saw whether somebody is there
            head = request.partition(b"\r\n\r\n")[0].decode()
            lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            seen.append(next(text for name, text in lines.items() if name.lower() == HEADER.lower()))
            connection.send(response({"code": f"{'x' * 40} {seen[0]}"}))

        findings = of_server(echo)

        assert "***" in findings["callback.delivery"].seen
        assert seen[0][:8] not in repr(findings)


class TestTLS:
    """A callback address of https."""

    @pytest.fixture
    def secure(self, office: Office, authority: trustme.CA, bundle: Path) -> dict[str, Any]:
        """The settings for a host behind TLS."""
        context = context_of(authority.issue_cert("127.0.0.1"))
        office.door._server.socket = context.wrap_socket(office.door._server.socket, server_side=True)
        return {"host": office.door.url.replace("http:", "https:"), "CA_BUNDLE": str(bundle)}

    def test_it_holds(self, secure: dict[str, Any]) -> None:
        """And the host behind it answers; a certificate of the test's authority lasts long."""
        found = of_callback(**secure)

        assert {name: level for name, level in levels(found).items() if name != "callback.certificate"} == WELL
        assert found["callback.certificate"].seen.startswith("verified")

    def test_an_untrusted_certificate(self, bundle: Path) -> None:
        """BK-ITSM would deliver, since it checks none; a probe stops, since it does not know which server answers."""
        seen: list[bytes] = []
        context = context_of(trustme.CA().issue_cert("127.0.0.1"))
        with FaultServer(answering(response(b""), seen=seen), tls=context) as server:
            found = of_callback(server.url.removesuffix("/v2/itsm/"), CA_BUNDLE=str(bundle))

        assert levels(found) == {
            "callback.connection": "ok",
            "callback.certificate": "problem",
            "callback.delivery": "warning",
        }
        assert "does not check certificates" in found["callback.delivery"].seen
        assert seen == []

    def test_a_handshake_that_fails(self) -> None:
        """BK-ITSM would get no further."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # without any certificate to show
        with FaultServer(answering(response(b"")), tls=context) as server:
            found = of_callback(server.url.removesuffix("/v2/itsm/"))

        assert levels(found) == {"callback.connection": "problem"}
        assert "TLS handshake failed" in found["callback.connection"].seen


@pytest.mark.parametrize("half", [{"callback_host": ""}, {"callback_keys": ()}])
def test_without_callbacks_nothing_is_called(half: dict[str, Any]) -> None:
    """There is no address, or no key to sign with."""
    wanted = attrs.evolve(settings(CALLBACK_HOST="http://127.0.0.1:9", CALLBACK_KEYS=KEY), **half)

    assert levels(by_name(examine_callback(wanted, clock=ManualClock()))) == {"callback.delivery": "warning"}
