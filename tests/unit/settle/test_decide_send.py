"""What the answer to a send means, in time or late."""

from __future__ import annotations

import attrs
import pytest

from itsm_workflow.change import AttentionReason, ChangeRequest, Moment
from itsm_workflow.errors import TransitionRefused
from itsm_workflow.gateway.protocol import CreateAnswer, Created, FoundTicket, NotSent, Refused, Unknown
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, State, Trigger
from itsm_workflow.settle import LookupAnswer, SendAnswer, Step, decide
from tests.support import examples as x
from tests.support.attention import reason_of

CREATED = Created(id="7", sn="REQ7", url="https://itsm.example.com/7")
NOT_SENT = NotSent(problem="connection refused")
REFUSED = Refused(remote_code=3900003, message="no such service")
UNKNOWN = Unknown(problem="connection reset")
RESUBMITTED = x.after(
    x.after(
        x.SENDING, (Trigger.REFUSE, ev.Refusal(number=1, owner="w1", remote_code=3900003, message="no", looked_up=True))
    ),
    (Trigger.SUBMIT, x.submission(key="K2")),
    (Trigger.MARK_SENDING, x.mark()),
)
RESENT = x.after(x.EXHAUSTED, (Trigger.RESEND, ev.Decision()))
REFUSED_DRAFT = x.after(
    x.SENDING, (Trigger.REFUSE, ev.Refusal(number=1, owner="w1", remote_code=3900003, message="no", looked_up=True))
)


def decided(change: ChangeRequest, answer: CreateAnswer, **values: object) -> tuple[Step, ...]:
    """Return what the answer to the send of worker w1, attempt 1, decides."""
    sent = x.filled(SendAnswer, values, number=1, owner="w1", key="K1", creator="alice", answer=answer)
    return decide(COLLECTOR_CHANGE, change, sent, x.later(30), x.POLICY, gateway="bk_itsm")


def found(ticket_id: str = "7", **values: object) -> FoundTicket:
    """Return a ticket that a look-up brought, by default ours."""
    return x.found(ticket_id, **{"url": "https://itsm.example.com/7", **values})


def concern(*tickets: str, **facts: str) -> Step:
    """Return the step that tells of several tickets."""
    told = {"tickets": ", ".join(tickets), **facts}
    return Step(Trigger.RAISE_ATTENTION, ev.Concern(reason=AttentionReason.DUPLICATE, facts=told))


def mismatch(*tickets: str, differences: str) -> Step:
    """Return the step that reports tickets that carry the key and are not what was sent."""
    facts = {"tickets": ", ".join(tickets), "differences": differences}
    return Step(Trigger.RAISE_ATTENTION, ev.Concern(reason=AttentionReason.MISMATCH, facts=facts))


def late(ticket_id: str = "7") -> Step:
    """Return the step that records a ticket that came too late to be bound."""
    evidence = ev.LateTicket(gateway="bk_itsm", id=ticket_id, sn=f"REQ{ticket_id}")
    return Step(Trigger.RECORD_CONTRADICTION, evidence)


@pytest.mark.parametrize("change", [x.SENDING, x.UNKNOWN, x.EXHAUSTED, RESENT, x.QUEUED])
def test_the_ticket_of_our_send_is_bound_whatever_happened_meanwhile(change: ChangeRequest) -> None:
    """A create that succeeded is never lost, also when another worker marked the attempt in between."""
    assert (Step(Trigger.RECORD_TICKET, x.confirmed()),) == decided(change, CREATED)


def test_a_ticket_of_an_earlier_key_is_told_of() -> None:
    """The change was refused and submitted anew; then the first create turns out to have succeeded."""
    assert (concern("7", "none", sn="REQ7"),) == decided(RESUBMITTED, CREATED)


@pytest.mark.parametrize("answer", [NOT_SENT, UNKNOWN, REFUSED])
def test_an_answer_about_an_earlier_key_decides_nothing(answer: CreateAnswer) -> None:
    """The same worker sends the next submission, whose attempts are numbered from 1 again."""
    assert decided(RESUBMITTED, answer, found=()) == ()


