"""The timeline as SVG: columns for the times, the states, the lanes and the words, and a row for each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.pictures import ink, times
from itsm_workflow.pictures.head import head
from itsm_workflow.pictures.marks import heading, legend, mark
from itsm_workflow.pictures.measure import lines_of, width_of
from itsm_workflow.pictures.reading import Lane
from itsm_workflow.pictures.summary import summary
from itsm_workflow.pictures.words import attention_text, duration_text, phrase

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.pictures.reading import Step

_TIME, _STATE, _STATE_WIDE, _FLAG = 16, 118, 136, 262
_LANES: Mapping[Lane, float] = {Lane.CALLBACKS: 310, Lane.LOOKS: 380, Lane.EFFECTS: 450, Lane.PEOPLE: 512}
_NAME, _NAME_WIDE, _NUMBER, _WORDS, _WORDS_WIDE, _WIDE = 524, 88, 646, 654, 340, 1010
_HEAD, _PADDING, _GAP, _DAY = 138, 12, 30, 22
_AGAIN = 400
"""The height after which the label of a long state is repeated."""


@attrs.frozen(kw_only=True)
class _Row:
    """A step and its place.

    Attributes:
        y: The upper edge.
        high: The height, without what follows.
        label: The lines of the state's label if the state begins here.
        day: The date if it begins here, or the zone changes.
        gap: The time that is left out before it, in words; empty for a short time.
        beside: Its details if they fit beside the headline.
        words: Otherwise the lines of its details.
        more: The lines about the rest of a run.
        flag: The lines about attention.
    """

    step: Step
    y: float
    high: float
    label: Sequence[str]
    day: str
    gap: str
    beside: str
    words: Sequence[str]
    more: Sequence[str]
    flag: Sequence[str]

    @property
    def middle(self) -> float:
        return self.y + _PADDING / 2 + ink.LINE / 2


def drawn(definition: WorkflowDefinition, steps: Sequence[Step], *, language: str, zone: dt.tzinfo) -> str:
    """Return the picture of a change's steps."""
    rows = _rows(steps, language, zone)
    end = rows[-1].y + rows[-1].high
    title = summary(steps, language, zone)
    parts = [
        *head(title, _TIME, _WIDE),
        _heads(language),
        *(ink.stroke(f"M{x:g} {_HEAD:g}V{end:g}", ink.FAINT) for x in _LANES.values()),
        *_states(definition, rows, end),
        *_flags(rows, end),
        *(_entry(row, zone, language) for row in rows),
        legend(_TIME, end + 26, language),
    ]
    return ink.frame(parts, _WIDE, end + 44, kind="itsm-picture itsm-timeline", title=". ".join(title))


def _rows(steps: Sequence[Step], language: str, zone: dt.tzinfo) -> Sequence[_Row]:
    rows: list[_Row] = []
    y, day = float(_HEAD), ""
    last = steps[0].entry.at
    for step in steps:
        passed = step.entry.at - last
        gap = duration_text(passed, language) if passed > times.LONG else ""
        today = f"{times.day(step.entry.at, zone)} {times.zone_of(step.entry.at, zone)}"
        y += (_GAP if gap else 0) + (_DAY if today != day else 0)
        beside = width_of(step.headline, is_bold=True) + width_of(f"  {step.details}")
        is_short = beside <= _WORDS_WIDE
        row = _Row(
            step=step,
            y=y,
            high=0,
            label=lines_of(step.state, _STATE_WIDE - 18, most=3, is_bold=True) if step.is_move else (),
            day=today if today != day else "",
            gap=gap,
            beside=step.details if is_short else "",
            words=() if is_short else lines_of(step.details, _WORDS_WIDE, most=3),
            more=_more(step, language, zone),
            flag=_flag(step, language),
        )
        lines = max(1 + len(row.words) + len(row.more) + len(row.flag), len(row.label))
        rows.append(attrs.evolve(row, high=lines * ink.LINE + _PADDING))
        y, last, day = y + rows[-1].high, step.last.at, today
    return rows


def _more(step: Step, language: str, zone: dt.tzinfo) -> Sequence[str]:
    if step.count == 1:
        return ()
    until = times.second(step.last.at, zone)
    if times.day(step.last.at, zone) != times.day(step.entry.at, zone):
        until = f"{times.day(step.last.at, zone)} {until}"
    return lines_of("… " + phrase("more", language, step.count - 1, until, step.last.seq), _WORDS_WIDE, most=2)


def _flag(step: Step, language: str) -> Sequence[str]:
    if not step.changes_attention:
        return ()
    return lines_of(attention_text(step.after, language), _WORDS_WIDE - 20, most=2, is_bold=True)


def _heads(language: str) -> str:
    y = _HEAD - 22
    parts = [
        ink.text(_TIME, y, phrase("time", language), fill=ink.SOFT, is_bold=True),
        ink.text(_STATE, y, phrase("state", language), fill=ink.SOFT, is_bold=True),
        *(heading(lane, x, y, language) for lane, x in _LANES.items()),
        ink.text(_WORDS, y, phrase("what", language), fill=ink.SOFT, is_bold=True),
        ink.stroke(f"M{_TIME:g} {y + 14:g}H{_WIDE - _TIME:g}", ink.FAINT),
    ]
    return "".join(parts)


