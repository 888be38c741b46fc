"""Diagrams of a workflow: Mermaid, DOT, a table, box characters, or a picture, made from the definition's rows."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.machine.labels import ATTENTION, in_language
from itsm_workflow.pictures.graph_dot import dot
from itsm_workflow.pictures.graph_mermaid import mermaid
from itsm_workflow.pictures.graph_svg import picture
from itsm_workflow.pictures.graph_table import markdown, rst
from itsm_workflow.pictures.graph_terminal import Sheet
from itsm_workflow.pictures.labels import state_name
from itsm_workflow.pictures.reading import read
from itsm_workflow.pictures.route import route_of
from itsm_workflow.pictures.selection import Selection, selected
from itsm_workflow.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from itsm_workflow.change import Attention, Entry
    from itsm_workflow.machine.definition import WorkflowDefinition

FORMATS = ("mermaid", "table", "rst", "terminal", "svg", "dot")

SUFFIXES = {
    ".mmd": "mermaid",
    ".md": "table",
    ".rst": "rst",
    ".txt": "terminal",
    ".svg": "svg",
    ".dot": "dot",
    ".gv": "dot",
}
"""The format of a file by its suffix."""

_TITLES = {
    "en": ("The workflow {name}", "The workflow {name}; the current state is {state}"),
    "zh": ("工作流 {name}", "工作流 {name}，当前状态为{state}"),
}


@attrs.frozen(kw_only=True)
class Graph:
    """A diagram of a workflow, optionally with the path of one change through it.

    ``f"{graph:mermaid}"``, ``f"{graph:table}"``, ``f"{graph:rst}"``, ``f"{graph:terminal}"``, ``f"{graph:svg}"`` and
    ``f"{graph:dot}"`` return the text; ``str(graph)`` is the Mermaid text. A notebook shows the picture. DOT needs the
    extra ``diagrams``, and marks the state alone.

    Attributes:
        path: The change's history. The diagram numbers its transitions and marks its states.
        hide: The states and triggers to leave out.
        focus: The states and triggers to show, with the states one move away; by default all.
        plain: Whether the evidence and the guards are left out of the labels.
        policy: The timings with which the history was written, as for `Timeline`.
        attention: The attention that is stored with the change, or None, as for `Timeline`.
        effects: The names of the effects by the state that plans them, for the tables; by default those of the
            definition.

    Raises:
        ValueError: A name to hide or to focus is neither a state nor a trigger, or no state is left.
    """

    definition: WorkflowDefinition
    path: Sequence[Entry] = ()
    hide: Collection[str] = ()
    focus: Collection[str] = ()
    plain: bool = False
    policy: Policy = attrs.field(factory=Policy)
    effects: Mapping[str, Sequence[str]] = attrs.field(
        default=attrs.Factory(lambda graph: graph.definition.effects, takes_self=True)
    )
    attention: Attention | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse names that the workflow does not have."""
        _ = self._selection

    def __format__(self, spec: str) -> str:
        if spec in {"", "mermaid"}:
            return mermaid(self.definition, self._selection, route_of(self.path))
        if spec == "table":
            return markdown(self.definition, self._selection, route_of(self.path), self.effects)
        if spec == "rst":
            return rst(self.definition, self._selection, route_of(self.path), self.effects)
        if spec == "terminal":
            return self.terminal()
        if spec == "svg":
            return self.svg() + "\n"
        if spec == "dot":
            return dot(self.definition, self._selection, self.path[-1].dest if self.path else "")
        raise ValueError(f"a graph has no format {spec!r}; its formats are {', '.join(FORMATS)}")

    def __str__(self) -> str:
        return format(self, "mermaid")

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_mimebundle_(self, **_options: object) -> dict[str, str]:
        return {"image/svg+xml": self.svg(), "text/plain": self.terminal()}

    @property
    def _selection(self) -> Selection:
        return selected(self.definition, self.hide, self.focus)

    def svg(self, *, language: str = "en", zone: dt.tzinfo = dt.UTC) -> str:
        """Return the picture as an element of SVG, to be written into a page of HTML as it is: its texts are escaped.

        It is read from left to right, needs neither a script nor a style sheet, and has white paper of its own. Scripts
        and tests find the states by the classes ``itsm-state``, ``itsm-visited`` and ``itsm-current``, the moves by
        ``itsm-move`` and ``itsm-taken``.

        Args:
            language: The language of the labels, ``en`` or ``zh``.
            zone: The zone of the times, which is named.

        Raises:
            ValueError: There are no labels in the language.
        """
        bare, current = _TITLES[_checked(language)]
        title = bare.format(name=self.definition.name)
        if self.path:
            state = state_name(self.definition, self.path[-1].dest, language)
            title = current.format(name=self.definition.name, state=state)
        return picture(
            self.definition,
            self.path,
            title=title,
            language=language,
            selection=self._selection,
            is_plain=self.plain,
            zone=zone,
            badge=self._badge(language),
        )

    def _badge(self, language: str) -> str:
        """Return the reason why a person should look at the change, if any."""
        after = read(self.definition, self.path, self.policy, language, self.attention)[-1].after if self.path else None
        return "" if after is None else in_language(ATTENTION[after.reason], language, after.reason)

    def terminal(self, *, language: str = "en", zone: dt.tzinfo = dt.UTC, columns: int = 80) -> str:
        """Return the graph in box characters, as lines for a terminal; Chinese characters are measured.

        Args:
            language: The language of the labels, ``en`` or ``zh``.
            zone: The zone of the times, which is named.
            columns: The greatest width of a line; at least 40.

        Raises:
            ValueError: There are no labels in the language.
        """
        return Sheet(
            definition=self.definition,
            selection=self._selection,
            route=route_of(self.path),
            language=_checked(language),
            zone=zone,
            is_plain=self.plain,
            columns=columns,
        ).text()


def _checked(language: str) -> str:
    if language not in _TITLES:
        raise ValueError(f"a graph has no labels in {language!r}; its languages are {', '.join(_TITLES)}")
    return language
