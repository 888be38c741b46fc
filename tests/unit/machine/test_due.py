"""When a change falls due, by its state and what is known of it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.change import WITHDRAW, AttentionReason, ChangeRequest, EffectStatus, LastCallback
from itsm_workflow.errors import DefinitionError
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, Trigger
from itsm_workflow.machine.due import asking_due, due_without_effects, next_due, ticket_is_swept, waiting_due
from itsm_workflow.machine.withdrawal import next_try
from itsm_workflow.policy import Policy
from itsm_workflow.testing import strategies as s
from tests.support import examples as x

if TYPE_CHECKING:
    from itsm_workflow.machine.definition import WorkflowDefinition

DAY = 86400
UNSENT = x.after(x.SENDING, (Trigger.MARK_UNSENT, x.mark(problem="refused")), at=5)
REVIVED = x.after(x.SUSPECTED, (Trigger.RESUME, x.snapshot()), at=30)
FOUND_LATE = x.after(x.UNKNOWN, (Trigger.RECORD_TICKET, x.confirmed()), at=9)
APPROVED_LATE = x.with_effect(
    x.after(FOUND_LATE, (Trigger.APPROVE, x.finished(approved=True)), at=20), x.planned(EffectStatus.DELIVERED)
)
APPROVED_DONE = x.with_effect(x.APPROVED, x.planned(EffectStatus.DELIVERED))


def heard(change: ChangeRequest, at: float) -> ChangeRequest:
    """Return the change after a callback."""
    return attrs.evolve(change, heard=LastCallback(sn="REQ7", digest="d", at=x.later(at)))


def with_rules(rule: Any) -> WorkflowDefinition:  # noqa: ANN401 - a rule, or what should be one
    """Return the workflow with one rule for every state."""
    return attrs.evolve(COLLECTOR_CHANGE, due=dict.fromkeys(COLLECTOR_CHANGE.due, rule))


def looks(change: ChangeRequest, done: int) -> ChangeRequest:
    """Return the change with so many look-ups behind it."""
    return attrs.evolve(change, attempt=attrs.evolve(change.expect_attempt(), looks=done))


def withdrawing(change: ChangeRequest, at: float = 0) -> ChangeRequest:
    """Return the change with a withdrawal that was asked for."""
    return x.with_effect(change, x.planned(id="W1", name=WITHDRAW, due_at=x.later(at)))


def given_up(status: EffectStatus, at: float = 400) -> ChangeRequest:
    """Return a change that was abandoned while its ticket's flow had not started, and how far its withdrawal is."""
    stalled = x.with_attention(x.PENDING, AttentionReason.NOT_STARTED)
    change = x.after(stalled, (Trigger.ABANDON, ev.Decision(reason="nobody is asked")), at=at)
    [effect] = change.effects
    return attrs.evolve(change, effects=(attrs.evolve(effect, status=status),))


UNASKED = x.with_attention(looks(x.UNKNOWN, 7), AttentionReason.LOOKUP_FAILED)