def _states(definition: WorkflowDefinition, rows: Sequence[_Row], end: float) -> Iterator[str]:
    """Yield the bar of each state, from the row that enters it to the row that leaves it."""
    begins = [row for row in rows if row.step.is_move]
    for row, until in zip(begins, [*(each.y for each in begins[1:]), end], strict=True):
        state = row.step.entry.dest
        is_last = row is begins[-1]
        is_final = state in {one.value for one in definition.final}
        tone = ink.tone_of(definition, state)
        yield '<g class="itsm-state' + (' itsm-current">' if is_last else '">')
        y, high = row.y + 1, until - row.y - 2
        yield ink.box(_STATE, y, _STATE_WIDE, high, tone, is_final=is_final, is_current=is_last)
        shown = row
        for each in rows:
            is_repeated = shown.y + _AGAIN < each.y and each.y + len(row.label) * ink.LINE < until
            if each is row or is_repeated:
                shown = each
                yield from _labelled(row.label, each.y, is_bold=is_last)
        yield "</g>"
    for row in rows:
        if row.gap:
            yield ink.cut(_STATE + _STATE_WIDE / 2, _gap_of(row), _STATE_WIDE + 12)
            yield from (ink.cut(x, _gap_of(row), 16) for x in _LANES.values())


def _labelled(label: Sequence[str], y: float, *, is_bold: bool) -> Iterator[str]:
    for number, line in enumerate(label):
        below = y + _PADDING / 2 + 12 + number * ink.LINE
        yield ink.text(_STATE + _STATE_WIDE / 2, below, line, anchor="middle", is_bold=is_bold)


def _gap_of(row: _Row) -> float:
    """Return the middle of the gap before a row."""
    return row.y - (_DAY if row.day else 0) - _GAP / 2


def _flags(rows: Sequence[_Row], end: float) -> Iterator[str]:
    """Yield a bar beside the states for each time in which a person had to look."""
    begin: float | None = None
    for row in rows:
        if row.step.changes_attention:
            if begin is not None:
                yield _flag_bar(begin, row.middle - 3)
            begin = row.middle + 3 if row.step.after is not None else None
    if begin is not None:
        yield _flag_bar(begin, end)


def _flag_bar(begin: float, end: float) -> str:
    return (
        f'<g class="itsm-attention"><rect x="{_FLAG:g}" y="{begin:g}" width="5" height="{end - begin:g}" '
        f'fill="{ink.ATTENTION}"/></g>' + ink.warning(_FLAG + 2.5, begin + 4)
    )


def _entry(row: _Row, zone: dt.tzinfo, language: str) -> str:
    step, base = row.step, row.middle + 4
    time = times.second(step.entry.at, zone)
    parts = [
        f'<g class="itsm-entry itsm-{step.lane.value}">',
        ink.text(_TIME, base, time, softly=times.fraction(step.entry.at)),
        *_marks(row),
        ink.text(_NUMBER, base, f"#{step.entry.seq}", fill=ink.SOFT, anchor="end"),
        ink.text(_WORDS, base, step.headline, is_bold=True, beside=row.beside),
    ]
    below = base
    for line in row.words:
        below += ink.LINE
        parts.append(ink.text(_WORDS, below, line))
    for line in row.more:
        below += ink.LINE
        parts.append(ink.text(_WORDS, below, line, fill=ink.SOFT))
    for number, line in enumerate(row.flag):
        below += ink.LINE
        if not number and step.after is not None:
            parts.append(ink.warning(_WORDS + 6, below - 4))
        left = _WORDS + (18 if step.after is not None else 0)
        parts.append(ink.text(left, below, line, fill=ink.ATTENTION, is_bold=True))
    if row.gap:
        parts.append(ink.text(_TIME, _gap_of(row) + 4, phrase("later", language, row.gap), fill=ink.SOFT))
    if row.day:
        parts.append(ink.text(_TIME, row.y - 6, row.day, fill=ink.SOFT, is_bold=True))
    return "".join([*parts, "</g>"])


def _marks(row: _Row) -> Iterator[str]:
    """Yield the marks of a row: of its subject, and of the people who acted or decided."""
    step, y = row.step, row.middle
    if step.lane is Lane.REQUEST:
        yield mark(step.lane, _STATE + 2, y, step.result)
    people = [one.user for one in step.deciders] or ([step.person] if step.lane is Lane.PEOPLE else [])
    if step.lane in _LANES and step.lane is not Lane.PEOPLE:
        x = _LANES[step.lane]
        if people:
            yield ink.stroke(f"M{x:g} {y:g}H{_LANES[Lane.PEOPLE]:g}", ink.SOFT, dash="2 2")
        yield mark(step.lane, x, y, step.result)
        if step.count > 1:
            yield ink.text(x + 10, y + 4, f"×{step.count}", fill=ink.SOFT)
    if people:
        yield mark(Lane.PEOPLE, _LANES[Lane.PEOPLE], y, step.result if step.lane is Lane.PEOPLE else None)
        names = lines_of(", ".join(people), _NAME_WIDE, most=1)
        yield from (ink.text(_NAME, y + 4, line) for line in names)
