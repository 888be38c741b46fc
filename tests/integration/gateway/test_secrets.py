"""No secret of ours is ever seen outside the request that carries it, whichever way a call is made and ends."""

from __future__ import annotations

import io
import json
import logging
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.bkapi.context import RequestContext
from itsm_workflow.bkapi.endpoint import Endpoint
from itsm_workflow.bkapi.prepare import fill_identity_and_app
from itsm_workflow.bkapi.retry import RetryPolicy
from itsm_workflow.bkapi.upload import File
from itsm_workflow.errors import GatewayError
from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway
from itsm_workflow.gateway.bk_itsm.wire import GET_SERVICES, TOKEN_VERIFY
from itsm_workflow.secrets import Secret
from tests.support.echoes import ALL_ECHOES, CANARIES, COOKIE, ECHO, LOGINS, SET_COOKIE, UPLOADED
from tests.support.fault_server import CREATED, FaultServer, answering, response, success
from tests.support.gateways import APP_SECRET, CREDENTIAL, TOKEN, create_request, gateway, settings
from tests.support.leaks import frames_of, shown_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.bkapi.call_log import CallRecord

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


def canaries_in(texts: list[str]) -> list[str]:
    """Return each text in which a canary is seen, or what is left of one after a cut: they all begin alike."""
    return [text for text in texts if "canar" in text]


def written(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return all that a formatter could write of the log, of every library and at every level."""
    return [shown_by(record) for record in caplog.records]


def error_of(act: Callable[[], object]) -> GatewayError:
    """Return the error that a call ends in."""
    with pytest.raises(GatewayError) as caught:
        act()
    return caught.value


def by_client(client: ApiClient, context: RequestContext) -> tuple[list[GatewayError], list[object]]:
    """Call a gateway that fails by the client; return the errors, and what a host may print of the calls."""
    errors = [
        error_of(lambda: client.call(WRITE, PARAMS, context=context)),
        error_of(lambda: client.call(READ, {"title": "t"}, context=context)),
    ]
    whole = client.call(WRITE, PARAMS, context=context, raise_exception=False)
    assert not whole.is_success
    return errors, [whole]


def by_adapter(client: ApiClient) -> tuple[list[GatewayError], list[object]]:
    """Do the same by the adapter, which calls with the client."""
    itsm = BkItsmGateway(client.settings, client=client)
    created = itsm.create(create_request())
    return [error_of(lambda: itsm.verify_token(TOKEN)), error_of(itsm.services)], [created, create_request(), itsm]


CALLS: dict[str, Callable[[ApiClient], tuple[list[GatewayError], list[object]]]] = {
    "logins": lambda client: by_client(client, WHO),
    "access token": lambda client: by_client(client, BY_TOKEN),
    "adapter": by_adapter,
}
"""Three calls each."""


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", ALL_ECHOES)
def test_no_secret_shows_when_a_call_fails(name: str, call: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not in a log, an error, its chain, its variables, a record, a response, nor in what a task queue would ship."""
    caplog.set_level(logging.DEBUG)
    records: list[CallRecord] = []
    with FaultServer(ALL_ECHOES[name]) as server:
        wanted = settings(server.url, deadline=0.5)
        client = ApiClient(wanted, retry=RetryPolicy(attempts=2, wait=False), observers=[records.append])
        errors, things = CALLS[call](client)
        client.close()

    assert len(records) == 3
    assert len(caplog.records) > 4
    for error in errors:
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
        assert canaries_in([*frames_of(error), *frames_of(again)]) == []
    shown = [*written(caplog), *map(repr, records), *map(repr, things), *map(str, things), repr(client.__dict__)]
    shown += [repr(pickle.loads(pickle.dumps(records))), repr(pickle.dumps(records))]  # noqa: S301 - our own
    assert canaries_in(shown) == []


@pytest.mark.parametrize("call", CALLS)
def test_no_secret_shows_when_nothing_can_be_sent(call: str, caplog: pytest.LogCaptureFixture) -> None:
    """The same before the first byte."""
    caplog.set_level(logging.DEBUG)
    client = ApiClient(settings("https://no-such-host.invalid/"), retry=RetryPolicy(attempts=2, wait=False))
    errors, things = CALLS[call](client)

    assert canaries_in([text for error in errors for text in frames_of(error)]) == []
    assert canaries_in([*written(caplog), *map(repr, things)]) == []


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


def test_a_cached_answer_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    """It is masked for every caller."""
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
        "requests.adapters.HTTPAdapter.send",
        "requests.adapters.HTTPAdapter.build_response",
    ],
)
@pytest.mark.parametrize("caller", ["client", "adapter"])
def test_nothing_shows_when_something_strikes(
    caller: str, place: str, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time limit, Ctrl-C or the end of memory come through frames that hold secrets in clear: they are cut there."""

    def strike(*_: object, **__: object) -> None:
        raise kind from RuntimeError(ECHO)

    monkeypatch.setattr(place, strike)
    with FaultServer(answering(response(success({})))) as server:
        client = ApiClient(settings(server.url))
        itsm = BkItsmGateway(client.settings, client=client)
        with pytest.raises(kind) as caught:
            client.call(WRITE, PARAMS, context=WHO) if caller == "client" else itsm.create(create_request())
        client.close()

    assert canaries_in(list(frames_of(caught.value))) == []


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
    inner = [text for text in frames_of(caught.value) if not text.startswith(("ApiClient.", "build_request "))]
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
