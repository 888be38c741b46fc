"""A directive of Sphinx that draws a workflow: ``.. itsm-workflow-graph:: module:name``.

Add ``"itsm_workflow.integrations.sphinx"`` to ``extensions`` in ``conf.py``. No extra of the library installs Sphinx: a
project with documentation has it.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any, ClassVar

from docutils import core, nodes  # type: ignore[import-untyped] # it has no types
from docutils.parsers.rst import directives  # type: ignore[import-untyped] # as above
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

from itsm_workflow.machine.definition import WorkflowDefinition
from itsm_workflow.machine.sentences import LANGUAGES
from itsm_workflow.pictures.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sphinx.application import Sphinx

_KINDS = ("graph", "table", "terminal", "mermaid")


def _one_of(*values: str) -> Callable[[str], str]:
    def converted(argument: str) -> str:
        return str(directives.choice(argument, values))

    return converted


def _names(argument: str) -> list[str]:
    return argument.replace(",", " ").split()


class WorkflowGraph(SphinxDirective):
    """The directive ``itsm-workflow-graph``; its argument names a `WorkflowDefinition` as ``module:name``.

    Its options are ``kind`` (``graph``, ``table``, ``terminal`` or ``mermaid``), ``language`` (``en`` or ``zh``; by
    default that of the project, or else ``en``), ``hide`` and ``focus`` (names of states and triggers), and ``plain``
    (no evidence, no guards). A graph is a picture in HTML, and box characters in all other output.
    """

    required_arguments = 1
    option_spec: ClassVar[Mapping[str, Callable[[str], Any]]] = {
        "kind": _one_of(*_KINDS),
        "language": _one_of(*LANGUAGES),
        "hide": _names,
        "focus": _names,
        "plain": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        """Return the drawing."""
        path, options = self.arguments[0], self.options
        try:
            graph = Graph(
                definition=self._definition(path),
                hide=options.get("hide", ()),
                focus=options.get("focus", ()),
                plain="plain" in options,
            )
        except Exception as problem:
            raise self.error(f"{self.name}: {path} cannot be drawn: {type(problem).__name__}: {problem}") from problem
        project = str(self.config.language or "")[:2]
        language = options.get("language") or (project if project in LANGUAGES else LANGUAGES[0])
        return list(_drawn(graph, options.get("kind", _KINDS[0]), language))

    def _definition(self, path: str) -> WorkflowDefinition:
        """Import the definition, and draw it again when its module changes."""
        module, separator, name = path.partition(":")
        if not separator:
            raise ValueError("the argument is not written as module:name, such as shop.itsm:CHANGE")
        imported = importlib.import_module(module)
        found: object = imported
        for part in name.split("."):
            found = getattr(found, part)
        if not isinstance(found, WorkflowDefinition):
            raise TypeError(f"{path} is not a WorkflowDefinition")
        if (file := inspect.getsourcefile(imported)) is not None:
            self.env.note_dependency(file)
        return found


def _drawn(graph: Graph, kind: str, language: str) -> Sequence[nodes.Node]:
    if kind == "table":
        return list(core.publish_doctree(format(graph, "rst")).findall(nodes.table))
    if kind == "mermaid":
        return [nodes.literal_block(str(graph), str(graph), language="text")]
    text = graph.terminal(language=language)
    lines = nodes.literal_block(text, text, language="text")
    if kind == "terminal":
        return [lines]
    html = f'<div class="itsm-workflow-graph" style="overflow-x: auto">{graph.svg(language=language)}</div>'
    return [nodes.raw("", html, format="html"), addnodes.only("", lines, expr="not html")]


def setup(app: Sphinx) -> dict[str, object]:
    """Add the directive to an application of Sphinx."""
    app.add_directive("itsm-workflow-graph", WorkflowGraph)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
