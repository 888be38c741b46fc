"""Two changes that are the same to a walk stay the same, whatever happens to them next."""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.machine.approval import COLLECTOR_CHANGE, State
from itsm_workflow.testing.exploration import operator_acts
from itsm_workflow.testing.exploration.gateway import endings
from itsm_workflow.testing.exploration.itsm import Desk, Itsm, without
from itsm_workflow.testing.exploration.library import Library
from itsm_workflow.testing.exploration.questions import question_of
from itsm_workflow.testing.exploration.ticks import NOW, TICK, Shelf, aged, moved, tick_policy
from itsm_workflow.testing.exploration.world import Send
from tests.support.long import long_after

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.runtime.journal import Prepared
    from itsm_workflow.storage.codec import Stored

STEPS = 60


def as_stored(stored: Stored) -> Stored:
    """Return a change with all it has, each time at the beginning of its step: within a step only the order counts.

    Its next entries are numbered as the shelf numbers them, since that names its effects.
    """
    change = stored.change
    ended, heard = change.ended_at, change.heard
    later = ended is not None and heard is not None and heard.at > ended
    whole: ChangeRequest = at_beginning(change)
    if later and whole.heard is not None:
        moment = whole.heard.at + dt.timedelta(microseconds=1)
        whole = attrs.evolve(whole, heard=attrs.evolve(whole.heard, at=moment))
    return attrs.evolve(stored, change=whole, due_at=at_beginning(stored.due_at), seq=10 * len(change.effects))


def at_beginning(value: Any) -> Any:  # noqa: ANN401 - a value of any field
    """Return a value with every time in it at the beginning of its step."""
    if isinstance(value, dt.datetime):
        return NOW + ((value - NOW) // TICK) * TICK
    if isinstance(value, tuple):
        return tuple(map(at_beginning, value))
    if attrs.has(type(value)):
        return attrs.evolve(
            value, **{field.name: at_beginning(getattr(value, field.name)) for field in attrs.fields(type(value))}
        )
    return value


class Twins:
    """One change twice: as the walk keeps it, and as it is, with all of its times. The same happens to both."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.policy = tick_policy(3)
        self.library = Library(COLLECTOR_CHANGE, self.policy, {State.APPROVED: ("start",)})
        self.shelf = Shelf(COLLECTOR_CHANGE, self.policy)
        self.itsm = Itsm()
        self.desk = Desk()
        first = self.library.apply("K1", "a").stored
        self.number = self.shelf.put(first.change, first.due_at)
        self.real = as_stored(first)
        self.answers(Send(1, "K1", "a"), keep=True)

    def write(self, kept: Prepared | None, real: Prepared | None) -> None:
        """Store what was prepared for each; for both there is something to store, or for none."""
        if kept is not None:
            self.number = self.shelf.put(kept.stored.change, kept.stored.due_at)
        if real is not None:
            self.real = as_stored(real.stored)

    def same(self) -> bool:
        """Tell whether the walk would take the two for the same."""
        return self.shelf.put(self.real.change, self.real.due_at) == self.number

    def step(self) -> None:
        """Let something happen."""
        self.draw.choice([self.time, self.time, self.look, self.look, self.look, self.world, self.hear, self.act])()

    def time(self) -> None:
        """Let a step of time pass."""
        self.number = self.shelf.later(self.number)
        self.real = moved(self.real)
        self.desk = self.itsm.later(self.desk)

    def world(self) -> None:
        """Let something happen at the ticket system."""
        self.desk = self.draw.choice([self.desk, *(one.desk for one in self.itsm.happenings(self.desk))])

    def look(self) -> None:
        """Let a worker do what is due, or what the host wants."""
        assert self.shelf.is_due(self.number) == self.library.is_due(self.real)
        kept, real = (self.library.plan(stored, "a") for stored in (self.shelf.get(self.number), self.real))
        assert kept == real
        if kept is None or real is None:
            self.write(self.library.rest(self.shelf.get(self.number)), self.library.rest(self.real))
            return
        claims = self.library.claim(self.shelf.get(self.number), kept), self.library.claim(self.real, real)
        self.write(*claims)
        if kept.question is None or real.question is None:
            return
        question = question_of(kept.question, self.shelf.get(self.number).change)
        assert question == question_of(real.question, self.real.change)
        self.answers(question, keep=isinstance(question, Send))

    def answers(self, question: object, *, keep: bool) -> None:
        """Let the gateway answer, and store that, at once or later."""
        ending = self.draw.choice([*endings(self.itsm, self.desk, question, decision_field=None, planned=True)])  # type: ignore[arg-type] # a question
        self.desk, answers = ending.desk, ending.answers
        if self.draw.random() < 0.2:
            self.time()
            answers = tuple(map(aged, answers))
        for answer in answers:
            stored = self.shelf.get(self.number), self.real
            self.write(*(self.library.record(one, answer, keep=keep) for one in stored))

    def hear(self) -> None:
        """Let a callback arrive."""
        if self.desk.mail:
            message = self.draw.choice(self.desk.mail)
            self.desk = without(self.desk, message)
            self.write(*(self.library.hear(one, message)[0] for one in (self.shelf.get(self.number), self.real)))

    def act(self) -> None:
        """Let a person do something, or the host see its callback among the undelivered."""
        acts = [*operator_acts(self.shelf.get(self.number).change, self.desk.tickets)]
        steps = self.draw.choice(acts).steps
        both = self.shelf.get(self.number), self.real
        if self.draw.random() < 0.2:
            self.write(*map(self.library.undelivered, both))
        else:
            self.write(*(self.library.fire(one, steps, actor="operator") for one in both))


@pytest.mark.parametrize("seed", long_after(50, range(200)))
def test_what_is_left_out_of_a_change_makes_no_difference(seed: int) -> None:
    """The same questions are due, and the same comes of them, whether or not all of its times are kept."""
    twins = Twins(random.Random(seed))
    for _ in range(STEPS):
        twins.step()
        assert twins.same()
