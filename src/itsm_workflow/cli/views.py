"""Changes as JSON documents, whose keys are stable, and their values as short texts for people."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import Decider, Form
from itsm_workflow.cli.language import language
from itsm_workflow.machine.labels import (
    ATTENTION_FACTS,
    FACTS,
    FOR_PROGRAMS,
    VALUES,
    in_language,
    labels_of,
    state_label,
)
from itsm_workflow.machine.problems import problem_label
from itsm_workflow.pictures.words import headline_of
from itsm_workflow.runtime.json_views import plain, shown
from itsm_workflow.runtime.status import describe_decider
from itsm_workflow.secrets import STARS, names_secret

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest, Entry
    from itsm_workflow.machine.definition import WorkflowDefinition


def change_view(definition: WorkflowDefinition, change: ChangeRequest) -> dict[str, object]:
    """Return a change as a JSON object; its keys are documented and stable."""
    ticket, attempt = change.ticket, change.attempt
    return {
        "id": change.id,
        "workflow": change.workflow,
        "subject": change.subject,
        "state": change.state,
        "grants": definition.is_granting(change.state),
        "labels": plain(labels_of(definition, change)),
        "outcome": plain(change.outcome),
        "decision": plain(change.decision),
        "sn": change.sn,
        "ticket_id": ticket.id if ticket else None,
        "ticket_url": change.ticket_url or None,
        "title": change.form.title,
        "applicant": change.form.applicant,
        "approvers": list(change.form.approvers),
        "content": change.form.content,
        "fields": shown(change.form.fields),
        "attention": shown(change.attention),
        "attempt": {
            "key": attempt.key,
            "number": attempt.number,
            "phase": attempt.phase.value,
            "problem": attempt.problem,
            "look_problem": attempt.look_problem,
        }
        if attempt
        else None,
        "effects": plain(change.effects),
        "created_at": plain(change.created_at),
        "updated_at": plain(change.updated_at),
        "ended_at": plain(change.ended_at),
    }


def moment(value: dt.datetime | None) -> str:
    """Return a time for people, in UTC."""
    return f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}" if value else ""


def state_text(definition: WorkflowDefinition, state: str) -> str:
    """Return a state for people: its name in English, its label in any other language."""
    return state if language() == "en" or not state else state_label(definition, state, language())


def trigger_text(entry: Entry) -> str:
    """Return the trigger of an entry for people, likewise: its label says what the entry records."""
    return entry.trigger if language() == "en" else headline_of(entry, language())


def evidence_text(evidence: object) -> str:
    """Return an entry's evidence in words, without the values that only programs need. Nothing is cut."""
    kind: type = type(evidence)
    if attrs.has(kind):
        pairs = [
            (field.name, getattr(evidence, field.name))
            for field in attrs.fields(kind)
            if field.name not in FOR_PROGRAMS and getattr(evidence, field.name) != field.default
        ]
    else:
        pairs = list(evidence.items()) if isinstance(evidence, Mapping) else []
    texts = ((name, value_text(value, name)) for name, value in pairs if value is not None and value != "")
    return ", ".join(f"{_fact(name)} {text}" for name, text in texts)


def _fact(name: str) -> str:
    return name if language() == "en" else in_language(FACTS.get(name, {}), language(), name)


def attention_fact(name: str) -> str:
    """Return the name of a fact of a reason for attention."""
    return name if language() == "en" else in_language(ATTENTION_FACTS.get(name, {}), language(), name)


def value_text(value: object, name: str = "") -> str:
    """Return a value in words. A secret is masked by the name of its key, at any depth, as in the log.

    Args:
        value: The value.
        name: The key of the value.
    """
    if names_secret(name.lower()):
        return STARS
    if isinstance(value, Form):
        value = value.title
    if isinstance(value, tuple) and value and all(isinstance(one, Decider) for one in value):
        return ", ".join(describe_decider(one, language()) for one in value)
    if isinstance(value, Mapping):
        return " ".join(f"{key}={value_text(item, str(key))}" for key, item in value.items())
    if name == "problem" and isinstance(value, str):
        return in_language(problem_label(value), language(), value)
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(value_text(item, name) for item in value)
    if isinstance(value, bool) or (language() != "en" and isinstance(value, enum.Enum) and value in VALUES):
        return in_language(VALUES[value], language(), "")
    return str(shown(value))
