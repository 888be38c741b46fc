"""One run of a seed, and its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.machine.evidence import ENDED
from itsm_workflow.storage import paging
from itsm_workflow.strict import canonical
from itsm_workflow.testing.simulation.invariants import broken, rows_of
from itsm_workflow.testing.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.testing.coverage import Move
    from itsm_workflow.testing.simulation.faults import Fault
    from itsm_workflow.testing.simulation.host import Host


@attrs.frozen(kw_only=True)
class Run:
    """The result of one seed.

    Attributes:
        seed: The seed.
        faults: The faults of the run.
        findings: One sentence for each broken promise.
        digest: The digest of all events and all stored data; equal for the same seed and faults.
        timeline: The events, for people.
        seconds: The virtual time that passed.
        changes: The number of stored changes.
        decided: The number of tickets that have ended.
        moves: The moves of all changes, each as the state before, the trigger and the state after it.
    """

    seed: int
    faults: tuple[Fault, ...]
    findings: tuple[str, ...]
    digest: str
    timeline: str = attrs.field(repr=False)
    seconds: float
    changes: int
    decided: int
    moves: frozenset[Move] = attrs.field(repr=False)

    @property
    def rules(self) -> frozenset[str]:
        """The names of the broken rules."""
        return frozenset(finding.partition(":")[0] for finding in self.findings)


def run_seed(seed: int, faults: Sequence[Fault], host: Host) -> Run:
    """Run one seed with exactly these faults."""
    world = World(seed, faults, host)
    world.run()
    found = [(row, list(paging.entries(world.store, row.id))) for row in rows_of(world)]
    stored = [canonical([attrs.asdict(row), list(map(attrs.asdict, entries))]) for row, entries in found]
    try:
        return Run(
            seed=seed,
            faults=tuple(faults),
            findings=broken(world),
            digest=world.timeline.digest(*stored),
            timeline=world.timeline.text(),
            seconds=world.clock.elapsed(),
            changes=len(stored),
            decided=sum(one.current_status.lower() in ENDED for one in world.tickets()),
            moves=frozenset((one.source, one.trigger, one.dest) for _, entries in found for one in entries),
        )
    finally:
        world.close()
