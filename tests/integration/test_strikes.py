"""An error that strikes anywhere shows no secret, even to a report with the variables of all frames."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import json
from random import Random
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import requests
import urllib3

from itsm_workflow import Workflow
from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.bkapi.context import RequestContext
from itsm_workflow.bkapi.endpoint import Endpoint
from itsm_workflow.bkapi.prepare import fill_identity_and_app
from itsm_workflow.bkapi.retry import NO_RETRY
from itsm_workflow.bkapi.transport import Transport
from itsm_workflow.bkapi.upload import File
from itsm_workflow.callbacks.asgi import asgi_app
from itsm_workflow.callbacks.parse import Callback, Incoming, call_receive, read_callback
from itsm_workflow.callbacks.signer import HEADER, PROBE
from itsm_workflow.callbacks.wsgi import wsgi_app
from itsm_workflow.cli import main
from itsm_workflow.cli.places import existing_store
from itsm_workflow.doctor import examine
from itsm_workflow.doctor.callback import examine_callback
from itsm_workflow.doctor.gateway import examine_gateway
from itsm_workflow.errors import SettingsError
from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway
from itsm_workflow.secrets import Secret, SecretURL
from itsm_workflow.settings import Settings
from itsm_workflow.settings.variables import Variables
from itsm_workflow.storage.registry import open_storage, schema_of
from itsm_workflow.testing.manual_clock import ManualClock
from itsm_workflow_backends.memory import MemoryBackend
from tests.support.fault_server import FaultServer, answering, response, success
from tests.support.gateways import create_request
from tests.support.long import long_after
from tests.support.scripted import scripted_client
from tests.support.strikes import LIBRARY, Struck, StruckSoftly, report, strikes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from itsm_workflow.bkapi.transport import HttpRequest

APP_SECRET = "canary-app-secret-0123456789"
KEY = "canary-callback-key-0123456789-0123456789"
TOKEN = "canary-server-token-0123456789"
LOGIN = "canary-login/0123456789"
"""With a character that a server may escape."""
UPLOADED = "canary-upload-0123456789"
STORE_PASSWORD = "canary-store-password"
CANARY = "canary"
URL = "http://127.0.0.1:9/v2/itsm/"
SN = "REQ20261125000007"
CALLBACKS = (f"{LIBRARY}/callbacks",)


def answer(request: HttpRequest) -> bytes:
    """Answer as a gateway does whose ticket is approved."""
    row = {"id": 7, "sn": SN, "title": "t", "creator": "alice", "current_status": "FINISHED"}
    data: dict[str, object] = {
        "create_ticket": {"id": 7, "sn": SN},
        "token_verify": {"is_passed": False},
        "get_ticket_info": {**row, "current_steps": [], "fields": []},
        "get_ticket_logs": {"logs": [{"from_state_type": "APPROVAL", "operator": "bob", "form_data": []}]},
        "ticket_approval_result": [
            {
                "sn": SN,
                "ticket_url": "http://itsm.example.com/#/ticket/detail?id=7",
                "current_status": "FINISHED",
                "approve_result": True,
            }
        ],
        "get_tickets": {"count": 0, "total_page": 1, "items": []},
    }
    return json.dumps(success(data[request.endpoint])).encode()


def given(place: str) -> dict[str, Any]:
    """Return settings that are full of secrets."""
    return {
        "app_secret": Secret(APP_SECRET),
        "callback_host": "https://host.example.com",
        "callback_keys": (Secret(KEY), Secret(f"{KEY}-old")),
        "callback_credential": place,
        "fast_approval": True,
    }


class Scene:
    """A workflow with a change whose ticket is waiting, and the callback that comes for it.

    Attributes:
        credential: What the callback brings.
    """

    def __init__(self, place: str = "header", after: Any = "later", **options: Any) -> None:  # noqa: ANN401 - passed on
        client, _ = scripted_client(answer, **given(place))
        clock = ManualClock()
        self.workflow = Workflow(
            storage=MemoryBackend(),
            gateway=BkItsmGateway(client.settings, client=client, clock=clock),
            clock=clock,
            entropy=Random(7).randbytes,  # each scene's changes have the same ids, and so the same credentials
            after_callback=after,
            **options,
        )
        self._change = self.workflow.apply(
            subject="collector-1", title="接入日志", applicant="alice", approvers=["bob"]
        ).id
        self._place = place
        address = self.workflow._addresses.signer
        assert address is not None
        self.credential = address.credential(self._change, 1)
        self.probe = address.credential(PROBE, 1)
        texts = [self.credential.reveal(), self.probe.reveal()]
        CREDENTIALS.clear()
        CREDENTIALS.update(texts, [text[::-1] for text in texts])

    def callback(self, *, probe: bool = False, forged: bool = False, **facts: object) -> Incoming:
        """Return the callback as it comes in."""
        credential = (self.probe if probe else self.credential).reveal()
        credential = credential[::-1] if forged else credential
        path = f"/itsm/callback/{PROBE if probe else self._change}/1/"
        body = {
            "title": "t",
            "current_status": "FINISHED",
            "sn": SN,
            "ticket_url": "",
            "update_at": "2026-11-25 12:00:00",
            "updated_by": "bob",
            "approve_result": True,
            "token": TOKEN,
            "last_approver": "bob",
            **facts,
        }
        in_path = self._place == "path"
        return Incoming(
            method="POST",
            path=path + f"{credential}/" * in_path,
            headers={"Host": "h"} if in_path else {HEADER: credential},
            body=json.dumps(body).encode(),
        )


CREDENTIALS: set[str] = set()
"""Those of the newest scene."""


def shows(text: str) -> bool:
    """Return whether any secret is in the text."""
    return CANARY in text or any(each in text for each in CREDENTIALS)


ENTRANCES = ("Workflow.receive", "application")
"""What is given text in clear by a server or a host; the lines on which it is sealed cannot be without it."""


def leaks(
    prepare: Callable[[], Callable[[], object]], *, within: tuple[str, ...] = (LIBRARY,), step: int = 1
) -> list[str]:
    """Return where a strike shows a secret, whatever strikes."""
    found: set[str] = set()
    for kind, every in ((Struck, step), (StruckSoftly, 3 * step)):
        count = 0
        for place, text in strikes(prepare, kind, within=within, step=every):
            count += 1
            if shows(text):
                found.add(place.rpartition("/")[2])
        assert count
    entering = sorted(place for place in found if place.endswith(ENTRANCES))
    assert len(entering) <= 5, entering
    return sorted(found - set(entering))


class TestCallback:
    """In, whatever comes in."""

    @pytest.mark.parametrize(
        ("place", "facts"),
        [
            pytest.param("header", {}, marks=pytest.mark.long),
            ("path", {"forged": True}),
            pytest.param("path", {}, marks=pytest.mark.long),
            pytest.param("header", {"probe": True}, marks=pytest.mark.long),
            pytest.param("header", {"sn": "?"}, marks=pytest.mark.long),
        ],
    )
    def test_a_strike_at_any_line_shows_nothing(self, place: str, facts: dict[str, Any]) -> None:
        """Of the credential, in header and path, and of the server's token."""

        def prepare() -> Callable[[], object]:
            scene = Scene(place)
            receive, request = scene.workflow.receive, scene.callback(**facts)
            return lambda: call_receive(receive, request)

        # What follows once it was believed is the same for all, and is struck here and there.
        assert leaks(prepare, within=(*CALLBACKS, f"{LIBRARY}/workflow.py")) == []
        assert leaks(prepare, step=5) == []

    @pytest.mark.long
    @pytest.mark.parametrize("place", ["header", "path"])
    def test_nor_on_the_way_through_a_server(self, place: str) -> None:
        """WSGI and ASGI hand the request over in clear; what the library makes of it is sealed."""

        def by_wsgi() -> Callable[[], object]:
            scene = Scene(place)
            application, request = wsgi_app(scene.workflow.receive), scene.callback()
            return lambda: application(_environ(request), _started)

        def by_asgi() -> Callable[[], object]:
            scene = Scene(place)
            application, request = asgi_app(scene.workflow.receive), scene.callback()
            return lambda: asyncio.run(application(_scope(request), _events(request), _ignored))

        for prepare in (by_wsgi, by_asgi):
            assert leaks(prepare, within=CALLBACKS) == []

    @pytest.mark.long
    def test_nor_while_the_server_s_token_is_checked(self) -> None:
        """By the gateway, and in what observers and the log get of it."""

        def prepare() -> Callable[[], object]:
            scene = Scene()
            inbox, address = scene.workflow._inbox, scene.workflow._addresses.signer
            assert address is not None
            callback = read_callback(address, scene.callback())
            assert isinstance(callback, Callback)
            return lambda: inbox._check_token(callback)

        assert leaks(prepare) == []


