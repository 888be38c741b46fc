"""What BK-ITSM would make of an answer to a callback: delivered, or failed, and why.

Delivered is HTTP 200 or 201 with a JSON object whose ``code`` is the number 0, and nothing else.
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
_ROUTE = "the route takes POST without login and without CSRF protection: the caller is a server"
_AS_IS = "answer with exactly the status, headers and body that `Workflow.receive` returned"


@attrs.frozen(kw_only=True)
class Acknowledged:
    """It counts as delivered.

    Attributes:
        seen: What was answered.
        seconds: How long it took.
        proven: Who answered has our keys, and got what was sent.
    """

    seen: str
    seconds: float
    proven: bool


@attrs.frozen(kw_only=True)
class Undelivered:
    """It counts as failed.

    Attributes:
        seen: What was answered.
        advice: What to do.
        credential_unknown: The library answered, and did not know the credential.
    """

    seen: str
    advice: str
    credential_unknown: bool = False


def judge(answer: HttpResponse, *, proves: Callable[[str], bool], url: str) -> Acknowledged | Undelivered:
    """Return what an answer to a probe means.

    Args:
        answer: What came.
        proves: Tells whether a text proves that a host with our keys got the probe as it was sent.
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
            seen=f"HTTP {answer.status} with {_code(envelope)}; BK-ITSM wants the number 0", advice=_AS_IS
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
            seen="HTTP 401: the host answers, and does not know our credential",
            advice="give the host the BKAPP_ITSM_CALLBACK_KEYS that stand here, have it take callbacks, and let it run "
            "this release: an older one knows no probes",
            credential_unknown=True,
        )
    if status == _BAD_REQUEST and ours:
        return Undelivered(
            seen="HTTP 400: the credential arrived, the body did not as it was sent",
            advice="hand the raw body over to `Workflow.receive`, and look at what is between",
        )
    if status in {_UNAUTHORIZED, _FORBIDDEN}:
        return Undelivered(seen=f"HTTP {status}: somebody before the library refuses", advice=f"see that {_ROUTE}")
    if status == _NOT_FOUND:
        return Undelivered(
            seen="HTTP 404: nothing there",
            advice="mount the route, or correct BKAPP_ITSM_CALLBACK_HOST; the host's own prefix belongs into it",
        )
    if status == _NOT_ALLOWED:
        return Undelivered(seen="HTTP 405: no POST is taken there", advice=f"see that {_ROUTE}")
    if status in _SERVER_ERRORS:
        return Undelivered(
            seen=f"HTTP {status}: {'the host could not store it' if ours else 'the host, or what is before it, fails'}",
            advice="look into the log of the host, and of what is before it",
        )
    return Undelivered(seen=f"HTTP {status}; BK-ITSM counts 200 and 201 alone", advice=_AS_IS)


def _code(envelope: Mapping[str, object]) -> str:
    if "code" not in envelope:
        return "no code"
    code = envelope["code"]
    if isinstance(code, dict | list):
        return "a code that is no number"
    return f"the code {clean(json.dumps(code), limit=_TEXT)}"


def _redirect(answer: HttpResponse, url: str) -> Undelivered:
    """Tell of a redirect without the rest of its address, where a credential may have been repeated."""
    asked, to, secured = urlsplit(url), "nowhere", False
    try:
        parts = urlsplit(answer.headers.get("location", ""))
        host = parts.netloc.rpartition("@")[2]
        to = clean(f"{parts.scheme}://{host}" if host else "the same host", limit=_TEXT)
        secured = (asked.scheme, parts.scheme) == ("http", "https") and asked.hostname == parts.hostname
    except ValueError:
        pass  # no address at all
    follows = "as it was" if answer.status in _REPEATED else "by GET, without the body"
    return Undelivered(
        seen=f"HTTP {answer.status}: redirected to {to}, as to a login page; BK-ITSM follows {follows}, a probe never",
        advice="use the https address in BKAPP_ITSM_CALLBACK_HOST" if secured else f"see that {_ROUTE}",
    )


def _no_object(answer: HttpResponse, content: object) -> Undelivered:
    kind = clean(answer.headers.get("content-type", "").partition(";")[0], limit=_TEXT)
    if not answer.body:
        return Undelivered(seen=f"HTTP {answer.status} with an empty body", advice=_AS_IS)
    if "html" in kind or answer.body.lstrip()[:1] == b"<":
        return Undelivered(
            seen=f"HTTP {answer.status} with a page of HTML: a login page, or the front end's page for everything",
            advice=f"see that {_ROUTE}",
        )
    what = "JSON that is no object" if content is not None else f"no JSON ({kind or 'of no type'})"
    return Undelivered(seen=f"HTTP {answer.status} with {what}", advice=_AS_IS)


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
