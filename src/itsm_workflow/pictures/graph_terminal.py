"""The graph of a workflow in box characters, for a terminal: a box for each state, and its moves below it.

The boxes and arrows of a change's path are heavy, and its current state has a mark, so it needs no colours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.pictures.labels import needs_of, state_name, trigger_name
from itsm_workflow.pictures.measure import columns_of, lines_of
from itsm_workflow.pictures.words import phrase

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.pictures.route import Route
    from itsm_workflow.pictures.selection import Edge, Selection

_LIGHT, _HEAVY, _DOUBLE = tuple("┌─┐│└┘┬"), tuple("┏━┓┃┗┛┯"), tuple("╔═╗║╚╝╤")
_LEAST = 40
_MOST_LINES = 3


def _at_least(columns: int) -> int:
    return max(columns, _LEAST)


@attrs.frozen(kw_only=True)
class Sheet:
    """The parts of a drawing in box characters.

    Attributes:
        definition: The workflow.
        selection: The part to show.
        route: The way of a change; None for the workflow alone.
        language: The language of the labels.
        zone: The zone of the times.
        is_plain: Whether the evidence and the guards are left out.
        columns: The columns of the terminal; at least 40 are used.
    """

    definition: WorkflowDefinition
    selection: Selection
    route: Route | None
    language: str
    zone: dt.tzinfo
    is_plain: bool
    columns: int = attrs.field(converter=_at_least)

    def text(self) -> str:
        """Return the lines, none of them wider than the columns."""
        lines = list(self._broken(phrase("workflow", self.language, self.definition.name), 0))
        for state in self.selection.states:
            moves = [edge for edge in self.selection.edges if edge.source == state and edge.dest != state]
            lines += ["", *self._box(state, leads_on=bool(moves))]
            for edge in moves:
                lines += self._move(edge, is_last=edge is moves[-1])
        lines += ["", *self._broken(phrase("terminal_path" if self.route else "terminal_end", self.language), 0)]
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def _broken(self, text: str, indent: int) -> Sequence[str]:
        return lines_of(text, self.columns - indent, most=_MOST_LINES, measured=columns_of)

    def _box(self, state: str, *, leads_on: bool) -> Iterator[str]:
        """Yield the three lines of a state, with the change's time in it beside the box."""
        route, is_final, stay = self.route, state in self.definition.final, ""
        signs = _DOUBLE if is_final else _LIGHT
        if route is not None and route.is_visited(state):
            signs, stay = _HEAVY, route.stay_text(state, self.language, self.zone)
            stay = f"◀ {stay}" if state == route.current else stay
        corner, bar, right, side, below, end, fork = signs
        mark = "▣ " if is_final else ""
        name, frame = state_name(self.definition, state, self.language), columns_of(f"{side} {mark} {side}")
        label = "".join(lines_of(name, self.columns - frame, most=1, measured=columns_of))
        wide = columns_of(mark + label) + 2
        is_beside = frame + columns_of(f"{label} {stay}") <= self.columns
        yield f"{corner}{bar * wide}{right}"
        yield f"{side} {mark}{label} {side} {stay if is_beside else ''}"
        yield f"{below}{bar}{fork if leads_on else bar}{bar * (wide - 2)}{end}"
        if not is_beside:
            yield from (f"  {'│' if leads_on else ' '} {line}" for line in self._broken(stay, 4))

    def _move(self, edge: Edge, *, is_last: bool) -> Iterator[str]:
        """Yield the lines of a move: where it leads and by what, the steps of the change, and what it needs."""
        trigger = edge.row.trigger.value
        move = edge.source, trigger, edge.dest
        route = self.route if self.route is not None and move in self.route.steps else None
        dest = state_name(self.definition, edge.dest, self.language)
        words = phrase("named", self.language, dest, trigger_name(trigger, self.language))
        first, rest = f"  {'└' if is_last else '├'}{'━━▶' if route else '──▶'} ", f"  {' ' if is_last else '│'}     "
        for line in self._broken(words, len(first)):
            yield first + line
            first = rest
        if route is not None:
            words = phrase("step", self.language, route.steps_text(move, self.zone))
            yield from (f"{rest}  {line}" for line in self._broken(words, len(rest) + 2))
        if not self.is_plain:
            yield from (f"{rest}  {line}" for line in self._broken(" ".join(needs_of(edge.row)), len(rest) + 2))
