"""The entry point: walk, with bounds that stay or grow."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.testing.coverage import Reached
from itsm_workflow.testing.default_effects import default_effects
from itsm_workflow.testing.exploration.acts import of_gateway, operator_acts
from itsm_workflow.testing.exploration.checking import check_given, check_limits, checked_acts, with_checked_guards
from itsm_workflow.testing.exploration.drain import ends_right
from itsm_workflow.testing.exploration.growing import grown
from itsm_workflow.testing.exploration.invariants import INVARIANTS
from itsm_workflow.testing.exploration.itsm import GATEWAY, Itsm
from itsm_workflow.testing.exploration.library import Library
from itsm_workflow.testing.exploration.moves import Space
from itsm_workflow.testing.exploration.pair import PairSpace, PairWalk
from itsm_workflow.testing.exploration.pair_invariants import PAIR_INVARIANTS
from itsm_workflow.testing.exploration.ticks import tick_policy
from itsm_workflow.testing.exploration.walk import Exploration, Limits, Walk
from itsm_workflow.testing.exploration.world import Bounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.policy import Policy
    from itsm_workflow.testing.exploration.acts import Act
    from itsm_workflow.testing.exploration.invariants import Invariant
    from itsm_workflow.testing.exploration.itsm import Filed
    from itsm_workflow.testing.exploration.pair_invariants import PairInvariant


def explore(
    definition: WorkflowDefinition = COLLECTOR_CHANGE,
    *,
    changes: int = 1,
    depth: int | None = None,
    states: int | None = None,
    seconds: float | None = None,
    bounds: Bounds = Bounds(),  # noqa: B008 - frozen
    grow: bool = False,
    invariants: Sequence[Invariant] = INVARIANTS,
    together: Sequence[PairInvariant] = PAIR_INVARIANTS,
    end: Invariant = ends_right,
    acts: Callable[[ChangeRequest, tuple[Filed, ...]], Iterable[Act]] = operator_acts,
    effects: Mapping[str, Sequence[str]] | None = None,
    library: Callable[[WorkflowDefinition, Policy, Mapping[str, Sequence[str]]], Library] = Library,
    itsm: Itsm | None = None,
    gateway: str = GATEWAY,
    progress: Callable[[int, int], object] | None = None,
    timer: Callable[[], float] = time.process_time,
) -> Exploration:
    """Walk all worlds that a change of the workflow can reach, or two changes of one subject, and check each.

    Args:
        definition: The workflow.
        changes: The number of changes of the subject, 1 or 2. Two share the bounds, and every order of their steps is
            walked.
        depth: The largest number of steps; unlimited by default.
        states: The largest number of worlds to visit; unlimited by default. If the bounds grow, of all walks together.
        seconds: The longest run time, by ``timer``; unlimited by default. A walk that it ends does not follow its
            worlds to their ends.
        bounds: The limits for time, faults and acts.
        grow: Whether to raise these limits, one by one, until each state and move and each answer of a guard was
            reached, or ``states`` or ``seconds`` is used up. The result is that of the last complete walk.
        invariants: The promises to check in every world, for each change.
        together: The promises to check of two changes.
        end: The promise to check where a world ends once faults stop.
        acts: The acts of people on a change under way.
        effects: The effects that entering a state plans, by state; by default those that the definition names, or one
            when the change is granted.
        library: Makes the library; pass another one to see whether the walk finds its defect.
        itsm: The ticket system; pass another one to see the consequences of its wrong answers.
        gateway: The name of the gateway, which a ticket carries; the guards and updates of the workflow may read it.
        progress: Called now and then with the number of states and the depth so far.
        timer: Source of seconds; by default processor time, which does not depend on other programs.

    Raises:
        TypeError: An argument has the wrong type, or an invariant or a guard returns neither None nor a text.
        ValueError: A number is out of its range, the bounds can grow without end, or an act fires a trigger that the
            workflow does not have.
    """
    check_given(definition, bounds, invariants, together, end)
    limits = check_limits(Limits(depth=depth, states=states, seconds=seconds), changes, grow=grow)
    checked = of_gateway(checked_acts(definition, acts), gateway)
    planned = default_effects(definition) if effects is None else effects

    def walk(within: Bounds, left: Limits) -> Exploration:
        reached = Reached(definition)
        watched = with_checked_guards(definition, reached)

        def steps() -> Library:
            made = library(watched, tick_policy(within.ticks), planned)
            made.gateway.name = gateway
            return made

        if changes == 1:
            space = Space(steps(), itsm or Itsm(), within, checked)
            found = Walk(space, watched, within, invariants, end, reached=reached).run(left, progress, timer)
        else:
            both = PairSpace(steps, itsm or Itsm(), within, checked, ordered=not within.apart)
            pair = PairWalk(both, watched, within, invariants, together, end, reached=reached)
            found = pair.run(left, progress, timer)
        return attrs.evolve(found, bounds=within, changes=changes)

    return grown(walk, bounds, limits) if grow else walk(bounds, limits)
