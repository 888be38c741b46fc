"""Judge the answer to a callback as BK-ITSM does: delivered, or failed and why.

A callback is delivered only if the answer is HTTP 200 or 201 with a JSON object whose ``code`` is the number 0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs

from itsm_workflow.bkapi.envelope import clean
from itsm_workflow.callbacks.parse import REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.bkapi.transport import HttpResponse

_GOOD = frozenset({200, 201})
_REDIRECTS = range(300, 400)
_REPEATED = frozenset({307, 308})
_SERVER_ERRORS = range(500, 600)
_BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _NOT_ALLOWED = 400, 401, 403, 404, 405
_TEXT = 60
_ROUTE = "the route accepts POST without login and CSRF protection, because the caller is a server"
_AS_IS = "return exactly the status, headers and body that `Workflow.receive` returns"


@attrs.frozen(kw_only=True)
class Acknowledged:
    """An answer that counts as delivered.

    Attributes:
        seen: A description of the answer.
        seconds: The time until the answer.
        proven: Whether the host proved that it has our keys and received the probe unchanged.
    """

    seen: str
    seconds: float
    proven: bool


@attrs.frozen(kw_only=True)
class Undelivered:
    """An answer that counts as failed.

    Attributes:
        seen: A description of the answer.
        advice: The recommended action.
        credential_unknown: Whether the library answered and rejected the credential.
    """

    seen: str
    advice: str
    credential_unknown: bool = False


def judge(answer: HttpResponse, *, proves: Callable[[str], bool], url: str) -> Acknowledged | Undelivered:
    """Judge the answer to a probe.

    Args:
        answer: The answer.
        proves: Returns whether a text proves that a host with our keys received the probe unchanged.
        url: The host that the probe was sent to.
    """
    content = _json(answer.body)
    envelope = content if isinstance(content, Mapping) else None
    if answer.status not in _GOOD:
        return _by_status(answer, envelope, url)
    if envelope is None:
        return _no_object(answer, content)
    code = envelope.get("code")
    if isinstance(code, bool) or code != 0:
        return Undelivered(
            seen=f"HTTP {answer.status} with {_code(envelope)}; BK-ITSM requires the number 0", advice=_AS_IS
        )
    data = envelope.get("data")
    proof = data.get("probe") if isinstance(data, Mapping) else None
    return Acknowledged(
        seen=f"HTTP {answer.status} with code 0",
        seconds=answer.elapsed,
        proven=isinstance(proof, str) and proves(proof),
    )


def _by_status(answer: HttpResponse, envelope: Mapping[str, object] | None, url: str) -> Undelivered:
    status = answer.status
    ours = envelope is not None and envelope.get("code") == REFUSED
    if status in _REDIRECTS:
        return _redirect(answer, url)
    if status == _UNAUTHORIZED and ours:
        return Undelivered(
            seen="HTTP 401: the host answers, but does not accept our credential",
            advice="run the host with these BKAPP_ITSM_CALLBACK_KEYS, with callbacks enabled, and with this release: "
            "an older release does not answer probes",
            credential_unknown=True,
        )
    if status == _BAD_REQUEST and ours:
        return Undelivered(
            seen="HTTP 400: the credential arrived, but the body did not arrive unchanged",
            advice="pass the raw body to `Workflow.receive`, and check the proxies in between",
        )
    if status in {_UNAUTHORIZED, _FORBIDDEN}:
        return Undelivered(
            seen=f"HTTP {status}: the request was refused before it reached the library", advice=f"see that {_ROUTE}"
        )
    if status == _NOT_FOUND:
        return Undelivered(
            seen="HTTP 404: the address does not exist",
            advice="mount the route, or correct BKAPP_ITSM_CALLBACK_HOST, which must include the host's path prefix",
        )
    if status == _NOT_ALLOWED:
        return Undelivered(seen="HTTP 405: the address does not accept POST", advice=f"see that {_ROUTE}")
    if status in _SERVER_ERRORS:
        return Undelivered(
            seen=f"HTTP {status}: {'the host could not store it' if ours else 'the host or a proxy failed'}",
            advice="read the logs of the host and of the proxies before it",
        )
    return Undelivered(seen=f"HTTP {status}; BK-ITSM accepts only 200 and 201", advice=_AS_IS)


def _code(envelope: Mapping[str, object]) -> str:
    if "code" not in envelope:
        return "no code"
    code = envelope["code"]
    if isinstance(code, dict | list):
        return "a code that is not a number"
    return f"the code {clean(json.dumps(code), limit=_TEXT)}"


def _redirect(answer: HttpResponse, url: str) -> Undelivered:
    """Describe a redirect by its scheme and host only: the rest of its address may repeat the credential."""
    asked, to, secured = urlsplit(url), "nowhere", False
    try:
        parts = urlsplit(answer.headers.get("location", ""))
        host = parts.netloc.rpartition("@")[2]
        to = clean(f"{parts.scheme}://{host}" if host else "the same host", limit=_TEXT)
        secured = (asked.scheme, parts.scheme) == ("http", "https") and asked.hostname == parts.hostname
    except ValueError:
        pass  # the header is not an address
    follows = "as it was" if answer.status in _REPEATED else "by GET, without the body"
    return Undelivered(
        seen=f"HTTP {answer.status}: redirected to {to}, maybe a login page; BK-ITSM follows {follows}, a probe never",
        advice="use the https address in BKAPP_ITSM_CALLBACK_HOST" if secured else f"see that {_ROUTE}",
    )


def _no_object(answer: HttpResponse, content: object) -> Undelivered:
    kind = clean(answer.headers.get("content-type", "").partition(";")[0], limit=_TEXT)
    if not answer.body:
        return Undelivered(seen=f"HTTP {answer.status} with an empty body", advice=_AS_IS)
    if "html" in kind or answer.body.lstrip()[:1] == b"<":
        return Undelivered(
            seen=f"HTTP {answer.status} with an HTML page: a login page, or the default page of a front end",
            advice=f"see that {_ROUTE}",
        )
    what = "JSON that is not an object" if content is not None else f"a body that is not JSON ({kind or 'no type'})"
    return Undelivered(seen=f"HTTP {answer.status} with {what}", advice=_AS_IS)


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
