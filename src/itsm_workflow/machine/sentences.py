"""Sentences for people, in Chinese and English: each has a stable code, and parameters that have names.

A program makes a `Sentence` and does not know in which language it will be read. A page, a command or a log then calls
`text_of`. Values that come from a person, a host or the ticket system are shown as they are.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.machine.labels import in_language
from itsm_workflow.readonly import ReadOnlyDict

if TYPE_CHECKING:
    from itsm_workflow.machine.labels import Label

LANGUAGES = ("en", "zh")
"""The languages of every sentence, label and picture; the first one is the default."""


@attrs.frozen
class Sentence:
    """A sentence, or a part of one, before it is put into a language.

    Attributes:
        code: Its code in `SENTENCES`.
        values: By the name of a parameter, its value: a text or a number, shown as it is; a time; a `Label`, of which
            the name in the language is shown; another sentence; or a `Listing`.
    """

    code: str
    values: Mapping[str, object] = ReadOnlyDict()


@attrs.frozen
class Listing:
    """Several values of a parameter, with what stands between them.

    Attributes:
        separator: The code in `SENTENCES` of the text between two of them.
        items: The values.
    """

    separator: str
    items: tuple[object, ...]


def say(code: str, **values: object) -> Sentence:
    """Return a sentence with its values."""
    return Sentence(code, values)


def text_of(value: object, language: str) -> str:
    """Return a sentence, or the value of a parameter, as text in a language.

    Args:
        value: As described for `Sentence.values`.
        language: The language, ``zh`` or ``en``.
    """
    if isinstance(value, Sentence):
        values = {name: text_of(one, language) for name, one in value.values.items()}
        return SENTENCES[value.code][language].format_map(values)
    if isinstance(value, Listing):
        return SENTENCES[value.separator][language].join(text_of(one, language) for one in value.items)
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, Mapping):
        return in_language(value, language, "")
    return str(value)


SENTENCES: Mapping[str, Label] = {
    "between_names": {"zh": "、", "en": ", "},
    "between_facts": {"zh": "，", "en": ", "},
    "between_problems": {"zh": "；随后", "en": "; then "},
    "between_parts": {"zh": "；", "en": "; "},
    # The whole sentence about a change
    "change": {"zh": "{subject}（{id}）{parts}。", "en": "{subject} ({id}) {parts}."},
    "with_problem": {"zh": "{said}，{problem}", "en": "{said}, {problem}"},
    "with_problems": {"zh": "{said}（{problems}）", "en": "{said} ({problems})"},
    "with_problems_to_check": {
        "zh": "{said}（{problems}；运行 `itsm-workflow doctor --online` 可检查原因）",
        "en": "{said} ({problems}; `itsm-workflow doctor --online` checks why)",
    },
    "suspended": {"zh": "{said}，单据已挂起", "en": "{said}, which is suspended"},
    "undelivered": {
        "zh": "ITSM 关于{ticket}的回调未送达，审批结果由查询获得",
        "en": "the callback of the ticket system about {ticket} was not delivered, so looks find the decision",
    },
    # The ticket
    "ticket": {"zh": "单据（{sn}）", "en": "ticket {sn}"},
    "its_ticket": {"zh": "单据", "en": "its ticket"},
    # A change without a ticket
    "draft": {"zh": "处于草稿状态，尚未提单", "en": "is a draft and waits to be submitted"},
    "next_approval": {"zh": "待提交下一轮审批", "en": "waits to be submitted for its next approval"},
    "queued": {"zh": "等待提单，第 {number} 次", "en": "waits to be filed, attempt {number}"},
    "sending": {"zh": "正在提单，第 {number} 次", "en": "is being filed, attempt {number}"},
    "unknown": {
        "zh": "提单结果未知，正在查询单据，第 {number} 次",
        "en": "may have been filed, its ticket is looked up, attempt {number}",
    },
    # A change that waits for its ticket
    "waits": {"zh": "等待审批{ticket}，审批人：{approvers}", "en": "waits for {approvers} to decide {ticket}"},
    "waits_since": {
        "zh": "自 {at} 起等待审批{ticket}，审批人：{approvers}",
        "en": "waits for {approvers} to decide {ticket} since {at}",
    },
    "its_approvers": {"zh": "由流程决定", "en": "its approvers"},
    "second_look": {
        "zh": "{ticket}自 {at} 起显示为“{status}”，等待复查确认",
        "en": "waits for a second look at {ticket}, {status} since {at}",
    },
    "in_doubt": {"zh": "{ticket}的结果无法确认，等待再次查询", "en": "waits for a conclusive look at {ticket}"},
    "decision_refused": {
        "zh": "无法接受{ticket}的结果，因为状态机拒绝了它",
        "en": "cannot accept the decision of {ticket}, since the machine refused it",
    },
    "not_started": {
        "zh": "等待{ticket}的流程启动，在此之前没有审批人会收到待办",
        "en": "waits for the flow of {ticket} to begin: until then, no approver is asked",
    },
    "withdrawn": {
        "zh": "已撤单（{at}），等待{ticket}以已撤销结束",
        "en": "waits for {ticket} to end as withdrawn, since it was withdrawn ({at})",
    },
    "unknown_time": {"zh": "时间未知", "en": "at an unknown time"},
    # A change whose ticket was decided
    "was_approved": {"zh": "{ticket}曾审批通过，{now}", "en": "was approved by {ticket}, and {now}"},
    "was_approved_on": {"zh": "{ticket}曾于 {at} 审批通过，{now}", "en": "was approved on {at} by {ticket}, and {now}"},
    "grants_no_more": {"zh": "现在的状态“{state}”不授权", "en": 'is now in the state "{state}", which does not grant'},
    "outcome": {"zh": "{outcome}", "en": "{outcome}"},
    "outcome_on": {"zh": "{outcome}，时间 {at}", "en": "{outcome} on {at}"},
    "by_ticket": {"zh": "{result}，依据{ticket}", "en": "{result} by {ticket}"},
    "with_ticket": {"zh": "{result}，当时有{ticket}", "en": "{result} with {ticket}"},
    "ended": {"zh": "已结束：{result}", "en": "ended as {result}"},
    "goes_on": {"zh": "状态为“{state}”：{result}", "en": 'is in the state "{state}": {result}'},
    "approved_by": {"zh": "{user} 通过", "en": "{user} approved it"},
    "refused_by": {"zh": "{user} 拒绝", "en": "{user} refused it"},
    "decided_by": {"zh": "{user} 已处理", "en": "{user} decided it"},
    "with_remark": {"zh": "{said}：{remark}", "en": "{said}: {remark}"},
    "attested_by": {"zh": "由 {actor} 证明：{evidence}", "en": "attested by {actor}: {evidence}"},
    # What a person should do
    "attention": {"zh": "待人工处理（{reason}）：{advice}", "en": "a person should look ({reason}): {advice}"},
    "attention_with_facts": {
        "zh": "待人工处理（{reason}：{facts}）：{advice}",
        "en": "a person should look ({reason}: {facts}): {advice}",
    },
    "fact": {"zh": "{name} {value}", "en": "{name} {value}"},
    "detail": {"zh": "{value}", "en": "{value}"},
    # Effects
    "effect": {"zh": "后置动作 {name} {due}", "en": "effect {name} {due}"},
    "effect_in_delivery": {
        "zh": "后置动作 {name} 正在执行，租约到 {at}，第 {number} 次",
        "en": "effect {name} is being delivered until {at}, delivery {number}",
    },
    "effect_without_function": {
        "zh": "后置动作 {name} {due}，但本进程没有对应的函数",
        "en": "effect {name} {due}, and this process has no function for it",
    },
    "effect_without_result": {
        "zh": "后置动作 {name} {due}，第 {number} 次执行没有结果",
        "en": "effect {name} {due}, delivery {number} brought no result",
    },
    "effect_with_error": {"zh": "后置动作 {name} {due}：{error}", "en": "effect {name} {due}: {error}"},
    "effect_failed_once": {"zh": "后置动作 {name} {due}，已失败 1 次", "en": "effect {name} {due}, it failed 1 time"},
    "effect_failed": {
        "zh": "后置动作 {name} {due}，已失败 {times} 次",
        "en": "effect {name} {due}, it failed {times} times",
    },
    "effect_failed_by": {"zh": "{said}：{error}", "en": "{said}: {error}"},
    "effect_parked": {
        "zh": "后置动作 {name} 已停止重试（失败 {times} 次；{error}）：修复失败的原因，然后重试该后置动作",
        "en": "effect {name} is parked (failed deliveries: {times}; {error}): fix the cause of the failure, "
        "then retry the effect",
    },
    "unknown_error": {"zh": "没有错误信息", "en": "no error is known"},
    "due": {"zh": "待执行", "en": "is due"},
    "due_at": {"zh": "将于 {at} 执行", "en": "is due at {at}"},
    # The next look
    "nothing_due": {"zh": "没有需要查询的内容", "en": "nothing more is due"},
    "due_now": {"zh": "现在待查询", "en": "it is due now"},
    "next_look": {"zh": "下次查询时间 {at}", "en": "the next look is at {at}"},
}
"""Every sentence and part of a sentence, by its code; the names in braces are the parameters of both languages."""