CASES: dict[str, tuple[ChangeRequest, float, bool, float | None]] = {
    "a draft waits for a person": (x.DRAFT, 5, False, None),
    "a queued send goes now": (x.QUEUED, 5, False, 5),
    "a hint about one is looked into at once": (heard(UNSENT, 6), 7, False, 6),
    "and is used up": (heard(UNSENT, 6), 7, True, 35),
    "an unsent one waits": (UNSENT, 6, False, 35),
    "a sender has its lease": (x.SENDING, 5, False, 30),
    "the first look-up is at once": (x.UNKNOWN, 5, True, 0),
    "the second a second later": (looks(x.UNKNOWN, 1), 5, True, 1),
    "the last at the end of the schedule": (looks(x.UNKNOWN, 6), 130, True, 480),
    "a hint brings a look-up at once": (heard(looks(x.UNKNOWN, 4), 50), 60, False, 50),
    "a hint is used up by a look-up": (heard(looks(x.UNKNOWN, 4), 50), 60, True, 120),
    "after the schedule each hour": (looks(x.UNKNOWN, 7), 480, True, 480 + 3600),
    "for seven days": (looks(x.UNKNOWN, 7), 7 * DAY, True, None),
    "within minutes while the gateway could not be asked": (UNASKED, 480, True, 480 + 300),
    "for seven days too": (UNASKED, 7 * DAY, True, None),
    "a ticket is polled": (x.PENDING, 10, True, 310),
    "a hint is looked into at once": (heard(x.PENDING, 20), 25, False, 20),
    "soon again after a hint that showed nothing": (heard(x.PENDING, 20), 20.5, True, 21.5),
    "then ever more slowly": (heard(x.PENDING, 20), 60, True, 100),
    "but never more slowly than by polling": (heard(x.PENDING, 20), 9000, True, 9300),
    "a suspicion is looked at after the quiet time": (x.SUSPECTED, 30, True, 70),
    "one whose quiet time is over at once": (x.SUSPECTED, 80, False, 70),
    "one that was not believed waits once more": (x.SUSPECTED, 80, True, 140),
    "what revived is polled": (REVIVED, 30, True, 330),
    "a callback that was lost is looked into at once": (x.FAILED_CALLBACK, 12, False, 12),
    "and polled then": (x.FAILED_CALLBACK, 12, True, 312),
    "with a suspicion after the quiet time": (
        x.after(x.SUSPECTED, (Trigger.FAIL_CALLBACK, ev.Undelivered(sn="REQ7")), at=20),
        25,
        False,
        70,
    ),
    "an approval by a known send is final": (APPROVED_DONE, 30, True, None),
    "a refusal as well": (x.REJECTED, 30, True, None),
    "a withdrawal can revive": (x.WITHDRAWN, 100, True, 100 + 6 * 3600),
    "for seven days as well": (x.WITHDRAWN, 100 + 7 * DAY, True, None),
    "an unknown send for seven days and no longer": (APPROVED_LATE, 20 + 7 * DAY, True, None),
    "a send that was unknown may have made another ticket": (APPROVED_LATE, 30, True, 30 + 6 * 3600),
    "an abandoned one as well": (x.ABANDONED, 600, True, 600 + 6 * 3600),
    "a ticket that never started is withdrawn at once": (given_up(EffectStatus.PLANNED), 400, False, 400),
    "and looked at": (given_up(EffectStatus.DELIVERED), 500, True, 500 + 6 * 3600),
    "for seven days after its withdrawal": (given_up(EffectStatus.DELIVERED), 400 + 7 * DAY, True, None),
    "also if it had ended before": (given_up(EffectStatus.SUPERSEDED), 500, True, 500 + 6 * 3600),
    "a late hint is looked into": (heard(APPROVED_DONE, 50), 60, False, 50),
    "and used up": (heard(APPROVED_DONE, 50), 60, True, None),
    "an early hint is no late one": (heard(APPROVED_DONE, 15), 60, False, None),
    "an effect is due": (x.with_effect(x.APPROVED, x.planned(due_at=x.later(44))), 30, False, 44),
    "a parked one is not": (x.with_effect(x.APPROVED, x.planned(EffectStatus.PARKED)), 30, False, None),
    "the first of two moments counts": (x.with_effect(x.PENDING, x.planned(due_at=x.later(44))), 30, True, 44),
    "whichever it is": (x.with_effect(x.PENDING, x.planned(due_at=x.later(4444))), 30, True, 330),
    "a withdrawal waits for the ticket": (withdrawing(looks(x.UNKNOWN, 3)), 5, True, 30),
    "and until it is five seconds old": (withdrawing(x.PENDING), 3, True, 6),
    "but no longer": (withdrawing(x.PENDING, at=50), 50, True, 50),
    "in a draft that was refused an effect is due too": (x.with_effect(x.DRAFT), 9, False, 0),
}


