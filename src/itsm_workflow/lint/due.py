"""The checks of due rules, run on every sort of change that the trials made."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from itsm_workflow.lint.findings import error
from itsm_workflow.lint.trials import POLICY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from itsm_workflow.lint.findings import LintFinding
    from itsm_workflow.lint.trials import Situation
    from itsm_workflow.machine.definition import WorkflowDefinition


def due_findings(
    definition: WorkflowDefinition, situations: Mapping[str, Sequence[Situation]]
) -> Iterator[LintFinding]:
    """Yield the findings about the due rules."""
    asking = {roles.asking.value for roles in definition.rounds}
    watched = {state.value for roles in definition.rounds for state in (roles.waiting, roles.undelivered)}
    asked = asking | watched  # a queued change is due immediately: it is sent, not read
    for state, rule in definition.due.items():
        if state in definition.final:
            continue
        moments: list[dt.datetime] = []
        for situation in situations[state.value]:
            problem, found = _check_rule(rule, situation, watched=state.value in watched)
            if problem:
                yield error("due", f"the due rule of {state} {problem}", state=state.value)
                break
            moments += found
        else:
            if state.value in asked and situations[state.value] and not moments:
                message = f"{state} waits for the gateway and never falls due, so no worker would ever look at it"
                yield error("due", message, state=state.value)


def _check_rule(rule: Callable[..., object], situation: Situation, *, watched: bool) -> tuple[str, list[dt.datetime]]:
    """Return the problem of a rule on one change and no times, or else no problem and the times."""
    moments: list[dt.datetime] = []
    for looked in (False, True):
        try:
            one, other = (rule(situation.change, situation.now, POLICY, looked=looked) for _ in range(2))
        except Exception as raised:  # noqa: BLE001 - a host's rule may fail in any way
            return f"raises {type(raised).__name__}: {raised}", []
        if one != other:
            return "returns different values for the same change and time; it must depend on nothing else", []
        if one is None:
            continue
        if not isinstance(one, dt.datetime) or one.tzinfo is None:
            return f"returns {one!r}; it must return None or an aware time", []
        if looked and watched and one <= situation.now:
            return "returns a time in the past right after a look, so the gateway would be asked without end", []
        moments.append(one)
    return "", moments
