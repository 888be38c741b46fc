"""Measures each tool that tests a workflow, on a workflow of 16 states: ``python -m tests.benchmarks.tools``.

The workflow is the release train of the tests. The times are of one process, in seconds of its processor, and beside
them as multiples of a loop of ten million empty steps, which is measured before and after each tool.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from typing import TYPE_CHECKING

import hypothesis
from hypothesis import HealthCheck
from hypothesis.stateful import run_state_machine_as_test

from itsm_workflow.lint import lint
from itsm_workflow.testing import Bounds, explore, simulate
from tests.support.domains import EVENTS, TRAIN, acts_of
from tests.testing.test_domains import TrainWalk, happening

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "release_train"
SEEDS = 15
EXAMPLES = 60
STEPS = 40


def empty_steps() -> None:
    """Run the floor."""
    for _ in range(10_000_000):
        pass


def linted() -> str:
    """Lint, with the evidence that really comes."""
    found = lint(TRAIN, samples=[evidence for _, evidence in EVENTS[NAME]])
    return f"{len(found.findings)} findings"


def walked_at_random() -> str:
    """Walk with Hypothesis."""
    settings = hypothesis.settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(TrainWalk, settings=settings)
    return f"{EXAMPLES} walks of at most {STEPS} steps"


def simulated() -> str:
    """Simulate days with faults."""
    acts = [happening(NAME, *event) for event in EVENTS[NAME] if event[0].value not in {"abort", "cancel"}]
    found = simulate(TRAIN, seeds=range(SEEDS), acts=acts)
    return f"{SEEDS} seeds, {found.changes} changes, {found.days:.0f} days"


def explored() -> str:
    """Walk through every order."""
    found = explore(TRAIN, bounds=Bounds(ticks=0, faults=1, acts=2), acts=acts_of(NAME))
    return f"{found.states:,} worlds, {'complete' if found.complete else 'not complete'}"


TOOLS: dict[str, Callable[[], str]] = {
    "`lint`": linted,
    "`WorkflowMachine`": walked_at_random,
    "`simulate`": simulated,
    "`explore`": explored,
}


def seconds_of(work: Callable[[], object]) -> tuple[float, object]:
    """Return the seconds of the processor that some work took, and its result."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def main() -> None:
    """Measure and print."""
    write = sys.stdout.write
    write("| tool | on 16 states | seconds | in loops |\n| --- | --- | --- | --- |\n")
    loops = [seconds_of(empty_steps)[0]]
    for name, work in TOOLS.items():
        took, done = seconds_of(work)
        loops.append(seconds_of(empty_steps)[0])
        write(f"| {name} | {done} | {took:.1f} | {2 * took / sum(loops[-2:]):.0f} |\n")
        sys.stdout.flush()
    version = f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}"
    write(f"\n{version}, a loop {min(loops):.2f} to {max(loops):.2f} s, load average {os.getloadavg()[0]:.1f}.\n")


if __name__ == "__main__":
    main()