@pytest.mark.parametrize(("change", "at", "looked", "due"), CASES.values(), ids=CASES)
def test_due(*, change: ChangeRequest, at: float, looked: bool, due: float | None) -> None:
    """Seconds after the draft, case by case."""
    found = next_due(COLLECTOR_CHANGE, change, x.later(at), x.POLICY, looked=looked)

    assert (None if due is None else x.later(due)) == found


def test_an_attempt_that_lost_its_times_is_due_at_once() -> None:
    """A stored change that could not be made is looked at rather than forgotten."""
    change = attrs.evolve(x.SENDING, attempt=attrs.evolve(x.SENDING.expect_attempt(), marked_at=None))
    unknown = attrs.evolve(x.UNKNOWN, attempt=attrs.evolve(x.UNKNOWN.expect_attempt(), unknown_since=None, looked=None))

    assert asking_due(attrs.evolve(x.QUEUED, attempt=None), x.NOW, x.POLICY, looked=False) == x.NOW
    assert x.later(31) == asking_due(change, x.later(1), x.POLICY, looked=False)
    assert x.later(1) == asking_due(unknown, x.later(1), x.POLICY, looked=False)


def test_absence_is_found_on_time_however_often_a_person_looked() -> None:
    """Looking at a change again and again must not put off the moment at which a person is asked to look."""
    change, now = x.UNKNOWN, 0.0
    while change.attention is None:
        now += 2
        note = ev.LookupNoted(number=1, answered=True, at=x.moment(now))
        change = x.after(change, (Trigger.NOTE_LOOKUP, note), at=now)
        due = next_due(COLLECTOR_CHANGE, change, x.later(now), x.POLICY, looked=True)
        assert due is not None

    # 876 seconds of waits, and at most two more before each of the seven looks.
    assert 876 <= now <= 876 + 7 * 2


def test_a_ticket_whose_withdrawal_is_still_due_is_looked_at_for_as_long_as_that_takes() -> None:
    """It may start any time."""
    change = given_up(EffectStatus.PLANNED)
    for days in (1, 8, 400):
        assert ticket_is_swept(change, x.later(days * DAY), x.POLICY)
    parked = attrs.evolve(change, effects=(attrs.evolve(change.effects[0], status=EffectStatus.PARKED),))
    assert ticket_is_swept(parked, x.later(DAY), x.POLICY)
    assert not ticket_is_swept(parked, x.later(8 * DAY), x.POLICY)
    assert not ticket_is_swept(attrs.evolve(change, ended_at=None), x.later(DAY), x.POLICY)


@pytest.mark.parametrize("status", [EffectStatus.DELIVERED, EffectStatus.SUPERSEDED, EffectStatus.PARKED])
def test_a_ticket_is_looked_at_for_days_after_a_withdrawal_that_came_late(status: EffectStatus) -> None:
    """It may revive, or have been approved before the withdrawal found it: nothing else would notice."""
    change = given_up(status)
    late = attrs.evolve(change, effects=(attrs.evolve(change.effects[0], due_at=x.later(30 * DAY)),))
    assert ticket_is_swept(late, x.later(36 * DAY), x.POLICY)
    assert not ticket_is_swept(late, x.later(38 * DAY), x.POLICY)


def test_a_look_beside_an_overdue_effect_leaves_its_own_time() -> None:
    """The change stays due, and when it was looked at last can be seen, whatever its state's rule counts from."""
    overdue = x.with_effect(x.PENDING, x.planned(due_at=x.later(1)))

    assert next_due(COLLECTOR_CHANGE, overdue, x.later(50), x.POLICY, looked=True) == x.later(50)
    assert next_due(COLLECTOR_CHANGE, overdue, x.later(50), x.POLICY, looked=False) == x.later(1)
    waits = x.with_effect(x.PENDING, x.planned(due_at=x.later(90)))
    assert next_due(COLLECTOR_CHANGE, waits, x.later(50), x.POLICY, looked=True) == x.later(90)


