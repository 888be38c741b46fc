"""The graphs on the examples' pages, drawn from their tables: ``python -m tests.examples.pages`` renews them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from docs.examples.external_permission import EXTERNAL_PERMISSION
from docs.examples.plan_then_execute import PLAN_THEN_EXECUTE
from docs.examples.two_stage_change import TWO_STAGE_CHANGE
from itsm_workflow.pictures.graph import Graph

if TYPE_CHECKING:
    from itsm_workflow import WorkflowDefinition

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
PAGES: dict[Path, WorkflowDefinition] = {
    HOW_TO / "example-external-permission.md": EXTERNAL_PERMISSION,
    HOW_TO / "example-plan-then-execute.md": PLAN_THEN_EXECUTE,
    HOW_TO / "example-two-stage-change.md": TWO_STAGE_CHANGE,
}
_GRAPH = re.compile(r"(?<=^```mermaid\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)


def renewed(page: str, definition: WorkflowDefinition) -> str:
    """Return the page with its graph as the table has it."""
    return _GRAPH.sub(lambda _: f"{Graph(definition=definition):mermaid}", page, count=1)


if __name__ == "__main__":
    for path, definition in PAGES.items():
        path.write_text(renewed(path.read_text(encoding="utf-8"), definition), encoding="utf-8")
