"""The places of the states and the courses of the moves in a picture of a workflow, from left to right.

A state's column is its distance from the first state; the final states are in the last column. A move begins with a
straight piece beside its state, over which its label has room, and bends only after it, so no line crosses a label.
A move that passes a column has a place in it between the states.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.pictures.selection import Selection

Pair: TypeAlias = tuple[str, str]
"""The state that a move leaves, and the one that it enters."""

Node: TypeAlias = "str | tuple[Pair, int]"
"""A state, or the place of a passing move in a column."""

_SWEEPS = 6


@attrs.frozen
class Columns:
    """The states and the passing moves by column, from top to bottom.

    Attributes:
        columns: The nodes.
        chains: The nodes of each move between columns, from the left one to the right one.
        beside: The moves between states of one column.
    """

    columns: Sequence[Sequence[Node]]
    chains: Mapping[Pair, Sequence[Node]]
    beside: Sequence[Pair]


def pairs_of(selection: Selection) -> Sequence[Pair]:
    """Return the pairs of different states between which a move leads."""
    return list(dict.fromkeys((edge.source, edge.dest) for edge in selection.edges if edge.source != edge.dest))


def arranged(definition: WorkflowDefinition, selection: Selection) -> Columns:
    """Return the columns, ordered so that few lines cross."""
    pairs, ranks = pairs_of(selection), _ranks(definition, selection)
    columns: list[list[Node]] = [[] for _ in range(max(ranks.values()) + 1)]
    for state, rank in ranks.items():
        columns[rank].append(state)
    chains: dict[Pair, list[Node]] = {}
    for pair in pairs:
        left, right = sorted(pair, key=ranks.__getitem__)
        if ranks[left] == ranks[right]:
            continue
        passed: list[Node] = [(pair, rank) for rank in range(ranks[left] + 1, ranks[right])]
        chains[pair] = [left, *passed, right]
        for rank, node in enumerate(passed, ranks[left] + 1):
            columns[rank].append(node)
    beside = [pair for pair in pairs if ranks[pair[0]] == ranks[pair[1]]]
    return Columns(_untangled(columns, chains.values()), chains, beside)


def _ranks(definition: WorkflowDefinition, selection: Selection) -> Mapping[str, int]:
    """Return the column of each state: its distance from the first one."""
    after: dict[str, list[str]] = {}
    for source, dest in pairs_of(selection):
        after.setdefault(source, []).append(dest)
    found: dict[str, int] = {}
    begins = [definition.initial.value, *selection.states]
    for begin in (one for one in begins if one in selection.states):
        if begin in found or (begin in definition.final and found):
            continue
        found[begin] = 0
        waiting = deque([begin])
        while waiting:
            state = waiting.popleft()
            for following in after.get(state, ()):
                if following not in found:
                    found[following] = found[state] + 1
                    waiting.append(following)
    for roles in definition.rounds:
        if roles.waiting in found and roles.undelivered in found:
            found[roles.undelivered.value] = found[roles.waiting.value]  # it is the same wait
    last = max((rank for state, rank in found.items() if state not in definition.final), default=-1) + 1
    ranks = {state: last if state in definition.final else found[state] for state in selection.states}
    used = sorted(set(ranks.values()))
    return {state: used.index(rank) for state, rank in ranks.items()}


def _untangled(columns: list[list[Node]], chains: Iterable[Sequence[Node]]) -> Sequence[Sequence[Node]]:
    """Return the columns in the order with the fewest crossings that some sweeps find; the first of equal ones."""
    links = [pair for chain in chains for pair in itertools.pairwise(chain)]
    before: dict[Node, list[Node]] = {}
    after: dict[Node, list[Node]] = {}
    for left, right in links:
        before.setdefault(right, []).append(left)
        after.setdefault(left, []).append(right)
    best, fewest = [list(column) for column in columns], _crossings(columns, links)
    for sweep in range(_SWEEPS):
        is_forward = sweep % 2 == 0
        neighbours = before if is_forward else after
        for column in columns if is_forward else reversed(columns):
            places = {node: index for each in columns for index, node in enumerate(each)}
            heights = {node: _mean([places[one] for one in neighbours.get(node, ())], places[node]) for node in column}
            column.sort(key=heights.__getitem__)
        crossings = _crossings(columns, links)
        if crossings < fewest:
            best, fewest = [list(column) for column in columns], crossings
    return best


def _mean(numbers: Sequence[float], otherwise: float) -> float:
    return sum(numbers) / len(numbers) if numbers else otherwise


def _crossings(columns: Sequence[Sequence[Node]], links: Sequence[tuple[Node, Node]]) -> int:
    """Return how many pairs of links between neighbouring columns cross."""
    places = {node: (rank, index) for rank, column in enumerate(columns) for index, node in enumerate(column)}
    spans = [(places[left][0], places[left][1], places[right][1]) for left, right in links]
    return sum(
        one[0] == other[0] and (one[1] - other[1]) * (one[2] - other[2]) < 0
        for index, one in enumerate(spans)
        for other in spans[:index]
    )
