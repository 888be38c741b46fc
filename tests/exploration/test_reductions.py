"""A walk leaves ways out that show nothing new: with none left out, the same is met, in many times more worlds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.machine.approval import COLLECTOR_CHANGE, State
from itsm_workflow.testing.exploration import Bounds, operator_acts
from itsm_workflow.testing.exploration.itsm import Itsm
from itsm_workflow.testing.exploration.library import Library, digest_of
from itsm_workflow.testing.exploration.moves import Space
from itsm_workflow.testing.exploration.ticks import tick_policy
from itsm_workflow.testing.exploration.world import Purse

if TYPE_CHECKING:
    from itsm_workflow.runtime.journal import Prepared
    from itsm_workflow.storage.codec import Stored
    from itsm_workflow.testing.exploration.itsm import Message


class ReadsBodies(Library):
    """The library as it is; that it defines how to hear makes a walk keep the bodies of callbacks."""

    def hear(self, stored: Stored, message: Message) -> tuple[Prepared | None, bool]:
        """Hear as ever."""
        return super().hear(stored, message)


def met(bounds: Bounds) -> tuple[set[tuple[object, ...]], int]:
    """Return every change with its desk beside which no worker is at anything, and how many worlds it took."""
    policy = tick_policy(bounds.ticks)
    space = Space(ReadsBodies(COLLECTOR_CHANGE, policy, {State.APPROVED: ("start",)}), Itsm(), bounds, operator_acts)
    purse = Purse(bounds)
    covered, queue = {0: purse.covers[purse.full]}, [(0, purse.full)]
    for world, left in queue:  # which grows meanwhile
        affords = purse.after[left]
        for move in space.moves(world, affords):
            rest, seen = affords[move.cost], covered.get(move.world, 0)
            if not seen >> rest & 1:
                covered[move.world] = seen | purse.covers[rest]
                queue.append((move.world, rest))
    return {plain(space, world) for world in covered if not space.hands(world)}, len(covered)


def plain(space: Space, world: int) -> tuple[object, ...]:
    """Return a world's change and desk, in a form in which those of two walks can be compared.

    Left out are when the change is due, since an answer that decides nothing any more does no more than move that; what
    the last callback is known by, once no repeat is under way; and the list of undelivered callbacks where it has done
    its work.
    """
    change, desk = space.change(world), space.desk(world)
    if change is None:
        return (desk,)
    if change.heard is not None and change.heard.digest not in map(digest_of, desk.mail):
        change = attrs.evolve(change, heard=attrs.evolve(change.heard, digest=""))
    if change.state == State.FAILED_CALLBACK:
        desk = desk._replace(failed=())
    return (repr(change), desk)


@pytest.mark.long
@pytest.mark.parametrize(
    "bounds",
    [
        Bounds(ticks=2, faults=0, acts=0),
        Bounds(ticks=1, faults=0, acts=1),
        Bounds(ticks=1, faults=1, acts=0),
    ],
    ids=["time", "an act", "a fault"],
)
def test_nothing_new_is_met_where_no_way_is_left_out(bounds: Bounds) -> None:
    """Reading and writing apart, each outdated worker kept, each answer stored: all of it leads nowhere else."""
    with_less, worlds = met(bounds)
    with_all, many_worlds = met(attrs.evolve(bounds, apart=True))
    assert with_less == with_all
    assert many_worlds > 20 * worlds
