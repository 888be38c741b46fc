"""The pictures of the documentation that are drawn from code: ``make pictures`` draws them again."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from itsm_workflow import COLLECTOR_CHANGE
from itsm_workflow.pictures import SequenceDiagram, Timeline
from itsm_workflow.pictures.graph import Graph
from tests.support.lives import LIVES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"

_TIMELINE = Timeline(definition=COLLECTOR_CHANGE, path=LIVES["eventful"])
_SEQUENCE = SequenceDiagram(definition=COLLECTOR_CHANGE, path=LIVES["eventful"])

PICTURES: Mapping[str, Callable[[], str]] = {
    "workflow.svg": partial(Graph(definition=COLLECTOR_CHANGE).svg, language="en"),
    "workflow-zh.svg": partial(Graph(definition=COLLECTOR_CHANGE).svg, language="zh"),
    "sequence.svg": partial(_SEQUENCE.svg, language="en"),
    "sequence-zh.svg": partial(_SEQUENCE.svg, language="zh"),
    "timeline.svg": partial(_TIMELINE.svg, language="en"),
    "timeline-zh.svg": partial(_TIMELINE.svg, language="zh"),
}
"""By file, the function that draws it."""


def main() -> None:
    """Draw all of them."""
    for name, draw in PICTURES.items():
        (FOLDER / name).write_text(draw() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
