"""The first page: what waits for a decision, every other ticket, the last calls, and the callbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.sandbox.pages.layout import Html, document, link, table
from itsm_workflow.sandbox.ticket import Status
from itsm_workflow.sandbox.times import ZONE, query_text

if TYPE_CHECKING:
    from itsm_workflow.sandbox.calls import CallLog
    from itsm_workflow.sandbox.server import Sandbox
    from itsm_workflow.sandbox.ticket import CallbackAttempt, TicketView

_HEADS = ("number", "title", "creator", "approvers", "status", f"changed ({ZONE})")
_EVERY = 5
_MOST = 200


def inbox(sandbox: Sandbox, calls: CallLog) -> str:
    """Return the page, which loads itself again every five seconds until a person stops it."""
    tickets = sandbox.tickets()[::-1]
    waiting = [one for one in tickets if one.current_status is Status.RUNNING and one.step_running]
    others = [one for one in tickets if one not in waiting]
    callbacks = sorted(
        ((sent, one) for one in tickets for sent in one.callbacks), key=lambda pair: pair[0].at, reverse=True
    )
    return document(
        "Tickets",
        f"<p>The API is at <code>{sandbox.url}</code>.</p>",
        "<h2>Waiting for a decision</h2>",
        table(_HEADS, map(_row, waiting[:_MOST]), empty="Nothing waits. File a change, and it appears here."),
        "<h2>Other tickets</h2>",
        table(_HEADS, map(_row, others[:_MOST]), empty="None."),
        "<h2>Callbacks</h2>",
        table(
            (f"at ({ZONE})", "ticket", "says", "outcome", "note"),
            (
                (query_text(sent.at), _named(one), callback_text(sent), sent.outcome.value, sent.note)
                for sent, one in callbacks[:_MOST]
            ),
            empty="None was sent yet.",
        ),
        "<h2>Calls</h2>",
        table(
            (f"at ({ZONE})", "endpoint", "answer"),
            ((query_text(call.at), call.endpoint, call.answer) for call in calls.latest()),
            empty="None came yet.",
        ),
        refresh=_EVERY,
    )


def callback_text(sent: CallbackAttempt) -> str:
    """Return what a callback says."""
    return status_text(sent.status, sent.approve_result)


def status_text(status: Status, approved: bool) -> str:  # noqa: FBT001 - the two belong together
    """Return a status in words; an end by decision says which."""
    word = "approved" if approved else "not approved"
    return f"{status.value}, {word}" if status is Status.FINISHED else status.value


def _row(ticket: TicketView) -> tuple[object, ...]:
    return (
        _named(ticket),
        ticket.title,
        ticket.creator,
        ", ".join(ticket.approvers),
        status_text(ticket.current_status, ticket.approve_result),
        query_text(ticket.update_at),
    )


def _named(ticket: TicketView) -> Html:
    return Html(link(f"/tickets/{ticket.id}/", ticket.sn))
