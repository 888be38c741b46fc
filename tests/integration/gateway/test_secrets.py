"""No secret of ours is ever seen outside the request that carries it; and each call leaves one line that can be."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import requests

from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.bkapi.context import RequestContext
from itsm_workflow.bkapi.retry import RetryPolicy
from itsm_workflow.errors import GatewayError
from itsm_workflow.gateway.bk_itsm.wire import GET_SERVICES, TOKEN_VERIFY
from itsm_workflow.secrets import Secret
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
from tests.support.gateways import CANARIES, CREDENTIAL, TOKEN, create_request, gateway, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway

ECHO = " ".join(CANARIES)  # a gateway may send back what it got
FAULTS: dict[str, Callable[[Connection], None]] = {
    "reset": in_turn(Connection.reset),
    "no HTTP": in_turn(sending(ECHO.encode() + b"\r\n\r\n")),
    "page": answering(response(ECHO.encode())),
    "status": answering(response(ECHO.encode(), status=f"500 {ECHO}")),
    "redirect": answering(response(b"", status="302 Found", headers=(f"Location: http://{CREDENTIAL}/",))),
    "wrong data": answering(response(success({"is_passed": ECHO, "id": ECHO, "sn": ECHO}))),
    "bad gzip": answering(response(ECHO.encode(), headers=("Content-Encoding: gzip",))),
    "bad chunk": in_turn(sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + ECHO.encode() + b"\r\n")),
    "bad header": in_turn(sending(b"HTTP/1.1 200 OK\r\n" + ECHO.encode() + b"\r\n\r\n")),
    "cut": in_turn(sending(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + ECHO.encode())),
}


def frames_of(error: BaseException) -> Iterator[str]:
    """Yield what a report with variables would show of the library's and its libraries' frames."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is None or current in seen:
            continue
        seen.append(current)
        waiting += [current.__cause__, current.__context__]
        yield f"{current!r} {current} {vars(current)!r}"
        for frame, _ in traceback.walk_tb(current.__traceback__):
            if "/tests/" not in frame.f_code.co_filename:
                yield f"{frame.f_code.co_qualname} {frame.f_locals!r}"


def shown_by(record: logging.LogRecord) -> str:
    """Return everything that a formatter could write of a record."""
    return f"{record.getMessage()} {vars(record)!r}"


