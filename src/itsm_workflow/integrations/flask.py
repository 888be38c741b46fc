"""Flask: a blueprint with the three routes of a host: callback, status and application.

::

    app.register_blueprint(blueprint(workflow, person=current_user, permit=may), url_prefix="/itsm")
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

try:
    from flask import Blueprint, Response, request
except ImportError as error:
    raise ImportError(
        f"{error}: install the packages that it needs with `pip install 'itsm-workflow[flask]'`"
    ) from error

from itsm_workflow.callbacks.parse import MAX_BODY, Incoming
from itsm_workflow.callbacks.wsgi import read_at_most
from itsm_workflow.integrations.log_platform.routes import (
    APPLY,
    MAX_APPLICATION,
    VIEW,
    CollectorRoutes,
    subject_of,
)
from itsm_workflow.runtime.arguments import check_function
from itsm_workflow.secrets import without_frames
from itsm_workflow.workflow import Workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from itsm_workflow.integrations.log_platform.answers import PlatformAnswer

_JSON = "application/json"


def blueprint(
    workflow: Workflow | Callable[[], Workflow],
    *,
    person: Callable[[], str | None],
    permit: Callable[[str, str, str], bool],
    subject: Callable[[str], str] = subject_of,
    complete: Callable[[str, dict[str, object]], Mapping[str, object]] | None = None,
    name: str = "itsm_workflow",
) -> Blueprint:
    """Return a blueprint with the routes of a host; register it below ``/itsm``, where BK-ITSM sends its callbacks.

    The functions are called in the context of the request, so they may use `flask.request` and `flask.g`.

    Args:
        workflow: The workflow, or a function that returns that of this process.
        person: Returns the name of the user who is logged in, or None.
        permit: Takes the user name, the action and the collector, and returns whether the user may do the action, which
            is ``view`` or ``apply``.
        subject: Returns the subject of a collector's changes; by default ``collector-`` and the collector.
        complete: Takes the collector and the JSON object of an application, and returns the object to use, for example
            with a title. By default the object is used unchanged.
        name: The name of the blueprint. The endpoints are ``callback``, ``collect_itsm_status`` and
            ``apply_itsm_ticket``.

    Raises:
        TypeError: An argument is not a function.
    """
    check_function("blueprint(person=...)", person)
    check_function("blueprint(permit=...)", permit, "user", "action", "collector")
    check_function("blueprint(subject=...)", subject, "collector")
    if complete is not None:
        check_function("blueprint(complete=...)", complete, "collector", "body")
    if not isinstance(workflow, Workflow):
        check_function("blueprint(workflow)", workflow)
    get_workflow = (lambda: workflow) if isinstance(workflow, Workflow) else workflow
    routes = CollectorRoutes(get_workflow=get_workflow, subject=subject, complete=complete)
    made = Blueprint(name, __name__)

    def refused(collector: str, action: str) -> PlatformAnswer | None:
        who = person()
        permitted = functools.partial(permit, who or "", action, collector)
        return routes.refused(collector, action, person=who, permitted=permitted)

    def callback(address: str) -> Response:  # noqa: ARG001 - the path is read as a whole
        answer = routes.callback(without_frames(_incoming))
        return Response(answer.body, answer.status, dict(answer.headers))

    def status(collector: str) -> Response:
        is_live = request.args.get("live") == "true"
        return _response(refused(collector, VIEW) or routes.status(collector, live=is_live))

    def apply(collector: str) -> Response:
        answer = refused(collector, APPLY) or routes.apply(
            collector,
            person=person() or "",
            content_type=request.headers.get("Content-Type", ""),
            body=_body(MAX_APPLICATION),
        )
        return _response(answer)

    made.add_url_rule("/callback/<path:address>", "callback", callback, methods=["POST"])
    made.add_url_rule("/<collector>/collect_itsm_status/", "collect_itsm_status", status)
    made.add_url_rule("/<collector>/apply_itsm_ticket/", "apply_itsm_ticket", apply, methods=["POST"])
    return made


def _response(answer: PlatformAnswer) -> Response:
    return Response(answer.encoded(), answer.status, content_type=_JSON)


def _incoming() -> Incoming:
    return Incoming(method=request.method, path=request.path, headers=request.headers, body=_body(MAX_BODY))


def _body(limit: int) -> bytes:
    """Read the body, also a chunked one, at most until it has more bytes than the limit."""
    length = request.content_length
    if length is not None and length <= limit:
        return request.get_data()
    # A function of the host that runs before the view may have read the stream; then Flask has kept the body.
    return read_at_most(request.stream, limit + 1) or request.get_data()
