"""Display names, in Chinese and English, of a change's state, and of what its history and an operator's page name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from itsm_workflow.change import AttentionReason, EffectStatus, Outcome, Phase
from itsm_workflow.machine.approval import LABELS, State, Trigger
from itsm_workflow.machine.engine import OPENING
from itsm_workflow.machine.evidence import Channel, TicketStatus, Withdrawal

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition

Label = Mapping[str, str]

OUTCOMES: Mapping[str, Label] = {
    Outcome.APPROVED: {"zh": "已通过", "en": "Approved"},
    Outcome.WAS_APPROVED: {"zh": "曾通过", "en": "Was approved"},
    Outcome.REJECTED: {"zh": "已拒绝", "en": "Refused"},
    Outcome.WITHDRAWN: {"zh": "已撤销", "en": "Withdrawn"},
    Outcome.TERMINATED: {"zh": "已终止", "en": "Terminated"},
    Outcome.ABANDONED: {"zh": "已放弃", "en": "Abandoned"},
}

ATTENTION: Mapping[str, Label] = {
    AttentionReason.NOT_FOUND: {"zh": "未找到单据", "en": "Ticket not found"},
    AttentionReason.DUPLICATE: {"zh": "单据重复", "en": "Duplicate tickets"},
    AttentionReason.LOOKUP_FAILED: {"zh": "单据查询失败", "en": "Look-ups failed"},
    AttentionReason.AMBIGUOUS_SN: {"zh": "单号重复", "en": "Ticket number not unique"},
    AttentionReason.NO_APPROVAL_STEP: {"zh": "没有审批节点的记录", "en": "No approval step recorded"},
    AttentionReason.DISAGREEMENT: {"zh": "单据事实相互矛盾", "en": "Contradictory facts"},
    AttentionReason.OVERDUE: {"zh": "审批超期", "en": "Approval overdue"},
    AttentionReason.NOT_STARTED: {"zh": "单据流程未启动", "en": "Ticket's flow not started"},
    AttentionReason.UNSENT: {"zh": "提单请求发不出去", "en": "Request cannot be sent"},
    AttentionReason.EFFECT_PARKED: {"zh": "后置动作停止重试", "en": "Effect parked"},
    AttentionReason.EFFECT_UNKNOWN: {"zh": "后置动作没有对应的函数", "en": "No function for the effect"},
    AttentionReason.MISMATCH: {"zh": "找到的单据与提单内容不符", "en": "Found ticket differs"},
    AttentionReason.SELF_APPROVED: {"zh": "只有申请人自己审批通过", "en": "Approved by the applicant only"},
    AttentionReason.INCONCLUSIVE: {"zh": "审批结果无法确认", "en": "Result inconclusive"},
    AttentionReason.NOT_AS_SENT: {"zh": "已结束的单据与提单内容不符", "en": "Ended ticket differs"},
    AttentionReason.WITHDRAWAL_UNRESOLVED: {"zh": "撤单后单据仍有效", "en": "Withdrawal unresolved"},
    AttentionReason.DECISION_REFUSED: {"zh": "状态机拒绝单据的结果", "en": "Decision refused by the workflow"},
    AttentionReason.HOST: {"zh": "业务系统要求人工处理", "en": "Raised by the host"},
}

TRIGGERS: Mapping[str, Label] = {
    OPENING: {"zh": "创建草稿", "en": "Create the draft"},
    Trigger.REVISE: {"zh": "修改表单", "en": "Revise the form"},
    Trigger.SUBMIT: {"zh": "提交", "en": "Submit"},
    Trigger.RENUMBER: {"zh": "更新提交序号", "en": "Renumber the submission"},
    Trigger.MARK_SENDING: {"zh": "开始发送提单请求", "en": "Start to send the request"},
    Trigger.MARK_UNSENT: {"zh": "提单请求未发出", "en": "Note that nothing was sent"},
    Trigger.MARK_UNKNOWN: {"zh": "提单结果未知", "en": "Note that the result is unknown"},
    Trigger.NOTE_LOOKUP: {"zh": "查询未找到单据", "en": "Note a look-up without a ticket"},
    Trigger.RECORD_TICKET: {"zh": "登记单据", "en": "Record the ticket"},
    Trigger.REFUSE: {"zh": "ITSM 拒绝提单", "en": "Note that the gateway refused the ticket"},
    Trigger.RESEND: {"zh": "重新提单", "en": "Resend"},
    Trigger.RECEIVE_CALLBACK: {"zh": "收到回调", "en": "Receive a callback"},
    Trigger.FAIL_CALLBACK: {"zh": "回调未送达", "en": "Note an undelivered callback"},
    Trigger.RESUME: {"zh": "继续等待审批", "en": "Wait for the approval again"},
    Trigger.SUSPECT_ENDING: {"zh": "单据疑似结束，待复查", "en": "Suspect that the ticket ended"},
    Trigger.APPROVE: {"zh": "审批通过", "en": "Approve"},
    Trigger.ATTEST_APPROVAL: {"zh": "人工证明审批通过", "en": "Attest the approval"},
    Trigger.REJECT: {"zh": "审批未通过", "en": "Reject"},
    Trigger.RECORD_CONTRADICTION: {"zh": "记录矛盾的事实", "en": "Record a contradiction"},
    Trigger.REQUEST_WITHDRAWAL: {"zh": "申请撤单", "en": "Request the withdrawal"},
    Trigger.ACCEPT_AFTER_WITHDRAWAL: {"zh": "撤单后仍以单据结果为准", "en": "Accept the ticket after its withdrawal"},
    Trigger.ABANDON: {"zh": "放弃", "en": "Abandon"},
    Trigger.RAISE_ATTENTION: {"zh": "转人工处理", "en": "Raise attention"},
    Trigger.CLEAR_ATTENTION: {"zh": "标记为已处理", "en": "Mark as reviewed"},
    Trigger.START_EFFECT: {"zh": "开始执行后置动作", "en": "Start the effect"},
    Trigger.DELIVER_EFFECT: {"zh": "后置动作执行成功", "en": "Deliver the effect"},
    Trigger.FAIL_EFFECT: {"zh": "后置动作执行失败", "en": "Note that the effect failed"},
    Trigger.RETRY_EFFECT: {"zh": "重试后置动作", "en": "Retry the effect"},
}

FACTS: Mapping[str, Label] = {
    "ambiguous": {"zh": "单号不唯一", "en": "number not unique"},
    "answered": {"zh": "ITSM 已应答", "en": "the gateway answered"},
    "approval_step": {"zh": "有审批节点", "en": "approval step"},
    "approve_result": {"zh": "审批结果为通过", "en": "result is approval"},
    "approver": {"zh": "审批人", "en": "approver"},
    "attempt": {"zh": "第几次执行", "en": "delivery"},
    "channel": {"zh": "来源", "en": "known by"},
    "closed_by": {"zh": "最后处理人", "en": "closed by"},
    "creator": {"zh": "提单人", "en": "creator"},
    "deciders": {"zh": "审批意见", "en": "decided"},
    "decision": {"zh": "审批字段", "en": "decision field"},
    "differences": {"zh": "与提单内容的差异", "en": "differences"},
    "effect": {"zh": "后置动作", "en": "effect"},
    "effects": {"zh": "后置动作", "en": "effects"},
    "error": {"zh": "错误", "en": "error"},
    "evidence": {"zh": "依据", "en": "evidence"},
    "facts": {"zh": "事实", "en": "facts"},
    "final": {"zh": "不再重试", "en": "permanent"},
    "form": {"zh": "表单", "en": "form"},
    "gateway": {"zh": "单据系统", "en": "gateway"},
    "id": {"zh": "单据 ID", "en": "ticket id"},
    "inconclusive": {"zh": "无法读取的部分", "en": "could not be read"},
    "key": {"zh": "关联键", "en": "key"},
    "looked_up": {"zh": "已查询确认", "en": "looked up"},
    "message": {"zh": "信息", "en": "message"},
    "override": {"zh": "人工确认的理由", "en": "override"},
    "problem": {"zh": "问题", "en": "problem"},
    "reason": {"zh": "原因", "en": "reason"},
    "remote_code": {"zh": "错误码", "en": "code"},
    "result_status": {"zh": "审批结果接口的状态", "en": "status with the result"},
    "service": {"zh": "流程服务", "en": "service"},
    "sn": {"zh": "单号", "en": "ticket"},
    "status": {"zh": "单据状态", "en": "status"},
    "step_running": {"zh": "有进行中的节点", "en": "a step is running"},
    "ticket_id": {"zh": "单据 ID", "en": "ticket id"},
    "until": {"zh": "租约到期时间", "en": "leased until"},
    "withdrawal": {"zh": "撤单结果", "en": "withdrawal"},
    "word": {"zh": "ITSM 原状态", "en": "status word"},
}
"""The names of the facts that an entry's evidence shows to people."""

