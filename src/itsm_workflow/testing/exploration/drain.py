"""The end of a world once faults stop and time goes on, since checks of safety alone do not find dead ends."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from itsm_workflow.change import WITHDRAW, AttentionReason, EffectStatus, Outcome
from itsm_workflow.machine.evidence import TicketStatus
from itsm_workflow.testing.exploration.itsm import EventKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.testing.exploration.invariants import Sight
    from itsm_workflow.testing.exploration.moves import Move, Space


class People(enum.Enum):
    """The behaviour of the people at the ticket system in a drain."""

    APPROVE = "approve"
    NOTHING = "nothing"


def ends_right(sight: Sight) -> str | None:
    """A change ends as its own ticket did, with its effects done, or a person was notified of the reason."""
    change = sight.change
    if change is None or change.attention is not None or change.contradictions:
        return None
    wrong, calls = _what_is_wrong(sight, change)
    # A person who cleared such a call knows the reason, so the library need not call again.
    return None if wrong is None or sight.desk.looked in calls else f"{wrong}, and no person was notified"


def _what_is_wrong(sight: Sight, change: ChangeRequest) -> tuple[str | None, set[AttentionReason]]:
    """Return the problem, and the reasons for which a person may have been called because of it."""
    about_tickets = {
        AttentionReason.NOT_FOUND,
        AttentionReason.LOOKUP_FAILED,
        AttentionReason.DUPLICATE,
        AttentionReason.MISMATCH,
    }
    bound = change.ticket.id if change.ticket else ""
    filed = [str(n) for n, one in enumerate(sight.desk.tickets, 1) if one.key and not one.forged]
    earlier = {key.rpartition(":")[2] for key in change.earlier_tickets}
    orphans = [ticket for ticket in filed if ticket != bound and ticket not in earlier]
    if change.outcome is None and not sight.definition.is_submitted_in(change.state):
        return f"the change never leaves {change.state}", set(AttentionReason)
    if orphans:
        return f"the change is not bound to ticket {orphans[0]}, which was filed for it", about_tickets
    undone = [one.name for one in change.effects if one.status is not EffectStatus.DELIVERED and one.name != WITHDRAW]
    if undone:
        return f"effect {undone[0]} is never delivered", {AttentionReason.EFFECT_PARKED}
    ticket = sight.ticket
    if ticket is None:
        without_ticket = change.outcome in {None, Outcome.ABANDONED}
        return None if without_ticket else f"the change ended as {change.outcome} without a ticket", set()
    real = {
        Outcome.APPROVED: ticket.status is TicketStatus.FINISHED and ticket.approved,
        Outcome.REJECTED: ticket.status is TicketStatus.FINISHED and not ticket.approved,
        Outcome.WITHDRAWN: ticket.status is TicketStatus.REVOKED,
        Outcome.TERMINATED: ticket.status is TicketStatus.TERMINATED,
        # A person abandoned the change because its ticket's approval was not attested.
        Outcome.ABANDONED: ticket.status is TicketStatus.FINISHED and ticket.approved,
    }
    if change.ticket_outcome is None or real.get(change.ticket_outcome):
        return None, set()
    return f"the change ended as {change.outcome}, but its ticket did not", {AttentionReason.DISAGREEMENT}


class Drain:
    """Runs worlds to their end: workers go on, messages arrive, due changes are settled, time passes. No fault happens.

    Each world has exactly one next world here, so runs that meet share the rest of the way. A run ends where it cycles,
    as the polls of an open ticket do; a slow flow starts at that point.

    Args:
        space: The worlds.
        people: The behaviour of people.
        judge: Returns the problem with the end, or None.
    """

    def __init__(self, space: Space, people: People, judge: Callable[[int], str | None]) -> None:
        self._space = space
        self._people = people
        self._judge = judge
        self._verdicts: dict[int, str | None] = {}

    def __len__(self) -> int:
        return len(self._verdicts)

    def verdict(self, world: int) -> str | None:
        """Return the problem with the way in which the world ends, or None."""
        verdicts = self._verdicts
        if world in verdicts:
            return verdicts[world]
        way, end = [world], world
        for step in self.run(world):
            end = step.world
            if end in verdicts:
                break
            way.append(end)
        verdict = verdicts[end] if end in verdicts else self._judge(end)
        verdicts.update(dict.fromkeys(way, verdict))
        return verdict

    def run(self, world: int) -> Iterator[Move]:
        """Yield the steps from a world to its end."""
        been = {world}
        while True:
            step = self._next(world)
            if step.world in been:
                late = self._space.happens(world, EventKind.STARTS)
                if late is None or late.world in been:
                    return
                step = late
            world = step.world
            been.add(world)
            yield step

    def _next(self, world: int) -> Move:
        space = self._space
        return (
            space.goes_on(world)
            or space.happens(world, EventKind.ARRIVES)
            or space.begins(world)
            or (space.happens(world, EventKind.IS_APPROVED) if self._people is People.APPROVE else None)
            or space.waits(world)
        )