def _started(_status: str, _headers: object, _error: object = None) -> Callable[[bytes], object]:
    return len


def _environ(request: Incoming) -> dict[str, Any]:
    headers = {f"HTTP_{name.upper().replace('-', '_')}": text for name, text in request.headers.items()}
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": request.path,
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.input": io.BytesIO(request.body),
        **headers,
    }


def _scope(request: Incoming) -> dict[str, Any]:
    headers = [(name.lower().encode(), text.encode()) for name, text in request.headers.items()]
    return {"type": "http", "method": "POST", "path": request.path, "headers": headers}


def _events(request: Incoming) -> Any:  # noqa: ANN401 - a coroutine function
    async def event() -> dict[str, object]:
        return {"type": "http.request", "body": request.body, "more_body": False}

    return event


async def _ignored(_: object) -> None:
    """Send nothing."""


WHO = RequestContext(user="alice", bk_token=Secret(LOGIN), logins={"skey": Secret(f"{LOGIN}-skey")})
BY_TOKEN = RequestContext(user="alice", access_token=Secret(LOGIN))
WRITE: Endpoint[Any] = Endpoint(
    name="write",
    method="POST",
    url="write/",
    header_keys=("X-Key",),
    before_request=fill_identity_and_app,
    fresh_connection=True,
)
REMEMBERED: Endpoint[Any] = Endpoint(name="read", method="GET", url="read/", cache_time=60)
SEALED = {"X-Key": Secret(LOGIN), "p": Secret(TOKEN)}
HOST = "https://host.example.com/itsm/callback/0/1/"
CREDENTIAL = f"{CANARY}-credential-0123456789-0123456789"
IN_A_HEADER = attrs.evolve(create_request(), callback_url=HOST, callback_headers={HEADER: CREDENTIAL})
IN_THE_PATH = attrs.evolve(create_request(), callback_url=f"{HOST}{CREDENTIAL}/", callback_headers={})
UPLOAD = File(name="f", content=UPLOADED.encode())
ACTS: dict[str, Callable[[BkItsmGateway, ApiClient], object]] = {
    "create": lambda gateway, _: gateway.create(IN_A_HEADER),
    "create with the credential in the path": lambda gateway, _: gateway.create(IN_THE_PATH),
    "verify_token": lambda gateway, _: gateway.verify_token(Secret(TOKEN)),
    "a call with logins": lambda _, client: client.call(WRITE, SEALED, context=WHO),
    "a call by an access token": lambda _, client: client.call(REMEMBERED, context=BY_TOKEN),
    "an upload": lambda _, client: client.call(WRITE, {"X-Key": Secret(LOGIN)}, context=WHO, files={"f": UPLOAD}),
}