@pytest.mark.parametrize("name", FAULTS)
def test_no_secret_shows_when_a_call_fails(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not in a log at any level, an error, its chain, its variables, nor what a task queue would ship."""
    caplog.set_level(logging.DEBUG)
    with FaultServer(FAULTS[name]) as server:
        client = gateway(server.url, retry=RetryPolicy(attempts=2, wait=False))
        outcome = client.create(create_request())
        with pytest.raises(GatewayError) as caught:
            client.verify_token(TOKEN)
        client.close()

    shown = [*frames_of(caught.value), *map(shown_by, caplog.records), repr(outcome), repr(create_request())]
    shown += [repr(pickle.loads(pickle.dumps(caught.value)).__dict__), repr(client.__dict__)]  # noqa: S301 - our own
    assert len(caplog.records) > 2
    for text in shown:
        assert [canary for canary in CANARIES if canary in text] == [], text


def test_no_secret_shows_when_nothing_can_be_sent(caplog: pytest.LogCaptureFixture) -> None:
    """The same before the first byte."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(GatewayError) as caught:
        gateway("https://no-such-host.invalid/").verify_token(TOKEN)

    for text in [*frames_of(caught.value), *map(shown_by, caplog.records)]:
        assert [canary for canary in CANARIES if canary in text] == [], text


class TimeLimit(BaseException):
    """What a task queue raises into whatever is running."""


def test_no_secret_shows_when_something_interrupts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time limit strikes inside the libraries, whose variables hold the headers in clear; its trace is cut there."""

    def strike(*_: object, **__: object) -> None:
        raise TimeLimit from RuntimeError(TOKEN)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", strike)
    with pytest.raises(TimeLimit) as caught:
        gateway("http://127.0.0.1:1/").create(create_request())

    for text in frames_of(caught.value):
        assert [canary for canary in CANARIES if canary in text] == [], text


class TestAuditLine:
    """One call, one line, with flat fields."""

    def lines(self, caplog: pytest.LogCaptureFixture) -> list[Any]:
        """Return what the gateway's log says."""
        return [record for record in caplog.records if record.name == "itsm_workflow.gateway"]

    def test_a_success(self, caplog: pytest.LogCaptureFixture) -> None:
        """Who asked what, under which ids, and how long it took."""
        caplog.set_level(logging.INFO)
        good = response(success([]), headers=("X-Bkapi-Request-Id: gw-1\x0b",))
        with FaultServer(answering(good)) as server:
            client = ApiClient(settings(server.url), new_request_id=lambda: "ours-1")
            client.call(GET_SERVICES, {"catalog_id": 5})
            client.close()

        (line,) = self.lines(caplog)
        assert line.levelno == logging.INFO
        assert (line.bk_request_id, line.itsm_endpoint, line.itsm_outcome) == ("ours-1", "get_services", "success")
        assert (line.itsm_status, line.itsm_code, line.itsm_attempts) == (200, 0, 1)
        assert (line.itsm_params, line.itsm_gateway_request_id) == ('{"catalog_id": 5}', "gw-1")
        assert 0 < line.itsm_seconds < 5

    def test_a_failure_counts_its_attempts_in_one_line(self, caplog: pytest.LogCaptureFixture) -> None:
        """Three attempts are one call."""
        with FaultServer(answering(response(b"", status="503 Busy"))) as server, pytest.raises(GatewayError):
            gateway(server.url, retry=RetryPolicy(attempts=3, wait=False)).services()

        (line,) = self.lines(caplog)
        assert line.levelno == logging.WARNING
        assert (line.itsm_outcome, line.itsm_status, line.itsm_attempts) == ("gateway.protocol", 503, 3)

    def test_a_refusal_keeps_its_code_and_its_words(self, caplog: pytest.LogCaptureFixture) -> None:
        """For whoever looks why."""
        body = {"result": False, "code": 3900022, "data": None, "message": "没有"}
        with FaultServer(answering(response(body))) as server, pytest.raises(GatewayError):
            gateway(server.url).services()

        (line,) = self.lines(caplog)
        assert (line.itsm_outcome, line.itsm_code, line.itsm_message) == ("gateway.refused", 3900022, "没有")

    def test_parameters_are_starred_cut_and_on_one_line(self, caplog: pytest.LogCaptureFixture) -> None:
        """Whoever reads the log can trust its lines, and learns no secret from them."""
        caplog.set_level(logging.INFO)
        with FaultServer(answering(response(success(CREATED)))) as server:
            gateway(server.url).create(create_request(title="a\r\nlevel=ERROR \u202e" + "x" * 3000))

        (line,) = self.lines(caplog)
        assert len(line.itsm_params) <= 1000
        assert line.itsm_params.isascii()
        assert line.itsm_params.isprintable()
        assert "alice" in line.itsm_params

    def test_where_a_callback_goes_is_logged_without_its_path(self, caplog: pytest.LogCaptureFixture) -> None:
        """A credential may travel in the path."""
        caplog.set_level(logging.INFO)
        with FaultServer(answering(response(success(CREATED)))) as server:
            gateway(server.url).create(create_request())

        (line,) = self.lines(caplog)
        assert json.loads(line.itsm_params)["meta"] == {
            "callback_url": "http://127.0.0.1/***",
            "headers": "***",
        }


class TestOnTheWire:
    """What does leave, leaves in clear: otherwise nothing would work."""

    def sent(self, act: Callable[[BkItsmGateway], object], answer: object) -> tuple[dict[str, str], Any]:
        """Return the headers and the body that a server got."""
        seen: list[bytes] = []
        with FaultServer(answering(response(success(answer)), seen=seen)) as server:
            act(gateway(server.url))
        head, _, body = seen[0].partition(b"\r\n\r\n")
        lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
        return {name.lower(): value for name, _, value in lines}, json.loads(body)

    def test_a_create_carries_who_calls_and_what_calls_back(self) -> None:
        """As the API user on behalf of the creator, with our credential for the callback."""
        headers, body = self.sent(lambda client: client.create(create_request()), CREATED)

        assert json.loads(headers["x-bkapi-authorization"])["bk_username"] == "admin"
        assert (body["creator"], body["operator"], body["bk_username"]) == ("alice", "alice", "admin")
        assert body["meta"]["headers"] == {"Authorization": CREDENTIAL}
        assert headers["connection"] == "close"
        assert headers["x-request-id"] == headers["x-data-request-id"]

    def test_a_preview_is_what_is_sent(self) -> None:
        """But for the stars."""
        _, body = self.sent(lambda client: client.create(create_request()), CREATED)
        shown = gateway("http://127.0.0.1/").preview(create_request())

        body["meta"]["headers"] = {"Authorization": "***"}
        assert shown == body

    def test_a_token_is_asked_about(self) -> None:
        """In the body: a URL would be logged on the way."""
        _, body = self.sent(lambda client: client.verify_token(TOKEN), {"is_passed": True})

        assert body == {"token": TOKEN}


def test_a_secret_never_goes_into_a_url() -> None:
    """Servers and proxies log URLs."""
    client = ApiClient(settings("http://127.0.0.1:1/"))

    with pytest.raises(ValueError, match="cannot be sent in a query"):
        client.call(GET_SERVICES, {"token": Secret("t")})


def test_what_json_cannot_say_is_never_half_sent() -> None:
    """And the value is not quoted."""
    client = ApiClient(settings("http://127.0.0.1:1/"))

    with pytest.raises(ValueError, match="cannot be written as JSON") as caught:
        client.call(TOKEN_VERIFY, {"token": Secret("t"), "x": {TOKEN}}, context=RequestContext(user="alice"))
    assert TOKEN not in str(caught.value)
