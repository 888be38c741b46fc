"""The routes of a host, the same in Flask and in FastAPI, by the frameworks' own test clients."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, Protocol

import flask
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from itsm_workflow import AsyncWorkflow, State, Workflow
from itsm_workflow.callbacks.parse import MAX_BODY
from itsm_workflow.integrations.fastapi import lifespan, router
from itsm_workflow.integrations.fastapi.models import Application, Failure, StatusAnswer
from itsm_workflow.integrations.flask import blueprint
from itsm_workflow.integrations.log_platform.routes import FIELDS, MAX_APPLICATION
from itsm_workflow.testing.ledger_gateway import as_request
from tests.support.callback_examples import address_of, body, place
from tests.support.desk import ASKED, SUBJECT, Desk
from tests.support.limits import PATIENCE
from tests.support.web_host import APPLICATION, fastapi_app, flask_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STATUS, APPLY = "/itsm/42/collect_itsm_status/", "/itsm/42/apply_itsm_ticket/"
JSON = "application/json"
CHUNKED = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
"""The environment of a chunked request in WSGI: its length is not known, and the server ends its stream."""


class Ask(Protocol):
    """Sends a request, and returns the status and the JSON value of the response, None if it is not JSON."""

    def __call__(
        self, method: str, path: str, sent: bytes | Iterator[bytes] = b"", /, *, user: str = "alice", **headers: str
    ) -> tuple[int, Any]:
        """Send it."""
        ...


def in_flask(workflow: Workflow) -> Ask:
    """Return the host in Flask."""
    client = flask_app.make_app(workflow).test_client()

    def ask(
        method: str, path: str, sent: bytes | Iterator[bytes] = b"", /, *, user: str = "alice", **headers: str
    ) -> tuple[int, Any]:
        options: dict[str, Any] = {"data": sent}
        if not isinstance(sent, bytes):  # as a server passes a chunked body
            pieces = b"".join(sent)
            stream = io.BytesIO(pieces)
            options = {"input_stream": stream, "environ_overrides": CHUNKED}
        answer = client.open(path, method=method, headers={"X-User": user, **headers}, **options)
        return answer.status_code, answer.get_json(silent=True)

    return ask


def in_fastapi(workflow: Workflow) -> Ask:
    """Return the host in FastAPI."""
    client = TestClient(fastapi_app.make_app(workflow))

    def ask(
        method: str, path: str, sent: bytes | Iterator[bytes] = b"", /, *, user: str = "alice", **headers: str
    ) -> tuple[int, Any]:
        answer = client.request(method, path, content=sent, headers={"X-User": user, **headers})
        return answer.status_code, answer.json() if JSON in answer.headers["Content-Type"] else None

    return ask


HOSTS: dict[str, Callable[[Workflow], Ask]] = {"flask": in_flask, "fastapi": in_fastapi}


@pytest.fixture
def desk() -> Desk:
    """A desk."""
    return Desk()


@pytest.fixture
def workflow(desk: Desk) -> Workflow:
    """The workflow of the host."""
    return desk.workflow()


@pytest.fixture(params=HOSTS)
def ask(request: pytest.FixtureRequest, workflow: Workflow) -> Ask:
    """The host, in each framework."""
    return HOSTS[request.param](workflow)


def sent(data: object) -> bytes:
    """Return a JSON text."""
    return json.dumps(data).encode()


def post(ask: Ask, data: object = APPLICATION, path: str = APPLY, **headers: str) -> tuple[int, Any]:
    """Send an application, as the page does."""
    return ask("POST", path, sent(data), **{"Content-Type": JSON, **headers})


@pytest.mark.parametrize("host", HOSTS)
def test_an_application_that_the_workflow_does_not_permit_is_answered_with_403(desk: Desk, host: str) -> None:
    """As one that the route's own hook refuses, with the same code; nothing is sent."""
    asked = HOSTS[host](desk.workflow(authorize=lambda *_: False))
    status, answer = post(asked)
    assert (status, answer["code"], answer["result"]) == (403, 403, False)
    assert "'alice' may not apply on subject 'collector-42'" in answer["message"]
    assert desk.ledger.tickets() == ()


