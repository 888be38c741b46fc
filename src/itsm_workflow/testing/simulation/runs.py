"""One run of a seed, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.storage.strict import canonical
from itsm_workflow.testing.simulation.invariants import broken, history_of, rows_of
from itsm_workflow.testing.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.testing.simulation.faults import Fault
    from itsm_workflow.testing.simulation.host import Host


@attrs.frozen(kw_only=True)
class Run:
    """What came of one seed.

    Attributes:
        seed: The seed.
        faults: What went wrong.
        findings: One sentence for each thing that did not hold.
        digest: Of everything that happened and of everything that is stored; the same for the same seed and faults.
        timeline: What happened, to read.
        seconds: How much virtual time passed.
        changes: How many changes are stored.
    """

    seed: int
    faults: tuple[Fault, ...]
    findings: tuple[str, ...]
    digest: str
    timeline: str = attrs.field(repr=False)
    seconds: float
    changes: int

    @property
    def rules(self) -> frozenset[str]:
        """Which rules were broken."""
        return frozenset(finding.partition(":")[0] for finding in self.findings)


def run_seed(seed: int, faults: Sequence[Fault], host: Host) -> Run:
    """Run one seed with exactly these faults."""
    world = World(seed, faults, host)
    world.run()
    rows = rows_of(world)
    stored = [canonical([attrs.asdict(row), [attrs.asdict(one) for one in history_of(world, row.id)]]) for row in rows]
    try:
        return Run(
            seed=seed,
            faults=tuple(faults),
            findings=broken(world),
            digest=world.timeline.digest(*stored),
            timeline=world.timeline.text(),
            seconds=world.clock.elapsed(),
            changes=len(rows),
        )
    finally:
        world.store.close()
