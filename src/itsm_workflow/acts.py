"""The acts of an operator on one change, for pages: what each does, in Chinese and English, what it asks for, its call.

`Workflow.allowed` lists which of them are possible. The Django admin and the console offer them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.change import AttentionReason, ChangeRequest
from itsm_workflow.errors import ItsmWorkflowError
from itsm_workflow.failures import failures
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.evidence import Concern, Decision
from itsm_workflow.machine.labels import OPERATIONS, TRIGGERS, in_language
from itsm_workflow.machine.messages import message_of
from itsm_workflow.text import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.machine.labels import Label
    from itsm_workflow.runtime.overview import Overview
    from itsm_workflow.runtime.records import Records
    from itsm_workflow.workflow import Workflow

    Call = Callable[[Workflow, ChangeRequest, str, Mapping[str, Any]], ChangeRequest]

SETTLE, RETRY_EFFECT = "settle", "retry_effect"
LONGEST = 1000
"""The largest number of characters in a text that an act asks for."""

MOVED: Label = {
    "zh": "变更在此期间已有变化，请重新查看后再确认。",
    "en": "The change request has moved since; look at it again, then confirm.",
}
"""The text for a person who confirms an act on a change that has moved since the page was shown."""

_PERMISSIONS_UNKNOWN: Label = {
    "zh": "无法确定你可以执行哪些操作：{error}",
    "en": "What you may do is not known: {error}",
}
_FIRE, _END, _IN_ROUTE = "fire(", ")", "fire-"


@attrs.frozen(kw_only=True)
class Asked:
    """A text that an act asks for.

    Attributes:
        name: The name of the argument that it becomes.
        label: Its label.
        help: What to write, or an empty label.
        is_required: Whether the act needs it.
        is_long: Whether it may take several lines.
        choices: Returns the values to choose from, each with its text; None for a free text.
        required_for: The reason for attention for which the machine requires it, although it is not required otherwise.
    """

    name: str
    label: Label
    help: Label = attrs.field(factory=dict)
    is_required: bool = True
    is_long: bool = False
    choices: Callable[[ChangeRequest], Sequence[tuple[str, str]]] | None = None
    required_for: AttentionReason | None = None


@attrs.frozen(kw_only=True)
class OperatorAct:
    """An act of an operator.

    Attributes:
        meaning: What it does, in one sentence.
        asks: The texts that it asks for.
        call: Carries it out on a change, for an actor, with the texts by name.
        is_dangerous: Whether it ends the change, or what it did cannot be taken back.
    """

    meaning: Label
    asks: tuple[Asked, ...]
    call: Call
    is_dangerous: bool = False


def parked(change: ChangeRequest) -> Sequence[tuple[str, str]]:
    """Return the ids and the names of the effects that a person can retry."""
    return [(one.id, one.name) for one in change.parked_effects]


def _method(name: str) -> Call:
    """Return the call of a method whose arguments have the names of the texts; empty ones are left out."""

    def call(workflow: Workflow, change: ChangeRequest, actor: str, given: Mapping[str, Any]) -> ChangeRequest:
        arguments = {asked: text for asked, text in given.items() if text}
        changed: ChangeRequest = getattr(workflow, name)(change.id, actor=actor, **arguments)
        return changed

    return call


def _settle(workflow: Workflow, change: ChangeRequest, _actor: str, _given: Mapping[str, Any]) -> ChangeRequest:
    return workflow.settle(change.id)


def _retry_effect(workflow: Workflow, change: ChangeRequest, actor: str, given: Mapping[str, Any]) -> ChangeRequest:
    return workflow.retry_effect(change.id, given["effect"], actor=actor, reason=given["reason"])


def _fire(trigger: str) -> Call:
    def call(workflow: Workflow, change: ChangeRequest, actor: str, given: Mapping[str, Any]) -> ChangeRequest:
        evidence: object = Decision(reason=given["reason"])
        if trigger == Trigger.RAISE_ATTENTION:
            evidence = Concern(reason=AttentionReason.HOST, facts={"reason": given["reason"]})
        return workflow.fire(change.id, trigger, evidence, actor=actor)

    return call


REASON = Asked(
    name="reason",
    label={"zh": "原因", "en": "Reason"},
    help={"zh": "原因和你的用户名会保留在历史记录中。", "en": "It stays in the history, with your name."},
    is_long=True,
)

ACTS: Mapping[str, OperatorAct] = {
    SETTLE: OperatorAct(
        meaning={
            "zh": "立即查询 ITSM 中的单据；尚未提单时，会立即提单。到期的后置动作也会执行。",
            "en": "Asks the ticket system for the ticket now, or sends the request if it was not sent. Also delivers "
            "the effects that are due.",
        },
        asks=(),
        call=_settle,
    ),
    "submit": OperatorAct(
        meaning={"zh": "为草稿提单。", "en": "Files a ticket for the draft."}, asks=(), call=_method("submit")
    ),
    "record_ticket": OperatorAct(
        meaning={
            "zh": "将变更与你在 ITSM 中找到的单据绑定。",
            "en": "Binds the change request to a ticket that you found in the ticket system.",
        },
        asks=(
            Asked(name="sn", label={"zh": "单号", "en": "Ticket number"}),
            Asked(
                name="ticket_id",
                label={"zh": "单据 ID", "en": "Ticket id"},
                help={"zh": "仅当多个单据的单号相同时填写。", "en": "Only if several tickets have this number."},
                is_required=False,
            ),
            Asked(
                name="override",
                label={"zh": "原因", "en": "Reason"},
                help={
                    "zh": "仅当单据与提单内容不符时填写：说明为什么仍是这张单据。",
                    "en": "Only for a ticket that differs from what was sent: why it is the right one all the same.",
                },
                is_required=False,
                is_long=True,
            ),
        ),
        call=_method("record_ticket"),
    ),
    "resend": OperatorAct(
        meaning={
            "zh": "用同一个关联键重新提单。如果单据其实已存在，可能会有两张。如果已申请撤单，新单据也会被撤单。",
            "en": "Sends the request again with the same key. If a ticket exists after all, there may be two. If a "
            "withdrawal was requested, the new ticket is withdrawn as well.",
        },
        asks=(
            REASON,
            Asked(
                name="evidence",
                label={"zh": "依据", "en": "Evidence"},
                help={
                    "zh": "查询失败时填写：你在 ITSM 的哪里查过，结果如何。",
                    "en": "If the look-ups failed: where you looked in the ticket system itself, and what you found.",
                },
                is_required=False,
                required_for=AttentionReason.LOOKUP_FAILED,
            ),
        ),
        call=_method("resend"),
        is_dangerous=True,
    ),
    "attest_approval": OperatorAct(
        meaning={
            "zh": "你能写明单据已审批通过的依据，因此将变更置为通过。",
            "en": "Approves the change request, since you have evidence that its ticket was approved.",
        },
        asks=(
            Asked(name="ticket_id", label={"zh": "单据 ID", "en": "Ticket id"}),
            Asked(
                name="approver",
                label={"zh": "审批人", "en": "Approver"},
                help={"zh": "审批通过该单据的用户。", "en": "The user who approved the ticket."},
            ),
            Asked(
                name="evidence",
                label={"zh": "依据", "en": "Evidence"},
                help={
                    "zh": "审批通过的依据，会保留在历史记录中。",
                    "en": "What shows the approval; it stays in the history.",
                },
            ),
        ),
        call=_method("attest_approval"),
        is_dangerous=True,
    ),
    "withdraw": OperatorAct(
        meaning={
            "zh": "请求 ITSM 撤单；还不知道单据时，找到单据后再撤单。撤单后变更结束。",
            "en": "Asks the ticket system to withdraw the ticket, as soon as it is known; the change request ends when "
            "the ticket is withdrawn.",
        },
        asks=(REASON,),
        call=_method("withdraw"),
        is_dangerous=True,
    ),
    "accept_after_withdrawal": OperatorAct(
        meaning={
            "zh": "虽已申请撤单，仍以单据的结果为准。",
            "en": "Lets the ticket decide the change request although its withdrawal was requested.",
        },
        asks=(REASON,),
        call=_method("accept_after_withdrawal"),
        is_dangerous=True,
    ),
    "abandon": OperatorAct(
        meaning={
            "zh": "放弃变更，结果为未通过；如果已有单据，会撤单。",
            "en": "Gives the change request up: it ends as not approved, and its ticket, if it has one, is withdrawn.",
        },
        asks=(REASON,),
        call=_method("abandon"),
        is_dangerous=True,
    ),
    "clear_attention": OperatorAct(
        meaning={
            "zh": "标记为已处理，变更不再待人工处理。",
            "en": "Marks the change request as reviewed, so that it no longer asks for a person.",
        },
        asks=(REASON,),
        call=_method("clear_attention"),
    ),
    RETRY_EFFECT: OperatorAct(
        meaning={"zh": "再次执行已停止重试的后置动作。", "en": "Delivers an effect again that failed too often."},
        asks=(Asked(name="effect", label={"zh": "后置动作", "en": "Effect"}, choices=parked), REASON),
        call=_retry_effect,
    ),
}
"""The acts that are methods of `Workflow`, by their names; `Workflow.revise` needs the host's own form."""

