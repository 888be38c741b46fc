"""What a guard and an update of a host's own rows may return: checked at each firing, since no type checker has to run.

An update that left a value of another type would be stored, and the change could never be read again. One that changed
what the library keeps of a change would take it for another change, or say of its ticket what no gateway showed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import NOTHING, AttentionReason, ChangeRequest
from itsm_workflow.errors import DefinitionError
from itsm_workflow.machine import updates, withdrawal
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.declared import wrong_json, wrong_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.machine.definition import Transition

IDENTITY = ("id", "workflow", "definition_version", "subject", "state", "created_at")
"""The fields that no update sets: by these a change is found, and the state is the engine's."""

_OWN = {"data", "attention", "effects", "planned", "updated_at"}
_OF_LIBRARY = tuple(field.name for field in attrs.fields(ChangeRequest) if field.name not in {*_OWN, *IDENTITY})
_LIBRARY = {updates.__name__, withdrawal.__name__}


def checked_reason(workflow: str, row: Transition, said: object) -> str | None:
    """Return what a guard said.

    Raises:
        DefinitionError: It is neither None nor the reason why not.
    """
    if said is None or (isinstance(said, str) and said):
        return said
    raise DefinitionError(
        f"workflow {workflow}: the guard of trigger {row.trigger} returned {_shown(said)}: return None where the "
        "transition may be made, or else the reason why not, as text"
    )


def checked_update(workflow: str, row: Transition, change: ChangeRequest, updated: object) -> ChangeRequest:
    """Return what an update made of a change.

    Raises:
        DefinitionError: It is no change, it cannot be stored, or a field was set that is not for updates.
    """
    if not isinstance(updated, ChangeRequest):
        raise _wrong(workflow, row, f"returned {_shown(updated)}: return the change, as attrs.evolve(facts.change, …)")
    if updated is change:
        return updated
    if updated.data is not change.data:
        _check_data(workflow, row, updated.data)
    if getattr(row.update, "__module__", "") not in _LIBRARY:
        told = "; ".join(_problems(row, change, updated))
        if told:
            raise _wrong(workflow, row, told)
    return updated


def _problems(row: Transition, change: ChangeRequest, updated: ChangeRequest) -> Iterator[str]:
    # A row for one of the library's triggers may go on from the library's own update.
    fixed = IDENTITY if isinstance(row.trigger, Trigger) else (*IDENTITY, *_OF_LIBRARY)
    for name in fixed:
        before, after = getattr(change, name), getattr(updated, name)
        if after is not before and (type(after) is not type(before) or after != before):
            yield f"sets {name}, which is not for updates: keep values of your own in data"
    attention = updated.attention
    if attention is not change.attention and getattr(attention, "reason", None) not in {None, AttentionReason.HOST}:
        yield "sets attention for a reason of the library's: AttentionReason.HOST is the one for a host"
    for wrong in wrong_values(attrs.evolve(updated, data=NOTHING)):
        yield f"leaves a change that cannot be stored: {wrong}"


def _check_data(workflow: str, row: Transition, data: object) -> None:
    wrong = wrong_json(data) if isinstance(data, type(NOTHING) | dict) else [f"data must be a dict, not {_shown(data)}"]
    if wrong:
        raise _wrong(workflow, row, f"put into the change's data what cannot be stored: {'; '.join(wrong)}")


def _wrong(workflow: str, row: Transition, told: str) -> DefinitionError:
    return DefinitionError(f"workflow {workflow}: the update of trigger {row.trigger} {told}")


def _shown(value: object) -> str:
    return (
        repr(value)
        if value is None or (isinstance(value, str) and not value) or isinstance(value, bool)
        else f"a {type(value).__name__}"
    )
