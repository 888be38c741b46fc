"""The router: callbacks and the log platform's routes, answered in the threads of an `AsyncWorkflow`."""

from __future__ import annotations

import contextlib
import functools
import inspect
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Request, Response

from itsm_workflow.async_workflow import AsyncWorkflow
from itsm_workflow.callbacks.asgi import head_of, read_body, with_body
from itsm_workflow.callbacks.parse import CallbackResponse, Incoming
from itsm_workflow.integrations.fastapi.models import Application, CallbackAnswer, Failure, StatusAnswer
from itsm_workflow.integrations.log_platform.answers import failure
from itsm_workflow.integrations.log_platform.routes import (
    APPLY,
    MAX_APPLICATION,
    VIEW,
    CollectorRoutes,
    subject_of,
)
from itsm_workflow.runtime.arguments import check_callable, check_function, check_seconds
from itsm_workflow.secrets import without_frames

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from itsm_workflow.integrations.log_platform.answers import PlatformAnswer

_JSON = "application/json"
_BODY = {"required": True, "content": {_JSON: {"schema": Application.model_json_schema()}}}
_REFUSED: dict[int | str, dict[str, Any]] = {
    number: {"model": Failure, "description": reason}
    for number, reason in (
        (400, "The form is wrong: `errors` lists each problem."),
        (401, "It is not known who the person is."),
        (403, "The person has no permission."),
        (404, "There is no such collector."),
        (500, "The settings are wrong."),
        (502, "BK-ITSM failed, or does not have the service (code 503)."),
        (503, "The store failed."),
    )
}
_APPLY_REFUSED: dict[int | str, dict[str, Any]] = {
    408: {"model": Failure, "description": "The body was not received in time."},
    409: {"model": Failure, "description": "The collector has an open change (code 502)."},
    415: {"model": Failure, "description": "The body is not JSON."},
}
_CALLBACK_REFUSED: dict[int | str, dict[str, Any]] = {
    number: {"model": Failure, "description": "The callback was refused (code 501)."}
    for number in (400, 401, 408, 413, 503)
}


def lifespan(
    workflow: AsyncWorkflow, *, seconds: float | None = None
) -> Callable[[object], contextlib.AbstractAsyncContextManager[None]]:
    """Return the lifespan of an application, which closes the workflow when the server is shut down.

    Args:
        workflow: The workflow.
        seconds: The maximum time to wait for calls and looks, `Policy.close_wait` by default.

    Raises:
        TypeError: ``seconds`` is not a number.
        ValueError: ``seconds`` is below 0, or NaN.
    """
    if seconds is not None:
        check_seconds("lifespan(seconds=...)", seconds)

    @contextlib.asynccontextmanager
    async def closing(_app: object) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await workflow.close(seconds=seconds)

    return closing


def router(  # noqa: C901 - the three routes are functions in it
    workflow: AsyncWorkflow,
    *,
    person: Callable[..., object],
    permit: Callable[[str, str, str], bool | Awaitable[bool]],
    subject: Callable[[str], str] = subject_of,
    complete: Callable[[str, dict[str, object]], Mapping[str, object]] | None = None,
    patience: float = 5.0,
) -> APIRouter:
    """Return a router with the routes of a host; include it below ``/itsm``, where BK-ITSM sends its callbacks.

    Args:
        workflow: The workflow. The routes do their work in its threads.
        person: A dependency of FastAPI that returns the name of the user who is logged in, or None.
        permit: Takes the user name, the action and the collector, and returns whether the user may do the action, which
            is ``view`` or ``apply``. A plain function is called in a thread, a coroutine function is awaited.
        subject: Returns the subject of a collector's changes; by default ``collector-`` and the collector.
        complete: Takes the collector and the JSON object of an application, and returns the object to use, for example
            with a title. By default the object is used unchanged.
        patience: The time-out for receiving a request's body, in seconds.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: ``patience`` is below 0, or NaN.
    """
    if not isinstance(workflow, AsyncWorkflow):
        raise TypeError("router(workflow) takes an AsyncWorkflow")
    for argument, function in (("person", person), ("permit", permit)):
        check_callable(f"router({argument}=...)", function)
    check_function("router(subject=...)", subject, "collector")
    if complete is not None:
        check_function("router(complete=...)", complete, "collector", "body")
    check_seconds("router(patience=...)", patience)
    routes = CollectorRoutes(get_workflow=lambda: workflow.workflow, subject=subject, complete=complete)
    made = APIRouter(tags=["itsm"])
    user = Depends(person)

    async def refused(collector: str, action: str, who: object) -> PlatformAnswer | None:
        permitted: Callable[[], object] = functools.partial(permit, str(who), action, collector)
        if who and inspect.iscoroutinefunction(permit):
            given: object = await permit(str(who), action, collector)
            permitted = lambda: given  # noqa: E731 - as the other one, but the answer is known
        return await workflow.in_thread(routes.refused, collector, action, person=who, permitted=permitted)

    @made.post("/callback/{address:path}", response_model=CallbackAnswer, responses=_CALLBACK_REFUSED)
    async def callback(request: Request, address: str) -> Response:  # noqa: ARG001 - the path is read as a whole
        """Receive a callback of BK-ITSM. It has its own credential, and needs no login."""
        whole = await with_body(without_frames(head_of, request.scope), request.receive, patience)
        answer = await workflow.in_thread(routes.callback, whole) if isinstance(whole, Incoming) else whole
        return _response(answer)

    @made.get("/{collector}/collect_itsm_status/", response_model=StatusAnswer, responses=_REFUSED)
    async def collect_itsm_status(collector: str, live: bool = False, who: object = user) -> Response:  # noqa: FBT001, FBT002 - a parameter of the query
        """Return the collector's status with its label, the ticket's pages, and the eight fields of the form."""
        answer = await refused(collector, VIEW, who)
        return _response(answer or await workflow.in_thread(routes.status, collector, live=live))

    @made.post(
        "/{collector}/apply_itsm_ticket/",
        response_model=StatusAnswer,
        responses={**_REFUSED, **_APPLY_REFUSED},
        openapi_extra={"requestBody": _BODY},
    )
    async def apply_itsm_ticket(collector: str, request: Request, who: object = user) -> Response:
        """File a change with the eight fields of the form; the applicant is the user."""
        answer = await refused(collector, APPLY, who)
        if answer is not None:
            return _response(answer)
        try:
            head = without_frames(head_of, request.scope)
            whole = await read_body(head, request.receive, MAX_APPLICATION, patience)
        except TimeoutError:
            return _response(failure(408, "the request's body was not received in time"))
        if whole is None:
            return _response(None)
        apply = functools.partial(routes.apply, collector, person=str(who), body=whole.body)
        return _response(await workflow.in_thread(apply, content_type=request.headers.get("Content-Type", "")))

    return made


def _response(answer: PlatformAnswer | CallbackResponse | None) -> Response:
    """Return the response; without an answer, the client has disconnected and reads nothing."""
    if answer is None:
        return Response(status_code=400)
    if isinstance(answer, CallbackResponse):
        return Response(answer.body, answer.status, dict(answer.headers))
    return Response(answer.encoded(), answer.status, media_type=_JSON)
