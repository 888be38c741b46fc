"""The callback's route as an ASGI application: one bare POST, without a framework's sessions, logins or views."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.callbacks.parse import MAX_BODY, Incoming, answered, refusal
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
    """Something that the server said; it does not print itself, since a body travels in it."""

    message: Message = attrs.field(repr=False)


def asgi(receive: Receive, *, patience: float = 5.0) -> Application:
    """Return an application that hands each request to `Workflow.receive`, and answers exactly what that returns.

    The store is written in a thread, so that the event loop goes on.

    Args:
        receive: The workflow's ``receive``.
        patience: Seconds that a request's body may take to come in.
    """

    async def application(scope: Message, events: Events, outgoing: Outgoing) -> None:
        try:
            head = without_frames(_head, scope)
        finally:
            del scope  # it holds secrets, and a traceback of what follows may be shown with its variables
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
        raise ValueError(f"the callback's route speaks HTTP, not {scope['type']}")
    headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in scope.get("headers", ())}
    return Incoming(method=scope["method"], path=scope["path"], headers=headers, body=b"")


async def _answer(receive: Receive, head: Incoming, events: Events, patience: float) -> CallbackResponse | None:
    try:
        whole = await asyncio.wait_for(_with_body(head, events), patience)
    except TimeoutError:
        return refusal(408, "the body took too long to come in")
    return None if whole is None else await asyncio.to_thread(answered, receive, whole)


async def _with_body(incoming: Incoming, events: Events) -> Incoming | None:
    """Read no more than it takes to see that a body is too large; None: the caller has gone."""
    more = True
    while more and len(incoming.body) <= MAX_BODY:
        event = _Event(await events())
        if event.message["type"] == "http.disconnect":
            return None
        incoming = attrs.evolve(incoming, body=incoming.body + event.message.get("body", b""))
        more = event.message.get("more_body", False)
    return incoming
