"""The list of changes: filters, search by the ticket's number, and pages that read no more than they show."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from itsm_workflow.change import AttentionReason
from itsm_workflow.integrations.django.admin.bulk import LABELS
from itsm_workflow.integrations.django.admin.pages import changes_of, rendered
from itsm_workflow.integrations.django.admin.words import attention_label, change_label, state_label, tone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest, HttpResponse

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.runtime.finding import FoundPage
    from itsm_workflow.workflow import Workflow

PAGE = 50
"""The number of changes on a page."""

ANY = "any"
_SPANS = {
    "1h": (dt.timedelta(hours=1), gettext_lazy("1 hour")),
    "1d": (dt.timedelta(days=1), gettext_lazy("1 day")),
    "7d": (dt.timedelta(days=7), gettext_lazy("7 days")),
    "30d": (dt.timedelta(days=30), gettext_lazy("30 days")),
}
_LONGEST = 255


class FilterForm(forms.Form):
    """The filters of the list."""

    sn = forms.CharField(required=False, label=gettext_lazy("Ticket number"), max_length=_LONGEST)
    subject = forms.CharField(required=False, label=gettext_lazy("Subject"), max_length=_LONGEST, strip=False)
    state = forms.ChoiceField(required=False, label=gettext_lazy("State"))
    attention = forms.ChoiceField(required=False, label=gettext_lazy("Attention"))
    age = forms.ChoiceField(required=False, label=gettext_lazy("Unchanged for at least"))
    drafted = forms.ChoiceField(required=False, label=gettext_lazy("Made in the last"))
    after = forms.CharField(required=False, max_length=_LONGEST, widget=forms.HiddenInput)

    def __init__(self, data: Mapping[str, str], definition: WorkflowDefinition) -> None:
        super().__init__(data)
        everything = ("", _("all"))
        spans = [(key, text) for key, (_span, text) in _SPANS.items()]
        reasons = [(one.value, attention_label(one)) for one in AttentionReason]
        choices = {
            "state": [everything, *((one.value, state_label(definition, one.value)) for one in definition.states)],
            "attention": [everything, (ANY, _("any reason")), *reasons],
            "age": [everything, *spans],
            "drafted": [everything, *spans],
        }
        for name, listed in choices.items():
            self.fields[name].choices = listed

    def filters(self) -> dict[str, Any]:
        """Return the arguments of `Workflow.find_page`."""
        given = self.cleaned_data
        attention, age, drafted = given["attention"], given["age"], given["drafted"]
        reasons = list(AttentionReason) if attention == ANY else [attention]
        return {
            "sn": given["sn"] or None,
            "subject": given["subject"] or None,
            "states": [given["state"]] if given["state"] else None,
            "attention": reasons if attention else None,
            "older_than": _SPANS[age][0] if age else None,
            "drafted_within": _SPANS[drafted][0] if drafted else None,
            "after": given["after"] or None,
        }


def list_page(admin: ModelAdmin, request: HttpRequest, workflow: Workflow) -> HttpResponse:
    """Return the page with the changes that match the filters of the request."""
    form = FilterForm(request.GET, workflow.definition)
    found = _found(request, workflow, form)
    following = request.GET.copy()
    following["after"] = (found and found.next) or ""
    first = request.GET.copy()
    first.pop("after", None)
    return rendered(
        admin,
        request,
        "list",
        changes_of(admin, workflow),
        form=form,
        is_filtered=any(text for name, text in first.items()),
        rows=list(_rows(workflow.definition, found)) if found else [],
        unreadable=[{"id": one, "error": str(error)} for one, error in found.unreadable.items()] if found else [],
        bulk=[(name, label) for name, (label, _meaning) in LABELS.items()]
        if admin.has_change_permission(request)
        else [],
        next=f"?{following.urlencode()}" if found and found.next else "",
        first=f"?{first.urlencode()}" if request.GET.get("after") else "",
    )


def _found(request: HttpRequest, workflow: Workflow, form: FilterForm) -> FoundPage | None:
    """Return the page that was asked for; None, with a message, if no page can match."""
    if not form.is_valid():
        for name, problems in form.errors.items():
            messages.error(request, f"{form.fields[name].label or name}: {' '.join(problems)}")
        return None
    try:
        return workflow.find_page(limit=PAGE, **form.filters())
    except ValueError as error:
        messages.error(request, _("This page cannot be shown: %s") % error)
        return None


def _rows(definition: WorkflowDefinition, found: FoundPage) -> Iterator[Mapping[str, object]]:
    return (row_of(definition, change) for change in found.changes)


def row_of(definition: WorkflowDefinition, change: ChangeRequest) -> Mapping[str, object]:
    """Return what a list shows of a change."""
    return {
        "id": change.id,
        "subject": change.subject,
        "title": change.form.title,
        "applicant": change.form.applicant,
        "state": change_label(definition, change),
        "tone": tone(definition, change.state),
        "attention": attention_label(change.attention.reason) if change.attention else "",
        "sn": change.sn or "",
        "updated_at": change.updated_at,
    }
