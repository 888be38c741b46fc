"""The page on which a person makes the stand-in misbehave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.sandbox.endpoints import ROUTES
from itsm_workflow.sandbox.envelope import IN_FRONT
from itsm_workflow.sandbox.faults import CALLBACK, OF_CALLBACKS, OF_CREATES, WRONG_SECRET, Fault, FaultKind
from itsm_workflow.sandbox.pages.inbox import headings
from itsm_workflow.sandbox.pages.layout import Html, button, check, choice, document, form, table, text_field
from itsm_workflow.sandbox.pages.words import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow.sandbox.faults import Armed
    from itsm_workflow.sandbox.pages.words import Reader
    from itsm_workflow.sandbox.server import Sandbox

ENDPOINTS = sorted(ROUTES, key=lambda name: (name != "create_ticket", name))


def faults(sandbox: Sandbox, reader: Reader, *, problem: str = "") -> str:
    """Return the page."""
    kinds = {kind.value: reader("kind", kind=kind.value, does=does[reader.language]) for kind, does in KINDS.items()}
    armed = sandbox.faults.armed()
    spent = [one for one in armed if one.spent]
    return document(
        reader,
        reader("misbehave"),
        form(
            "/misbehave/",
            choice("kind", reader("fault"), kinds),
            choice("endpoint", reader("of_calls"), {name: name for name in ENDPOINTS}),
            text_field("nth", reader("nth"), value="1", kind="number", size=4),
            check("always", reader("always")),
            text_field("seconds", reader("seconds"), value="5", size=5),
            text_field("status", reader("http_status"), value="502", kind="number", size=5),
            choice("code", reader("code"), {str(code): str(code) for code in IN_FRONT}),
            check("processed", reader("processed"), checked=True),
            button(reader("arm"), main=True),
        ),
        f"<p>{reader('no_choice')}</p>",
        f"<h2>{reader('armed')}</h2>",
        _table([one for one in armed if not one.spent], reader),
        *((f"<h2>{reader('spent')}</h2>", _table(spent, reader)) if spent else ()),
        form("/misbehave/clear/", button(reader("disarm"))) if armed else "",
        problem=problem,
    )


def _table(armed: Sequence[Armed], reader: Reader) -> str:
    """Return faults as a table; one that has hit its call can still hold it."""
    columns = [*headings(reader, "fault", "of", "which", "count", "hit"), ""]
    return table(columns, (_row(one, reader) for one in armed), empty=reader("behaves"))


def _row(armed: Armed, reader: Reader) -> tuple[object, ...]:
    fault = armed.fault
    at = f"/misbehave/{armed.number}"
    drop = button(reader("drop"), action=f"{at}/drop/")
    held = form(f"{at}/release/", button(reader("release")), drop, bare=True)
    acts = Html(held if fault.kind is FaultKind.HOLD else "")
    count = reader("and_later", nth=fault.nth) if fault.always else fault.nth
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