def test_a_ticket_of_another_creator_is_told_of() -> None:
    """It carries the key of the change, and is not bound."""
    assert (concern("7", "none", sn="REQ7"),) == decided(x.SENDING, CREATED, creator="mallory")


@pytest.mark.parametrize("change", [x.ABANDONED, REFUSED_DRAFT, x.DRAFT])
def test_a_ticket_that_comes_too_late_is_a_contradiction(change: ChangeRequest) -> None:
    """An ended change or a draft is not flipped: the ticket is recorded and alarmed."""
    assert (late(),) == decided(change, CREATED)


@pytest.mark.parametrize("change", [x.PENDING, x.FAILED_CALLBACK, x.APPROVED, x.WITHDRAWN])
def test_the_ticket_that_is_bound_already_is_no_news(change: ChangeRequest) -> None:
    """The look-up was faster than the answer."""
    assert decided(change, CREATED) == ()


def test_a_second_ticket_is_told_of() -> None:
    """Beside the one that is bound; in an ended change as a contradiction."""
    second = Created(id="8", sn="REQ8", url="")

    assert (concern("7", "8", sn="REQ8"),) == decided(x.PENDING, second)
    assert (late("8"),) == decided(x.APPROVED, second)


def test_what_never_left_is_queued_again() -> None:
    """With the problem, for people."""
    assert (Step(Trigger.MARK_UNSENT, x.mark(problem="connection refused")),) == decided(x.SENDING, NOT_SENT)


def test_what_may_have_left_is_unknown() -> None:
    """It is looked up from then on."""
    at = x.moment(30)

    assert (Step(Trigger.MARK_UNKNOWN, x.mark(problem="connection reset", at=at)),) == decided(
        x.SENDING, UNKNOWN, at=at
    )


def test_a_refusal_is_believed_after_an_empty_look_up() -> None:
    """The gateway said no and has no ticket."""
    refusal = ev.Refusal(number=1, owner="w1", remote_code=3900003, message="no such service", looked_up=True)

    assert (Step(Trigger.REFUSE, refusal),) == decided(x.SENDING, REFUSED, found=())


NOTED = x.mark(problem="the gateway refused it (code 3900003)")


def test_a_refusal_whose_look_up_failed_is_unknown() -> None:
    """The code alone proves nothing."""
    assert (Step(Trigger.MARK_UNKNOWN, NOTED),) == decided(x.SENDING, REFUSED, found=None)


def test_a_refused_resend_is_unknown() -> None:
    """The ticket of the send before it may still turn up, and nobody looks after a draft."""
    sending = x.after(RESENT, (Trigger.MARK_SENDING, x.mark(number=2)))
    noted = attrs.evolve(NOTED, number=2)

    assert (Step(Trigger.MARK_UNKNOWN, noted),) == decided(sending, REFUSED, number=2, found=())


def test_a_refusal_with_a_ticket_is_bound() -> None:
    """The server failed half-way and has the ticket all the same."""
    confirmed = x.confirmed(channel=ev.Channel.LOOKUP)
    steps = (Step(Trigger.MARK_UNKNOWN, NOTED), Step(Trigger.RECORD_TICKET, confirmed))

    assert steps == decided(x.SENDING, REFUSED, found=(found(),))


def test_a_ticket_that_differs_and_comes_too_late_is_a_contradiction() -> None:
    """It carries the key of a change that has ended: that is recorded, whatever it looks like."""
    looked = LookupAnswer(number=1, found=(found("8", differences=("title: sent a, shows b",)),), at=None)
    for change in (x.ABANDONED, x.APPROVED):
        assert (late("8"),) == decide(COLLECTOR_CHANGE, change, looked, x.later(30), x.POLICY, gateway="bk_itsm")


