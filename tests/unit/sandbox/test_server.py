"""The sandbox as a server: paths, credentials, life and death, and the surface for other processes."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
import urllib.parse
import urllib.request
from contextlib import closing
from typing import Any

import pytest

from itsm_workflow.sandbox import Sandbox, Status
from itsm_workflow.sandbox.request import Request
from tests.support.limits import PATIENCE
from tests.support.receiver import Receiver
from tests.support.stage import AT, Cast, Stage, Standing, front
from tests.unit.sandbox.test_faults import CREATE


def jwt(**payload: object) -> str:
    """Make what looks like a gateway's JWT."""

    def part(content: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS512'})}.{part(payload)}.signature"


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/openapi/service/get_services/", 200, "application/json"),
        ("GET", "/v2/itsm/get_services/", 200, "application/json"),
        ("GET", "/api/c/compapi/v2/itsm/get_services/", 200, "application/json"),
        ("GET", "/api/c/compapi/itsm/get_services/", 200, "application/json"),
        ("GET", "/openapi/service/get_services", 301, "text/html; charset=utf-8"),
        ("GET", "/v2/itsm/no_such_thing/", 200, "text/html; charset=utf-8"),
        ("GET", "/openapi/ticket/get_services/", 200, "text/html; charset=utf-8"),
        ("GET", "/openapi/ticket/two/words/", 200, "text/html; charset=utf-8"),
        ("GET", "/openapi/nothing_here", 200, "text/html; charset=utf-8"),
        ("PUT", "/openapi/ticket/create_ticket/", 200, "application/json"),
        ("DELETE", "/openapi/ticket/no_such_thing/", 200, "application/json"),
    ],
)
def test_paths(method: str, path: str, status: int, kind: str) -> None:
    """Known ones answer on both addresses, others with a page, and all with HTTP 200 or 301."""
    with Stage(AT) as stage:
        heard = stage.send(method, path, front({}))

    assert (status, kind) == (heard.status, heard.headers["Content-Type"])


@pytest.mark.parametrize(
    ("method", "path", "body", "names"),
    [
        ("POST", "/api/c/compapi/v2/itsm/get_services/", b'{"display_type": "OPEN"}', ["账号开通申请"]),
        ("POST", "/api/c/compapi/itsm/get_services/", b'{"display_type": "OPEN", "catalog_id": 12}', ["账号开通申请"]),
        ("POST", "/api/c/compapi/v2/itsm/get_services/?display_type=OPEN", b"", ["账号开通申请"]),
        ("GET", "/api/c/compapi/v2/itsm/get_services/?display_type=OPEN", b"", ["账号开通申请"]),
        ("POST", "/v2/itsm/get_services/", b'{"display_type": "OPEN"}', None),
        ("POST", "/openapi/service/get_services/", b'{"display_type": "OPEN"}', None),
        ("GET", "/api/c/compapi/v2/itsm/get_tickets/", b"", None),
        ("PUT", "/api/c/compapi/v2/itsm/get_services/", b"{}", None),
    ],
)
def test_only_an_esb_takes_a_post_for_a_get(method: str, path: str, body: bytes, names: list[str] | None) -> None:
    """The API gateway and the server refuse it; the ESB hands on what the body holds, and changes no other method."""
    with Stage(AT) as stage:
        heard = stage.send(method, path, front({"Content-Type": "application/json"}), body)

    found = heard.json["data"]
    assert names == (found and [service["name"] for service in found])
    assert names or heard.json["code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff"])
