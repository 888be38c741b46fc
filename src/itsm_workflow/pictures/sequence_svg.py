"""The sequence diagram as SVG: a lifeline for each party, and an arrow for each message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.pictures import ink, times
from itsm_workflow.pictures.exchange import Kind, Message, Party
from itsm_workflow.pictures.head import head
from itsm_workflow.pictures.measure import lines_of, width_of
from itsm_workflow.pictures.summary import summary
from itsm_workflow.pictures.words import attention_text, duration_text, phrase

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.pictures.exchange import Block
    from itsm_workflow.pictures.reading import Step

_PLACES: Mapping[Party, float] = {
    Party.HOST: 180,
    Party.LIBRARY: 365,
    Party.STORE: 590,
    Party.GATEWAY: 790,
    Party.APPROVER: 940,
}
_TIME, _WIDE, _TOP, _PARTY_WIDE, _PARTY_HIGH = 16, 1020, 92, 112, 26
_GAP, _DAY, _MARGIN, _ARROW, _BOX = 34, 24, 12, 14, 24


class _Paper:
    """The parts that are drawn, and the height down to which something is drawn."""

    def __init__(self) -> None:
        self.y: float = _TOP + _PARTY_HIGH + _MARGIN
        self.parts: list[str] = []
        self.cuts: list[float] = []


def drawn(
    definition: WorkflowDefinition, steps: Sequence[Step], blocks: Sequence[Block], *, language: str, zone: dt.tzinfo
) -> str:
    """Return the picture of a change's messages."""
    paper, title = _Paper(), summary(steps, language, zone)
    day, last = "", blocks[0].at
    for block in blocks:
        today = f"{times.day(block.at, zone)} {times.zone_of(block.at, zone)}"
        if block.at - last > times.LONG:
            words = phrase("later", language, duration_text(block.at - last, language))
            paper.cuts.append(paper.y + _GAP / 2)
            paper.parts.append(ink.text(_TIME, paper.y + _GAP / 2 + 4, words, fill=ink.SOFT))
            paper.y += _GAP
        if today != day:
            paper.parts.append(ink.text(_TIME, paper.y + ink.LINE, today, fill=ink.SOFT, is_bold=True))
            paper.y += _DAY
        _block(paper, definition, block, language, zone)
        day, last = today, block.step.last.at if block.step else block.at
    end = paper.y + _MARGIN
    parts = [
        *head(title, _TIME, _WIDE),
        *(ink.stroke(f"M{x:g} {_TOP + _PARTY_HIGH:g}V{end:g}", ink.FAINT, width=1.5) for x in _PLACES.values()),
        *(ink.cut(x, y, 16) for y in paper.cuts for x in _PLACES.values()),
        *paper.parts,
        *_parties(_TOP, language),
        *_parties(end, language),
        *_legend(end + _PARTY_HIGH + 28, language),
    ]
    high = end + _PARTY_HIGH + 46
    return ink.frame(parts, _WIDE, high, kind="itsm-picture itsm-sequence", title=". ".join(title))


def _parties(y: float, language: str) -> Iterator[str]:
    tone = ink.Tone(ink.PAPER, ink.SOFT)
    for party, x in _PLACES.items():
        yield ink.box(x - _PARTY_WIDE / 2, y, _PARTY_WIDE, _PARTY_HIGH, tone)
        yield ink.text(x, y + 17, phrase(party, language), anchor="middle", is_bold=True)


def _block(paper: _Paper, definition: WorkflowDefinition, block: Block, language: str, zone: dt.tzinfo) -> None:
    """Draw the messages around an entry, and the state and the attention after it."""
    step = block.step
    paper.y += _MARGIN
    begin = paper.y
    if step is not None and step.count > 1:
        words = phrase("times", language, step.count, times.second(step.last.at, zone))
        paper.parts.append(
            ink.text(_PLACES[Party.LIBRARY] - 88, begin + 14, words, fill=ink.SOFT, is_bold=True, is_over_lines=True)
        )
        paper.y += ink.LINE + 6
    first = True
    for message in block.messages:
        lines = lines_of(message.words, abs(_PLACES[message.source] - _PLACES[message.dest]) - 20, most=6)
        paper.y += len(lines) * ink.LINE + (9 if message.kind is Kind.LOST else 4)
        if first:
            second = times.second(block.at, zone)
            paper.parts.append(ink.text(_TIME, paper.y, second, softly=times.fraction(block.at)))
        paper.parts.append(_arrow(message, lines, paper.y))
        paper.y += _ARROW
        first = False
    if step is not None and step.count > 1:
        left, right = _PLACES[Party.LIBRARY] - 96, _PLACES[Party.GATEWAY] + 20
        frame = f"M{left:g} {begin:g}H{right:g}V{paper.y:g}H{left:g}z"
        paper.parts.append(ink.stroke(frame, ink.SOFT, dash="5 3"))
        paper.y += 4
    if step is not None and step.is_move:
        paper.parts.append(_state(definition, step, paper.y))
        paper.y += _BOX + 4
    if step is not None and step.changes_attention:
        paper.parts += _attention(step, paper.y, language)
        paper.y += ink.LINE + 4


