"""The pages of a stand-in for a person with a browser: the tickets, one ticket, and the faults. This machine only.

======================================  ==============================================================
``GET  /``                              the tickets, the last calls, the callbacks
``GET  /tickets/15/``                   one ticket; a ticket's address, ``/#/ticket/detail?id=15``, leads here
``POST /tickets/15/approve/``           a form with ``approver`` and ``remark``; also ``reject``
``POST /tickets/15/withdraw/``          a form with ``operator``; also ``suspend``, ``resume``, ``terminate``, ``begin``
``GET  /misbehave/``                    the faults that are armed, and a form that arms one
``POST /misbehave/``                    arms a fault; ``clear/`` disarms all, ``7/release/`` and ``7/drop/`` end a hold
======================================  ==============================================================

The pages speak the language that the browser prefers, Chinese or English; ``?language=zh`` or ``?language=en`` chooses
one, which a cookie keeps.
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
from itsm_workflow.sandbox.pages.words import COOKIE, Reader, chosen_in, language_of
from itsm_workflow.sandbox.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.sandbox.calls import CallLog
    from itsm_workflow.sandbox.request import Request
    from itsm_workflow.sandbox.server import Sandbox

_TICKET = re.compile(r"/tickets/(\d{1,18})/(?:(\w+)/)?")
_FAULT = re.compile(r"/misbehave/(?:(\d{1,18})/)?(?:(\w+)/)?")
_YEAR = 365 * 86_400
_REFUSED = (Refusal, LookupError, OSError, TypeError, ValueError)


def is_page(path: str) -> bool:
    """Return whether a path is that of a page, or of the icon for which browsers ask."""
    return path in {"/", "/favicon.ico"} or path.startswith(("/tickets/", "/misbehave/"))


def use_own_pages(sandbox: Sandbox, site: str) -> None:
    """Let the addresses of tickets lead to the stand-in's own pages at this site; a started stand-in only."""
    with sandbox.locked() as ledger:
        ledger.behaviour = attrs.evolve(ledger.behaviour, site=site)


def serve_page(sandbox: Sandbox, calls: CallLog, request: Request) -> SandboxResponse:
    """Serve one request of a browser. What a form asks for is done, and answered by the page to look at next."""
    form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    visit = _Visit(sandbox, request.method, form if request.method == "POST" else {}, language_of(request))
    answer = _answer(visit, calls, request.path)
    chosen = chosen_in(request)
    if chosen is None:
        return answer
    cookie = f"{COOKIE}={chosen}; Path=/; Max-Age={_YEAR}; HttpOnly; SameSite=Strict"
    return attrs.evolve(answer, headers={**answer.headers, "Set-Cookie": cookie})


@attrs.frozen
class _Visit:
    """One request of a browser."""

    sandbox: Sandbox
    method: str
    form: Mapping[str, str]
    language: str

    def reader(self, address: str = "/") -> Reader:
        return Reader(self.language, address)


def _answer(visit: _Visit, calls: CallLog, path: str) -> SandboxResponse:
    if path == "/" and visit.method == "GET":
        return _html(inbox(visit.sandbox, calls, visit.reader()))
    if found := _TICKET.fullmatch(path):
        return _ticket(visit, int(found[1]), found[2])
    if found := _FAULT.fullmatch(path):
        return _faults(visit, found[1], found[2])
    return _not_found(visit.reader(), visit.reader()("no_page"))


def _ticket(visit: _Visit, number: int, name: str | None) -> SandboxResponse:
    sandbox, reader = visit.sandbox, visit.reader(f"/tickets/{number}/")
    try:
        sandbox.ticket(number)
    except LookupError as error:
        return _not_found(reader, reader.translated(error))
    if name is None and visit.method == "GET":
        return _html(ticket_page.ticket(sandbox, number, reader))
    act = ticket_page.ACTS.get(name or "")
    if act is None or visit.method != "POST":
        return _not_found(reader, reader("no_ticket_act"))
    try:
        act(sandbox, number, visit.form)
    except _REFUSED as error:
        problem = reader.translated(error)
        return _html(ticket_page.ticket(sandbox, number, reader, problem=problem), HTTPStatus.CONFLICT)
    return _see(reader.address)


def _faults(visit: _Visit, number: str | None, name: str | None) -> SandboxResponse:
    sandbox, reader = visit.sandbox, visit.reader("/misbehave/")
    if visit.method == "GET" and number is None and name is None:
        return _html(faults_page.faults(sandbox, reader))
    act = faults_page.ACTS.get(name or "arm")
    if act is None or visit.method != "POST" or (number is None) != (name in {None, "clear"}):
        return _not_found(reader, reader("no_page_act"))
    try:
        act(sandbox, int(number or 0), visit.form)
    except _REFUSED as error:
        return _html(faults_page.faults(sandbox, reader, problem=reader.translated(error)), HTTPStatus.BAD_REQUEST)
    return _see(reader.address)


def _html(text: str, status: int = HTTPStatus.OK) -> SandboxResponse:
    return SandboxResponse(int(status), dict(HEADERS), text.encode("utf-8"))


def _not_found(reader: Reader, problem: str) -> SandboxResponse:
    return _html(document(reader, reader("not_found"), problem=problem), HTTPStatus.NOT_FOUND)


def _see(path: str) -> SandboxResponse:
    return SandboxResponse(int(HTTPStatus.SEE_OTHER), {"Location": path}, b"")
