"""The views: callbacks of the ticket system, and the log platform's views of a collector's status and application."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.core.exceptions import RequestDataTooBig
from django.db import connections, transaction
from django.http import HttpResponse, RawPostDataException, UnreadablePostError
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from itsm_workflow.callbacks.parse import MAX_BODY, Incoming, call_receive, refusal
from itsm_workflow.errors import InvalidForm
from itsm_workflow.form import shown
from itsm_workflow.integrations.django.answers import answering, failure, logger, success
from itsm_workflow.integrations.django.permissions import APPLY, VIEW, is_permitted
from itsm_workflow.integrations.django.process import get_workflow
from itsm_workflow.integrations.log_platform import CollectorForm, collector_status
from itsm_workflow.secrets import without_frames

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

    from itsm_workflow.callbacks.parse import CallbackResponse
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.integrations.django.workflow import DjangoWorkflow

    ViewFunction = Callable[..., HttpResponse]

_MAX_APPLICATION = 256 * 1024
_DIGITS = 10
_TEXTS = ("title", "content")


def outside_transactions(view: ViewFunction) -> ViewFunction:
    """Let ``ATOMIC_REQUESTS`` of no database open a transaction around the view."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


@outside_transactions
@csrf_exempt
def callback(request: HttpRequest, address: str = "") -> HttpResponse:  # noqa: ARG001 - the path is read as a whole
    """Receive a callback: store it as a hint that the change is due, and answer. The credential is checked first."""
    try:
        answer = call_receive(get_workflow().receive, without_frames(_incoming, request))
    except Exception:  # noqa: BLE001 - whatever it is, it is logged
        # Django's page of an error shows the headers of the request, and one of them is the credential.
        logger.exception("A callback was not stored.")
        answer = refusal(503, "the callback was not stored: list it as not delivered")
    return _http(answer)


def _http(answer: CallbackResponse) -> HttpResponse:
    response = HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))
    if answer.status == 405:  # noqa: PLR2004 - the method is not allowed
        response["Allow"] = "POST"
    return response


def _incoming(request: HttpRequest) -> Incoming:
    length = request.META.get("CONTENT_LENGTH") or ""
    is_large = len(length) > _DIGITS or not length.isdigit() or int(length) > MAX_BODY
    try:
        body = request.read(MAX_BODY + 1) if is_large else request.body
    except (RequestDataTooBig, RawPostDataException, UnreadablePostError):
        body = b""  # refused as a body that is not JSON
    return Incoming(method=request.method or "", path=request.path, headers=dict(request.headers), body=body)


class CollectorView(View):
    """The base of the views about one collector. A host may derive its own, and override the methods.

    Attributes:
        action: The action for which the permission is checked.
    """

    action = VIEW

    @classmethod
    def as_view(cls, **initkwargs: Any) -> ViewFunction:
        """Return the view function, outside of transactions, since it may call the gateway."""
        return outside_transactions(answering(super().as_view(**initkwargs)))

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Check the permission, then call the method of the request's HTTP method."""
        collector = str(kwargs["collector_config_id"])
        if not self.has_permission(request, collector):
            return failure(403, f"you may not {self.action} the application of collector {collector}", code=403)
        response: HttpResponse = super().dispatch(request, *args, **kwargs)
        return response

    def has_permission(self, request: HttpRequest, collector: str) -> bool:
        """Return whether the user may do the action; by default ``ITSM_WORKFLOW["PERMISSION"]`` decides."""
        return is_permitted(request, self.action, collector)

    def get_workflow(self) -> DjangoWorkflow:
        """Return the workflow; by default that of this process."""
        return get_workflow()

    def get_subject(self, collector: str) -> str:
        """Return the subject of a collector's changes."""
        return f"collector-{collector}"


class StatusView(CollectorView):
    """The view of the log platform's ``collect_itsm_status``."""

    def get(self, request: HttpRequest, collector_config_id: object) -> HttpResponse:
        """Return the status of a collector, the ticket's pages, and the fields of the form."""
        subject = self.get_subject(str(collector_config_id))
        workflow = self.get_workflow()
        return success(status_data(workflow, workflow.newest(subject), live=request.GET.get("live") == "true"))


class ApplyView(CollectorView):
    """The view of the log platform's ``apply_itsm_ticket``."""

    action = APPLY

    def post(self, request: HttpRequest, collector_config_id: object) -> HttpResponse:
        """File a change with the eight fields of `CollectorForm`, and return the status of the collector."""
        collector = str(collector_config_id)
        asked = self.get_arguments(request, collector, _json_object(request))
        workflow = self.get_workflow()
        change = workflow.apply(subject=self.get_subject(collector), **asked)
        return success(status_data(workflow, change))

    def get_arguments(self, request: HttpRequest, collector: str, body: dict[str, object]) -> dict[str, Any]:  # noqa: ARG002 - a host may need it
        """Return the arguments of `Workflow.apply`, without the subject.

        Args:
            request: The request; its user is the applicant.
            collector: The collector's number.
            body: The request's JSON object: the eight fields, ``title``, and if wanted ``approvers`` and ``content``.

        Raises:
            InvalidForm: The fields are invalid, or some are missing.
        """
        texts = {name: body.pop(name, "") for name in _TEXTS}
        approvers = body.pop("approvers", ())
        return {
            **texts,
            "approvers": tuple(approvers) if isinstance(approvers, list) else approvers,
            "applicant": request.user.get_username(),
            "fields": CollectorForm.from_mapping(body).fields(),
        }


def status_data(workflow: DjangoWorkflow, change: ChangeRequest | None, *, live: bool = False) -> dict[str, object]:
    """Return the data that the log platform's pages show.

    Args:
        workflow: The workflow.
        change: The newest change of the collector; None if it never applied.
        live: Whether to ask the gateway for the page to embed.
    """
    status = collector_status(change, workflow.definition)
    data: dict[str, object] = {
        "collect_itsm_status": status.value,
        "collect_itsm_status_display": status.label,
        "sn": None,
        "ticket_url": None,
        "iframe_ticket_url": None,
        **dict.fromkeys(FIELDS),
    }
    if change is not None:
        facts = workflow.status(change.id, live=live)
        data |= {"sn": facts.sn, "ticket_url": facts.ticket_url, "iframe_ticket_url": facts.iframe_ticket_url}
        data |= {name: facts.form.fields.get(name) for name in FIELDS}
    return data


FIELDS = tuple(name for name in CollectorForm.__annotations__)
"""The names of the form's eight fields; no other fact has one of them, so that they cannot replace it."""


def _json_object(request: HttpRequest) -> dict[str, object]:
    """Return the JSON object in the body.

    Raises:
        InvalidForm: The body is too large, or is not a JSON object.
    """
    body = request.body[: _MAX_APPLICATION + 1]
    if len(body) > _MAX_APPLICATION:
        raise InvalidForm([("body", f"{len(body)} bytes", f"must have at most {_MAX_APPLICATION} bytes")])
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, Mapping):
        raise InvalidForm([("body", shown(found), f"must be a JSON object with the fields {', '.join(FIELDS)}")])
    return dict(found)