def test_the_look_after_a_refusal_was_when_the_answer_came() -> None:
    """The waits of the look-ups that follow are counted from then, by every clock."""
    at = Moment(wall=x.later(29), boot_id="b", boot=7)
    note = ev.LookupNoted(number=1, answered=True, problem="no ticket carries its key", at=at)
    steps = (Step(Trigger.MARK_UNKNOWN, attrs.evolve(NOTED, at=at)), Step(Trigger.NOTE_LOOKUP, note))

    assert steps == decided(x.SENDING, REFUSED, found=(found(key="K9"),), at=at)


def test_a_refusal_with_two_tickets_asks_for_a_person() -> None:
    """Neither is bound."""
    note = ev.LookupNoted(number=1, answered=True, problem="2 tickets carry its key")
    steps = (Step(Trigger.MARK_UNKNOWN, NOTED), Step(Trigger.NOTE_LOOKUP, note), concern("7", "8"))

    assert steps == decided(x.SENDING, REFUSED, found=(found("8"), found("7")))


def test_a_refusal_with_a_strangers_ticket_is_looked_up_on() -> None:
    """A ticket of another key does not count, and is not nothing either."""
    note = ev.LookupNoted(number=1, answered=True, problem="no ticket carries its key")
    steps = (Step(Trigger.MARK_UNKNOWN, NOTED), Step(Trigger.NOTE_LOOKUP, note))

    assert steps == decided(x.SENDING, REFUSED, found=(found(key="K9"),))


@pytest.mark.parametrize("answer", [NOT_SENT, UNKNOWN, REFUSED], ids=["not sent", "unknown", "refused"])
@pytest.mark.parametrize(
    ("change", "sent"),
    [
        pytest.param(x.SENDING, {"owner": "w2"}, id="another worker sends now"),
        pytest.param(RESENT, {}, id="a resend was queued"),
        pytest.param(x.QUEUED, {}, id="it was queued again"),
        pytest.param(x.UNKNOWN, {}, id="it is unknown already"),
        pytest.param(x.PENDING, {}, id="the ticket is bound"),
        pytest.param(x.ABANDONED, {}, id="it was abandoned"),
        pytest.param(REFUSED_DRAFT, {}, id="it is a draft again"),
        pytest.param(x.DRAFT, {}, id="it was never submitted"),
        pytest.param(attrs.evolve(x.QUEUED, attempt=None), {}, id="it lost its attempt"),
    ],
)
def test_an_answer_without_a_ticket_that_comes_too_late_is_nothing(
    change: ChangeRequest, sent: dict[str, object], answer: CreateAnswer
) -> None:
    """Only the worker and the attempt that are being sent may say how the send went."""
    assert decided(change, answer, found=(), **sent) == ()


# ---------------------------------------------------------------- look-ups


def looked(change: ChangeRequest, *tickets: FoundTicket, **values: object) -> tuple[Step, ...]:
    """Return what a look-up of attempt 1 decides."""
    answer = x.filled(LookupAnswer, values, number=1, found=tickets)
    return decide(COLLECTOR_CHANGE, change, answer, x.later(30), x.POLICY, gateway="bk_itsm")


def noted(problem: str, *, answered: bool = True) -> Step:
    """Return the step that counts a look-up."""
    return Step(Trigger.NOTE_LOOKUP, ev.LookupNoted(number=1, answered=answered, problem=problem))


@pytest.mark.parametrize("change", [x.UNKNOWN, x.EXHAUSTED, x.SENDING, x.QUEUED, RESENT])
@pytest.mark.parametrize("channel", [ev.Channel.LOOKUP, ev.Channel.CALLBACK])
def test_a_match_is_bound_whenever_it_is_seen(change: ChangeRequest, channel: ev.Channel) -> None:
    """Only absence needs to wait; tickets of another key do not matter."""
    steps = looked(change, found("9", key=""), found(), found("8", key="K9"), found(), channel=channel)

    assert (Step(Trigger.RECORD_TICKET, x.confirmed(channel=channel)),) == steps


