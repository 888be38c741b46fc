"""The callback's route as a WSGI application: a plain POST, without a framework's sessions, logins or views."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from itsm_workflow.callbacks.parse import MAX_BODY, Incoming, call_receive
from itsm_workflow.secrets import without_frames

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from itsm_workflow.callbacks.parse import Receive

_DIGITS = 10
"""The number of digits of a length that are read, since Python rejects numbers with thousands of digits."""


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return at most that many bytes; none at the end."""
        ...


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
        body=_body(environ),
    )


def _body(environ: WSGIEnvironment) -> bytes:
    """Read the body, at most until it is known to be too large.

    Without a length, the body is read to its end if the server says that it has one, as for a chunked request.
    Otherwise it is empty, since a read could wait for the next request.
    """
    content_length = environ.get("CONTENT_LENGTH", "")
    if content_length:
        is_number = content_length.isascii() and content_length.isdigit()
        length = int(content_length[:_DIGITS]) if is_number else 0
    else:
        length = MAX_BODY + 1 if environ.get("wsgi.input_terminated") else 0
    return read_at_most(environ["wsgi.input"], min(length, MAX_BODY + 1))


def read_at_most(stream: Readable, limit: int) -> bytes:
    """Read a stream to its end, or until that many bytes were read; a read may return less than it was asked for."""
    pieces = []
    while limit > 0:
        piece = stream.read(limit)
        if not piece:
            break
        pieces.append(piece)
        limit -= len(piece)
    return b"".join(pieces)
