"""The entry point of the simulation: run seeds, and fail with a story if one of them breaks a rule."""

from __future__ import annotations

import pathlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.testing.coverage import Reached
from itsm_workflow.testing.simulation.checking import (
    check_host,
    checked_faults,
    checked_seeds,
    faults_of,
    nothing_decided,
    nothing_filed,
)
from itsm_workflow.testing.simulation.faults import Failure, draw_faults
from itsm_workflow.testing.simulation.host import ASKED, CALM, Host, HostAct
from itsm_workflow.testing.simulation.replay_file import replay_file
from itsm_workflow.testing.simulation.runs import run_seed
from itsm_workflow.testing.simulation.shrinking import shrink
from itsm_workflow.workflow import Workflow

if TYPE_CHECKING:
    import datetime as dt
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from itsm_workflow.gateway.protocol import TicketGateway
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.policy import Policy
    from itsm_workflow.runtime.effects import Effect, StateT
    from itsm_workflow.storage.protocol import StorageBackend
    from itsm_workflow.testing.coverage import Unreached
    from itsm_workflow.testing.gateway_conformance import TicketSystem
    from itsm_workflow.testing.simulation.faults import Fault
    from itsm_workflow.testing.simulation.runs import Run
    from itsm_workflow.testing.simulation.world import World


_ALL = tuple(Failure)


@attrs.frozen(kw_only=True)
class Simulated:
    """The result of all seeds.

    Attributes:
        digests: The digests of the runs, by seed.
        changes: The number of filed changes.
        days: The days of virtual time that passed.
        unreached: The states and moves that no run reached, such as those of the host's triggers without ``acts``.
    """

    digests: Mapping[int, str]
    changes: int
    days: float
    unreached: Unreached


class SimulationFailed(AssertionError):
    """A seed broke a rule; the message contains the story, and `write_test` saves it as a test.

    Attributes:
        run: The run with the fewest faults that breaks one of the same rules.
        drawn: The run with all faults that the seed drew.
    """

    def __init__(self, run: Run, drawn: Run, host: Host) -> None:
        self.run = run
        self.drawn = drawn
        self._host = host
        super().__init__(_story(run, drawn))

    def write_test(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write a pytest file that repeats the seed with these faults.

        Raises:
            ValueError: An object that was passed to `simulate` has no name at module level, so a file cannot import it.
        """
        written = pathlib.Path(path)
        written.write_text(replay_file(self.run, self._host), encoding="utf-8")
        return written


def simulate(
    definition: WorkflowDefinition = COLLECTOR_CHANGE,
    *,
    seeds: Iterable[int],
    faults: Iterable[Failure] | Iterable[Fault] = _ALL,
    effects: Mapping[StateT, Sequence[Effect]] | Callable[[], Mapping[StateT, Sequence[Effect]]] | None = None,
    acts: Sequence[HostAct] = (),
    policy: Policy = CALM,
    asked: Mapping[str, Any] = ASKED,
    invariants: Sequence[Callable[[World], Iterable[str]]] = (),
    storage: Callable[[], StorageBackend] | None = None,
    gateway: Callable[[TicketGateway], TicketGateway] | None = None,
    workflow: Callable[..., Workflow] = Workflow,
    system: Callable[[Callable[[], dt.datetime]], TicketSystem] | None = None,
) -> Simulated:
    """Run a workflow in virtual time, once for each seed, and check the results when all faults are over.

    Args:
        definition: The workflow.
        seeds: One run each. The same seed gives the same run.
        faults: Kinds of faults from which each seed draws some; or the exact faults of every run.
        effects: The effects of each state, or a function that returns them for each run. By default those that the
            definition names, or one that follows an approval; they do nothing.
        acts: The acts of your host, or its people, each carried out as soon as possible.
        policy: All timings.
        asked: The form of every change, as `Workflow.apply` takes it; must contain ``approvers``.
        invariants: Further checks of a finished run, which yield one sentence for each problem.
        storage: Makes the store of a run; in memory unless given.
        gateway: Wraps the simulated gateway for each workflow.
        workflow: Makes each process's workflow.
        system: Makes the ticket system of a run, with its gateway; the model of BK-ITSM unless given. It is called with
            the source of the run's time, such as a class derived from `TicketSystem`. Faults of BK-ITSM's people and
            callbacks do not strike it.

    Raises:
        SimulationFailed: A seed broke a rule; later seeds were not run.
        DefinitionError: The definition does not fit the effects.
        TypeError: An argument has the wrong type.
        ValueError: Nothing would be tested: there are no seeds, none of them filed a change, or no person decided a
            ticket, not even in a run without faults. Or a fault was given that cannot strike the ticket system.
    """
    host = Host(
        definition=definition,
        effects=effects,
        acts=tuple(acts),
        policy=policy,
        asked=MappingProxyType(dict(asked)) if asked is not ASKED else ASKED,
        invariants=tuple(invariants),
        storage=storage,
        gateway=gateway,
        workflow=workflow,
        system=system,
    )
    kinds, fixed = faults_of(host, *checked_faults(faults), is_default=faults is _ALL)
    check_host(host)
    digests: dict[int, str] = {}
    changes, decided, seconds, reached = 0, 0, 0.0, Reached(definition)
    run: Run | None = None
    for seed in checked_seeds(seeds):
        run = run_seed(seed, draw_faults(seed, kinds) if kinds else fixed, host)
        if run.findings:
            raise SimulationFailed(shrink(run, host), run, host)
        digests[seed] = run.digest
        changes += run.changes
        decided += run.decided
        seconds += run.seconds
        reached.moved(run.moves)
    if run is not None and not changes:
        raise nothing_filed(run)
    if run is not None and not decided and not run_seed(run.seed, (), host).decided:  # not for the faults alone
        raise nothing_decided(run)
    return Simulated(digests=digests, changes=changes, days=seconds / 86400, unreached=reached.unreached())


def _story(run: Run, drawn: Run) -> str:
    left = f" ({len(drawn.faults)} were drawn, these suffice)" if len(drawn.faults) > len(run.faults) else ""
    return "\n".join(
        [
            f"seed {run.seed} broke a rule:",
            *(f"  {finding}" for finding in run.findings),
            f"its faults{left}:",
            *(f"  {fault}" for fault in run.faults or ("none",)),
            "what happened:",
            *(f"  {line}" for line in run.timeline.splitlines()),
            f"digest {run.digest}",
            f"to repeat it: simulate(..., seeds=[{run.seed}], faults={_listed(run.faults)})",
        ]
    )


def _listed(faults: Sequence[Fault]) -> str:
    return (
        "["
        + ", ".join(
            f"Fault(kind=Failure.{one.kind.name}, point={one.point!r}, number={one.number}, seconds={one.seconds!r})"
            for one in faults
        )
        + "]"
    )
