"""Turn the answer of a call into the response for its caller, with the endpoint's type and hook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from itsm_workflow.bkapi.call_log import scrub
from itsm_workflow.bkapi.envelope import GatewayRefusal, clean, decode, read_envelope
from itsm_workflow.bkapi.response import DataResponse
from itsm_workflow.errors import GatewayError, GatewayRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.bkapi.call_log import CallLog
    from itsm_workflow.bkapi.endpoint import Endpoint
    from itsm_workflow.bkapi.retry import RetryPolicy
    from itsm_workflow.bkapi.transport import HttpResponse


class Reader:
    """Reads the answers of one call, each once, so that a hook does not see an answer twice.

    Args:
        endpoint: The endpoint that was called.
        log: Records the envelope's code, and holds the secrets to mask in its texts.
    """

    def __init__(self, endpoint: Endpoint[Any], log: CallLog) -> None:
        self._endpoint = endpoint
        self._log = log
        self._answer: HttpResponse | None = None
        self._response: DataResponse[Any] = DataResponse(is_success=False)

    def read(self, answer: HttpResponse) -> DataResponse[Any]:
        """Return the response; if the answer cannot be used, the response has an ``error``."""
        if answer is not self._answer:
            self._answer, self._response = answer, self._read(answer)
        return self._response

    def why(self, policy: RetryPolicy) -> Callable[[HttpResponse], str]:
        """Return a function that returns why an answer is retried, judged by its content; empty if it is not."""
        if not policy.looks_inside:
            return lambda _: ""

        def retry_reason(answer: HttpResponse) -> str:
            response = self.read(answer)
            if isinstance(response.error, policy.exceptions):
                return response.error.code
            found = next((check for check in policy.results if check(response)), None)
            return "" if found is None else f"the result check {getattr(found, '__name__', 'of the policy')}"

        return retry_reason

    def _read(self, answer: HttpResponse) -> DataResponse[Any]:
        endpoint, log = self._endpoint, self._log
        try:
            envelope = read_envelope(
                answer,
                endpoint=endpoint.name,
                request_id=log.request_id,
                after=endpoint.after_request,
                hide=lambda text: scrub(text, log.secrets),
            )
            log.code = envelope.code
            if not isinstance(envelope, GatewayRefusal):
                data = decode(envelope.data, endpoint.answer, endpoint=endpoint.name, request_id=log.request_id)
                return DataResponse(
                    is_success=True,
                    code=envelope.code,
                    message=envelope.message,
                    data=data,
                    errors=envelope.errors,
                    request_id=log.request_id,
                )
        except GatewayError as error:
            log.code, log.message = error.remote_code, error.remote_message
            error.gateway_code = self._gateway_code(answer)
            return failed(error)
        refused = GatewayRefused(
            "the gateway refused the call",
            endpoint=endpoint.name,
            request_id=log.request_id,
            remote_code=envelope.code,
            remote_message=envelope.message,
        )
        log.message, refused.gateway_code = envelope.message, self._gateway_code(answer)
        return DataResponse(
            is_success=False,
            code=envelope.code,
            message=envelope.message,
            errors=envelope.errors,
            request_id=log.request_id,
            error=refused,
        )

    def _gateway_code(self, answer: HttpResponse) -> str:
        return clean(scrub(answer.headers.get("x-bkapi-error-code", ""), self._log.secrets), limit=64)


def failed(error: GatewayError) -> DataResponse[Any]:
    """Return the response of a call without a usable answer."""
    return DataResponse(
        is_success=False,
        code=error.code,
        message=str(error),
        request_id=error.request_id,
        error=error.with_traceback(None),
    )
