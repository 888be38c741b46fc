"""The advice to the operator for each reason of attention, in Chinese and English."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.machine.labels import Label

ADVICE: Mapping[str, Label] = {
    "not_found": {
        "zh": "在 ITSM 里按申请人和标题查找单据，然后登记单据（record_ticket）、重新提单（resend）或放弃（abandon）",
        "en": "look for it in the ticket system by applicant and title, then record the ticket (record_ticket), send "
        "the request again (resend) or abandon the change",
    },
    "duplicate": {
        "zh": "查看事实中的各张单据；变更还没有单据时登记正确的一张（record_ticket），"
        "其余在 ITSM 里撤单，再标记为已处理",
        "en": "look at the tickets in the facts; record the right one (record_ticket) if the change has none, withdraw "
        "the others in the ticket system, then mark the change as reviewed",
    },
    "lookup_failed": {
        "zh": "检查 ITSM 的连接，查询会继续；或者在 ITSM 里人工查找，以结果为依据重新提单（resend），或放弃（abandon）",
        "en": "check the gateway, the look-ups continue; or look for it in the ticket system itself, then resend "
        "with the result as evidence, or abandon",
    },
    "ambiguous_sn": {
        "zh": "在 ITSM 里按单据 ID 查看，然后证明审批通过（attest_approval）或放弃（abandon）",
        "en": "look at the ticket in the ticket system by its id, then attest its approval (attest_approval) or "
        "abandon the change",
    },
    "no_approval_step": {
        "zh": "查清是谁审批的，然后证明审批通过（attest_approval）或放弃（abandon）；流程服务可能没有审批节点",
        "en": "find out who approved it, then attest its approval (attest_approval) or abandon the change; the "
        "service's flow may have no approval step",
    },
    "disagreement": {
        "zh": "对比单据、事实和历史；能解释差异后标记为已处理",
        "en": "compare the ticket with the facts and the history; mark the change as reviewed when the difference is "
        "explained",
    },
    "not_started": {
        "zh": "在 ITSM 里查看单据的流程，可能是表单的某个值使它停住；等待，或放弃变更，ITSM 允许时会立即撤单",
        "en": "look at its flow in the ticket system, a value of the form can have stopped it; wait, or abandon "
        "the change, and the ticket is withdrawn as soon as the ticket system allows it",
    },
    "overdue": {
        "zh": "提醒审批人，或撤单",
        "en": "remind the approvers, or withdraw",
    },
    "unsent": {
        "zh": "运行 `itsm-workflow doctor --online`，检查提单请求为什么发不出去（它检查连接、账号和流程服务，不会"
        "试着提单）；会继续重试，修复后可以立即查询（settle），也可以放弃变更（abandon）",
        "en": "run `itsm-workflow doctor --online` to see why the request cannot be sent (it checks the connection, "
        "the credentials and the service, and files nothing); it is retried, immediately by a look (settle), or "
        "abandon the change",
    },
    "effect_parked": {
        "zh": "修复失败的原因，然后重试后置动作",
        "en": "fix the cause of the failure, then retry the effect",
    },
    "effect_unknown": {
        "zh": "启动有该后置动作函数的进程，或把它的名称登记为另一个后置动作的别名",
        "en": "run a process that has a function for the effect, or add its name as an alias of another effect",
    },
    "mismatch": {
        "zh": "对比单据与事实；确认是本变更的单据就写明理由登记（record_ticket 的 override），否则放弃变更（abandon）",
        "en": "compare the ticket with the facts; if it is the change's ticket, record it with the reason (override of "
        "record_ticket), otherwise abandon the change",
    },
    "self_approved": {
        "zh": "由申请人以外的人判断申请人是否可以自己审批，然后标记为已处理；变更仍在等待时，"
        "证明审批通过（attest_approval）或放弃（abandon）",
        "en": "let a person other than the applicant check whether the applicant may approve, and mark the "
        "change as reviewed; if it still waits, attest its approval (attest_approval) or abandon it",
    },
    "inconclusive": {
        "zh": "查看单据并查明为什么读不出来，然后证明审批通过（attest_approval）或放弃（abandon）",
        "en": "look at the ticket and check why it cannot be read, then attest its approval (attest_approval) or "
        "abandon the change",
    },
    "not_as_sent": {
        "zh": "确认连接的 ITSM 就是有该单据的那一个；如果是，而单据在那里被改过，"
        "证明审批通过（attest_approval）或放弃（abandon）",
        "en": "check that the gateway is the one that has the ticket; if it is, and the ticket was changed "
        "there, attest its approval (attest_approval) or abandon the change",
    },
    "withdrawal_unresolved": {
        "zh": "再次撤单，或以单据的结果为准（accept_after_withdrawal）",
        "en": "withdraw the ticket again, or accept its result (accept_after_withdrawal)",
    },
    "decision_refused": {
        "zh": "对比单据与工作流自己的转换的守卫条件",
        "en": "compare the ticket with the guards of the workflow's own transitions",
    },
    "host": {
        "zh": "处理事实中的问题，然后标记为已处理",
        "en": "deal with the problem in the facts, then mark the change as reviewed",
    },
}
