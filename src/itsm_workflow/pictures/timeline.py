"""A picture of one change over time: a row for each entry of its history, in the lane of what it is about."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.pictures.reading import read
from itsm_workflow.pictures.timeline_svg import drawn
from itsm_workflow.pictures.timeline_text import lines
from itsm_workflow.pictures.words import check_language
from itsm_workflow.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.change import Attention, Entry
    from itsm_workflow.machine.definition import WorkflowDefinition


def is_a_history(_instance: object, _attribute: attrs.Attribute[Sequence[Entry]], path: Sequence[Entry]) -> None:
    """Refuse a history without entries: every change has a first one."""
    if not path:
        raise ValueError("a picture of a change needs its history, with at least one entry")


@attrs.frozen(kw_only=True)
class Timeline:
    """A timeline of one change, drawn from its history: the same history gives the same bytes.

    It has a lane each for the state, callbacks, looks, effects and people, and says each entry in words. ``str`` and
    ``f"{timeline:svg}"`` return the text, ``f"{timeline:terminal}"`` lines for a terminal. A notebook shows the
    picture.

    Attributes:
        definition: The workflow of the change.
        path: The change's complete history, oldest entry first.
        policy: The timings with which the history was written. They decide when a look-up schedule ends, and so when
            attention was raised.
        attention: The attention that is stored with the change, or None. It is drawn since its time if the history,
            read with the policy, raises none.

    Raises:
        ValueError: The history is empty.
    """

    definition: WorkflowDefinition
    path: Sequence[Entry] = attrs.field(validator=is_a_history)
    policy: Policy = attrs.field(factory=Policy)
    attention: Attention | None = None

    def __format__(self, spec: str) -> str:
        if spec in {"", "svg"}:
            return self.svg() + "\n"
        if spec == "terminal":
            return self.terminal()
        raise ValueError(f"a timeline has no format {spec!r}; its formats are svg, terminal")

    def __str__(self) -> str:
        return format(self, "svg")

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_mimebundle_(self, **_options: object) -> dict[str, str]:
        return {"image/svg+xml": self.svg(), "text/plain": self.terminal()}

    def svg(self, *, language: str = "en", zone: dt.tzinfo = dt.UTC) -> str:
        """Return the picture as an element of SVG, to be written into a page of HTML as it is: its texts are escaped.

        It needs neither a script nor a style sheet, and has its own white background.

        Args:
            language: The language of the words, ``en`` or ``zh``.
            zone: The zone of the times, which is named.

        Raises:
            ValueError: There are no words in the language.
        """
        check_language(language)
        steps = read(self.definition, self.path, self.policy, language, self.attention)
        return drawn(self.definition, steps, language=language, zone=zone)

    def terminal(self, *, language: str = "en", zone: dt.tzinfo = dt.UTC, columns: int = 80) -> str:
        """Return the timeline as lines for a terminal; Chinese characters are measured.

        Args:
            language: The language of the words, ``en`` or ``zh``.
            zone: The zone of the times, which is named.
            columns: The greatest width of a line; at least 40.

        Raises:
            ValueError: There are no words in the language.
        """
        check_language(language)
        steps = read(self.definition, self.path, self.policy, language, self.attention)
        return "\n".join(lines(steps, language=language, zone=zone, columns=columns)) + "\n"
