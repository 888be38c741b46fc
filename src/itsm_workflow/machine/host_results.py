"""Checks of the values that the guards and updates of a host's rows return, made each time a trigger fires.

If an update set a value of the wrong type, the change could be stored but never read again. If it changed the fields of
the library, the change could be mistaken for another one, or show facts of its ticket that the gateway never reported.
"""

from __future__ import annotations

from itertools import zip_longest
from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import WITHDRAW, AttentionReason, ChangeRequest
from itsm_workflow.errors import DefinitionError
from itsm_workflow.machine import effect_updates, updates, withdrawal
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.declared_types import wrong_json, wrong_values
from itsm_workflow.readonly import NOTHING
from itsm_workflow.text import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.machine.definition import Transition

IDENTITY = ("id", "workflow", "definition_version", "subject", "state", "created_at")
"""The fields that no update may set: they identify the change, and the engine sets the state."""

_OWN = {"data", "attention", "effects", "planned", "updated_at"}
_OF_LIBRARY = tuple(field.name for field in attrs.fields(ChangeRequest) if field.name not in {*_OWN, *IDENTITY})
_LIBRARY = {updates.__name__, effect_updates.__name__, withdrawal.__name__}


def checked_reason(workflow: str, row: Transition, result: object) -> str | None:
    """Return the result of a guard, checked.

    Raises:
        DefinitionError: The result is neither None nor a reason.
    """
    if result is None or (isinstance(result, str) and result):
        return result
    raise DefinitionError(
        f"workflow {workflow}: the guard of trigger {row.trigger} returned {_shown(result)}: return None to allow the "
        "transition, or the reason to refuse it, as text"
    )


def checked_update(workflow: str, row: Transition, change: ChangeRequest, updated: object) -> ChangeRequest:
    """Return the result of an update, checked.

    Raises:
        DefinitionError: The result is not a change, cannot be stored, or has a field set that is not for updates.
    """
    if not isinstance(updated, ChangeRequest):
        raise _wrong(workflow, row, f"returned {_shown(updated)}: return the change, as attrs.evolve(facts.change, …)")
    if updated is change:
        return updated
    if updated.data is not change.data:
        _check_data(workflow, row, updated.data)
    if getattr(row.update, "__module__", "") not in _LIBRARY:
        problems = "; ".join(_problems(row, change, updated))
        if not problems and not isinstance(row.trigger, Trigger):
            problems = _effects_problem(change, updated)
        if problems:
            raise _wrong(workflow, row, problems)
    return updated


def _problems(row: Transition, change: ChangeRequest, updated: ChangeRequest) -> Iterator[str]:
    # A row for one of the library's triggers may call the library's own update.
    fixed = IDENTITY if isinstance(row.trigger, Trigger) else (*IDENTITY, *_OF_LIBRARY)
    for name in fixed:
        before, after = getattr(change, name), getattr(updated, name)
        if after is not before and (type(after) is not type(before) or after != before):
            yield f"sets {name}, which updates must not set: store your own values in data"
    attention = updated.attention
    if attention is None is not change.attention and not isinstance(row.trigger, Trigger):
        yield "sets attention to None, which clears it: only an operator may do that, who has looked"
    if attention is not change.attention and getattr(attention, "reason", None) not in {None, AttentionReason.HOST}:
        yield "sets attention with a reason of the library: a host must use AttentionReason.HOST"
    for wrong in wrong_values(attrs.evolve(updated, data=NOTHING)):
        yield f"returns a change that cannot be stored: {wrong}"


def _effects_problem(change: ChangeRequest, updated: ChangeRequest) -> str:
    """Return what is wrong with the effects, or the empty text: an update may only plan more of them.

    Only the result of a delivery ends an effect, else an effect could be lost, or count as delivered.
    """
    for before, after in zip_longest(change.effects, updated.effects[: len(change.effects)]):
        if after != before:
            return f"sets effects, but effect {before.id} is missing or was changed: only a delivery ends an effect"
    planned = change
    for effect in updated.effects[len(change.effects) :]:
        if effect.name != WITHDRAW:
            planned = effect_updates.planned(planned, effect.name, effect.due_at, effect.actor)
        if planned.effects[-1:] != (effect,):
            rule = "was not planned by itsm_workflow.machine.effect_updates.planned with a name of the host"
            return f"sets effects, but effect {effect.id} {rule}"
    if updated.planned != planned.planned:
        return "sets planned, which counts the effects that effect_updates.planned plans"
    return ""


def _check_data(workflow: str, row: Transition, data: object) -> None:
    is_object = isinstance(data, dict | MappingProxyType)
    wrong = wrong_json(data) if is_object else [f"data must be a dict, not {_shown(data)}"]
    if wrong:
        raise _wrong(workflow, row, f"sets data that cannot be stored: {'; '.join(wrong)}")


def _wrong(workflow: str, row: Transition, problem: str) -> DefinitionError:
    return DefinitionError(f"workflow {workflow}: the update of trigger {row.trigger} {problem}")


def _shown(value: object) -> str:
    return (
        repr(value)
        if value is None or (isinstance(value, str) and not value) or isinstance(value, bool)
        else kind_of(value)
    )
