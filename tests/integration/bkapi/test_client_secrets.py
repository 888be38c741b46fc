"""Canaries in every place of a call that can hold a secret: none is ever seen outside the request that carries it."""

from __future__ import annotations

import io
import logging
import pickle
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.bkapi.context import RequestContext
from itsm_workflow.bkapi.endpoint import Endpoint
from itsm_workflow.bkapi.prepare import fill_identity_and_app
from itsm_workflow.bkapi.retry import RetryPolicy
from itsm_workflow.bkapi.upload import File
from itsm_workflow.errors import GatewayError
from itsm_workflow.secrets import Secret
from tests.support.fault_server import (
    Connection,
    FaultServer,
    answering,
    in_turn,
    packed,
    response,
    sending,
    success,
)
from tests.support.gateways import APP_SECRET, CREDENTIAL, TOKEN, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.bkapi.call_log import CallRecord

COOKIE = "canary-cookie"
LOGINS = tuple(f"canary-{name}" for name in ("access-token", "bk-token", "bk-ticket", "skey"))
UPLOADED = "canary-uploaded"
CANARIES = (APP_SECRET, TOKEN, CREDENTIAL, COOKIE, UPLOADED, *LOGINS)
ECHO = " ".join(CANARIES)  # a gateway may send back whatever it got
WHO = RequestContext(
    user="alice",
    bk_token=Secret("canary-bk-token"),
    bk_ticket=Secret("canary-bk-ticket"),
    logins={"skey": Secret("canary-skey")},
)
BY_TOKEN = RequestContext(user="alice", access_token=Secret("canary-access-token"))
PARAMS: dict[str, Any] = {
    "token": Secret(TOKEN),
    "X-Key": Secret(CREDENTIAL),
    "meta": {
        "callback_url": Secret(f"https://host.example.com/callback/{CREDENTIAL}"),
        "headers": {"Authorization": Secret(CREDENTIAL)},
    },
    "cookies": Secret(COOKIE),
    "title": "nothing to hide",
}
WRITE: Endpoint[Any] = Endpoint(
    name="write",
    method="POST",
    url="write/",
    idempotent=True,
    header_keys=("X-Key",),
    before_request=fill_identity_and_app,
    answer=dict[str, str],
)
READ: Endpoint[Any] = Endpoint(
    name="read", method="GET", url="read/", idempotent=True, cache_time=60, answer=dict[str, str]
)


def echoing(body: Callable[[str], object]) -> Callable[[Connection], None]:
    """Return a server that sends back, in its own words, each canary of the request."""

    def serve(connection: Connection) -> None:
        while request := connection.read_request():
            echo = " ".join(canary for canary in CANARIES if canary.encode() in request)
            connection.send(response(body(echo), headers=SET_COOKIE))

    return serve


CUT = f"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n{ECHO}".encode()
CHUNKED = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{ECHO}\r\n".encode()
SET_COOKIE = (f"Set-Cookie: sid={COOKIE}; Path=/", f"X-Echo: {ECHO}")
FAULTS: dict[str, Callable[[Connection], None]] = {
    "reset": in_turn(Connection.reset),
    "silence": in_turn(Connection.hold),
    "no HTTP": in_turn(sending(f"{ECHO}\r\n\r\n".encode())),
    "bad header": in_turn(sending(f"HTTP/1.1 200 OK\r\n{ECHO}\r\n\r\n".encode())),
    "bad chunk": in_turn(sending(CHUNKED)),
    "cut off": in_turn(sending(CUT)),
    "page": answering(response(ECHO.encode(), headers=SET_COOKIE)),
    "status": answering(response(ECHO.encode(), status=f"500 {ECHO}", headers=SET_COOKIE)),
    "redirect": answering(response(b"", status="302 Found", headers=(f"Location: http://{CREDENTIAL}/?{TOKEN}",))),
    "bad gzip": answering(response(ECHO.encode(), headers=("Content-Encoding: gzip",))),
    "bomb": answering(response(packed(ECHO.encode() * 99_999), headers=("Content-Encoding: gzip",))),
    "wrong data": echoing(lambda echo: success([echo])),
    "wrong data within": echoing(lambda echo: success({echo: [echo]})),
    "wrong result": echoing(lambda echo: {**success({}), "result": echo, "message": echo}),
    "refused": echoing(lambda echo: {"result": False, "code": echo, "message": f"no: {echo}", "data": None}),
    "refused at length": echoing(lambda echo: {"result": False, "code": echo[::-1], "message": echo * 50}),
}