ATTENTION_FACTS: Mapping[str, Label] = {
    **FACTS,
    "approved": {"zh": "审批结果为通过", "en": "approved"},
    "detail": {"zh": "详情", "en": "detail"},
    "due since": {"zh": "到期时间", "en": "due since"},
    "filed": {"zh": "提单时间", "en": "filed"},
    "looks": {"zh": "查询次数", "en": "looks"},
    "name": {"zh": "名称", "en": "name"},
    "since": {"zh": "开始时间", "en": "since"},
    "ticket": {"zh": "单据", "en": "ticket"},
    "tickets": {"zh": "单据", "en": "tickets"},
    "times": {"zh": "次数", "en": "times"},
    "unseen": {"zh": "无法比较的内容", "en": "unseen"},
}
"""The names of the facts of a reason for attention."""

VALUES: Mapping[object, Label] = {
    True: {"zh": "是", "en": "yes"},
    False: {"zh": "否", "en": "no"},
    Channel.ANSWER: {"zh": "提单应答", "en": "the answer to the request"},
    Channel.LOOKUP: {"zh": "查询", "en": "a look-up"},
    Channel.CALLBACK: {"zh": "回调", "en": "a callback"},
    Channel.OPERATOR: {"zh": "人工登记", "en": "an operator"},
    TicketStatus.RUNNING: {"zh": "处理中", "en": "running"},
    TicketStatus.SUSPENDED: {"zh": "挂起", "en": "suspended"},
    TicketStatus.FINISHED: {"zh": "已完成", "en": "finished"},
    TicketStatus.TERMINATED: {"zh": "已终止", "en": "terminated"},
    TicketStatus.REVOKED: {"zh": "已撤销", "en": "revoked"},
    TicketStatus.OTHER: {"zh": "其他", "en": "other"},
    Withdrawal.DONE: {"zh": "已撤单", "en": "withdrawn"},
    Withdrawal.NOT_YET: {"zh": "暂不能撤单", "en": "not possible yet"},
    Withdrawal.ENDED: {"zh": "单据已结束", "en": "the ticket had ended"},
    Withdrawal.UNKNOWN: {"zh": "结果未知", "en": "result unknown"},
    **dict[object, Label](ATTENTION.items()),
}
"""The names of the values in an entry's evidence."""

