"""What can happen next in a world, and the numbers by which worlds are known.

A world is three numbers in one: the change as it is stored, the desk, and the pair of workers in the middle of
something. Each pure step of the library is taken once for what it is given, and remembered by number; the rest is
putting numbers together.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from itsm_workflow import settle
from itsm_workflow.change import Phase
from itsm_workflow.gateway.protocol import Created
from itsm_workflow.machine.collector import Trigger
from itsm_workflow.settle import SendAnswer
from itsm_workflow.testing.exploration.acts import Act
from itsm_workflow.testing.exploration.gateway import endings
from itsm_workflow.testing.exploration.itsm import Desk, Kind, Message, ran, refused, trimmed, without
from itsm_workflow.testing.exploration.library import digest_of
from itsm_workflow.testing.exploration.ticks import NOBODY, Shelf, aged
from itsm_workflow.testing.exploration.world import (
    ACT,
    FAULT,
    FRESH,
    TICK,
    Deliver,
    Hand,
    Lookup,
    Numbers,
    Question,
    Read,
    Send,
    Stage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from itsm_workflow.change import ChangeRequest, Entry
    from itsm_workflow.journal import Prepared
    from itsm_workflow.testing.exploration.itsm import Itsm
    from itsm_workflow.testing.exploration.library import Library
    from itsm_workflow.testing.exploration.world import Bounds

_BITS = 20
_MASK = (1 << _BITS) - 1
_OWNERS = ("a", "b")


class Move(NamedTuple):
    """One step from a world.

    Attributes:
        world: Where it leads.
        cost: What it takes of the bounds.
        told: What happens, for people.
        write: The number of what was written, or 0.
    """

    world: int
    cost: int
    told: str
    write: int


class Written(NamedTuple):
    """A write to the store, by the numbers of the changes."""

    before: int
    base: int
    after: int
    entries: tuple[Entry, ...]


class _Stored(NamedTuple):
    """What a worker's attempt to store something leads to."""

    change: int
    hand: int
    told: str
    write: int
    runs: tuple[str, ...] = ()
    acknowledged: bool = True
    looked: str = ""
    asks: bool = False  # at once: what happens between such a claim and the question might as well happen before both

    @property
    def changes_desk(self) -> bool:
        """Whether something outside of the store changes with it."""
        return bool(self.runs or self.looked) or not self.acknowledged


