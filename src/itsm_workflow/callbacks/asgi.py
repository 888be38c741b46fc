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
        try:
            head = without_frames(_head, scope)
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


def _head(scope: Message) -> Incoming:
    if scope["type"] != "http":
        raise ValueError(f"the callback's route accepts HTTP requests, not {scope['type']}")
    headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in scope.get("headers", ())}
    return Incoming(method=scope["method"], path=scope["path"], headers=headers, body=b"")


async def _answer(receive: Receive, head: Incoming, events: Events, patience: float) -> CallbackResponse | None:
    try:
        whole = await asyncio.wait_for(_with_body(head, events), patience)
    except TimeoutError:
        return refusal(408, "the request's body was not received in time")
    return None if whole is None else await asyncio.to_thread(call_receive, receive, whole)


async def _with_body(incoming: Incoming, events: Events) -> Incoming | None:
    """Read the body, at most until it is known to be too large; return None if the client disconnected."""
    more = True
    while more and len(incoming.body) <= MAX_BODY:
        event = _Event(await events())
        if event.message["type"] == "http.disconnect":
            return None
        incoming = attrs.evolve(incoming, body=incoming.body + event.message.get("body", b""))
        more = event.message.get("more_body", False)
    return incoming
