"""The checks of guards that are asked again: in another order, and at the ends of months."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.failures import failures_in_a_test
from itsm_workflow.lint.findings import error
from itsm_workflow.lint.wording import error_text, name_of, shown
from itsm_workflow.machine.definition import FactMissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.lint.findings import LintFinding
    from itsm_workflow.machine.definition import Facts, Transition

_ASKED = 100
"""The number of samples of each answer that a guard is asked again, for each row and state."""

_MOVED = 8
"""The number of these that are moved to each of the days."""

DAYS = tuple(
    dt.datetime(year, month, day, 12, 0, tzinfo=dt.UTC)
    for year, month, day in ((2027, 1, 31), (2028, 2, 29), (2027, 4, 30), (2027, 12, 31))
)
"""The days at which a computation with a day, month or year fails that works on the others."""


class AskedAgain:
    """Keeps the first samples of each row with the answers of its guard, and asks the guard again.

    A guard that remembers what it was asked answers otherwise after other samples than before them.
    """

    def __init__(self) -> None:
        self._rows: dict[int, Transition] = {}
        self._asked: dict[tuple[int, str, bool], list[Facts]] = {}

    def keep(self, row: Transition, facts: Facts, *, passes: bool) -> None:
        """Keep a sample, unless its row has enough of them that the guard answered alike."""
        self._rows[id(row)] = row
        kept = self._asked.setdefault((id(row), facts.change.state, passes), [])
        if len(kept) < _ASKED:
            kept.append(facts)

    def findings(self, answer: Callable[[Transition, Facts], object]) -> Iterator[LintFinding]:
        """Yield the findings.

        Args:
            answer: Asks a guard; None if it passes.
        """
        for (row_id, state, passed), kept in self._asked.items():
            row = self._rows[row_id]
            # The last sample comes first, and the first one last, so that each is asked after others than before.
            otherwise = next((one for one in reversed(kept) if (answer(row, one) is None) is not passed), None)
            if otherwise is not None:
                yield _remembers(row, state, otherwise, passed=passed)
            for facts, day in itertools.product(kept[:_MOVED], DAYS):
                yield from _findings_at(row, moved_to(facts, day))


def on_day(moment: dt.datetime) -> str:
    """Return the words for a day."""
    return f"on {moment.day} {moment:%B %Y}"


def moved_to(facts: Facts, day: dt.datetime) -> Facts:
    """Return facts as they would be if the trigger fired on a day, with the times of the change and the evidence."""
    later = day - facts.now
    change = facts.change
    moved = attrs.evolve(change, created_at=change.created_at + later, updated_at=change.updated_at + later)
    return attrs.evolve(facts, now=day, change=moved, evidence=_with_times(facts.evidence, later))


def _with_times(evidence: object, later: dt.timedelta) -> object:
    kind: Any = type(evidence)
    made: Any = evidence
    try:
        times = {
            field.alias or field.name: value + later
            for field in attrs.fields(kind)
            if field.init and isinstance(value := getattr(evidence, field.name), dt.datetime)
        }
        return attrs.evolve(made, **times)
    except (TypeError, ValueError, OverflowError):  # a validator refuses it, or a time is too late
        return evidence


def _remembers(row: Transition, state: str, facts: Facts, *, passed: bool) -> LintFinding:
    before, after = ("passes", "refuses") if passed else ("refuses", "passes")
    message = (
        f"guard {name_of(row.guard)} {before} {shown(facts.evidence)}, and {after} the same facts after others; it "
        "must depend on its facts alone, not on what it was asked before: keep what it needs in the data of the change"
    )
    return error("remembered", message, state=state, trigger=row.trigger.value)


def _findings_at(row: Transition, facts: Facts) -> Iterator[LintFinding]:
    part, name = "guard", name_of(row.guard)
    try:
        if row.guard(facts) is None:
            part, name = "update", name_of(row.update)
            row.update(facts)
    except FactMissingError:
        return
    except failures_in_a_test() as raised:  # a host's function may fail in any way
        message = f"{part} {name} raises {error_text(raised)} {on_day(facts.now)} for {shown(facts.evidence)}"
        yield error(part, message, state=facts.change.state, trigger=row.trigger.value)
