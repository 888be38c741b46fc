"""The measures of a picture of a workflow: boxes, the straight pieces under the labels, and the bends between them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.pictures.graph_layout import Columns, Node, Pair

WIDE = 124
"""The width of a state's box in pixels."""

LINE = 13
"""The distance between two lines of a label."""

MARGIN = 14
_BEGIN = 26  # the dot and the arrow before the first state
_LEAST_HIGH = 40
_PORT, _SLOT = 16, 9
_GAP, _LANE = 24, 8
_BEND = 46
_AFTER_LABEL = 14
_DOWN = 14


@attrs.frozen
class Block:
    """The size of a label."""

    wide: float
    lines: int


@attrs.frozen
class Box:
    """The place of a state."""

    x: float
    y: float
    high: float

    @property
    def middle(self) -> float:
        """The place of a text that is centred."""
        return self.x + WIDE / 2


@attrs.frozen
class Course:
    """The line of a move.

    Attributes:
        path: The line, from the state that the move leaves to the one that it enters.
        tip: The end of the line.
        toward: The direction of the arrow there: ``right``, ``left``, ``down`` or ``up``.
        label: The place of the label's last line, which begins there.
    """

    path: str
    tip: tuple[float, float]
    toward: str
    label: tuple[float, float]


@attrs.frozen
class Places:
    """The picture's measures."""

    boxes: Mapping[str, Box]
    courses: Mapping[Pair, Course]
    wide: float
    high: float


