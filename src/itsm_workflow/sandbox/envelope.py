"""The answers of the server as values: JSON envelopes, pages of HTML, and plain sentences."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.sandbox.refusals import Refusal

GATEWAY_ONLY = "This API can only be accessed through API gateway"
IN_FRONT: Mapping[int, tuple[int, str, str]] = MappingProxyType(
    {
        1640101: (401, "APP_VERIFY_FAILED", "App authentication failed"),
        1640102: (401, "USER_VERIFY_FAILED", "User authentication failed"),
        1640301: (403, "APP_NO_PERMISSION", "App has no permission to the resource"),
        1640401: (404, "API_NOT_FOUND", "API not found"),
        1642901: (429, "RATE_LIMIT_RESTRICTION", "API rate limit exceeded by stage global limit"),
    }
)
"""By code, the answers of the API gateway to calls that it does not pass on: HTTP status, name, message."""

_HTML = "text/html; charset=utf-8"
_PAGE = """<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta http-equiv="Content-Type" content="text/html; charset=utf-8" />
<title>{title}</title>
</head>
<body>
    <h1>{heading}</h1>
</body>
</html>
"""


@attrs.frozen
class SandboxResponse:
    """One HTTP answer, without the headers that the HTTP server adds."""

    status: int
    headers: Mapping[str, str]
    body: bytes = attrs.field(repr=False)


def _answer(status: int, content_type: str, body: str, **headers: str) -> SandboxResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return SandboxResponse(status, {"Content-Type": content_type, **named}, body.encode("utf-8"))


def envelope(content: Mapping[str, Any], *, allow: str, language: str) -> SandboxResponse:
    """Build a JSON envelope, with HTTP 200 even for errors."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return _answer(
        200, "application/json", text, Allow=allow, Vary="Accept-Language, Cookie", Content_Language=language
    )


def refused_in_front(code: int) -> SandboxResponse:
    """Build the answer of an API gateway that refuses a call and does not pass it on."""
    status, name, message = IN_FRONT[code]
    content = {"code": code, "code_name": name, "message": message, "data": None, "result": False}
    headers = {"X_Bkapi_Error_Code": str(code), "X_Bkapi_Error_Message": message}
    return _answer(status, "application/json", json.dumps(content), **headers)


def success(data: object) -> dict[str, Any]:
    """Build the envelope of a success; without data it has an empty list."""
    return {"result": True, "code": 0, "message": "success", "data": [] if data is None else data}


def refused(refusal: Refusal) -> dict[str, Any]:
    """Build the envelope of a refusal, whose order of keys differs between the two kinds of code."""
    if isinstance(refusal.code, str):
        return {"result": False, "data": None, "code": refusal.code, "message": refusal.message}
    return {"result": False, "code": refusal.code, "data": None, "message": refusal.message}


def not_through_gateway(language: str) -> SandboxResponse:
    """Build the answer to a request without the gateway's credentials: HTTP 403 and a sentence."""
    return _answer(403, _HTML, GATEWAY_ONLY, Vary="Accept-Language, Cookie", Content_Language=language)


def broken_page(language: str = "zh-cn") -> SandboxResponse:
    """Build the answer to a request on which the server fails: HTTP 200 and a page of HTML."""
    page = _PAGE.format(title="应用异常(500页)", heading="应用出现异常")
    return _answer(200, _HTML, page, Vary="Accept-Language, Cookie", Content_Language=language)


def missing_page(language: str) -> SandboxResponse:
    """Build the answer to an unknown path: HTTP 200 and a page of HTML."""
    page = _PAGE.format(title="页面找不到（404页）", heading="页面找不到了")
    return _answer(200, _HTML, page, Vary="Accept-Language, Cookie", Content_Language=language)


def moved(location: str) -> SandboxResponse:
    """Build the answer to a path without its trailing slash: HTTP 301 with an empty body."""
    return _answer(301, _HTML, "", Location=location)
