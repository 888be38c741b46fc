"""The checks of the work around an approval: no effect before it, none twice after it, and an end without a grant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.lint.findings import doubt, error
from itsm_workflow.machine.analysis import is_approval, moves, reached
from itsm_workflow.machine.approval import Trigger

if TYPE_CHECKING:
    import enum
    from collections.abc import Iterator

    from itsm_workflow.lint.findings import LintFinding
    from itsm_workflow.machine.definition import Roles, Transition, WorkflowDefinition

_EXEMPT = "if that is right, as for a message to the applicant, exempt the state from `early` with the reason"


class Work:
    """The states before and after the approvals.

    Attributes:
        before: The states that can be reached without any approval, final ones included.
        final: The final states.
    """

    def __init__(self, definition: WorkflowDefinition) -> None:
        self._definition = definition
        self._ticket = {definition.initial, *(roles.asking for roles in definition.rounds)}
        self._begins = {definition.initial, definition.roles.asking}
        self.final = definition.final
        self.before = reached(definition, approved=False, of=definition.roles)

    def findings(self) -> Iterator[LintFinding]:
        """Yield the findings about the effects that states name, and about the states that grant."""
        for state, names in self._definition.effects.items():
            if names:
                yield from self._early(state, names[0])
                yield from self._again(state, names[0])
        yield from self._ends()

    def returns(self, row: Transition, state: str) -> bool:
        """Return whether a change can be in the state again after the row, without another submission."""
        if row.dest is None or row.dest == state:
            return True
        return state in reached(self._definition, start=row.dest, avoided=self._ticket)

    def _early(self, state: enum.StrEnum, name: str) -> Iterator[LintFinding]:
        """Yield the finding about an effect that is planned before an approval: the first one, or a later one."""
        if state in self.before:
            how = f"a change can end there without an approval; {_EXEMPT}"
            if state not in self.final:
                how = "it is entered before the approval"
            yield error("early", f"{state} plans effect {name}, but {how}", state=state.value)
            return
        for number, roles in enumerate(self._definition.later_rounds, start=2):
            if state in reached(self._definition, approved=False, of=roles):
                message = (
                    f"{state} plans effect {name}, but it can be entered before approval {number}, which leads from "
                    f"{roles.waiting} to {roles.granted}; plan in it what needs no more than the approval before, and "
                    "exempt the state from `early` with the reason"
                )
                yield doubt("early", message, state=state.value)
                return

    def _again(self, state: enum.StrEnum, name: str) -> Iterator[LintFinding]:
        """Yield the finding about an effect that a way back plans again, without another approval."""
        way = self._way_back(state)
        if not way:
            return
        first, last = way[0], way[-1]
        through = f" and {last.trigger.value} back to it" if last is not first else ""
        message = (
            f"{first.trigger.value} leads from {state} to {first.dest}{through}, so that {state} is entered again and "
            f"plans effect {name} once more for the same approval; {self._instead(last)}"
        )
        yield error("again", message, state=state.value)

    def _instead(self, last: Transition) -> str:
        """Return what to do about a way back whose last row is this one."""
        if not isinstance(last.trigger, Trigger):
            return "let the way back lead to another state"
        granted = next(
            (one.granted for one in self._definition.rounds if last in self._library_rows(one)),
            self._definition.rounds[-1].granted,
        )
        return f"{last.trigger.value} is the library's own: plan the effect after the approval, in {granted}"

    def _library_rows(self, roles: Roles) -> list[Transition]:
        states = {roles.asking, roles.waiting, roles.undelivered}
        return [row for row in self._definition.transitions if states.intersection(row.sources)]

    def _way_back(self, state: enum.StrEnum) -> list[Transition]:
        """Return the rows of the shortest way from a state back to it without another approval, or none.

        A change that is drafted again needs the first approval again.
        """
        ways: list[tuple[enum.StrEnum, list[Transition]]] = [(state, [])]
        seen: set[enum.StrEnum] = set()
        for place, way in ways:  # the list grows during the loop
            for row in self._from(place):
                if row.dest is None or row.dest is place or row.dest in self._begins:
                    continue
                if any(is_approval(self._definition, row, place, one) for one in self._definition.rounds):
                    continue
                if row.dest is state:
                    return [*way, row]
                if row.dest not in seen:
                    seen.add(row.dest)
                    ways.append((row.dest, [*way, row]))
        return []

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
