"""The words of an entry of a change's history in a picture and on a page, in Chinese and English."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.bkapi.call_log import masked
from itsm_workflow.change import Decider, Form
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.labels import ATTENTION, ATTENTION_FACTS, FACTS, FOR_PROGRAMS, TRIGGERS, VALUES, in_language
from itsm_workflow.machine.problems import problem_label, was_answered
from itsm_workflow.machine.sentences import LANGUAGES, SENTENCES
from itsm_workflow.pictures.measure import visible
from itsm_workflow.secrets import STARS, names_secret, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow.change import Attention, Entry

_PHRASES: Mapping[str, tuple[str, str]] = {
    "separator": ("; ", "；"),
    "quoted": ("“{}”", "“{}”"),
    "named": ("{}: {}", "{}：{}"),
    "delivery": ("{}, delivery {}", "{}，第 {} 次"),
    "permanent": ("not retried", "不再重试"),
    "answered": ("the gateway has no such ticket", "ITSM 没有该单据"),
    "unanswered": ("the gateway could not be asked", "无法查询 ITSM"),
    "known_by": ("known by {}", "来源：{}"),
    "needs": ("Needs a person: {}", "待人工处理：{}"),
    "cleared": ("No longer needs a person", "不再需要人工处理"),
    "days": ("{} d {} h", "{} 天 {} 小时"),
    "hours": ("{} h {} min", "{} 小时 {} 分"),
    "minutes": ("{} min {} s", "{} 分 {} 秒"),
    "seconds": ("{} s", "{} 秒"),
    "now": ("{}, since {}", "{}，自 {}"),
    "ticket": ("ticket {}", "单据 {}"),
    "applicant": ("applicant {}", "申请人 {}"),
    "later": ("{} later", "{}后"),
    "time": ("Time", "时间"),
    "state": ("State", "状态"),
    "what": ("What happened", "发生的事"),
    "callbacks": ("Callbacks", "回调"),
    "looks": ("Looks", "查询"),
    "effects": ("Effects", "后置动作"),
    "people": ("People", "人员"),
    "request": ("the request for the ticket", "提单请求"),
    "done": ("done", "完成"),
    "empty": ("found nothing", "未找到"),
    "failed": ("failed, or result unknown", "失败或结果未知"),
    "needed": ("a person must look", "待人工处理"),
    "left_out": ("time left out", "省略的时间"),
    "entry": ("entry #{}", "记录 #{}"),
    "create": ("create the ticket", "提单"),
    "no_answer": ("no usable answer", "结果未知"),
    "unsent": ("not sent", "未发出"),
    "refused": ("refused", "被拒绝"),
    "request_refused": ("Note that the request was refused", "提单请求被拒绝"),
    "look_up": ("look up the ticket by its key", "按关联键查询单据"),
    "read": ("read the ticket", "查询单据"),
    "list_undelivered": ("list undelivered callbacks", "查询未送达的回调"),
    "callback": ("callback about {}", "回调 {}"),
    "withdraw": ("withdraw the ticket", "撤单"),
    "run": ("effect {}", "后置动作 {}"),
    "went_wrong": ("failed", "失败"),
    "times": ("{} times, until {}", "{} 次，至 {}"),
    "host": ("Host", "业务系统"),
    "library": ("itsm-workflow", "itsm-workflow"),
    "store": ("Store", "存储"),
    "gateway": ("Gateway", "ITSM"),
    "approver": ("Approver", "审批人"),
    "is_call": ("call", "调用"),
    "is_answer": ("answer", "应答"),
    "is_lost": ("lost, not sent, or result unknown", "丢失、未发出或结果未知"),
    "step": ("step {}", "步骤 {}"),
    "since": ("since {}", "自 {} 起"),
    "workflow": ("The workflow {}", "工作流 {}"),
    "graph_path": (
        "Blue: the path, with steps and times ({}), and the time in each state. Black: possible now. Grey: not now.",
        "蓝色：变更的路径，带步骤编号和时间（{}）及在各状态的停留时间；黑色：当前可行；灰色：当前不可行。",
    ),
    "terminal_end": ("Double box, ▣: final state", "双线框、▣：终态"),
    "terminal_path": (
        "Heavy lines: the path of the change, ◀: its state, double box, ▣: final state",
        "粗线：变更的路径；◀：当前状态；双线框、▣：终态",
    ),
    "more": ("{} more like this, until {} (up to #{})", "同样的记录还有 {} 条，至 {}（到 #{}）"),
}


def phrase(name: str, language: str, *values: object) -> str:
    """Return a fixed phrase of the pictures in a language, with its values."""
    return _PHRASES[name][LANGUAGES.index(language)].format(*values)


def check_language(language: str) -> None:
    """Refuse a language without words.

    Raises:
        ValueError: There are no words in the language.
    """
    if language not in LANGUAGES:
        raise ValueError(f"a picture has no words in {language!r}; its languages are {', '.join(LANGUAGES)}")


def headline_of(entry: Entry, language: str) -> str:
    """Return what an entry records, in a few words."""
    mark = entry.evidence
    if entry.trigger == Trigger.MARK_UNSENT and isinstance(mark, ev.AttemptMark) and was_answered(mark.problem):
        return phrase("request_refused", language)
    return in_language(TRIGGERS.get(entry.trigger, {}), language, entry.trigger.replace("_", " "))


def attention_text(attention: Attention | None, language: str) -> str:
    """Return the reason why a person should look, or that a person no longer has to."""
    if attention is None:
        return phrase("cleared", language)
    return phrase("needs", language, in_language(ATTENTION[attention.reason], language, attention.reason))


def effect_name(entry: Entry, effect_id: str) -> str:
    """Return the name of an effect, which is a part of its id."""
    return effect_id.removeprefix(f"{entry.change_id}.").rsplit(".", 2)[0]


def duration_text(time: dt.timedelta, language: str) -> str:
    """Return a duration in its two largest units."""
    minutes, seconds = divmod(int(time.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return phrase("days", language, days, hours)
    if hours:
        return phrase("hours", language, hours, minutes)
    return phrase("minutes", language, minutes, seconds) if minutes else phrase("seconds", language, seconds)


def decision_text(decider: Decider, language: str) -> str:
    """Return a person's verdict on the ticket, and the remark."""
    code = {True: "approved_by", False: "refused_by", None: "decided_by"}[decider.approved]
    words = SENTENCES[code][language].format(user=decider.user)
    return (
        phrase("named", language, words, phrase("quoted", language, without_secrets(decider.remark)))
        if decider.remark
        else words
    )


