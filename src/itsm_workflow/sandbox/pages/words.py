"""The words of the pages, in Chinese and English, and the choice of the language of one request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.machine.phrases import Phrasebook
from itsm_workflow.machine.sentences import LANGUAGES
from itsm_workflow.sandbox.faults import FaultKind
from itsm_workflow.sandbox.ticket import SHOWN, CallbackOutcome, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.machine.labels import Label
    from itsm_workflow.sandbox.request import Request

COOKIE = "itsm_sandbox_language"

WORDS: Mapping[str, Label] = {
    # The frame
    "sandbox": {"zh": "BK-ITSM 模拟服务（沙箱）", "en": "BK-ITSM sandbox"},
    "tickets": {"zh": "单据", "en": "Tickets"},
    "misbehave": {"zh": "模拟故障", "en": "Misbehave"},
    "other_language": {"zh": "English", "en": "中文"},
    "again_every": {"zh": "每 {seconds} 秒重新加载本页", "en": "Load this page again every {seconds} seconds"},
    "again_each_second": {"zh": "每秒重新加载本页", "en": "Load this page again every second"},
    "not_found": {"zh": "没有这个页面", "en": "Not found"},
    "no_page": {"zh": "这个地址没有页面。", "en": "This page does not exist."},
    "no_ticket_act": {"zh": "单据没有这个操作。", "en": "This ticket has no such operation."},
    "no_page_act": {"zh": "本页没有这个操作。", "en": "This page has no such operation."},
    # The tickets
    "api": {"zh": "API 地址：", "en": "The API is at "},
    "stop": {"zh": "", "en": "."},
    "waiting": {"zh": "待审批", "en": "Waiting for a decision"},
    "nothing_waits": {
        "zh": "没有待审批的单据。提单之后会显示在这里。",
        "en": "Nothing waits. File a change, and it appears here.",
    },
    "others": {"zh": "其他单据", "en": "Other tickets"},
    "none": {"zh": "没有。", "en": "None."},
    "callbacks": {"zh": "回调", "en": "Callbacks"},
    "none_sent": {"zh": "还没有发送过回调。", "en": "None was sent yet."},
    "calls": {"zh": "API 调用", "en": "Calls"},
    "none_came": {"zh": "还没有收到调用。", "en": "None came yet."},
    "number": {"zh": "单号", "en": "number"},
    "title": {"zh": "标题", "en": "title"},
    "creator": {"zh": "提单人", "en": "creator"},
    "approvers": {"zh": "审批人", "en": "approvers"},
    "status": {"zh": "状态", "en": "status"},
    "changed": {"zh": "最近变动 ({zone})", "en": "changed ({zone})"},
    "at": {"zh": "时间 ({zone})", "en": "at ({zone})"},
    "ticket": {"zh": "单据", "en": "ticket"},
    "says": {"zh": "内容", "en": "says"},
    "outcome": {"zh": "结果", "en": "outcome"},
    "note": {"zh": "备注", "en": "note"},
    "endpoint": {"zh": "接口", "en": "endpoint"},
    "answer": {"zh": "应答", "en": "answer"},
    "approved": {"zh": "{status}，审批通过", "en": "{status}, approved"},
    "not_approved": {"zh": "{status}，审批未通过", "en": "{status}, not approved"},
    # One ticket
    "status_is": {"zh": "状态：", "en": "Status: "},
    "stored": {
        "zh": "审批意见已保存，稍后生效。",
        "en": "The decision is stored and takes effect in a moment.",
    },
    "not_begun": {
        "zh": "审批节点还没有开始，开始之后审批人才能处理。",
        "en": "The approval step has not started yet. No approver is asked until it has.",
    },
    "begin": {"zh": "立即开始", "en": "Start it now"},
    "as": {"zh": "操作人", "en": "as"},
    "remark": {"zh": "备注", "en": "remark"},
    "approve": {"zh": "通过", "en": "Approve"},
    "reject": {"zh": "拒绝", "en": "Reject"},
    "suspend": {"zh": "挂起", "en": "Suspend"},
    "resume": {"zh": "恢复", "en": "Resume"},
    "terminate": {"zh": "终止", "en": "Terminate"},
    "withdraw": {"zh": "以 {creator} 的名义撤单", "en": "Withdraw as {creator}"},
    "form": {"zh": "表单", "en": "Form"},
    "field": {"zh": "字段", "en": "field"},
    "value": {"zh": "值", "en": "value"},
    "log": {"zh": "流转记录", "en": "Log"},
    "by": {"zh": "操作人", "en": "by"},
    "what": {"zh": "内容", "en": "what"},
    "nothing_yet": {"zh": "还没有记录。", "en": "Nothing yet."},
    "sent": {"zh": "发送次数", "en": "sent"},
    # The faults
    "kind": {"zh": "{kind}：{does}", "en": "{kind}: {does}"},
    "fault": {"zh": "故障", "en": "fault"},
    "of_calls": {"zh": "作用于接口", "en": "of calls to"},
    "nth": {"zh": "从现在起第几次调用", "en": "the n-th call from now"},
    "always": {"zh": "以及之后的每一次", "en": "and each later one"},
    "seconds": {"zh": "秒数", "en": "seconds"},
    "http_status": {"zh": "HTTP 状态码", "en": "HTTP status"},
    "code": {"zh": "API 网关的错误码", "en": "gateway's code"},
    "processed": {"zh": "先执行调用", "en": "carry the call out first"},
    "arm": {"zh": "设置", "en": "Arm"},
    "no_choice": {
        "zh": "作用于回调或新单据的故障不需要选择接口。",
        "en": "A fault of callbacks, or of new tickets, needs no choice of calls.",
    },
    "spent": {"zh": "已触发的故障", "en": "Spent: they hit their call, and hit none after it"},
    "armed": {"zh": "已设置的故障", "en": "Armed"},
    "of": {"zh": "接口", "en": "of"},
    "which": {"zh": "第几次", "en": "n-th"},
    "count": {"zh": "调用次数", "en": "calls"},
    "hit": {"zh": "命中次数", "en": "hit"},
    "behaves": {"zh": "没有设置故障。", "en": "The stand-in behaves well."},
    "disarm": {"zh": "全部取消", "en": "Disarm all"},
    "release": {"zh": "放行", "en": "Release"},
    "drop": {"zh": "丢弃", "en": "Drop"},
    "and_later": {"zh": "{nth} 及之后", "en": "{nth} and later"},
}
"""The words by their codes; the names in braces are the parameters of both languages."""

KINDS: Mapping[FaultKind, Label] = {
    FaultKind.LOSE_ANSWER: {
        "zh": "执行调用，不应答就关闭连接",
        "en": "carries the call out and closes the connection without an answer",
    },
    FaultKind.HOLD: {
        "zh": "执行调用，应答先保留，由你在下面放行或丢弃",
        "en": "carries the call out and holds its answer until you release or drop it below",
    },
    FaultKind.DELAY: {"zh": "按秒数延迟应答", "en": "answers late, by the seconds"},
    FaultKind.STATUS: {
        "zh": "像代理一样应答 HTTP 状态码和一个 HTML 页面",
        "en": "answers with the HTTP status and a page of HTML, as a proxy does",
    },
    FaultKind.HTML: {"zh": "应答 HTTP 200 和一个 HTML 页面", "en": "answers with HTTP 200 and a page of HTML"},
    FaultKind.REFUSE: {"zh": "像 API 网关一样按错误码拒绝", "en": "refuses as the API gateway does, with the code"},
    FaultKind.RESET: {
        "zh": "不执行调用，直接重置连接",
        "en": "resets the connection before the call is carried out",
    },
    FaultKind.EARLY_CALLBACK: {
        "zh": "立即通过新单据，并在提单应答之前发送回调",
        "en": "approves a new ticket immediately, and calls back before the create is answered",
    },
    FaultKind.FLOW_NEVER_STARTS: {
        "zh": "创建的单据审批节点一直不开始",
        "en": "files a ticket whose approval step never starts",
    },
    FaultKind.CALLBACK_TWICE: {"zh": "回调发送两次", "en": "sends a callback twice"},
    FaultKind.CALLBACK_LATE: {"zh": "按秒数延迟发送回调", "en": "sends a callback late, by the seconds"},
    FaultKind.CALLBACK_LOST: {
        "zh": "不发送回调，失败回调列表中也没有记录",
        "en": "never sends a callback, and lists it nowhere",
    },
    FaultKind.CALLBACK_LOST_LISTED: {
        "zh": "不发送回调，在失败回调列表中有记录",
        "en": "never sends a callback, and lists it as failed",
    },
}
"""What each kind of fault does, for the person who arms it."""

OUTCOMES: Mapping[CallbackOutcome, str] = {
    CallbackOutcome.PENDING: "待发送",
    CallbackOutcome.DELIVERED: "已送达",
    CallbackOutcome.FAILED: "未送达",
    CallbackOutcome.LOST: "已丢失",
}

PHRASES: Mapping[str, str] = {
    # The answers of calls, and the notes of callbacks
    "an unknown path": "未知路径",
    "no answer": "没有应答",
    "{status}, not JSON": "{status}，不是 JSON",
    "{status}, refused: {message}": "{status}，被拒绝：{message}",
    "{problem} (fault: {fault})": "{problem}（故障：{fault}）",
    "broken off": "已中断",
    "HTTP {status} without code 0": "HTTP {status}，应答中没有 code 0",
    # What a form cannot do
    "No ticket of the sandbox has the id {ticket}.": "没有 ID 为 {ticket} 的单据。",
    "No fault has the number {number}.": "没有编号为 {number} 的故障。",
    "{name} must be a whole number, not {value}": "{name} 必须是整数，不能是 {value}",
    "{name} must be a number, not {value}": "{name} 必须是数字，不能是 {value}",
    "Fault.{name} must be at least {least} and at most {most}, not {value}": (
        "{name} 至少是 {least}，至多是 {most}，不能是 {value}"
    ),
    "Fault.{name} must be from {least} to {most}, not {value}": "{name} 必须在 {least} 到 {most} 之间，不能是 {value}",
    "Fault.{name} must be at least {least}, not {value}": "{name} 至少是 {least}，不能是 {value}",
    "Fault.code must be one of {codes}, not {value}": "code 必须是其中之一：{codes}，不能是 {value}",
    "A fault of kind {kind} cannot apply to {endpoint}.": "故障 {kind} 不能作用于 {endpoint}。",
    "{value} is not a valid FaultKind": "没有故障 {value}",
}
"""By text in English, the text in Chinese; the refusals of BK-ITSM itself are in Chinese."""

_BOOK = Phrasebook(PHRASES)


@attrs.frozen
class Reader:
    """The reader of one request.

    Attributes:
        language: The language, ``zh`` or ``en``.
        address: The address of the page, to which the link to the other language leads.
    """

    language: str
    address: str = "/"

    def __call__(self, code: str, **values: object) -> str:
        """Return words of the pages, with their values."""
        return WORDS[code][self.language].format_map(values)

    def translated(self, text: object) -> str:
        """Return a text of the stand-in in the language; one without a translation as it is."""
        return str(text) if self.language == "en" else _BOOK.in_chinese(str(text))

    def status(self, status: Status, approved: bool) -> str:  # noqa: FBT001 - the two belong together
        """Return a status in words; an end by decision says which."""
        word = status.value if self.language == "en" else SHOWN[status]
        if status is not Status.FINISHED:
            return word
        return self("approved" if approved else "not_approved", status=word)

    def outcome(self, outcome: CallbackOutcome) -> str:
        """Return the outcome of a callback."""
        return outcome.value if self.language == "en" else OUTCOMES[outcome]


def chosen_in(request: Request) -> str | None:
    """Return the language that the address of a request chooses."""
    chosen = request.parameters.get("language")
    return chosen if chosen in LANGUAGES else None


def language_of(request: Request) -> str:
    """Return the language that the reader chose; otherwise the one that the browser prefers."""
    # Read by itself: a browser also sends cookies of other programs on this machine, in forms that end a parser.
    kept = [one.strip() for one in request.headers.get("cookie", "").split(";")]
    cookie = next((one for one in LANGUAGES if f"{COOKIE}={one}" in kept), None)
    return chosen_in(request) or cookie or _preferred(request.headers.get("accept-language", ""))


def _preferred(header: str) -> str:
    """Return the language with the highest weight in a header ``Accept-Language``; English if none is known."""
    best, most = LANGUAGES[0], 0.0
    for part in header.split(","):
        tag, _, parameter = part.partition(";")
        name = tag.strip().lower().split("-")[0]
        weight = parameter.strip().removeprefix("q=")
        try:
            number = float(weight) if parameter else 1.0
        except ValueError:
            continue
        if name in LANGUAGES and number > most:
            best, most = name, number
    return best
