"""A change's history in words: each entry with its time, its actor, the states, and the facts of its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

from itsm_workflow.integrations.django.admin.words import language, state_label
from itsm_workflow.pictures import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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
            "trigger": words.headline_of(entry, language()),
            "actor": entry.actor,
            "to": state_label(definition, entry.dest) if entry.dest != entry.source else "",
            "facts": [(name, text.removeprefix(f"{entry.change_id}.")) for name, text in facts_of(entry.evidence)],
        }
        for entry in entries[-MOST:]
    ]


def facts_of(evidence: object) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each fact in an entry's evidence, without what only programs need."""
    facts = words.facts_of(evidence, language(), timezone.get_current_timezone())
    return ((name, _cut(text)) for name, text in facts)


def text_of(name: str, value: object) -> str:
    """Return a value in words, at most a few hundred characters long; a secret is masked."""
    return _cut(words.text_of(name, value, language(), timezone.get_current_timezone()))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
