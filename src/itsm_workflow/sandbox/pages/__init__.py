"""The pages of a stand-in for a person with a browser: the tickets, one ticket, and the faults. This machine only.

======================================  ==============================================================
``GET  /``                              the tickets, the last calls, the callbacks
``GET  /tickets/15/``                   one ticket; a ticket's address, ``/#/ticket/detail?id=15``, leads here
``POST /tickets/15/approve/``           a form with ``approver`` and ``remark``; also ``reject``
``POST /tickets/15/withdraw/``          a form with ``operator``; also ``suspend``, ``resume``, ``terminate``, ``begin``
``GET  /misbehave/``                    the faults that are armed, and a form that arms one
``POST /misbehave/``                    arms a fault; ``clear/`` disarms all, ``7/release/`` and ``7/drop/`` end a hold
======================================  ==============================================================
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import attrs

from itsm_workflow.sandbox.envelope import SandboxResponse
from itsm_workflow.sandbox.pages import faults_page, ticket_page
from itsm_workflow.sandbox.pages.inbox import inbox
from itsm_workflow.sandbox.pages.layout import HEADERS, document
from itsm_workflow.sandbox.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.sandbox.calls import CallLog
    from itsm_workflow.sandbox.server import Sandbox

_TICKET = re.compile(r"/tickets/(\d{1,18})/(?:(\w+)/)?")
_FAULT = re.compile(r"/misbehave/(?:(\d{1,18})/)?(?:(\w+)/)?")
_REFUSED = (Refusal, LookupError, OSError, TypeError, ValueError)


def is_page(path: str) -> bool:
    """Return whether a path is that of a page, or of the icon for which browsers ask."""
    return path in {"/", "/favicon.ico"} or path.startswith(("/tickets/", "/misbehave/"))


def use_own_pages(sandbox: Sandbox, site: str) -> None:
    """Let the addresses of tickets lead to the stand-in's own pages at this site; a started stand-in only."""
    with sandbox.locked() as ledger:
        ledger.behaviour = attrs.evolve(ledger.behaviour, site=site)


def serve_page(sandbox: Sandbox, calls: CallLog, method: str, path: str, body: bytes) -> SandboxResponse:
    """Serve one request of a browser. What a form asks for is done, and answered by the page to look at next."""
    form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)) if method == "POST" else {}
    if path == "/" and method == "GET":
        return _html(inbox(sandbox, calls))
    if found := _TICKET.fullmatch(path):
        return _ticket(sandbox, int(found[1]), found[2], method, form)
    if found := _FAULT.fullmatch(path):
        return _faults(sandbox, found[1], found[2], method, form)
    return _not_found("This page does not exist.")


def _ticket(sandbox: Sandbox, number: int, name: str | None, method: str, form: Mapping[str, str]) -> SandboxResponse:
    try:
        sandbox.ticket(number)
    except LookupError as error:
        return _not_found(str(error))
    if name is None and method == "GET":
        return _html(ticket_page.ticket(sandbox, number))
    act = ticket_page.ACTS.get(name or "")
    if act is None or method != "POST":
        return _not_found("This ticket has no such operation.")
    try:
        act(sandbox, number, form)
    except _REFUSED as error:
        return _html(ticket_page.ticket(sandbox, number, problem=str(error)), HTTPStatus.CONFLICT)
    return _see(f"/tickets/{number}/")


def _faults(
    sandbox: Sandbox, number: str | None, name: str | None, method: str, form: Mapping[str, str]
) -> SandboxResponse:
    if method == "GET" and number is None and name is None:
        return _html(faults_page.faults(sandbox))
    act = faults_page.ACTS.get(name or "arm")
    if act is None or method != "POST" or (number is None) != (name in {None, "clear"}):
        return _not_found("This page has no such operation.")
    try:
        act(sandbox, int(number or 0), form)
    except _REFUSED as error:
        return _html(faults_page.faults(sandbox, problem=str(error)), HTTPStatus.BAD_REQUEST)
    return _see("/misbehave/")


def _html(text: str, status: int = HTTPStatus.OK) -> SandboxResponse:
    return SandboxResponse(int(status), dict(HEADERS), text.encode("utf-8"))


def _not_found(problem: str) -> SandboxResponse:
    return _html(document("Not found", problem=problem), HTTPStatus.NOT_FOUND)


def _see(path: str) -> SandboxResponse:
    return SandboxResponse(int(HTTPStatus.SEE_OTHER), {"Location": path}, b"")