def test_an_esb_hands_on_nothing_of_a_body_that_is_no_object(body: bytes) -> None:
    """The server then answers as to a query without parameters."""
    with Stage(AT) as stage:
        heard = stage.send(
            "POST", "/api/c/compapi/v2/itsm/get_ticket_status/", front({"Content-Type": "application/json"}), body
        )

    assert (heard.status, heard.json["result"]) == (200, False)


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({}, 403, "text/html; charset=utf-8"),
        ({"X-Bkapi-Authorization": "nonsense"}, 403, "text/html; charset=utf-8"),
        ({"X-Bkapi-Authorization": '{"bk_app_code": "app"}'}, 403, "text/html; charset=utf-8"),
        ({"X-Bkapi-Authorization": '{"bk_app_code": "app", "bk_app_secret": "s"}'}, 200, "application/json"),
        ({"X-Bkapi-Authorization": '{"access_token": "t"}'}, 200, "application/json"),
        ({"X-Bkapi-JWT": "aaa.bbb.ccc"}, 200, "text/html; charset=utf-8"),
        ({"X-Bkapi-JWT": "aaa"}, 200, "text/html; charset=utf-8"),
        ({"X-Bkapi-JWT": jwt(app={"app_code": "app"})}, 200, "application/json"),
    ],
)
def test_credentials(headers: dict[str, str], status: int, kind: str) -> None:
    """A gateway's credentials or its JWT let in; none is HTTP 403, a broken JWT a page."""
    with Stage(AT) as stage:
        heard = stage.send("GET", "/v2/itsm/get_services/", headers)

    assert (status, kind) == (heard.status, heard.headers["Content-Type"])


def test_a_sandbox_can_do_without_credentials() -> None:
    """``require_authorization=False`` lets everybody in."""
    with Stage(AT, require_authorization=False) as stage:
        assert stage.send("GET", "/v2/itsm/get_services/").status == 200


@pytest.mark.parametrize("user", [{"bk_username": "carol"}, {"username": "carol"}])
def test_the_jwt_names_the_user(user: dict[str, str]) -> None:
    """Who creates, when the body names nobody."""
    headers = {"X-Bkapi-JWT": jwt(user=user), "Content-Type": "application/json"}
    unnamed = {key: value for key, value in CREATE.items() if key != "creator"}
    with Stage(AT) as stage:
        stage.send("POST", "/openapi/ticket/create_ticket/", headers, json.dumps(unnamed))

        assert stage.sandbox.tickets()[0].creator == "carol"


def test_a_request_keeps_its_secrets() -> None:
    """Neither headers nor body show in a repr."""
    request = Request(method="POST", path="/x", headers={"x-bkapi-authorization": "hush"}, body=b"hush")

    assert "hush" not in repr(request)


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Transfer-Encoding": "chunked"}, 411), ({"Content-Length": "many"}, 411), ({"Content-Length": "9999999"}, 413)],
)
def test_bodies_it_will_not_read(headers: dict[str, str], status: int) -> None:
    """No length or too much of it; the connection ends there."""
    with (
        Stage(AT) as stage,
        closing(http.client.HTTPConnection(*_address(stage.sandbox), timeout=PATIENCE)) as connection,
    ):
        for path in ("/v2/itsm/get_tickets/", "/_sandbox/approve/"):
            connection.putrequest("POST", path)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            assert (status, "close") == (answer.status, answer.getheader("Connection"))
            answer.read()
            connection.close()


def _address(sandbox: Sandbox) -> tuple[str, int]:
    host, port = sandbox.root.removeprefix("http://").split(":")
    return host, int(port)


def test_idle_connections_do_not_hold_up_closing() -> None:
    """A client that keeps its connection open sees it end."""
    sandbox = Sandbox().start()
    with socket.create_connection(_address(sandbox), timeout=PATIENCE) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(16).startswith(b"HTTP/1.1 200")
        sandbox.close()
        while idle.recv(4096):
            pass

    sandbox.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("itsm-sandbox")]


@pytest.mark.parametrize(
    ("argument", "value", "takes"),
    [
        ("port", "8080", "a whole number of at least 0"),
        ("clock", 5, "a function"),
        ("callback_timeout", "60", "a number of seconds of at least 0"),
        ("require_authorization", "no", "True or False"),
        ("drive", "no", "True or False"),
    ],
)
def test_an_argument_of_the_wrong_type_is_named(argument: str, value: Any, takes: str) -> None:  # noqa: ANN401 - wrong on purpose
    """Before anything is started: a thread would raise the error much later."""
    with pytest.raises(TypeError, match=rf"^Sandbox\({argument}=\.\.\.\) takes {takes}, not "):
        Sandbox(**{argument: value})


