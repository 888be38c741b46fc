"""A picture of a workflow as inline SVG: the states, the moves between them, and one change's path through them.

It is read from left to right, needs no script, no style sheet and no file, and has white paper of its own.
"""

from __future__ import annotations

import datetime as dt
from html import escape
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.pictures import ink, times
from itsm_workflow.pictures.graph_layout import arranged, pairs_of
from itsm_workflow.pictures.graph_places import LINE, MARGIN, WIDE, Block, Measured
from itsm_workflow.pictures.labels import needs_of, state_name, trigger_name
from itsm_workflow.pictures.measure import lines_of, width_of
from itsm_workflow.pictures.route import route_of
from itsm_workflow.pictures.selection import selected
from itsm_workflow.pictures.words import phrase

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow.change import Entry
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.pictures.graph_layout import Pair
    from itsm_workflow.pictures.graph_places import Box, Course, Places
    from itsm_workflow.pictures.route import Route
    from itsm_workflow.pictures.selection import Edge, Selection

_TAKEN, _GREY, _PALE = "#1d4ed8", "#6b7280", "#9ca3af"
_SMALL, _SMALLEST = 11, 10
_ROOM, _PLAIN_ROOM, _STACKED_ROOM = 146, 96, 84
_MOST_LINES, _HEAD_LINES = 5, 3
_FOOTER_LEAST = 320
_PATH = 2
_TIPS = {"right": "l-8 -4v8z", "left": "l8 -4v8z", "down": "l-4 -8h8z", "up": "l-4 8h8z"}


@attrs.frozen
class _Words:
    """A line of a label."""

    text: str
    size: int
    is_step: bool = False
    is_soft: bool = False


def picture(
    definition: WorkflowDefinition,
    path: Sequence[Entry],
    *,
    title: str,
    language: str,
    selection: Selection | None = None,
    is_plain: bool = False,
    zone: dt.tzinfo = dt.UTC,
    badge: str = "",
) -> str:
    """Return the picture as an element of SVG, in which all texts are escaped.

    Args:
        definition: The workflow.
        path: The history of the change; empty for the workflow alone.
        title: What the picture shows, in words, for readers who do not see it.
        language: The language of the labels, ``zh`` or ``en``.
        selection: The part to show; by default all.
        is_plain: Whether the evidence and the guards are left out.
        zone: The zone of the times, which is named.
        badge: The reason why a person should look at the change, for its present state.
    """
    shown = selected(definition) if selection is None else selection
    return _Drawing(
        definition=definition,
        selection=shown,
        route=route_of(path),
        language=language,
        is_plain=is_plain,
        zone=zone,
        badge=badge,
    ).svg(title)