@attrs.define
class Measured:
    """A picture that is being measured.

    Attributes:
        columns: The nodes by column.
        heads: The lines of text in each state's box.
        labels: The size of each move's label.
    """

    columns: Columns
    heads: Mapping[str, int]
    labels: Mapping[Pair, Block]
    _ranks: Mapping[Node, tuple[int, int]] = attrs.field(init=False, factory=dict)
    _right: dict[Node, list[Pair]] = attrs.field(init=False, factory=dict)
    _left: dict[Node, list[Pair]] = attrs.field(init=False, factory=dict)
    _stacked: list[Pair] = attrs.field(init=False, factory=list)
    _y: dict[Node, float] = attrs.field(init=False, factory=dict)

    def places(self) -> Places:
        """Return the measures."""
        columns = self.columns.columns
        self._ranks = {node: (rank, index) for rank, column in enumerate(columns) for index, node in enumerate(column)}
        self._stacked = [pair for pair in self.columns.beside if self._is_neighbour(pair)]
        self._sort_ports()
        for column in columns:
            self._stack(column)
        top = min(self._y.values())
        self._y = {node: MARGIN + y - top for node, y in self._y.items()}
        x, begins, ends = float(MARGIN + _BEGIN), [], []
        for column in columns:
            begins.append(x)
            ends.append(x + WIDE + max((self._label_wide(node) for node in column), default=0))
            x = ends[-1] + _BEND
        boxes = {
            node: Box(begins[self._ranks[node][0]], self._y[node], self._high(node))
            for column in columns
            for node in column
            if isinstance(node, str)
        }
        courses = {pair: self._course(pair, begins, ends) for pair in self.labels}
        wide = max(ends[-1], begins[-1] + WIDE) + MARGIN
        return Places(boxes, courses, wide, max(y + self._high(node) for node, y in self._y.items()) + MARGIN)

    def _is_neighbour(self, pair: Pair) -> bool:
        return abs(self._ranks[pair[0]][1] - self._ranks[pair[1]][1]) == 1

    def _sort_ports(self) -> None:
        """Note the moves on the right and on the left side of each node, from top to bottom."""
        right: dict[Node, list[tuple[float, Pair]]] = {}
        left: dict[Node, list[tuple[float, Pair]]] = {}
        for pair, chain in self.columns.chains.items():
            for one, other in itertools.pairwise(chain):
                right.setdefault(one, []).append((self._ranks[other][1], pair))
                left.setdefault(other, []).append((self._ranks[one][1], pair))
        for pair in self.columns.beside:
            if pair not in self._stacked:
                for one, other in (pair, pair[::-1]):
                    is_below = self._ranks[other][1] > self._ranks[one][1]
                    right.setdefault(one, []).append((1000 if is_below else -1, pair))
        self._right = {node: [pair for _, pair in sorted(found, key=_height)] for node, found in right.items()}
        # Lines that come from one node keep the order in which they left it.
        self._left = {
            node: [
                pair
                for *_, pair in sorted(
                    (height, self._right[self._before(node, pair)].index(pair), pair) for height, pair in found
                )
            ]
            for node, found in left.items()
        }

    def _before(self, node: Node, pair: Pair) -> Node:
        chain = self.columns.chains[pair]
        return chain[list(chain).index(node) - 1]

    def _lines(self, node: Node, pair: Pair) -> int:
        """Return the lines of a label on the right side of a node; a label is beside one node only."""
        if pair in self.columns.chains:
            return self.labels[pair].lines if self.columns.chains[pair][0] == node else 0
        return self.labels[pair].lines if pair[0] == node else 0

    def _label_wide(self, node: Node) -> float:
        wide = [self.labels[pair].wide for pair in self._right.get(node, ()) if self._lines(node, pair)]
        return max(wide, default=-_AFTER_LABEL) + _AFTER_LABEL

    def _high(self, node: Node) -> float:
        if not isinstance(node, str):
            return _LANE
        right = sum(self._lines(node, pair) * LINE + _SLOT for pair in self._right.get(node, ()))
        left = len(self._left.get(node, ())) * _PORT + 8
        return max(_LEAST_HIGH, right + 4, left, self.heads[node] * 15 + 14)

    def _port_right(self, node: Node, pair: Pair) -> float:
        """Return the distance of a line on the right side from the top of its node."""
        if not isinstance(node, str):
            return _LANE / 2
        slots = [self._lines(node, one) * LINE + _SLOT for one in self._right[node]]
        spare = (self._high(node) - sum(slots) - 4) / 2
        return spare + sum(slots[: self._right[node].index(pair) + 1])

    def _port_left(self, node: Node, pair: Pair) -> float:
        """Return the distance of a line on the left side from the top of its node."""
        if not isinstance(node, str):
            return _LANE / 2
        ports = self._left[node]
        return self._high(node) / 2 + (ports.index(pair) - (len(ports) - 1) / 2) * _PORT

    def _stack(self, column: Sequence[Node]) -> None:
        """Place a column: each node at the height of the lines that come from the left, and below the one before."""
        bottom = 0.0
        for index, node in enumerate(column):
            wanted = [
                self._y[self._before(node, pair)]
                + self._port_right(self._before(node, pair), pair)
                - self._port_left(node, pair)
                for pair in self._left.get(node, ())
            ]
            gap = self._gap(column[index - 1], node) if index else 0
            mean = sum(wanted) / len(wanted) if wanted else 0
            self._y[node] = max(bottom + gap, mean) if index else mean
            bottom = self._y[node] + self._high(node)

    def _gap(self, above: Node, below: Node) -> float:
        lines = [self.labels[pair].lines for pair in self._stacked if set(pair) == {above, below}]
        return max(lines) * LINE + 26 if lines else _GAP

    def _course(self, pair: Pair, begins: Sequence[float], ends: Sequence[float]) -> Course:
        if pair in self._stacked:
            return self._straight_down(pair, begins)
        if pair in self.columns.beside:
            return self._around(pair, begins, ends)
        chain = self.columns.chains[pair]
        y = self._y[chain[0]] + self._port_right(chain[0], pair)
        rank = self._ranks[chain[0]][0]
        points = [f"{begins[rank] + WIDE:g} {y:g}"]
        label = begins[rank] + WIDE + 7, y - 5
        first = begins[rank] + WIDE, y
        parts = [points]
        for node in chain[1:]:
            turn, y2 = ends[rank], self._y[node] + self._port_left(node, pair)
            rank += 1
            half = (turn + begins[rank]) / 2
            parts.append([f"{turn:g} {y:g}", f"{half:g} {y:g}", f"{half:g} {y2:g}", f"{begins[rank]:g} {y2:g}"])
            y = y2
        last = begins[rank], y
        if pair[0] == chain[0]:
            line = f"M{points[0]}" + "".join(f"L{a}C{b} {c} {d}" for a, b, c, d in parts[1:])
            return Course(line, last, "right", label)
        line = f"M{last[0]:g} {last[1]:g}" + "".join(
            f"{'' if index == 0 else f'L{d}'}C{c} {b} {a}" for index, (a, b, c, d) in enumerate(reversed(parts[1:]))
        )
        return Course(f"{line}L{points[0]}", first, "left", label)

    def _straight_down(self, pair: Pair, begins: Sequence[float]) -> Course:
        """Return the line between two states of which one is below the other."""
        source, dest = pair
        is_down = self._ranks[source][1] < self._ranks[dest][1]
        upper, lower = pair if is_down else pair[::-1]
        x = begins[self._ranks[source][0]] + _DOWN
        if not is_down and (dest, source) in self._stacked:
            x = min(x + self.labels[dest, source].wide + 20, begins[self._ranks[source][0]] + WIDE - 8)
        top, bottom = self._y[upper] + self._high(upper), self._y[lower]
        below = (top + bottom) / 2 + self.labels[pair].lines * LINE / 2 - 3
        first, last = (top, bottom) if is_down else (bottom, top)
        return Course(f"M{x:g} {first:g}L{x:g} {last:g}", (x, last), "down" if is_down else "up", (x + 7, below))

    def _around(self, pair: Pair, begins: Sequence[float], ends: Sequence[float]) -> Course:
        """Return the line between two states of a column that has others between them."""
        rank = self._ranks[pair[0]][0]
        x, turn = begins[rank] + WIDE, ends[rank]
        y1, y2 = (self._y[state] + self._port_right(state, pair) for state in pair)
        out = turn + _BEND / 2
        return Course(
            f"M{x:g} {y1:g}L{turn:g} {y1:g}C{out:g} {y1:g} {out:g} {y2:g} {turn:g} {y2:g}L{x:g} {y2:g}",
            (x, y2),
            "left",
            (x + 7, y1 - 5),
        )


def _height(found: tuple[float, Pair]) -> float:
    return found[0]
