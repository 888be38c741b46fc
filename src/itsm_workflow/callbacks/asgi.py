"""The callback's route as an ASGI application: a plain POST, without a framework's sessions, logins or views."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.callbacks.parse import MAX_BODY, Incoming, call_receive, refusal
from itsm_workflow.secrets import without_frames

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, MutableMapping

    from itsm_workflow.callbacks.parse import CallbackResponse, Receive

    Message = MutableMapping[str, Any]
    Events = Callable[[], Awaitable[Message]]
    Outgoing = Callable[[Message], Awaitable[None]]
    Application = Callable[[Message, Events, Outgoing], Coroutine[object, object, None]]


_POLICY_VIOLATION = 1008


@attrs.frozen
class _Event:
    """A message of the ASGI server. Its repr hides the message, which may hold a part of a body."""

    message: Message = attrs.field(repr=False)


def asgi_app(receive: Receive, *, patience: float = 5.0) -> Application:
    """Return an application that passes each request to `Workflow.receive`, and sends its response unchanged.

    The store is written in a thread, so that the event loop is not blocked.

    Args:
        receive: The workflow's ``receive``.
        patience: The time-out for receiving a request's body, in seconds.
    """

    async def application(scope: Message, events: Events, outgoing: Outgoing) -> None:
        if scope["type"] != "http":
            await _refuse(scope["type"], events, outgoing)
            return
        try:
            head = without_frames(head_of, scope)
        finally:
            del scope  # it holds secrets, and a traceback from a later call may be shown with this frame's variables
        answer = await _answer(receive, head, events, patience)
        if answer is None:
            return
        headers = {**answer.headers, "Content-Length": str(len(answer.body))}
        pairs = [(name.lower().encode(), text.encode()) for name, text in headers.items()]
        await outgoing({"type": "http.response.start", "status": answer.status, "headers": pairs})
        await outgoing({"type": "http.response.body", "body": answer.body})

    return application


def head_of(scope: Message) -> Incoming:
    """Return the request of a scope, without its body."""
    headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in scope.get("headers", ())}
    return Incoming(method=scope["method"], path=scope["path"], headers=headers, body=b"")


async def _refuse(kind: str, events: Events, outgoing: Outgoing) -> None:
    """Refuse a WebSocket, which the server answers with status 403; begin and end without any work for a lifespan.

    Raises:
        ValueError: The connection is of another kind, to which the protocol of ASGI has no answer.
    """
    if kind == "websocket":
        await events()
        await outgoing({"type": "websocket.close", "code": _POLICY_VIOLATION})
    elif kind == "lifespan":
        for step in ("startup", "shutdown"):
            await events()
            await outgoing({"type": f"lifespan.{step}.complete"})
    else:
        raise ValueError(f"the callback's route accepts HTTP requests, not {kind}")


async def _answer(receive: Receive, head: Incoming, events: Events, patience: float) -> CallbackResponse | None:
    whole = await with_body(head, events, patience)
    if not isinstance(whole, Incoming):
        return whole
    return await asyncio.to_thread(call_receive, receive, whole)


async def with_body(head: Incoming, events: Events, patience: float) -> Incoming | CallbackResponse | None:
    """Return the request with its body, the refusal of a body that is late, or None if the client disconnected.

    The body is read at most until it is known to be too large for a callback.
    """
    try:
        return await read_body(head, events, MAX_BODY, patience)
    except TimeoutError:
        return refusal(408, "the request's body was not received in time")


async def read_body(incoming: Incoming, events: Events, limit: int, patience: float) -> Incoming | None:
    """Return the request with its body, which is read at most until it has more bytes than the limit.

    No frame has the body in a variable of its own: it may hold the server's token.

    Returns:
        The request, or None if the client disconnected.

    Raises:
        TimeoutError: The body was not received in time.
    """
    more = True
    async with asyncio.timeout(patience):
        while more and len(incoming.body) <= limit:
            event = _Event(await events())
            if event.message["type"] == "http.disconnect":
                return None
            incoming = attrs.evolve(incoming, body=incoming.body + event.message.get("body", b""))
            more = event.message.get("more_body", False)
    return incoming