# Struck while a connection is opened: what is not closed yet is left to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning")
class TestGateway:
    """Out, over real connections."""

    @pytest.mark.long
    @pytest.mark.parametrize("act", ACTS)
    def test_a_strike_at_any_line_shows_nothing(self, act: str) -> None:
        """Of what is sent, at every line of the library; and nothing is printed when what was left is collected."""
        with opened(act) as prepare:
            assert leaks(prepare) == []
        gc.collect()

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # struck in their finalizers
    @pytest.mark.long
    @pytest.mark.parametrize("act", ["create", "a call with logins"])
    def test_nor_in_the_libraries_below(self, act: str) -> None:
        """Whose variables hold the headers in clear."""
        below = tuple(str(module.__path__[0]) for module in (requests, urllib3))
        with opened(act) as prepare:
            assert leaks(prepare, within=below, step=7) == []
        gc.collect()


@contextlib.contextmanager
def opened(act: str) -> Iterator[Callable[[], Callable[[], object]]]:
    """Give what prepares an act of a gateway that answers."""
    data: object = {"id": 7, "sn": SN, "is_passed": True}
    with FaultServer(answering(response(success(data)))) as server:
        wanted, transport = attrs.evolve(settings(), gateway_url=server.url), Transport()

        def prepare() -> Callable[[], object]:
            client = ApiClient(wanted, transport=transport, retry=NO_RETRY)
            gateway = BkItsmGateway(wanted, client=client)
            return lambda: ACTS[act](gateway, client)

        yield prepare


