"""A picture of a workflow as inline SVG: the states, the moves between them, and one change's path through them.

It needs no script, no style sheet and no file. The colours that a page sets for the classes have precedence.
The rows are the steps from the first state; the states without a way out are in the last row.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections import deque
from html import escape
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.machine.analysis import moves
from itsm_workflow.machine.labels import TRIGGERS, in_language, state_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from itsm_workflow.change import Entry
    from itsm_workflow.machine.definition import WorkflowDefinition

    Edge = tuple[str, str]

_WIDE, _HIGH = 152, 44
_ACROSS, _DOWN = 184, 92
_SIDE = 38
_BEND = 50
_MOST_WIDE = 20  # of a line in a box, in Latin letters; a Chinese character is as wide as two
_LINES = 2

_ARROW = (
    '<defs><marker id="itsm-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto"><path d="M0 0 8 4 0 8z" fill="context-stroke"/></marker></defs>'
)
_BLUE = "#1d4ed8"


@attrs.frozen
class _Look:
    """The class and the colours of a state, as attributes, which any style sheet overrides."""

    added: str
    box: str
    text: str


_OTHER = _Look("", 'fill="none" stroke="#666"', 'fill="currentColor"')
_VISITED = _Look(" itsm-visited", f'fill="#dbeafe" stroke="{_BLUE}"', 'fill="#1e3a8a"')
_CURRENT = _Look(" itsm-current", f'fill="{_BLUE}" stroke="#1e3a8a"', 'fill="#fff" font-weight="bold"')


@attrs.frozen
class _Box:
    """A state's place."""

    x: float
    y: float

    @property
    def middle(self) -> float:
        return self.x + _WIDE / 2

    @property
    def bottom(self) -> float:
        return self.y + _HIGH


def picture(definition: WorkflowDefinition, path: Sequence[Entry], *, title: str, language: str) -> str:
    """Return the picture as an element of SVG, in which all texts are escaped.

    Args:
        definition: The workflow.
        path: The history of the change; empty for the workflow alone.
        title: What the picture shows, in words, for readers who do not see it.
        language: The language of the labels, ``zh`` or ``en``.
    """
    boxes, wide, high = _placed(definition)
    taken = _taken(path)
    current = path[-1].dest if path else ""
    visited = {entry.dest for entry in path}
    edges = sorted(_edges(definition).items(), key=lambda one: one[0] in taken)  # those of the path are drawn on top
    lines = "".join(_line(edge, names, boxes, taken.get(edge, ""), language) for edge, names in edges)
    states = "".join(
        _state(
            state_label(definition, state, language),
            box,
            _CURRENT if state == current else _VISITED if state in visited else _OTHER,
        )
        for state, box in boxes.items()
    )
    return (
        f'<svg class="itsm-picture" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" '
        f'viewBox="0 0 {wide:g} {high:g}" width="{wide:g}" height="{high:g}" font-family="sans-serif">'
        f"{_ARROW}{lines}{states}</svg>"
    )


def _state(label: str, box: _Box, look: _Look) -> str:
    return (
        f'<g class="itsm-state{look.added}"><rect x="{box.x:g}" y="{box.y:g}" width="{_WIDE}" height="{_HIGH}" rx="8" '
        f"{look.box}/>{_label(label, box, look)}</g>"
    )


def _edges(definition: WorkflowDefinition) -> Mapping[Edge, Sequence[str]]:
    """Return the triggers that move a change from one state to another, by both states."""
    found: dict[Edge, list[str]] = {}
    for row in moves(definition):
        for source in row.sources:
            if row.dest is not None and source != row.dest:
                found.setdefault((source.value, row.dest.value), []).append(row.trigger.value)
    return found


def _taken(path: Sequence[Entry]) -> Mapping[Edge, str]:
    """Return the numbers of a path's steps, by both states; the draft is number 0."""
    steps: dict[Edge, list[str]] = {}
    moved = [entry for entry in path if entry.source != entry.dest]
    for number, entry in enumerate(moved):
        steps.setdefault((entry.source, entry.dest), []).append(str(number))
    return {edge: ", ".join(numbers) for edge, numbers in steps.items()}


def _placed(definition: WorkflowDefinition) -> tuple[Mapping[str, _Box], float, float]:
    """Return the place of each state, and the size of the picture."""
    rows: dict[int, list[str]] = {}
    for state, rank in _ranks(definition).items():
        rows.setdefault(rank, []).append(state)
    widest = max(map(len, rows.values()))
    boxes = {
        state: _Box(_SIDE + (widest - len(states)) * _ACROSS / 2 + column * _ACROSS, 4 + place * _DOWN)
        for place, (_rank, states) in enumerate(sorted(rows.items()))
        for column, state in enumerate(states)
    }
    return boxes, 2 * _SIDE + widest * _ACROSS - (_ACROSS - _WIDE), 8 + len(rows) * _DOWN - (_DOWN - _HIGH)


