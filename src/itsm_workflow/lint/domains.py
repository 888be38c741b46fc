"""The values that the fields of evidence have in use: those of one change, and what reading a ticket returns."""

from __future__ import annotations

import datetime as dt
import functools
import typing
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.machine.evidence import EffectStart, TicketStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.change import ChangeRequest

DECISIONS = ("true", "false")
"""The values of a decision field."""

_S = TicketStatus
_DECIDED = {"status": _S.FINISHED, "result_status": _S.FINISHED, "approval_step": True, "step_running": False}
LOOKS: Sequence[Mapping[str, Any]] = (
    {"status": _S.RUNNING, "approve_result": False, "approval_step": False, "step_running": True},
    {"status": _S.RUNNING, "approve_result": False, "approval_step": True, "step_running": True},
    {"status": _S.SUSPENDED, "approve_result": False, "approval_step": True, "step_running": True},
    {**_DECIDED, "approve_result": True, "decision": "true"},
    {**_DECIDED, "approve_result": False, "decision": "false"},
    {**_DECIDED, "approve_result": True, "approval_step": False},
    {"status": _S.REVOKED, "approve_result": False, "approval_step": False, "step_running": False},
    {"status": _S.REVOKED, "approve_result": False, "approval_step": True, "step_running": True},
    {"status": _S.TERMINATED, "approve_result": False, "approval_step": False, "step_running": False},
)
"""What BK-ITSM shows of a ticket, as values of a `Snapshot`.

In order: before its flow starts, running, suspended, approved, rejected, finished without an approver, withdrawn,
withdrawn and revived, terminated.
"""


class CannotSampleError(Exception):
    """No sample of this type can be made; the message gives the reason."""


@functools.cache
def fields_of(kind: type) -> Sequence[tuple[str, Any, bool]]:
    """Return the name and the type of each argument of the class, and whether it is required.

    Raises:
        CannotSampleError: It is not an attrs class, or its annotations cannot be read.
    """
    if not attrs.has(kind):
        raise CannotSampleError("it is not an attrs class")
    try:
        hints = typing.get_type_hints(kind)
    except Exception as error:
        raise CannotSampleError(f"its annotations cannot be read: {error}") from error
    return [
        (field.alias or field.name, hints.get(field.name), field.default is attrs.NOTHING)
        for field in attrs.fields(kind)
        if field.init
    ]


@functools.cache
def holds_a_time(kind: type) -> bool:
    """Return whether a field of the class, or of a class in it, may be a time, as far as that can be known."""
    try:
        return any(_may_be_a_time(hint, {kind}) for _, hint, _ in fields_of(kind))
    except CannotSampleError:
        return True


def _may_be_a_time(hint: Any, within: set[type]) -> bool:  # noqa: ANN401 - an annotation
    if isinstance(hint, type) and attrs.has(hint) and hint not in within:
        return any(_may_be_a_time(part, {*within, hint}) for _, part, _ in fields_of(hint))
    return hint is dt.datetime or any(_may_be_a_time(part, within) for part in typing.get_args(hint))


def own_values(kind: type, change: ChangeRequest) -> dict[str, object]:
    """Return the key, the ticket, the effect and so on of a change, by the usual names of evidence fields."""
    found: dict[str, object] = {}
    attempt, ticket = change.attempt, change.ticket
    if attempt is not None:
        found |= {"number": attempt.number, "owner": attempt.owner, "key": attempt.key, "creator": attempt.creator}
    if ticket is not None:
        found |= {"ticket_id": ticket.id, "sn": ticket.sn}
    if change.effects:
        effect = change.effects[-1]
        found |= {"effect": effect.id, "attempt": effect.attempts + (1 if issubclass(kind, EffectStart) else 0)}
    return found
