"""Diagrams of a workflow: Mermaid, DOT, a Markdown table, or a picture, made from the definition's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.machine.analysis import moves
from itsm_workflow.machine.labels import state_label
from itsm_workflow.pictures.graph_dot import dot
from itsm_workflow.pictures.graph_svg import picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow.change import Entry
    from itsm_workflow.machine.definition import WorkflowDefinition

FORMATS = ("mermaid", "table", "svg", "dot")

SUFFIXES = {".mmd": "mermaid", ".md": "table", ".svg": "svg", ".dot": "dot", ".gv": "dot"}
"""The format of a file by its suffix."""

_TITLES = {
    "en": ("The workflow {name}", "The workflow {name}; the current state is {state}"),
    "zh": ("流程 {name}", "流程 {name}，当前状态为{state}"),
}


@attrs.frozen(kw_only=True)
class Graph:
    """A diagram of a workflow, optionally with the path of one change through it.

    ``f"{graph:mermaid}"``, ``f"{graph:table}"``, ``f"{graph:svg}"`` and ``f"{graph:dot}"`` return the text;
    ``str(graph)`` is the Mermaid text. A notebook shows the picture. DOT needs the extra ``diagrams``, and marks the
    state alone.

    Attributes:
        path: The change's history. The diagram numbers its transitions and marks its states.
    """

    definition: WorkflowDefinition
    path: Sequence[Entry] = ()

    def __format__(self, spec: str) -> str:
        if spec in {"", "mermaid"}:
            return _mermaid(self.definition, self.path)
        if spec == "table":
            return _table(self.definition, self.path)
        if spec == "svg":
            return self.svg() + "\n"
        if spec == "dot":
            return dot(self.definition, self.path[-1].dest if self.path else "")
        raise ValueError(f"a graph has no format {spec!r}; its formats are {', '.join(FORMATS)}")

    def __str__(self) -> str:
        return format(self, "mermaid")

    def _repr_svg_(self) -> str:
        return self.svg()

    def svg(self, *, language: str = "en") -> str:
        """Return the picture as an element of SVG, to be written into a page of HTML as it is: its texts are escaped.

        It needs neither a script nor a style sheet. A page may set other colours for the classes ``itsm-state``,
        ``itsm-visited``, ``itsm-current``, ``itsm-move``, ``itsm-taken`` and ``itsm-step``.

        Args:
            language: The language of the labels, ``en`` or ``zh``.

        Raises:
            ValueError: There are no labels in the language.
        """
        if language not in _TITLES:
            raise ValueError(f"a graph has no labels in {language!r}; its languages are {', '.join(_TITLES)}")
        bare, current = _TITLES[language]
        title = bare.format(name=self.definition.name)
        if self.path:
            state = state_label(self.definition, self.path[-1].dest, language)
            title = current.format(name=self.definition.name, state=state)
        return picture(self.definition, self.path, title=title, language=language)


def _mermaid(definition: WorkflowDefinition, path: Sequence[Entry]) -> str:
    steps = _steps(path)
    lines = ["---", f"title: {definition.name}", "---", "stateDiagram-v2", "    direction LR"]
    lines.append(f"    [*] --> {definition.initial.value}")
    for source, trigger, dest in _edges(definition):
        taken = steps.get((source, trigger, dest))
        lines.append(f"    {source} --> {dest} : {trigger}" + (f" (step {', '.join(taken)})" if taken else ""))
    lines += [f"    {state.value} --> [*]" for state in definition.states if state in definition.final]
    if path:
        current = path[-1].dest
        visited = [state.value for state in definition.states if any(entry.dest == state for entry in path)]
        lines += [
            "    classDef visited fill:#dbeafe,stroke:#1d4ed8,color:#111827",
            "    classDef current fill:#1d4ed8,stroke:#1e3a8a,color:#ffffff",
            *(f"    class {state} visited" for state in visited if state != current),
            f"    class {current} current",
        ]
    return "\n".join(lines) + "\n"


def _steps(path: Sequence[Entry]) -> dict[tuple[str, str, str], list[str]]:
    """Return the numbers of a path's transitions by edge; the draft is number 0."""
    steps: dict[tuple[str, str, str], list[str]] = {}
    moved = [entry for entry in path if entry.source != entry.dest]
    for number, entry in enumerate(moved):
        steps.setdefault((entry.source, entry.trigger, entry.dest), []).append(str(number))
    return steps


def _edges(definition: WorkflowDefinition) -> Iterator[tuple[str, str, str]]:
    for row in moves(definition):
        for source in row.sources:
            yield source.value, row.trigger.value, row.dest.value if row.dest else source.value


def _table(definition: WorkflowDefinition, path: Sequence[Entry]) -> str:
    head = ["trigger", "from", "to", "evidence", "guard", "meaning", *(["steps"] if path else [])]
    lines = [_line(head), _line(["---"] * len(head))]
    steps = _steps(path)
    for row in definition.transitions:
        sources = "any" if len(row.sources) == len(definition.states) else ", ".join(one.value for one in row.sources)
        evidence = " or ".join(kind.__name__ for kind in row.evidence_types)
        guard = "" if row.guard.__name__ == "always" else row.guard.__name__
        cells = [row.trigger.value, sources, row.dest.value if row.dest else "=", evidence, guard, row.note]
        if path and row.dest:
            edges = ((source.value, row.trigger.value, row.dest.value) for source in row.sources)
            cells.append(", ".join(number for edge in edges for number in steps.get(edge, ())))
        elif path:
            cells.append("")
        lines.append(_line(cells))
    if path:
        lines += ["", f"The change is in state {path[-1].dest}."]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
