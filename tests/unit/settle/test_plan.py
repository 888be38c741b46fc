"""The one question that would move a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.change import WITHDRAW, ChangeRequest, EffectStatus, LastCallback
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, Trigger
from itsm_workflow.settle import Deliver, Leave, Lookup, LookupAnswer, Plan, Read, Send, Step, Sweep, plan
from tests.support import examples as x

if TYPE_CHECKING:
    from itsm_workflow.settle import Question

DAY = 86400
NO_MARK = attrs.evolve(x.SENDING, attempt=attrs.evolve(x.SENDING.expect_attempt(), marked_at=None))
RESENT = x.after(x.EXHAUSTED, (Trigger.RESEND, ev.Decision()))
TERMINATED = x.after(
    x.after(x.PENDING, (Trigger.SUSPECT_ENDING, x.terminated()), at=10),
    (Trigger.REJECT, x.terminated(seen_at=x.later(100))),
    at=100,
)
APPROVED_LATE = x.after(
    x.after(x.UNKNOWN, (Trigger.RECORD_TICKET, x.confirmed()), at=9),
    (Trigger.APPROVE, x.finished(approved=True)),
    at=20,
)


def quiet(change: ChangeRequest) -> ChangeRequest:
    """Return the change without effects."""
    return attrs.evolve(change, effects=())


def heard(change: ChangeRequest, at: float) -> ChangeRequest:
    """Return the change after a callback that named REQ7."""
    return attrs.evolve(change, heard=LastCallback(sn="REQ7", digest="d", at=x.later(at)))


def asked(change: ChangeRequest, at: float) -> Plan | Leave | None:
    """Return what worker w9 would ask."""
    return plan(COLLECTOR_CHANGE, change, x.later(at), x.POLICY, owner="w9")


CASES: dict[str, tuple[ChangeRequest, float, Question | None]] = {
    "a draft has no question": (x.DRAFT, 5, None),
    "an unknown send is looked up": (x.UNKNOWN, 5, Lookup()),
    "by the number that a callback named as well": (heard(x.UNKNOWN, 2), 5, Lookup(sn="REQ7")),
    "a sender is left alone": (x.SENDING, 5, None),
    "unless a callback tells that there is a ticket": (heard(x.SENDING, 2), 5, Lookup(sn="REQ7")),
    "a mark without a time never lapses": (NO_MARK, 9000, None),
    "a waiting ticket is read": (x.PENDING, 5, Read()),
    "one whose callback was lost as well": (x.FAILED_CALLBACK, 15, Read()),
    "an approval is looked at no more": (quiet(x.APPROVED), 30, None),
    "a refusal neither": (x.REJECTED, 30, None),
    "a withdrawal could revive": (x.WITHDRAWN, 200, Sweep(read=True, lookup=False)),
    "for seven days": (x.WITHDRAWN, 100 + 7 * DAY, None),
    "a termination too": (TERMINATED, 200, Sweep(read=True, lookup=False)),
    "a send that was unknown may have a second ticket": (quiet(APPROVED_LATE), 30, Sweep(read=False, lookup=True)),
    "for seven days too": (quiet(APPROVED_LATE), 20 + 7 * DAY, None),
    "an abandoned change may still get its ticket": (x.ABANDONED, 600, Sweep(read=False, lookup=True)),
    "a hint after the end is read": (heard(quiet(x.APPROVED), 25), 30, Sweep(read=True, lookup=False)),
    "also after the seven days": (heard(x.WITHDRAWN, 8 * DAY), 8 * DAY, Sweep(read=True, lookup=False)),
    "a hint to a change without a ticket is looked up": (
        heard(x.ABANDONED, 9 * DAY),
        9 * DAY,
        Sweep(read=False, lookup=True),
    ),
    "a hint from before the end is old": (heard(quiet(x.APPROVED), 15), 30, None),
    "an end without a time is left alone": (attrs.evolve(x.WITHDRAWN, ended_at=None), 200, None),
    "a submission that was lost is left alone": (attrs.evolve(x.QUEUED, attempt=None), 5, None),
    "an effect waits for its time": (x.with_effect(x.PENDING, x.planned(due_at=x.later(6))), 5, Read()),
    "one that is parked is left": (x.with_effect(x.PENDING, x.planned(EffectStatus.PARKED)), 5, Read()),
    "one that is done as well": (x.with_effect(x.PENDING, x.planned(EffectStatus.DELIVERED)), 5, Read()),
    "while one is delivered the ticket is read": (x.with_effect(x.PENDING, x.started()), 299.9, Read()),
    "and no other is delivered": (attrs.evolve(x.PENDING, effects=(x.started(), x.planned(id="E2"))), 299.9, Read()),
    "a withdrawal waits for the ticket": (x.with_effect(x.UNKNOWN, x.planned(name=WITHDRAW)), 5, Lookup()),
    "also after a delivery that brought no result": (
        x.with_effect(x.UNKNOWN, x.started(name=WITHDRAW, claimed_until=x.later(4))),
        5,
        Lookup(),
    ),
    "and until it is five seconds old": (x.with_effect(x.PENDING, x.planned(name=WITHDRAW)), 5.9, Read()),
}


@pytest.mark.parametrize(("change", "at", "question"), CASES.values(), ids=CASES)
def test_questions(change: ChangeRequest, at: float, question: Question | None) -> None:
    """What is asked, case by case; nothing needs to be written before."""
    assert (None if question is None else Plan(question=question)) == asked(change, at)


DELIVERIES: dict[str, tuple[ChangeRequest, float, int]] = {
    "an effect comes first": (x.with_effect(x.PENDING), 5, 1),
    "in an ended change": (x.with_effect(x.APPROVED), 30, 1),
    "one that failed is delivered again": (x.with_effect(x.APPROVED, x.planned(attempts=2)), 30, 3),
    "a withdrawal of a ticket that is old enough": (x.with_effect(x.PENDING, x.planned(name=WITHDRAW)), 6, 1),
    "one whose delivery brought no result": (x.with_effect(x.APPROVED, x.started(attempts=7)), 300, 8),
    "one that a person wants tried again": (
        x.with_effect(x.APPROVED, x.started(attempts=15, retried_after=8)),
        300,
        16,
    ),
}


@pytest.mark.parametrize(("change", "at", "attempt"), DELIVERIES.values(), ids=DELIVERIES)
def test_a_delivery_has_a_number_and_an_owner(change: ChangeRequest, at: float, attempt: int) -> None:
    """They are stored with its claim."""
    name = change.effects[0].name
    assert asked(change, at) == Plan(question=Deliver(effect="E1", name=name, attempt=attempt, owner="w9"))


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (7, "its last 8 deliveries brought no result: each crashed its process, or took too long"),
        (0, "its last delivery brought no result: it crashed its process, or took too long"),
    ],
)
def test_an_effect_that_ends_its_process_is_parked_instead(lost: int, said: str) -> None:
    """After as many deliveries as the policy allows; nothing is asked then."""
    change = x.with_effect(x.APPROVED, x.started(attempts=8, lost=lost))
    result = ev.EffectResult(effect="E1", attempt=8, error=said, final=True)

    assert asked(change, 300) == Plan(question=None, claim=(Step(Trigger.FAIL_EFFECT, result),))


@pytest.mark.parametrize(("change", "number"), [(x.QUEUED, 1), (RESENT, 2)])
def test_a_queued_send_is_marked_before(change: ChangeRequest, number: int) -> None:
    """The claim of a send is the durable mark of this worker."""
    mark = ev.AttemptMark(number=number, owner="w9")

    assert asked(change, 5) == Plan(question=Send(number=number, owner="w9"), claim=(Step(Trigger.MARK_SENDING, mark),))


def test_a_queued_send_that_was_called_back_about_is_looked_up() -> None:
    """The gateway has a ticket: nothing is sent, and the look-up is asked as for any send that is unknown."""
    mark = ev.AttemptMark(number=2, owner="w9")
    there = attrs.evolve(mark, problem="a callback arrived before the request was sent again")

    assert asked(heard(RESENT, 600), 700) == Plan(
        question=Lookup(sn="REQ7"), claim=(Step(Trigger.MARK_SENDING, mark), Step(Trigger.MARK_UNKNOWN, there))
    )


def test_a_look_up_is_made_by_key_by_default() -> None:
    """And nothing went wrong with it."""
    expected = LookupAnswer(number=1, found=(), channel=ev.Channel.LOOKUP, problem="")
    assert LookupAnswer(number=1, found=()) == expected


def test_a_sender_whose_lease_ran_out_is_unknown_from_then_on() -> None:
    """The claim of the look-up says so, at the end of the lease and not a moment before."""
    mark = ev.AttemptMark(number=1, owner="w9", problem="its worker reported no result")

    assert asked(x.SENDING, 29.999) is None
    assert asked(x.SENDING, 30) == Plan(question=Lookup(), claim=(Step(Trigger.MARK_UNKNOWN, mark),))


def test_the_number_that_a_callback_named_is_looked_up_when_the_sender_went_silent() -> None:
    """The search by key may not show the ticket yet."""
    heard = attrs.evolve(x.SENDING, heard=LastCallback(sn="REQ7", digest="d", at=x.later(2)))
    planned = plan(COLLECTOR_CHANGE, heard, x.later(30), x.POLICY, owner="w9")

    assert isinstance(planned, Plan)
    assert planned.question == Lookup(sn="REQ7")
    silent = ev.AttemptMark(number=1, owner="w9", problem="its worker reported no result")
    assert planned.claim == (Step(Trigger.MARK_UNKNOWN, silent),)


def test_a_hint_of_the_very_moment_of_the_end_asks_nothing() -> None:
    """It may be the one that ended the change."""
    heard = LastCallback(sn="REQ7", digest="d", at=x.later(20))
    done = attrs.evolve(x.APPROVED, effects=(), heard=heard)
    assert plan(COLLECTOR_CHANGE, done, x.later(30), x.POLICY, owner="w9") is None
    later = attrs.evolve(done, heard=attrs.evolve(heard, at=x.later(20.001)))
    assert plan(COLLECTOR_CHANGE, later, x.later(30), x.POLICY, owner="w9") is not None
