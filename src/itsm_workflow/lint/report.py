"""All checks of a definition in one call, with a table of the effect of each trigger in each state."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.lint.clocks import clock_findings
from itsm_workflow.lint.due import due_findings
from itsm_workflow.lint.exempted import sort_out
from itsm_workflow.lint.findings import Severity, doubt, error, few
from itsm_workflow.lint.shape import lead, shape_findings
from itsm_workflow.lint.stuck import stuck_findings
from itsm_workflow.lint.time_budget import OutOfTime, TimeBudget, interrupting
from itsm_workflow.lint.trials import Trials
from itsm_workflow.lint.work import Work
from itsm_workflow.text import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from itsm_workflow.errors import DefinitionError
    from itsm_workflow.lint.exempted import Exempted
    from itsm_workflow.lint.findings import LintFinding
    from itsm_workflow.machine.definition import WorkflowDefinition

REFUSED = ""
"""The value in the table where a trigger has no row, so that it is refused."""


@attrs.frozen(kw_only=True)
class LintReport:
    """The result of the checks of a definition.

    Attributes:
        workflow: Its name; empty if it could not be built.
        version: Its version; 0 if it could not be built.
        states: Its states, in order.
        table: The target states by trigger and state; ``=`` if the change stays, and nothing if the trigger is refused.
            Every trigger has a value for every state.
        findings: The problems, certain ones first.
        tried: The number of calls of guards.
        exempted: The findings that the definition exempts, each with its reason.
    """

    workflow: str
    version: int
    states: tuple[str, ...]
    table: Mapping[str, Mapping[str, tuple[str, ...]]]
    findings: tuple[LintFinding, ...]
    tried: int
    exempted: tuple[Exempted, ...] = ()

    @property
    def errors(self) -> tuple[LintFinding, ...]:
        """The findings that are certain."""
        return tuple(one for one in self.findings if one.severity is Severity.ERROR)


def lint(
    definition: WorkflowDefinition,
    *,
    samples: Iterable[object] = (),
    seconds: float | None = None,
    progress: Callable[[str], object] | None = None,
    interrupt: bool = False,
) -> LintReport:
    """Check the shape of a definition that could be built, and try it on sampled evidence.

    Args:
        definition: The definition.
        samples: Further evidence to try in every state, for guards that pass only values which no sample has.
        seconds: The longest processor time; unlimited by default. It is compared between the calls of guards and
            updates. A report whose time was used up has a finding ``time``, which names what was not tried.
        progress: Called with the name of each function of the host before it is called.
        interrupt: Whether to interrupt a function that does not return within the time, by the signal SIGPROF. It works
            in the main thread alone.

    Raises:
        TypeError: A sample is not evidence of the definition's triggers.
    """
    work, budget = Work(definition), TimeBudget(seconds, progress)
    trials = Trials(definition, work, checked_samples(definition, samples), budget=budget)
    late: list[LintFinding] = []
    try:
        with interrupting(seconds) if interrupt and seconds else contextlib.nullcontext():
            trials.run()
            late += stuck_findings(definition, trials)  # it may note what is wrong with a guard
            late += due_findings(definition, trials.situations)
    except OutOfTime:
        late.append(doubt("time", f"{_ended(budget)}; {_untried(trials)}"))
    tried = trials.findings()
    if late and late[-1].check == "time":
        tried = (one for one in tried if one.check not in {"reached", "passed"})  # nothing was proved of them
    found = [*shape_findings(definition), *clock_findings(definition), *work.findings(), *tried, *late]
    remaining, exempted = sort_out(definition, dict.fromkeys(found))
    return LintReport(
        workflow=definition.name,
        version=definition.version,
        states=tuple(state.value for state in definition.states),
        table=_table(definition),
        findings=tuple(sorted(remaining, key=lambda one: one.severity is Severity.DOUBT)),
        tried=trials.tried,
        exempted=exempted,
    )


def _ended(budget: TimeBudget) -> str:
    given = "" if budget.seconds is None else f" of {budget.seconds:g} seconds"
    return f"the time{given} ended at {budget.place}"


def _untried(trials: Trials) -> str:
    """Return what a report whose time was used up did not try."""
    left = dict.fromkeys(
        " ".join(filter(None, (one.trigger, "in", one.state))) for one in trials.findings() if one.check == "passed"
    )
    missing = [one.state for one in trials.findings() if one.check == "reached"]
    parts = [f"states not reached: {few(missing)}"] if missing else []
    parts += [f"rows that no sample passed so far: {few(list(left))}"] if left else []
    return "; ".join([*parts, "the due rules, and what may be stuck, were not tried; give it more seconds"])


def checked_samples(definition: WorkflowDefinition, samples: Iterable[object]) -> tuple[object, ...]:
    """Return samples that were made by hand.

    Raises:
        TypeError: A sample is not evidence of the definition's triggers.
    """
    given = tuple(samples)
    kinds = {kind for row in definition.transitions for kind in row.evidence_types}
    for one in given:
        if type(one) not in kinds:
            raise TypeError(f"samples: {kind_of(one)} is evidence of no trigger of {definition.name}")
    return given


def refused_report(refusal: DefinitionError) -> LintReport:
    """Return the report on a definition that could not be built."""
    problems = vars(refusal).get("problems", (str(refusal),))
    findings = tuple(error("definition", str(problem)) for problem in problems)
    return LintReport(workflow="", version=0, states=(), table={}, findings=findings, tried=0)


def _table(definition: WorkflowDefinition) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    triggers = dict.fromkeys(row.trigger.value for row in definition.transitions)
    return {
        trigger: {
            state.value: tuple(dict.fromkeys(lead(row) for row in definition.rows(state.value, trigger)))
            for state in definition.states
        }
        for trigger in triggers
    }
