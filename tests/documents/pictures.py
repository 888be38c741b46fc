"""The pictures of the documentation that are drawn from code: ``make pictures`` draws them again."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from itsm_workflow import COLLECTOR_CHANGE
from itsm_workflow.pictures import SequenceDiagram, Timeline
from itsm_workflow.pictures.graph import Graph
from tests.support.lives import LIVES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"

_WORKFLOW = Graph(definition=COLLECTOR_CHANGE, plain=True)
_PART = Graph(definition=COLLECTOR_CHANGE, focus=["submit", "record_ticket", "approve"], hide=["failed_callback"])
_CHANGE = Graph(definition=COLLECTOR_CHANGE, path=LIVES["eventful"])
_FOCUS = Graph(definition=COLLECTOR_CHANGE, path=LIVES["attention"], focus=["applying"], hide=["abandon"])
_TIMELINE = Timeline(definition=COLLECTOR_CHANGE, path=LIVES["eventful"])
_SEQUENCE = SequenceDiagram(definition=COLLECTOR_CHANGE, path=LIVES["eventful"])

PICTURES: Mapping[str, Callable[[], str]] = {
    "workflow.svg": partial(_WORKFLOW.svg, language="en"),
    "workflow-zh.svg": partial(_WORKFLOW.svg, language="zh"),
    "workflow.md": partial(format, _PART, "table"),
    "workflow.rst": partial(format, _PART, "rst"),
    "workflow.mmd": partial(format, _PART, "mermaid"),
    "workflow.dot": partial(format, _PART, "dot"),
    "change.svg": partial(_CHANGE.svg, language="en"),
    "change-zh.svg": partial(_CHANGE.svg, language="zh"),
    "change-focus.svg": partial(_FOCUS.svg, language="en"),
    "change.txt": partial(attrs.evolve(_CHANGE, plain=True).terminal, language="en"),
    "change-zh.txt": partial(attrs.evolve(_CHANGE, plain=True, focus=["pending"]).terminal, language="zh"),
    "timeline.txt": partial(_TIMELINE.terminal, language="en"),
    "sequence.svg": partial(_SEQUENCE.svg, language="en"),
    "sequence-zh.svg": partial(_SEQUENCE.svg, language="zh"),
    "timeline.svg": partial(_TIMELINE.svg, language="en"),
    "timeline-zh.svg": partial(_TIMELINE.svg, language="zh"),
}
"""By file, the function that draws it."""


def main() -> None:
    """Draw all of them."""
    for name, draw in PICTURES.items():
        (FOLDER / name).write_text(draw().rstrip("\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
