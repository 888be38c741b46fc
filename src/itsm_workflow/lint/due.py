"""The checks of due rules, run on every sort of change that the trials made."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING

from itsm_workflow.failures import failures_in_a_test
from itsm_workflow.lint.asked_again import DAYS, on_day
from itsm_workflow.lint.findings import error
from itsm_workflow.lint.trials import POLICY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from itsm_workflow.lint.findings import LintFinding
    from itsm_workflow.lint.trials import Situation
    from itsm_workflow.machine.definition import WorkflowDefinition


_LATER = (dt.timedelta(), dt.timedelta(days=30), dt.timedelta(days=400))
"""The ages at which a rule is tried, since a change may wait longer than its author thought."""

_LONGEST = max(POLICY.poll, POLICY.rare_poll, POLICY.quiet, POLICY.soon)
_SHORTEST = min(POLICY.soon, POLICY.poll)


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
            part = "watched" if state.value in watched else "asking" if state.value in asked else "host"
            problem, found = _check_rule(rule, situation, part)
            if problem:
                yield error("due", f"the due rule of {state} {problem}", state=state.value)
                break
            moments += found
        else:
            if state.value in asked and situations[state.value] and not moments:
                message = f"{state} waits for the gateway and never falls due, so no worker would ever look at it"
                yield error("due", message, state=state.value)


def _check_rule(rule: Callable[..., object], situation: Situation, part: str) -> tuple[str, list[dt.datetime]]:
    """Return the problem of a rule on one change and no times, or else no problem and the times.

    Args:
        rule: The rule.
        situation: The change.
        part: Whether the state is that of an open ticket (``watched``), of a send (``asking``), or the host's.
    """
    moments: list[dt.datetime] = []
    times = (*(situation.now + later for later in _LATER), *DAYS)
    for now, looked in itertools.product(times, (False, True)):
        try:
            one, other = (rule(situation.change, now, POLICY, looked=looked) for _ in range(2))
        except failures_in_a_test() as raised:  # a host's rule may fail in any way
            when = f" {on_day(now)}" if now in DAYS else ""
            return f"raises {type(raised).__name__}: {raised}{when}", []
        if one != other:
            return "returns different values for the same change and time; it must depend on nothing else", []
        if one is None:
            if part == "watched":
                return "returns None for a change whose ticket is open, so no worker would ever look at it", []
            continue
        if not isinstance(one, dt.datetime) or one.tzinfo is None:
            return f"returns {one!r}; it must return None or an aware time", []
        problem = _wait_problem(one - now, part) if looked else ""
        if problem:
            return problem, []
        moments.append(one)
    return "", moments


def _wait_problem(wait: dt.timedelta, part: str) -> str:
    """Return the problem of a wait from one look to the next, or the empty text."""
    if part == "watched" and wait <= dt.timedelta():
        return "returns a time in the past right after a look, so the gateway would be asked without end"
    if part == "watched" and wait > _LONGEST:
        return (
            f"returns a time {wait} after a look, longer than each wait of the policy, so an ended ticket stays "
            "unseen; return at most now + policy.poll, and set that in the policy"
        )
    if part == "host" and wait < _SHORTEST:
        return (
            "returns a time that is past, or sooner than policy.soon, right after a look that changed nothing, so the "
            "change falls due without end; return None once the time is over"
        )
    return ""