def test_a_delivery_that_goes_on_holds_up_the_effects_beside_it_and_no_look() -> None:
    """They are due when its claim ends; the ticket is polled as ever."""
    both = (x.started(claimed_until=x.later(200)), x.planned(id="E2", due_at=x.later(1)))
    pending, approved = (attrs.evolve(change, effects=both) for change in (x.PENDING, x.APPROVED))

    assert next_due(COLLECTOR_CHANGE, approved, x.later(50), x.POLICY, looked=False) == x.later(200)
    assert next_due(COLLECTOR_CHANGE, approved, x.later(200), x.POLICY, looked=False) == x.later(1)
    assert next_due(COLLECTOR_CHANGE, heard(pending, 40), x.later(50), x.POLICY, looked=False) == x.later(40)


REST: dict[str, tuple[ChangeRequest, float, float | None]] = {
    "a wait after the last look": (x.with_effect(x.PENDING, x.planned(due_at=x.later(1))), 50, 350),
    "what it was due for before": (x.with_effect(x.PENDING, x.planned(due_at=x.later(60))), 50, 50),
    "a hint since": (x.with_effect(attrs.evolve(heard(x.PENDING, 40), updated_at=x.later(40)), x.planned()), 1, 40),
    "an end": (x.with_effect(x.APPROVED, x.planned(due_at=x.later(20))), 20, None),
    "an end that can revive": (x.with_effect(x.WITHDRAWN, x.planned(due_at=x.later(100))), 100, 100 + 6 * 3600),
}


@pytest.mark.parametrize(("change", "due_at", "wanted"), REST.values(), ids=REST)
def test_the_rest_of_a_change_is_due_as_if_the_effect_was_not(
    change: ChangeRequest, due_at: float, wanted: float | None
) -> None:
    """When it is stored to be due says when it was looked at last."""
    found = due_without_effects(COLLECTOR_CHANGE, change, x.later(due_at), x.POLICY, {"E1"})
    assert found == (None if wanted is None else x.later(wanted))


@pytest.mark.parametrize(
    ("change", "due"),
    {
        "a waiting change": (x.PENDING, 101),
        "one whose look-ups are used up": (looks(x.UNKNOWN, 7), 101),
        "one whose next look-up may be due": (looks(x.UNKNOWN, 6), 0),
        "one that is to be sent": (x.QUEUED, 0),
    }.values(),
)
def test_a_rule_of_a_host_makes_nothing_due_again_at_once(change: ChangeRequest, due: float) -> None:
    """After a look there is a wait, unless the look leads on to something else."""
    over = attrs.evolve(
        COLLECTOR_CHANGE, due=dict.fromkeys(COLLECTOR_CHANGE.due, lambda change, *_, **__: change.created_at)
    )

    assert next_due(over, change, x.later(100), x.POLICY, looked=True) == x.later(due)
    assert next_due(over, change, x.later(100), x.POLICY, looked=False) == change.created_at


HEARD_OF = {"filing": heard(UNSENT, 6), "waiting": heard(x.PENDING, 20), "not delivered": heard(x.FAILED_CALLBACK, 20)}


@pytest.mark.parametrize("change", HEARD_OF.values(), ids=HEARD_OF)
def test_a_callback_is_looked_into_at_once_whatever_a_rule_says(change: ChangeRequest) -> None:
    """An hour later, or never: the hint is not used up before a look."""
    assert change.heard is not None
    for wait in (dt.timedelta(hours=1), None):
        slow = with_rules(lambda _change, now, _policy, wait=wait, **_: wait and now + wait)
        assert next_due(slow, change, x.later(25), x.POLICY, looked=False) == change.heard.at
        due_at = next_due(slow, change, x.later(25), x.POLICY, looked=True)
        assert due_at == (wait and x.later(25) + wait)


