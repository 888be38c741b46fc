"""The page that confirms an act: what it does, to which change, and why. It acts by POST only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.http import HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from itsm_workflow.acts import MOVED, from_route, label_of, offered, permissions_unknown, reason_of
from itsm_workflow.errors import InvalidForm
from itsm_workflow.failures import failures
from itsm_workflow.integrations.django.admin.fields import fields_of
from itsm_workflow.integrations.django.admin.pages import logger, rendered
from itsm_workflow.integrations.django.admin.words import change_label, label, language, tone
from itsm_workflow.machine.messages import rule_of

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest, HttpResponse

    from itsm_workflow.acts import OperatorAct
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.workflow import Workflow

_SEEN = "seen"


class OperationForm(forms.Form):
    """The form of an act on a change as the operator has seen it."""

    data: Any  # of the request; Django replaces it as well
    seen = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def __init__(self, data: Any, act: OperatorAct, change: ChangeRequest) -> None:  # noqa: ANN401 - of a request
        super().__init__(data, initial={_SEEN: change.updated_at.isoformat()})
        self._seen = change.updated_at.isoformat()
        self.fields.update(fields_of(act, change))

    def clean(self) -> dict[str, Any]:
        """Reject an act on a change that has moved since the page was shown."""
        given = dict(super().clean() or {})
        if given.pop(_SEEN, None) != self._seen:
            self.data = {**self.data.dict(), _SEEN: self._seen}
            raise forms.ValidationError(label(MOVED, ""))
        return given


def operation_page(
    admin: ModelAdmin, request: HttpRequest, workflow: Workflow, change_id: str, operation: str
) -> HttpResponse:
    """Return the page that confirms an act; a POST with a valid form carries it out."""
    change, actor, name = workflow.get(change_id), request.user.get_username(), from_route(operation)
    back = HttpResponseRedirect(reverse("admin:itsm_workflow_change_change", args=[change_id]))
    try:
        allowed = workflow.allowed(change_id, actor=actor)
    except failures() as error:  # the host's permission hook may raise anything
        logger.exception("The permissions of %s for change %s could not be asked.", actor, change_id)
        messages.error(request, permissions_unknown(error, language()))
        return back
    chosen = offered(workflow.definition, change, allowed).get(name)
    title = label_of(name, language())
    if chosen is None:
        messages.error(request, _("“%s” is not possible for this change request now.") % title)
        return back
    form = OperationForm(request.POST if request.method == "POST" else None, chosen, change)
    if form.is_valid() and _carried_out(request, workflow, chosen, change, form, title):
        return back
    return rendered(
        admin,
        request,
        "operation",
        title,
        form=form,
        change=change,
        meaning=label(chosen.meaning, ""),
        is_dangerous=chosen.is_dangerous,
        state=change_label(workflow.definition, change),
        tone=tone(workflow.definition, change.state),
    )


def _carried_out(  # noqa: PLR0917 - private
    request: HttpRequest,
    workflow: Workflow,
    chosen: OperatorAct,
    change: ChangeRequest,
    form: OperationForm,
    title: str,
) -> bool:
    """Carry the act out, and return whether it was; a refusal is shown at the form."""
    actor = request.user.get_username()
    try:
        after = chosen.call(workflow, change, actor, form.cleaned_data)
    except InvalidForm as error:
        for field, _value, rule in error.problems:
            form.add_error(field if field in form.fields else None, f"{field}: {rule_of(rule, language())}")
        return False
    except failures() as error:  # a refusal; or what a function of the project raises, such as its permission hook
        logger.warning("The operation %r of %s on change %s was refused: %s", title, actor, change.id, error)
        form.add_error(None, reason_of(error, language()))
        return False
    done = _("“%(operation)s” was carried out; the change request is now: %(state)s.")
    messages.success(request, done % {"operation": title, "state": change_label(workflow.definition, after)})
    for one in after.effects:
        if one.error and one.attempts > {each.id: each.attempts for each in change.effects}.get(one.id, 0):
            messages.warning(
                request, _("The effect %(name)s failed: %(error)s") % {"name": one.name, "error": one.error}
            )
    return True
