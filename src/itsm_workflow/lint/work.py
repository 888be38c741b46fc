"""The checks of the work around an approval: no effect before it, none twice after it, and an end without a grant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.lint.findings import doubt, error
from itsm_workflow.machine.analysis import moves, reached

if TYPE_CHECKING:
    import enum
    from collections.abc import Iterator

    from itsm_workflow.lint.findings import LintFinding
    from itsm_workflow.machine.definition import Transition, WorkflowDefinition


class Work:
    """The states before and after the approval.

    Attributes:
        before: The states that are not final and can be reached without an approval.
        final: The final states.
    """

    def __init__(self, definition: WorkflowDefinition) -> None:
        self._definition = definition
        self._ticket = {definition.initial, *(roles.asking for roles in definition.rounds)}
        self.final = definition.final
        self.before = reached(definition, approved=False, of=definition.roles) - definition.final

    def findings(self) -> Iterator[LintFinding]:
        """Yield the findings about the effects that states name, and about the states that grant."""
        for state, names in self._definition.effects.items():
            if not names:
                continue
            if state in self.before:
                message = f"{state} plans effect {names[0]}, but it is entered before the approval"
                yield error("early", message, state=state.value)
            back = next((row for row in self._from(state) if row.dest is not state and self.returns(row, state)), None)
            if back is not None:
                message = (
                    f"{back.trigger.value} leads from {state} to {back.dest}, from which {state} is entered again and "
                    f"plans effect {names[0]} once more for the same approval; let the way back lead to another state"
                )
                yield error("again", message, state=state.value)
        yield from self._ends()

    def returns(self, row: Transition, state: str) -> bool:
        """Return whether a change can be in the state again after the row, without another submission."""
        if row.dest is None or row.dest == state:
            return True
        return state in reached(self._definition, start=row.dest, avoided=self._ticket)

    def _ends(self) -> Iterator[LintFinding]:
        granted = self._definition.rounds[-1].granted
        for state in reached(self._definition, start=granted, avoided=self._ticket):
            ways = dict.fromkeys(row.dest for row in self._from(state) if row.dest is not state)
            if len(ways) > 1 and all(dest is not None and self._definition.is_granting(dest.value) for dest in ways):
                named = " and ".join(str(dest) for dest in ways)
                message = (
                    f"the work leads from {state} to {named}, and all of them grant, so work that failed counts as "
                    "approved; declare in grants which of them do not grant"
                )
                yield doubt("failed", message, state=state.value)

    def _from(self, state: enum.StrEnum) -> Iterator[Transition]:
        return (row for row in moves(self._definition) if state in row.sources)