def test_a_sandbox_starts_once_and_has_an_address_then() -> None:
    """Misuse is said plainly; closing one that never started does nothing."""
    sandbox = Sandbox()
    sandbox.close()
    with pytest.raises(RuntimeError, match="started"):
        _ = sandbox.url
    with sandbox, pytest.raises(RuntimeError, match="once"):
        sandbox.start()


def test_time_passes_by_itself() -> None:
    """Driven, a ticket goes its way: ``approve`` waits for the step, ``wait`` for what is looked for."""
    with Receiver() as receiver, Sandbox(start_delay=0.05, decision_delay=0.05) as sandbox:
        body = {**CREATE, "meta": {"callback_url": receiver.url}}
        request = urllib.request.Request(  # noqa: S310 - this machine
            f"{sandbox.url}create_ticket/",
            data=json.dumps(body).encode(),
            headers={**front({}), "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - this machine
            sn = json.load(answer)["data"]["sn"]
        sandbox.approve(sn, remark="fine")
        ended = sandbox.wait(lambda ledger: [one for one in ledger.tickets() if one.approve_result])
        sandbox.wait(lambda ledger: ledger.tickets()[0].callbacks[0].outcome == "delivered")

        assert (ended[0].current_status, sandbox.ticket(sn).callbacks[0].outcome) == (Status.FINISHED, "delivered")
        assert sn == receiver.wait(1)[0].json["sn"]


def test_waiting_ends_in_time() -> None:
    """What never comes is a TimeoutError."""
    with Sandbox() as sandbox, pytest.raises(TimeoutError, match=r"0\.05 s"):
        sandbox.wait(lambda ledger: ledger.tickets(), timeout=0.05)


def test_unknown_tickets_are_not_found() -> None:
    """By number and by id."""
    with Sandbox() as sandbox:
        for name in ("REQ19990101000001", 7):
            with pytest.raises(LookupError):
                sandbox.ticket(name)


def test_a_background_callback_of_another_ticket_does_not_hold_up_a_request() -> None:
    """What fell due meanwhile is delivered on its own."""
    with Receiver() as receiver, Stage(AT) as stage:
        receiver.hold.clear()
        stage.ticket(Standing.DECIDED, Cast(meta={"callback_url": receiver.url}))
        stage.now = stage.now.replace(minute=59)

        assert stage.get("get_services").status == 200
        receiver.wait(1)


def test_closing_never_finds_a_thread_that_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would fail to wait for it."""
    start, found = threading.Thread.start, []
    with Sandbox() as sandbox:

        def look(thread: threading.Thread) -> None:
            if sandbox._changed.acquire(blocking=False):
                found.append(thread in sandbox._threads)
                sandbox._changed.release()

        def start_seen(thread: threading.Thread) -> None:
            looking = threading.Thread(target=look, args=(thread,))
            start(looking)
            looking.join()
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", start_seen)
        sandbox._spawn("callback", lambda: None)
        monkeypatch.undo()

    assert True not in found


@pytest.mark.parametrize(("length", "status"), [("100", ""), ("1" * 5000, "413"), ("0" * 5000 + "9", "404")])
def test_a_form_is_read_whole_or_not_served(length: str, status: str) -> None:
    """A client that ends the connection in the middle of a form decides nothing."""
    with Sandbox() as sandbox:
        place = urllib.parse.urlsplit(sandbox.root)
        head = f"POST /tickets/1/approve/ HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: {length}\r\n"
        with closing(socket.create_connection((place.hostname, place.port), PATIENCE)) as client:
            client.sendall(f"{head}Connection: close\r\n\r\nremark=hi".encode())
            client.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: client.recv(65536), b"")).decode()
    assert answer.partition(" ")[2][:3] == status
