"""The invariants of two changes of one subject, which one change alone cannot break."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.testing.exploration.itsm import Desk


@attrs.frozen(kw_only=True)
class PairSight:
    """One world of two changes for an invariant to check.

    Attributes:
        definition: The workflow.
        changes: The two stored changes; None for one that does not exist yet.
        desks: For each change the tickets that were filed for it, its messages, and the host's log of its effects.
        newest: The place, 0 or 1, of the change whose submission was stored last; None before the first one.
        gate: The id of the change by which `Workflow.require_approved` lets the subject pass; None if it does not.
    """

    definition: WorkflowDefinition
    changes: tuple[ChangeRequest | None, ChangeRequest | None]
    desks: tuple[Desk, Desk]
    newest: int | None
    gate: str | None


PairInvariant: TypeAlias = Callable[[PairSight], str | None]
"""Returns None, or the problem. Reports show its name and the first line of its docstring."""


def one_open_change_of_a_subject(sight: PairSight) -> str | None:
    """At most one change of a subject is submitted and has not ended."""
    held = [one.id for one in sight.changes if one is not None and sight.definition.is_open(one)]
    return f"changes {' and '.join(held)} are both open" if len(held) > 1 else None


def gate_follows_the_newest_submission(sight: PairSight) -> str | None:
    """The gate of a subject is open if, and only if, the change that was submitted last grants."""
    newest = None if sight.newest is None else sight.changes[sight.newest]
    grants = newest is not None and sight.definition.is_granting(newest.state)
    if newest is None or sight.gate == (newest.id if grants else None):
        return None if newest is not None or sight.gate is None else "the gate is open before any submission"
    passing = f"is open by {sight.gate}" if sight.gate else "is closed"
    return f"{newest.id} was submitted last and is {newest.state}, but the gate {passing}"


def numbers_follow_the_submissions(sight: PairSight) -> str | None:
    """A submission that is filed or decided has a higher number than every submission before it."""
    newest = None if sight.newest is None else sight.changes[sight.newest]
    other = None if sight.newest is None else sight.changes[1 - sight.newest]
    if newest is None or other is None or sight.definition.is_asking(newest.state):
        return None  # while it is filed, the number that it has read may be outdated
    if newest.submission > other.submission:
        return None
    return f"{newest.id} was submitted last, as number {newest.submission}, but {other.id} has {other.submission}"


def keys_are_of_one_submission(sight: PairSight) -> str | None:
    """No ticket, and no create under way, has a key of the other change, so no approval can answer its question."""
    shared = sorted(set.intersection(*(_keys(*parts) for parts in zip(sight.changes, sight.desks, strict=True))))
    return f"both changes have key {shared[0]}" if shared else None


def effects_are_of_one_approval(sight: PairSight) -> str | None:
    """Each approval has effect ids of its own, so a host that ignores repeats ignores no approval."""
    shared = sorted(set.intersection(*(_effects(*parts) for parts in zip(sight.changes, sight.desks, strict=True))))
    return f"effect {shared[0]} is of both changes" if shared else None


PAIR_INVARIANTS: tuple[PairInvariant, ...] = (
    one_open_change_of_a_subject,
    gate_follows_the_newest_submission,
    numbers_follow_the_submissions,
    keys_are_of_one_submission,
    effects_are_of_one_approval,
)
"""The invariants of two changes of one subject."""


def _keys(change: ChangeRequest | None, desk: Desk) -> set[str]:
    stored = {change.attempt.key} if change is not None and change.attempt is not None else set[str]()
    return stored | {one.key for one in desk.tickets if one.key} | {key for key, _ in desk.flying}


def _effects(change: ChangeRequest | None, desk: Desk) -> set[str]:
    planned: Iterable[str] = (one.id for one in change.effects) if change is not None else ()
    return {*planned, *(effect for effect, _ in desk.runs)}
