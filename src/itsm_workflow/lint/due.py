"""The checks of due rules, run on every sort of change that the trials made."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.failures import failures_in_a_test
from itsm_workflow.lint.asked_again import DAYS, on_day
from itsm_workflow.lint.findings import error
from itsm_workflow.lint.samples import LONGEST_LIST, numbers_of
from itsm_workflow.lint.trials import POLICY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.lint.findings import LintFinding
    from itsm_workflow.lint.trials import Situation
    from itsm_workflow.machine.definition import WorkflowDefinition


_LATER = (dt.timedelta(), dt.timedelta(days=30), dt.timedelta(days=400))
"""The ages at which a rule is tried, since a change may wait longer than its author thought."""

_HOURS = (dt.time(0, 0), dt.time(6, 0), dt.time(12, 0), dt.time(18, 0), dt.time(23, 59))
"""The times of the day at which a rule is tried: one that adds to the hour fails in the evening only."""

_DAYS = (*DAYS, dt.datetime(2027, 2, 28, 12, 0, tzinfo=dt.UTC))

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
        met = situations[state.value]
        for situation, what in (*((one, "") for one in met), *_with_longer_lists(rule, met)):
            part = "watched" if state.value in watched else "asking" if state.value in asked else "host"
            problem, found = _check_rule(rule, situation, part)
            if problem:
                yield error("due", f"the due rule of {state} {problem}{what}", state=state.value)
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
    for (change, now, when), looked in itertools.product(_occasions(situation), (False, True)):
        try:
            one, other = (rule(change, now, POLICY, looked=looked) for _ in range(2))
        except failures_in_a_test() as raised:  # a host's rule may fail in any way
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


def _with_longer_lists(rule: object, met: Sequence[Situation]) -> Iterator[tuple[Situation, str]]:
    """Yield changes whose lists in data have as many values as a constant of the rule says, with words for these.

    A list to which each firing adds one value has few values in all samples.
    """
    sizes = sorted({int(one) for one in numbers_of(rule) if 1 < one <= LONGEST_LIST})
    tried: set[tuple[str, int]] = set()
    for situation in met:
        data = situation.change.data
        for key, size in itertools.product(data, sizes):
            kept = data[key]
            if (key, size) not in tried and isinstance(kept, list | tuple) and 0 < len(kept) < size:
                tried.add((key, size))
                longer = list(itertools.islice(itertools.cycle(kept), size))
                change = attrs.evolve(situation.change, data={**data, key: longer})
                yield attrs.evolve(situation, change=change), f", with {size} values in {key} of its data"


def _occasions(situation: Situation) -> Iterator[tuple[ChangeRequest, dt.datetime, str]]:
    """Yield the changes and times with which a rule is tried, each with words for the time; empty for an age."""
    change, now = situation.change, situation.now
    for age in _LATER:
        yield change, now + age, ""
    tomorrow = (now + dt.timedelta(days=1)).date()
    clock_times = [dt.datetime.combine(tomorrow, one, tzinfo=now.tzinfo) for one in _HOURS]
    for moment in (*clock_times, *_DAYS):
        yield _moved(change, moment - now), moment, f" at {moment:%H:%M} {on_day(moment)}"
    for day in _DAYS:  # a rule may compute with the time at which the change began
        later = day - change.created_at
        yield _moved(change, later), now + later, f" for a change that began {on_day(day)}"


def _moved(change: ChangeRequest, later: dt.timedelta) -> ChangeRequest:
    return attrs.evolve(change, created_at=change.created_at + later, updated_at=change.updated_at + later)


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
