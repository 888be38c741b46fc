"""The texts of the demonstration: plain, at most 100 columns wide, and aligned for Chinese as well."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from itsm_workflow.demo.words import end_in, scenario_in, state_in, words_in
from itsm_workflow.gateway.bk_itsm.page import LABELS as WORDS_OF_TICKETS
from itsm_workflow.machine.labels import ATTENTION, FACTS, TRIGGERS, in_language
from itsm_workflow.machine.problems import problem_label
from itsm_workflow.pictures.words import text_of
from itsm_workflow.policy import Policy
from itsm_workflow.secrets import names_secret
from itsm_workflow.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from itsm_workflow.audit import AuditReport
    from itsm_workflow.change import ChangeRequest, Entry

WIDTH = 100
_ID_TAIL = 8
_LABEL = 18
_ORDER = ("approved", "rejected", "withdrawn", "terminated", "abandoned")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table; a cell that does not fit continues on further lines."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in head:
        grid.add_column(name, overflow="fold")
    for row in rows:
        grid.add_row(*map(Text, row))
    console = Console(width=WIDTH, color_system=None)
    with console.capture() as shown:
        console.print(grid)
    yield from (line.rstrip() for line in shown.get().splitlines())


def fitted(text: str, width: int) -> str:
    """Return a text that takes exactly ``width`` columns of a terminal, with an ellipsis where it was cut."""
    fitting = Text(text)
    fitting.truncate(width, overflow="ellipsis", pad=True)
    return fitting.plain


# ---------------------------------------------------------------- sections


def opening(*, requests: int, gateway: str, callbacks: str, store: str, language: str) -> Iterator[str]:
    """Yield the opening: the addresses in use."""
    yield words_in(language, "opening", requests=requests)
    for name, address in (("gateway", gateway), ("callbacks", callbacks), ("store", store)):
        yield f"  {fitted(words_in(language, name), _LABEL)}{address}"
    yield ""


def timings(policy: Policy, language: str) -> Iterator[str]:
    """Yield the timings that were shortened, each with the default that it replaces."""
    yield words_in(language, "timings")
    default = Policy()
    changed = [
        f"{field.name} {_timing(value, language)} ({_timing(getattr(default, field.name), language)})"
        for field in attrs.fields(Policy)
        if (value := getattr(policy, field.name)) != getattr(default, field.name)
    ]
    line = " "
    for number, one in enumerate(changed, start=1):
        part = one if number == len(changed) else f"{one},"
        if cell_len(f"{line} {part}") > WIDTH:
            yield line
            line = " "
        line = f"{line} {part}"
    yield line
    yield ""


def progress(number: int, of: int, *, scenario: str, ended: str, shows: str, took: str) -> str:
    """Return the line for one change that ended, with the time that it took unless that is empty."""
    columns = (fitted(scenario, 22), fitted(ended, 10), fitted(shows, 48).rstrip())
    return f"[{number:{len(str(of))}}/{of}]  {f'{took}  ' if took else ''}{'  '.join(columns)}"


def overview(changes: Iterable[tuple[str, ChangeRequest | None, str]], language: str) -> Iterator[str]:
    """Yield the table of all changes.

    Args:
        changes: For each, the scenario's name, the change or None, and its subject.
        language: The language of the words, ``zh`` or ``en``.
    """
    yield words_in(language, "changes")
    yield ""
    head = ("id", "subject", "scenario", "state", "outcome", "sn", "attention")
    rows = (_overview_row(*one, language=language) for one in changes)
    yield from table([words_in(language, name) for name in head], rows)
    yield ""


def history(change: ChangeRequest, scenario: str, entries: Sequence[Entry], language: str) -> Iterator[str]:
    """Yield the history of one change."""
    yield words_in(language, "history", subject=change.subject, title=change.form.title, scenario=scenario)
    key = change.attempt.key if change.attempt else words_in(language, "none")
    yield words_in(language, "key", id=change.id, key=key)
    yield ""
    yield from table(history_head(language), history_rows(entries, language))
    yield ""


def history_head(language: str) -> tuple[str, ...]:
    """Return the headings of the table of a history."""
    return ("#", *(words_in(language, name) for name in ("time", "trigger", "state", "actor", "facts")))


def history_rows(entries: Sequence[Entry], language: str) -> Iterator[tuple[str, ...]]:
    """Yield the cells for each entry of a history."""
    return (_history_row(entry, language) for entry in entries)


def sum_line(audit: AuditReport, language: str) -> str:
    """Return the summary line; every figure in it comes from the audit."""
    ended = {word: audit.by_outcome[word] for word in _ORDER if word in audit.by_outcome}
    open_states = {state: count for state, count in audit.by_state.items() if state not in {"approved", "rejected"}}
    unstored = audit.requests - sum(audit.by_state.values())
    parts = [f"{count} {end_in(language, word)}" for word, count in {**ended, **open_states}.items()]
    parts += [f"{unstored} {words_in(language, 'not_stored')}"] if unstored else []
    number = counted if language == "en" else _number
    return words_in(
        language,
        "sum",
        requests=number(audit.requests, "request"),
        parts=" + ".join(parts) or "0",
        tickets=number(audit.tickets_created, "ticket"),
        keys=number(audit.keys, "key"),
        duplicates=number(audit.duplicate_tickets, "duplicate"),
        lost=audit.lost_requests,
        illegal=audit.illegal_transitions,
        delivered=audit.effects_delivered,
        expected=audit.effects_expected,
        forged=audit.forged_accepted,
    )


def closing(
    audit: AuditReport, problems: Sequence[str], *, seconds: float, store: str, page: str, language: str
) -> Iterator[str]:
    """Yield the result of the audit and of the scenarios."""
    yield words_in(language, "audited")
    yield sum_line(audit, language)
    for finding in (*audit.findings, *problems):
        yield f"  ! {finding}"
    yield ""
    verdict = words_in(language, "no_problem" if audit.ok and not problems else "problems")
    yield words_in(language, "kept", verdict=verdict, seconds=f"{seconds:.1f}", store=store)
    yield words_in(language, "page", page=page)


# ---------------------------------------------------------------- rows


def _number(number: int, _name: str) -> str:
    return str(number)


def _overview_row(scenario: str, change: ChangeRequest | None, subject: str, *, language: str) -> tuple[str, ...]:
    scenario = scenario_in(language, scenario)
    if change is None:
        return ("-", subject, scenario, words_in(language, "not_stored"), "-", "-", "-")
    reason = change.attention.reason if change.attention else None
    return (
        f"…{change.id[-_ID_TAIL:]}",
        change.subject,
        scenario,
        state_in(language, change.state),
        end_in(language, change.outcome.value) if change.outcome else "-",
        change.sn or "-",
        "-" if reason is None else reason.value if language == "en" else ATTENTION[reason][language],
    )


def _history_row(entry: Entry, language: str) -> tuple[str, ...]:
    source, dest = state_in(language, entry.source), state_in(language, entry.dest)
    state = dest if entry.source in {"", entry.dest} else f"{source} → {dest}"
    time = f"{entry.at:%H:%M:%S}.{entry.at.microsecond // 1000:03}"
    trigger = entry.trigger if language == "en" else in_language(TRIGGERS.get(entry.trigger, {}), language, "")
    return (str(entry.seq), time, trigger or entry.trigger, state, entry.actor, facts(entry, language))


_FACTS: Mapping[str, str] = {
    "Drafted": "",
    "Submission": "of_service",
    "AttemptMark": "problem",
    "LookupNoted": "problem",
    "TicketConfirmed": "by_channel",
    "CallbackHeard": "sn",
    "Snapshot": "read",
    "EffectStart": "delivery",
    "EffectResult": "delivered",
}
"""For each kind of evidence the name of the fact, or the code of the words, that sums it up; nothing for a draft.

