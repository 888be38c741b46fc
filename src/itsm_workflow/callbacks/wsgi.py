"""The callback's route as a WSGI application: a plain POST, without a framework's sessions, logins or views."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from itsm_workflow.callbacks.parse import MAX_BODY, Incoming, call_receive
from itsm_workflow.secrets import without_frames

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

    from itsm_workflow.callbacks.parse import Receive

_DIGITS = 10
"""The number of digits of a length that are read, since Python rejects numbers with thousands of digits."""


def wsgi_app(receive: Receive) -> WSGIApplication:
    """Return an application that passes each request to `Workflow.receive`, and sends its response unchanged.

    The server must limit the time to receive a body, since a WSGI application cannot interrupt a read.

    Args:
        receive: The workflow's ``receive``.
    """

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            incoming = without_frames(_incoming, environ)
        finally:
            del environ  # it holds secrets, and a traceback from a later call may be shown with this frame's variables
        answer = call_receive(receive, incoming)
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


def _body(stream: InputStream, content_length: str) -> bytes:
    """Read the body, at most until it is known to be too large; without a length, the body is empty."""
    length = int(content_length[:_DIGITS]) if content_length.isascii() and content_length.isdigit() else 0
    wanted, pieces = min(length, MAX_BODY + 1), []
    while wanted > 0:
        piece = stream.read(wanted)
        if not piece:
            break
        pieces.append(piece)
        wanted -= len(piece)
    return b"".join(pieces)
