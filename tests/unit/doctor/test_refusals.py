"""What the answers of the API gateway, the ESB and BK-ITSM mean, by code and by shape."""

from __future__ import annotations

import json

import pytest

from itsm_workflow.bkapi.transport import HttpResponse
from itsm_workflow.doctor.findings import Finding, Level
from itsm_workflow.doctor.refusals import explain


def explained(status: int, body: object = b"", **headers: str) -> Finding:
    """Return what an answer means."""
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return explain(HttpResponse(status=status, headers=named, body=raw, elapsed=0.01))


def refusal(code: object, message: str = "") -> dict[str, object]:
    """Return the envelope of a refusal."""
    return {"result": False, "code": code, "message": message, "data": None, "code_name": "X"}


@pytest.mark.parametrize(
    ("status", "code", "message", "name", "variable"),
    [
        (
            400,
            1640001,
            'Parameters error [reason="bk_app_code or bk_app_secret is incorrect"]',
            "credentials",
            "SECRET",
        ),
        (400, 1640001, 'Parameters error [reason="app code cannot be empty"]', "credentials", "APP_CODE"),
        (400, 1640001, 'Parameters error [reason="user authentication failed"]', "credentials", "API_USER"),
        (400, 1640001, "Parameters error", "credentials", "APP_SECRET"),
        (401, 1640101, "App authentication failed", "credentials", "APP_SECRET"),
        (401, 1640102, "User authentication failed", "credentials", "API_USER"),
        (403, 1640301, "App has no permission to the resource", "permission", "developer centre"),
        (403, 1640302, "Request rejected by ip restriction", "permission", "address"),
        (403, 1640303, "Request rejected by bk-user restriction", "permission", "API_USER"),
        (403, 1640304, "Request rejected by bk-tenant restriction", "permission", "TENANT"),
        (404, 1640401, "API not found", "address", "GATEWAY_URL"),
        (504, 1650401, "Request backend service timeout", "behind", "the administrators"),
        (200, 1306401, "You must specify the current operator", "credentials", "API_USER"),
        (200, 1306403, "APP permission is insufficient", "permission", "developer centre"),
        (200, "1306403", "APP permission is insufficient", "permission", "developer centre"),
        (200, 1306404, "Not found, component class not found", "address", "ROUTES"),
        (200, 1306406, "Parameters error", "credentials", "APP_SECRET"),
        (200, 1306201, "Request third-party interface error", "behind", "the administrators"),
        (200, "METHOD_NOT_ALLOWED", "不被允许", "address", "ROUTES"),
        (200, 3900004, "接口异常", "answer", "the administrators"),
        (200, "SERVER_500_ERROR", "", "answer", "the administrators"),
        (200, 7, "", "answer", "the administrators"),
    ],
)
def test_a_code_leads_to_what_must_be_put_right(
    status: int, code: object, message: str, name: str, variable: str
) -> None:
    """Wrong app, missing permission and unknown user are three different errands; a status of 200 changes nothing."""
    found = explained(status, refusal(code, message))

    assert (found.name, found.level) == (f"gateway.{name}", Level.PROBLEM)
    assert variable in found.advice
    assert str(code) in found.seen


def test_the_code_may_stand_in_a_header_alone() -> None:
    """Some gateways hide the body."""
    found = explained(403, b"<html>", x_bkapi_error_code="1640301", x_bkapi_error_message="App has no permission")

    assert found.name == "gateway.permission"


@pytest.mark.parametrize(("status", "code"), [(429, 1642902), (200, 1306429)])
def test_too_many_calls_is_no_problem_of_the_settings(status: int, code: int) -> None:
    """Ask again later."""
    assert explained(status, refusal(code)).level == Level.WARNING


@pytest.mark.parametrize(
    ("status", "body", "name"),
    [
        (302, b"", "address"),
        (401, b"", "credentials"),
        (403, b"This API can only be accessed through API gateway", "address"),
        (404, b"<html>", "address"),
        (500, b"<html>", "behind"),
        (200, b"<html>", "address"),
        (200, b"[]", "address"),
        (418, b"", "address"),
        (200, b"[" * 100_000, "address"),
        (200, b'{"code": true}', "address"),
    ],
)
def test_an_answer_without_a_code_is_known_by_its_shape(status: int, body: bytes, name: str) -> None:
    """Whatever comes, something is told."""
    found = explained(status, body, content_type="text/html; charset=utf-8")

    assert (found.name, found.level) == (f"gateway.{name}", Level.PROBLEM)
    assert f"HTTP {status}" in found.seen
    assert found.advice


def test_429_without_a_code_is_a_warning() -> None:
    """As with one."""
    assert explained(429).level == Level.WARNING


def test_a_success_that_could_not_be_read_is_told_as_such() -> None:
    """It is no refusal."""
    found = explained(200, {"result": True, "code": 0, "data": {"no": "list"}})

    assert found.name == "gateway.answer"
    assert "do not match the expected type" in found.seen
