"""The server in front of the ledger: paths, methods, credentials, envelopes.

Three addresses lead to each endpoint: the server's own ``/openapi/ticket/<name>/`` or ``/openapi/service/<name>/``,
the API gateway's ``/v2/itsm/<name>/``, and the ESB's component path ``/api/c/compapi/v2/itsm/<name>/``, or the same
without ``v2``. The ESB also takes a POST where the server wants a GET, and hands the body's parameters on in the query,
as the log platform relies on; no real ESB was recorded.

Credentials: a sandbox stands for gateway and server in one, so a request that carries what a gateway asks for
(``X-Bkapi-Authorization`` with an app code and a secret, or an access token) is treated as one the gateway let through.
A request that carries the gateway's own ``X-Bkapi-JWT`` is treated as having come from it; its shape is checked, its
signature cannot be.
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
        area: which half of the server serves it, "ticket" or "service".
        method: the only one it takes.
        run: the endpoint over the ledger.
        catches: faults become 3900004 here; elsewhere they come out as SERVER_500_ERROR.
        acts: what it returns are callbacks to send before the answer, which itself says nothing.
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
    """What a request leads to.

    Attributes:
        answer: what to send back.
        before: callbacks to deliver before the answer is sent, as the server does inside the call.
        later: callbacks of what else fell due meanwhile, to deliver on their own.
    """

    answer: SandboxResponse
    before: tuple[Outgoing, ...] = ()
    later: tuple[Outgoing, ...] = ()


def endpoint_of(path: str) -> str | None:
    """Name the endpoint behind a path, with or without its trailing slash; None for any other path."""
    name = _name(path if path.endswith("/") else path + "/")
    return name if name in ROUTES else None


class Api:
    """The endpoints over one ledger. Pure like the ledger: a request in, a reply out.

    Args:
        ledger: what it serves.
        require_authorization: refuse requests without a gateway's credentials with HTTP 403.
    """

    def __init__(self, ledger: Ledger, *, require_authorization: bool = True) -> None:
        self._ledger = ledger
        self._require_authorization = require_authorization

    def handle(self, request: Request, *, flow: Flow = Flow.SOON) -> Reply:
        """Serve one request.

        Args:
            request: what came in.
            flow: when the flow of a ticket starts that it creates.
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
    """Name what a path asks for; None if nothing at all serves such a path."""
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
            # The server reads any one word here as the id of a ticket or a service.
            return name if name and "/" not in name else None
    return None
