"""Build the HTTP request of a call from its endpoint, parameters and identity.

The bytes of a body hold secrets in clear. So an exception leaves this module without the frames that it passed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypedDict

import attrs

from itsm_workflow.bkapi.context import BACKGROUND, headers
from itsm_workflow.bkapi.outgoing import REQUEST_ID_KEY, build_query, build_url, encode_json, header_value
from itsm_workflow.bkapi.transport import HttpRequest
from itsm_workflow.bkapi.upload import encode_form, take_files
from itsm_workflow.secrets import without_frames

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

    from itsm_workflow.bkapi.context import RequestContext
    from itsm_workflow.bkapi.endpoint import Endpoint
    from itsm_workflow.bkapi.prepare import CallFacts
    from itsm_workflow.bkapi.retry import RetryPolicy
    from itsm_workflow.bkapi.upload import File
    from itsm_workflow.budget import Budget
    from itsm_workflow.secrets import Secret
    from itsm_workflow.settings import Settings

    Timeout = float | tuple[float, float]

_OVERRIDES = ("X-HTTP-Method-Override", "X-Method-Override")


class CallOptions(TypedDict, total=False):
    """The options that a batch passes on to each of its calls; each as in `ApiClient.call`."""

    context: RequestContext
    timeout: Timeout | None
    deadline: float | None
    budget: Budget | None
    retry: RetryPolicy | None
    tenant: str


@attrs.frozen(kw_only=True)
class CallArguments:
    """The arguments of one call besides its endpoint and parameters; each field as in `ApiClient.call`."""

    context: RequestContext = BACKGROUND
    files: Mapping[str, File | IO[bytes]] | None = attrs.field(default=None, repr=False)
    timeout: Timeout | None = None
    deadline: float | None = None
    budget: Budget | None = None
    retry: RetryPolicy | None = None
    tenant: str = ""

    def allowed_seconds(self, endpoint: Endpoint[Any], settings: Settings) -> float:
        """Return the seconds that the whole call may take; a budget may shorten them."""
        return self.deadline or endpoint.deadline or settings.deadline


def build_request(
    endpoint: Endpoint[Any], settings: Settings, params: Mapping[str, Any], call: CallFacts, arguments: CallArguments
) -> HttpRequest:
    """Return the request to send.

    Args:
        endpoint: The endpoint to call.
        settings: The application, the gateway and the defaults.
        params: The parameters, after the endpoint's hook.
        call: The facts of the call.
        arguments: The options of the call.

    Raises:
        ValueError: A value cannot be encoded. The message names the value and does not quote it.
    """
    return without_frames(_build, endpoint, settings, params, call, arguments)


def _build(
    endpoint: Endpoint[Any], settings: Settings, params: Mapping[str, Any], call: CallFacts, arguments: CallArguments
) -> HttpRequest:
    url = build_url(endpoint, settings, params)
    sent: dict[str, str | Secret] = dict(headers(settings, call.context, call.request_id))
    sent |= {"Accept": "application/json", "User-Agent": "itsm-workflow"}
    if endpoint.method_override:
        sent |= dict.fromkeys(_OVERRIDES, endpoint.method_override)
    for name in endpoint.header_keys:
        if params.get(name) is not None:
            sent[name] = header_value(endpoint.name, name, params[name])
    if endpoint.header_keys:
        params = {key: value for key, value in params.items() if key not in endpoint.header_keys}
    query = {} if endpoint.no_query_params else {REQUEST_ID_KEY: call.request_id}
    params, files = take_files(endpoint.name, params, arguments.files or {})
    if files and endpoint.method == "GET":
        raise ValueError(f"{endpoint.name}: files cannot be sent with GET, which has no body")
    text = build_query(endpoint.name, {**params, **query} if endpoint.method == "GET" else query)
    body: bytes | None = None
    if files:
        body, sent["Content-Type"] = encode_form(endpoint.name, params, files)
    elif endpoint.method != "GET":
        body, sent["Content-Type"] = encode_json(params, what=f"{endpoint.name}: the parameters"), "application/json"
    timeout = arguments.timeout or endpoint.timeout or settings.timeout
    connect_timeout, read_timeout = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    return HttpRequest(
        endpoint=endpoint.name,
        request_id=call.request_id,
        method=endpoint.method,
        url=f"{url}?{text}" if text else url,
        headers=sent,
        body=body,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        deadline=min(
            arguments.allowed_seconds(endpoint, settings), arguments.budget.left if arguments.budget else math.inf
        ),
        fresh=endpoint.fresh_connection,
        max_bytes=endpoint.max_bytes,
    )