@attrs.frozen(kw_only=True)
class _Drawing:
    definition: WorkflowDefinition
    selection: Selection
    route: Route | None
    language: str
    is_plain: bool
    zone: dt.tzinfo
    badge: str

    def svg(self, title: str) -> str:
        columns = arranged(self.definition, self.selection)
        heads = {state: list(self._head(state)) for state in self.selection.states}
        labels = {pair: list(self._label(pair, is_narrow=pair in columns.beside)) for pair in pairs_of(self.selection)}
        blocks = {pair: Block(max(map(_wide, lines)), len(lines)) for pair, lines in labels.items()}
        places = Measured(columns, {state: len(lines) for state, lines in heads.items()}, blocks).places()
        pairs = sorted(labels, key=self._rank)  # those of the path are drawn on top
        parts = [
            *self._begin(places),
            *(self._move(pair, labels[pair], places.courses[pair]) for pair in pairs),
            *(self._state(state, heads[state], places.boxes[state]) for state in self.selection.states),
        ]
        wide, high = max(places.wide, 0 if self.route is None else _FOOTER_LEAST), places.high
        for line in self._footer(wide):
            parts.append(ink.text(MARGIN, high + 8, line, size=_SMALL, fill=ink.SOFT))
            high += LINE + 2
        return ink.frame(parts, wide, high + (8 if high > places.high else 0), kind="itsm-graph", title=title)

    def _footer(self, wide: float) -> Sequence[str]:
        """Return the lines that explain the marks of a path, with the zone of its times."""
        if self.route is None:
            return []
        zone = times.zone_of(self.route.since, self.zone)
        return lines_of(phrase("graph_path", self.language, zone), (wide - 2 * MARGIN) * 12 / _SMALL, most=3)

    def _rank(self, pair: Pair) -> int:
        """Return 2 for a move of the path, 1 for one that leads on from the present state, else 0."""
        if self.route is None:
            return 0
        is_taken = any((pair[0], edge.row.trigger.value, pair[1]) in self.route.steps for edge in self._edges(pair))
        return _PATH if is_taken else int(pair[0] == self.route.current)

    def _edges(self, pair: Pair) -> Sequence[Edge]:
        return [edge for edge in self.selection.edges if (edge.source, edge.dest) == pair]

    def _label(self, pair: Pair, *, is_narrow: bool) -> Iterator[_Words]:
        room = _STACKED_ROOM if is_narrow else _PLAIN_ROOM if self.is_plain else _ROOM
        for edge in self._edges(pair):
            trigger = edge.row.trigger.value
            move = edge.source, trigger, edge.dest
            is_step = self.route is not None and move in self.route.steps
            for line in _fitted(trigger_name(trigger, self.language), room, _SMALL):
                yield _Words(line, _SMALL, is_step=is_step)
            if self.route is not None and is_step:
                for line in _fitted(self.route.steps_text(move, self.zone), room, _SMALL):
                    yield _Words(line, _SMALL, is_step=True)
            if not self.is_plain:
                for words in _joined(needs_of(edge.row), room):
                    yield from (_Words(line, _SMALLEST, is_soft=True) for line in _fitted(words, room, _SMALLEST))

    def _head(self, state: str) -> Iterator[tuple[str, str]]:
        """Yield the lines in a state's box, each with what it is."""
        is_bold = self.route is not None and state == self.route.current
        label = state_name(self.definition, state, self.language)
        for line in lines_of(label, WIDE - 16, most=_HEAD_LINES, is_bold=is_bold):
            yield line, "label"
        if self.route is None:
            return
        stay = self.route.stay_text(state, self.language, self.zone)
        for line in _fitted(stay, WIDE - 14, _SMALL):
            yield line, "stay"
        if is_bold and self.badge:
            for line in _fitted(self.badge, WIDE - 30, _SMALL):
                yield line, "badge"

    def _begin(self, places: Places) -> Iterator[str]:
        """Yield a dot and an arrow before the first state."""
        box = places.boxes.get(self.definition.initial.value)
        if box is None or box.x > MARGIN + 40:
            return
        y, colour = box.y + box.high / 2, ink.INK if self.route is None else _TAKEN
        yield f'<circle cx="{MARGIN + 4}" cy="{y:g}" r="4.5" fill="{colour}"/>'
        yield ink.stroke(f"M{MARGIN + 8} {y:g}H{box.x - 7:g}", colour, width=1.2 if self.route is None else 2.5)
        yield f'<path d="M{box.x:g} {y:g}{_TIPS["right"]}" fill="{colour}"/>'

    def _move(self, pair: Pair, lines: Sequence[_Words], course: Course) -> str:
        rank = self._rank(pair)
        colour = (_TAKEN if rank == _PATH else ink.INK if rank else _PALE) if self.route else ink.SOFT
        names = ", ".join(trigger_name(edge.row.trigger.value, self.language) for edge in self._edges(pair))
        (x, y), (tip_x, tip_y) = course.label, course.tip
        parts = [
            f'<g class="itsm-move{" itsm-taken" if rank == _PATH else ""}"><title>{escape(names)}</title>',
            ink.stroke(course.path, colour, width=2.5 if rank == _PATH else 1.2),
            f'<path d="M{tip_x:g} {tip_y:g}{_TIPS[course.toward]}" fill="{colour}"/>',
        ]
        is_grey = self.route is not None and not rank
        for number, line in enumerate(lines):
            fill = _TAKEN if line.is_step else _GREY if is_grey else ink.SOFT if line.is_soft else ink.INK
            below, size, is_bold = y - (len(lines) - 1 - number) * LINE, line.size, line.is_step
            parts.append(ink.text(x, below, line.text, size=size, fill=fill, is_bold=is_bold))
        return "".join([*parts, "</g>"])

    def _state(self, state: str, lines: Sequence[tuple[str, str]], box: Box) -> str:
        route, is_final = self.route, state in self.definition.final
        is_current = route is not None and state == route.current
        is_visited = route is None or route.is_visited(state)
        tone = ink.tone_of(self.definition, state) if is_visited else ink.Tone(ink.PAPER, _PALE)
        added = " itsm-current" if is_current else " itsm-visited" if route is not None and is_visited else ""
        parts = [
            f'<g class="itsm-state{added}">',
            ink.box(box.x, box.y, WIDE, box.high, tone, is_final=is_final, is_current=is_current),
        ]
        first = box.y + box.high / 2 + 4 - (len(lines) - 1) * 7.5
        for number, (text, kind) in enumerate(lines):
            y = first + 15 * number
            is_badge, size = kind == "badge", _SMALL if kind != "label" else 12
            is_bold = is_badge or (is_current and kind == "label")
            fill = ink.ATTENTION if is_badge else ink.INK if is_visited else _GREY
            middle = box.middle + (7 if is_badge else 0)
            parts.append(ink.text(middle, y, text, size=size, fill=fill, anchor="middle", is_bold=is_bold))
            if is_badge and lines[number - 1][1] != "badge":
                parts.append(ink.warning(middle - width_of(text, size=size, is_bold=True) / 2 - 11, y - 4))
        return "".join([*parts, "</g>"])


def _fitted(text: str, room: float, size: int) -> Sequence[str]:
    """Return the lines of a text of a size, none of them wider than the room."""
    return lines_of(text, room * 12 / size, most=_MOST_LINES)


def _joined(needs: Sequence[str], room: float) -> Sequence[str]:
    """Return the evidence and the guard of a move as one text if it fits into a line."""
    whole = " ".join(needs)
    return [whole] if width_of(whole, size=_SMALLEST) <= room else needs


def _wide(line: _Words) -> float:
    return width_of(line.text, size=line.size, is_bold=line.is_step)