class Space:
    """All worlds of one library, one ticket system and one set of bounds, and the steps between them.

    Args:
        library: The library's pure steps.
        itsm: The ticket system.
        bounds: Only the number of workers matters here.
        acts: What people may do with a change.
    """

    def __init__(
        self,
        library: Library,
        itsm: Itsm,
        bounds: Bounds,
        acts: Callable[[ChangeRequest, Desk], Iterable[Act]],
    ) -> None:
        journal = library.journal
        self.library = library
        self.itsm = itsm
        self.shelf = Shelf(journal.definition, journal.policy)
        self.desks: Numbers[Desk] = Numbers(Desk())
        self.writes: list[Written] = [Written(0, 0, 0, ())]
        self._hands: Numbers[Hand | None] = Numbers(None)
        self._pairs: Numbers[tuple[int, int]] = Numbers((0, 0))
        self._normal: dict[int, int] = {}
        self._acts = acts
        self._workers = bounds.workers
        self._compares = not library.store_accepts(stale=True)
        self._field = journal.definition.approval.decision_field
        # Remembered by what they are given; each is a pure function of that.
        self._happenings = functools.cache(self._happenings_of)
        self._desk_later = functools.cache(lambda desk: self.desks.of(itsm.later(self.desks.values[desk])))
        self._hand_later = functools.cache(self._hand_after_a_tick)
        self._stale = functools.cache(self._hand_after_a_write)
        self._stores = functools.cache(self._store)
        self._endings = functools.cache(self._endings_of)
        self._crashes = functools.cache(self._crashes_of)
        self._reads = functools.cache(self._reads_of)
        self._posts = functools.cache(self._posts_of)
        self._decisions = functools.cache(self._decisions_of)
        self._allowed = functools.cache(self._is_allowed)

    # ---------------------------------------------------------------- worlds

    def change(self, world: int) -> ChangeRequest | None:
        """Return the change of a world as it is stored."""
        stored = self.shelf.kept[world >> 2 * _BITS]
        return stored.change if stored else None

    def desk(self, world: int) -> Desk:
        """Return the desk of a world."""
        return self.desks.values[world >> _BITS & _MASK]

    def hands(self, world: int) -> tuple[Hand, ...]:
        """Return the workers of a world that are in the middle of something."""
        pair = self._pairs.values[world & _MASK]
        return tuple(hand for number in pair if (hand := self._hands.values[number]) is not None)

    def without_hands(self, world: int) -> int:
        """Return the number of a world's change and desk alone."""
        return world >> _BITS

    def _world(self, change: int, desk: int, one: int, other: int) -> int:
        known = change << _BITS | desk
        normal = self._normal.get(known)
        if normal is None:
            normal = self._normal[known] = self._normal_of(change, desk)
        return normal << _BITS | self._pairs.of((one, other) if one >= other else (other, one))

    def _normal_of(self, change: int, desk: int) -> int:
        """Return the number of a change and desk without what nothing that can still happen depends on."""
        stored, at = self.shelf.kept[change], self.desks.values[desk]
        if stored is None:
            return change << _BITS | desk
        now, definition = stored.change, self.library.journal.definition
        key = now.attempt.key if now.attempt else ""
        bound = now.ticket.id if now.ticket else ""
        at = trimmed(at, key, bound, waits=not bound and now.state == definition.roles.asking)
        if now.heard is not None and now.heard.digest not in map(digest_of, at.mail):
            change = self.shelf.forgetful(change)
        return change << _BITS | self.desks.of(at)

    # ---------------------------------------------------------------- steps

    def moves(self, world: int) -> list[Move]:
        """Return every step from a world."""
        change, desk, pair = world >> 2 * _BITS, world >> _BITS & _MASK, world & _MASK
        one, other = self._pairs.values[pair]
        moves = [
            Move(self._world(change, after, one, other), cost, told, 0)
            for after, cost, told, _ in self._happenings(desk)
        ]
        if change:
            moves.append(self.waits(world))
        if one:
            moves += self.hand_moves(change, desk, one, other)
        if other and other != one:
            moves += self.hand_moves(change, desk, other, one)
        if not other and (self._workers > 1 or not one):
            moves += self.starts(change, desk, one)
        return moves

    def later(self, world: int) -> int:
        """Return the world after a step of time."""
        one, other = self._pairs.values[world & _MASK]
        return self._world(
            self.shelf.later(world >> 2 * _BITS),
            self._desk_later(world >> _BITS & _MASK),
            self._hand_later(one),
            self._hand_later(other),
        )

    def hand_moves(self, change: int, desk: int, number: int, other: int) -> Iterator[Move]:
        """Yield what a worker can do next; the first is what it does if nothing goes wrong."""
        hand = self._hands.values[number]
        if hand is None:
            return
        if hand.stage is Stage.ASK:
            for after, answered, cost, told in self._endings(self._asked_of(change, hand), desk, number):
                yield Move(self._world(change, after, answered, other), cost, told, 0)
        else:
            stored = self._stores(change, number, self._name_beside(other))
            after = desk
            if stored.changes_desk:
                after = self._after_store(desk, number, stored)
            waiting = self._stale(other, change, stored.change) if stored.write else other
            yield Move(self._world(stored.change, after, stored.hand, waiting), 0, stored.told, stored.write)
        for left, after, told in self._crashes(change, desk, number):
            yield Move(self._world(left, after, 0, other), FAULT, told, 0)

    def starts(self, change: int, desk: int, other: int) -> Iterator[Move]:
        """Yield what a worker that has nothing to do can begin; first what it does if nothing goes wrong."""
        if not change:
            yield self._applies()
            return
        for hand, cost, told in self._reads(change):
            yield from self._begin(change, desk, hand, other, cost, told)
        for hand, after, told in self._posts(change, desk):
            yield from self._begin(change, after, hand, other, 0, told)
        for hand, told in self._decisions(change, desk, self._name_beside(other)):
            yield from self._begin(change, desk, hand, other, ACT, told)

    def _begin(self, change: int, desk: int, number: int, other: int, cost: int, told: str) -> Iterator[Move]:
        """Yield the steps of a worker that reads the change; where the store compares, with what it does at once."""
        if not self._compares:
            yield Move(self._world(change, desk, number, other), cost, told, 0)
            return
        stored = self._stores(change, number, self._name_beside(other))
        after = desk
        if stored.changes_desk:
            after = self._after_store(desk, number, stored)
        waiting = self._stale(other, change, stored.change) if stored.write else other
        told = f"{told}; {stored.told}"
        if not stored.asks:
            yield Move(self._world(stored.change, after, stored.hand, waiting), cost, told, stored.write)
            return
        for asked, answered, more, ending in self._endings(True, after, stored.hand):
            all_told = f"{told}; {ending}"
            yield Move(self._world(stored.change, asked, answered, waiting), cost + more, all_told, stored.write)

    # ---------------------------------------------------------------- the one next step of a drain

    def goes_on(self, world: int) -> Move | None:
        """Return what a worker in the middle of something does, or None if there is none."""
        one, other = self._pairs.values[world & _MASK]
        return next(self.hand_moves(world >> 2 * _BITS, world >> _BITS & _MASK, one, other)) if one else None

    def happens(self, world: int, kind: Kind) -> Move | None:
        """Return the first happening of that kind, or None."""
        one, other = self._pairs.values[world & _MASK]
        for after, cost, told, found in self._happenings(world >> _BITS & _MASK):
            if found is kind:
                return Move(self._world(world >> 2 * _BITS, after, one, other), cost, told, 0)
        return None

    def begins(self, world: int) -> Move | None:
        """Return what an idle worker begins without being told to, or None."""
        change, desk = world >> 2 * _BITS, world >> _BITS & _MASK
        if not change:
            return None
        for hand, after, told in self._posts(change, desk):
            return next(self._begin(change, after, hand, 0, 0, told))
        if self.shelf.is_due(change):
            hand, cost, told = self._reads(change)[0]
            return next(self._begin(change, desk, hand, 0, cost, told))
        return None

    def waits(self, world: int) -> Move:
        """Return a step of time."""
        return Move(self.later(world), TICK, "a step of time passes", 0)

    # ---------------------------------------------------------------- beginnings

    def _applies(self) -> Move:
        prepared = self.library.apply("K1", _OWNERS[0])
        after, write = self._written(0, 0, prepared)
        hand = self._hands.of(Hand(Stage.ASK, about=Send(1, "K1", _OWNERS[0]), keep=True))
        told = "the host applies: the change and the mark of its send are stored"
        return Move(self._world(after, 0, hand, 0), 0, told, write)

    def _reads_of(self, change: int) -> list[tuple[int, int, str]]:
        if self.shelf.is_due(change):
            return [(self._hands.of(Hand(Stage.CLAIM)), 0, "a worker reads the change, which is due")]
        if self.library.plan(self.shelf.get(change), _OWNERS[0]) is None:
            return []
        forced = self._hands.of(Hand(Stage.CLAIM, forced=True))
        return [(forced, ACT, "the host wants the change settled: a worker reads it")]

    def _posts_of(self, change: int, desk: int) -> list[tuple[int, int, str]]:
        begun = []
        at, stored = self.desks.values[desk], self.shelf.get(change).change
        for message in sorted(set(at.mail)):
            hand = self._hands.of(Hand(Stage.HEAR, about=message))
            said = f"{message.status}{', approved' if message.approved else ''}"
            told = f"the callback of {message.sn} arrives ({said}): a worker reads the change"
            begun.append((hand, self.desks.of(without(at, message)), told))
        if stored.sn in at.failed and stored.state == self.library.journal.definition.roles.waiting:
            hand = self._hands.of(Hand(Stage.MARK))
            begun.append((hand, desk, f"a worker sees {stored.sn} among the undelivered, and reads the change"))
        return begun

    def _decisions_of(self, change: int, desk: int, owner: str) -> list[tuple[int, str]]:
        stored, begun = self.shelf.get(change), []
        acts = [*self._acts(stored.change, self.desks.values[desk])]
        if stored.change.state == self.library.journal.definition.initial and stored.change.attempt is not None:
            key = f"K{int(stored.change.attempt.key[1:]) + 1}"
            acts.append(Act("the host applies again", self.library.submission(key, owner)))
        for act in acts:
            if self._allowed(change, act):
                begun.append((self._hands.of(Hand(Stage.ACT, about=act)), f"{act.told}: a worker reads the change"))
        return begun

    def _is_allowed(self, change: int, act: Act) -> bool:
        return self.library.fire(self.shelf.get(change), act.steps, actor="operator") is not None

    # ---------------------------------------------------------------- asking

    def _asked_of(self, change: int, hand: Hand) -> bool:
        """Tell whether the store has the effect that is about to be delivered; of other questions nothing matters."""
        if not isinstance(hand.about, Deliver):
            return True
        return any(one.id == hand.about.effect for one in self.shelf.get(change).change.effects)

    def _endings_of(self, planned: bool, desk: int, number: int) -> list[tuple[int, int, int, str]]:
        hand = self._hands.values[number]
        if hand is None or not isinstance(hand.about, Send | Lookup | Read | Deliver):
            return []
        found = []
        for ending in endings(
            self.itsm, self.desks.values[desk], hand.about, decision_field=self._field, planned=planned
        ):
            answered = hand._replace(stage=Stage.STORE, about=None, answers=ending.answers)
            if isinstance(hand.about, Send):
                answered = answered._replace(about=hand.about)  # whose death leaves the mark without its owner
            found.append((self.desks.of(ending.desk), self._hands.of(answered), FAULT * ending.faults, ending.told))
        return found

    # ---------------------------------------------------------------- storing

    def _store(self, change: int, number: int, owner: str) -> _Stored:
        hand = self._hands.values[number]
        if hand is None:
            raise LookupError("nobody stores anything")
        stale = hand.seen != FRESH
        if stale and not self.library.store_accepts(stale=True):
            again = self._hands.of(self._read_again(hand))
            return _Stored(change, again, "a write is refused, somebody else wrote first: the worker reads again", 0)
        base = hand.seen if stale else change
        if hand.stage is Stage.CLAIM:
            return self._claim(change, base, hand, owner)
        if hand.stage is Stage.STORE:
            prepared = self.library.record(self.shelf.get(base), hand.answers[0], keep=hand.keep)
            rest = hand.answers[1:]
            left = self._hands.of(hand._replace(answers=rest, seen=FRESH)) if rest else 0
            told = "a worker stores what was answered"
            return self._put(change, base, prepared, left, told)
        if hand.stage is Stage.HEAR and isinstance(hand.about, Message):
            prepared, accepted = self.library.hear(self.shelf.get(base), hand.about)
            told = "the callback is stored as a hint" if prepared else "the callback is no news"
            told = told if accepted else "the callback is refused"
            return self._put(change, base, prepared, 0, told)._replace(acknowledged=accepted)
        if hand.stage is Stage.MARK:
            prepared = self.library.undelivered(self.shelf.get(base))
            return self._put(change, base, prepared, 0, "a worker stores that the callback was undelivered")
        return self._act(change, base, hand)

    def _claim(self, change: int, base: int, hand: Hand, owner: str) -> _Stored:
        stored = self.shelf.get(base)
        plan = self.library.plan(stored, owner) if hand.forced or self.shelf.is_due(base) else None
        if plan is None:
            rests = self.library.rest(stored) if self.shelf.is_due(base) else None
            return self._put(change, base, rests, 0, "there is nothing to ask")
        prepared = self.library.claim(stored, plan)
        if prepared is None:
            return _Stored(change, 0, "the claim is refused", 0)
        question = _question(plan.question, prepared.stored.change)
        keep = isinstance(question, Send | Deliver)
        asking = self._hands.of(Hand(Stage.ASK, about=question, keep=keep))
        told = f"its claim to {_purpose(question)} is stored"
        asks = self._compares and not plan.claim and not keep
        return self._put(change, base, prepared, asking, told)._replace(asks=asks)

    def _act(self, change: int, base: int, hand: Hand) -> _Stored:
        if not isinstance(hand.about, Act):
            raise TypeError(f"{hand.stage} is nothing to store")
        prepared = self.library.fire(self.shelf.get(base), hand.about.steps, actor="operator")
        left = 0
        if prepared and any(step.trigger == Trigger.MARK_SENDING for step in hand.about.steps):
            attempt = prepared.stored.change.expect_attempt()
            sending = Send(attempt.number, attempt.key, attempt.owner)
            left = self._hands.of(Hand(Stage.ASK, about=sending, keep=True))
        told = "what was decided is stored" if prepared else "what was decided is refused"
        stored, called = self._put(change, base, prepared, left, told), self.shelf.get(base).change.attention
        looked = any(step.trigger == Trigger.CLEAR_ATTENTION for step in hand.about.steps)
        return stored._replace(looked=called.reason.value) if prepared and called and looked else stored

    def _put(self, change: int, base: int, prepared: Prepared | None, hand: int, told: str) -> _Stored:
        if prepared is None:
            return _Stored(change, hand, told, 0)
        after, write = self._written(change, base, prepared)
        triggers = ", ".join(entry.trigger for entry in prepared.entries)
        told = f"{told}: {triggers}" if triggers else told
        return _Stored(after, hand, told, write, runs=self.library.runs_before_commit(prepared))

    def _written(self, change: int, base: int, prepared: Prepared) -> tuple[int, int]:
        after = self.shelf.put(prepared.stored.change, prepared.stored.due_at)
        self.writes.append(Written(change, base, after, prepared.entries))
        return after, len(self.writes) - 1

    def _after_store(self, desk: int, number: int, stored: _Stored) -> int:
        after, hand = self.desks.values[desk], self._hands.values[number]
        if stored.looked:
            after = after._replace(looked=stored.looked)
        for effect in stored.runs:
            after = ran(after, effect, planned=False)
        if not stored.acknowledged and hand is not None and isinstance(hand.about, Message):
            after = refused(after, hand.about)
        return self.desks.of(after)

    # ---------------------------------------------------------------- what happens to workers

    def _hand_after_a_write(self, number: int, before: int, after: int) -> int:
        """Return a worker after somebody else wrote.

        Where the store compares versions, what such a worker has read does not matter any more, only that it is
        outdated; and one that would only find that its write is refused, and stop, can stop at once. Neither takes
        part in anything that others could see.
        """
        hand = self._hands.values[number]
        if hand is None or hand.seen != FRESH:
            return number
        if not self._compares:
            return self._hands.of(hand._replace(seen=before))
        if not hand.keep:
            return self._hands.of(self._read_again(hand))
        return 0 if self._is_spent(hand, self.shelf.get(after).change) else number

    @staticmethod
    def _is_spent(hand: Hand, change: ChangeRequest) -> bool:
        """Tell whether an answer to a send will never decide anything any more."""
        sent = hand.answers[0] if hand.answers else None
        if not isinstance(sent, SendAnswer):
            return False
        if isinstance(sent.answer, Created):
            return change.ticket is not None and change.ticket.id == sent.answer.id
        attempt = change.attempt
        return attempt is None or attempt.phase is not Phase.SENDING or attempt.owner != sent.owner

    def _read_again(self, hand: Hand) -> Hand | None:
        """Return a worker after its write was refused."""
        if hand.stage in {Stage.CLAIM, Stage.MARK}:
            return None
        if hand.stage is Stage.ASK and isinstance(hand.about, Lookup) and hand.about.read:
            return hand._replace(about=hand.about._replace(read=""))
        if hand.stage in {Stage.STORE, Stage.ASK} and not hand.keep:
            return hand._replace(seen=FRESH, answers=hand.answers[1:]) if hand.answers[1:] else None
        return hand._replace(seen=FRESH)

    def _hand_after_a_tick(self, number: int) -> int:
        hand = self._hands.values[number]
        if hand is None:
            return number
        if hand.seen > 0:
            hand = hand._replace(seen=self.shelf.later(hand.seen))
        if hand.stage is Stage.ASK and isinstance(hand.about, Send):
            hand = hand._replace(about=hand.about._replace(late=True))
        hand = hand._replace(answers=tuple(map(aged, hand.answers)))
        return self._hands.of(hand)

    def _crashes_of(self, change: int, desk: int, number: int) -> list[tuple[int, int, str]]:
        hand = self._hands.values[number]
        if hand is None:
            return []
        at = self.desks.values[desk]
        if isinstance(hand.about, Message):
            return [(change, self.desks.of(refused(at, hand.about)), "the worker that holds the callback dies")]
        if not isinstance(hand.about, Send):
            return [(change, desk, f"the worker dies before it can {hand.stage.value}")]
        left = self.shelf.renamed(change, ((hand.about.owner, NOBODY),))
        dies = [(left, desk, f"the worker dies before it can {'send' if hand.stage is Stage.ASK else 'store'}")]
        if hand.stage is Stage.ASK and not hand.about.late:
            flying = at._replace(flying=tuple(sorted((*at.flying, (hand.about.key, hand.about.number)))))
            dies.append((left, self.desks.of(flying), "the worker dies while its create is under way"))
        return dies

    def _name_beside(self, other: int) -> str:
        """Return a name of a process that the other worker is not in."""
        hand = self._hands.values[other]
        taken = hand.about.owner if hand is not None and isinstance(hand.about, Send) else ""
        return _OWNERS[1] if taken == _OWNERS[0] else _OWNERS[0]

    def _happenings_of(self, desk: int) -> list[tuple[int, int, str, Kind]]:
        return [
            (self.desks.of(one.desk), FAULT * one.faults, one.told, one.kind)
            for one in self.itsm.happenings(self.desks.values[desk])
        ]


def _question(question: settle.Question, change: ChangeRequest) -> Question:
    """Return what is asked, with all of the claimed change in it that the asking looks at."""
    attempt, ticket = change.attempt, change.ticket
    key = attempt.key if attempt else ""
    number = attempt.number if attempt else 0
    bound = ticket.id if ticket else ""
    if isinstance(question, settle.Send):
        return Send(question.number, key, question.owner)
    if isinstance(question, settle.Deliver):
        effect = next(one for one in change.effects if one.id == question.effect)
        return Deliver(effect.id, effect.name, effect.attempts + 1, bound)
    if isinstance(question, settle.Lookup):
        return Lookup(number, key, question.sn or "")
    if isinstance(question, settle.Sweep):
        read = bound if question.read else ""
        return Lookup(number, key, "", read) if question.lookup else Read(read)
    return Read(bound)


def _purpose(question: Question) -> str:
    if isinstance(question, Deliver):
        return f"deliver effect {question.name}"
    return {Send: "send", Lookup: "look for tickets", Read: "read the ticket"}[type(question)]