def test_nothing_found_is_counted() -> None:
    """As well as strangers and a gateway that could not be asked."""
    assert (noted("no ticket carries its key"),) == looked(x.UNKNOWN)
    assert (noted("no ticket carries its key"),) == looked(x.UNKNOWN, found(key="K9"), found(key=""))
    assert (noted("no answer", answered=False),) == looked(x.UNKNOWN, found=None, problem="no answer")


def test_two_matches_are_counted_and_told_of() -> None:
    """Neither is bound: which is the right one is for a person."""
    assert (noted("2 tickets carry its key"), concern("7", "8")) == looked(x.UNKNOWN, found("8"), found("7"))


@pytest.mark.parametrize("tickets", [(), (found("8"), found("7"))], ids=["none", "two"])
@pytest.mark.parametrize("change", [x.SENDING, x.QUEUED, RESENT, x.DRAFT, attrs.evolve(x.QUEUED, attempt=None)])
def test_absence_is_counted_only_for_the_attempt_that_was_looked_up(
    change: ChangeRequest, tickets: tuple[FoundTicket, ...]
) -> None:
    """A look-up that was overtaken says nothing."""
    assert looked(change, *tickets) == ()


def test_absence_of_an_earlier_attempt_is_not_counted() -> None:
    """The attempt was sent again and is unknown again."""
    again = x.after(RESENT, (Trigger.MARK_SENDING, x.mark(number=2)), (Trigger.MARK_UNKNOWN, x.mark(number=2)))

    assert looked(again) == ()
    assert len(looked(again, number=2)) == 1


def test_a_sweep_tells_of_every_ticket_that_is_not_the_bound_one() -> None:
    """Late births are contradictions of an ended change, each for itself."""
    assert looked(x.APPROVED, found()) == ()
    assert (late("8"), late("9")) == looked(x.APPROVED, found(), found("8"), found("9"), found("5", key="K9"))
    assert (late(),) == looked(x.ABANDONED, found())
    assert looked(x.ABANDONED, found=None) == ()
    assert (concern("7", "8", sn="REQ8"),) == looked(x.PENDING, found("8"), found())


# ---------------------------------------------------------------- tickets that carry our key and are not ours

ANOTHER = found("8", differences=("approvers: sent bob, shows alice",))
ITS_PARTS = "ticket 8: approvers: sent bob, shows alice"
UNSEEN = found("8", unseen=("form: its fields are not filled in yet",))
NOT_SHOWN = "carrying its key: ticket 8: form: its fields are not filled in yet"


def test_a_ticket_that_is_not_what_was_sent_is_a_mismatch_and_not_bound() -> None:
    """A person is shown both sides. The look found no absence, so that nothing is sent again."""
    steps = (noted(f"carrying its key: {ITS_PARTS}", answered=False), mismatch("8", differences=ITS_PARTS))

    assert steps == looked(x.UNKNOWN, ANOTHER)
    assert steps == looked(x.EXHAUSTED, ANOTHER)


def test_a_ticket_of_another_creator_is_a_mismatch_whatever_the_gateway_compared() -> None:
    """The judgement does not depend on how careful an adapter is."""
    parts = "ticket 7: creator: sent alice, shows bob"
    steps = (noted(f"carrying its key: {parts}", answered=False), mismatch("7", differences=parts))

    assert steps == looked(x.UNKNOWN, found(creator="bob"))


@pytest.mark.parametrize(("length", "told"), [(990, "x" * 990), (991, "x" * 989 + "…"), (5000, "x" * 989 + "…")])
def test_what_differs_is_told_in_at_most_a_thousand_characters(length: int, told: str) -> None:
    """However long the form is that a ticket shows."""
    parts = f"ticket 8: {told}"
    assert len(parts) <= 1000
    steps = (noted(f"carrying its key: {parts}", answered=False), mismatch("8", differences=parts))

    assert steps == looked(x.UNKNOWN, found("8", differences=("x" * length,)))


