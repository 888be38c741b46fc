"""The endpoints that read tickets. One of them, ticket_approval_result, is a destructive read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from itsm_workflow.sandbox import rendering
from itsm_workflow.sandbox.ledger import APPROVAL_STEP, collate
from itsm_workflow.sandbox.paging import page_of
from itsm_workflow.sandbox.refusals import Unforeseen, bad_parameter, unexpected
from itsm_workflow.sandbox.ticket import FlowPhase, Status
from itsm_workflow.sandbox.times import parse_filter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from itsm_workflow.sandbox.ledger import Ledger
    from itsm_workflow.sandbox.request import Request
    from itsm_workflow.sandbox.ticket import Ticket

_TIMES = ("create_at__gte", "create_at__lte", "end_at__gte", "end_at__lte")
_FILTERS = (
    "sns",
    "creator",
    *_TIMES,
    "service_id__in",
    "bk_biz_id__in",
    "current_status__in",
    "tag",
    "project_key",
    "username",
)


def get_ticket_status(ledger: Ledger, request: Request) -> object:
    """Return the status and the running steps of one ticket."""
    return rendering.status(ledger, ledger.one(request.parameters.get("sn")))


def get_ticket_info(ledger: Ledger, request: Request) -> object:
    """Return all data of one ticket, including the form's values."""
    return rendering.info(ledger, ledger.one(request.parameters.get("sn")))


def get_ticket_logs(ledger: Ledger, request: Request) -> object:
    """Return the log of one ticket."""
    asked = request.parameters
    return rendering.logs(ledger, ledger.one(asked.get("sn")), detailed=asked.get("show_type") == "complex")


def ticket_approval_result(ledger: Ledger, request: Request) -> object:
    """Return the results of several tickets, and remove their numbers from the list of failed callbacks."""
    asked = _iterable(request.body_object().get("sn"))
    if not asked:
        message = "wrong number of arguments for 'hdel' command"
        raise Unforeseen(message)
    for sn in asked:
        if isinstance(sn, (bool, list, dict)) or sn is None:
            # The list of failed callbacks is in redis, whose client accepts only texts and numbers.
            message = f"Invalid input of type: '{type(sn).__name__}'. Convert to a bytes, string, int or float first."
            raise Unforeseen(message)
    rows = [rendering.result(ledger, ticket) for ticket in _numbered(ledger, asked)]
    ledger.forget_failed(asked)
    return rows


def get_tickets(ledger: Ledger, request: Request) -> object:
    """Return a page of the tickets that match; unknown filters are ignored."""
    body = request.body_object()
    filtered = any(body.get(name) for name in _FILTERS)
    if not filtered and ledger.stale_rows is not None:
        # The server process keeps these rows on a class, and answers every later call without a filter from them.
        rows = ledger.stale_rows
        page = page_of(rows, dict, url=address(request), query=request.query, body=body)
        return page if page is not None else rows
    found = _filter(ledger, body) if filtered else ledger.newest_first()
    page = page_of(
        found, lambda ticket: rendering.listed(ledger, ticket), url=address(request), query=request.query, body=body
    )
    if page is not None:
        return page
    rows = [rendering.listed(ledger, ticket) for ticket in found]
    if not filtered:
        ledger.stale_rows = rows
    return rows


def get_tickets_by_user(ledger: Ledger, request: Request) -> object:
    """Return a page of one user's tickets, the only list that shows ``meta``."""
    asked = request.parameters
    user = asked.get("username") or asked.get("user")
    if user is None:
        text = "user 为必填项"
        raise bad_parameter(text)
    view = asked.get("view_type", "")
    found = [ticket for ticket in ledger.newest_first() if _concerns(ticket, user, view)]
    page = page_of(
        found, lambda ticket: rendering.listed_for(ticket, user), url=address(request), query=request.query, body={}
    )
    return page if page is not None else [rendering.listed_for(ticket, user) for ticket in found]


def callback_failed_ticket(ledger: Ledger, _request: Request) -> object:
    """Return the numbers whose callback failed and whose result was not read since."""
    return ledger.failed_callbacks()


def get_approver(ledger: Ledger, request: Request) -> object:
    """Return the users who decided in a step; empty before the first decision."""
    ticket = _known(ledger, request)
    if not _has_step(ticket, request.parameters.get("state_id")):
        text = "Status matching query does not exist."
        raise unexpected(text)
    return {"approver": ",".join(ticket.signed)}