def _state(definition: WorkflowDefinition, step: Step, y: float) -> str:
    """Return the box of the state that was entered, on the lifeline of the store."""
    state, x = step.entry.dest, _PLACES[Party.STORE]
    wide = width_of(step.state, is_bold=True) + 24
    is_final = state in {one.value for one in definition.final}
    return ink.box(x - wide / 2, y, wide, _BOX, ink.tone_of(definition, state), is_final=is_final) + ink.text(
        x, y + 16, step.state, anchor="middle", is_bold=True
    )


def _attention(step: Step, y: float, language: str) -> Iterator[str]:
    words, x = attention_text(step.after, language), _PLACES[Party.STORE]
    yield ink.text(x, y + 13, words, fill=ink.ATTENTION, anchor="middle", is_bold=True, is_over_lines=True)
    if step.after is not None:
        yield ink.warning(x - width_of(words, is_bold=True) / 2 - 14, y + 9)


def _arrow(message: Message, lines: Sequence[str], y: float) -> str:
    """Return an arrow at a height, with its words above it."""
    start, end = _PLACES[message.source], _PLACES[message.dest]
    way, middle = (1 if end > start else -1), (start + end) / 2
    lost = message.kind is Kind.LOST
    colour = ink.FAILED if lost else ink.INK
    parts = [
        ink.text(
            middle,
            y - (10 if lost else 5) - ink.LINE * (len(lines) - 1 - number),
            line,
            fill=colour,
            anchor="middle",
            is_over_lines=True,
        )
        for number, line in enumerate(lines)
    ]
    line = _line(start, end, way, y, message.kind)
    return f'<g class="itsm-message itsm-{message.kind.value}">{"".join(parts)}{line}</g>'


def _line(start: float, end: float, way: int, y: float, kind: Kind) -> str:
    """Return the line of an arrow; a lost one breaks off before its end, at a cross."""
    if kind is Kind.LOST:
        broken = start + (end - start) * 0.7
        return (
            ink.stroke(f"M{start:g} {y:g}H{broken - way * 8:g}", ink.FAILED, width=1.5)
            + ink.stroke(f"M{broken - 5:g} {y - 5:g}l10 10m0-10l-10 10", ink.FAILED, width=2)
            + ink.stroke(f"M{broken + way * 12:g} {y:g}H{end - way * 4:g}", ink.FAILED, dash="2 6")
        )
    if kind is Kind.ANSWER:
        return ink.stroke(f"M{start:g} {y:g}H{end:g}", ink.INK, dash="6 4") + ink.stroke(
            f"M{end - way * 8:g} {y - 4:g}L{end:g} {y:g}l{-way * 8:g} 4", ink.INK, width=1.5
        )
    return ink.stroke(f"M{start:g} {y:g}H{end - way * 6:g}", ink.INK, width=1.5) + ink.stroke(
        f"M{end:g} {y:g}l{-way * 9:g} -4v8z", ink.INK, fill=ink.INK
    )


def _legend(y: float, language: str) -> Iterator[str]:
    x = float(_TIME)
    for kind in Kind:
        words = phrase(f"is_{kind.value}", language)
        yield _line(x, x + 56, 1, y - 4, kind)
        yield ink.text(x + 66, y, words, fill=ink.SOFT)
        x += 90 + width_of(words)
    yield ink.cut(x + 16, y - 4, 32) + ink.text(x + 38, y, phrase("left_out", language), fill=ink.SOFT)
