"""An inbound callback, from bytes to a hint: size, credential, shape, in that order. No I/O."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import attrs

from itsm_workflow.callbacks.signer import PROBE, read_address
from itsm_workflow.secrets import Secret, without_frames
from itsm_workflow.storage.strict import canonical, json_value, parse

if TYPE_CHECKING:
    from itsm_workflow.callbacks.signer import CallbackAddress

MAX_BODY = 16 * 1024
"""Bytes; a callback of BK-ITSM has about 400."""

REFUSED = 501
"""The code of every refusal; the log platform's for a callback that it did not believe."""

_DEPTH = 8
_TEXTS = ("title", "current_status", "sn", "ticket_url", "update_at", "updated_by", "token")
_SN = re.compile(r"[!-~]{1,64}")


@attrs.frozen(kw_only=True)
class CallbackResponse:
    """What to answer over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Receive(Protocol):
    """`itsm_workflow.workflow.Workflow.receive`: a request's parts in, the answer out."""

    def __call__(self, *, method: str, path: str, headers: Mapping[str, str], body: bytes) -> CallbackResponse:
        """CallbackResponse a request; never raises for what came in."""
        ...


@attrs.frozen(kw_only=True)
class Callback:
    """An authentic callback. Everything in its body is hearsay.

    Attributes:
        sn: What the body says.
        digest: SHA-256 of the body's facts without the token, to know a repeat.
        token: The server's own token; never stored, logged or queued.
    """

    change_id: str
    number: int
    sn: str
    digest: str
    token: Secret


@attrs.frozen(kw_only=True)
class Incoming:
    """A request as it came in.

    Its repr shows the method alone, since our credential and the server's token travel in the rest.

    Attributes:
        path: The path as requested.
        headers: The request's headers.
        body: The body as received; a `bytearray` or a `memoryview` will do.
    """

    method: str
    path: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)


def answered(receive: Receive, incoming: Incoming) -> CallbackResponse:
    """Return what to answer to a request, which is taken apart in the call alone."""
    return receive(method=incoming.method, path=incoming.path, headers=incoming.headers, body=incoming.body)


def read_callback(address: CallbackAddress, incoming: Incoming) -> Callback | CallbackResponse:
    """Return the callback in a request, or the answer that refuses it.

    Whatever is wrong with path or credential gets one and the same answer, so that nobody learns which changes exist.
    Parts of types that a host should not pass are refused as well; they too came in.
    A probe is answered here: it passes every check that a callback passes, and is about no change.
    """
    if incoming.method != "POST":
        return refusal(405, "POST only")
    misfit = without_frames(_misfit, incoming)
    if misfit:
        return refusal(400, misfit)
    if memoryview(incoming.body).nbytes > MAX_BODY:
        return refusal(413, f"a callback has at most {MAX_BODY} bytes")
    return without_frames(_read, address, incoming)


def _misfit(incoming: Incoming) -> str:
    """Return what is not of the type that a host should pass; empty if all is."""
    path: object = incoming.path
    headers: object = incoming.headers
    body: object = incoming.body
    if not isinstance(body, bytes | bytearray | memoryview):
        return "the body is not bytes"
    if not isinstance(path, str):
        return "the path is not text"
    if not isinstance(headers, Mapping) or not all(isinstance(part, str) for pair in headers.items() for part in pair):
        return "the headers are not a mapping of text to text"
    return ""


def _read(address: CallbackAddress, incoming: Incoming) -> Callback | CallbackResponse:
    named = read_address(incoming.path, incoming.headers)
    if not address.holds(named):
        if address.legacy and named.is_bare:
            return _read_legacy(bytes(incoming.body))
        return refusal(401, "not a callback of this application")
    try:
        facts = _facts(bytes(incoming.body))
    except ValueError as error:
        return refusal(400, str(error))
    token = Secret(str(facts.pop("token")))
    digest = _digest(facts)
    if named.change_id == PROBE:
        return _accepted({"probe": address.prove(named, digest)})
    return Callback(change_id=named.change_id, number=named.number, sn=str(facts["sn"]), digest=digest, token=token)


def _read_legacy(body: bytes) -> CallbackResponse:
    """Acknowledge what looks like a callback, and do nothing: neither the gateway nor the store learns of it."""
    try:
        _facts(body)
    except ValueError as error:
        return refusal(400, str(error))
    return ACCEPTED


def digest_of(body: bytes) -> str:
    """Return the digest of the facts in a callback's body.

    Raises:
        ValueError: It is no callback's body; the message says why.
    """
    facts = _facts(body)
    del facts["token"]
    return _digest(facts)


def _accepted(data: object) -> CallbackResponse:
    body = json.dumps({"result": True, "code": 0, "message": "success", "data": data})
    return CallbackResponse(status=200, headers={"Content-Type": "application/json"}, body=body.encode())


ACCEPTED = _accepted(None)
"""What the gateway counts as delivered."""


def refusal(status: int, message: str) -> CallbackResponse:
    """Return an answer that the gateway counts as not delivered; it says nothing of any change."""
    body = json.dumps({"result": False, "code": REFUSED, "message": message, "data": None})
    return CallbackResponse(status=status, headers={"Content-Type": "application/json"}, body=body.encode())


def _digest(facts: Mapping[str, object]) -> str:
    return hashlib.sha256(canonical(facts).encode()).hexdigest()


def _facts(body: bytes) -> dict[str, object]:
    try:
        facts = json_value(parse(body.decode()), _DEPTH)
    except ValueError:
        raise ValueError("the body is not JSON text in UTF-8") from None
    if not isinstance(facts, dict):
        raise ValueError("the body is no JSON object")  # noqa: TRY004 - every refusal of a body is a ValueError
    wrong = [name for name in _TEXTS if not isinstance(facts.get(name), str)]
    wrong += [] if isinstance(facts.get("approve_result"), bool) else ["approve_result"]
    wrong += [] if isinstance(facts.get("last_approver", ""), str) else ["last_approver"]
    if wrong:
        raise ValueError(f"missing or of the wrong type: {', '.join(wrong)}")
    if not _SN.fullmatch(str(facts["sn"])):
        raise ValueError("sn: not a ticket's number")
    # Only what the gateway documents is looked at, so that unknown keys neither harm nor count as news.
    known = {name: facts[name] for name in (*_TEXTS, "approve_result")}
    if any("\ud800" <= character <= "\udfff" for text in known.values() if isinstance(text, str) for character in text):
        raise ValueError("the body has characters that are no text")
    return known
