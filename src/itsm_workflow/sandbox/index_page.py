"""The page at ``/``, which shows a stand-in's tickets in a browser."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from itsm_workflow.sandbox.times import query_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from itsm_workflow.sandbox.ticket import TicketView

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>BK-ITSM sandbox</title>
<style>body {{ font: 1em sans-serif; margin: 2em }} td, th {{ padding: .3em .8em; text-align: left }}</style></head>
<body>
<h1>BK-ITSM sandbox</h1>
<p>API: <code>{url}</code></p>
<table>
<thead><tr><th>id</th><th>sn</th><th>title</th><th>creator</th><th>status</th><th>approved</th><th>changed</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""


def index_page(url: str, tickets: Iterable[TicketView]) -> bytes:
    """Return the page. All texts of a ticket are escaped, since clients choose them."""
    rows = "\n".join(_row(ticket) for ticket in tickets)
    return _PAGE.format(url=escape(url), rows=rows).encode("utf-8")


def _row(ticket: TicketView) -> str:
    approved = ("yes" if ticket.approve_result else "no") if ticket.current_status.value == "FINISHED" else ""
    cells = (
        ticket.id,
        ticket.sn,
        ticket.title,
        ticket.creator,
        ticket.current_status.value,
        approved,
        query_text(ticket.update_at),
    )
    return "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"
