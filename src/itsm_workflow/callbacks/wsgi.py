"""The callback's route as a WSGI application: one bare POST, without a framework's sessions, logins or views."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from itsm_workflow.callbacks.parse import MAX_BODY, Incoming, answered
from itsm_workflow.secrets import without_frames

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

    from itsm_workflow.callbacks.parse import Receive

_DIGITS = 10
"""As many as count of a length; to make a number of thousands of digits is refused by Python."""


def wsgi(receive: Receive) -> WSGIApplication:
    """Return an application that hands each request to `Workflow.receive`, and answers exactly what that returns.

    How long a body may take to come in is the server's to limit: WSGI has no way to stop reading.

    Args:
        receive: The workflow's ``receive``.
    """

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            incoming = without_frames(_incoming, environ)
        finally:
            del environ  # it holds secrets, and a traceback of what follows may be shown with its variables
        answer = answered(receive, incoming)
        headers = [*answer.headers.items(), ("Content-Length", str(len(answer.body)))]
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
        return [answer.body]

    return application


def _incoming(environ: WSGIEnvironment) -> Incoming:
    return Incoming(
        method=environ["REQUEST_METHOD"],
        path=environ.get("PATH_INFO", ""),
        headers={name[5:].replace("_", "-"): text for name, text in environ.items() if name.startswith("HTTP_")},
        body=_body(environ["wsgi.input"], environ.get("CONTENT_LENGTH", "")),
    )


def _body(stream: InputStream, told: str) -> bytes:
    """Read no more than it takes to see that a body is too large; without a length there is none to read."""
    length = int(told[:_DIGITS]) if told.isascii() and told.isdigit() else 0
    wanted, pieces = min(length, MAX_BODY + 1), []
    while wanted > 0:
        piece = stream.read(wanted)
        if not piece:
            break
        pieces.append(piece)
        wanted -= len(piece)
    return b"".join(pieces)