def refused_after(length: int) -> Callable[[Connection], None]:
    """Return a server whose words begin with so many letters, so that a cut falls somewhere into our secrets."""
    return echoing(
        lambda echo: {"result": False, "code": "c" * (length % 70) + echo, "message": "x" * length + echo, "data": None}
    )


FAULTS |= {f"refused after {length} letters": refused_after(length) for length in range(180, 201)}


def told(error: BaseException) -> Iterator[str]:
    """Yield what a report with variables shows of an error and of all that it came from, but for our test's frames."""
    waiting: list[BaseException | None] = [error]
    seen: list[BaseException] = []
    while waiting:
        current = waiting.pop()
        if current is None or current in seen:
            continue
        seen.append(current)
        waiting += [current.__cause__, current.__context__]
        yield "".join(traceback.format_exception_only(current))
        yield f"{current!r} {current} {vars(current)!r} {getattr(current, '__notes__', '')}"
        for frame, _ in traceback.walk_tb(current.__traceback__):
            if "/tests/" not in frame.f_code.co_filename:
                yield f"{frame.f_code.co_qualname} {frame.f_locals!r}"


def canaries_in(texts: list[str]) -> list[str]:
    """Return each text in which a canary is seen, or what is left of one after a cut: they all begin alike."""
    return [text for text in texts if "canar" in text]


