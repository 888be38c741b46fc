"""What becomes of a world once faults stop and time goes on: safety alone does not see dead ends."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from itsm_workflow.change import WITHDRAW, EffectStatus, Outcome
from itsm_workflow.machine.evidence import TicketStatus
from itsm_workflow.testing.exploration.itsm import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.testing.exploration.invariants import Sight
    from itsm_workflow.testing.exploration.moves import Move, Space


class People(enum.Enum):
    """What the people at the ticket system do in a drain."""

    APPROVE = "approve"
    NOTHING = "nothing"


def ends_right(sight: Sight) -> str | None:
    """A change ends as its own ticket did, with its effects done, or a person was told why not."""
    change, desk = sight.change, sight.desk
    if change is None or change.attention is not None or change.contradictions:
        return None
    orphans = [
        f"ticket {place + 1}"
        for place, one in enumerate(desk.tickets)
        if one.key and (change.ticket is None or str(place + 1) != change.ticket.id)
    ]
    if orphans:
        return f"nobody was told of {', '.join(orphans)}"
    if change.outcome is None:
        idle = change.state == sight.definition.initial
        return None if idle else f"the change stays in {change.state} for ever, and nobody was told"
    undone = [one.name for one in change.effects if one.status is not EffectStatus.DELIVERED and one.name != WITHDRAW]
    if undone:
        return f"effect {undone[0]} is never delivered, and nobody was told"
    ticket = sight.ticket
    if ticket is None:
        return None if change.outcome is Outcome.ABANDONED else f"the change ended as {change.outcome} without a ticket"
    real = {
        Outcome.APPROVED: ticket.status is TicketStatus.FINISHED and ticket.approved,
        Outcome.REJECTED: ticket.status is TicketStatus.FINISHED and not ticket.approved,
        Outcome.WITHDRAWN: ticket.status is TicketStatus.REVOKED,
        Outcome.TERMINATED: ticket.status is TicketStatus.TERMINATED,
    }
    return None if real.get(change.outcome) else f"the change ended as {change.outcome}, its ticket did not"


class Drain:
    """Lets worlds run down: workers go on, messages arrive, what is due is looked at, time passes. No fault happens.

    Each world has one next world here, so that runs that meet share the rest of the way. A run ends where it goes
    round in circles, as the polls of an open ticket do; flows that are slow to start do so then.

    Args:
        space: The worlds.
        people: What people do.
        judge: Returns what is wrong with the end, or None.
    """

    def __init__(self, space: Space, people: People, judge: Callable[[int], str | None]) -> None:
        self._space = space
        self._people = people
        self._judge = judge
        self._verdicts: dict[int, str | None] = {}

    def __len__(self) -> int:
        return len(self._verdicts)

    def verdict(self, world: int) -> str | None:
        """Return what is wrong with the way the world ends, or None."""
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
                late = self._space.happens(world, Kind.STARTS)
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
            or space.happens(world, Kind.ARRIVES)
            or space.begins(world)
            or (space.happens(world, Kind.IS_APPROVED) if self._people is People.APPROVE else None)
            or space.waits(world)
        )
