"""The check of changes that no row moves any more, such as those whose tries are used up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.lint.findings import doubt
from itsm_workflow.lint.trials import submitted_often
from itsm_workflow.machine.approval import Trigger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.lint.findings import LintFinding
    from itsm_workflow.lint.trials import Situation, Trials
    from itsm_workflow.machine.definition import WorkflowDefinition


def stuck_findings(definition: WorkflowDefinition, trials: Trials) -> Iterator[LintFinding]:
    """Yield a finding for each state of the host in which rows move some changes, and none moves another.

    A change that has attention, or had it, was given to a person.
    """
    of_the_ticket = {state for one in definition.rounds for state in (one.asking, one.waiting, one.undelivered)}
    for state in definition.states:
        if state in definition.final | of_the_ticket:
            continue
        met = [one for one in trials.situations[state.value] if one.change.attention is None and not one.was_cleared]
        tried = [*met, *map(submitted_often, met[:1])]
        held = next((one for one in tried if not _goes_on(definition, trials, one)), None)
        if held is None or not any(_goes_on(definition, trials, one) for one in met):
            continue
        change = held.change
        message = (
            f"no sample moves a change in {state} with the data {dict(change.data)} after {change.round} submissions, "
            "as it moves others there, so it never leaves; add a row that passes after the last try, or raise "
            "attention in the update of that try"
        )
        yield doubt("stuck", message, state=state.value)


def _goes_on(definition: WorkflowDefinition, trials: Trials, situation: Situation) -> bool:
    """Return whether a row passes that leads to another state, or is the host's."""
    return any(
        trials.passes(situation, row)
        for row in definition.transitions
        if situation.change.state in row.sources and (row.dest is not None or not isinstance(row.trigger, Trigger))
    )
