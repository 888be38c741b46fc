"""One operation on several changes: a page that says what would be done, and then does it if the user confirms."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import attrs
from django import forms
from django.contrib import messages
from django.http import HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from itsm_workflow.acts import REASON, RETRY_EFFECT, SETTLE, parked, reason_of
from itsm_workflow.change import AttentionReason
from itsm_workflow.failures import failures
from itsm_workflow.integrations.django.admin.fields import text_field
from itsm_workflow.integrations.django.admin.pages import logger, rendered
from itsm_workflow.integrations.django.admin.words import change_label, language, tone
from itsm_workflow.text import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest, HttpResponse

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.workflow import Workflow

    Step = tuple[str, Callable[[str], ChangeRequest]]

MOST = 100
"""The number of changes that can be chosen together."""

SECONDS = 20.0
"""The time after which no further change is begun, so that the request is answered."""

RETRY, RESEND = "retry", "resend"
LABELS: Mapping[str, tuple[object, object]] = {
    SETTLE: (
        gettext_lazy("Look at the tickets now"),
        gettext_lazy("Asks the ticket system for each ticket now, and delivers the effects that are due."),
    ),
    RETRY: (
        gettext_lazy("Retry"),
        gettext_lazy(
            "Delivers the effects again that failed too often, and sends the requests again whose tickets the look-ups "
            "did not find."
        ),
    ),
}
"""By operation, its label and what it does."""


class BulkForm(forms.Form):
    """The reason for an operation on several changes."""

    def __init__(self, data: Any) -> None:  # noqa: ANN401 - of a request
        super().__init__(data)
        self.fields[REASON.name] = text_field(REASON)


@attrs.frozen(kw_only=True)
class _Chosen:
    """A change that was chosen, with the steps that would be carried out on it."""

    id: str
    change: ChangeRequest | None = None
    steps: Sequence[Step] = ()
    problem: str = ""
    is_error: bool = False

    @property
    def token(self) -> str:
        """The id, and what the user has seen of the change."""
        return f"{self.id} {self.change.updated_at.isoformat() if self.change else ''}"


def bulk_page(admin: ModelAdmin, request: HttpRequest, workflow: Workflow, kind: str) -> HttpResponse:
    """Return the page that says what would be done to the chosen changes; a confirmed POST does it."""
    tokens = _tokens(request)
    if kind not in LABELS or not tokens:
        messages.error(request, _("Choose at least one change request."))
        return HttpResponseRedirect(reverse("admin:itsm_workflow_change_changelist"))
    if len(tokens) > MOST:
        messages.error(request, _("Choose at most %s change requests.") % MOST)
        return HttpResponseRedirect(reverse("admin:itsm_workflow_change_changelist"))
    is_confirmed = "confirm" in request.POST
    form = BulkForm(request.POST if is_confirmed else None) if kind == RETRY else None
    is_done = is_confirmed and (form is None or form.is_valid())
    actor, reason = request.user.get_username(), form.cleaned_data[REASON.name] if form is not None and is_done else ""
    chosen = [_chosen(workflow, kind, change_id, actor) for change_id in tokens]
    if is_done:
        rows = list(_carried_out(workflow, chosen, tokens, reason, actor))
    else:
        rows = [_row(workflow, one, "; ".join(name for name, _call in one.steps) or one.problem) for one in chosen]
    label, meaning = LABELS[kind]
    return rendered(
        admin,
        request,
        "bulk",
        str(label),
        meaning=meaning,
        rows=rows,
        form=form,
        is_done=is_done,
        tokens=[one.token for one in chosen],
        can_be_done=any(one.steps for one in chosen),
    )


def _tokens(request: HttpRequest) -> Mapping[str, str]:
    """Return the ids of the chosen changes, each with what the user has seen of it; empty on the first page."""
    names = request.POST.getlist("page" if "whole" in request.POST else "chosen")
    pairs = [name.partition(" ") for name in names]
    return {change_id: seen for change_id, _, seen in pairs if change_id}


def _chosen(workflow: Workflow, kind: str, change_id: str, actor: str) -> _Chosen:
    """Read a change, and return what would be done to it; nothing is stored or sent."""
    change = None
    try:
        change = workflow.get(change_id)
        steps = list(_steps(workflow, kind, change, actor))
        problem = "" if steps else _("nothing to retry")
    except failures() as error:  # it cannot be read; or the host's permission hook raised something
        logger.warning("Change %s could not be examined for %s: %s", change_id, actor, describe(error))
        return _Chosen(id=change_id, change=change, problem=reason_of(error, language()), is_error=True)
    return _Chosen(id=change_id, change=change, steps=steps, problem=problem)


def _steps(workflow: Workflow, kind: str, change: ChangeRequest, actor: str) -> Iterator[Step]:
    if kind == SETTLE:
        yield _("would be looked at"), lambda _reason: workflow.settle(change.id)
        return
    allowed = workflow.allowed(change.id, actor=actor)
    if RETRY_EFFECT in allowed:
        for effect_id, name in parked(change):
            yield _("effect %s would be delivered again") % name, _retry(workflow, change, effect_id, actor)
    # After failed look-ups, a person needs evidence for each change, so those are sent again one by one.
    if RESEND in allowed and change.attention is not None and change.attention.reason is AttentionReason.NOT_FOUND:
        yield (
            _("the request would be sent again"),
            lambda reason: workflow.resend(change.id, actor=actor, reason=reason),
        )


def _retry(workflow: Workflow, change: ChangeRequest, effect_id: str, actor: str) -> Callable[[str], ChangeRequest]:
    return lambda reason: workflow.retry_effect(change.id, effect_id, actor=actor, reason=reason)


def _carried_out(
    workflow: Workflow, chosen: Sequence[_Chosen], tokens: Mapping[str, str], reason: str, actor: str
) -> Iterator[Mapping[str, object]]:
    """Carry out the steps change by change, and yield what a page shows of each."""
    end = time.monotonic() + SECONDS
    for one in chosen:
        if one.change is None or not one.steps:
            yield _row(workflow, one, one.problem)
        elif time.monotonic() >= end:
            yield _row(workflow, one, _("not begun, since the time was used up"))
        elif tokens[one.id] != one.change.updated_at.isoformat():
            yield _row(workflow, one, _("not done: it has moved since"))
        else:
            yield _done(workflow, one, reason, actor)


def _done(workflow: Workflow, one: _Chosen, reason: str, actor: str) -> Mapping[str, object]:
    after = before = one.change
    try:
        for _name, call in one.steps:
            after = call(reason)
    except failures() as error:  # a refusal; or what a function of the project raises, such as its permission hook
        logger.warning("An operation of %s on change %s was refused: %s", actor, one.id, describe(error))
        return _row(workflow, one, reason_of(error, language()), is_error=True)
    tried = {effect.id: effect.attempts for effect in before.effects} if before else {}
    errors = [effect.error for effect in (after.effects if after else ()) if effect.attempts > tried.get(effect.id, 0)]
    problem = "; ".join(filter(None, errors))
    text = _("done") if after != before else _("done; nothing is new")
    return _row(workflow, attrs.evolve(one, change=after), problem or text, is_error=bool(problem))


def _row(workflow: Workflow, one: _Chosen, text: str, *, is_error: bool = False) -> Mapping[str, object]:
    change, definition = one.change, workflow.definition
    return {
        "id": one.id,
        "subject": change.subject if change else one.id,
        "is_known": change is not None,
        "state": change_label(definition, change) if change else "",
        "tone": tone(definition, change.state) if change else "ended",
        "text": text,
        "is_error": is_error or one.is_error,
    }