# ---------------------------------------------------------------- callbacks


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_callback_makes_the_change_due(ask: Ask, desk: Desk, workflow: Workflow, is_chunked: bool) -> None:  # noqa: FBT001 - a case
    """With a length, and in chunks."""
    change = workflow.apply(subject=SUBJECT, **ASKED)
    request = as_request(desk.decide(change))
    text: bytes = request["body"]
    status, answer = ask(
        "POST", request["path"], iter([text[:9], text[9:]]) if is_chunked else text, user="", **request["headers"]
    )
    assert (status, answer["code"]) == (200, 0)
    assert workflow.settle(change.id).state == State.APPROVED


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_large_callback_is_refused(ask: Ask, workflow: Workflow, is_chunked: bool) -> None:  # noqa: FBT001 - a case
    """One byte over the limit."""
    where = place(workflow.apply(subject=SUBJECT, **ASKED).id, address=address_of(workflow))
    text = b"x" * (MAX_BODY + 1)
    assert ask("POST", where["path"], iter([text]) if is_chunked else text, **where["headers"])[0] == 413


def test_a_wrong_credential_is_refused_and_nothing_is_stored(ask: Ask, desk: Desk, workflow: Workflow) -> None:
    """With the platform's code for a callback that it rejects."""
    change = workflow.apply(subject=SUBJECT, **ASKED)
    row = desk.store.get(change.id)
    path = place(change.id)["path"]
    status, answer = ask("POST", path, body(), **{"X-Itsm-Workflow-Credential": "x" * 43})
    assert (status, answer["code"], desk.store.get(change.id)) == (401, 501, row)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_a_post_is_a_callback(ask: Ask, method: str) -> None:
    """Any other method is refused."""
    assert ask(method, place()["path"])[0] == 405


# ---------------------------------------------------------------- status and application


def test_an_application_is_filed_and_shown_with_the_platform_s_words(ask: Ask, desk: Desk, workflow: Workflow) -> None:
    """The four statuses and labels, the ticket's page, and the eight fields under their own names."""
    assert ask("GET", STATUS)[1]["data"]["collect_itsm_status"] == "not_apply"

    status, answer = post(ask)
    change = workflow.newest("collector-42")
    assert change is not None
    data = answer["data"]
    assert (status, change.form.applicant, data) == (200, "alice", ask("GET", STATUS)[1]["data"])
    assert {name: data[name] for name in FIELDS} == {name: APPLICATION[name] for name in FIELDS}
    assert (data["collect_itsm_status"], data["collect_itsm_status_display"]) == ("applying", "采集接入进行中")
    assert (data["sn"], data["ticket_url"]) == (change.sn, change.ticket_url)

    desk.decide(change)
    desk.clock.advance(3600)
    workflow.reconcile()
    data = ask("GET", STATUS + "?live=true")[1]["data"]
    assert (data["collect_itsm_status"], data["collect_itsm_status_display"]) == ("success_apply", "采集接入完成")


def test_a_host_completes_an_application(ask: Ask, workflow: Workflow) -> None:
    """For example with a title."""
    untitled = {name: value for name, value in APPLICATION.items() if name != "title"}
    assert post(ask, untitled)[0] == 200
    change = workflow.newest("collector-42")
    assert change is not None
    assert change.form.title == "采集项 42"


def test_a_second_application_gets_the_platform_s_code(ask: Ask, desk: Desk) -> None:
    """502, and no second ticket."""
    post(ask)
    status, answer = post(ask)
    assert (status, answer["code"], answer["result"]) == (409, 502, False)
    assert len(list(desk.ledger.tickets())) == 1


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (b'{"title": "t"}', "expect_access_data"),
        (sent({**APPLICATION, "log_keep_days": "7"}), "log_keep_days"),
        (sent({**APPLICATION, "owner": 1}), "owner"),
        (b" " * (MAX_APPLICATION + 1), "body"),
    ],
)
def test_a_wrong_application_lists_its_problems(ask: Ask, desk: Desk, text: bytes, field: str) -> None:
    """By field, and nothing is filed."""
    status, answer = ask("POST", APPLY, text, **{"Content-Type": JSON})
    assert (status, answer["code"], list(desk.ledger.tickets())) == (400, 500, [])
    assert field in [problem["field"] for problem in answer["errors"]]