def test_a_ticket_that_cannot_be_compared_yet_is_looked_at_again_and_is_no_mismatch() -> None:
    """Nothing was shown that differs: the look counts as unanswered."""
    assert (noted(NOT_SHOWN, answered=False),) == looked(x.UNKNOWN, UNSEEN)


def test_a_ticket_that_cannot_be_compared_yet_takes_back_that_none_was_found() -> None:
    """A person may resend only while no ticket carries the key."""
    facts = {"tickets": "8", "unseen": "ticket 8: form: its fields are not filled in yet"}
    concern = ev.Concern(reason=AttentionReason.LOOKUP_FAILED, facts=facts)

    steps = looked(x.EXHAUSTED, UNSEEN)

    assert (noted(NOT_SHOWN, answered=False), Step(Trigger.RAISE_ATTENTION, concern)) == steps
    barred = x.after(x.EXHAUSTED, *((step.trigger, step.evidence) for step in steps), at=500)
    with pytest.raises(TransitionRefused, match="a resend could create a second ticket"):
        x.after(barred, (Trigger.RESEND, ev.Decision()), at=500)


def test_the_one_match_is_bound_beside_a_ticket_that_differs_and_a_person_is_shown_the_other() -> None:
    """A forged ticket does not keep the true one away."""
    record = Step(Trigger.RECORD_TICKET, x.confirmed(channel=ev.Channel.LOOKUP))

    assert (record, mismatch("7", "8", differences=ITS_PARTS)) == looked(x.UNKNOWN, ANOTHER, found())


def test_two_matches_beside_a_ticket_that_differs_bind_nothing() -> None:
    """The look did not answer which is ours."""
    steps = looked(x.UNKNOWN, ANOTHER, found(), found("9"))

    assert [step.trigger for step in steps] == [Trigger.NOTE_LOOKUP, Trigger.RAISE_ATTENTION]


@pytest.mark.parametrize("other", [ANOTHER, UNSEEN], ids=["differs", "not shown"])
def test_any_ticket_with_our_key_bars_the_way_back_to_a_draft(other: FoundTicket) -> None:
    """The gateway said no, and may have filed it all the same."""
    steps = decided(x.SENDING, REFUSED, found=(other,))

    assert [step.trigger for step in steps][:2] == [Trigger.MARK_UNKNOWN, Trigger.NOTE_LOOKUP]


def test_a_person_may_not_resend_while_a_ticket_carries_the_key_and_may_abandon() -> None:
    """The ticket that differs may have come from the lost create: the host decides what it is."""
    steps = looked(x.EXHAUSTED, ANOTHER)
    mismatched = x.after(x.EXHAUSTED, *((step.trigger, step.evidence) for step in steps), at=500)

    with pytest.raises(TransitionRefused, match="a ticket carries its key but differs from what was sent"):
        x.after(mismatched, (Trigger.RESEND, ev.Decision()), at=500)
    assert x.after(mismatched, (Trigger.ABANDON, ev.Decision()), at=500).state == State.REJECTED


def test_a_mismatch_stays_the_reason_when_the_schedule_is_used_up() -> None:
    """A look that failed later says nothing about the ticket that was seen."""
    steps = looked(x.UNKNOWN, ANOTHER)
    change = x.after(x.UNKNOWN, *((step.trigger, step.evidence) for step in steps))
    for _ in range(8):
        change = x.after(change, (Trigger.NOTE_LOOKUP, ev.LookupNoted(number=1, answered=True)), at=500)

    assert reason_of(change) is AttentionReason.MISMATCH


def test_a_ticket_that_differs_is_reported_beside_the_one_that_is_bound() -> None:
    """It carries the key of a change that waits for another ticket."""
    assert (mismatch("8", differences="approvers: sent bob, shows alice"),) == looked(x.PENDING, found(), ANOTHER)
