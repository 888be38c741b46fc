"""The checks of the updates of a host's rows, repeated: data that grows, and effects that an update plans."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.change import WITHDRAW, ChangeRequest
from itsm_workflow.lint.findings import error
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.definition import FactMissingError
from itsm_workflow.strict import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.lint.findings import LintFinding
    from itsm_workflow.lint.work import Work
    from itsm_workflow.machine.definition import Facts, Transition

TIMES = 300
"""The number of repetitions. Data that grew with each of the last two thirds of them has no end."""

_THIRD = TIMES // 3
_FEW = 4


def repeat_findings(work: Work, row: Transition, facts: Facts, *, thorough: bool) -> Iterator[LintFinding]:
    """Yield the findings about a host's row, fired again and again in the state of the facts.

    Args:
        work: The states before and after the approval.
        row: A row that passes with the facts.
        facts: The facts of the first firing.
        thorough: Whether to repeat it to the end also if the data does not grow at first.
    """
    state, trigger = facts.change.state, row.trigger.value
    if isinstance(row.trigger, Trigger) or state in work.final:
        return
    is_repeated = work.returns(row, state)
    sizes, planned = [], list[str]()
    change = facts.change
    for number in range(TIMES if is_repeated else 1):
        after = _repeated(row, facts, change, number)
        if after is None:
            break
        planned += [one.name for one in after.effects[len(change.effects) :] if one.name != WITHDRAW]
        change = attrs.evolve(after, effects=facts.change.effects, planned=facts.change.planned)
        try:
            sizes.append(len(canonical(dict(change.data))))
        except (TypeError, ValueError):  # data that cannot be stored, which another check reports
            break
        if number == _FEW and not thorough and not all(one < two for one, two in itertools.pairwise(sizes)):
            break
    if planned and state in work.before:
        message = f"the update of {trigger} plans effect {planned[0]} in {state}, before the approval"
        yield error("early", message, state=state, trigger=trigger)
    twice = [name for name in planned if planned.count(name) > 1]
    if twice:
        message = f"{trigger} plans effect {twice[0]} in {state} each time it is fired, so one approval plans it twice"
        yield error("again", message, state=state, trigger=trigger)
    if len(sizes) == TIMES and min(sizes[-1] - sizes[-_THIRD], sizes[-_THIRD] - sizes[-2 * _THIRD]) >= _THIRD - 1:
        message = (
            f"the data grows each time {trigger} is fired in {state}, up to the largest size that can be stored: "
            f"{sizes[-1]:,} characters after {TIMES} times; keep only the newest values, or a count"
        )
        yield error("growth", message, state=state, trigger=trigger)


def _repeated(row: Transition, facts: Facts, change: ChangeRequest, number: int) -> ChangeRequest | None:
    """Return the change after one more firing, with other texts and numbers in the evidence if the guard allows them.

    None if the guard refuses, or if its guard or update fails, which another check reports.
    """
    for evidence in (_numbered(facts.evidence, number), facts.evidence):
        again = attrs.evolve(facts, change=change, evidence=evidence, seq=facts.seq + number)
        try:
            after: object = row.update(again) if row.guard(again) is None else None
        except FactMissingError:
            continue
        except Exception:  # noqa: BLE001 - a host's guard or update may fail in any way
            return None
        if isinstance(after, ChangeRequest):
            return after
    return None


def _numbered(evidence: object, number: int) -> object:
    """Return evidence with another text in each text field, as a row of reports has."""
    kind: Any = type(evidence)
    made: Any = evidence
    texts = {
        field.alias or field.name: f"{value} {number}"
        for field in attrs.fields(kind)
        if field.init and isinstance(value := getattr(evidence, field.name), str) and type(value) is str
    }
    try:
        return attrs.evolve(made, **texts)
    except (TypeError, ValueError):  # a validator refuses it
        return evidence