def details_of(entry: Entry, deciders: Sequence[Decider], language: str) -> str:
    """Return the facts of an entry that a person needs, in words; secrets in them are masked.

    Args:
        entry: The entry.
        deciders: The decisions that are known since this entry.
        language: The language of the words, ``zh`` or ``en``.
    """
    facts = (visible(without_secrets(fact)) for fact in _facts(entry, deciders, language))
    return phrase("separator", language).join(fact for fact in facts if fact)


def _facts(entry: Entry, deciders: Sequence[Decider], language: str) -> Iterator[str]:  # noqa: C901, PLR0912 - a table
    match entry.evidence:
        case ev.Drafted(form=form):
            yield phrase("quoted", language, form.title)
        case ev.Submission() | ev.SubmissionNumber():
            pass
        case ev.AttemptMark(problem=problem):
            yield in_language(problem_label(problem), language, problem)
        case ev.LookupNoted(answered=answered, problem=found):
            problem = in_language(problem_label(found), language, found)
            words = phrase("answered" if answered else "unanswered", language)
            yield words if answered or not problem else phrase("named", language, words, problem)
        case ev.TicketConfirmed() as ticket:
            yield ticket.sn
            yield phrase("known_by", language, in_language(VALUES[ticket.channel], language, ticket.channel))
            yield from (*ticket.differences, ticket.override)
        case ev.Refusal(remote_code=code, message=message):
            yield f"{code} {message}"
        case ev.CallbackHeard(sn=sn) | ev.Undelivered(sn=sn) | ev.LateTicket(sn=sn):
            yield sn
        case ev.Snapshot() as seen:
            yield phrase(
                "named", language, _label("status", language), in_language(VALUES[seen.status], language, seen.status)
            )
            yield from (decision_text(one, language) for one in deciders)
            yield from (seen.inconclusive, *seen.differences)
        case ev.ApprovalAttested(approver=approver, evidence=proof):
            yield SENTENCES["approved_by"][language].format(user=approver)
            yield proof
        case ev.Concern(reason=reason, facts=facts):
            yield in_language(ATTENTION.get(reason, {}), language, str(reason))
            yield from (
                _named(_concern_label(name, language), text_of(name, one, language), language)
                for name, one in facts.items()
            )
        case ev.EffectStart(effect=effect, attempt=number):
            yield phrase("delivery", language, effect_name(entry, effect), number)
        case ev.EffectResult() as result:
            name = effect_name(entry, result.effect)
            yield phrase("delivery", language, name, result.attempt) if result.attempt else name
            yield result.error
            yield phrase("permanent", language) if result.final else ""
            yield in_language(VALUES[result.withdrawal], language, "") if result.withdrawal else ""
        case ev.EffectRetry(effect=effect, reason=reason):
            yield from (effect_name(entry, effect), reason)
        case ev.Decision(reason=reason):
            yield reason
        case other:
            yield from (_named(name, text, language) for name, text in facts_of(other, language))


