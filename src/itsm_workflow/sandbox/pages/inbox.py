"""The first page: what waits for a decision, every other ticket, the last calls, and the callbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.sandbox.pages.layout import Html, document, link, table
from itsm_workflow.sandbox.ticket import Status
from itsm_workflow.sandbox.times import ZONE, query_text

if TYPE_CHECKING:
    from itsm_workflow.sandbox.calls import CallLog
    from itsm_workflow.sandbox.pages.words import Reader
    from itsm_workflow.sandbox.server import Sandbox
    from itsm_workflow.sandbox.ticket import CallbackAttempt, TicketView

_HEADS = ("number", "title", "creator", "approvers", "status", "changed")
_EVERY = 5
_MOST = 200


def inbox(sandbox: Sandbox, calls: CallLog, reader: Reader) -> str:
    """Return the page, which loads itself again every five seconds until a person stops it."""
    tickets = sandbox.tickets()[::-1]
    waiting = [one for one in tickets if one.current_status is Status.RUNNING and one.step_running]
    others = [one for one in tickets if one not in waiting]
    callbacks = sorted(
        ((sent, one) for one in tickets for sent in one.callbacks), key=lambda pair: pair[0].at, reverse=True
    )
    heads = headings(reader, *_HEADS)
    return document(
        reader,
        reader("tickets"),
        f"<p>{reader('api')}<code>{sandbox.url}</code>{reader('stop')}</p>",
        f"<h2>{reader('waiting')}</h2>",
        table(heads, (_row(one, reader) for one in waiting[:_MOST]), empty=reader("nothing_waits")),
        f"<h2>{reader('others')}</h2>",
        table(heads, (_row(one, reader) for one in others[:_MOST]), empty=reader("none")),
        f"<h2>{reader('callbacks')}</h2>",
        table(
            headings(reader, "at", "ticket", "says", "outcome", "note"),
            (
                (
                    query_text(sent.at),
                    _named(one),
                    callback_text(sent, reader),
                    reader.outcome(sent.outcome),
                    reader.translated(sent.note),
                )
                for sent, one in callbacks[:_MOST]
            ),
            empty=reader("none_sent"),
        ),
        f"<h2>{reader('calls')}</h2>",
        table(
            headings(reader, "at", "endpoint", "answer"),
            (
                (query_text(call.at), reader.translated(call.endpoint), reader.translated(call.answer))
                for call in calls.latest()
            ),
            empty=reader("none_came"),
        ),
        refresh=_EVERY,
    )


def headings(reader: Reader, *codes: str) -> list[str]:
    """Return the headings of a table; those of times name their zone."""
    return [reader(code, zone=ZONE) for code in codes]


def callback_text(sent: CallbackAttempt, reader: Reader) -> str:
    """Return what a callback says."""
    return reader.status(sent.status, sent.approve_result)


def _row(ticket: TicketView, reader: Reader) -> tuple[object, ...]:
    return (
        _named(ticket),
        ticket.title,
        ticket.creator,
        ", ".join(ticket.approvers),
        reader.status(ticket.current_status, ticket.approve_result),
        query_text(ticket.update_at),
    )


def _named(ticket: TicketView) -> Html:
    return Html(link(f"/tickets/{ticket.id}/", ticket.sn))
