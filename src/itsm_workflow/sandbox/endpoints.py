"""The server in front of the ledger: paths, methods, credentials, envelopes.

Each endpoint has three addresses: the server's own ``/openapi/ticket/<name>/`` or ``/openapi/service/<name>/``, the API
gateway's ``/v2/itsm/<name>/``, and the ESB's component path ``/api/c/compapi/v2/itsm/<name>/``, or the same without
``v2``. The ESB also accepts a POST if the server needs a GET, and passes the body's parameters on in the query. The log
platform relies on that; no real ESB was recorded.

Credentials: the stand-in replaces both gateway and server. So a request with the credentials that a gateway needs
(``X-Bkapi-Authorization`` with an app code and a secret, or an access token) is treated as accepted by the gateway. A
request with the gateway's own ``X-Bkapi-JWT`` is treated as sent by the gateway. The shape of the JWT is checked; its
signature cannot be checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.sandbox import catalog, envelope, reading, writing
from itsm_workflow.sandbox.refusals import METHOD_NOT_ALLOWED, Refusal, Unforeseen, server_error, unexpected
from itsm_workflow.sandbox.ticket import Flow

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.sandbox.envelope import SandboxResponse
    from itsm_workflow.sandbox.ledger import Ledger
    from itsm_workflow.sandbox.request import Request
    from itsm_workflow.sandbox.ticket import Outgoing

ALLOWED = {"GET": "GET, HEAD, OPTIONS", "POST": "POST, OPTIONS"}
ALLOWED_ON_TICKET = "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"
ESB_PREFIXES = ("/api/c/compapi/v2/itsm/", "/api/c/compapi/itsm/")
GATEWAY_PREFIXES = (*ESB_PREFIXES, "/v2/itsm/")
SERVER_PREFIXES = ("/openapi/ticket/", "/openapi/service/")


@attrs.frozen
class Route:
    """One endpoint.

    Attributes:
        area: the part of the server that serves the endpoint, "ticket" or "service".
        method: the only method that the endpoint accepts.
        run: the function that runs the endpoint on a ledger.
        catches: whether faults become 3900004; otherwise they become SERVER_500_ERROR.
        acts: whether the function returns callbacks, which are sent before an answer without data.
    """

    area: str
    method: str
    run: Callable[[Ledger, Request], Any]
    catches: bool = True
    acts: bool = False


ROUTES = {
    "create_ticket": Route("ticket", "POST", writing.create_ticket),
    "operate_ticket": Route("ticket", "POST", writing.operate_ticket, acts=True),
    "operate_node": Route("ticket", "POST", writing.operate_node),
    "approve": Route("ticket", "POST", writing.approve),
    "token/verify": Route("ticket", "POST", writing.verify_token),
    "ticket_approval_result": Route("ticket", "POST", reading.ticket_approval_result, catches=False),
    "get_tickets": Route("ticket", "POST", reading.get_tickets, catches=False),
    "get_ticket_status": Route("ticket", "GET", reading.get_ticket_status, catches=False),
    "get_ticket_info": Route("ticket", "GET", reading.get_ticket_info, catches=False),
    "get_ticket_logs": Route("ticket", "GET", reading.get_ticket_logs, catches=False),
    "callback_failed_ticket": Route("ticket", "GET", reading.callback_failed_ticket),
    "get_approver": Route("ticket", "GET", reading.get_approver),
    "get_approve_node_result": Route("ticket", "GET", reading.get_approve_node_result),
    "get_tickets_by_user": Route("ticket", "GET", reading.get_tickets_by_user),
    "get_services": Route("service", "GET", catalog.get_services),
    "get_service_detail": Route("service", "GET", catalog.get_service_detail),
    "get_service_catalogs": Route("service", "GET", catalog.get_service_catalogs),
    "get_service_roles": Route("service", "GET", catalog.get_service_roles),
}


@attrs.frozen(kw_only=True)
class Reply:
    """The results of a request.

    Attributes:
        answer: the answer.
        before: the callbacks that are delivered before the answer, as by the server.
        later: the callbacks of other events that became due, which are delivered separately.
    """

    answer: SandboxResponse
    before: tuple[Outgoing, ...] = ()
    later: tuple[Outgoing, ...] = ()


def endpoint_of(path: str) -> str | None:
    """Return the endpoint of a path, with or without its trailing slash; None for an unknown path."""
    name = _name(path if path.endswith("/") else path + "/")
    return name if name in ROUTES else None


class Api:
    """The endpoints of one ledger, without I/O: a request in, a reply out.

    Args:
        ledger: the ledger.
        require_authorization: whether requests without a gateway's credentials are refused with HTTP 403.
    """

    def __init__(self, ledger: Ledger, *, require_authorization: bool = True) -> None:
        self._ledger = ledger
        self._require_authorization = require_authorization

    def handle(self, request: Request, *, flow: Flow = Flow.SOON) -> Reply:
        """Serve one request.

        Args:
            request: the request.
            flow: when the flow of a new ticket starts.
        """
        later = self._ledger.run_due()
        answer, before = self._route(request, flow=flow)
        if flow is Flow.AT_ONCE:
            before = [*before, *self._ledger.collect()]
        return Reply(answer=answer, before=tuple(before), later=tuple(later))

    def _route(self, request: Request, *, flow: Flow) -> tuple[SandboxResponse, list[Outgoing]]:
        language, path = request.language, request.path
        if not path.endswith("/") and _name(path + "/") is not None:
            query = f"?{request.query}" if request.query else ""
            return envelope.moved(f"{path}/{query}"), []
        if request.jwt_broken:
            return envelope.broken_page(), []
        name = _name(path)
        if name is None:
            return envelope.missing_page(language), []
        route = ROUTES.get(name)
        allow = ALLOWED[route.method] if route else ALLOWED_ON_TICKET
        if route is not None and route.method == "GET" and request.method == "POST" and path.startswith(ESB_PREFIXES):
            request = request.with_body_in_query()
        if route is None or request.method != route.method:
            refusal = Refusal(METHOD_NOT_ALLOWED, f"方法 “{request.method}” 不被允许。")
            return envelope.envelope(envelope.refused(refusal), allow=allow, language=language), []
        if self._require_authorization and not request.came_through_gateway:
            return envelope.not_through_gateway(language), []
        self._ledger.requests[name] += 1
        content, before = self._run(route, request, flow=flow)
        return envelope.envelope(content, allow=allow, language=language), before

    def _run(self, route: Route, request: Request, *, flow: Flow) -> tuple[dict[str, Any], list[Outgoing]]:
        try:
            if flow is not Flow.SOON and route.run is writing.create_ticket:
                return envelope.success(writing.create_ticket(self._ledger, request, flow=flow)), []
            outcome = route.run(self._ledger, request)
        except Refusal as refusal:
            return envelope.refused(refusal), []
        except Unforeseen as fault:
            return envelope.refused(unexpected(fault) if route.catches else server_error(fault)), []
        if route.acts:
            return envelope.success(None), outcome
        return envelope.success(outcome), []


def _name(path: str) -> str | None:
    """Return the endpoint or the object that a path names; None for an unknown path."""
    for prefix in GATEWAY_PREFIXES:
        if path.startswith(prefix):
            name = path.removeprefix(prefix).removesuffix("/")
            return name if name in ROUTES else None
    for prefix in SERVER_PREFIXES:
        if path.startswith(prefix):
            name = path.removeprefix(prefix).removesuffix("/")
            area = prefix.split("/")[2]
            if name in ROUTES:
                return name if ROUTES[name].area == area else None
            # The server reads any single word here as the id of a ticket or a service.
            return name if name and "/" not in name else None
    return None
