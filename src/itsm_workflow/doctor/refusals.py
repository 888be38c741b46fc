"""Explain a failed answer by the codes of BlueKing's API gateway and ESB, and otherwise by its status and shape.

The codes are those of the API gateway (``16…``) and of the ESB (``1306…``), from their published sources. BK-ITSM's own
codes (``39…``) are sent by the backend of the gateway, so an answer with one shows that the credentials were accepted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.bkapi.envelope import clean, parse_json
from itsm_workflow.doctor.findings import problem, warning

if TYPE_CHECKING:
    from itsm_workflow.bkapi.transport import HttpResponse
    from itsm_workflow.doctor.findings import Finding

_OK = 200
_REDIRECTS = range(300, 400)
_SERVER_ERRORS = range(500, 600)
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _PROXY_ACCOUNT, _TOO_MANY = 401, 403, 404, 407, 429
_ITSM_CODES = range(3_900_000, 4_000_000)
_GATEWAY_FAILURES = range(1_650_000, 1_660_000)
_ESB_BEHIND = range(1_306_200, 1_306_300)

_NUMBER = re.compile(r"[0-9]{1,9}")
THEM = "ask the administrators of BK-ITSM and its gateway"
PROXY = "correct the address or the account in BKAPP_ITSM_PROXY, or ask the administrators of the proxy"
ADDRESS = "correct BKAPP_ITSM_GATEWAY_URL, or BKAPP_ITSM_ROUTES: `docs/reference/bk-itsm.md` lists the values"


@attrs.frozen
class _Meaning:
    name: str
    summary: str
    advice: str


_APP = _Meaning(
    "gateway.credentials",
    "the gateway does not know this app code with this app secret",
    "set BKAPP_ITSM_APP_CODE and BKAPP_ITSM_APP_SECRET to the pair that the developer centre shows",
)
_USER = _Meaning(
    "gateway.credentials",
    "the app was accepted, but its user was not",
    "set BKAPP_ITSM_API_USER to a user that the platform knows, or ask for this app to be allowed to name users",
)
_PERMISSION = _Meaning(
    "gateway.permission",
    "the app and the user were accepted, but the app has no permission for this call",
    "apply for the permission on BK-ITSM's gateway in the developer centre, or renew it",
)
_LIMIT = _Meaning("gateway.limit", "too many calls", "call less often, or ask for a higher limit")
_CODES: Mapping[int, _Meaning] = {
    1640100: _APP,
    1640101: _APP,
    1640102: _USER,
    1640301: _PERMISSION,
    1640302: _Meaning(
        "gateway.permission",
        "the gateway does not admit this address or this tenant",
        "ask for this machine's address to be added to the gateway's list; check BKAPP_ITSM_TENANT_ID",
    ),
    1640303: _Meaning(
        "gateway.permission",
        "the gateway does not admit this user",
        "set BKAPP_ITSM_API_USER to a user that is on the gateway's list",
    ),
    1640304: _Meaning(
        "gateway.permission",
        "the gateway does not admit this tenant",
        "correct BKAPP_ITSM_TENANT_ID, or ask for the tenant to be added to the gateway's list",
    ),
    1640401: _Meaning("gateway.address", "the gateway has no such interface", ADDRESS),
    1306401: _USER,
    1306402: attrs.evolve(_USER, summary="the ESB reports that the user may not do this"),
    1306403: _PERMISSION,
    1306404: _Meaning("gateway.address", "the ESB has no such component", ADDRESS),
    1306405: _Meaning(
        "gateway.address", "the ESB's component is switched off", "ask for the component to be switched on"
    ),
    1306408: _APP,
}
_LIMITS = frozenset({1642901, 1642902, 1642903, 1642904, 1306429})
_BAD_PARAMETERS = frozenset({1640001, 1306406})
"""Codes for wrong credentials and for wrong parameters; only the message distinguishes them."""


def explain(answer: HttpResponse) -> Finding:
    """Return a finding about an answer without usable data."""
    code, message, result = _envelope(answer)
    words = _words(answer, code, message)
    if result is True:
        return problem("gateway.answer", f"the data do not match the expected type ({words})", THEM)
    meaning = _by_code(code, message) if code is not None else None
    if meaning is None:
        return _by_shape(answer, is_envelope=code is not None, words=words)
    make = warning if meaning is _LIMIT else problem
    return make(meaning.name, f"{meaning.summary} ({words})", meaning.advice)


def _envelope(answer: HttpResponse) -> tuple[int | str | None, str, object]:
    """Return code, message and result, for any HTTP status; without an envelope, take the code from the headers."""
    try:
        found = parse_json(answer.body)
    except ValueError:
        found = None
    envelope = found if isinstance(found, Mapping) else {}
    code, message = envelope.get("code"), envelope.get("message")
    if not isinstance(code, int | str) or isinstance(code, bool):
        code = answer.headers.get("x-bkapi-error-code") or None
        message = answer.headers.get("x-bkapi-error-message", "")
    if isinstance(code, str) and _NUMBER.fullmatch(code):
        code = int(code)
    return code, clean(message) if isinstance(message, str) else "", envelope.get("result")


def _by_code(code: int | str, message: str) -> _Meaning | None:
    if isinstance(code, str):
        if code == "METHOD_NOT_ALLOWED":
            return _Meaning("gateway.address", "BK-ITSM expects another HTTP method for this interface", ADDRESS)
        return None
    if code in _CODES:
        return _CODES[code]
    if code in _BAD_PARAMETERS:
        return _of_parameters(message.lower())
    if code in _LIMITS:
        return _LIMIT
    if code in _GATEWAY_FAILURES or code in _ESB_BEHIND:
        return _Meaning("gateway.behind", "the gateway cannot get an answer from BK-ITSM", THEM)
    if code in _ITSM_CODES:
        return _Meaning("gateway.answer", "the credentials were accepted, but BK-ITSM itself refused the call", THEM)
    return None


def _of_parameters(message: str) -> _Meaning:
    if "user" in message or "access_token" in message:
        return _USER
    if "app" in message:
        return _APP
    return _Meaning("gateway.credentials", "the gateway refused the credentials or the parameters", _APP.advice)


def _by_shape(answer: HttpResponse, *, is_envelope: bool, words: str) -> Finding:
    status = answer.status
    if status in _REDIRECTS:
        return problem(
            "gateway.address", f"the answer is a redirect ({words}), to a login page or another address", ADDRESS
        )
    if status == _UNAUTHORIZED:
        return problem("gateway.credentials", f"{_APP.summary} ({words})", _APP.advice)
    if status == _PROXY_ACCOUNT:
        return problem("gateway.answer", f"the proxy requires another user or password ({words})", PROXY)
    if status == _FORBIDDEN:
        return problem(
            "gateway.address",
            f"forbidden, but not by the gateway ({words}): BK-ITSM without its gateway answers like this, and so does "
            "a firewall",
            "set BKAPP_ITSM_GATEWAY_URL to the API gateway's or ESB's address, not to BK-ITSM's own",
        )
    if status == _NOT_FOUND:
        return problem("gateway.address", f"the address does not exist ({words})", ADDRESS)
    if status == _TOO_MANY:
        return warning(_LIMIT.name, f"{_LIMIT.summary} ({words})", _LIMIT.advice)
    if status in _SERVER_ERRORS:
        return problem("gateway.behind", f"the server failed ({words})", THEM)
    if is_envelope:
        return problem("gateway.answer", f"the call was refused ({words})", THEM)
    return problem(
        "gateway.address",
        f"the answer is not from an API ({words}): a login page, or an address without a backend",
        ADDRESS,
    )


def _words(answer: HttpResponse, code: int | str | None, message: str) -> str:
    kind = clean(answer.headers.get("content-type", "").partition(";")[0], limit=40)
    parts = [f"HTTP {answer.status}"]
    if code is not None:
        parts.append(f"code {clean(str(code), limit=64)}")
    elif kind:
        parts.append(kind)
    if message:
        parts.append(message)
    return ", ".join(parts)
