"""The directive of Sphinx that draws a workflow."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from itsm_workflow import COLLECTOR_CHANGE
from itsm_workflow.pictures import Graph

if TYPE_CHECKING:
    from pathlib import Path

_NAME = "itsm_workflow:COLLECTOR_CHANGE"


def built(folder: Path, page: str, builder: str = "html", language: str = "en") -> tuple[str, str]:
    """Return the text that a builder makes of a page, and its warnings."""
    source, out, warnings = folder / "source", folder / builder, io.StringIO()
    source.mkdir(exist_ok=True)
    (source / "index.rst").write_text(f"Page\n====\n\n{page}", encoding="utf-8")
    overrides = {"extensions": ["itsm_workflow.integrations.sphinx"], "language": language, "html_theme": "basic"}
    with docutils_namespace():
        Sphinx(source, None, out, folder / "doctrees", builder, overrides, status=None, warning=warnings).build()
    return (out / f"index.{'txt' if builder == 'text' else 'html'}").read_text(encoding="utf-8"), warnings.getvalue()


def test_the_directive_draws_what_its_options_say(tmp_path: Path) -> None:
    """The picture as it is, a table, and text."""
    page = f"""
.. itsm-workflow-graph:: {_NAME}
   :hide: failed_callback, abandon
   :focus: pending
   :plain:
   :language: zh

.. itsm-workflow-graph:: {_NAME}
   :kind: table

.. itsm-workflow-graph:: {_NAME}
   :kind: mermaid
"""
    shown, warnings = built(tmp_path, page)
    hidden = ["failed_callback", "abandon"]
    graph = Graph(definition=COLLECTOR_CHANGE, hide=hidden, focus=["pending"], plain=True)
    assert graph.svg(language="zh") in shown
    assert shown.count("<svg") == 1
    assert "claims the subject</p></td>" in shown
    assert "stateDiagram-v2" in shown
    assert warnings == ""


def test_output_without_pictures_has_box_characters(tmp_path: Path) -> None:
    """In the language of the project."""
    shown, warnings = built(tmp_path, f".. itsm-workflow-graph:: {_NAME}\n", builder="text", language="zh_CN")
    assert "│ 草稿 │" in shown
    assert warnings == ""


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("itsm_workflow:State", "TypeError: itsm_workflow:State is not a WorkflowDefinition"),
        ("shop", "ValueError: the argument is not written as module:name"),
        ("no_such_module:x", "ModuleNotFoundError: No module named 'no_such_module'"),
        (f"{_NAME}\n   :hide: gone", "ValueError: the workflow collector_change has no state or trigger 'gone'"),
    ],
)
def test_what_cannot_be_drawn_is_an_error_at_its_line(tmp_path: Path, argument: str, message: str) -> None:
    """The rest of the page is built."""
    shown, warnings = built(tmp_path, f".. itsm-workflow-graph:: {argument}\n\nThe rest.\n")
    assert "index.rst:4: ERROR:" in warnings
    assert message in warnings
    assert "The rest." in shown
