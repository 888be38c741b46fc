"""The texts of the demonstration: plain, at most 100 columns wide, and aligned for Chinese titles as well."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
from rich.console import Console
from rich.table import Table
from rich.text import Text

from itsm_workflow.pictures.words import text_of
from itsm_workflow.policy import Policy
from itsm_workflow.secrets import names_secret
from itsm_workflow.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from itsm_workflow.audit import AuditReport
    from itsm_workflow.change import ChangeRequest, Entry

WIDTH = 100
_KEPT_TOGETHER = "\N{NO-BREAK SPACE}"
_ID_TAIL = 8
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


def opening(*, requests: int, gateway: str, callbacks: str, store: str) -> Iterator[str]:
    """Yield the opening: the addresses in use."""
    yield f"{requests} change requests, over real HTTP on this machine."
    yield f"  BK-ITSM stand-in  {gateway}"
    yield f"  callbacks         {callbacks}"
    yield f"  store             {store}"
    yield ""


def timings(policy: Policy) -> Iterator[str]:
    """Yield the timings that were shortened, each with the default that it replaces."""
    yield "Timings, with the default they replace:"
    changed = [
        f"{field.name} {_timing(value)} ({_timing(getattr(Policy(), field.name))})".replace(" ", _KEPT_TOGETHER)
        for field in attrs.fields(Policy)
        if (value := getattr(policy, field.name)) != getattr(Policy(), field.name)
    ]
    for line in textwrap.wrap(", ".join(changed), WIDTH, initial_indent="  ", subsequent_indent="  "):
        yield line.replace(_KEPT_TOGETHER, " ")
    yield ""


def progress(number: int, of: int, *, scenario: str, ended: str, shows: str, seconds: float | None) -> str:
    """Return the line for one change that ended, with the time that it took if that is given."""
    took = "" if seconds is None else f"{seconds:4.1f} s  "
    columns = (fitted(scenario, 22), fitted(ended, 10), fitted(shows, 48).rstrip())
    return f"[{number:{len(str(of))}}/{of}]  {took}{'  '.join(columns)}"


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
    yield from table(("#", "time (UTC)", "trigger", "state", "actor", "facts"), history_rows(entries))
    yield ""


def history_rows(entries: Sequence[Entry]) -> Iterator[tuple[str, ...]]:
    """Yield the cells for each entry of a history."""
    return map(_history_row, entries)


def sum_line(audit: AuditReport) -> str:
    """Return the summary line; every figure in it comes from the audit."""
    ended = {word: audit.by_outcome[word] for word in _ORDER if word in audit.by_outcome}
    open_states = {state: count for state, count in audit.by_state.items() if state not in {"approved", "rejected"}}
    unstored = audit.requests - sum(audit.by_state.values())
    parts = [f"{count} {word}" for word, count in {**ended, **open_states}.items()]
    parts += [f"{unstored} not stored"] if unstored else []
    return (
        f"{counted(audit.requests, 'request')} = {' + '.join(parts) or '0'}; "
        f"{counted(audit.tickets_created, 'ticket')} for {counted(audit.keys, 'key')}, "
        f"{counted(audit.duplicate_tickets, 'duplicate')}, "
        f"{audit.lost_requests} lost, {audit.illegal_transitions} illegal transitions, "
        f"effects {audit.effects_delivered}/{audit.effects_expected}, forged accepted {audit.forged_accepted}"
    )


def closing(audit: AuditReport, problems: Sequence[str], *, seconds: float, store: str, page: str) -> Iterator[str]:
    """Yield the result of the audit and of the scenarios."""
    yield "The audit recomputed these figures from the stored rows, the stand-in's ledger and the host's log:"
    yield sum_line(audit)
    for finding in (*audit.findings, *problems):
        yield f"  ! {finding}"
    yield ""
    verdict = "No problem was found" if audit.ok and not problems else "Problems were found"
    yield f"{verdict}, after {seconds:.1f} s. The store is kept: {store}"
    yield f"The page of this run, with a picture: {page}"


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
        return text_of("", entry.evidence, "en")
    values = {field.name: _plain(field.name, getattr(entry.evidence, field.name)) for field in attrs.fields(kind)}
    template = _FACTS.get(kind.__name__)
    if template is not None:
        return template.format_map(values).strip()
    return ", ".join(f"{name} {value}" for name, value in values.items() if value)


def _plain(name: str, value: object) -> str:
    """Return a value in words; a secret is masked by the name of its key, at any depth, as in the log."""
    if value is None:
        return ""
    if isinstance(value, Mapping) or names_secret(name):
        return text_of(name, value, "en")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _timing(value: object) -> str:
    if isinstance(value, tuple):
        return "/".join(_timing(one).removesuffix(" s") for one in value) + " s"
    return f"{value.total_seconds():g} s" if isinstance(value, dt.timedelta) else str(value)
