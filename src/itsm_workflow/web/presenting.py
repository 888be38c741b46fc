"""The parts of a change that the pages show: its state, ages, sentence, history in words, and form."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import TYPE_CHECKING

import attrs
from markupsafe import Markup, escape

from itsm_workflow.bkapi.call_log import masked
from itsm_workflow.change import AttentionReason, EffectStatus
from itsm_workflow.machine.evidence import EffectResult, Snapshot
from itsm_workflow.machine.labels import ATTENTION, EFFECTS, OUTCOMES, VALUES, change_label, in_language
from itsm_workflow.machine.labels import state_label as label_of_state
from itsm_workflow.machine.problems import problem_label
from itsm_workflow.machine.self_approval import reasons_of
from itsm_workflow.machine.sentences import SENTENCES
from itsm_workflow.pictures.ink import meaning_of
from itsm_workflow.pictures.reading import read
from itsm_workflow.pictures.words import attention_text, decision_text, duration_text
from itsm_workflow.runtime.json_views import entry_view
from itsm_workflow.secrets import without_secrets
from itsm_workflow.web.words import words_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow.change import Attention, ChangeRequest, Entry, PlannedEffect
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.pictures.reading import Step
    from itsm_workflow.policy import Policy
    from itsm_workflow.runtime.overview import Overview

ENTRIES = 300
"""The number of steps of a history that a page shows, the last ones."""

STOPS = 8
"""The number of states on its way that the page of a change lists above the picture."""

LONGEST = 20_000
"""The number of characters that are shown of an entry as JSON."""

_COMMAND = re.compile("`(itsm-workflow [a-z -]{1,20})`([，。；：、）,.;:)]*)")
_OPTION = re.compile(r"(?<![^ ])(--[a-z-]+)(?![^ ，；。])")
_CLOSED = re.compile(r"(?<=[\w./:-]{12})([\w./:-]{4}[，。；：、）]+)", re.ASCII)

_PAGES = ("https://", "http://")


@attrs.frozen(kw_only=True)
class Reader:
    """The person who reads a page.

    Attributes:
        language: The language, ``zh`` or ``en``.
        zone: The zone of the times.
        now: The time at which the page is made.
    """

    language: str
    zone: dt.tzinfo
    now: dt.datetime

    def words(self, code: str, **values: object) -> str:
        """Return words of a page."""
        return words_in(self.language, code, **values)

    def exactly(self, at: dt.datetime) -> str:
        """Return a time to the second, with its zone."""
        local = at.astimezone(self.zone)
        return f"{local:%Y-%m-%d %H:%M:%S} {local.tzname() or ''}".rstrip()

    def since(self, at: dt.datetime) -> str:
        """Return how long ago a time is, or how far ahead."""
        passed = self.now - at
        age = duration_text(abs(passed), self.language)
        return self.words("ago" if passed >= dt.timedelta(0) else "ahead", age=age)

    def reason(self, reason: AttentionReason) -> str:
        """Return the label of a reason for attention."""
        return in_language(ATTENTION[reason], self.language, reason.value)

    def problem(self, problem: str) -> str:
        """Return a problem of a submission; one that the ticket system or the host reported as it is."""
        return in_language(problem_label(problem), self.language, problem)

    def attention(self, attention: Attention | None) -> str:
        """Return the reason why a person should look, or that a person no longer has to."""
        return attention_text(attention, self.language)


@attrs.frozen
class Badge:
    """A state in words, with the meaning that decides its colour and its shape."""

    text: str
    meaning: str


def badge(definition: WorkflowDefinition, change: ChangeRequest, reader: Reader) -> Badge:
    """Return the badge of a change."""
    return Badge(change_label(definition, change, reader.language), meaning_of(definition, change.state).value)


def state_badge(definition: WorkflowDefinition, state: str, reader: Reader) -> Badge:
    """Return the badge of a state."""
    return Badge(label_of_state(definition, state, reader.language), meaning_of(definition, state).value)


def is_quietly_parked(change: ChangeRequest) -> bool:
    """Return whether an effect is parked, and the reason for attention does not say so."""
    return bool(change.parked_effects) and AttentionReason.EFFECT_PARKED not in reasons_of(change)


def without_name(sentence: str, change: ChangeRequest, reader: Reader) -> str:
    """Return the sentence of `why` without the subject and the id with which it begins, as a page shows both above."""
    name = SENTENCES["change"][reader.language].partition("{parts}")[0]
    short = sentence.removeprefix(name.format(subject=change.subject, id=change.id))
    return short[:1].upper() + short[1:]


def in_lines(text: str) -> Markup:
    """Return a text whose lines do not break within a short command or an option, or before a closing punctuation mark.

    A browser does not break Chinese before such a mark, except after a word that is longer than a line, such as an id.
    """
    escaped = _COMMAND.sub(r'<span class="whole"><code>\1</code>\2</span>', str(escape(text)))
    escaped = _OPTION.sub(r'<span class="whole">\1</span>', escaped)
    return Markup(_CLOSED.sub(r'<span class="whole">\1</span>', escaped))  # noqa: S704 - the text is escaped


def steps_of(definition: WorkflowDefinition, seen: Overview, policy: Policy, reader: Reader) -> Sequence[Step]:
    """Return the history in words, newest step first; runs of entries that say the same are one step."""
    return read(definition, seen.history, policy, reader.language, seen.change.attention)[::-1]


@attrs.frozen
class Stop:
    """A state on the way of a change, and when the change entered it."""

    badge: Badge
    at: dt.datetime


def way_of(definition: WorkflowDefinition, history: Sequence[Entry], reader: Reader) -> Sequence[Stop]:
    """Return the states that a change has entered, the last `STOPS` of them."""
    entered = [entry for entry in history if entry.source != entry.dest]
    return [Stop(state_badge(definition, entry.dest, reader), entry.at) for entry in entered[-STOPS:]]


def raw(entry: Entry) -> str:
    """Return an entry as JSON, as `itsm-workflow show --json` prints it; secrets in it are masked."""
    text = json.dumps(entry_view(entry), ensure_ascii=False, indent=2)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def form_of(change: ChangeRequest, reader: Reader) -> Iterator[tuple[str, str]]:
    """Yield the names and the texts of the form; secrets in it are masked, as in the log."""
    form = change.form
    fixed = {
        "title": form.title,
        "applicant": form.applicant,
        "approvers": ", ".join(form.approvers),
        "content": form.content,
    }
    yield from ((reader.words(name), without_secrets(text)) for name, text in fixed.items() if text)
    yield from ((name, str(value)) for name, value in masked({**form.fields, **change.data}).items())


def deciders_of(change: ChangeRequest, reader: Reader) -> Sequence[str]:
    """Return a text for each person who decided the ticket."""
    return [decision_text(one, reader.language) for one in change.decision.deciders] if change.decision else []


def effect_status(effect: PlannedEffect, reader: Reader) -> str:
    """Return the status of an effect in words."""
    return in_language(EFFECTS[effect.status], reader.language, effect.status.value)


def seen_of(change: ChangeRequest, history: Sequence[Entry]) -> Snapshot | None:
    """Return what the last look that left an entry saw of the change's ticket; None if no entry shows it."""
    wanted = change.ticket.id if change.ticket else None
    found = (one.evidence for one in reversed(history) if isinstance(one.evidence, Snapshot))
    return next((one for one in found if one.ticket_id == wanted), None)


def status_of(snapshot: Snapshot, reader: Reader) -> str:
    """Return the status of a ticket in a snapshot in words, and when it was seen."""
    status = in_language(VALUES.get(snapshot.status, {}), reader.language, snapshot.word)
    return reader.words("seen_at", status=status, at=reader.exactly(snapshot.seen_at))


def parked_since(effect: PlannedEffect, history: Sequence[Entry]) -> dt.datetime | None:
    """Return when an effect was parked, by its last failure in the history; None if it is not parked."""
    if effect.status is not EffectStatus.PARKED:
        return None
    results = [one for one in history if isinstance(one.evidence, EffectResult) and one.evidence.effect == effect.id]
    return results[-1].at if results else None


def outcome_of(change: ChangeRequest, reader: Reader) -> str:
    """Return the outcome in words; empty while the change is open."""
    return in_language(OUTCOMES[change.outcome], reader.language, change.outcome.value) if change.outcome else ""


def page_of_ticket(url: str | None) -> str:
    """Return the address of a ticket's page; empty for another kind of address."""
    return url if url is not None and url.startswith(_PAGES) else ""
