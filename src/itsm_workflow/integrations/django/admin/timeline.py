"""A change's history in words: each entry with its time, its actor, the states, and the facts of its evidence."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
from django.utils import timezone
from django.utils.translation import gettext as _

from itsm_workflow.bkapi.call_log import masked
from itsm_workflow.change import Decider, Form
from itsm_workflow.integrations.django.admin.words import label, state_label
from itsm_workflow.machine.labels import FACTS, FOR_PROGRAMS, TRIGGERS, VALUES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow.change import Entry
    from itsm_workflow.machine.definition import WorkflowDefinition

MOST = 200
"""The number of entries that a page shows, the last ones."""

_LONGEST = 400


def timeline(definition: WorkflowDefinition, entries: Sequence[Entry]) -> Sequence[Mapping[str, object]]:
    """Return what a page shows of each of the last entries, oldest first."""
    return [
        {
            "seq": entry.seq,
            "at": entry.at,
            "trigger": label(TRIGGERS.get(entry.trigger, {}), entry.trigger),
            "actor": entry.actor,
            "to": state_label(definition, entry.dest) if entry.dest != entry.source else "",
            "facts": [(name, text.removeprefix(f"{entry.change_id}.")) for name, text in facts_of(entry.evidence)],
        }
        for entry in entries[-MOST:]
    ]


def facts_of(evidence: object) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each fact in an entry's evidence, without what only programs need.

    A fact with its default value is left out: it says nothing.
    """
    kind: type = type(evidence)
    if attrs.has(kind):
        given = [(field.name, getattr(evidence, field.name), field.default) for field in attrs.fields(kind)]
    else:  # a type that this process does not have is read as a mapping
        given = [(str(name), value, None) for name, value in _pairs(evidence)]
    for name, value, default in given:
        is_empty = value is None or value == default or (isinstance(value, str | tuple) and not value)
        if name not in FOR_PROGRAMS and not is_empty:
            yield label(FACTS.get(name, {}), name.replace("_", " ")), text_of(name, value)


def text_of(name: str, value: object) -> str:
    """Return a value in words, at most a few hundred characters long; a secret is masked."""
    is_text = isinstance(value, Mapping | str) and not isinstance(value, enum.Enum)
    text = _text(masked({name: value})[name] if is_text else value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _pairs(evidence: object) -> Sequence[tuple[object, object]]:
    return list(evidence.items()) if isinstance(evidence, Mapping) else []


def _text(value: object) -> str:
    if isinstance(value, bool | enum.Enum):
        return label(VALUES.get(value, {}), str(value.value if isinstance(value, enum.Enum) else value))
    if isinstance(value, Form):
        return value.title
    if isinstance(value, Decider):
        return decider_text(value)
    if isinstance(value, dt.datetime):
        return f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_text(one)}" for name, one in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return "; ".join(map(_text, value))
    return str(value)


def decider_text(decider: Decider) -> str:
    """Return a person's verdict and remark in a step of a ticket."""
    words = {True: _("%s approved it"), False: _("%s refused it"), None: _("%s decided it")}
    return words[decider.approved] % decider.user + (f": {decider.remark}" if decider.remark else "")