For any other kind, every value that is not empty is listed.
"""


def facts(entry: Entry, language: str = "en") -> str:
    """Return an entry's evidence in a few words."""
    kind = type(entry.evidence)
    if not attrs.has(kind):
        return text_of("", entry.evidence, language)
    given = {field.name: getattr(entry.evidence, field.name) for field in attrs.fields(kind)}
    values = {name: _plain(name, value, language) for name, value in given.items()}
    code = _FACTS.get(kind.__name__)
    if code is not None:
        return values[code] if code in values else words_in(language, code, **values).strip() if code else ""
    names = {name: name if language == "en" else in_language(FACTS.get(name, {}), language, name) for name in values}
    comma = ", " if language == "en" else "，"
    return comma.join(f"{names[name]} {value}" for name, value in values.items() if value)


def _plain(name: str, value: object, language: str) -> str:
    """Return a value in words; a secret is masked by the name of its key, at any depth, as in the log."""
    if value is None:
        return ""
    if isinstance(value, Mapping) or names_secret(name):
        return text_of(name, value, language)
    if language == "en":
        return str(value).lower() if isinstance(value, bool) else str(value)
    if name == "problem":
        return in_language(problem_label(str(value)), language, str(value))
    if name == "word":
        return in_language(WORDS_OF_TICKETS.get(str(value), {}), language, str(value))
    return text_of(name, value, language)


def _timing(value: object, language: str) -> str:
    if isinstance(value, tuple):
        return words_in(language, "seconds", number="/".join(f"{one.total_seconds():g}" for one in value))
    if isinstance(value, dt.timedelta):
        return words_in(language, "seconds", number=f"{value.total_seconds():g}")
    return str(value)
