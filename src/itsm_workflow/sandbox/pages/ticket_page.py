"""The page of one ticket, and what its buttons do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.sandbox.pages.inbox import callback_text, headings
from itsm_workflow.sandbox.pages.layout import button, choice, document, form, table, text_field
from itsm_workflow.sandbox.ticket import FlowPhase, Status
from itsm_workflow.sandbox.times import query_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from itsm_workflow.sandbox.pages.words import Reader
    from itsm_workflow.sandbox.server import Sandbox
    from itsm_workflow.sandbox.ticket import LogLine, TicketView

_WAIT = 1.0
"""The seconds for which a decision waits for its step: the page offers one only while the step runs."""


@attrs.frozen(kw_only=True)
class _Shown:
    """A ticket, with what its snapshot leaves out."""

    view: TicketView
    values: Mapping[str, Any]
    log: Sequence[LogLine]
    deciders: Sequence[str]
    is_decided: bool
    has_begun: bool


def ticket(sandbox: Sandbox, number: int, reader: Reader, *, problem: str = "") -> str:
    """Return the page; it loads itself again while something is about to happen."""
    with sandbox.locked() as ledger:
        found = ledger.by_id(number)
        shown = _Shown(
            view=found.view(),
            values=dict(found.draft.values),
            log=tuple(found.logs),
            deciders=found.processors,
            is_decided=found.pending is not None,
            has_begun=found.phase not in {FlowPhase.CREATED, FlowPhase.SUBMITTING},
        )
    view = shown.view
    is_moving = not view.end_at and (shown.is_decided or not shown.has_begun)
    return document(
        reader,
        f"{view.title} · {view.sn}",
        *_acts(shown, reader),
        f"<h2>{reader('form')}</h2>",
        table(
            headings(reader, "field", "value"),
            [(reader("creator"), view.creator), *((name, _text(value)) for name, value in shown.values.items())],
            empty="",
        ),
        f"<h2>{reader('log')}</h2>",
        table(
            headings(reader, "at", "by", "what", "remark"),
            ((query_text(line.at), line.operator, line.message, _remark(line)) for line in shown.log),
            empty=reader("nothing_yet"),
        ),
        f"<h2>{reader('callbacks')}</h2>",
        table(
            headings(reader, "at", "says", "outcome", "sent", "note"),
            (
                (
                    query_text(sent.at),
                    callback_text(sent, reader),
                    reader.outcome(sent.outcome),
                    sent.times_sent,
                    reader.translated(sent.note),
                )
                for sent in view.callbacks
            ),
            empty=reader("none_sent"),
        ),
        problem=problem,
        refresh=1 if is_moving and not problem else 0,
    )


def _acts(shown: _Shown, reader: Reader) -> Iterator[str]:
    """Yield the status and the forms of what can be done now."""
    view = shown.view
    yield f"<p>{reader('status_is')}<strong>{reader.status(view.current_status, view.approve_result)}</strong></p>"
    if view.end_at:
        return
    at = f"/tickets/{view.id}"
    if shown.is_decided:
        yield f"<p>{reader('stored')}</p>"
    elif not shown.has_begun:
        yield f"<p>{reader('not_begun')}</p>"
        yield form(f"{at}/begin/", button(reader("begin")))
    if shown.deciders and not shown.is_decided:
        people = choice("approver", reader("as"), {name: name for name in shown.deciders})
        remark = text_field("remark", reader("remark"), size=40)
        if view.current_status is Status.RUNNING:
            decide = button(reader("approve"), main=True), button(reader("reject"), action=f"{at}/reject/")
            yield form(f"{at}/approve/", people, remark, *decide)
        operators = choice("operator", reader("as"), {name: name for name in shown.deciders})
        turn = "resume" if view.current_status is Status.SUSPENDED else "suspend"
        end = button(reader("terminate"), action=f"{at}/terminate/")
        yield form(f"{at}/{turn}/", operators, button(reader(turn)), end)
    yield form(f"{at}/withdraw/", button(reader("withdraw", creator=view.creator)))


def _decide(name: str) -> Callable[[Sandbox, int, Mapping[str, str]], object]:
    def decide(sandbox: Sandbox, number: int, given: Mapping[str, str]) -> object:
        act: Callable[..., object] = getattr(sandbox, name)
        return act(number, approver=given.get("approver") or None, remark=given.get("remark", ""), timeout=_WAIT)

    return decide


def _operate(name: str) -> Callable[[Sandbox, int, Mapping[str, str]], object]:
    def operate(sandbox: Sandbox, number: int, given: Mapping[str, str]) -> object:
        act: Callable[..., object] = getattr(sandbox, name)
        return act(number, operator=given.get("operator") or None)

    return operate


def _begin(sandbox: Sandbox, number: int, _given: Mapping[str, str]) -> object:
    return sandbox.begin(number)


ACTS: Mapping[str, Callable[[Sandbox, int, Mapping[str, str]], object]] = {
    **{name: _decide(name) for name in ("approve", "reject")},
    **{name: _operate(name) for name in ("withdraw", "suspend", "resume", "terminate")},
    "begin": _begin,
}
"""What a form of the page does, by the last part of its address."""


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _remark(line: LogLine) -> str:
    return line.decision.remark if line.decision else ""
