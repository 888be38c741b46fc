"""The checks of the arguments of `simulate`, before the first seed: a simulation that tests nothing must not pass."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from itsm_workflow.machine.definition import WorkflowDefinition
from itsm_workflow.policy import Policy
from itsm_workflow.testing.simulation.faults import Failure, Fault, checked_kind, strikes_any_system
from itsm_workflow.testing.simulation.host import HostAct
from itsm_workflow.testing.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from itsm_workflow.testing.simulation.host import Host
    from itsm_workflow.testing.simulation.runs import Run


def check_host(host: Host) -> None:
    """Check each part, and construct a workflow from them, as every process of a run does.

    Raises:
        DefinitionError: The definition does not fit the effects.
        TypeError: A part has the wrong type.
    """
    _check_type("definition", host.definition, WorkflowDefinition, "such as COLLECTOR_CHANGE")
    _check_type("policy", host.policy, Policy, "such as Policy(poll=timedelta(hours=1))")
    for act in host.acts:
        _check_type("acts", act, HostAct, "such as HostAct(name=..., when=..., do=...)")
    for part in ("storage", "gateway", "workflow", "system"):
        made = getattr(host, part)
        if made is not None and not callable(made):
            raise TypeError(f"{part}: must be a function that makes one for each run, not {made!r}")
    for check in host.invariants:
        if not callable(check):
            raise TypeError(f"invariants: must be functions that take the world, not {check!r}")
    world = World(0, (), host)
    with contextlib.closing(world):
        world.open(world.life("nobody", world.random("nobody")))


def checked_faults(given: Iterable[Failure] | Iterable[Fault]) -> tuple[tuple[Failure, ...], tuple[Fault, ...]]:
    """Return the kinds to draw from and the exact faults; at least one of the two is empty.

    Raises:
        TypeError: An element is neither a kind nor a fault.
        ValueError: There are both.
    """
    if isinstance(given, str | Fault):
        raise TypeError(f"faults: must be a list, such as [{given!r}], not a single one")
    kinds, fixed = list[Failure](), list[Fault]()
    for one in given:
        if isinstance(one, Fault):
            fixed.append(one)
        else:
            kinds.append(checked_kind(one, "faults"))
    if kinds and fixed:
        raise ValueError("faults: must be either kinds to draw from, or the exact faults of every run, not both")
    return tuple(kinds), tuple(fixed)


def faults_of(
    host: Host, kinds: tuple[Failure, ...], fixed: tuple[Fault, ...], *, is_default: bool
) -> tuple[tuple[Failure, ...], tuple[Fault, ...]]:
    """Return the faults that can strike the host's ticket system.

    Raises:
        ValueError: One that was given, and not drawn from all kinds, cannot.
    """
    if host.system is None:
        return kinds, fixed
    never = [one for one in (*kinds, *(fault.kind for fault in fixed)) if not strikes_any_system(one)]
    if never and not is_default:
        raise ValueError(f"faults: {never[0].name} strikes only the model of BK-ITSM, and another system is simulated")
    return tuple(filter(strikes_any_system, kinds)), fixed


def checked_seeds(seeds: Iterable[int]) -> Iterator[int]:
    """Yield the seeds one by one, since the iterable may be infinite.

    Raises:
        TypeError: They are not an iterable of whole numbers.
        ValueError: No seed is given.
    """
    if isinstance(seeds, int | str):
        raise TypeError(f"seeds: must be several, such as range(5) or [{seeds!r}], not {seeds!r}")
    number = 0
    for number, seed in enumerate(seeds, start=1):  # noqa: B007 - is used afterwards
        if not isinstance(seed, int):
            raise TypeError(f"seeds: must be whole numbers, such as range(5), not {seed!r}")
        yield seed
    if not number:
        raise ValueError("seeds: must not be empty, since no run would be made; pass some, such as range(20)")


def nothing_filed(last: Run) -> ValueError:
    """Return the error of a simulation in which no run filed a change, so there was nothing to check.

    Args:
        last: One of its runs, for the reason.
    """
    errors = [line.partition(" catches ")[2].strip() for line in last.timeline.splitlines() if " catches " in line]
    why = f"the last run was refused with {errors[-1]}" if errors else "its faults let none through"
    return ValueError(f"no seed filed a change, so nothing was tested: {why}; check `asked` and `faults`")


def nothing_decided(last: Run) -> ValueError:
    """Return the error of a simulation in which no ticket ended, so that no approval was tested.

    Args:
        last: One of its runs.
    """
    return ValueError(
        f"no person ever decided a ticket, so no approval was tested: {last.changes} changes were filed with seed "
        f"{last.seed}, and no ticket has ended, not even without faults; check the system's approve() and records()"
    )


def _check_type(argument: str, value: object, kind: type, such: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{argument}: {value!r} is not a {kind.__name__}; pass one {such}")