def _concern_label(name: str, language: str) -> str:
    plain = name.replace("_", " ")
    return plain if language == "en" else in_language(ATTENTION_FACTS.get(name, {}), language, plain)


def facts_of(evidence: object, language: str, zone: dt.tzinfo = dt.UTC) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each fact in an entry's evidence, without what only programs need.

    A fact with its default value is left out: it says nothing.

    Args:
        evidence: The evidence, also of a host's own type, or a mapping for a type that this process lacks.
        language: The language of the words, ``zh`` or ``en``.
        zone: The zone of the times.
    """
    kind: type = type(evidence)
    if attrs.has(kind):
        given = [(field.name, getattr(evidence, field.name), field.default) for field in attrs.fields(kind)]
    else:
        pairs = evidence.items() if isinstance(evidence, Mapping) else ()
        given = [(str(name), value, None) for name, value in pairs]
    for name, value, default in given:
        if name not in FOR_PROGRAMS and value not in ("", None, (), {}, []) and value != default:
            yield _label(name, language), text_of(name, value, language, zone)


def text_of(name: str, value: object, language: str, zone: dt.tzinfo = dt.UTC) -> str:
    """Return a value in words. A secret is masked by the name of its key, at any depth, as in the log.

    Args:
        name: The name of the value.
        value: The value.
        language: The language of the words, ``zh`` or ``en``.
        zone: The zone of the times.
    """
    if names_secret(name.lower()) and value is not None:
        return STARS
    if isinstance(value, bool | enum.Enum):
        return in_language(VALUES.get(value, {}), language, str(value.value if isinstance(value, enum.Enum) else value))
    if isinstance(value, Form):
        return without_secrets(value.title)
    if isinstance(value, Decider):
        return decision_text(value, language)
    if isinstance(value, dt.datetime):
        return value.astimezone(zone).isoformat(" ", "seconds")
    kind: type = type(value)
    if attrs.has(kind):
        value = {field.name: getattr(value, field.name) for field in attrs.fields(kind) if field.repr}
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={text_of(str(key), one, language, zone)}" for key, one in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(text_of(name, one, language, zone) for one in value)
    return str(masked({name: value})[name] if isinstance(value, str) else value)


def _named(name: str, text: str, language: str) -> str:
    return phrase("named", language, name, text)


def _label(name: str, language: str) -> str:
    return in_language(FACTS.get(name, {}), language, name.replace("_", " "))
