"""The texts of the demonstration: plain, at most 100 columns wide, and aligned for Chinese titles as well."""

from __future__ import annotations

import datetime as dt
import unicodedata
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from itsm_workflow.audit import AuditReport
    from itsm_workflow.change import ChangeRequest, Entry

WIDTH = 100
_GAP = "  "
_ID_TAIL = 8
_ORDER = ("approved", "rejected", "withdrawn", "terminated", "abandoned")


# ---------------------------------------------------------------- columns


def display_width(text: str) -> int:
    """Return the number of terminal columns that a text takes."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def clip(text: str, width: int) -> str:
    """Return a text cut to at most ``width`` columns, with an ellipsis where it was cut."""
    if display_width(text) <= width:
        return text
    kept = ""
    for character in text:
        if display_width(kept + character) > width - 1:
            break
        kept += character
    return kept + "…"


def pad(text: str, width: int) -> str:
    """Return a text that takes exactly ``width`` columns."""
    text = clip(text, width)
    return text + " " * (width - display_width(text))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, indent: str = "") -> Iterator[str]:
    """Yield the lines of a table; each column is as wide as its longest cell, and the last is cut to fit."""
    cells = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(display_width(row[column]) for row in cells) for column in range(len(head))]
    taken = display_width(indent) + sum(widths[:-1]) + len(_GAP) * (len(head) - 1)
    widths[-1] = min(widths[-1], max(WIDTH - taken, 1))
    for number, row in enumerate(cells):
        yield (indent + _GAP.join(map(pad, row, widths))).rstrip()
        if number == 0:
            yield indent + _GAP.join("-" * width for width in widths)


# ---------------------------------------------------------------- sections


def opening(*, requests: int, gateway: str, callbacks: str, store: str, policy: Policy) -> Iterator[str]:
    """Yield the opening: the addresses in use, and the timings that were shortened."""
    yield f"{requests} change requests, over real HTTP on this machine."
    yield f"  BK-ITSM stand-in  {gateway}"
    yield f"  callbacks         {callbacks}"
    yield f"  store             {store}"
    yield "  timings, with the default they replace:"
    changed = [
        f"{field.name} {_timing(value)} ({_timing(getattr(Policy(), field.name))})"
        for field in attrs.fields(Policy)
        if (value := getattr(policy, field.name)) != getattr(Policy(), field.name)
    ]
    yield from wrapped(changed, indent="    ")
    yield ""


def progress(number: int, of: int, *, seconds: float, ended: str, title: str, shows: str) -> str:
    """Return the progress line for one change that ended."""
    digits = len(str(of))
    return f"[{number:{digits}}/{of}] {seconds:4.1f} s  {pad(ended, 10)}  {pad(title, 24)}  {clip(shows, 46)}"


def overview(changes: Iterable[tuple[str, ChangeRequest | None, str]]) -> Iterator[str]:
    """Yield the table of all changes.

    Args:
        changes: For each, the scenario's name, the change or None, and its subject.
    """
    yield "The changes (an id is shown by its end; the command line also takes a subject or an sn):"
    yield ""
    head = ("id", "subject", "scenario", "state", "outcome", "sn", "attention")
    yield from table(head, (_overview_row(*one) for one in changes))
    yield ""


def history(change: ChangeRequest, scenario: str, entries: Sequence[Entry]) -> Iterator[str]:
    """Yield the history of one change."""
    yield f"The history of {change.subject}, {change.form.title} ({scenario}):"
    yield f"{change.id}, key {change.attempt.key if change.attempt else 'none'}"
    yield ""
    yield from table(("#", "time (UTC)", "trigger", "state", "actor", "facts"), map(_history_row, entries))
    yield ""


def graph(mermaid: str, subject: str) -> Iterator[str]:
    """Yield the state graph with one change's path."""
    yield f"The state graph as Mermaid text; the steps of {subject} are numbered, its states are coloured:"
    yield ""
    yield from mermaid.rstrip("\n").splitlines()
    yield ""


