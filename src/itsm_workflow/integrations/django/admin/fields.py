"""The form's fields of an act: the texts that it asks for, in the language of the request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from itsm_workflow.acts import LONGEST
from itsm_workflow.integrations.django.admin.words import label
from itsm_workflow.text import is_blank

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.acts import Asked, OperatorAct
    from itsm_workflow.change import ChangeRequest

_ROWS = 3


def fields_of(act: OperatorAct, change: ChangeRequest) -> Mapping[str, forms.Field]:
    """Return the fields of an act on a change, by name."""
    return {
        asked.name: forms.ChoiceField(label=label(asked.label, asked.name), choices=asked.choices(change))
        if asked.choices
        else text_field(asked)
        for asked in act.asks
    }


def text_field(asked: Asked) -> forms.CharField:
    """Return the field of a text that is not chosen from several."""
    return forms.CharField(
        label=label(asked.label, asked.name),
        required=asked.is_required,
        help_text=label(asked.help, ""),
        widget=forms.Textarea(attrs={"rows": _ROWS}) if asked.is_long else forms.TextInput(),
        max_length=LONGEST,
        validators=[_check_visible],
    )


def _check_visible(text: str) -> None:
    if is_blank(text):
        raise ValidationError(_("This text cannot be seen."), code="invisible")
