"""The views: callbacks of the ticket system, and the log platform's views of a collector's status and application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import RequestDataTooBig
from django.db import connections, transaction
from django.http import HttpResponse, RawPostDataException, UnreadablePostError
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from itsm_workflow.callbacks.parse import MAX_BODY, Incoming
from itsm_workflow.callbacks.wsgi import read_at_most
from itsm_workflow.integrations.django.answers import answering, http
from itsm_workflow.integrations.django.permissions import is_permitted
from itsm_workflow.integrations.django.process import get_workflow
from itsm_workflow.integrations.log_platform.answers import success
from itsm_workflow.integrations.log_platform.routes import (
    APPLY,
    MAX_APPLICATION,
    VIEW,
    application_arguments,
    not_permitted,
    read_application,
    receive_callback,
    status_data,
    subject_of,
)
from itsm_workflow.secrets import without_frames

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

    from itsm_workflow.callbacks.parse import CallbackResponse
    from itsm_workflow.integrations.django.workflow import DjangoWorkflow

    ViewFunction = Callable[..., HttpResponse]

_DIGITS = 10


def outside_transactions(view: ViewFunction) -> ViewFunction:
    """Let ``ATOMIC_REQUESTS`` of no database open a transaction around the view."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


@outside_transactions
@csrf_exempt
def callback(request: HttpRequest, address: str = "") -> HttpResponse:  # noqa: ARG001 - the path is read as a whole
    """Receive a callback: store it as a hint that the change is due, and answer. The credential is checked first."""
    return _callback_http(receive_callback(get_workflow, without_frames(_incoming, request)))


def _callback_http(answer: CallbackResponse) -> HttpResponse:
    response = HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))
    if answer.status == 405:  # noqa: PLR2004 - the method is not allowed
        response["Allow"] = "POST"
    return response


def _incoming(request: HttpRequest) -> Incoming:
    body = _body(request, MAX_BODY)
    return Incoming(method=request.method or "", path=request.path, headers=dict(request.headers), body=body)


def _body(request: HttpRequest, most: int) -> bytes:
    """Return a body of up to that many bytes, and of a larger one no more than shows that it is larger."""
    length = request.META.get("CONTENT_LENGTH") or ""
    is_number = length.isascii() and length.isdigit() and len(length) <= _DIGITS
    is_large = not is_number or int(length) > most
    # Django takes a body without a length as empty; a server that ends the stream lets us read a chunked one.
    is_chunked = not length and request.META.get("wsgi.input_terminated")
    stream = request.META["wsgi.input"] if is_chunked else request
    try:
        return read_at_most(stream, most + 1) if is_large else request.body
    except (RequestDataTooBig, RawPostDataException, UnreadablePostError):
        return b""  # refused as a body that is not JSON


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
            return http(not_permitted(self.action, collector))
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
        return subject_of(collector)


class StatusView(CollectorView):
    """The view of the log platform's ``collect_itsm_status``."""

    def get(self, request: HttpRequest, collector_config_id: object) -> HttpResponse:
        """Return the status of a collector, the ticket's pages, and the fields of the form."""
        subject = self.get_subject(str(collector_config_id))
        workflow = self.get_workflow()
        data = status_data(workflow, workflow.newest(subject), live=request.GET.get("live") == "true")
        return http(success(data))


class ApplyView(CollectorView):
    """The view of the log platform's ``apply_itsm_ticket``."""

    action = APPLY

    def post(self, request: HttpRequest, collector_config_id: object) -> HttpResponse:
        """File a change with the eight fields of `CollectorForm`, and return the status of the collector."""
        collector = str(collector_config_id)
        asked = self.get_arguments(request, collector, read_application(_body(request, MAX_APPLICATION)))
        workflow = self.get_workflow()
        change = workflow.apply(subject=self.get_subject(collector), **asked)
        return http(success(status_data(workflow, change)))

    def get_arguments(self, request: HttpRequest, collector: str, body: dict[str, object]) -> dict[str, Any]:  # noqa: ARG002 - a host may need it
        """Return the arguments of `Workflow.apply`, without the subject.

        Args:
            request: The request; its user is the applicant.
            collector: The collector's number.
            body: The request's JSON object: the eight fields, ``title``, and if wanted ``approvers`` and ``content``.

        Raises:
            InvalidForm: The fields are invalid, or some are missing.
        """
        return {**application_arguments(body, request.user.get_username())}
