"""The log platform's envelope: every answer of its views is a JSON object with a result, a code, a message and data."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from django.http import HttpResponse, JsonResponse

from itsm_workflow.errors import (
    AlreadyApplied,
    GatewayError,
    InvalidForm,
    ItsmWorkflowError,
    NotApproved,
    ServiceNotFound,
    SettingsError,
    StorageError,
    TransitionRefused,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from django.http import HttpRequest

logger = logging.getLogger("itsm_workflow.django")

FAILED = 500
"""The code of an error for which the log platform has no number of its own."""

_STATUS: Mapping[type[ItsmWorkflowError], int] = {
    InvalidForm: 400,
    AlreadyApplied: 409,
    TransitionRefused: 409,
    NotApproved: 403,
    ServiceNotFound: 502,
    GatewayError: 502,
    StorageError: 503,
    SettingsError: 500,
}


def success(data: object) -> JsonResponse:
    """Return the answer to a request that succeeded."""
    return JsonResponse({"result": True, "code": 0, "message": "success", "data": data})


def failure(
    status: int, message: str, *, code: int = FAILED, errors: Sequence[Mapping[str, str]] | None = None
) -> JsonResponse:
    """Return the answer to a request that failed.

    Args:
        status: The status of HTTP.
        message: The reason, for a person.
        code: The log platform's code of the error.
        errors: The problems of a form.
    """
    body: dict[str, Any] = {"result": False, "code": code, "message": message, "data": None}
    if errors is not None:
        body["errors"] = errors
    return JsonResponse(body, status=status)


def of_error(error: ItsmWorkflowError) -> JsonResponse:
    """Return the answer for an error of the library, with its `platform_code` if it has one."""
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
    problems = None
    if isinstance(error, InvalidForm):
        problems = [{"field": field, "value": value, "rule": rule} for field, value, rule in error.problems]
    return failure(status, str(error), code=error.platform_code or FAILED, errors=problems)


def answering(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Turn an error of the library that the view raises into an answer, and log those of the server itself."""

    @functools.wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except ItsmWorkflowError as error:
            answer = of_error(error)
            if answer.status_code >= FAILED:
                logger.exception("The request %s %s failed.", request.method, request.path)
            return answer

    return answered
