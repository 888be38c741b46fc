"""The client of BlueKing's API gateways: endpoints are data, and one function calls any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.exports import exports

if TYPE_CHECKING:
    from itsm_workflow.bkapi.breaker import Breaker, Resting
    from itsm_workflow.bkapi.call_log import CallRecord
    from itsm_workflow.bkapi.client import ApiClient
    from itsm_workflow.bkapi.context import RequestContext
    from itsm_workflow.bkapi.endpoint import Endpoint, PaginationStyle
    from itsm_workflow.bkapi.prepare import CallFacts, fill_app, fill_identity, fill_identity_and_app
    from itsm_workflow.bkapi.response import DataResponse
    from itsm_workflow.bkapi.retry import NO_RETRY, RetryPolicy, without_waiting
    from itsm_workflow.bkapi.transport import Transport
    from itsm_workflow.bkapi.upload import File
else:
    __getattr__, __dir__ = exports(
        __name__,
        {
            "breaker": "Breaker Resting",
            "call_log": "CallRecord",
            "client": "ApiClient",
            "context": "RequestContext",
            "endpoint": "Endpoint PaginationStyle",
            "prepare": "CallFacts fill_app fill_identity fill_identity_and_app",
            "response": "DataResponse",
            "retry": "NO_RETRY RetryPolicy without_waiting",
            "transport": "Transport",
            "upload": "File",
        },
    )

__all__ = [
    "NO_RETRY",
    "ApiClient",
    "Breaker",
    "CallFacts",
    "CallRecord",
    "DataResponse",
    "Endpoint",
    "File",
    "PaginationStyle",
    "RequestContext",
    "Resting",
    "RetryPolicy",
    "Transport",
    "fill_app",
    "fill_identity",
    "fill_identity_and_app",
    "without_waiting",
]
