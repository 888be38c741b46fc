"""The HTTP endpoints by which another process controls a stand-in. Loopback only; they do not show tokens.

==========================================  ===========================================================
``GET  /_sandbox/ledger/``                  tickets, failed callbacks, calls per endpoint, planned events
``POST /_sandbox/approve/``                 ``{"sn": …, "approver": …, "remark": …}``; also ``reject``
``POST /_sandbox/withdraw/``                ``{"sn": …, "operator": …}``; also ``suspend``, ``resume``, ``terminate``
``POST /_sandbox/begin/``                   ``{"sn": …}``: starts the flow now, even one that a fault holds
``POST /_sandbox/duplicate_sn/``            ``{"sn": …}``: another user's ticket with the same number
``POST /_sandbox/faults/``                  a :class:`~itsm_workflow.sandbox.faults.Fault` as JSON; returns its ``id``
``GET  /_sandbox/faults/``                  every armed fault and its number of calls
``GET  /_sandbox/faults/?id=1&wait=5``      one fault; waits up to ``wait`` seconds until it applies to a call
``POST /_sandbox/release/``                 ``{"id": 1}`` sends held answers; ``"drop": true`` closes them
``POST /_sandbox/clear/``                   disarms every fault
==========================================  ===========================================================

``sn`` may also be a ticket's integer id, which is always unambiguous. Answers are JSON: HTTP 200, 400 for an invalid
request, 404 for an unknown object, 409 for a request that BK-ITSM would refuse, 403 for a request from another machine.
"""

from __future__ import annotations

import ipaddress
import json
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import attrs

from itsm_workflow.sandbox.endpoints import ROUTES
from itsm_workflow.sandbox.faults import CALLBACK, Fault, FaultKind
from itsm_workflow.sandbox.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from itsm_workflow.sandbox.server import Sandbox

PREFIX = "/_sandbox/"
LONGEST_WAIT = 60.0
_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_ANSWERS: dict[type[Exception], int] = {
    Refusal: 409,
    LookupError: 404,
    TimeoutError: 409,
    ValueError: 400,
    TypeError: 400,
}


def is_local(client: str, host: str, origin: str | None = None) -> bool:
    """Return whether a request comes from this machine and is addressed to it.

    Args:
        client: the peer's address.
        host: the Host header, which shows DNS rebinding in a browser.
        origin: the Origin header, by which a browser names the calling page; None without the header.
    """
    try:
        called = urlsplit(f"//{host}").hostname in _NAMES
        calling = origin is None or urlsplit(origin).hostname in _NAMES
        return ipaddress.ip_address(client).is_loopback and called and calling
    except ValueError:
        return False


def control(sandbox: Sandbox, method: str, path: str, query: str, body: bytes) -> tuple[int, bytes]:
    """Serve one request to the control endpoints.

    Returns:
        HTTP status and JSON body.
    """
    action = _ACTIONS.get((method, path.removeprefix(PREFIX).strip("/")))
    if action is None:
        return 404, _json({"error": f"Unknown control endpoint: {method} {path}."})
    try:
        given = _object(body)
        if not isinstance(given, dict):
            raise TypeError("The body must be a JSON object.")  # noqa: TRY301 - answered like every other invalid request
        return 200, _json(action(sandbox, {**dict(parse_qsl(query)), **given}))
    except (Refusal, LookupError, OSError, ValueError, TypeError) as error:
        status = next((code for kind, code in _ANSWERS.items() if isinstance(error, kind)), 500)
        return status, _json({"error": str(error)})


def _object(body: bytes) -> object:
    try:
        return json.loads(body) if body else {}
    except ValueError:
        raise ValueError("The body is not JSON.") from None


def plain(value: object) -> Any:  # noqa: ANN401 - JSON
    """Convert values of the ledger to JSON values; times become ISO 8601 with their zone."""
    kind = type(value)
    if attrs.has(kind):
        return {field.name: plain(getattr(value, field.name)) for field in attrs.fields(kind)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8")


def _ledger(sandbox: Sandbox, _given: Mapping[str, Any]) -> object:
    with sandbox.locked() as ledger:
        return {
            "now": plain(ledger.now()),
            "tickets": plain(ledger.tickets()),
            "failed_callbacks": ledger.failed_callbacks(),
            "requests": dict(ledger.requests),
            "planned": [{"due": plain(due), "what": what} for due, what in ledger.schedule.pending()],
        }


def _decide(name: str) -> Callable[[Sandbox, Mapping[str, Any]], object]:
    def decide(sandbox: Sandbox, given: Mapping[str, Any]) -> object:
        act: Callable[..., Any] = getattr(sandbox, name)
        return plain(act(_sn(given), approver=given.get("approver"), remark=str(given.get("remark", ""))))

    return decide


def _operate(name: str) -> Callable[[Sandbox, Mapping[str, Any]], object]:
    def operate(sandbox: Sandbox, given: Mapping[str, Any]) -> object:
        act: Callable[..., Any] = getattr(sandbox, name)
        return plain(act(_sn(given), operator=given.get("operator")))

    return operate


def _duplicate(sandbox: Sandbox, given: Mapping[str, Any]) -> object:
    return plain(sandbox.duplicate_sn(_sn(given)))


def _begin(sandbox: Sandbox, given: Mapping[str, Any]) -> object:
    return plain(sandbox.begin(_sn(given)))


def _sn(given: Mapping[str, Any]) -> str | int:
    sn = given.get("sn")
    if not isinstance(sn, (str, int)):
        raise TypeError("The body must have a key sn with the ticket's number or its integer id.")
    return sn


def _arm(sandbox: Sandbox, given: Mapping[str, Any]) -> object:
    kinds, known = [kind.value for kind in FaultKind], [field.name for field in attrs.fields(Fault)]
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ValueError(f"A fault has no {unknown[0]!r}; it has {', '.join(known)}.")
    if given.get("kind") not in kinds:
        raise ValueError(f"{given.get('kind')!r} is not a kind of fault; the kinds are {', '.join(kinds)}.")
    endpoints = [*ROUTES, CALLBACK]
    if given.get("endpoint") not in endpoints:
        raise ValueError(f"{given.get('endpoint')!r} is not an endpoint; the endpoints are {', '.join(endpoints)}.")
    return sandbox.faults.add(Fault(**{**given, "kind": FaultKind(given["kind"])})).describe()


def _faults(sandbox: Sandbox, given: Mapping[str, Any]) -> object:
    if "id" not in given:
        return [armed.describe() for armed in sandbox.faults.armed()]
    armed = sandbox.faults.find(int(given["id"]))
    armed.wait_reached(min(float(given.get("wait", 0)), LONGEST_WAIT))
    return armed.describe()


def _release(sandbox: Sandbox, given: Mapping[str, Any]) -> object:
    armed = sandbox.faults.find(int(given.get("id", 0)))
    if given.get("drop"):
        armed.drop()
    else:
        armed.release()
    return armed.describe()


def _clear(sandbox: Sandbox, _given: Mapping[str, Any]) -> object:
    sandbox.faults.clear()
    return []


_ACTIONS: dict[tuple[str, str], Callable[[Sandbox, Mapping[str, Any]], object]] = {
    ("GET", "ledger"): _ledger,
    ("POST", "approve"): _decide("approve"),
    ("POST", "reject"): _decide("reject"),
    **{("POST", name): _operate(name) for name in ("withdraw", "suspend", "resume", "terminate")},
    ("POST", "begin"): _begin,
    ("POST", "duplicate_sn"): _duplicate,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _arm,
    ("POST", "release"): _release,
    ("POST", "clear"): _clear,
}