def written(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return all that a formatter could write of the log, of every library and at every level."""
    return [f"{record.getMessage()} {vars(record)!r}" for record in caplog.records]


@pytest.mark.parametrize("context", [WHO, BY_TOKEN], ids=["logins", "access token"])
@pytest.mark.parametrize("name", FAULTS)
def test_nothing_shows_of_a_call_that_fails(
    name: str, context: RequestContext, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in a log, an error, its chain, its variables, a record, a response, nor in what a task queue would ship."""
    caplog.set_level(logging.DEBUG)
    records: list[CallRecord] = []
    with FaultServer(FAULTS[name]) as server:
        wanted = settings(server.url, deadline=0.5)
        client = ApiClient(wanted, retry=RetryPolicy(attempts=2, wait=False), observers=[records.append])
        errors: list[GatewayError] = []
        for endpoint, params in ((WRITE, PARAMS), (READ, {"title": "t"})):
            with pytest.raises(GatewayError) as caught:
                client.call(endpoint, params, context=context)
            errors.append(caught.value)
        whole = client.call(WRITE, PARAMS, context=context, raise_exception=False)
        client.close()

    assert not whole.is_success
    assert len(records) == 3
    assert len(caplog.records) > 4
    for error in errors:
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
        assert canaries_in([*told(error), *told(again)]) == []
    shown = [*written(caplog), *map(repr, records), repr(whole), str(whole), repr(client.__dict__)]
    shown += [repr(pickle.loads(pickle.dumps(records))), repr(pickle.dumps(records))]  # noqa: S301 - our own
    assert canaries_in(shown) == []


def test_nothing_shows_of_a_call_that_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    """Though the gateway sends it all back, as data and as its own id, and sets a cookie."""
    caplog.set_level(logging.DEBUG)
    records: list[CallRecord] = []
    known = " ".join(canary for canary in CANARIES if canary not in {UPLOADED, "canary-access-token"})
    headers = (f"Set-Cookie: sid={COOKIE}", f"X-Bkapi-Request-Id: {TOKEN}")
    good = response(
        {**success({"echo": known, known: "", "api_key": ECHO}), "code": TOKEN, "message": known}, headers=headers
    )
    with FaultServer(answering(good)) as server:
        client = ApiClient(settings(server.url), observers=[records.append])
        whole = client.call(WRITE, {**PARAMS, "echo": known, "password": UPLOADED}, context=WHO, raw=True)
        client.close()

    assert whole.is_success
    assert canaries_in([*written(caplog), *map(repr, records), repr(whole), whole.message, str(whole.code)]) == []


def test_a_remembered_answer_shows_no_more(caplog: pytest.LogCaptureFixture) -> None:
    """It is starred for whoever gets it."""
    caplog.set_level(logging.DEBUG)
    known = " ".join((APP_SECRET, *LOGINS[1:]))
    with FaultServer(answering(response(success({"echo": known}), headers=SET_COOKIE[:1]))) as server:
        client = ApiClient(settings(server.url))
        for _ in range(2):
            client.call(READ, {"title": "t"}, context=WHO)
        client.close()

    assert "'itsm_cached': True" in "".join(written(caplog))
    assert canaries_in(written(caplog)) == []


class TimeLimit(BaseException):
    """What a task queue raises into whatever is running."""


class SoftTimeLimit(Exception):
    """The same, as an ordinary error."""


@pytest.mark.parametrize("kind", [TimeLimit, SoftTimeLimit, KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize(
    "place",
    [
        "itsm_workflow.bkapi.request.encode_json",
        "itsm_workflow.bkapi.request.build_query",
        "itsm_workflow.bkapi.request.headers",
        "itsm_workflow.bkapi.transport._Session.send",
        "itsm_workflow.bkapi.transport._read",
        "requests.adapters.HTTPAdapter.build_response",
    ],
)
def test_nothing_shows_when_something_strikes(
    place: str, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time limit, Ctrl-C or the end of memory come through frames that hold secrets in clear: they are cut there."""

    def strike(*_: object, **__: object) -> None:
        raise kind from RuntimeError(ECHO)

    monkeypatch.setattr(place, strike)
    with FaultServer(answering(response(success({})))) as server:
        client = ApiClient(settings(server.url))
        with pytest.raises(kind) as caught:
            client.call(WRITE, PARAMS, context=WHO)
        client.close()

    assert canaries_in(list(told(caught.value))) == []


@pytest.mark.parametrize(
    ("params", "options"),
    [
        ({**PARAMS, "odd": {TOKEN}}, {}),
        ({**PARAMS, "X-Key": f"{CREDENTIAL}\n"}, {}),
        ({**PARAMS, "X-Key": Secret(f"{CREDENTIAL}\n")}, {}),
        ({**PARAMS, "half": Secret(f"{TOKEN}\ud800")}, {}),
        (PARAMS, {"files": {"": File(name="f", content=UPLOADED.encode())}}),
        (PARAMS, {"files": {"f": io.StringIO("text")}}),
        (PARAMS, {"tenant": "a\nb"}),
    ],
)
def test_nothing_shows_of_a_call_that_cannot_be_sent(params: dict[str, Any], options: dict[str, Any]) -> None:
    """The error names the place and quotes nothing; the frames that wrote the request are not in it."""
    client = ApiClient(settings("http://127.0.0.1:9/"))
    with pytest.raises(ValueError, match=r".") as caught:
        client.call(WRITE, params, context=WHO, **options)

    # What a caller gives in clear stands in the frames that it was given to, and goes no further.
    inner = [text for text in told(caught.value) if not text.startswith(("ApiClient.", "build_request "))]
    assert canaries_in(inner) == []
    assert not [text for text in inner if text.startswith(("_build ", "encode_", "header", "take", "build_query "))]


def test_nothing_shows_of_what_stands_by() -> None:
    """Settings, contexts, files and clients are printed by debuggers; what holds secrets is not shipped at all."""
    wanted = settings("http://127.0.0.1:9/")
    file = File(name="f", content=UPLOADED.encode())
    things = [wanted, WHO, BY_TOKEN, file, ApiClient(wanted), PARAMS["token"]]

    assert canaries_in([f"{thing!r} {thing} {thing:}" for thing in things]) == []
    for thing in (wanted, WHO, ApiClient(wanted)):
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(thing)


def test_what_must_leave_does_leave() -> None:
    """In clear and in its place; else all of the above would be true of a client that sends nothing."""
    seen: list[bytes] = []
    with FaultServer(answering(response(success({})), seen=seen)) as server:
        client = ApiClient(settings(server.url))
        client.call(WRITE, PARAMS, context=WHO)
        client.call(WRITE, PARAMS, context=WHO, files={"f": File(name="f", content=UPLOADED.encode())})
        client.call(WRITE, PARAMS, context=BY_TOKEN)
        client.close()

    for canary in CANARIES:
        assert canary.encode() in b"".join(seen), canary
    assert b"\r\ncookie:" not in b"".join(seen).lower()
