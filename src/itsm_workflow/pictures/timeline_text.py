"""The timeline of a change as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.pictures import times
from itsm_workflow.pictures.measure import columns_of, lines_of
from itsm_workflow.pictures.summary import summary
from itsm_workflow.pictures.words import attention_text, duration_text, phrase

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from itsm_workflow.pictures.reading import Step

_INDENT = 14
_LEAST = 40
_MOST_LINES = 8


def lines(steps: Sequence[Step], *, language: str, zone: dt.tzinfo, columns: int) -> Iterator[str]:
    """Yield the lines, none of them wider than the columns.

    Args:
        steps: The steps of the history.
        language: The language of the words.
        zone: The zone of the times.
        columns: The columns of the terminal; at least 40 are used.
    """
    room = max(columns, _LEAST)
    for line in summary(steps, language, zone):
        yield from lines_of(line, room, most=_MOST_LINES, measured=columns_of)
    day, last = "", steps[0].entry.at
    for step in steps:
        at = step.entry.at
        if at - last > times.LONG:
            yield f"{'⋮':>8}     {phrase('later', language, duration_text(at - last, language))}"
        today = f"{times.day(at, zone)} {times.zone_of(at, zone)}"
        if today != day:
            yield from ("", today)
        time = times.second(at, zone) + times.fraction(at) + "  "
        for words in _words(step, language, zone):
            for line in lines_of(words, room - _INDENT, most=_MOST_LINES, measured=columns_of):
                yield time + line
                time = " " * _INDENT
        day, last = today, step.last.at


def _words(step: Step, language: str, zone: dt.tzinfo) -> Iterator[str]:
    """Yield what a step records: the entry, how often, the new state, and what a person has to look at."""
    number = f"#{step.entry.seq} "
    who = f"{step.person} · " if step.person else ""
    headline = number + who + step.headline
    yield phrase("named", language, headline, step.details) if step.details else headline
    if step.count > 1:
        until = times.second(step.last.at, zone)
        yield "… " + phrase("more", language, step.count - 1, until, step.last.seq)
    if step.is_move:
        yield f"━━▶ {step.state}"
    if step.changes_attention:
        yield f"! {attention_text(step.after, language)}"