def settings(place: str = "header") -> Settings:
    """Return settings that are full of secrets."""
    return Settings(app_code="bk_flow", gateway_url=URL, **given(place))


VARIABLES = Variables(
    {
        "BKAPP_ITSM_APP_CODE": "bk_flow",
        "BKAPP_ITSM_APP_SECRET": APP_SECRET,
        "BKAPP_ITSM_GATEWAY_URL": URL,
        "BKAPP_ITSM_FAST_APPROVAL": "true",
        "BKAPP_ITSM_CALLBACK_HOST": "https://host.example.com",
        "BKAPP_ITSM_CALLBACK_KEYS": f"{KEY},{KEY}-old",
        "BKAPP_ITSM_SYSTEM_TOKEN": LOGIN,
        "BKAPP_ITSM_STORE": f"sqlite://me:{STORE_PASSWORD}@db/changes",
    }
)
MASKED = SecretURL(f"sqlite://me:{STORE_PASSWORD}@db/changes")


class TestSettings:
    """Read from variables, or given."""

    @pytest.mark.parametrize("wrong", long_after(1, ["", "BKAPP_ITSM_TIMEOUT", "BKAPP_ITSM_CALLBACK_KEYS"]))
    def test_a_strike_at_any_line_shows_nothing(self, wrong: str) -> None:
        """Nor does what is refused: the variables, the keys, a store's password."""
        variables = Variables({**VARIABLES, **({wrong: STORE_PASSWORD} if wrong else {})})
        assert leaks(lambda: lambda: Settings.from_env(variables)) == []
        if wrong:
            with pytest.raises(SettingsError) as refused:
                Settings.from_env(variables)
            assert not shows(report(refused.value))

    def test_what_is_given_shows_in_no_refusal(self) -> None:
        """Not even the store's URL, which may be given as a text."""
        refused = None
        try:
            Settings(app_code="", store=STORES[0], gateway_url=STORES[1], **given("header"))
        except SettingsError as error:
            refused = error
        assert refused is not None
        assert not shows(report(refused))
        with pytest.raises(SettingsError) as caught:
            ApiClient(settings(), base_url=STORES[1])
        assert not shows(report(caught.value))

    def test_variables_that_are_no_texts_show_in_no_error(self) -> None:
        """Whatever a host gives."""
        odd = Variables({**VARIABLES, "BKAPP_ITSM_TENANT_ID": 5})  # type: ignore[dict-item] # wrong on purpose
        with pytest.raises(SettingsError, match="BKAPP_ITSM_TENANT_ID must be text") as caught:
            Settings.from_env(odd)
        assert not shows(report(caught.value))


STORES = (f"postgresql://me:{STORE_PASSWORD}@db/changes", f"https://me:{STORE_PASSWORD}@example.com/")


