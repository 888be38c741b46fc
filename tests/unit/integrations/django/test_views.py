"""The views: callbacks, and the log platform's status and application of a collector."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections
from django.test import Client

from itsm_workflow import State
from itsm_workflow.callbacks.parse import MAX_BODY
from itsm_workflow.integrations.django import get_workflow, process, views
from itsm_workflow.testing.ledger_gateway import as_request
from tests.support.callback_examples import KEY, address_of, body, place
from tests.support.desk import ASKED, Desk
from tests.support.django_host import itsm

if TYPE_CHECKING:
    from django.http import HttpResponse

    from itsm_workflow import ChangeRequest
    from tests.unit.integrations.django.conftest import SettingsWith

FIELDS = {
    "expect_access_data": "2026-12-01",
    "single_log_size": 500,
    "single_host_peak": 100,
    "single_host_log_volume": 1.5,
    "expect_host_size": 10,
    "log_keep_days": 7,
    "hot_data_days": 3,
    "apply_reason": "排查问题",
}
STATUS, APPLY = "/itsm/42/collect_itsm_status/", "/itsm/42/apply_itsm_ticket/"


def browser() -> Client:
    """Return a browser that a project protects against forged requests."""
    return Client(enforce_csrf_checks=True)


def send(change: ChangeRequest, sent: bytes, /, **changed: str) -> HttpResponse:
    """Send an authentic callback about a change, with some headers changed."""
    where = place(change.id, address=address_of(get_workflow()))
    headers = {**where["headers"], **changed}
    return browser().post(where["path"], sent, content_type=headers.pop("Content-Type"), headers=headers)


def applied() -> ChangeRequest:
    """File a change for the collector."""
    return get_workflow().apply(subject="collector-42", **ASKED)


def post(data: object, path: str = APPLY, **headers: str) -> HttpResponse:
    """Send a JSON object, as the page does."""
    return Client(headers=headers).post(path, data, content_type="application/json")


# ---------------------------------------------------------------- callbacks


def test_a_callback_makes_the_change_due(desk: Desk) -> None:
    """The project's protection against forged requests lets it pass, since it carries a credential of its own."""
    change = applied()
    sent = as_request(desk.decide(change))
    headers = {name: text for name, text in sent["headers"].items() if name.lower() != "content-type"}
    answer = browser().post(sent["path"], sent["body"], content_type="application/json", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (200, 0)
    assert get_workflow().settle(change.id).state == State.APPROVED


def test_a_wrong_credential_is_refused_and_nothing_is_stored(desk: Desk) -> None:
    """With the platform's code for a callback that it rejects."""
    change = applied()
    row = desk.store.get(change.id)
    answer = send(change, body(), **{"X-Itsm-Workflow-Credential": "x" * 43})
    assert (answer.status_code, answer.json()["code"]) == (401, 501)
    assert desk.store.get(change.id) == row


def test_only_a_post_is_a_callback(desk: Desk) -> None:
    """Any other method is refused."""
    del desk
    answer = browser().get(place()["path"])
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


@pytest.mark.parametrize("size", [MAX_BODY + 1, 3 * 1024 * 1024])
def test_a_large_body_is_refused(desk: Desk, size: int) -> None:
    """Also one that is larger than what Django itself accepts."""
    del desk
    assert send(applied(), b"x" * size).status_code == 413


@pytest.mark.parametrize(("size", "status"), [(0, 200), (MAX_BODY + 1, 413)])
def test_a_chunked_callback_is_read_to_its_end(desk: Desk, size: int, status: int) -> None:
    """It has no length, and the server says that the stream ends with it."""
    change = applied()
    sent = as_request(desk.decide(change))
    headers = {name: text for name, text in sent["headers"].items() if name.lower() != "content-type"}
    stream = Pieces(sent["body"] + b" " * size)
    given: dict[str, Any] = {"wsgi.input": stream, "wsgi.input_terminated": True, "CONTENT_TYPE": "application/json"}
    answer = browser().generic("POST", sent["path"], headers=headers, **given)

    assert answer.status_code == status
    assert stream.tell() <= MAX_BODY + 1
    assert get_workflow().settle(change.id).state == State.APPROVED


class Pieces(io.BytesIO):
    """A stream whose reads return less than they are asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most a thousand bytes."""
        return super().read(1000 if size is None or size < 0 else min(size, 1000))


def test_the_views_are_outside_of_the_transactions_of_all_databases() -> None:
    """`ATOMIC_REQUESTS` would hold a transaction open while the gateway is asked."""
    aliases = set(connections)
    assert len(aliases) == 2
    for view in (views.callback, views.StatusView.as_view(), views.ApplyView.as_view()):
        assert view._non_atomic_requests == aliases  # type: ignore[attr-defined]


def test_a_workflow_that_cannot_be_opened_loses_no_callback_and_shows_no_secret(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The ticket system lists it as not delivered."""
    change = applied()
    where = place(change.id, address=address_of(get_workflow()))

    def fail() -> None:
        raise RuntimeError("the settings are wrong")

    monkeypatch.setattr(views, "get_workflow", fail)
    answer = browser().post(where["path"], body(), content_type="application/json", headers=where["headers"])
    assert (answer.status_code, answer.json()["result"]) == (503, False)
    assert "the settings are wrong" in caplog.text
    assert where["headers"]["X-Itsm-Workflow-Credential"] not in caplog.text + answer.content.decode()
    assert KEY.reveal() not in caplog.text
    del desk


# ---------------------------------------------------------------- status and application


def test_an_application_is_filed_and_shown_with_the_platform_s_words(desk: Desk) -> None:
    """The four statuses and labels, the ticket's page, and the eight fields under their own names."""
    assert browser().get(STATUS).json()["data"]["collect_itsm_status"] == "not_apply"

    answer = post({**FIELDS, "title": "接入 nginx 日志", "approvers": ["carol"]})
    assert answer.status_code == 200
    data = answer.json()["data"]
    change = get_workflow().newest("collector-42")
    assert change is not None
    assert change.form.applicant == "alice"
    assert data == browser().get(STATUS).json()["data"]
    assert {name: data[name] for name in FIELDS} == FIELDS
    assert (data["collect_itsm_status"], data["collect_itsm_status_display"]) == ("applying", "采集接入进行中")
    assert (data["sn"], data["ticket_url"]) == (change.sn, change.ticket_url)

    desk.decide(change)
    desk.clock.advance(3600)
    get_workflow().reconcile()
    data = browser().get(STATUS).json()["data"]
    assert (data["collect_itsm_status"], data["collect_itsm_status_display"]) == ("success_apply", "采集接入完成")


def test_a_second_application_gets_the_platform_s_code(desk: Desk) -> None:
    """502, and no second ticket."""
    asked = {**FIELDS, "title": "t", "approvers": ["carol"]}
    assert post(asked).status_code == 200
    answer = post(asked)
    assert (answer.status_code, answer.json()["code"], answer.json()["result"]) == (409, 502, False)
    assert len(list(desk.ledger.tickets())) == 1


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "expect_access_data"),
        ([], "body"),
        ({**FIELDS, "title": "t", "approvers": ["carol"], "log_keep_days": "7"}, "log_keep_days"),
        ({**FIELDS, "title": "", "approvers": ["carol"]}, "title"),
        ({**FIELDS, "title": "t", "approvers": ["carol"], "owner": 1}, "owner"),
    ],
)
def test_a_wrong_application_lists_its_problems(desk: Desk, data: object, field: str) -> None:
    """By field, and nothing is filed."""
    answer = post(data)
    assert answer.status_code == 400
    assert field in [problem["field"] for problem in answer.json()["errors"]]
    assert list(desk.ledger.tickets()) == []