BEYOND = dt.datetime(9999, 12, 31, 23, 59, tzinfo=dt.timezone(-dt.timedelta(hours=14)))
UNSTORABLE: dict[str, tuple[object, str]] = {
    "no time": (5, "an int, not None or an aware datetime"),
    "a day": (dt.date(2026, 3, 2), "a date, not None or an aware datetime"),
    "no zone": (dt.datetime(2026, 3, 2), "2026-03-02 00:00:00, which has no time zone"),  # noqa: DTZ001 - the case
    "no year": (BEYOND, "9999-12-31 23:59:00-14:00, which is beyond the years 1 to 9999 in UTC"),
}


@pytest.mark.parametrize(("moment", "told"), UNSTORABLE.values(), ids=UNSTORABLE)
def test_a_rule_that_returns_no_time_that_can_be_stored_has_failed(moment: object, told: str) -> None:
    """Its change is polled, and somebody is told by the rule's state."""
    broken = with_rules(lambda _change, _now, _policy, *, looked: (looked, moment)[1])
    failures: list[BaseException] = []
    due_at = next_due(broken, x.PENDING, x.later(25), x.POLICY, looked=True, failed=failures.append)
    assert due_at == x.later(25) + x.POLICY.poll
    assert [f"workflow collector_change: the due rule of state pending returned {told}"] == list(map(str, failures))
    with pytest.raises(DefinitionError, match="the due rule of state pending returned"):
        next_due(broken, x.PENDING, x.later(25), x.POLICY, looked=True)


def test_a_rule_that_raises_has_its_change_polled() -> None:
    """What it raised is told as it is."""

    def boom(_change: ChangeRequest, _now: dt.datetime, _policy: Policy, *, looked: bool) -> dt.datetime | None:
        raise ZeroDivisionError(str(looked))

    failures: list[BaseException] = []
    due_at = next_due(with_rules(boom), x.PENDING, x.later(25), x.POLICY, looked=False, failed=failures.append)
    assert (due_at, [type(one) for one in failures]) == (x.later(25) + x.POLICY.poll, [ZeroDivisionError])


@pytest.mark.parametrize(
    ("change", "at", "seconds"),
    [
        pytest.param(x.PENDING, 0.5, 1, id="a ticket that was just filed"),
        pytest.param(x.PENDING, 600, 600, id="as old again"),
        pytest.param(x.PENDING, 5 * 3600, 3600, id="at least every hour"),
        pytest.param(given_up(EffectStatus.STARTED), 600, 600, id="one whose flow never started"),
        pytest.param(given_up(EffectStatus.STARTED), 5 * 3600, 5 * 3600, id="ever more rarely"),
        pytest.param(given_up(EffectStatus.STARTED), 3 * DAY, 6 * 3600, id="as rarely as it is looked at"),
    ],
)
def test_a_withdrawal_that_is_not_taken_yet_is_tried_later(change: ChangeRequest, at: float, seconds: float) -> None:
    """The longer it lasts, the later; that of a change that was given up, which may never be taken, more rarely."""
    ticket = attrs.evolve(x.PENDING.expect_ticket(), recorded_at=x.later(0))

    assert next_try(attrs.evolve(change, ticket=ticket), x.later(at), x.POLICY) == x.later(at + seconds)


def test_a_hint_of_the_very_moment_of_the_end_is_no_late_one() -> None:
    """It may be the one that ended the change."""
    done = attrs.evolve(x.APPROVED, effects=(), heard=LastCallback(sn="REQ7", digest="d", at=x.later(20)))
    assert next_due(COLLECTOR_CHANGE, done, x.later(30), x.POLICY, looked=False) is None


def test_a_suspicion_that_is_over_this_moment_waits_once_more_after_a_look() -> None:
    """The look that has just been taken did not believe it."""
    found = next_due(COLLECTOR_CHANGE, x.SUSPECTED, x.later(70), x.POLICY, looked=True)
    assert found == x.later(70 + 60)


