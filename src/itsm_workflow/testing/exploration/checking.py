"""The checks of the arguments of `explore`, before and during the walk, so that a walk that tests nothing fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.failures import failures_in_a_test
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.machine.definition import FactMissingError, WorkflowDefinition
from itsm_workflow.runtime.arguments import check_seconds, check_whole
from itsm_workflow.testing.exits import ExitError, without_exits
from itsm_workflow.testing.exploration.acts import Act
from itsm_workflow.testing.exploration.world import Bounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import Facts, Transition
    from itsm_workflow.testing.coverage import Reached
    from itsm_workflow.testing.exploration.itsm import Filed
    from itsm_workflow.testing.exploration.walk import Limits

_MOST_CHANGES = 2
_LIBRARY = {row.trigger.value for row in COLLECTOR_CHANGE.transitions}
_SHIPPED = {row.guard for row in COLLECTOR_CHANGE.transitions}


def check_given(
    definition: object, bounds: object, invariants: Sequence[object], together: Sequence[object], end: object
) -> None:
    """Check the arguments before the walk.

    Raises:
        TypeError: An argument has the wrong type.
    """
    if not isinstance(definition, WorkflowDefinition):
        raise TypeError(f"definition: {definition!r} is not a WorkflowDefinition; pass one, such as COLLECTOR_CHANGE")
    if not isinstance(bounds, Bounds):
        raise TypeError(f"bounds: {bounds!r} is not a Bounds; pass one, such as Bounds(ticks=3)")
    if callable(invariants):
        raise TypeError(f"invariants: must be a list, such as [*INVARIANTS, {named(invariants)}], not one function")
    if callable(together):
        raise TypeError(f"together: must be a list, such as [*PAIR_INVARIANTS, {named(together)}], not one function")
    for one in (*invariants, end):
        if not callable(one):
            raise TypeError(f"invariants: must be functions that take a Sight, not {one!r}")
    for one in together:
        if not callable(one):
            raise TypeError(f"together: must be functions that take a PairSight, not {one!r}")


def check_limits(limits: Limits, changes: int, *, grow: bool) -> Limits:
    """Return the limits of a walk, checked.

    Raises:
        TypeError: A number has the wrong type.
        ValueError: A number is out of its range, or the bounds would grow without end.
    """
    check_whole("changes", changes, least=1)
    if changes > _MOST_CHANGES:
        raise ValueError(f"changes: must be 1 or 2, not {changes}")
    for name in ("depth", "states"):
        if getattr(limits, name) is not None:
            check_whole(name, getattr(limits, name), least=0)
    if limits.seconds is not None:
        check_seconds("seconds", limits.seconds)
    if grow and limits.states is None and limits.seconds is None:
        raise ValueError("grow: the bounds grow until a budget is used up; pass states or seconds, such as seconds=60")
    return limits


def checked_acts(
    definition: WorkflowDefinition, acts: Callable[[ChangeRequest, tuple[Filed, ...]], Iterable[Act]]
) -> Callable[[ChangeRequest, tuple[Filed, ...]], Iterator[Act]]:
    """Return the function of people's acts with a check of each act, since an act without a row is never offered.

    Triggers of the shipped workflow are not checked, since an operator's acts name all of them.
    """
    rows: dict[str, tuple[type, ...]] = {}
    for row in definition.transitions:
        rows[row.trigger.value] = rows.get(row.trigger.value, ()) + row.evidence_types

    def checked(change: ChangeRequest, tickets: tuple[Filed, ...]) -> Iterator[Act]:
        for act in acts(change, tickets):
            if not isinstance(act, Act):
                raise TypeError(f"acts: {act!r} is not an Act; yield one such as Act('the host deploys', (Step(...),))")
            for step in act.steps:
                if step.trigger not in rows and step.trigger not in _LIBRARY:
                    raise ValueError(
                        f"acts: {act.name!r} fires {str(step.trigger)!r}, but {definition.name} has no "
                        f"such trigger; it has {', '.join(sorted(rows))}"
                    )
                kinds = rows.get(step.trigger, ())
                if kinds and not isinstance(step.evidence, kinds):
                    wanted = " or ".join(kind.__name__ for kind in dict.fromkeys(kinds))
                    raise TypeError(
                        f"acts: {act.name!r} fires {str(step.trigger)!r} with {type(step.evidence).__name__}, but its "
                        f"rows take {wanted}"
                    )
            yield act

    return checked


def with_checked_guards(definition: WorkflowDefinition, reached: Reached) -> WorkflowDefinition:
    """Return the workflow with a check of each function that is not the library's own.

    A guard must return None or a reason, and no function may exit, which would end the walk without a result.
    """
    rows = tuple(
        row
        if row.guard in _SHIPPED or row.trigger.value in _LIBRARY
        else attrs.evolve(row, guard=_checked(row, reached))
        for row in definition.transitions
    )
    return without_exits(definition if rows == definition.transitions else attrs.evolve(definition, transitions=rows))


def problem_of(promise: object, found: object) -> str | None:
    """Return the problem that an invariant found.

    Raises:
        TypeError: It is neither None nor a text, so it does not say whether the promise holds.
    """
    if found is None or isinstance(found, str):
        return found
    raise TypeError(
        f"invariant {named(promise)} returned {found!r}: it must return None, or a text that describes the problem"
    )


def named(promise: object) -> str:
    """Return the name of an invariant."""
    return str(getattr(promise, "__name__", type(promise).__name__))


def _checked(row: Transition, reached: Reached) -> Callable[[Facts], str | None]:
    where = f"guard {named(row.guard)} of trigger {row.trigger.value}"
    number = reached.watch(row, named(row.guard))

    def guard(facts: Facts) -> str | None:
        try:
            reason = row.guard(facts)
        except FactMissingError:
            raise
        except failures_in_a_test() as error:
            error.add_note(f"raised by {where}: a guard must return None or a reason, and must not raise")
            if isinstance(error, SystemExit):
                raise ExitError(where, error) from error
            raise
        if reason is not None and not isinstance(reason, str):
            raise TypeError(f"{where} returned {reason!r}: it must return None, or a reason")
        reached.answer(number, passed=reason is None)
        return reason

    return guard
