"""The checks of what a passing row means for the ticket and the form, run on each sample that passes a guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.lint.findings import error
from itsm_workflow.machine.approval import approval_table
from itsm_workflow.machine.definition import FactMissingError

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.lint.findings import LintFinding
    from itsm_workflow.machine.definition import Facts, Transition, WorkflowDefinition


class Meaning:
    """Compares the rows by which a change leaves its ticket with those of the library."""

    def __init__(self, definition: WorkflowDefinition) -> None:
        self._definition = definition
        self._granted = {roles.granted for roles in definition.rounds}
        under_way = {state for one in definition.rounds for state in (one.asking, one.waiting, one.undelivered)}
        # If one state plays two parts, which another check reports, no row can be compared with the library's.
        is_unclear = under_way & (self._granted | {roles.refused for roles in definition.rounds})
        self._under_way = set() if is_unclear else under_way
        states, later = definition.states, definition.later_rounds
        self._library = approval_table(states, definition.initial, definition.roles, later_rounds=later)

    def of_passing(self, row: Transition, facts: Facts) -> LintFinding | None:
        """Return the finding about a row that passes, if it leaves the ticket where the library would not."""
        state, trigger = facts.change.state, row.trigger.value
        if state not in self._under_way or row.dest is None or row.dest in self._under_way:
            return None
        reason = self._refusal(row, facts)
        if reason is None:
            return None
        name = getattr(row.guard, "__name__", type(row.guard).__name__)
        if row.dest in self._granted:
            message = (
                f"{name} lets {trigger} lead from {state} to {row.dest} without an approval of its ticket: {reason}"
            )
            return error("approval", message, state=state, trigger=trigger)
        message = (
            f"{name} lets {trigger} lead from {state} to {row.dest} while its ticket may still be decided: {reason}; "
            "request the withdrawal of the ticket instead"
        )
        return error("given_up", message, state=state, trigger=trigger)

    def of_change(self, row: Transition, before: ChangeRequest, after: ChangeRequest) -> LintFinding | None:
        """Return the finding about an update, if it changes the form that was submitted."""
        if before.form is after.form or self._definition.is_submitted_in(before.state) or before.form == after.form:
            return None
        message = (
            f"{row.trigger.value} changes the form in {before.state}, but the approvers of its ticket see the form "
            f"that was submitted; let it lead to {self._definition.initial}, where revise changes the form"
        )
        return error("form", message, state=before.state, trigger=row.trigger.value)

    def _refusal(self, row: Transition, facts: Facts) -> str | None:
        """Return why none of the library's rows leads there with the same facts, or None if one does."""
        reason = "the library has no such row"
        for known in self._library:
            if known.trigger != row.trigger or facts.change.state not in known.sources or known.dest is not row.dest:
                continue
            if not isinstance(facts.evidence, known.evidence_types):
                continue
            try:
                refusal = known.guard(facts)
            except FactMissingError as missing:
                refusal = str(missing)
            if refusal is None:
                return None
            reason = refusal
        return reason