# ---------------------------------------------------------------- while callbacks arrive

RARE = Policy(rare_poll=dt.timedelta(hours=1))
STARTED = 1 + (RARE.not_started + RARE.poll).total_seconds()


def test_a_change_whose_callback_is_expected_is_looked_at_rarely() -> None:
    """Only by a pass that has seen that callbacks arrive, and only once the ticket's flow was seen to have started."""

    def due(at: float, *, called_back: bool) -> dt.datetime | None:
        return next_due(COLLECTOR_CHANGE, x.PENDING, x.later(at), RARE, looked=True, called_back=called_back)

    assert due(STARTED, called_back=True) == x.later(STARTED + 3600)
    assert due(STARTED, called_back=False) == x.later(STARTED + 300)
    assert due(STARTED - 1e-6, called_back=True) == x.later(STARTED - 1e-6 + 300)


def test_rare_looks_are_never_more_frequent() -> None:
    """The longer of the two intervals counts."""
    policy = attrs.evolve(RARE, rare_poll=dt.timedelta(seconds=299))

    assert next_due(COLLECTOR_CHANGE, x.PENDING, x.later(9000), policy, looked=True, called_back=True) == x.later(9300)


@pytest.mark.parametrize(
    "change",
    [
        heard(x.PENDING, 20),
        x.SUSPECTED,
        x.with_attention(x.PENDING, AttentionReason.OVERDUE),
        x.FAILED_CALLBACK,
        x.UNKNOWN,
        attrs.evolve(x.PENDING, ticket=None),
        x.WITHDRAWN,
        APPROVED_DONE,
    ],
    ids=["a hint", "a suspicion", "attention", "a lost callback", "a look-up", "no ticket", "a sweep", "an end"],
)
def test_all_else_is_looked_at_as_often_as_ever(change: ChangeRequest) -> None:
    """Something other than the callback about the end is expected of it, or nothing."""
    times = [
        next_due(COLLECTOR_CHANGE, change, x.later(9000), RARE, looked=True, called_back=called_back)
        for called_back in (True, False)
    ]

    assert times[0] == times[1]


def test_a_rule_of_a_host_is_left_as_it_is() -> None:
    """The host knows how often it wants to look."""

    def rule(change: ChangeRequest, now: dt.datetime, policy: Policy, *, looked: bool) -> dt.datetime | None:
        return waiting_due(change, now, policy, looked=looked)

    definition = with_rules(rule)

    assert next_due(definition, x.PENDING, x.later(9000), RARE, looked=True, called_back=True) == x.later(9300)


def test_an_effect_is_delivered_on_time_while_looks_are_rare() -> None:
    """The earliest time counts."""
    change = x.with_effect(x.PENDING, x.planned(due_at=x.later(9400)))

    assert next_due(COLLECTOR_CHANGE, change, x.later(9000), RARE, looked=True, called_back=True) == x.later(9400)


@given(
    change=s.changes,
    at=st.floats(0, 30 * DAY),
    seconds=st.integers(0, 2 * DAY),
    looked=st.booleans(),
)
def test_callbacks_that_arrive_make_a_look_later_at_most_and_never_beyond_the_policy(
    *, change: ChangeRequest, at: float, seconds: int, looked: bool
) -> None:
    """For any change: never sooner than without them, never none, and no later than the longer of the two intervals."""
    policy, now = attrs.evolve(x.POLICY, rare_poll=dt.timedelta(seconds=seconds)), x.later(at)
    often = next_due(COLLECTOR_CHANGE, change, now, policy, looked=looked)
    rarely = next_due(COLLECTOR_CHANGE, change, now, policy, looked=looked, called_back=True)

    if often is None or rarely is None:
        assert often is rarely is None
    else:
        assert often <= rarely <= max(often, now + policy.rare_poll)
        assert rarely == often or (seconds > x.POLICY.poll.total_seconds() and change.heard is None)
