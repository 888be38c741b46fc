"""The two applications of the route, called as a server calls them: what they hand on, and what they read."""

from __future__ import annotations

import asyncio
import inspect
import io
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.callbacks.asgi import asgi_app
from itsm_workflow.callbacks.parse import ACCEPTED, MAX_BODY, CallbackResponse
from itsm_workflow.callbacks.wsgi import wsgi_app

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

LENGTH = len(ACCEPTED.body)


class Heard:
    """Receives everything and remembers it."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    def receive(self, **request: Any) -> CallbackResponse:
        """Accept it."""
        self.requests.append(request)
        return ACCEPTED


class Stream(io.BytesIO):
    """A body that counts what is asked of it, and gives little at a time."""

    def __init__(self, body: bytes, step: int = 7000) -> None:
        super().__init__(body)
        self._step = step
        self.asked: list[int] = []

    def read(self, size: int | None = -1, /) -> bytes:
        """Give a piece."""
        assert size is not None
        assert size >= 0, "to the end, which a server may never send"
        self.asked.append(size)
        return super().read(min(size, self._step))


def through_wsgi(body: bytes = b"", **environ: Any) -> tuple[dict[str, Any], Stream, list[Any]]:
    """Return what was received, the stream, and how the answer was begun."""
    heard, stream, begun = Heard(), Stream(body), []
    environment = {"REQUEST_METHOD": "POST", "wsgi.input": stream, **environ}

    def start(status: str, headers: list[tuple[str, str]], _error: object = None, /) -> Callable[[bytes], object]:
        begun.append((status, headers))
        return io.BytesIO().write

    answer = wsgi_app(heard.receive)(environment, start)
    assert list(answer) == [ACCEPTED.body]
    return heard.requests[0], stream, begun


def test_wsgi_hands_on_what_came_and_answers_what_was_returned() -> None:
    """Only what came as a header is one."""
    request, _, begun = through_wsgi(
        b"body", PATH_INFO="/a", CONTENT_LENGTH="4", HTTP_X_A_B="1", SERVER_NAME="here", CONTENT_TYPE="text/plain"
    )
    assert request == {"method": "POST", "path": "/a", "headers": {"X-A-B": "1"}, "body": b"body"}
    headers = [("Content-Type", "application/json"), ("Content-Length", str(LENGTH))]
    assert begun == [("200 OK", headers)]


def test_wsgi_without_a_path_or_a_length() -> None:
    """A server may leave both out; then there is nothing to read."""
    request, stream, _ = through_wsgi(b"never read")
    assert (request["path"], request["body"], stream.asked) == ("", b"", [])


@pytest.mark.parametrize(("length", "read"), [(4, 4), (3 * MAX_BODY, MAX_BODY + 1)])
def test_wsgi_reads_a_chunked_body(length: int, read: int) -> None:
    """If the server says that the body has an end; and no more than shows that it is too large."""
    request, _, _ = through_wsgi(b"x" * length, **{"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"})
    assert len(request["body"]) == read


@pytest.mark.parametrize("told", ["", "-1", "4.0", "\u0664", "x"])
def test_wsgi_reads_nothing_for_a_length_that_is_no_number(told: str) -> None:
    """In other digits neither."""
    request, stream, _ = through_wsgi(b"body", CONTENT_LENGTH=told)
    assert (request["body"], stream.asked) == (b"", [])


@pytest.mark.parametrize(("told", "wanted"), [("9" * 5000, MAX_BODY + 1), ("0" * 5000 + "4", 0)])
def test_wsgi_makes_no_number_of_thousands_of_digits(told: str, wanted: int) -> None:
    """Python refuses to, and what is behind the tenth does not matter."""
    request, _, _ = through_wsgi(b"x" * (2 * MAX_BODY), CONTENT_LENGTH=told)
    assert len(request["body"]) == wanted


@pytest.mark.parametrize("length", [1, 7001, MAX_BODY, MAX_BODY + 1])
def test_wsgi_reads_the_whole_body_in_pieces(length: int) -> None:
    """As many as it takes, and no byte more is asked for."""
    request, stream, _ = through_wsgi(b"x" * length + b"the next request", CONTENT_LENGTH=str(length))
    assert len(request["body"]) == length
    assert stream.asked[0] == length
    assert 0 not in stream.asked


def test_wsgi_reads_no_more_than_shows_that_a_body_is_too_large() -> None:
    """One byte over the limit is enough to refuse it."""
    request, _, _ = through_wsgi(b"x" * (4 * MAX_BODY), CONTENT_LENGTH=str(4 * MAX_BODY))
    assert len(request["body"]) == MAX_BODY + 1


def test_wsgi_takes_a_body_that_ends_early_as_it_is() -> None:
    """And does not ask for ever."""
    request, stream, _ = through_wsgi(b"half", CONTENT_LENGTH="8")
    assert (request["body"], stream.asked) == (b"half", [8, 4])


def through_asgi(*messages: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    """Return what was received, what was sent, and how many messages were taken."""
    heard, sent, left = Heard(), [], list(messages)

    async def incoming() -> dict[str, Any]:
        return left.pop(0)

    async def outgoing(message: MutableMapping[str, Any]) -> None:
        sent.append(dict(message))

    scope = {"type": "http", "method": "POST", "path": "/a", "headers": [(b"x-a", b"1")]}
    asyncio.run(asgi_app(heard.receive)(scope, incoming, outgoing))
    return heard.requests, sent, len(messages) - len(left)


def part(body: bytes, **more: object) -> dict[str, Any]:
    """Return a message with a piece of a body."""
    return {"type": "http.request", "body": body, **more}


def test_asgi_hands_on_what_came_and_answers_what_was_returned() -> None:
    """Header names go in lower case, as the protocol wants."""
    requests, sent, _ = through_asgi(part(b"bo", more_body=True), part(b"dy", more_body=False))
    assert requests == [{"method": "POST", "path": "/a", "headers": {"x-a": "1"}, "body": b"body"}]
    headers = [(b"content-type", b"application/json"), (b"content-length", str(LENGTH).encode())]
    assert sent == [
        {"type": "http.response.start", "status": 200, "headers": headers},
        {"type": "http.response.body", "body": ACCEPTED.body},
    ]


def test_asgi_messages_may_leave_out_what_is_usual() -> None:
    """No body is an empty one, and nothing more comes unless it is said."""
    requests, _, taken = through_asgi({"type": "http.request"}, part(b"never read"))
    assert (requests[0]["body"], taken) == (b"", 1)


def test_asgi_reads_no_more_than_shows_that_a_body_is_too_large() -> None:
    """A body of exactly the limit may still go on; one byte over it is enough."""
    whole = part(b"x" * MAX_BODY, more_body=True)
    requests, _, taken = through_asgi(whole, part(b"x", more_body=True), part(b"x", more_body=True))
    assert (len(requests[0]["body"]), taken) == (MAX_BODY + 1, 2)


def test_an_error_report_of_asgi_shows_no_header() -> None:
    """An error report may show the variables of each frame, and a header can hold a token."""

    async def incoming() -> dict[str, Any]:
        return part(b"")

    async def outgoing(_message: MutableMapping[str, Any]) -> None:
        raise ConnectionResetError

    scope = {"type": "http", "method": "POST", "path": "/a", "headers": [(b"x-a", b"the-canary")]}
    sending = asgi_app(Heard().receive)(scope, incoming, outgoing)
    del scope
    with pytest.raises(ConnectionResetError) as raised:
        asyncio.run(sending)

    frames = [frame for frame, _ in traceback.walk_tb(raised.value.__traceback__)]
    shown = [repr(frame.f_locals) for frame in frames if frame.f_code.co_filename == asgi_app.__code__.co_filename]
    assert shown
    assert "the-canary" not in "".join(shown)


def test_asgi_waits_five_seconds_unless_told() -> None:
    """As the page about callbacks says."""
    assert inspect.signature(asgi_app).parameters["patience"].default == 5.0
