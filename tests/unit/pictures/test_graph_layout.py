"""The picture of a workflow can be read: no text covers another one, a state's box or a line."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from docs.examples.external_permission import EXTERNAL_PERMISSION
from docs.examples.plan_then_execute import PLAN_THEN_EXECUTE
from docs.examples.two_stage_change import TWO_STAGE_CHANGE
from itsm_workflow import COLLECTOR_CHANGE
from itsm_workflow.pictures import Graph
from tests.support.lives import LIVES
from tests.unit.pictures.drawing import SVG, areas, meet, outside, points, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.pictures.drawing import Area

GRAPHS = {
    **{name: Graph(definition=COLLECTOR_CHANGE, path=path) for name, path in LIVES.items()},
    **{
        one.name: Graph(definition=one)
        for one in (COLLECTOR_CHANGE, EXTERNAL_PERMISSION, PLAN_THEN_EXECUTE, TWO_STAGE_CHANGE)
    },
    "focus": Graph(definition=PLAN_THEN_EXECUTE, focus=["planning", "submit"]),
    "hide": Graph(definition=PLAN_THEN_EXECUTE, hide=["draft", "planning", "refused"]),
}


def boxes(svg: str) -> Iterator[Area]:
    """Yield the boxes of the states."""
    for group in read(svg).iter(f"{SVG}g"):
        if "itsm-state" in group.attrib["class"]:
            rect = group.find(f"{SVG}rect")
            assert rect is not None
            x, y, wide, high = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
            yield x, y, x + wide, y + high


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_text_meets_a_text_a_box_or_a_line(name: str, language: str) -> None:
    """A label is in its box, or beside its line; the texts of a box are the last ones before the legend."""
    svg = GRAPHS[name].svg(language=language)
    root, states = read(svg), list(boxes(svg))
    assert outside(root) == []
    moves = [group for group in root.iter(f"{SVG}g") if "itsm-move" in group.attrib["class"]]
    labels = [area for group in moves for area in areas(group)]
    assert [pair for pair in itertools.combinations(areas(root), 2) if meet(pair[0][1], pair[1][1])] == []
    assert [words for words, area in labels if any(meet(area, box) for box in states)] == []
    lines = [group.find(f"{SVG}path").attrib["d"] for group in moves]  # type: ignore[union-attr] # each has one
    dots = [(*dot, *dot) for line in lines for dot in points(line)]
    assert [words for words, area in labels if any(meet(area, dot) for dot in dots)] == []
    assert not any(meet(one, other) for one, other in itertools.combinations(states, 2))


def test_a_workflow_is_read_from_left_to_right() -> None:
    """The first state is on the left, the final ones are on the right, all others between them."""
    places = [box[0] for box in boxes(Graph(definition=COLLECTOR_CHANGE).svg())]
    lefts = dict(zip([state.value for state in COLLECTOR_CHANGE.states], places, strict=True))
    assert lefts["draft"] < lefts["applying"] < lefts["pending"] == lefts["failed_callback"] < lefts["approved"]
    assert lefts["approved"] == lefts["rejected"]