FOR_PROGRAMS = frozenset({"owner", "digest", "seen_at", "number", "url", "at", "trace"})
"""The facts of an entry's evidence that only programs need."""

OPERATIONS: Mapping[str, Label] = {
    "settle": {"zh": "立即查询单据", "en": "Look at the ticket now"},
    "submit": {"zh": "提交草稿", "en": "Submit the draft"},
    "record_ticket": {"zh": "登记单据", "en": "Record a ticket"},
    "resend": {"zh": "重新提单", "en": "Resend"},
    "attest_approval": {"zh": "证明审批通过", "en": "Attest the approval"},
    "withdraw": {"zh": "撤单", "en": "Withdraw"},
    "accept_after_withdrawal": {"zh": "撤单后仍以单据为准", "en": "Accept the ticket after all"},
    "abandon": {"zh": "放弃", "en": "Abandon"},
    "clear_attention": {"zh": "标记为已处理", "en": "Mark as reviewed"},
    "retry_effect": {"zh": "重试后置动作", "en": "Retry an effect"},
    "fire(raise_attention)": {"zh": "转人工处理", "en": "Raise attention"},
}
"""The names of the operations that an operator carries out on a change, see `Workflow.allowed`."""

EFFECTS: Mapping[EffectStatus, Label] = {
    EffectStatus.PLANNED: {"zh": "待执行", "en": "planned"},
    EffectStatus.STARTED: {"zh": "执行中", "en": "being delivered"},
    EffectStatus.DELIVERED: {"zh": "已完成", "en": "delivered"},
    EffectStatus.PARKED: {"zh": "停止重试，待人工处理", "en": "parked, needs a person"},
    EffectStatus.SUPERSEDED: {"zh": "已不需要", "en": "superseded"},
}
"""The name of each status of an effect."""

