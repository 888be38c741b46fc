"""The callback's route as an ASGI application: one bare POST, without a framework's sessions, logins or views."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from itsm_workflow.callbacks.receive import MAX_BODY, refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, MutableMapping

    from itsm_workflow.callbacks.receive import Answer, Receive

    Message = MutableMapping[str, Any]
    Incoming = Callable[[], Awaitable[Message]]
    Outgoing = Callable[[Message], Awaitable[None]]
    Application = Callable[[Message, Incoming, Outgoing], Coroutine[object, object, None]]


def asgi(receive: Receive, *, patience: float = 5.0) -> Application:
    """Return an application that hands each request to `Workflow.receive`, and answers exactly what that returns.

    The store is written in a thread, so that the event loop goes on.

    Args:
        receive: The workflow's ``receive``.
        patience: Seconds that a request's body may take to come in.
    """

    async def application(scope: Message, incoming: Incoming, outgoing: Outgoing) -> None:
        if scope["type"] != "http":
            raise ValueError(f"the callback's route speaks HTTP, not {scope['type']}")
        answer = await _answer(receive, scope, incoming, patience)
        if answer is None:
            return
        headers = {**answer.headers, "Content-Length": str(len(answer.body))}
        pairs = [(name.lower().encode(), text.encode()) for name, text in headers.items()]
        await outgoing({"type": "http.response.start", "status": answer.status, "headers": pairs})
        await outgoing({"type": "http.response.body", "body": answer.body})

    return application


async def _answer(receive: Receive, scope: Message, incoming: Incoming, patience: float) -> Answer | None:
    try:
        body = await asyncio.wait_for(_body(incoming), patience)
    except TimeoutError:
        return refusal(408, "the body took too long to come in")
    if body is None:
        return None
    return await asyncio.to_thread(
        receive,
        method=scope["method"],
        path=scope["path"],
        headers={name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]},
        body=body,
    )


async def _body(incoming: Incoming) -> bytes | None:
    """Read no more than it takes to see that a body is too large; None: the caller has gone."""
    body = b""
    while len(body) <= MAX_BODY:
        message = await incoming()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body
