"""The checks of the updates of a host's rows, repeated: data that grows, and effects that an update plans."""

from __future__ import annotations

import datetime as dt
import itertools
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.change import WITHDRAW, ChangeRequest
from itsm_workflow.failures import failures_in_a_test
from itsm_workflow.lint.findings import error
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.definition import FactMissingError
from itsm_workflow.strict import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from itsm_workflow.lint.findings import LintFinding
    from itsm_workflow.lint.work import Work
    from itsm_workflow.machine.definition import Facts, Transition

TIMES = 300
"""The number of repetitions. Data that grew with each of the last two thirds of them has no end."""

_THIRDS = (TIMES // 3, 2 * TIMES // 3, TIMES - 1)
_FEW = 4
MANY = 3000
"""The number of repetitions of an update that seems to grow: a log of the newest 1000 values has an end."""

_MEASURED = (*range(_FEW + 1), 9, 19, 49, *_THIRDS, 2 * MANY // 3)
"""The numbers of the firings after which the size of the data is measured, which takes longer the larger it is."""

_PAUSES = tuple(dt.timedelta(days=days) for days in (1, 7, 31, 366))
"""The pauses between two firings: the shortest that the guard allows, so that a timer of the host is met each time."""


def repeat_findings(
    work: Work, row: Transition, facts: Facts, *, thorough: bool, known: bool = False
) -> Iterator[LintFinding]:
    """Yield the findings about a host's row, fired again and again in the state of the facts.

    Args:
        work: The states before and after the approval.
        row: A row that passes with the facts.
        facts: The facts of the first firing.
        thorough: Whether to repeat it to the end also if the data does not grow at first.
        known: Whether it is known already that the data grows, so that only the effects are of interest.
    """
    state, trigger = facts.change.state, row.trigger.value
    if isinstance(row.trigger, Trigger) or state in work.final:
        return
    numbers = range((_FEW + 1 if known else TIMES) if work.returns(row, state) else 1)
    sizes, planned = _sizes(row, facts, numbers, thorough=thorough, alike=True)
    if planned and state in work.before:
        message = f"the update of {trigger} plans effect {planned[0]} in {state}, before the approval"
        yield error("early", message, state=state, trigger=trigger)
    twice = [name for name in planned if planned.count(name) > 1]
    if twice:
        message = f"{trigger} plans effect {twice[0]} in {state} each time it is fired, so one approval plans it twice"
        yield error("again", message, state=state, trigger=trigger)
    if known:
        return
    is_growing = alike = _grows(sizes)
    if not is_growing:
        sizes, _ = _sizes(row, facts, numbers, thorough=thorough, alike=False)
        is_growing = _grows(sizes) and _more_than_alone(row, facts, numbers[-1], sizes) >= TIMES
    if is_growing and not _has_an_end(row, facts, alike=alike):
        message = (
            f"the data grows each time {trigger} is fired in {state}, up to the largest size that can be stored: "
            f"{sizes[TIMES - 1]:,} characters after {TIMES} times; keep only the newest values and keys, or a count"
        )
        yield error("growth", message, state=state, trigger=trigger)


def _sizes(
    row: Transition, facts: Facts, numbers: Sequence[int], *, thorough: bool, alike: bool
) -> tuple[dict[int, int], list[str]]:
    """Return the sizes of the data by the number of the firing, and the names of the effects that all firings planned.

    Args:
        row: The row.
        facts: The facts of the first firing.
        numbers: The numbers of the firings.
        thorough: Whether to go on also if the data does not grow at first.
        alike: Whether the firings differ in the texts of the evidence alone, not in its other values, time and actor.
    """
    sizes, planned = dict[int, int](), list[str]()
    change, before = facts.change, -1
    for number in numbers:
        after = _repeated(row, facts, change, number, alike=alike)
        if after is None:
            break
        planned += [one.name for one in after.effects[len(change.effects) :] if one.name != WITHDRAW]
        if after.effects is not change.effects or after.planned != change.planned:
            after = attrs.evolve(after, effects=facts.change.effects, planned=facts.change.planned)
        change = after
        if number not in _MEASURED and number != numbers[-1]:
            continue
        try:
            sizes[number] = len(canonical(dict(change.data)))
        except (TypeError, ValueError):  # data that cannot be stored, which another check reports
            break
        if not thorough and before in sizes and sizes[number] - sizes[before] < number - before:
            break
        if not thorough and not alike and number > _FEW and _more_than_alone(row, facts, number, sizes) < number:
            break
        before = number
    return sizes, planned


def _grows(sizes: Mapping[int, int]) -> bool:
    measured = [sizes[number] for number in _THIRDS if number in sizes]
    return len(measured) == len(_THIRDS) and all(
        two - one >= TIMES // 3 - 1 for one, two in itertools.pairwise(measured)
    )


def _has_an_end(row: Transition, facts: Facts, *, alike: bool) -> bool:
    """Return whether data that seems to grow stops after more repetitions."""
    sizes, _ = _sizes(row, facts, range(MANY), thorough=True, alike=alike)
    measured = [sizes[number] for number in (2 * MANY // 3, MANY - 1) if number in sizes]
    is_refused = len(measured) < 2  # noqa: PLR2004 - the guard, or a value that cannot be stored, ended the repetitions
    return is_refused or measured[1] - measured[0] < MANY // 3 - 1


def _more_than_alone(row: Transition, facts: Facts, number: int, sizes: Mapping[int, int]) -> int:
    """Return by how much the data is larger than after that firing alone: data that grows with a number has an end."""
    alone, _ = _sizes(row, facts, range(number, number + 1), thorough=True, alike=False)
    return sizes[number] - alone.get(number, 0)


def _repeated(
    row: Transition, facts: Facts, change: ChangeRequest, number: int, *, alike: bool
) -> ChangeRequest | None:
    """Return the change after one more firing, with other evidence and another actor if the guard allows them.

    None if the guard refuses, or if its guard or update fails, which another check reports.
    """
    for evidence, now, actor in _circumstances(facts, number, alike=alike):
        again = attrs.evolve(facts, change=change, evidence=evidence, now=now, actor=actor, seq=facts.seq + number)
        try:
            after: object = row.update(again) if row.guard(again) is None else None
        except FactMissingError:
            continue
        except failures_in_a_test():  # a host's guard or update may fail in any way
            return None
        if isinstance(after, ChangeRequest):
            return after
    return None


def _circumstances(facts: Facts, number: int, *, alike: bool) -> Iterator[tuple[object, dt.datetime, str]]:
    """Yield the evidence, time and actor of a firing, from the most unlike ones to those of the first firing."""
    actors = (facts.actor,) if alike else (f"{facts.actor} {number}", facts.actor)
    for pause in _PAUSES[:1] if alike else _PAUSES:
        later = number * pause
        other = _numbered(facts.evidence, number, later, alike=alike)
        moments = (facts.now,) if alike else (facts.now + later, facts.now)
        yield from itertools.product((other, facts.evidence), moments, actors)


def _numbered(evidence: object, number: int, later: dt.timedelta, *, alike: bool) -> object:
    """Return evidence with another value in each field, as a row of reports has."""
    kind: Any = type(evidence)
    made: Any = evidence
    try:
        values = {
            field.alias or field.name: _other(value, number, later)
            for field in attrs.fields(kind)
            if field.init and (type(value := getattr(evidence, field.name)) is str or not alike)
        }
        return attrs.evolve(made, **values)
    except (TypeError, ValueError, OverflowError):  # a validator refuses it, or a time is too late
        return evidence


def _other(value: Any, number: int, later: dt.timedelta) -> object:  # noqa: ANN401 - a value of any type
    """Return a value of the same type that differs for each number, or the value if none is known."""
    kind: Any = type(value)
    if kind is str:
        return f"{value} {number}"
    if kind in {int, float}:
        return value + number
    if kind is dt.datetime:
        return value + later
    if kind in {tuple, list}:
        return kind(_other(one, number, later) for one in value)
    if kind in {dict, MappingProxyType}:
        return kind({_other(key, number, later): one for key, one in value.items()})
    return _numbered(value, number, later, alike=False) if attrs.has(kind) else value
