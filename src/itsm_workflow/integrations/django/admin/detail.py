"""The page of one change: where it is and what it waits for, its facts, its form, and its history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from itsm_workflow.acts import in_route, label_of, offered, overview_of, permissions_unknown
from itsm_workflow.bkapi.call_log import masked
from itsm_workflow.integrations.django.admin.pages import logger, rendered
from itsm_workflow.integrations.django.admin.timeline import MOST, text_of, timeline
from itsm_workflow.integrations.django.admin.words import attention_label, change_label, label, language, tone
from itsm_workflow.machine.labels import EFFECTS, OUTCOMES
from itsm_workflow.machine.problems import problem_label, problems_of
from itsm_workflow.pictures.graph_svg import picture
from itsm_workflow.pictures.words import decision_text
from itsm_workflow.secrets import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest, HttpResponse

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.workflow import Workflow


def change_page(admin: ModelAdmin, request: HttpRequest, workflow: Workflow, change_id: str) -> HttpResponse:
    """Return the page of a change."""
    definition, may_act = workflow.definition, admin.has_change_permission(request)
    actor = request.user.get_username() if may_act else None
    seen, error = overview_of(workflow, change_id, actor=actor, language=language())
    if error is not None:
        logger.error("The permissions of %s for change %s could not be asked.", actor, change_id, exc_info=error)
        messages.error(request, permissions_unknown(error, language()))
        may_act = False
    change, entries = seen.change, seen.history
    state = change_label(definition, change)
    title = _("The workflow; the current state is %s") % state
    drawing = picture(
        definition, entries, title=title, language=language(), is_plain=True, zone=timezone.get_current_timezone()
    )
    return rendered(
        admin,
        request,
        "change",
        change.subject,
        change=change,
        state=state,
        tone=tone(definition, change.state),
        attention=_attention(change),
        why=seen.why,
        buttons=_buttons(definition, change, seen.allowed) if may_act else (),
        picture=mark_safe(drawing),  # noqa: S308 - it escapes its texts
        facts=[(name, text) for name, text in _facts(change) if text],
        ticket_url=seen.status.ticket_url,
        form=_form(change),
        effects=[(one, label(EFFECTS[one.status], one.status.value)) for one in change.effects],
        timeline=timeline(definition, entries),
        left_out=max(len(entries) - MOST, 0),
    )


def _buttons(
    definition: WorkflowDefinition, change: ChangeRequest, allowed: Sequence[str]
) -> Sequence[Mapping[str, object]]:
    return [
        {"name": in_route(name), "label": label_of(name, language()), "is_dangerous": act.is_dangerous}
        for name, act in offered(definition, change, allowed).items()
    ]


def _attention(change: ChangeRequest) -> Mapping[str, object] | None:
    attention = change.attention
    if attention is None:
        return None
    return {
        "label": attention_label(attention.reason),
        "since": attention.since,
        "facts": [(name, text_of(name, text)) for name, text in attention.facts.items()],
    }


def _facts(change: ChangeRequest) -> Iterator[tuple[str, object]]:
    decision, attempt = change.decision, change.attempt
    yield _("Id"), change.id
    yield _("Outcome"), label(OUTCOMES[change.outcome], change.outcome.value) if change.outcome else ""
    if decision is not None:
        yield _("Decided by"), "; ".join(decision_text(one, language()) for one in decision.deciders)
        attested = _("%(actor)s attests it: %(evidence)s")
        if decision.attested_by:
            yield _("Attested by"), attested % {"actor": decision.attested_by, "evidence": decision.evidence}
    yield _("Ticket id"), change.ticket.id if change.ticket else ""
    if attempt is not None:
        yield _("Key"), attempt.key
        yield _("Attempts"), attempt.number
        problem, look_problem = (label(problem_label(one), one) for one in problems_of(attempt))
        yield _("Last problem"), problem
        yield _("Last look-up"), look_problem
    yield _("Made"), change.created_at
    yield _("Last entry"), change.updated_at
    yield _("Ended"), change.ended_at


def _form(change: ChangeRequest) -> Sequence[tuple[str, str]]:
    """Return the form as names and texts; secrets in it are masked, as in the log."""
    form = change.form
    fixed = [
        (_("Title"), form.title),
        (_("Applicant"), form.applicant),
        (_("Approvers"), ", ".join(form.approvers)),
        (_("Content"), form.content),
    ]
    own = masked({**form.fields, **change.data}).items()
    return [(name, without_secrets(text)) for name, text in fixed if text] + [(name, str(value)) for name, value in own]
