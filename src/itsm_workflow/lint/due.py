"""When changes fall due, checked on every sort of change that was met."""

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
    """Yield what is wrong with the due rules."""
    roles = definition.roles
    asked = {roles.asking.value, roles.waiting.value, roles.undelivered.value}
    watched = asked - {roles.asking.value}  # what is queued there is due at once, and is sent, not looked at
    for state, rule in definition.due.items():
        if state in definition.final:
            continue
        moments: list[dt.datetime] = []
        for situation in situations[state.value]:
            problem, found = _asked(rule, situation, watched=state.value in watched)
            if problem:
                yield error("due", f"the due rule of {state} {problem}", state=state.value)
                break
            moments += found
        else:
            if state.value in asked and situations[state.value] and not moments:
                told = f"{state} waits for the gateway and never falls due: nobody would ever look at it"
                yield error("due", told, state=state.value)


def _asked(rule: Callable[..., object], situation: Situation, *, watched: bool) -> tuple[str, list[dt.datetime]]:
    """Return what is wrong with a rule's answers about one change, or else the answers."""
    moments: list[dt.datetime] = []
    for looked in (False, True):
        try:
            one, other = (rule(situation.change, situation.now, POLICY, looked=looked) for _ in range(2))
        except Exception as raised:  # noqa: BLE001 - a host's rule may fail in any way
            return f"raises {type(raised).__name__}: {raised}", []
        if one != other:
            return "answers another thing for the same change and time: it must go by them alone", []
        if one is None:
            continue
        if not isinstance(one, dt.datetime) or one.tzinfo is None:
            return f"answers {one!r}: it must be None or an aware time", []
        if looked and watched and one <= situation.now:
            return "answers a time that is over when the gateway was just asked: it would be asked without end", []
        moments.append(one)
    return "", moments
