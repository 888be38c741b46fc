"""The log platform's envelope: every answer of its views is a JSON object with a result, a code, a message and data."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import (
    AlreadyApplied,
    GatewayError,
    InvalidForm,
    ItsmWorkflowError,
    NotApproved,
    NotPermitted,
    ServiceNotFound,
    SettingsError,
    StorageError,
    TransitionRefused,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

logger: logging.Logger = logging.getLogger("itsm_workflow.routes")

FAILED = 500
"""The code of an error for which the log platform has no number of its own."""

NOT_PERMITTED = 403
"""The code of an answer to a person without the permission."""

_STATUS: Mapping[type[ItsmWorkflowError], int] = {
    InvalidForm: 400,
    AlreadyApplied: 409,
    TransitionRefused: 409,
    NotApproved: 403,
    NotPermitted: 403,
    ServiceNotFound: 502,
    GatewayError: 502,
    StorageError: 503,
    SettingsError: 500,
}


@attrs.frozen
class PlatformAnswer:
    """The answer of a route, for any web framework.

    Attributes:
        status: The status of HTTP.
        body: The envelope, made of JSON values.
    """

    status: int
    body: Mapping[str, object]

    def encoded(self) -> bytes:
        """Return the envelope as JSON text in UTF-8."""
        return json.dumps(self.body).encode()


def success(data: object) -> PlatformAnswer:
    """Return the answer to a request that succeeded."""
    return PlatformAnswer(200, {"result": True, "code": 0, "message": "success", "data": data})


def failure(
    status: int, message: str, *, code: int = FAILED, errors: Sequence[Mapping[str, str]] | None = None
) -> PlatformAnswer:
    """Return the answer to a request that failed.

    Args:
        status: The status of HTTP.
        message: The reason, for a person.
        code: The log platform's code of the error.
        errors: The problems of a form.
    """
    body: dict[str, object] = {"result": False, "code": code, "message": message, "data": None}
    if errors is not None:
        body["errors"] = errors
    return PlatformAnswer(status, body)


def of_error(error: ItsmWorkflowError) -> PlatformAnswer:
    """Return the answer for an error of the library, with its `platform_code` if it has one."""
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
    problems = None
    if isinstance(error, InvalidForm):
        problems = [{"field": field, "value": value, "rule": rule} for field, value, rule in error.problems]
    code = NOT_PERMITTED if isinstance(error, NotPermitted) else error.platform_code or FAILED
    return failure(status, str(error), code=code, errors=problems)


def answer_to(request: str, call: Callable[[], PlatformAnswer]) -> PlatformAnswer:
    """Return what a call returns, or the answer for the library's error that it raises.

    Args:
        request: The method and the path, for the log, in which errors of the server itself are recorded.
        call: The function that answers the request.
    """
    try:
        return call()
    except ItsmWorkflowError as error:
        answer = of_error(error)
        if answer.status >= FAILED:
            logger.exception("The request %s failed.", request)
        return answer