def sum_line(audit: AuditReport) -> str:
    """Return the summary line; every figure in it comes from the audit."""
    ended = {word: audit.by_outcome[word] for word in _ORDER if word in audit.by_outcome}
    open_states = {state: count for state, count in audit.by_state.items() if state not in {"approved", "rejected"}}
    unstored = audit.requests - sum(audit.by_state.values())
    parts = [f"{count} {word}" for word, count in {**ended, **open_states}.items()]
    parts += [f"{unstored} not stored"] if unstored else []
    return (
        f"{audit.requests} requests = {' + '.join(parts) or '0'}; "
        f"{audit.tickets_created} tickets for {audit.keys} keys, {audit.duplicate_tickets} duplicates, "
        f"{audit.lost_requests} lost, {audit.illegal_transitions} illegal transitions, "
        f"effects {audit.effects_delivered}/{audit.effects_expected}, forged accepted {audit.forged_accepted}"
    )


def closing(audit: AuditReport, problems: Sequence[str], *, seconds: float, store: str) -> Iterator[str]:
    """Yield the result of the audit and of the scenarios."""
    yield "The audit recomputed these figures from the stored rows, the stand-in's ledger and the host's log:"
    yield sum_line(audit)
    for finding in (*audit.findings, *problems):
        yield f"  ! {finding}"
    yield ""
    verdict = "No problem was found" if audit.ok and not problems else "Problems were found"
    yield f"{verdict}, after {seconds:.1f} s. The store is kept: {store}"


def wrapped(items: Iterable[str], *, indent: str) -> Iterator[str]:
    """Yield the items, separated by commas, in lines that fit the terminal."""
    line = ""
    for item in items:
        longer = f"{line}, {item}" if line else item
        if line and display_width(f"{indent}{longer},") > WIDTH:
            yield f"{indent}{line},"
            longer = item
        line = longer
    yield indent + line


# ---------------------------------------------------------------- rows


def _overview_row(scenario: str, change: ChangeRequest | None, subject: str) -> tuple[str, ...]:
    if change is None:
        return ("-", subject, scenario, "not stored", "-", "-", "-")
    return (
        f"…{change.id[-_ID_TAIL:]}",
        change.subject,
        scenario,
        change.state,
        change.outcome.value if change.outcome else "-",
        change.sn or "-",
        change.attention.reason.value if change.attention else "-",
    )


def _history_row(entry: Entry) -> tuple[str, ...]:
    state = entry.dest if entry.source in {"", entry.dest} else f"{entry.source} → {entry.dest}"
    time = f"{entry.at:%H:%M:%S}.{entry.at.microsecond // 1000:03}"
    return (str(entry.seq), time, entry.trigger, state, entry.actor, facts(entry))


_FACTS: Mapping[str, str] = {
    "Drafted": "",
    "Submission": "service {service}",
    "AttemptMark": "{problem}",
    "LookupNoted": "{problem}",
    "TicketConfirmed": "{sn}, by {channel}",
    "CallbackHeard": "{sn}",
    "Snapshot": "{word}, approved: {approve_result}",
    "EffectStart": "delivery {attempt}",
    "EffectResult": "delivery {attempt} {error}",
}
"""The text for each kind of evidence; for any other kind, every value that is not empty is listed."""


def facts(entry: Entry) -> str:
    """Return an entry's evidence in a few words."""
    kind = type(entry.evidence)
    if not attrs.has(kind):
        return str(entry.evidence)
    values = {field.name: _plain(getattr(entry.evidence, field.name)) for field in attrs.fields(kind)}
    template = _FACTS.get(kind.__name__)
    if template is not None:
        return template.format_map(values).strip()
    return ", ".join(f"{name} {value}" for name, value in values.items() if value)


def _plain(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _timing(value: object) -> str:
    if isinstance(value, tuple):
        return "/".join(_timing(one).removesuffix(" s") for one in value) + " s"
    return f"{value.total_seconds():g} s" if isinstance(value, dt.timedelta) else str(value)