def test_a_chunked_application_is_read_to_its_end(desk: Desk) -> None:
    """It has no length, and the server says that the stream ends with it."""
    asked = json.dumps({**FIELDS, "title": "t", "approvers": ["carol"]}).encode()
    given: dict[str, Any] = {"wsgi.input_terminated": True, "CONTENT_TYPE": "application/json"}
    answer = Client().generic("POST", APPLY, **given, **{"wsgi.input": Pieces(asked)})
    assert answer.status_code == 200
    assert len(list(desk.ledger.tickets())) == 1


def test_an_application_that_is_larger_than_django_accepts_is_answered(desk: Desk) -> None:
    """In the platform's envelope."""
    answer = post({**FIELDS, "title": "x" * (3 * 1024 * 1024)})
    assert (answer.status_code, answer.json()["result"]) == (400, False)
    assert list(desk.ledger.tickets()) == []


def test_a_length_of_other_digits_is_none(desk: Desk) -> None:
    """A superscript two is a digit for Python, and no number."""
    change = applied()
    sent = as_request(desk.decide(change))
    headers = {name: text for name, text in sent["headers"].items() if name.lower() != "content-type"}
    given: dict[str, Any] = {"wsgi.input": Pieces(sent["body"]), "CONTENT_LENGTH": "\xb2"}
    answer = browser().generic("POST", sent["path"], headers=headers, **given)
    assert answer.status_code < 500


def test_a_body_that_is_not_json_is_a_problem_of_the_body(desk: Desk) -> None:
    """Not an error of the server."""
    del desk
    assert [one["field"] for one in post("{").json()["errors"]] == ["body"]


def test_the_application_is_protected_against_forged_requests(desk: Desk) -> None:
    """It acts for the user who is logged in."""
    answer = browser().post(APPLY, json.dumps(FIELDS), content_type="application/json")
    assert (answer.status_code, list(desk.ledger.tickets())) == (403, [])


def test_a_user_needs_django_s_permission(desk: Desk) -> None:
    """To look, and to apply."""
    del desk
    looked = browser().get(STATUS, headers={"X-Permissions": "itsm_workflow.add_change"})
    assert (looked.status_code, looked.json()["message"]) == (403, "you may not see the changes of collector 42")
    applied = post(FIELDS, **{"X-Permissions": "itsm_workflow.view_change"})
    assert (applied.status_code, applied.json()["code"]) == (403, 403)
    assert applied.json()["message"] == "you may not apply for collector 42"


def test_a_function_of_the_host_decides_instead(desk: Desk, settings_with: SettingsWith) -> None:
    """With the request, the action and the collector."""
    del desk
    with settings_with(PERMISSION="tests.support.django_host.itsm:permit"):
        assert browser().get("/itsm/7/collect_itsm_status/").status_code == 200
        assert browser().get(STATUS).status_code == 403
        assert post(FIELDS, "/itsm/7/apply_itsm_ticket/").status_code == 403


def test_a_function_that_answers_neither_yes_nor_no_permits_nothing(
    desk: Desk, settings_with: SettingsWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a mistake of the host."""
    del desk
    monkeypatch.setattr(itsm, "permit", lambda *_: "no")
    with settings_with(PERMISSION="tests.support.django_host.itsm:permit"):
        answer = browser().get("/itsm/7/collect_itsm_status/")
    assert answer.status_code == 500
    assert "must return True or False" in answer.json()["message"]


def test_a_store_that_fails_is_answered_and_logged(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """As an error of the server, without a page of Django."""
    process.get_workflow()
    desk.store.inner.close()
    answer = browser().get(STATUS)
    assert (answer.status_code, answer.json()["result"]) == (503, False)
    assert "was closed" in caplog.text
