"""An inbound callback, from bytes to a hint: the size, the credential and the shape are checked, in this order."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, cast

import attrs

from itsm_workflow.callbacks.signer import PROBE, read_address
from itsm_workflow.secrets import Secret, without_frames
from itsm_workflow.strict import json_value, parse, stored_text
from itsm_workflow.text import has_lone_surrogate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from itsm_workflow.callbacks.signer import CallbackSigner

MAX_BODY = 16 * 1024
"""The maximum size in bytes; a callback of BK-ITSM has about 400."""

REFUSED = 501
"""The code in the body of every refusal; the log platform uses it for a callback that it rejects."""

_DEPTH = 8
_TEXTS = ("title", "current_status", "sn", "ticket_url", "update_at", "updated_by", "token")
_SN = re.compile(r"[!-~]{1,64}")


@attrs.frozen(kw_only=True)
class CallbackResponse:
    """An HTTP response to a callback."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Headers(Protocol):
    """The headers of a request: a mapping, or another object with ``items``, such as the headers of Flask."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Return the names and values; a name may occur several times."""
        ...


class Receive(Protocol):
    """The signature of `itsm_workflow.workflow.Workflow.receive`: takes a request's parts, returns the response."""

    def __call__(self, *, method: str, path: str, headers: Mapping[str, str], body: bytes) -> CallbackResponse:
        """Return the response to a request; never raises because of the request's content."""
        ...


@attrs.frozen(kw_only=True)
class Callback:
    """An authentic callback. Its body is not trusted.

    Attributes:
        sn: The ticket's number in the body.
        digest: SHA-256 of the body's facts without the token, to detect duplicates.
        token: The server's own token; never stored, logged or queued.
    """

    change_id: str
    number: int
    sn: str
    digest: str
    token: Secret


def _mapping(headers: Headers) -> Mapping[str, str]:
    """Return the headers as a mapping, with the first value of each name."""
    if isinstance(headers, Mapping) or not hasattr(headers, "items"):
        return cast("Mapping[str, str]", headers)  # a wrong type is reported with the other parts
    return dict(reversed([*headers.items()]))


@attrs.frozen(kw_only=True)
class Incoming:
    """A request as received.

    Its repr shows only the method, since the other parts hold the credential and the server's token.

    Attributes:
        path: The path as requested.
        headers: The request's headers.
        body: The body as received; `bytes`, a `bytearray` or a `memoryview`.
    """

    method: str
    path: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False, converter=_mapping)
    body: bytes = attrs.field(repr=False)


def call_receive(receive: Receive, incoming: Incoming) -> CallbackResponse:
    """Call `Workflow.receive` with the parts of a request, which no variable of a frame shows meanwhile."""
    return receive(method=incoming.method, path=incoming.path, headers=incoming.headers, body=incoming.body)


def read_callback(signer: CallbackSigner, incoming: Incoming) -> Callback | CallbackResponse:
    """Return the callback in a request, or the response that refuses it.

    Every problem with the path or the credential gets the same response, so that a sender cannot find out which changes
    exist. Parts of wrong types, which are a mistake of the host, are refused, too. A probe is answered here: it passes
    every check of a callback, and concerns no change.
    """
    if incoming.method != "POST":
        return refusal(405, "POST only")
    problem = without_frames(_type_problem, incoming)
    if problem:
        return refusal(400, problem)
    if memoryview(incoming.body).nbytes > MAX_BODY:
        return refusal(413, f"a callback has at most {MAX_BODY} bytes")
    return without_frames(_read, signer, incoming)


def _type_problem(incoming: Incoming) -> str:
    """Return a text that names the part of a wrong type; empty if all types are right."""
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


def _read(signer: CallbackSigner, incoming: Incoming) -> Callback | CallbackResponse:
    named = read_address(incoming.path, incoming.headers)
    if not signer.holds(named):
        if signer.legacy and named.is_bare:
            return _read_legacy(bytes(incoming.body))
        return refusal(401, "not a callback of this application")
    try:
        facts = _facts(bytes(incoming.body))
    except ValueError as error:
        return refusal(400, str(error))
    token = Secret(str(facts.pop("token")))
    digest = _digest(facts)
    if named.change_id == PROBE:
        return _accepted({"probe": signer.prove(named, digest)})
    return Callback(change_id=named.change_id, number=named.number, sn=str(facts["sn"]), digest=digest, token=token)


def _read_legacy(body: bytes) -> CallbackResponse:
    """Acknowledge a body that looks like a callback, and do nothing: the gateway and the store are not used."""
    try:
        _facts(body)
    except ValueError as error:
        return refusal(400, str(error))
    return ACCEPTED


def digest_of(body: bytes) -> str:
    """Return the digest of the facts in a callback's body.

    Raises:
        ValueError: The body is not a callback's; the message says why.
    """
    facts = _facts(body)
    del facts["token"]
    return _digest(facts)


def _accepted(data: object) -> CallbackResponse:
    body = json.dumps({"result": True, "code": 0, "message": "success", "data": data})
    return CallbackResponse(status=200, headers={"Content-Type": "application/json"}, body=body.encode())


ACCEPTED = _accepted(None)
"""The response that the gateway counts as delivered."""


def refusal(status: int, message: str) -> CallbackResponse:
    """Return a response that the gateway counts as not delivered; it does not say whether the change exists."""
    body = json.dumps({"result": False, "code": REFUSED, "message": message, "data": None})
    return CallbackResponse(status=status, headers={"Content-Type": "application/json"}, body=body.encode())


def _digest(facts: Mapping[str, object]) -> str:
    return hashlib.sha256(stored_text(facts).encode()).hexdigest()


def _facts(body: bytes) -> dict[str, object]:
    try:
        facts = parse(body.decode())
        for value in facts.values() if isinstance(facts, dict) else ():
            if not isinstance(value, str | bool):  # which have nothing to check
                json_value(value, _DEPTH - 1)
    except ValueError:
        raise ValueError("the body is not JSON text in UTF-8") from None
    if not isinstance(facts, dict):
        raise ValueError("the body is not a JSON object")  # noqa: TRY004 - every refusal of a body is a ValueError
    wrong = [name for name in _TEXTS if not isinstance(facts.get(name), str)]
    wrong += [] if isinstance(facts.get("approve_result"), bool) else ["approve_result"]
    wrong += [] if isinstance(facts.get("last_approver", ""), str) else ["last_approver"]
    if wrong:
        raise ValueError(f"missing or of the wrong type: {', '.join(wrong)}")
    if not _SN.fullmatch(str(facts["sn"])):
        raise ValueError("sn is not a ticket's number")
    # Only the documented keys are used, so that unknown keys are harmless and do not make a duplicate look new.
    known = {name: facts[name] for name in (*_TEXTS, "approve_result")}
    if has_lone_surrogate("".join(str(value) for value in known.values())):
        raise ValueError("the body contains lone surrogates")
    return known