UNKNOWN: Label = {"zh": "提单确认中", "en": "Looking for the ticket"}
"""The name of the asking state while the result of the create is unknown."""

NOT_STARTED: Label = {"zh": "等待流程启动", "en": "Waiting for the flow to begin"}
"""The name of the waiting state while the ticket's flow has not begun, so that no approver is asked."""

UNDELIVERED: Label = {"zh": "回调失败", "en": "Callback not delivered"}
"""The operators' name of the undelivered state. For applicants it is the same wait as before."""


def labels_of(definition: WorkflowDefinition, change: ChangeRequest, *, for_operators: bool = False) -> Label:
    """Return the display name of a change's state, by language.

    The shipped names are made more precise by what is known of the change; a definition's own names are unchanged.

    Args:
        definition: The change's definition.
        change: The change.
        for_operators: Whether the reader operates the library; otherwise the reader is an applicant.
    """
    names = definition.labels.get(definition.states(change.state), {})
    if names == LABELS[State.REJECTED] and change.outcome is not None:
        outcome = OUTCOMES[change.outcome]
        return {"zh": f"{names['zh']}（{outcome['zh']}）", "en": f"{names['en']} ({outcome['en'].lower()})"}
    if names == LABELS[State.APPLYING] and change.attempt is not None and change.attempt.phase is Phase.UNKNOWN:
        return UNKNOWN
    reason = change.attention.reason if change.attention else None
    if names == LABELS[State.PENDING] and reason is AttentionReason.NOT_STARTED:
        return NOT_STARTED
    return UNDELIVERED if for_operators and names == LABELS[State.FAILED_CALLBACK] else names


def in_language(labels: Label, language: str, otherwise: str) -> str:
    """Return the label in a language, or the first one if it has none in that language.

    Args:
        labels: The labels of a thing.
        language: The language, ``zh`` or ``en``.
        otherwise: The name of a thing without any label.
    """
    return labels.get(language) or next(iter(labels.values()), otherwise)


def change_label(definition: WorkflowDefinition, change: ChangeRequest, language: str) -> str:
    """Return the label of a change's state, as an operator of the library reads it."""
    return in_language(labels_of(definition, change, for_operators=True), language, change.state)


def state_label(definition: WorkflowDefinition, state: str, language: str) -> str:
    """Return the label of a state, as an operator of the library reads it."""
    labels = definition.labels.get(definition.states(state), {})
    return in_language(UNDELIVERED if labels == LABELS[State.FAILED_CALLBACK] else labels, language, state)
