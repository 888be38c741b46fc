"""Nested deaths: the process that recovers dies too, and so does the next one."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.storage.protocol import Query
from tests.faults.mortal import NEW, OLD, MortalWorld, file
from tests.faults.points import steady

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.faults.mortal import Stage
    from tests.faults.points import Points

    Path = tuple[int, ...]


def callback(world: MortalWorld) -> None:
    """Receive the callback of an approved ticket: read it, decide, and deliver the effect."""
    workflow = world.workflow()
    world.gateway.deliver(workflow.receive)


def reconcile(world: MortalWorld) -> None:
    """Reconcile what is due."""
    world.workflow().reconcile()


def settle(world: MortalWorld) -> None:
    """Settle one change, as a host does for its page."""
    workflow = world.workflow()
    [change] = workflow.find(subject=NEW)
    workflow.settle(change.id)


def withdraw(world: MortalWorld) -> None:
    """Withdraw a ticket, and receive its callback."""
    workflow = world.workflow()
    [change] = workflow.find(subject=NEW)
    workflow.withdraw(change.id, actor="alice")
    world.gateway.deliver(workflow.receive)


def recover(world: MortalWorld) -> None:
    """Act as the next process some minutes later: receive callbacks, and reconcile what is due."""
    world.clock.advance(600)
    workflow = world.workflow()
    world.gateway.deliver(workflow.receive)
    workflow.reconcile()


def filed() -> MortalWorld:
    """Return a world with a change whose ticket waits for its approval."""
    world = MortalWorld()
    for subject in (OLD, NEW):
        world.live(functools.partial(_file, subject))
        world.asked.append(subject)
    world.start_flow()
    return world


def _file(subject: str, world: MortalWorld) -> None:
    file(world.workflow(), subject)


def approved() -> MortalWorld:
    """Return a world in which the ticket was approved, before its callback."""
    world = filed()
    world.decide(world.ledger.newest_first()[0], approved=True)
    return world


def missed() -> MortalWorld:
    """Return a world in which the callback about the approval failed."""
    world = approved()
    world.gateway.lose()
    world.clock.advance(600)
    return world


def aged() -> MortalWorld:
    """Return a world with a ticket that is old enough to be withdrawn."""
    world = filed()
    world.clock.advance(600)
    return world


@attrs.frozen
class Scenario:
    """The stage of the first process, and the world in which it starts."""

    make: Callable[[], MortalWorld]
    stage: Stage


SCENARIOS = {
    "callback": Scenario(approved, callback),
    "reconcile": Scenario(missed, reconcile),
    "settle": Scenario(missed, settle),
    "withdraw": Scenario(aged, withdraw),
}


@attrs.frozen
class Deaths:
    """All sequences of processes that die one after another, each at one of its points.

    The points of a recovery depend only on what the earlier deaths left in the store and in the ticket system. So each
    state that is left is recovered from once, even if several deaths lead to it.

    Attributes:
        scenario: The scenario of the first process.
        points: The points at which the first process dies, the first recovery, and so on.
    """

    scenario: Scenario
    points: Sequence[Points]

    def all(self) -> Iterator[tuple[Path, MortalWorld]]:
        """Yield every path (the point at which each process dies), and the world that it leaves."""
        yield from self._all((), self.points)

    def of(self, paths: Sequence[Path]) -> Iterator[tuple[Path, MortalWorld]]:
        """Yield some paths, and the worlds that they leave."""
        return ((path, self.run(path)) for path in paths)

    def run(self, path: Path) -> MortalWorld:
        """Let processes die at these points, and return the world that they leave."""
        stages = [self.scenario.stage, *[recover] * len(path)]
        world = self.scenario.make()
        for stage, at, where in zip(stages, path, self.points, strict=False):
            assert world.live(stage, where, die_at=at) == at
            assert not world.life.alive, f"point {at} was not reached"
        return world

    def _all(self, path: Path, points: Sequence[Points]) -> Iterator[tuple[Path, MortalWorld]]:
        if not points:
            return
        seen: set[object] = set()
        left: list[Path] = []
        for at in range(1, self._count(path) + 1):
            world = self.run((*path, at))
            if len(points) > 1 and (state := state_of(world)) not in seen:
                seen.add(state)
                left.append((*path, at))
            yield (*path, at), world
        for one in left:
            yield from self._all(one, points[1:])

    def _count(self, path: Path) -> int:
        stage = recover if path else self.scenario.stage
        return steady(lambda: self.run(path).live(stage, self.points[len(path)]))


def state_of(world: MortalWorld) -> object:
    """Return the state that outlives the process: two worlds with the same state continue in the same way."""
    rows = world.store.find(Query()).rows
    entries = [world.store.history(row.id).entries for row in rows]
    tickets = [(ticket.id, ticket.status, ticket.phase, len(ticket.logs)) for ticket in world.ledger.newest_first()]
    waiting = tuple(world.ledger.failed_callbacks())
    effects = tuple(sorted({delivery.effect for delivery in world.deliveries}))
    return repr((rows, entries, tickets, waiting, effects))
