"""The operations that an operator carries out on a change: which are allowed now, what each asks for, and its call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from itsm_workflow.change import AttentionReason, EffectStatus
from itsm_workflow.integrations.django.admin.words import label
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.evidence import Concern, Decision
from itsm_workflow.machine.labels import OPERATIONS, TRIGGERS
from itsm_workflow.text import is_invisible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.workflow import Workflow

    Call = Callable[[Workflow, ChangeRequest, str, Mapping[str, Any]], ChangeRequest]

SETTLE, RETRY_EFFECT = "settle", "retry_effect"
_LONGEST = 1000


def _text(text: object, *, required: bool = True, help_text: object = "", rows: int = 0) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": rows}) if rows else forms.TextInput()
    return forms.CharField(
        label=text,
        required=required,
        help_text=help_text,
        widget=widget,
        max_length=_LONGEST,
        validators=[_check_visible],
    )


def _check_visible(text: str) -> None:
    if all(is_invisible(character) or character.isspace() for character in text):
        raise ValidationError(_("This text cannot be seen."), code="invisible")


def reason_field() -> forms.CharField:
    """Return the field of the reason, which is required."""
    return _text(_("Reason"), help_text=_("It stays in the history, with your name."), rows=3)


@attrs.frozen(kw_only=True)
class Operation:
    """An operation that an operator carries out on a change.

    Attributes:
        meaning: What it does, in one sentence.
        fields: Returns the fields of its form for a change.
        call: Carries it out, for an actor, with the cleaned fields.
        is_dangerous: Whether its button is red: it ends the change, or what it did cannot be taken back.
    """

    meaning: object
    fields: Callable[[ChangeRequest], Mapping[str, forms.Field]]
    call: Call
    is_dangerous: bool = False


def _with_reason(_change: ChangeRequest) -> Mapping[str, forms.Field]:
    return {"reason": reason_field()}


def _method(name: str) -> Call:
    """Return the call of a method whose arguments are named as the fields are; empty optional ones are left out."""

    def call(workflow: Workflow, change: ChangeRequest, actor: str, given: Mapping[str, Any]) -> ChangeRequest:
        changed: ChangeRequest = getattr(workflow, name)(
            change.id, actor=actor, **{field: value for field, value in given.items() if value}
        )
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


def parked(change: ChangeRequest) -> Sequence[tuple[str, str]]:
    """Return the ids and the names of the effects that a person can retry."""
    return [(one.id, one.name) for one in change.effects if one.status is EffectStatus.PARKED]


OPERATIONS_OF_METHODS: Mapping[str, Operation] = {
    SETTLE: Operation(
        meaning=_("Asks the ticket system for the ticket now, and delivers the effects that are due."),
        fields=lambda _change: {},
        call=_settle,
    ),
    "submit": Operation(meaning=_("Files a ticket for the draft."), fields=lambda _change: {}, call=_method("submit")),
    "record_ticket": Operation(
        meaning=_("Binds the change request to a ticket that you found in the ticket system."),
        fields=lambda _change: {
            "sn": _text(_("Ticket number")),
            "ticket_id": _text(
                _("Ticket id"), required=False, help_text=_("Only if several tickets have this number.")
            ),
            "override": _text(
                _("Reason"),
                required=False,
                help_text=_("Only for a ticket that differs from what was sent: why it is the right one all the same."),
                rows=3,
            ),
        },
        call=_method("record_ticket"),
    ),
    "resend": Operation(
        meaning=_("Sends the request again with the same key. If a ticket exists after all, there may be two."),
        fields=lambda _change: {
            "reason": reason_field(),
            "evidence": _text(
                _("Evidence"),
                required=False,
                help_text=_(
                    "If the look-ups failed: where you looked in the ticket system itself, and what you found."
                ),
            ),
        },
        call=_method("resend"),
        is_dangerous=True,
    ),
    "attest_approval": Operation(
        meaning=_("Approves the change request, since you have evidence that its ticket was approved."),
        fields=lambda _change: {
            "ticket_id": _text(_("Ticket id")),
            "approver": _text(_("Approver"), help_text=_("The user who approved the ticket.")),
            "evidence": _text(_("Evidence"), help_text=_("What shows the approval; it stays in the history.")),
        },
        call=_method("attest_approval"),
        is_dangerous=True,
    ),
    "withdraw": Operation(
        meaning=_("Asks the ticket system to withdraw the ticket; the change request ends when it is withdrawn."),
        fields=_with_reason,
        call=_method("withdraw"),
        is_dangerous=True,
    ),
    "accept_after_withdrawal": Operation(
        meaning=_("Lets the ticket decide the change request although its withdrawal was requested."),
        fields=_with_reason,
        call=_method("accept_after_withdrawal"),
        is_dangerous=True,
    ),
    "abandon": Operation(
        meaning=_("Gives the change request up; it ends as not approved."),
        fields=_with_reason,
        call=_method("abandon"),
        is_dangerous=True,
    ),
    "clear_attention": Operation(
        meaning=_("Notes that you have looked at the change request, and clears its attention."),
        fields=_with_reason,
        call=_method("clear_attention"),
    ),
    RETRY_EFFECT: Operation(
        meaning=_("Delivers an effect again that failed too often."),
        fields=lambda change: {
            "effect": forms.ChoiceField(label=_("Effect"), choices=parked(change)),
            "reason": reason_field(),
        },
        call=_retry_effect,
    ),
}
"""The operations that are methods of `Workflow`, by their names; `Workflow.revise` needs the project's own form."""

_FIRE, _END = "fire(", ")"


def buttons(workflow: Workflow, change: ChangeRequest, allowed: Sequence[str]) -> Sequence[Mapping[str, object]]:
    """Return the operations that a person may carry out on a change now, with their labels.

    Args:
        workflow: The workflow.
        change: The change.
        allowed: What `Workflow.allowed` lists for the person.
    """
    names = [SETTLE, *allowed]
    found = [(name, operation_of(workflow, change, name)) for name in names]
    return [
        {"name": _in_route(name), "label": operation_label(name), "is_dangerous": operation.is_dangerous}
        for name, operation in found
        if operation is not None
    ]


def operation_of(workflow: Workflow, change: ChangeRequest, name: str) -> Operation | None:
    """Return an operation by its name in `Workflow.allowed`; None if a person cannot carry it out on a page."""
    if not name.startswith(_FIRE):
        return OPERATIONS_OF_METHODS.get(name)
    trigger = name.removeprefix(_FIRE).removesuffix(_END)
    rows = workflow.definition.rows(change.state, trigger)
    takes_decision = bool(rows) and all(Decision in row.evidence_types for row in rows)
    if trigger != Trigger.RAISE_ATTENTION and not takes_decision:
        return None  # its evidence is something that only the project can make
    meaning = (
        _("Asks a person to look at the change request.")
        if trigger == Trigger.RAISE_ATTENTION
        else _("Fires a trigger of the project's own workflow.")
    )
    return Operation(meaning=meaning, fields=_with_reason, call=_fire(trigger))


def operation_label(name: str) -> str:
    """Return the label of an operation; a trigger of the project has that of its name."""
    trigger = name.removeprefix(_FIRE).removesuffix(_END)
    return label(OPERATIONS.get(name) or TRIGGERS.get(trigger, {}), trigger.replace("_", " "))


def _in_route(name: str) -> str:
    """Return the part of a route that names an operation."""
    return name.removesuffix(_END).replace(_FIRE, "fire-")


def from_route(part: str) -> str:
    """Return the operation that a part of a route names."""
    return f"{_FIRE}{part.removeprefix('fire-')}{_END}" if part.startswith("fire-") else part
