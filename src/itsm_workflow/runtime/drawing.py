"""Pictures of a workflow and of its changes; what draws them is imported with the first picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from itsm_workflow import pictures
    from itsm_workflow.runtime.journal import Journal
else:
    from itsm_workflow.exports import lazy_module

    pictures = lazy_module("itsm_workflow.pictures")


class Drawn:
    """Draws a workflow, and each of its changes from its history."""

    _journal: Journal

    def graph(self, change_id: str | None = None) -> pictures.Graph:
        """Return the workflow as a graph, with the path of the given change, if any."""
        life = {} if change_id is None else self._journal.life(change_id)
        return pictures.Graph(definition=self._journal.definition, effects=self._journal.effects, **life)

    def timeline(self, change_id: str) -> pictures.Timeline:
        """Return the timeline of a change, drawn from its history."""
        return pictures.Timeline(definition=self._journal.definition, **self._journal.life(change_id))

    def sequence(self, change_id: str) -> pictures.SequenceDiagram:
        """Return the sequence diagram of a change, drawn from its history."""
        return pictures.SequenceDiagram(definition=self._journal.definition, **self._journal.life(change_id))