def _ranks(definition: WorkflowDefinition) -> Mapping[str, int]:
    """Return the row of each state: its distance from the first one."""
    after: dict[str, list[str]] = {}
    for source, dest in _edges(definition):
        after.setdefault(source, []).append(dest)
    found, waiting = {definition.initial.value: 0}, deque([definition.initial.value])
    while waiting:
        state = waiting.popleft()
        for following in after.get(state, ()):
            if following not in found:
                found[following] = found[state] + 1
                waiting.append(following)
    for roles in definition.rounds:
        if roles.waiting in found:
            found[roles.undelivered] = found[roles.waiting]  # it is the same wait
    last = max((rank for state, rank in found.items() if state not in definition.final), default=0) + 1
    ranked = {state: last if state in definition.final else rank for state, rank in found.items()}
    return {state.value: ranked[state] for state in definition.states if state in ranked}


def _line(edge: Edge, triggers: Sequence[str], boxes: Mapping[str, _Box], steps: str, language: str) -> str:
    """Return the arrow between two states, with the names of its triggers as a tooltip."""
    source, dest = boxes[edge[0]], boxes[edge[1]]
    left, right = min(box.x for box in boxes.values()), max(box.x for box in boxes.values()) + _WIDE
    course, (x, y) = _course(source, dest, left, right)
    names = ", ".join(in_language(TRIGGERS.get(trigger, {}), language, trigger) for trigger in triggers)
    added, colour, number = "", 'stroke="#999"', ""
    if steps:
        added, colour = " itsm-taken", f'stroke="{_BLUE}" stroke-width="2"'
        number = (
            f'<text x="{x:g}" y="{y:g}" text-anchor="middle" font-size="12" fill="{_BLUE}" class="itsm-step">'
            f"{steps}</text>"
        )
    return (
        f'<g class="itsm-move{added}"><path d="{course}" fill="none" {colour} marker-end="url(#itsm-arrow)">'
        f"<title>{escape(names)}</title></path>{number}</g>"
    )


def _course(source: _Box, dest: _Box, left: float, right: float) -> tuple[str, tuple[float, float]]:
    """Return the path of an arrow, and the place of its number.

    Args:
        source: The state that the arrow leaves.
        dest: The state that it enters.
        left: The left side of all boxes.
        right: Their right side.
    """
    if source.y == dest.y:
        is_right = dest.x > source.x
        start, end = (source.x + _WIDE, dest.x) if is_right else (source.x, dest.x + _WIDE)
        y = source.y + _HIGH / 2 + (-8 if is_right else 8)
        return f"M{start:g} {y:g}L{end:g} {y:g}", ((start + end) / 2, y - 5 if is_right else y + 13)
    if 0 < dest.y - source.y <= _DOWN:
        shift = (dest.middle - source.middle) / 8
        start, end = source.middle + shift, dest.middle - shift
        return (
            f"M{start:g} {source.bottom:g}L{end:g} {dest.y:g}",
            ((start + end) / 2 + 10, (source.bottom + dest.y) / 2 + 4),
        )
    # A longer way, or a way back, goes around all boxes: down on the right, and back on the left.
    is_down = dest.y > source.y
    y1, y2 = source.y + _HIGH / 2, dest.y + _HIGH / 2
    if is_down:
        x1, x2, bend = source.x + _WIDE, dest.x + _WIDE, right + _BEND
    else:
        x1, x2, bend = source.x, dest.x, left - _BEND
    return (
        f"M{x1:g} {y1:g}C{bend:g} {y1:g} {bend:g} {y2:g} {x2:g} {y2:g}",
        (0.125 * (x1 + x2) + 0.75 * bend, (y1 + y2) / 2 + 4),
    )


def _label(text: str, box: _Box, look: _Look) -> str:
    lines = list(_wrapped(text))
    first = box.y + _HIGH / 2 + 5 - (len(lines) - 1) * 8
    return "".join(
        f'<text x="{box.middle:g}" y="{first + 16 * number:g}" text-anchor="middle" font-size="13" {look.text}>'
        f"{escape(line)}</text>"
        for number, line in enumerate(lines)
    )


def _wrapped(text: str) -> Iterator[str]:
    """Yield the lines of a label that fit into a box."""
    wide = sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)
    most = _MOST_WIDE if wide == len(text) else _MOST_WIDE * len(text) // wide
    return iter(textwrap.wrap(text, max(most, 1), max_lines=_LINES, placeholder="…"))
