"""Shrinking of a failing run to the fewest and shortest faults with which it fails in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.testing.simulation.runs import run_seed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow.testing.simulation.faults import Fault
    from itsm_workflow.testing.simulation.host import Host
    from itsm_workflow.testing.simulation.runs import Run

_MOST_RUNS = 200


def shrink(failed: Run, host: Host) -> Run:
    """Return a run of the same seed that breaks one of the same rules and needs each of its faults."""
    best, runs = failed, 0
    progress = True
    while progress and runs < _MOST_RUNS:
        progress = False
        for fewer in _simpler(best.faults):
            runs += 1
            tried = run_seed(failed.seed, fewer, host)
            if tried.rules & failed.rules:
                best, progress = tried, True
                break
    return best


def _simpler(faults: Sequence[Fault]) -> Iterator[tuple[Fault, ...]]:
    """Yield simpler lists: halves, then one fault less, then one fault half as long."""
    half = len(faults) // 2
    if half > 1:
        yield tuple(faults[:half])
        yield tuple(faults[half:])
    for index in range(len(faults)):
        yield (*faults[:index], *faults[index + 1 :])
    for index, fault in enumerate(faults):
        if abs(fault.seconds) > 1:
            shorter = attrs.evolve(fault, seconds=float(int(fault.seconds / 2)))
            yield (*faults[:index], shorter, *faults[index + 1 :])
