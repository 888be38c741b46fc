"""The endpoints that create tickets and operate on them, and the endpoint that verifies a token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from itsm_workflow.sandbox import acting, rendering, tokens
from itsm_workflow.sandbox.create_form import read_create
from itsm_workflow.sandbox.ledger import APPROVAL_STEP
from itsm_workflow.sandbox.refusals import NOT_OPERATED, Refusal, Unforeseen, bad_parameter, invalid, unexpected
from itsm_workflow.sandbox.ticket import Flow

if TYPE_CHECKING:
    from itsm_workflow.sandbox.ledger import Ledger
    from itsm_workflow.sandbox.request import Request
    from itsm_workflow.sandbox.ticket import Outgoing, Ticket

OPERATIONS = ("WITHDRAW", "TERMINATE", "SUSPEND", "UNSUSPEND")
_NEEDS_PEOPLE = (
    "'processors': [ErrorDetail(string='该字段是必填项。', code='required')], "
    "'processors_type': [ErrorDetail(string='该字段是必填项。', code='required')]"
)


def create_ticket(ledger: Ledger, request: Request, *, flow: Flow = Flow.SOON) -> object:
    """File a ticket. The call is not idempotent: the same body files another ticket.

    Args:
        ledger: the ledger that stores the ticket.
        request: the create.
        flow: when the ticket's flow starts; see :meth:`Ledger.file`.
    """
    body = request.json()
    if not isinstance(body, dict):
        message = "pop() takes at most 1 argument (2 given)"
        raise Unforeseen(message)
    try:
        draft = read_create(body, user=request.user, services=ledger.services)
    except Refusal as refusal:
        if refusal.uses_number:
            ledger.draw_number()
        raise
    return rendering.created(ledger, ledger.file(draft, flow=flow))


def operate_ticket(ledger: Ledger, request: Request) -> list[Outgoing]:
    """Withdraw, terminate, suspend or resume a ticket.

    Returns:
        The callbacks to send before the answer.
    """
    body = request.body_object()
    ticket = ledger.one(body.get("sn"))
    action, operator = body.get("action_type"), str(body.get("operator"))
    if action not in OPERATIONS:
        text = f"单据操作失败，不支持的操作类型: {action}"
        raise Refusal(NOT_OPERATED, text)
    _check_operation(ledger, ticket, body)
    if action == "WITHDRAW":
        return acting.withdraw(ledger, ticket, operator)
    if action == "TERMINATE":
        return acting.terminate(ledger, ticket, operator)
    if action == "SUSPEND":
        acting.suspend(ledger, ticket, operator)
    else:
        acting.resume(ledger, ticket, operator)
    return []


def approve(ledger: Ledger, request: Request) -> None:
    """Decide in the approval step, without the step's random field keys."""
    body = request.body_object()
    ticket = ledger.one(body.get("sn"))
    if str(body.get("state_id")) != str(ticket.service.approval_state):
        _refuse_state(ticket, body.get("state_id"))
    acting.decide(
        ledger,
        ticket,
        str(body.get("approver")),
        approved=body.get("action") == "true",
        remark=str(body.get("remark") or ""),
    )


def operate_node(ledger: Ledger, request: Request) -> None:
    """Decide in the approval step with its field keys. The built-in step refuses every other action."""
    body = request.body_object()
    ticket = ledger.one(body.get("sn"))
    state, action, operator = body.get("state_id"), body.get("action_type"), str(body.get("operator"))
    if ticket.ended:
        text = "抱歉，单据已关闭，无法操作"
        raise invalid(text)
    if str(state) != str(ticket.service.approval_state) or not ticket.step_running:
        text = f"抱歉，没有找到该节点：{state}"
        raise invalid(text)
    if action == "TERMINATE":
        text = f"指定流程节点【{APPROVAL_STEP}】不支持终止操作."
        raise invalid(text)
    if action != "TRANSITION":
        wrong = f"'action_type': [ErrorDetail(string='“{action}” 不是合法选项。', code='invalid_choice')]"
        text = f"{{{wrong}, {_NEEDS_PEOPLE}}}"
        raise unexpected(text)
    if operator not in ticket.processors or ticket.pending is not None:
        text = f"抱歉，{operator}不能操作该节点（没有权限或操作类型不支持）"
        raise invalid(text)
    approved, remark = _read_step(ledger, ticket, body.get("fields"))
    acting.decide(ledger, ticket, operator, approved=approved, remark=remark)


def verify_token(_ledger: Ledger, request: Request) -> object:
    """Return whether the server issued a callback's token, which is not bound to a ticket."""
    token = request.body_object().get("token", "")
    if not isinstance(token, str):
        message = "encoding without a string argument"
        raise Unforeseen(message)
    try:
        return {"is_passed": tokens.verify(token)}
    except TypeError as error:
        raise Unforeseen(str(error)) from error


def _check_operation(ledger: Ledger, ticket: Ticket, body: dict[str, Any]) -> None:
    """Check rights before the message, as the server does, so that the refusal names the first problem."""
    message = body.get("action_message")
    if isinstance(message, str) and message.strip():
        return
    operator = str(body.get("operator"))
    if body["action_type"] == "WITHDRAW":
        acting.check_may_withdraw(ledger, ticket, operator)
    else:
        acting.check_may_operate(ticket, operator)
    raise unexpected(repr("action_message"))


def _refuse_state(ticket: Ticket, state: object) -> None:
    if str(state) == str(ticket.service.submit_state):
        text = "单据操作失败: 单据审批失败，单据当前状态非RUNNING"
        raise Refusal(NOT_OPERATED, text)
    text = "Status matching query does not exist."
    raise unexpected(text)


def _read_step(ledger: Ledger, ticket: Ticket, fields: object) -> tuple[bool, str]:
    verdict, optional, required = ledger.step_keys(ticket.service)
    if not isinstance(fields, list) or not all(isinstance(field, dict) for field in fields):
        text = "{'fields': [ErrorDetail(string='该字段是必填项。', code='required')]}"
        raise unexpected(text)
    given = {field.get("key"): field.get("value") for field in fields}
    if None in given or not all(isinstance(value, str) for value in given.values()):
        text = "{'fields': [{'value': [ErrorDetail(string='该字段是必填项。', code='required')]}]}"
        raise unexpected(text)
    missing = [key for key in (verdict, required) if key not in given]
    if missing:
        text = f"单据处理失败，缺少参数：{missing}"
        raise bad_parameter(text)
    if given[verdict] not in rendering.VERDICTS:
        text = "{'fields': [ErrorDetail(string='【审批意见】选项不匹配，请重新选择', code='invalid')]}"
        raise unexpected(text)
    approved = given[verdict] == "true"
    return approved, str(given.get(optional if approved else required) or "")
