"""Operations on a ticket: the rights, the order, and the results of two simultaneous requests.

The "success" of a decision is not its effect, and a server in a race answers from the state before the race. The
stand-in reproduces both, since clients must handle them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from itsm_workflow.sandbox.ledger import APPROVAL_STEP
from itsm_workflow.sandbox.refusals import FLOW_ENGINE, Refusal, invalid, not_operated, unexpected
from itsm_workflow.sandbox.ticket import Decision, FlowPhase, LogLine, Status

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from itsm_workflow.sandbox.ledger import Ledger
    from itsm_workflow.sandbox.ticket import Outgoing, Ticket

STUCK_FOR_GOOD = 2

_CLOSED = "抱歉，单据已关闭，无法操作"


def withdraw(ledger: Ledger, ticket: Ticket, operator: str) -> list[Outgoing]:
    """Withdraw a ticket by its creator or the API account, before the ticket ends.

    Before the start of the flow, the server refuses the withdrawal, or sets REVOKED without stopping the start, so the
    approval step may still run. Two simultaneous withdrawals both succeed and both cause a callback.

    Returns:
        The callbacks, which the server sends before it answers.

    Raises:
        Refusal: the operator has no right to do this, the ticket has ended, or its flow has not started.
    """
    check_may_withdraw(ledger, ticket, operator)
    if ticket.ended:
        ledger.note(ticket, "withdraw at the same instant")
        return ledger.compose(ticket)
    early = ticket.phase in {FlowPhase.CREATED, FlowPhase.SUBMITTING}
    phase, refused = ticket.phase, ledger.behaviour.early_refusal_chance
    if ticket.stalled or (early and refused > 0 and ledger.random.random() < refused):
        text = "抱歉，单据执行中，无法撤销"
        raise invalid(text)
    _log(ledger, ticket, operator, "撤销单据", in_step=ticket.step_running)
    callbacks = ledger.end(ticket, Status.REVOKED, "withdraw")
    ledger.sign(ticket, operator)
    if early and ledger.random.random() < ledger.behaviour.revive_chance:
        ticket.phase = phase
    return callbacks


def terminate(ledger: Ledger, ticket: Ticket, operator: str) -> list[Outgoing]:
    """Terminate a ticket by a current approver, before the ticket ends.

    Returns:
        The callbacks, which the server sends before it answers.

    Raises:
        Refusal: the operator has no right to do this, or the ticket has ended.
    """
    check_may_operate(ticket, operator)
    _log(ledger, ticket, operator, "终止单据")
    callbacks = ledger.end(ticket, Status.TERMINATED, "terminate")
    ledger.sign(ticket, operator)
    return callbacks


def suspend(ledger: Ledger, ticket: Ticket, operator: str) -> None:
    """Suspend a ticket by a current approver. A second suspension also succeeds, and then nothing resumes it.

    Raises:
        Refusal: the operator has no right to do this, or the ticket has ended.
    """
    check_may_operate(ticket, operator)
    ticket.suspensions += 1
    ticket.status = Status.SUSPENDED
    _changed(ledger, ticket, operator, "suspend")


def resume(ledger: Ledger, ticket: Ticket, operator: str) -> None:
    """Resume a suspended ticket by a current approver. It succeeds without effect after a second suspension.

    Raises:
        Refusal: the operator has no right to do this, or the ticket has ended or is not suspended.
    """
    check_may_operate(ticket, operator)
    if ticket.status is not Status.SUSPENDED:
        text = "抱歉，该单据不在挂起中，无法操作"
        raise invalid(text)
    if ticket.suspensions < STUCK_FOR_GOOD:
        ticket.suspensions = 0
        ticket.status = Status.RUNNING
    _changed(ledger, ticket, operator, "resume")


def transfer(ledger: Ledger, ticket: Ticket, operator: str, to: Iterable[str]) -> None:
    """Transfer the approval step from a current approver to other users, while the step runs.

    Raises:
        Refusal: the operator has no right to do this, or the ticket has ended.
    """
    check_may_operate(ticket, operator)
    ticket.assigned = tuple(to)
    ledger.touch(ticket)
    ledger.sign(ticket, operator)
    _log(ledger, ticket, operator, f"转单【{APPROVAL_STEP}】给 {','.join(ticket.assigned)}", in_step=True)
    ledger.note(ticket, "transfer")


def decide(ledger: Ledger, ticket: Ticket, approver: str, *, approved: bool, remark: str) -> None:
    """Approve or reject in the approval step; the effect follows after the decision delay.

    One approval is enough, and the first decision wins. A suspended ticket can be decided, and so can a revoked ticket
    whose step runs.

    Raises:
        Refusal: 3900004, the step does not run or the user is not an approver; 3900019, the ticket is stuck.
    """
    check_step_open(ledger, ticket)
    if ticket.stuck and approver in ticket.processors and approver not in ticket.signed:
        text = "流程服务调用失败: 流程服务异常（ScheduleService matching query does not exist.）"
        raise Refusal(FLOW_ENGINE, text)
    if ticket.pending is not None or not ticket.step_running:
        _decide_too_late(ledger, ticket, approver)
        return
    if approver not in ticket.processors or approver in ticket.signed:
        text = f"单据审批失败，{approver}不是当前节点的审批人，无法审批"
        raise not_operated(text)
    decision = Decision(approver=approver, approved=approved, remark=remark, at=ledger.now())
    ticket.pending = decision
    ticket.signed.append(approver)
    delay = ledger.behaviour.draw_decision(ledger.random)
    ledger.plan(delay, f"{ticket.sn} is decided", lambda: ledger.take_effect(ticket, decision))


def jam(ledger: Ledger, ticket: Ticket, approver: str) -> None:
    """Make a ticket stuck, as by two simultaneous approvals of one user: only a withdrawal ends it."""
    ticket.pending = None
    ticket.stuck = True
    if approver not in ticket.signed:
        ticket.signed.append(approver)
    ledger.note(ticket, "jammed by two simultaneous approvals")


def check_step_open(ledger: Ledger, ticket: Ticket) -> None:
    """Check that the approval step runs or, in a race, ran a moment ago.

    Raises:
        Refusal: 3900004.
    """
    if ticket.phase in {FlowPhase.CREATED, FlowPhase.SUBMITTING}:
        text = "Status matching query does not exist."
        raise unexpected(text)
    if ticket.phase is FlowPhase.OVER and not _just_now(ledger, ticket.end_at):
        text = "单据审批失败，单据当前状态非RUNNING"
        raise not_operated(text)


def check_may_withdraw(ledger: Ledger, ticket: Ticket, operator: str) -> None:
    """Check that the operator may withdraw the ticket, and that it has not ended or, in a race, ended just now.

    Raises:
        Refusal: 3900004.
    """
    creator = ticket.draft.creator
    if operator not in {creator, ledger.behaviour.api_account}:
        text = f"抱歉，你无权撤销单据，撤销单据的非当前单据的提单人, {operator}!={creator}"
        raise invalid(text)
    raced = ticket.status is Status.REVOKED and _just_now(ledger, ticket.end_at)
    if ticket.ended and not raced:
        text = "抱歉，单据已经结束，无法撤销"
        raise invalid(text)


def check_may_operate(ticket: Ticket, operator: str) -> None:
    """Check that the ticket has not ended and that the operator is one of its current approvers.

    Raises:
        Refusal: 3900004.
    """
    if ticket.ended:
        raise invalid(_CLOSED)
    if operator not in ticket.processors:
        text = f"抱歉，{operator}无权操作该单据"
        raise invalid(text)


def _decide_too_late(ledger: Ledger, ticket: Ticket, approver: str) -> None:
    pending = ticket.pending
    if pending is None:
        return
    if not _just_now(ledger, pending.at):
        text = "单据审批失败，单据当前状态非RUNNING"
        raise not_operated(text)
    if approver == pending.approver and ledger.random.random() < ledger.behaviour.jam_chance:
        jam(ledger, ticket, approver)


def _just_now(ledger: Ledger, moment: datetime | None) -> bool:
    window = ledger.behaviour.race_window
    return window > 0 and moment is not None and ledger.now() - moment <= timedelta(seconds=window)


def _changed(ledger: Ledger, ticket: Ticket, operator: str, cause: str) -> None:
    ledger.touch(ticket)
    ledger.sign(ticket, operator)
    _log(ledger, ticket, operator, "挂起单据" if cause == "suspend" else "恢复单据")
    ledger.note(ticket, cause)


def _log(ledger: Ledger, ticket: Ticket, operator: str, what: str, *, in_step: bool = False) -> None:
    ticket.logs.append(
        LogLine(
            operator=operator,
            at=ledger.now(),
            message=f"{operator} {what}",
            source="API",
            state_type="APPROVAL" if in_step else "",
        )
    )
