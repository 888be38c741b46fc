"""The page on which a person makes the stand-in misbehave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.sandbox.endpoints import ROUTES
from itsm_workflow.sandbox.envelope import IN_FRONT
from itsm_workflow.sandbox.faults import CALLBACK, OF_CALLBACKS, OF_CREATES, WRONG_SECRET, Fault, FaultKind
from itsm_workflow.sandbox.pages.layout import Html, button, check, choice, document, form, table, text_field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from itsm_workflow.sandbox.faults import Armed
    from itsm_workflow.sandbox.server import Sandbox

ENDPOINTS = sorted(ROUTES, key=lambda name: (name != "create_ticket", name))
KINDS: Mapping[FaultKind, str] = {
    FaultKind.LOSE_ANSWER: "carries the call out and closes the connection without an answer",
    FaultKind.HOLD: "carries the call out and holds its answer until you release or drop it below",
    FaultKind.DELAY: "answers late, by the seconds",
    FaultKind.STATUS: "answers with the HTTP status and a page of HTML, as a proxy does",
    FaultKind.HTML: "answers with HTTP 200 and a page of HTML",
    FaultKind.REFUSE: "refuses as the API gateway does, with the code",
    FaultKind.RESET: "resets the connection before the call is carried out",
    FaultKind.EARLY_CALLBACK: "approves a new ticket immediately, and calls back before the create is answered",
    FaultKind.FLOW_NEVER_STARTS: "files a ticket whose approval step never starts",
    FaultKind.CALLBACK_TWICE: "sends a callback twice",
    FaultKind.CALLBACK_LATE: "sends a callback late, by the seconds",
    FaultKind.CALLBACK_LOST: "never sends a callback, and lists it nowhere",
    FaultKind.CALLBACK_LOST_LISTED: "never sends a callback, and lists it as failed",
}
"""What each kind of fault does, for the person who arms it."""


def faults(sandbox: Sandbox, *, problem: str = "") -> str:
    """Return the page."""
    return document(
        "Misbehave",
        form(
            "/misbehave/",
            choice("kind", "fault", {kind.value: f"{kind.value}: {does}" for kind, does in KINDS.items()}),
            choice("endpoint", "of calls to", {name: name for name in ENDPOINTS}),
            text_field("nth", "the n-th call from now", value="1", kind="number", size=4),
            check("always", "and each later one"),
            text_field("seconds", "seconds", value="5", size=5),
            text_field("status", "HTTP status", value="502", kind="number", size=5),
            choice("code", "gateway's code", {str(code): str(code) for code in IN_FRONT}),
            check("processed", "carry the call out first", checked=True),
            button("Arm", main=True),
        ),
        "<p>A fault of callbacks, or of new tickets, needs no choice of calls.</p>",
        "<h2>Armed</h2>",
        table(
            ("fault", "of", "n-th", "calls", "hit", ""),
            map(_row, sandbox.faults.armed()),
            empty="The stand-in behaves well.",
        ),
        form("/misbehave/clear/", button("Disarm all")) if sandbox.faults.armed() else "",
        problem=problem,
    )


def _row(armed: Armed) -> tuple[object, ...]:
    fault = armed.fault
    at = f"/misbehave/{armed.number}"
    held = form(f"{at}/release/", button("Release"), button("Drop", action=f"{at}/drop/"), bare=True)
    acts = Html(held if fault.kind is FaultKind.HOLD else "")
    count = f"{fault.nth} and later" if fault.always else fault.nth
    return fault.kind.value, fault.endpoint, count, armed.calls, armed.hits, acts


def _arm(sandbox: Sandbox, _none: int, given: Mapping[str, str]) -> object:
    kind = FaultKind(given.get("kind", ""))
    endpoint = given.get("endpoint", "")
    if kind in OF_CALLBACKS | OF_CREATES:  # which apply to one kind of calls only
        endpoint = CALLBACK if kind in OF_CALLBACKS else "create_ticket"
    return sandbox.faults.add(
        Fault(
            kind=kind,
            endpoint=endpoint,
            nth=_whole(given, "nth", 1),
            always="always" in given,
            seconds=_number(given, "seconds", 0.0),
            status=_whole(given, "status", 502),
            code=_whole(given, "code", WRONG_SECRET),
            processed="processed" in given,
        )
    )


def _whole(given: Mapping[str, str], name: str, default: int) -> int:
    number = _number(given, name, default)
    if not number.is_integer():
        raise ValueError(f"{name} must be a whole number, not {number}")
    return int(number)


def _number(given: Mapping[str, str], name: str, default: float) -> float:
    """Return a number of the form.

    Raises:
        ValueError: The field holds something else.
    """
    text = given.get(name, "").strip()
    try:
        return float(text or default)
    except ValueError:
        raise ValueError(f"{name} must be a number, not {text!r}") from None


ACTS: Mapping[str, Callable[[Sandbox, int, Mapping[str, str]], object]] = {
    "arm": _arm,
    "clear": lambda sandbox, _none, _given: sandbox.faults.clear(),
    "release": lambda sandbox, number, _given: sandbox.faults.find(number).release(),
    "drop": lambda sandbox, number, _given: sandbox.faults.find(number).drop(),
}
"""What a form of the page does, by the last part of its address."""
