"""The next steps of a world, and the numbers that identify worlds.

A world is three numbers in one: the stored change, the desk, and the pair of workers with a step in progress. Its
identity is the change's document without ids and times, the desk, and the state of the workers. Details that make no
difference to any later step are dropped:

* A ticket to which the change will never be bound is never read. Of its life, only its end is kept, once.
* A callback is a hint; its body is not read, unless the library under test does so. What is kept of it is its ticket
  and whether it is a repeat. Of the last received callback, it is kept whether a repeat of it is under way.
* The two workers have no names; a process is only distinguished from the other process.

Ways that would show nothing new are left out as well. All of these require a store that compares versions, since it
refuses a write that was prepared on an outdated version. A store that does not is walked without them.

* Reading and the following write are one step: if another write came in between, the write is refused and the worker
  reads again, as if it had come later.
* A look is one step with its claim, or is taken a step of time later. The claim does not depend on the ticket system
  and its events do not depend on the claim, so their order shows nothing. A claim that changes the change, a send and a
  delivery can be followed by anything.
* A worker whose write would only be refused stops immediately, and so does a worker whose answer no longer decides
  anything.

A test walks small bounds with `Bounds.apart`, which leaves nothing out, and meets the same changes and desks. With one
step of time, one fault and one act these are 7,184, in 28,891 worlds instead of 2,384,402.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from itsm_workflow.testing.exploration.itsm import Desk, EventKind, trimmed, unread
from itsm_workflow.testing.exploration.library import Library, digest_of
from itsm_workflow.testing.exploration.ticks import OVERTAKEN_BY, Shelf
from itsm_workflow.testing.exploration.workers import NO_HAND, Workers
from itsm_workflow.testing.exploration.world import ACT, BITS, FAULT, TICK, Hand, Numbers, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.testing.exploration.acts import Act
    from itsm_workflow.testing.exploration.itsm import Filed, Itsm
    from itsm_workflow.testing.exploration.workers import Stored, Written
    from itsm_workflow.testing.exploration.world import Bounds

_MASK = (1 << BITS) - 1
TIME = ("a step of time passes",)
"""The text of a plain step of time."""


class Move(NamedTuple):
    """One step from a world.

    Attributes:
        world: The world afterwards.
        cost: The cost, to be taken from the bounds.
        text: Description for people, in parts.
        write: The number of the write, or 0.
    """

    world: int
    cost: int
    text: tuple[str, ...]
    write: int


class Space:
    """All worlds of one library, one ticket system and one number of workers, and the steps between them.

    Args:
        library: The library's pure steps.
        itsm: The ticket system.
        bounds: The bounds, of which only those of workers are used.
        acts: The acts of people on a change.
    """

    _workers_type: type[Workers] = Workers
    _most_submissions = OVERTAKEN_BY + 1

    def __init__(
        self,
        library: Library,
        itsm: Itsm,
        bounds: Bounds,
        acts: Callable[[ChangeRequest, tuple[Filed, ...]], Iterable[Act]],
    ) -> None:
        self._definition = library.journal.definition
        self._itsm = itsm
        self._several = bounds.workers > 1
        self._reads_bodies = type(library).hear is not Library.hear
        self._shelf = Shelf(self._definition, library.journal.policy, self._most_submissions)
        self._desks: Numbers[Desk] = Numbers(Desk())
        self._pairs: Numbers[tuple[int, int]] = Numbers((NO_HAND, NO_HAND))
        self._workers = self._workers_type(library, itsm, self._shelf, self._desks, acts, apart=bounds.apart)
        self._normal: dict[int, int] = {}
        self._happenings = functools.cache(self._happenings_of)
        self._later_desk = functools.cache(lambda desk: self._desks.of(itsm.later(self._desks.values[desk])))
        self._trimmed = functools.cache(self._trimmed_desk)

    # ---------------------------------------------------------------- worlds

    def change(self, world: int) -> ChangeRequest | None:
        """Return the stored change of a world."""
        return self._change(world >> 2 * BITS)

    def desk(self, world: int) -> Desk:
        """Return the desk of a world."""
        return self._desks.values[world >> BITS & _MASK]

    def hands(self, world: int) -> tuple[Hand, ...]:
        """Return the workers of a world that have a step in progress."""
        return tuple(self._workers.hand(number) for number in self._pairs.values[world & _MASK] if number)

    def written(self, write: int) -> tuple[Written, ChangeRequest | None, ChangeRequest | None]:
        """Return a write, with the stored change before it, and the change that the writer had read."""
        written = self._workers.writes[write]
        return written, self._change(written.before), self._change(written.base)

    @staticmethod
    def without_hands(world: int) -> int:
        """Return the number of a world's change and desk without its workers."""
        return world >> BITS

    def _change(self, number: int) -> ChangeRequest | None:
        stored = self._shelf.kept[number]
        return stored.change if stored else None

    def _world(self, change: int, desk: int, one: int, other: int) -> int:
        known = change << BITS | desk
        normal = self._normal.get(known)
        if normal is None:
            normal = self._normal[known] = self._normal_of(change, desk)
        return normal << BITS | self._pairs.of((one, other) if one >= other else (other, one))

    def _normal_of(self, change: int, desk: int) -> int:
        """Return the number of a change and a desk without the details that no later step depends on."""
        now = self._change(change)
        if now is None:
            return change << BITS | desk
        key = now.attempt.key if now.attempt else ""
        bound = now.ticket.id if now.ticket else ""
        desk, digests = self._trimmed(desk, key, bound, not bound and self._definition.is_asking(now.state))
        if now.heard is not None and self._workers.at_once:  # otherwise a worker may hold a repeat
            change = self._shelf.last_heard(change, digests.get(now.heard.digest, ""))
        return change << BITS | desk

    def _trimmed_desk(self, desk: int, key: str, bound: str, waits: bool) -> tuple[int, dict[str, str]]:  # noqa: FBT001 - part of a cache key
        """Return the number of the desk, and the mark of each callback under way there."""
        kept = trimmed(self._desks.values[desk], key, bound, waits=waits)
        if self._reads_bodies or not self._workers.at_once:
            return self._desks.of(kept), {digest: digest for digest in map(digest_of, kept.mail)}
        kept, reduced = unread(kept)
        return self._desks.of(kept), {digest_of(one): digest_of(mark) for one, mark in reduced.items()}

    # ---------------------------------------------------------------- steps

    def moves(self, world: int, affords: Sequence[int]) -> Iterator[Move]:
        """Yield every step from a world.

        Args:
            world: The world.
            affords: A number for each cost, negative if the step is out of bounds.
        """
        change, desk, pair = world >> 2 * BITS, world >> BITS & _MASK, world & _MASK
        one, other = self._pairs.values[pair]
        for after, cost, text, _ in self._happenings(desk):
            if affords[cost] >= 0:
                yield Move(self._world(change, after, one, other), cost, text, 0)
        if change and affords[TICK] >= 0:
            yield self.waits(world)
        if one:
            yield from self._goes_on(change, desk, one, other, affords)
        if other and other != one:
            yield from self._goes_on(change, desk, other, one, affords)
        if not other and (self._several or not one):
            yield from self._begins(change, desk, one, affords)

    def _goes_on(self, change: int, desk: int, number: int, other: int, affords: Sequence[int]) -> Iterator[Move]:
        """Yield the next steps of a worker with a step in progress, first the one without faults."""
        workers = self._workers
        if workers.hand(number).stage is Stage.ASK:
            planned = workers.delivers_what_is_stored(change, number)
            for after, hand, cost, text in workers.endings(planned, desk, number):
                if affords[cost] >= 0:
                    yield Move(self._world(change, after, hand, other), cost, (text,), 0)
        else:
            stored = workers.store(change, number, workers.name_beside(other))
            yield self._after(change, desk, stored, other, 0, (stored.text,))
        if affords[FAULT] >= 0:
            for left, after, text in workers.crashes(change, desk, number):
                yield Move(self._world(left, after, NO_HAND, other), FAULT, (text,), 0)

    def _begins(self, change: int, desk: int, other: int, affords: Sequence[int]) -> Iterator[Move]:
        """Yield the steps that an idle worker can begin, first the one without faults."""
        workers = self._workers
        if not change:
            stored = workers.applies()
            yield self._after(change, desk, stored, other, 0, (stored.text,))
            return
        for hand, after, text in workers.posts(change, desk):
            yield from self._reads(change, after, hand, other, 0, text, affords)
        hand, unasked, text = workers.reads(change)
        if hand and (unasked or affords[ACT] >= 0):
            yield from self._reads(change, desk, hand, other, 0 if unasked else ACT, text, affords)
        if affords[ACT] >= 0:
            tickets = self._desks.values[desk].tickets
            for hand, text in workers.decisions(change, tickets, workers.name_beside(other)):
                yield from self._reads(change, desk, hand, other, ACT, text, affords)

    def _reads(  # noqa: PLR0917 - private, and the arguments have nothing in common
        self, change: int, desk: int, number: int, other: int, cost: int, text: str, affords: Sequence[int]
    ) -> Iterator[Move]:
        """Yield the steps of a worker that reads the change and, where the store compares, what it does next."""
        workers = self._workers
        if not workers.at_once:
            yield Move(self._world(change, desk, number, other), cost, (text,), 0)
            return
        stored = workers.store(change, number, workers.name_beside(other))
        if not stored.asks:
            yield self._after(change, desk, stored, other, cost, (text, stored.text))
            return
        waiting = workers.after_write(other, change, stored.change) if stored.write else other
        for after, hand, more, ending in workers.endings(True, desk, stored.hand):  # noqa: FBT003 - not a delivery
            if affords[cost + more] >= 0:
                world = self._world(stored.change, after, hand, waiting)
                yield Move(world, cost + more, (text, stored.text, ending), stored.write)
        if affords[cost + TICK] >= 0:  # the worker is stopped: later, something else may be due
            claimed = self._world(stored.change, desk, stored.hand, waiting)
            yield Move(self.waits(claimed).world, cost + TICK, (text, stored.text, *TIME), stored.write)

    def _after(  # noqa: PLR0917 - private, and the arguments have nothing in common
        self, change: int, desk: int, stored: Stored, other: int, cost: int, text: tuple[str, ...]
    ) -> Move:
        workers = self._workers
        waiting = workers.after_write(other, change, stored.change) if stored.write else other
        after = workers.desk_after(desk, stored)
        return Move(self._world(stored.change, after, stored.hand, waiting), cost, text, stored.write)

    def _happenings_of(self, desk: int) -> list[tuple[int, int, tuple[str], EventKind]]:
        return [
            (self._desks.of(one.desk), FAULT * one.faults, (one.text,), one.kind)
            for one in self._itsm.happenings(self._desks.values[desk])
        ]

    # ---------------------------------------------------------------- the one next step of a drain

    def goes_on(self, world: int) -> Move | None:
        """Return the next step of a worker with a step in progress, or None if no worker has one."""
        one, other = self._pairs.values[world & _MASK]
        return next(self._goes_on(world >> 2 * BITS, world >> BITS & _MASK, one, other, _FREE)) if one else None

    def begins(self, world: int) -> Move | None:
        """Return the step that an idle worker begins without a request, or None."""
        change = world >> 2 * BITS
        return next(self._begins(change, world >> BITS & _MASK, NO_HAND, _FREE), None) if change else None

    def happens(self, world: int, kind: EventKind) -> Move | None:
        """Return the first event of that kind, or None."""
        one, other = self._pairs.values[world & _MASK]
        for after, cost, text, found in self._happenings(world >> BITS & _MASK):
            if found is kind:
                return Move(self._world(world >> 2 * BITS, after, one, other), cost, text, 0)
        return None

    def waits(self, world: int) -> Move:
        """Return a step of time."""
        one, other = self._pairs.values[world & _MASK]
        later = self._world(
            self._shelf.later(world >> 2 * BITS),
            self._later_desk(world >> BITS & _MASK),
            self._workers.later(one),
            self._workers.later(other),
        )
        return Move(later, TICK, TIME, 0)


_FREE = (0, *[-1] * 16)
"""Affordable costs if only free steps are allowed."""
