"""The advice to the operator for each reason of attention, in Chinese and English.

An advice is a sequence of steps. A step is one or more alternatives, of which the operator chooses one. Most
alternatives are an operation of `Workflow`, and are left out while that operation is not allowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from itsm_workflow.machine.labels import Label

    Step = Mapping[str, Label]
    """The alternatives of a step, by operation; under an empty name, what is done outside of the workflow."""

_REVIEW: Step = {"clear_attention": {"zh": "标记为已处理", "en": "mark the change as reviewed"}}
_ABANDON: Step = {"abandon": {"zh": "放弃变更（abandon）", "en": "abandon the change"}}
_ATTEST: Step = {
    "attest_approval": {"zh": "证明审批通过（attest_approval）", "en": "attest its approval (attest_approval)"},
    **_ABANDON,
}
_THEN: Label = {"zh": "，然后", "en": ", then "}
_COMMA: Label = {"zh": "，", "en": ", "}
_LISTED: Label = {"zh": "、", "en": ", "}
_OR: Label = {"zh": "或", "en": " or "}


def _outside(zh: str, en: str) -> Step:
    """Return a step that is done outside of the workflow."""
    return {"": {"zh": zh, "en": en}}


_STEPS: Mapping[str, Sequence[Step]] = {
    "not_found": (
        _outside("在 ITSM 里按申请人和标题查找单据", "look for it in the ticket system by applicant and title"),
        {
            "record_ticket": {"zh": "登记单据（record_ticket）", "en": "record the ticket (record_ticket)"},
            "resend": {"zh": "重新提单（resend）", "en": "send the request again (resend)"},
            **_ABANDON,
        },
    ),
    "duplicate": (
        _outside("查看事实中的各张单据", "look at the tickets in the facts"),
        {"record_ticket": {"zh": "登记正确的一张（record_ticket）", "en": "record the right one (record_ticket)"}},
        _outside("其余在 ITSM 里撤单", "withdraw the others in the ticket system"),
        _REVIEW,
    ),
    "lookup_failed": (
        _outside(
            "检查 ITSM 的连接（查询会继续），并在 ITSM 里人工查找",
            "check the gateway, whose look-ups continue, and look for it in the ticket system itself",
        ),
        {
            "record_ticket": {"zh": "登记找到的单据（record_ticket）", "en": "record what you found (record_ticket)"},
            "resend": {"zh": "以结果为依据重新提单（resend）", "en": "resend with the result as evidence"},
            **_ABANDON,
        },
    ),
    "ambiguous_sn": (
        _outside("在 ITSM 里按单据 ID 查看", "look at the ticket in the ticket system by its id"),
        _ATTEST,
    ),
    "no_approval_step": (
        _outside(
            "查清是谁审批的（流程服务可能没有审批节点）",
            "find out who approved it, since the service's flow may have no approval step",
        ),
        _ATTEST,
    ),
    "disagreement": (
        _outside("对比单据、事实和历史", "compare the ticket with the facts and the history"),
        {
            "clear_attention": {
                "zh": "在能解释差异时标记为已处理",
                "en": "mark the change as reviewed when the difference is explained",
            }
        },
    ),
    "not_started": (
        _outside(
            "在 ITSM 里查看单据的流程，可能是表单的某个值使它停住",
            "look at its flow in the ticket system, since a value of the form can have stopped it",
        ),
        {
            "": {"zh": "等待", "en": "wait"},
            "abandon": {
                "zh": "放弃变更（ITSM 允许时会立即撤单）",
                "en": "abandon the change, whose ticket is withdrawn as soon as the ticket system allows it",
            },
        },
    ),
    "overdue": (
        {
            "": {"zh": "提醒审批人", "en": "remind the approvers"},
            "withdraw": {"zh": "撤单", "en": "withdraw the ticket"},
        },
    ),
    "unsent": (
        _outside(
            "运行 `itsm-workflow doctor --online`，检查提单请求为什么发不出去（它检查连接、账号和流程服务，"
            "不会试着提单），API 网关的返回码是 16401xx 或 16403xx 时检查应用 ID、应用密钥和应用对提单接口的权限",
            "run `itsm-workflow doctor --online` to see why the request cannot be sent (it checks the connection, the "
            "credentials and the service, and files nothing), and for a code 16401xx or 16403xx of the API gateway, "
            "check the app code, the app secret and the app's permission for the create",
        ),
        {
            "": {"zh": "等待下次重试", "en": "wait for the next try"},
            "settle": {"zh": "立即查询（settle）来提单", "en": "send it now by a look (settle)"},
            **_ABANDON,
        },
    ),
    "effect_parked": (
        _outside("修复失败的原因", "fix the cause of the failure"),
        {"retry_effect": {"zh": "重试后置动作", "en": "retry the effect"}},
    ),
    "effect_unknown": (
        _outside(
            "启动有该后置动作函数的进程，或把它的名称登记为另一个后置动作的别名",
            "run a process that has a function for the effect, or add its name as an alias of another effect",
        ),
    ),
    "mismatch": (
        _outside("对比单据与事实", "compare the ticket with the facts"),
        {
            "record_ticket": {
                "zh": "确认是本变更的单据就写明理由登记（record_ticket 的 override）",
                "en": "record it with the reason (override of record_ticket) if it is the change's ticket",
            },
            **_ABANDON,
        },
    ),
    "self_approved": (
        _outside(
            "由申请人以外的人判断申请人是否可以自己审批",
            "let a person other than the applicant check whether the applicant may approve",
        ),
        _ATTEST,
    ),
    "inconclusive": (
        _outside("查看单据并查明为什么读不出来", "look at the ticket and check why it cannot be read"),
        _ATTEST,
    ),
    "not_as_sent": (
        _outside(
            "确认连接的 ITSM 就是有该单据的那一个，以及单据是否在那里被改过",
            "check that the gateway is the one that has the ticket, and whether the ticket was changed there",
        ),
        _ATTEST,
    ),
    "withdrawal_unresolved": (
        _outside("在 ITSM 里查看单据", "look at the ticket in the ticket system"),
        {
            "withdraw": {"zh": "再次撤单", "en": "withdraw it again"},
            "accept_after_withdrawal": {
                "zh": "以单据的结果为准（accept_after_withdrawal）",
                "en": "accept its result (accept_after_withdrawal)",
            },
        },
    ),
    "decision_refused": (
        _outside(
            "对比单据与工作流自己的转换的守卫条件",
            "compare the ticket with the guards of the workflow's own transitions",
        ),
        {
            "settle": {
                "zh": "在守卫条件接受它时立即查询（settle）",
                "en": "look at it again (settle) when they accept it",
            }
        },
    ),
    "host": (_outside("处理事实中的问题", "deal with the problem in the facts"), _REVIEW),
}


def advice_for(reason: str, allowed: Collection[str]) -> Label:
    """Return the advice for a reason, with those of its operations that are allowed.

    If none of them is, such as after the approval of a change that asked for an attestation, what is left to do is to
    mark the change as reviewed.

    Args:
        reason: The reason of attention.
        allowed: The operations that are allowed on the change now.
    """
    steps = _STEPS[reason]
    operations = {name for step in steps for name in step if name}
    if operations and operations.isdisjoint(allowed):
        steps = (*steps, _REVIEW)
    left = [[said for name, said in step.items() if not name or name in allowed] for step in steps]
    return {
        language: _in_order([_one_of([said[language] for said in step], language) for step in left if step], language)
        for language in _THEN
    }


def _one_of(texts: Sequence[str], language: str) -> str:
    first, last = _LISTED[language].join(texts[:-1]), texts[-1]
    return f"{first}{_OR[language]}{last}" if first else last


def _in_order(texts: Sequence[str], language: str) -> str:
    first, last = _COMMA[language].join(texts[:-1]), texts[-1]
    return f"{first}{_THEN[language]}{last}" if first else last


ADVICE: Mapping[str, Label] = {
    reason: advice_for(reason, {name for step in steps for name in step}) for reason, steps in _STEPS.items()
}
"""The advice for each reason with all of its operations."""
