"""The words of the demonstration, in Chinese and English; states, outcomes and facts have the library's own labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.machine.approval import LABELS, State
from itsm_workflow.machine.labels import OUTCOMES, UNDELIVERED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.machine.labels import Label

WORDS: Mapping[str, Label] = {
    # The opening
    "opening": {
        "zh": "{requests} 个变更请求，通过真实的 HTTP 运行，全部在本机。",
        "en": "{requests} change requests, over real HTTP on this machine.",
    },
    "gateway": {"zh": "BK-ITSM 模拟服务", "en": "BK-ITSM stand-in"},
    "callbacks": {"zh": "回调地址", "en": "callbacks"},
    "store": {"zh": "存储", "en": "store"},
    "timings": {"zh": "时间设置，括号内是它替换的默认值：", "en": "Timings, with the default they replace:"},
    "seconds": {"zh": "{number} 秒", "en": "{number} s"},
    # The tables
    "changes": {
        "zh": "全部变更（ID 只显示末尾几位；命令行也接受主题和单号）：",
        "en": "The changes (an id is shown by its end; the command line also takes a subject or an sn):",
    },
    "id": {"zh": "ID", "en": "id"},
    "subject": {"zh": "主题", "en": "subject"},
    "scenario": {"zh": "场景", "en": "scenario"},
    "state": {"zh": "状态", "en": "state"},
    "outcome": {"zh": "结局", "en": "outcome"},
    "sn": {"zh": "单号", "en": "sn"},
    "attention": {"zh": "待人工处理", "en": "attention"},
    "not_stored": {"zh": "未保存", "en": "not stored"},
    "history": {
        "zh": "{subject} 的历史，{title}（{scenario}）：",
        "en": "The history of {subject}, {title} ({scenario}):",
    },
    "key": {"zh": "{id}，关联键 {key}", "en": "{id}, key {key}"},
    "none": {"zh": "无", "en": "none"},
    "time": {"zh": "时间 (UTC)", "en": "time (UTC)"},
    "trigger": {"zh": "动作", "en": "trigger"},
    "actor": {"zh": "操作人", "en": "actor"},
    "facts": {"zh": "事实", "en": "facts"},
    # The facts of entries
    "of_service": {"zh": "流程服务 {service}", "en": "service {service}"},
    "by_channel": {"zh": "{sn}，来源：{channel}", "en": "{sn}, by {channel}"},
    "read": {"zh": "单据状态：{word}，审批结果为通过：{approve_result}", "en": "{word}, approved: {approve_result}"},
    "delivery": {"zh": "第 {attempt} 次执行", "en": "delivery {attempt}"},
    "delivered": {"zh": "第 {attempt} 次执行 {error}", "en": "delivery {attempt} {error}"},
    # The result
    "audited": {
        "zh": "以下数字由审计根据存储的数据、模拟服务的单据和业务系统的日志重新算出：",
        "en": "The audit recomputed these figures from the stored rows, the stand-in's ledger and the host's log:",
    },
    "sum": {
        "zh": "{requests} 个变更请求 = {parts}；{keys} 个关联键对应 {tickets} 张单据，重复 {duplicates}，丢失 {lost}，"
        "违规流转 {illegal}，后置动作 {delivered}/{expected}，被接受的伪造回调 {forged}",
        "en": "{requests} = {parts}; {tickets} for {keys}, {duplicates}, {lost} lost, {illegal} illegal transitions, "
        "effects {delivered}/{expected}, forged accepted {forged}",
    },
    "no_problem": {"zh": "没有发现问题", "en": "No problem was found"},
    "problems": {"zh": "发现了问题", "en": "Problems were found"},
    "kept": {
        "zh": "{verdict}，用时 {seconds} 秒。存储已保留：{store}",
        "en": "{verdict}, after {seconds} s. The store is kept: {store}",
    },
    "page": {
        "zh": "本次运行的网页，带图：{page}",
        "en": "The page of this run, with a picture: {page}",
    },
    # The page
    "page_title": {"zh": "等待审批的变更", "en": "Changes that waited for approval"},
    "page_heading": {"zh": "{count} 个等待审批的变更", "en": "{count} changes that waited for approval"},
    "page_verdict": {"zh": "{verdict}。", "en": "{verdict}."},
    "page_audited": {
        "zh": "以下数字由审计根据存储的数据、模拟服务的单据和业务系统的日志重新算出：{sum}。",
        "en": "The audit recomputed these figures from the stored rows, the stand-in's ledger and the host's log: "
        "{sum}.",
    },
    "shows": {"zh": "说明", "en": "what it shows"},
    "ended": {"zh": "结局", "en": "ended"},
    "spotlight": {"zh": "{subject}：{scenario}", "en": "{subject}: {scenario}"},
    "steps": {
        "zh": "{title}。图中的数字是这个变更的步骤。",
        "en": "{title}. The numbers are the steps of this change.",
    },
    "page_store": {"zh": "存储：", "en": "The store: "},
}
"""The words by their codes; the names in braces are the parameters of both languages."""

SCENARIOS: Mapping[str, str] = {
    # Names, at most 22 columns wide
    "approved": "审批通过",
    "second approver": "第二位审批人通过",
    "rejected": "审批拒绝",
    "withdrawn here": "在业务系统中撤单",
    "withdrawn there": "在单据页面上撤单",
    "terminated": "单据被终止",
    "suspended, approved": "挂起后审批通过",
    "create answer lost": "提单应答丢失",
    "create never arrived": "提单请求未到达",
    "callback before answer": "回调早于提单应答",
    "callback lost": "回调丢失，有记录",
    "callback vanished": "回调丢失，没有记录",
    "callback twice": "回调重复",
    "callback forged": "伪造回调",
    "callback lies": "回调内容不实",
    "two tickets, one sn": "两张单据单号相同",
    "effect fails once": "后置动作失败一次",
    "kill -9": "进程被 kill -9",
    # What they show, at most 48 columns wide
    "a callback is a hint; the ticket decides": "回调只是提示，以单据为准",
    "the same for another applicant": "同上，换一位申请人",
    "one approval of several approvers is enough": "几位审批人中有一位通过即可",
    "FINISHED, and not approved": "单据已完成，但审批没有通过",
    "waits until the ticket is old enough": "等到单据的流程启动之后才撤单",
    "confirmed by a second look, after a quiet time": "隔一段时间再查询一次，才确认结束",
    "a suspended ticket has not ended": "挂起的单据没有结束",
    "found by its key, not sent again": "按关联键找到单据，没有重新提单",
    "a person decides on a resend": "由人决定是否重新提单",
    "the callback finds the ticket": "由回调找到单据",
    "found on the gateway's failed list": "在 ITSM 的失败回调列表中发现",
    "found by the next poll": "由下一次查询发现",
    "one approval, one effect": "只通过一次，后置动作只执行一次",
    "refused before a look or a write": "被拒绝，没有查询，也没有写入",
    "a hint; the ticket is read again, and decides": "只作为提示：重新读取单据，以单据为准",
    "the other ticket's approval does not count": "另一张单据的审批通过不算数",
    "delivered again under the same id": "以同一个 ID 再次执行",
    "a second process takes over": "由第二个进程接着处理",
}
"""By name or lesson of a scenario in English, the text in Chinese."""


def words_in(language: str, code: str, **values: object) -> str:
    """Return words of the demonstration in a language, with their values."""
    return WORDS[code][language].format_map(values)


def scenario_in(language: str, text: str) -> str:
    """Return the name or the lesson of a scenario in a language; one without a translation as it is."""
    return text if language == "en" else SCENARIOS.get(text, text)


def end_in(language: str, word: str) -> str:
    """Return the outcome of a change, or its state if it has not ended: the name in English, else the label."""
    if language == "en":
        return word
    return OUTCOMES[word][language] if word in OUTCOMES else state_in(language, word)


def state_in(language: str, state: str) -> str:
    """Return a state: its name in English, else its label for operators."""
    if language == "en" or state not in set(State):
        return state
    return UNDELIVERED[language] if state == State.FAILED_CALLBACK else LABELS[State(state)][language]
