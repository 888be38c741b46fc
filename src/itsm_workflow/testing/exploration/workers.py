"""The steps of workers, on the numbers of changes, desks and workers; each step is computed once for its inputs.

A worker that handles a question reads the change, stores its claim, asks, and stores the answer. All other steps (a
callback, an act, a look at the list of undelivered callbacks) read the change and store their result.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from itsm_workflow.change import EffectStatus, Phase
from itsm_workflow.gateway.protocol import Created
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.settle import SendAnswer
from itsm_workflow.testing.exploration.acts import Act
from itsm_workflow.testing.exploration.gateway import endings
from itsm_workflow.testing.exploration.itsm import Message, ran, refused, without
from itsm_workflow.testing.exploration.questions import purpose_of, question_of
from itsm_workflow.testing.exploration.ticks import NOBODY, aged
from itsm_workflow.testing.exploration.world import (
    FAULT,
    FRESH,
    Deliver,
    Hand,
    Lookup,
    Numbers,
    Read,
    Send,
    Stage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from itsm_workflow.change import ChangeRequest, Entry
    from itsm_workflow.runtime.journal import Prepared
    from itsm_workflow.testing.exploration.itsm import Desk, Filed, Itsm
    from itsm_workflow.testing.exploration.library import Library
    from itsm_workflow.testing.exploration.ticks import Shelf

OWNERS = ("a", "b")
"""The names of processes: a worker that sends has another name than the other worker."""

NO_HAND = 0
"""The number for no worker."""


class Written(NamedTuple):
    """A write to the store, by the numbers of the changes."""

    before: int
    base: int
    after: int
    entries: tuple[Entry, ...]


class Stored(NamedTuple):
    """The result of a worker's attempt to store something.

    Attributes:
        change: The stored change afterwards.
        hand: The worker afterwards.
        text: Description for people.
        write: The number of the write; 0 if nothing was written.
        runs: Effects that ran before the write.
        listed: The number of a ticket whose callback was not acknowledged.
        looked: The reason for which a person had been called who has now cleared the call.
        accepted: Whether an operator accepted the ticket after its withdrawal.
        asks: Whether the worker asks immediately, or after a step of time.
    """

    change: int
    hand: int
    text: str
    write: int
    runs: tuple[str, ...] = ()
    listed: str = ""
    looked: str = ""
    accepted: bool = False
    asks: bool = False

    @property
    def changes_desk(self) -> bool:
        """Whether something outside of the store changes with it."""
        return bool(self.runs or self.listed or self.looked or self.accepted)


class Workers:
    """All workers that can occur.

    Args:
        library: The library's pure steps.
        itsm: The ticket system.
        shelf: The changes by number.
        desks: The desks by number.
        acts: The acts of people on a change.
        apart: Whether reading and writing are two steps even if the store compares versions.

    Attributes:
        at_once: Whether a worker that reads immediately goes on to its write.
    """

    def __init__(
        self,
        library: Library,
        itsm: Itsm,
        shelf: Shelf,
        desks: Numbers[Desk],
        acts: Callable[[ChangeRequest, tuple[Filed, ...]], Iterable[Act]],
        *,
        apart: bool,
    ) -> None:
        self._library = library
        self._itsm = itsm
        self._shelf = shelf
        self._desks = desks
        self._acts = acts
        self._definition = library.journal.definition
        self._compares = not library.store_accepts(stale=True)
        self.at_once = self._compares and not apart
        self.hands: Numbers[Hand | None] = Numbers(None)
        self.writes: list[Written] = [Written(0, 0, 0, ())]
        # These are pure functions of numbers.
        self.reads = functools.cache(self._reads)
        self.posts = functools.cache(self._posts)
        self.decisions = functools.cache(self._decisions)
        self.store = functools.cache(self._store)
        self.endings = functools.cache(self._endings)
        self.crashes = functools.cache(self._crashes)
        self.later = functools.cache(self._later)
        self.after_write = functools.cache(self._after_write)
        self._spent = functools.cache(self._is_spent)

    def hand(self, number: int) -> Hand:
        """Return an existing worker."""
        hand = self.hands.values[number]
        if hand is None:
            raise LookupError("there is no such worker")
        return hand

    # ---------------------------------------------------------------- beginnings

    def applies(self) -> Stored:
        """Return the commit of the host's call of `Workflow.apply`, with the worker that is about to send."""
        key = self._library.key
        prepared = self._library.apply(key, OWNERS[0])
        after, write = self._written(0, 0, prepared)
        hand = self.hands.of(Hand(Stage.ASK, about=Send(1, key, OWNERS[0]), keep=True))
        return Stored(after, hand, "the host applies: the change and the mark of its send are stored", write)

    def _reads(self, change: int) -> tuple[int, bool, str]:
        """Return the worker that reads a change to settle it, and whether it does so without a request."""
        if self._shelf.is_due(change):
            return self.hands.of(Hand(Stage.CLAIM)), True, "a worker reads the change, which is due"
        if self._library.plan(self._shelf.get(change), OWNERS[0]) is None:
            return NO_HAND, False, ""
        forced = self.hands.of(Hand(Stage.CLAIM, forced=True))
        return forced, False, "the host settles the change: a worker reads it"

    def _posts(self, change: int, desk: int) -> list[tuple[int, int, str]]:
        begun = []
        at, stored = self._desks.values[desk], self._shelf.get(change).change
        for message in sorted(set(at.mail)):
            hand = self.hands.of(Hand(Stage.HEAR, about=message))
            said = "" if message.mark else f" ({message.status}{', approved' if message.approved else ''})"
            text = f"the callback of {message.sn} arrives{said}: a worker reads the change"
            begun.append((hand, self._desks.of(without(at, message)), text))
        if stored.sn in at.failed and self._definition.is_waiting(stored.state):
            hand = self.hands.of(Hand(Stage.MARK))
            begun.append((hand, desk, f"a worker sees {stored.sn} among the undelivered, and reads the change"))
        return begun

    def _decisions(self, change: int, tickets: tuple[Filed, ...], owner: str) -> list[tuple[int, str]]:
        stored = self._shelf.get(change)
        acts = [*self._acts(stored.change, tickets)]
        if stored.change.attempt is not None and self._definition.is_submitted_in(stored.change.state):
            acts.append(self._applies_again(stored.change, owner))
        return [
            (self.hands.of(Hand(Stage.ACT, about=act)), f"{act.name}: a worker reads the change")
            for act in acts
            if self._library.fire(stored, act.steps, actor="operator") is not None
        ]

    def _applies_again(self, change: ChangeRequest, owner: str) -> Act:
        key = next_key(change.expect_attempt().key)
        return Act("the host applies again", self._library.apply_again(key, owner))

    # ---------------------------------------------------------------- asking

    def delivers_what_is_stored(self, change: int, number: int) -> bool:
        """Return whether the effect and the delivery that is about to begin are stored; True for other questions."""
        about = self.hand(number).about
        if not isinstance(about, Deliver):
            return True
        return any(
            one.id == about.effect and (one.status is not EffectStatus.PLANNED or one.attempts >= about.attempt)
            for one in self._shelf.get(change).change.effects
        )

    def _endings(self, planned: bool, desk: int, number: int) -> list[tuple[int, int, int, str]]:  # noqa: FBT001 - part of a cache key
        hand, field = self.hand(number), self._definition.approval.decision_field
        if not isinstance(hand.about, Send | Lookup | Read | Deliver):
            raise TypeError(f"{hand.about} is not a question")
        found = []
        for ending in endings(self._itsm, self._desks.values[desk], hand.about, decision_field=field, planned=planned):
            # If a worker crashes after it has sent, the mark stays without its owner.
            about = hand.about if isinstance(hand.about, Send) else None
            answered = hand._replace(stage=Stage.STORE, about=about, answers=ending.answers)
            found.append((self._desks.of(ending.desk), self.hands.of(answered), FAULT * ending.faults, ending.text))
        return found

    # ---------------------------------------------------------------- storing

    def _store(self, change: int, number: int, owner: str) -> Stored:
        hand, stale = self.hand(number), self.hand(number).seen != FRESH
        if stale and self._compares:
            again = self.hands.of(_read_again(hand))
            return Stored(change, again, "a write is refused, since another came first: the worker reads again", 0)
        base = hand.seen if stale else change
        if hand.stage is Stage.CLAIM:
            return self._claim(change, base, hand, owner)
        if hand.stage is Stage.STORE:
            prepared = self._library.record(self._shelf.get(base), hand.answers[0], keep=hand.keep)
            rest = hand.answers[1:]
            left = self.hands.of(hand._replace(answers=rest, seen=FRESH)) if rest else NO_HAND
            return self._put(change, base, prepared, left, "a worker stores the answer")
        if hand.stage is Stage.MARK:
            prepared = self._library.undelivered(self._shelf.get(base))
            return self._put(change, base, prepared, NO_HAND, "a worker stores that the callback was undelivered")
        if isinstance(hand.about, Message):
            return self._hear(change, base, hand.about)
        return self._act(change, base, hand)

    def _claim(self, change: int, base: int, hand: Hand, owner: str) -> Stored:
        stored, is_due = self._shelf.get(base), self._shelf.is_due(base)
        plan = self._library.plan(stored, owner) if hand.forced or is_due else None
        if plan is None:
            rests = self._library.rest(stored) if is_due else None
            return self._put(change, base, rests, NO_HAND, "there is nothing to ask")
        prepared = self._library.claim(stored, plan)
        if prepared is None:
            return Stored(change, NO_HAND, "the claim is refused", 0)
        if plan.question is None:
            return self._put(
                change, base, prepared, NO_HAND, "the worker has nothing to ask, and stores the due trigger"
            )
        question = question_of(plan.question, prepared.stored.change)
        keep = isinstance(question, Send | Deliver)
        asking = self.hands.of(Hand(Stage.ASK, about=question, keep=keep))
        text = f"the worker's claim to {purpose_of(question)} is stored"
        asks = self.at_once and not plan.claim and not keep
        return self._put(change, base, prepared, asking, text)._replace(asks=asks)

    def _hear(self, change: int, base: int, message: Message) -> Stored:
        prepared, acknowledged = self._library.hear(self._shelf.get(base), message)
        text = "the callback is stored as a hint" if prepared else "the callback adds nothing"
        if acknowledged:
            return self._put(change, base, prepared, NO_HAND, text)
        return Stored(change, NO_HAND, "the callback is refused", 0, listed=message.sn)

    def _act(self, change: int, base: int, hand: Hand) -> Stored:
        if not isinstance(hand.about, Act):
            raise TypeError(f"{hand.stage} has nothing to store")
        triggers = {step.trigger for step in hand.about.steps}
        prepared = self._library.fire(self._shelf.get(base), hand.about.steps, actor="operator")
        if prepared is None:
            return Stored(change, NO_HAND, "the decision is refused", 0)
        left = NO_HAND
        if Trigger.MARK_SENDING in triggers:
            attempt = prepared.stored.change.expect_attempt()
            left = self.hands.of(Hand(Stage.ASK, about=Send(attempt.number, attempt.key, attempt.owner), keep=True))
        stored, called = self._put(change, base, prepared, left, "the decision is stored"), self._shelf.get(base)
        attention = called.change.attention if Trigger.CLEAR_ATTENTION in triggers else None
        if Trigger.ACCEPT_AFTER_WITHDRAWAL in triggers:
            return stored._replace(accepted=True)
        return stored._replace(looked=attention.reason.value) if attention else stored

    def _put(self, change: int, base: int, prepared: Prepared | None, hand: int, text: str) -> Stored:
        if prepared is None:
            return Stored(change, hand, text, 0)
        after, write = self._written(change, base, prepared)
        triggers = ", ".join(entry.trigger for entry in prepared.entries)
        text = f"{text}: {triggers}" if triggers else text
        return Stored(after, hand, text, write, runs=self._library.runs_before_commit(prepared))

    def _written(self, change: int, base: int, prepared: Prepared) -> tuple[int, int]:
        after = self._shelf.put(prepared.stored.change, prepared.stored.due_at)
        self.writes.append(Written(change, base, after, prepared.entries))
        return after, len(self.writes) - 1

    def desk_after(self, desk: int, stored: Stored) -> int:
        """Return the desk after a commit."""
        if not stored.changes_desk:
            return desk
        after = self._desks.values[desk]
        if stored.looked:
            after = after._replace(looked=stored.looked)
        if stored.accepted:
            after = after._replace(accepted=True)
        for effect in stored.runs:
            after = ran(after, effect, planned=False)
        return self._desks.of(refused(after, stored.listed) if stored.listed else after)

    # ---------------------------------------------------------------- what happens to workers

    def _after_write(self, number: int, before: int, after: int) -> int:
        """Return a worker after a write by another worker.

        Where the store compares versions, a worker whose write would be refused, and that would then stop or read
        again, can do so immediately, since that makes no difference. So can a worker whose answer no longer decides
        anything.
        """
        hand = self.hands.values[number]
        if hand is None or hand.seen != FRESH:
            return number
        if not self.at_once:
            return self.hands.of(hand._replace(seen=before))
        if not hand.keep:
            return self.hands.of(_read_again(hand))
        return NO_HAND if self._spent(number, after) else number

    def _is_spent(self, number: int, change: int) -> bool:
        """Return whether a worker only has an answer that does not decide anything, now or later."""
        hand, stored = self.hand(number), self._shelf.get(change)
        if not _is_past(hand, stored.change):
            return False
        prepared = self._library.record(stored, hand.answers[0], keep=hand.keep)
        return prepared is None or not prepared.entries

    def _later(self, number: int) -> int:
        """Return a worker after a step of time."""
        hand = self.hands.values[number]
        if hand is None:
            return number
        if hand.seen > 0:
            hand = hand._replace(seen=self._shelf.later(hand.seen))
        if hand.stage is Stage.ASK and isinstance(hand.about, Send):
            hand = hand._replace(about=hand.about._replace(late=True))
        return self.hands.of(hand._replace(answers=tuple(map(aged, hand.answers))))

    def _crashes(self, change: int, desk: int, number: int) -> list[tuple[int, int, str]]:
        hand, at = self.hand(number), self._desks.values[desk]
        if isinstance(hand.about, Message):
            return [(change, self._desks.of(refused(at, hand.about.sn)), "the worker that holds the callback crashes")]
        if not isinstance(hand.about, Send):
            return [(change, desk, f"the worker crashes before it can {hand.stage.value}")]
        left = self._shelf.renamed(change, ((hand.about.owner, NOBODY),))
        dies = [(left, desk, f"the worker crashes before it can {'send' if hand.stage is Stage.ASK else 'store'}")]
        if hand.stage is Stage.ASK and not hand.about.late:
            flying = at._replace(flying=tuple(sorted((*at.flying, (hand.about.key, hand.about.number)))))
            dies.append((left, self._desks.of(flying), "the worker crashes while its create is under way"))
        return dies

    def name_beside(self, other: int) -> str:
        """Return a name of a process other than the other worker's."""
        hand = self.hands.values[other]
        taken = hand.about.owner if hand is not None and isinstance(hand.about, Send) else ""
        return OWNERS[1] if taken == OWNERS[0] else OWNERS[0]


def next_key(key: str) -> str:
    """Return the key of the change's next submission."""
    return f"{key[0]}{int(key[1:]) + 1}"


def _read_again(hand: Hand) -> Hand | None:
    """Return a worker after its write was refused."""
    if hand.stage in {Stage.CLAIM, Stage.MARK}:
        return None
    if hand.stage is Stage.ASK and isinstance(hand.about, Lookup) and hand.about.read:
        return hand._replace(about=hand.about._replace(read=""))
    if hand.stage in {Stage.STORE, Stage.ASK} and not hand.keep:
        return hand._replace(seen=FRESH, answers=hand.answers[1:]) if hand.answers[1:] else None
    return hand._replace(seen=FRESH)


def _is_past(hand: Hand, change: ChangeRequest) -> bool:
    """Return whether the answer to a send is already known for certain, or belongs to a send that is over."""
    sent, attempt = hand.answers[0] if hand.answers else None, change.attempt
    if not isinstance(sent, SendAnswer):
        return False
    if isinstance(sent.answer, Created):
        return change.ticket is not None and change.ticket.id == sent.answer.id
    return attempt is None or attempt.phase is not Phase.SENDING or attempt.owner != sent.owner
