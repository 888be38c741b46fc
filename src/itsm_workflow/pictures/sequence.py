"""A sequence diagram of one change: the messages between host, library, store, gateway and approvers."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.pictures.exchange import blocks_of
from itsm_workflow.pictures.reading import read
from itsm_workflow.pictures.sequence_mermaid import mermaid
from itsm_workflow.pictures.sequence_svg import drawn
from itsm_workflow.pictures.timeline import is_a_history
from itsm_workflow.pictures.words import check_language
from itsm_workflow.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.change import Attention, Entry
    from itsm_workflow.machine.definition import WorkflowDefinition


@attrs.frozen(kw_only=True)
class SequenceDiagram:
    """A sequence diagram of one change, drawn from its history: the same history gives the same bytes.

    ``f"{diagram:svg}"`` and ``f"{diagram:mermaid}"`` return the text; ``str(diagram)`` is the Mermaid text. A notebook
    shows the picture. A message that was lost, or whose fate is unknown, is a broken arrow.

    Attributes:
        definition: The workflow of the change.
        path: The change's complete history, oldest entry first.
        policy: The timings with which the history was written, as for `Timeline`.
        attention: The attention that is stored with the change, or None, as for `Timeline`.

    Raises:
        ValueError: The history is empty.
    """

    definition: WorkflowDefinition
    path: Sequence[Entry] = attrs.field(validator=is_a_history)
    policy: Policy = attrs.field(factory=Policy)
    attention: Attention | None = None

    def __format__(self, spec: str) -> str:
        if spec in {"", "mermaid"}:
            return self.mermaid()
        if spec == "svg":
            return self.svg() + "\n"
        raise ValueError(f"a sequence diagram has no format {spec!r}; its formats are mermaid, svg")

    def __str__(self) -> str:
        return format(self, "mermaid")

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_mimebundle_(self, **_options: object) -> dict[str, str]:
        return {"image/svg+xml": self.svg(), "text/plain": self.mermaid()}

    def svg(self, *, language: str = "en", zone: dt.tzinfo = dt.UTC) -> str:
        """Return the picture as an element of SVG, to be written into a page of HTML as it is: its texts are escaped.

        Args:
            language: The language of the words, ``en`` or ``zh``.
            zone: The zone of the times, which is named.

        Raises:
            ValueError: There are no words in the language.
        """
        check_language(language)
        steps = read(self.definition, self.path, self.policy, language, self.attention)
        return drawn(self.definition, steps, blocks_of(steps, language), language=language, zone=zone)

    def mermaid(self, *, language: str = "en", zone: dt.tzinfo = dt.UTC) -> str:
        """Return the diagram as Mermaid text, which ends with a line feed.

        Args:
            language: The language of the words, ``en`` or ``zh``.
            zone: The zone of the times, which is named.

        Raises:
            ValueError: There are no words in the language.
        """
        check_language(language)
        steps = read(self.definition, self.path, self.policy, language, self.attention)
        return mermaid(steps, blocks_of(steps, language), language=language, zone=zone)