_RAISE: Label = {"zh": "请人工查看该变更。", "en": "Asks a person to look at the change request."}
_OWN: Label = {"zh": "触发项目自定义流程的动作。", "en": "Fires a trigger of the project's own workflow."}


def overview_of(
    records: Records, change_id: str, *, actor: str | None, language: str
) -> tuple[Overview, BaseException | None]:
    """Return what a page shows of a change, and the error if the host's permission hook raised one.

    With such an error, the overview lists what the change itself allows; whether the person may do it is not known.

    Args:
        records: The changes.
        change_id: The change.
        actor: The person who looks; None if the page does not act.
        language: The language of the sentences, ``zh`` or ``en``.

    Raises:
        ItsmWorkflowError: The change cannot be read.
    """
    try:
        return records.overview(change_id, actor=actor, language=language), None
    except ItsmWorkflowError:
        raise
    except failures() as error:
        if actor is None:  # no hook was called
            raise
        return records.overview(change_id, language=language), error


def offered(definition: WorkflowDefinition, change: ChangeRequest, allowed: Sequence[str]) -> Mapping[str, OperatorAct]:
    """Return the acts that a person can carry out on a page now, by name.

    Args:
        definition: The workflow's definition.
        change: The change.
        allowed: What `Workflow.allowed` lists for the person.
    """
    acts = {name: act_of(definition, change, name) for name in (SETTLE, *allowed)}
    return {name: act for name, act in acts.items() if act is not None}