def test_another_content_type_is_refused(ask: Ask, desk: Desk) -> None:
    """A page of another site can send it with the user's cookies."""
    status, _ = ask("POST", APPLY, sent(APPLICATION), **{"Content-Type": "text/plain"})
    assert (status, list(desk.ledger.tickets())) == (415, [])


def test_an_unknown_person_is_refused(ask: Ask) -> None:
    """By both routes."""
    assert (ask("GET", STATUS, user="")[0], post(ask, **{"X-User": ""})[0]) == (401, 401)


def test_the_host_decides_what_is_permitted(ask: Ask) -> None:
    """By person, action and collector."""
    assert ask("GET", "/itsm/7/collect_itsm_status/", user="bob")[0] == 200
    status, answer = ask("GET", STATUS, user="bob")
    assert (status, answer["code"]) == (403, 403)
    assert post(ask, path="/itsm/7/apply_itsm_ticket/", **{"X-User": "bob"})[0] == 403


def test_what_is_not_a_collector_is_not_found(ask: Ask) -> None:
    """Before anything is read."""
    assert ask("GET", "/itsm/4.2/collect_itsm_status/")[0] == 404


def test_a_store_that_fails_is_answered_and_logged(ask: Ask, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """As an error of the server, without a page of the framework."""
    desk.store.inner.close()
    status, answer = ask("GET", STATUS)
    assert (status, answer["result"]) == (503, False)
    assert "was closed" in caplog.text


# ---------------------------------------------------------------- Flask


def person() -> str:
    """Return the user of every request."""
    return "alice"


def test_flask_opens_the_workflow_when_it_is_needed(workflow: Workflow, caplog: pytest.LogCaptureFixture) -> None:
    """If it cannot be opened, a callback is listed as not delivered, and the log shows no credential."""

    def fail() -> Workflow:
        raise RuntimeError("the settings are wrong")

    where = place(address=address_of(workflow))
    client = flask_app.make_app(fail).test_client()
    answer = client.post(where["path"], data=body(), headers=where["headers"])
    assert answer.status_code == 503
    assert "the settings are wrong" in caplog.text
    assert where["headers"]["X-Itsm-Workflow-Credential"] not in caplog.text


def test_flask_s_host_may_have_read_a_chunked_callback(desk: Desk, workflow: Workflow) -> None:
    """A function that runs before the view; Flask keeps the body."""
    app = flask_app.make_app(workflow)

    @app.before_request
    def read() -> None:
        flask.request.get_data()

    request = as_request(desk.decide(workflow.apply(subject=SUBJECT, **ASKED)))
    stream = io.BytesIO(request["body"])
    answer = app.test_client().post(
        request["path"],
        input_stream=stream,
        headers=request["headers"],
        environ_overrides=CHUNKED,
    )
    assert answer.status_code == 200


def test_a_permission_that_is_neither_yes_nor_no_permits_nothing(workflow: Workflow) -> None:
    """It is a mistake of the host."""
    wrong: Any = lambda *_: "no"  # noqa: E731 - its type is the point
    in_flask = flask.Flask(__name__)
    in_flask.register_blueprint(blueprint(workflow, person=person, permit=wrong), url_prefix="/itsm")
    in_fastapi = FastAPI()
    in_fastapi.include_router(router(AsyncWorkflow(workflow), person=person, permit=wrong), prefix="/itsm")
    for answer in (in_flask.test_client().get(STATUS), TestClient(in_fastapi).get(STATUS)):
        assert answer.status_code == 500
        assert b"must return True or False" in (answer.data if hasattr(answer, "data") else answer.content)


@pytest.mark.parametrize("wrong", [{"person": "alice"}, {"permit": True}, {"workflow": 1}])
def test_wrong_arguments_are_refused(workflow: Workflow, wrong: dict[str, Any]) -> None:
    """When the host is built."""
    given = {"workflow": workflow, "person": person, "permit": person, **wrong}
    with pytest.raises(TypeError, match="blueprint"):
        blueprint(**given)
    given = {"workflow": AsyncWorkflow(workflow), "person": person, "permit": person, **wrong}
    with pytest.raises(TypeError, match="router"):
        router(**given)


@pytest.mark.parametrize("name", ["person", "permit", "subject", "complete"])
def test_a_function_that_does_not_take_its_arguments_is_refused(workflow: Workflow, name: str) -> None:
    """When the host is built; FastAPI itself calls ``person`` and ``permit``, as dependencies."""

    def unfit(_a: object, _b: object, _c: object, _d: object) -> str:
        return ""

    given: dict[str, Any] = {"workflow": workflow, "person": person, "permit": person, name: unfit}
    if name != "permit":
        given["permit"] = lambda _user, _action, _collector: True
    with pytest.raises(TypeError, match=rf"^blueprint\({name}=\.\.\.\): the function is called with \("):
        blueprint(**given)
    if name in {"subject", "complete"}:
        with pytest.raises(TypeError, match=rf"^router\({name}=\.\.\.\): the function is called with \("):
            router(**{**given, "workflow": AsyncWorkflow(workflow)})


# ---------------------------------------------------------------- FastAPI


def test_fastapi_describes_the_routes_with_their_types(workflow: Workflow) -> None:
    """The body, the answers and the statuses."""
    schema = fastapi_app.make_app(workflow).openapi()
    apply = schema["paths"]["/itsm/{collector}/apply_itsm_ticket/"]["post"]
    asked = apply["requestBody"]["content"][JSON]["schema"]
    assert set(asked["properties"]) == {*FIELDS, "title", "content", "approvers"}
    assert set(asked["required"]) == set(FIELDS)
    assert {"200", "400", "401", "403", "409", "415", "502", "503"} <= set(apply["responses"])
    assert {"StatusAnswer", "CallbackAnswer", "Failure"} <= set(schema["components"]["schemas"])


def test_fastapi_s_types_are_those_of_the_answers(workflow: Workflow) -> None:
    """Answers are sent as they are, so the types are compared here."""
    ask = in_fastapi(workflow)
    Application.model_validate(APPLICATION)
    for answer in (ask("GET", STATUS)[1], post(ask)[1]):
        StatusAnswer.model_validate(answer)
    for answer in (post(ask)[1], post(ask, {})[1], ask("GET", STATUS, user="bob")[1]):
        Failure.model_validate(answer)


def test_fastapi_awaits_a_permission(workflow: Workflow) -> None:
    """A coroutine function may ask another service."""

    async def may(person: str, action: str, collector: str) -> bool:
        return (person, action, collector) == ("alice", "view", "42")

    app = FastAPI()
    app.include_router(router(AsyncWorkflow(workflow), person=person, permit=may), prefix="/itsm")
    client = TestClient(app)
    assert client.get(STATUS).status_code == 200
    assert client.post(APPLY, json=APPLICATION).status_code == 403


def test_fastapi_closes_the_workflow_with_the_application(workflow: Workflow, caplog: pytest.LogCaptureFixture) -> None:
    """Not later than asked, although a call goes on."""
    begun, end = threading.Event(), threading.Event()
    changes = AsyncWorkflow(workflow)

    def stuck() -> None:
        begun.set()
        assert end.wait(PATIENCE)

    with caplog.at_level(logging.WARNING), TestClient(FastAPI(lifespan=lifespan(changes, seconds=0))):
        changes._pool_of_process().submit(stuck)
        assert begun.wait(PATIENCE)
    end.set()
    assert workflow._waits.is_closed
    assert "did not end within 0 s" in caplog.text


def test_fastapi_refuses_a_websocket(workflow: Workflow) -> None:
    """Without an error of the server."""
    client = TestClient(fastapi_app.make_app(workflow))
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(place()["path"]):
        pass


# ---------------------------------------------------------------- the extras


@pytest.mark.parametrize("name", ["flask", "fastapi"])
def test_a_host_without_the_extra_gets_its_name(name: str) -> None:
    """In one sentence."""
    program = f"import sys; sys.modules[{name!r}] = None\nimport itsm_workflow.integrations.{name}"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stderr.rstrip().endswith(f"`pip install 'itsm-workflow[{name}]'`")