def get_approve_node_result(ledger: Ledger, request: Request) -> object:
    """Return the decision of a completed step."""
    ticket = _known(ledger, request)
    sn, state = request.parameters.get("sn"), request.parameters.get("state_id")
    if not _has_step(ticket, state):
        text = f"sn[{sn}], state[{state}] 未查到对应的节点状态"
        raise bad_parameter(text)
    decided = ticket.decided
    if decided is None:
        text = f"sn[{sn}], state[{state}] 当前节点状态为非结束状态"
        raise bad_parameter(text)
    return {
        "name": APPROVAL_STEP,
        "processed_user": decided.approver,
        "approve_result": decided.approved,
        "approve_remark": decided.remark,
    }


def address(request: Request) -> str:
    """Return the absolute address of a request's endpoint."""
    return f"http://{request.headers.get('host', '127.0.0.1')}{request.path}"


def _known(ledger: Ledger, request: Request) -> Ticket:
    sn = request.parameters.get("sn")
    if not ledger.by_sn(sn):
        text = f"sn[{sn}]对应的单据不存在！"
        raise bad_parameter(text)
    return ledger.one(sn)


def _has_step(ticket: Ticket, state: str | None) -> bool:
    reached = ticket.phase in {FlowPhase.APPROVING, FlowPhase.OVER} and ticket.service.approval
    return reached and state == str(ticket.service.approval_state)


def _iterable(value: object) -> list[Any]:
    """Return the items of a value as Python iterates it, like the server: a text becomes its characters."""
    if isinstance(value, (list, str, dict)):
        return list(value)
    name = "NoneType" if value is None else type(value).__name__
    message = f"'{name}' object is not iterable"
    raise Unforeseen(message)


def _numbered(ledger: Ledger, sns: Iterable[object]) -> list[Ticket]:
    wanted = {collate(sn) for sn in sns if isinstance(sn, str)}
    return [ticket for ticket in ledger.newest_first() if collate(ticket.sn) in wanted]


def _filter(ledger: Ledger, body: Mapping[str, Any]) -> list[Ticket]:
    try:
        times = {name: parse_filter(body[name]) for name in _TIMES if body.get(name)}
        members = {
            name: _iterable(body[name])
            for name in ("sns", "service_id__in", "bk_biz_id__in", "current_status__in")
            if body.get(name)
        }
    except ValueError as error:
        raise Unforeseen(str(error)) from error
    found = _numbered(ledger, members["sns"]) if "sns" in members else ledger.newest_first()
    return [ticket for ticket in found if _matches(ticket, body, times, members)]


def _matches(ticket: Ticket, body: Mapping[str, Any], times: Mapping[str, Any], members: Mapping[str, Any]) -> bool:
    created, end = ticket.created_at, ticket.end_at
    username = body.get("username")
    return bool(
        (not body.get("creator") or ticket.draft.creator == body["creator"])
        and (
            not body.get("tag") or (ticket.draft.tag is not None and collate(ticket.draft.tag) == collate(body["tag"]))
        )
        and (not body.get("project_key") or str(body["project_key"]) == "0")
        and ("service_id__in" not in members or str(ticket.service.id) in map(str, members["service_id__in"]))
        and ("bk_biz_id__in" not in members or "-1" in map(str, members["bk_biz_id__in"]))
        and ("current_status__in" not in members or ticket.status.value in members["current_status__in"])
        and ("create_at__gte" not in times or created >= times["create_at__gte"])
        and ("create_at__lte" not in times or created <= times["create_at__lte"])
        and ("end_at__gte" not in times or (end is not None and end >= times["end_at__gte"]))
        and ("end_at__lte" not in times or (end is not None and end <= times["end_at__lte"]))
        and (not username or (ticket.status is Status.RUNNING and username in ticket.processors))
    )


def _concerns(ticket: Ticket, user: str, view: str) -> bool:
    waiting = user in ticket.processors and not ticket.ended
    if view in {"my_todo", "my_approval"}:
        return waiting
    if view == "my_created":
        return user == ticket.draft.creator
    if view == "my_history":
        return user in ticket.updated_by
    return waiting or user in ticket.updated_by or user == ticket.draft.creator