def act_of(definition: WorkflowDefinition, change: ChangeRequest, name: str) -> OperatorAct | None:
    """Return an act by its name in `Workflow.allowed`; None if a person cannot carry it out on a page."""
    if not name.startswith(_FIRE):
        act = ACTS.get(name)
        return None if act is None else attrs.evolve(act, asks=tuple(_asked_of(change, one) for one in act.asks))
    trigger = name.removeprefix(_FIRE).removesuffix(_END)
    rows = definition.rows(change.state, trigger)
    takes_decision = bool(rows) and all(Decision in row.evidence_types for row in rows)
    if trigger != Trigger.RAISE_ATTENTION and not takes_decision:
        return None  # its evidence is something that only the host can make
    meaning = _RAISE if trigger == Trigger.RAISE_ATTENTION else _OWN
    return OperatorAct(meaning=meaning, asks=(REASON,), call=_fire(trigger))


def _asked_of(change: ChangeRequest, asked: Asked) -> Asked:
    """Return a text that an act asks for as the machine requires it for this change."""
    reason = change.attention.reason if change.attention else None
    is_required = asked.is_required or (reason is not None and reason is asked.required_for)
    return attrs.evolve(asked, is_required=is_required)


def label_of(name: str, language: str) -> str:
    """Return the label of an act in a language; a trigger of the host has that of its name."""
    trigger = name.removeprefix(_FIRE).removesuffix(_END)
    return in_language(OPERATIONS.get(name) or TRIGGERS.get(trigger, {}), language, trigger.replace("_", " "))


def permissions_unknown(error: BaseException, language: str) -> str:
    """Return the text for a person about whom the host's permission hook raised an error, in a language."""
    return in_language(_PERMISSIONS_UNKNOWN, language, "").format(error=describe(error))


def reason_of(error: BaseException, language: str) -> str:
    """Return why an act on a change was not carried out, as a page shows it in a language.

    The library's own errors are sentences. A `RuntimeError` of the library says that a transaction is open, which only
    the host can have opened. Any other error is one of the host's functions, and is shown with its class.
    """
    if isinstance(error, ItsmWorkflowError) or type(error) is RuntimeError:
        return message_of(error, language)
    return describe(error)


def in_route(name: str) -> str:
    """Return the part of a route that names an act."""
    return name.removesuffix(_END).replace(_FIRE, _IN_ROUTE)


def from_route(part: str) -> str:
    """Return the act that a part of a route names."""
    return f"{_FIRE}{part.removeprefix(_IN_ROUTE)}{_END}" if part.startswith(_IN_ROUTE) else part