class TestStores:
    """A URL that holds a password."""

    @pytest.mark.long
    @pytest.mark.parametrize("act", [open_storage, schema_of, existing_store], ids=lambda act: act.__name__)
    def test_a_strike_at_any_line_shows_nothing(self, act: Callable[[SecretURL], Any]) -> None:
        """Of a URL that no backend knows, and of one that its backend refuses."""
        for url in (MASKED, SecretURL(STORES[0])):
            assert leaks(lambda url=url: lambda: contextlib.ExitStack().enter_context(act(url))) == []  # type: ignore[misc] # bound

    @pytest.mark.long
    def test_nor_does_the_doctor(self, tmp_path: Path) -> None:
        """In its findings, and at any line."""
        assert leaks(lambda: lambda: list(examine(VARIABLES, store=MASKED))) == []
        for store in (
            MASKED,
            *map(SecretURL, (*STORES, f"sqlite:///{tmp_path}/me:{STORE_PASSWORD}@db", STORE_PASSWORD)),
        ):
            variables = Variables({**VARIABLES, "BKAPP_ITSM_STORE": store.reveal()})
            found = list(examine(variables, store=store))
            assert not shows(repr(found))
            assert {"settings.store", "storage.open"} <= {finding.name for finding in found}


@pytest.mark.long
class TestDoctor:
    """What asks the gateway, and calls our own callback."""

    @pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning")
    @pytest.mark.parametrize("place", ["header", pytest.param("path", marks=pytest.mark.long)])
    def test_a_strike_at_any_line_shows_nothing(self, place: str) -> None:
        """Of the probe's credential, nor of the application's secret."""
        within = (f"{LIBRARY}/doctor", f"{LIBRARY}/callbacks")
        with FaultServer(answering(response(success([])))) as server:
            wanted = attrs.evolve(settings(place), gateway_url=server.url, callback_host=server.url.rstrip("/"))
            Scene(place)  # whose probe carries the same credential
            for examined in (examine_callback, examine_gateway):
                assert leaks(lambda what=examined: lambda: list(what(wanted, clock=ManualClock())), within=within) == []  # type: ignore[misc] # bound
        gc.collect()


class TestFiling:
    """From the credential's making to the gateway."""

    @pytest.mark.parametrize("place", ["header", pytest.param("path", marks=pytest.mark.long)])
    def test_a_strike_at_any_line_shows_nothing(self, place: str) -> None:
        """In what makes the address, and in what hands it to the gateway."""
        within = tuple(
            f"{LIBRARY}/{name}" for name in ("runtime/executor.py", "runtime/filing.py", "workflow.py", "callbacks")
        )

        def prepare() -> Callable[[], object]:
            scene = Scene(place)
            CREDENTIALS.update(known)
            return lambda: file(scene)

        def file(scene: Scene) -> str:
            asked = {"subject": "collector-2", "title": "接入日志", "applicant": "alice", "approvers": ["bob"]}
            return scene.workflow.apply(**asked).id  # type: ignore[arg-type] # a form

        scene = Scene(place)
        change, address = file(scene), scene.workflow._addresses.signer
        assert address is not None
        known = [address.credential(change, 1).reveal()]
        del scene
        assert prepare()() == change
        assert leaks(prepare, within=within) == []


COMMANDS = (["list"], ["doctor"], ["doctor", "--json"], ["reconcile", "--app", "none"], ["storage", "check"])


class TestCommandLine:
    """What is printed of a URL that holds a password."""

    @pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
    def test_no_password_is_printed(
        self, command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """By the option and by the variable, of every kind of URL."""
        for name, value in VARIABLES.items():
            monkeypatch.setenv(name, value)
        paths = [f"json://me:{STORE_PASSWORD}@db"]
        if command[0] != "storage":  # which would check it, since it can be made there
            paths.append(f"sqlite:///{tmp_path}/me:{STORE_PASSWORD}@db")
        for store in (MASKED.reveal(), *STORES, *paths, STORE_PASSWORD):
            monkeypatch.setenv("BKAPP_ITSM_STORE", store)
            typed = [store] if command[0] == "storage" else ["--store", store]
            for words in ([*command, *typed], command):
                main(words)
                shown = capsys.readouterr()
                assert not shows(shown.out + shown.err)
                assert shown.out + shown.err
