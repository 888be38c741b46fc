"""Edges of the machine that a small slip would move: what is reset, what is told, at which moment exactly."""

from __future__ import annotations

import enum
from typing import Any

import attrs
import pytest

from itsm_workflow.change import AttentionReason, ChangeRequest, EffectStatus, HeardCallback, PlannedEffect
from itsm_workflow.errors import DefinitionError
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine import guards, updates
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, Trigger
from itsm_workflow.machine.approval_rule import ApprovalPolicy, Doubt, Verdict
from itsm_workflow.machine.definition import (
    Guard,
    Roles,
    Transition,
    Update,
    WorkflowDefinition,
    waits_for_a_person,
)
from itsm_workflow.machine.due import next_due
from itsm_workflow.machine.engine import _machine
from itsm_workflow.machine.evidence import TicketStatus
from tests.support import examples as x

PARKED = x.planned(EffectStatus.PARKED, error="boom")


def updated(update: Update, change: ChangeRequest, evidence: object, at: float = 0) -> ChangeRequest:
    """Return the change after an update."""
    return update(x.facts(change, evidence, at))


# ---------------------------------------------------------------- what is left of a person's call


@pytest.mark.parametrize("reason", [None, AttentionReason.NOT_FOUND])
def test_an_effect_that_is_parked_calls_on_when_all_else_is_dealt_with(reason: AttentionReason | None) -> None:
    """The ticket was found, and the parked effect is what a person is told of from now on."""
    effects = (x.planned(id="E0"), PARKED)
    before = attrs.evolve(x.UNKNOWN, effects=effects)
    before = before if reason is None else x.with_attention(before, reason)

    attention = updated(updates.recorded, before, x.confirmed(), at=70).attention

    assert attention is not None
    assert (attention.reason, attention.since) == (AttentionReason.EFFECT_PARKED, x.later(70))
    assert dict(attention.facts) == {"effect": "E1", "error": "boom"}


def test_a_call_about_a_parked_effect_stays_as_it_is() -> None:
    """With its time and its words."""
    before = x.with_attention(attrs.evolve(x.UNKNOWN, effects=(PARKED,)), AttentionReason.EFFECT_PARKED)
    assert before.attention is not None
    assert updated(updates.recorded, before, x.confirmed(), at=70).attention == before.attention


def test_without_a_parked_effect_nothing_is_left_of_a_call() -> None:
    """One that is planned or delivered calls nobody."""
    effects = (x.planned(), x.planned(EffectStatus.DELIVERED, id="E2"))
    before = x.with_attention(attrs.evolve(x.UNKNOWN, effects=effects), AttentionReason.EFFECT_PARKED)
    assert updated(updates.recorded, before, x.confirmed()).attention is None


def test_a_send_that_never_leaves_calls_a_person_once() -> None:
    """At the number of times that the policy says, with how often and why; not before, and not anew."""
    change, calls = x.SENDING, []
    for times in range(1, x.POLICY.unsent_attempts + 2):
        change = attrs.evolve(updated(updates.unsent, change, x.mark(problem="no route"), at=times), attention=None)
        told = updated(updates.unsent, change, x.mark(problem="no route"), at=times).attention
        calls.append(None if told is None else (times + 1, told.reason, dict(told.facts), told.since))

    number = x.POLICY.unsent_attempts
    expected = {"times": str(number), "problem": "no route"}
    assert [call for call in calls if call] == [(number, AttentionReason.UNSENT, expected, x.later(number - 1))]


# ---------------------------------------------------------------- what begins anew


def used(change: ChangeRequest) -> ChangeRequest:
    """Return the change with counts and a problem in its attempt."""
    counted = attrs.evolve(change.expect_attempt(), looks=5, unsent=3, problem="old")
    return attrs.evolve(change, attempt=counted)


@pytest.mark.parametrize(
    ("update", "change", "evidence", "expected"),
    [
        (updates.requeued, x.EXHAUSTED, ev.Decision(), (0, 0, "")),
        (updates.unknown, x.SENDING, x.mark(problem="reset"), (0, 3, "reset")),
        (updates.recorded, x.UNKNOWN, x.confirmed(), (5, 3, "")),
    ],
    ids=["a resend", "the look-ups", "a ticket's record"],
)
def test_counts_and_problems_begin_anew(
    update: Update, change: ChangeRequest, evidence: object, expected: tuple[int, int, str]
) -> None:
    """What was counted or told of the time before must not count for the time after."""
    attempt = updated(update, used(change), evidence).expect_attempt()
    assert (attempt.looks, attempt.unsent, attempt.problem) == expected


def test_a_retried_effect_has_all_its_attempts_again() -> None:
    """Else the first failure would park it at once."""
    before = attrs.evolve(x.APPROVED, effects=(attrs.evolve(PARKED, attempts=8),))
    [effect] = updated(updates.effect_retried, before, ev.EffectRetry(effect="E1")).effects
    assert (effect.attempts, effect.tries) == (8, 0)


def test_an_entry_tells_only_of_the_effects_that_it_planned() -> None:
    """Not of those that were planned before."""
    _, entry = x.told(x.with_effect(x.PENDING), Trigger.REQUEST_WITHDRAWAL, ev.Decision(reason="please"), seq=5)
    assert entry is not None
    assert entry.effects == (f"{x.ID}.withdraw.0.0",)


# ---------------------------------------------------------------- guards


def test_a_foreign_ticket_that_was_withdrawn_rejects_nothing() -> None:
    """However long the ending of ours has been suspected."""
    foreign = x.withdrawn(ticket_id="8", seen_at=x.later(100))
    assert (
        guards.is_refused(x.facts(x.SUSPECTED, foreign, at=100))
        == "the snapshot shows ticket 8, but the change is bound to 7"
    )


@pytest.mark.parametrize(("guard", "approved"), [(guards.is_approved, True), (guards.is_refused, False)])
def test_the_rule_of_the_definition_decides_in_its_guards(guard: Guard, *, approved: bool) -> None:
    """A field that the rule wants and the ticket lacks leaves both in doubt."""
    rule = ApprovalPolicy(decision_field="approval_result")
    without, said = x.finished(approved=approved), x.finished(approved=approved, decision=str(approved).lower())
    assert "in doubt (disagreement)" in str(guard(x.facts(x.PENDING, without, approval=rule)))
    assert guard(x.facts(x.PENDING, said, approval=rule)) is None


@pytest.mark.parametrize("guard", [guards.is_approved, guards.is_refused, guards.confirms_outcome])
def test_a_guard_that_is_given_a_rule_says_where_the_rule_belongs(guard: Guard) -> None:
    """A rule beside the definition's own could never be met: the change would wait for ever."""
    with pytest.raises(TypeError, match=r"pass the rule once, to WorkflowDefinition\(approval=\.\.\.\)"):
        guard(ApprovalPolicy())  # type: ignore[arg-type]  # as these guards were called once


def test_what_is_being_sent_is_not_abandoned() -> None:
    """Even where a person was called: the ticket may be made this moment."""
    change = x.with_attention(x.SENDING, AttentionReason.NOT_FOUND)
    assert guards.may_abandon(x.facts(change, ev.Decision())) == "it is being sent"


@pytest.mark.parametrize(
    ("status", "result", "reason"),
    [
        (TicketStatus.REVOKED, TicketStatus.FINISHED, AttentionReason.DISAGREEMENT),
        (TicketStatus.FINISHED, TicketStatus.RUNNING, AttentionReason.DISAGREEMENT),
        (TicketStatus.FINISHED, TicketStatus.FINISHED, None),
    ],
)
def test_under_a_shared_number_only_a_refusal_that_both_answers_tell_counts(
    status: TicketStatus, result: TicketStatus, reason: AttentionReason | None
) -> None:
    """Two rows, each read by id, that disagree are as much in doubt as two pages."""
    seen = x.snapshot(status, result_status=result, approve_result=False, ambiguous=True, step_running=False)
    verdict = ApprovalPolicy().judge(seen)
    assert (verdict.reason if isinstance(verdict, Doubt) else None) == reason
    assert (verdict is Verdict.REFUSED) == (reason is None)


# ---------------------------------------------------------------- moments


def test_a_hint_of_the_very_moment_of_the_end_is_no_late_one() -> None:
    """It may be the one that ended the change."""
    done = attrs.evolve(x.APPROVED, effects=(), heard=HeardCallback(sn="REQ7", digest="d", at=x.later(20)))
    assert next_due(COLLECTOR_CHANGE, done, x.later(30), x.POLICY, looked=False) is None


def test_a_suspicion_that_is_over_this_moment_waits_once_more_after_a_look() -> None:
    """The look that has just been taken did not believe it."""
    found = next_due(COLLECTOR_CHANGE, x.SUSPECTED, x.later(70), x.POLICY, looked=True)
    assert found == x.later(70 + 60)


@pytest.mark.parametrize(
    ("effect", "now", "in_delivery"),
    [
        (x.started(), 299.9, True),
        (x.started(), 300, False),
        (x.planned(), 0, False),
        (x.planned(claimed_until=x.later(300)), 0, False),
        (x.planned(EffectStatus.DELIVERED, claimed_until=x.later(300)), 0, False),
        (x.planned(EffectStatus.STARTED), 0, False),
    ],
    ids=["started", "its claim has ended", "planned", "not yet started", "done", "without an end"],
)
def test_a_delivery_is_what_is_stored(effect: PlannedEffect, *, now: float, in_delivery: bool) -> None:
    """Not what the reader's own policy would make of the times."""
    assert effect.is_in_delivery(x.later(now)) == in_delivery


# ---------------------------------------------------------------- words that are stored, and the machine itself


def test_the_words_of_evidence_are_what_is_stored() -> None:
    """A word that is renamed would make every stored history unreadable."""
    words: list[type[enum.StrEnum]] = [TicketStatus, ev.Channel, Verdict]
    assert [[word.value for word in kind] for kind in words] == [
        ["running", "suspended", "finished", "terminated", "revoked", "other"],
        ["answer", "lookup", "callback", "operator"],
        ["open", "approved", "refused", "withdrawn", "terminated"],
    ]


def test_evidence_says_nothing_that_nobody_told() -> None:
    """The optional parts are empty."""
    assert ev.Decision() == ev.Decision(reason="")
    assert x.mark() == x.mark(problem="")
    assert ev.LookupNoted(number=1, answered=True) == ev.LookupNoted(number=1, answered=True, problem="")
    assert x.confirmed() == x.confirmed(problem="")
    assert ev.EffectRetry(effect="E1") == ev.EffectRetry(effect="E1", reason="")
    assert ev.EffectResult(effect="E1", attempt=1) == ev.EffectResult(effect="E1", attempt=1, error="", final=False)
    assert x.snapshot() == x.snapshot(ambiguous=False, closed_by="")


def test_the_machine_has_the_triggers_of_the_table_and_no_other() -> None:
    """The library below would add one that jumps to each state, from anywhere."""
    machine = _machine(COLLECTOR_CHANGE)
    assert set(machine.events) == {row.trigger.value for row in COLLECTOR_CHANGE.transitions}
    assert set(machine.states) == {state.value for state in COLLECTOR_CHANGE.states}
    assert machine.models == []


def test_the_collectors_definition_is_stored_with_each_change_by_its_name_and_version() -> None:
    """Another name would not find the changes that there are."""
    assert (COLLECTOR_CHANGE.name, COLLECTOR_CHANGE.version) == ("collector_change", 1)


class Island(enum.StrEnum):
    """States of which two lead to each other alone."""

    NEW = "new"
    ASKING = "asking"
    WAITING = "waiting"
    LOST = "lost"
    DONE = "done"
    DENIED = "denied"
    HERE = "here"
    THERE = "there"


class Sail(enum.StrEnum):
    """The triggers among them."""

    GO = "go"
    FERRY = "ferry"


def test_states_that_lead_to_each_other_alone_are_unreachable() -> None:
    """That something leads to a state is not enough: a draft must come there."""
    at = Island
    ways = [
        (at.NEW, at.ASKING),
        (at.ASKING, at.WAITING),
        (at.WAITING, at.LOST),
        (at.LOST, at.DONE),
        (at.LOST, at.DENIED),
        (at.HERE, at.THERE),
        (at.THERE, at.HERE),
    ]
    ferries = {at.DENIED: Sail.FERRY}
    rows = [
        Transition(trigger=ferries.get(dest, Sail.GO), sources=(source,), dest=dest, evidence=ev.Decision)
        for source, dest in ways
    ]
    with pytest.raises(DefinitionError) as caught:
        WorkflowDefinition(
            name="island",
            version=1,
            states=Island,
            initial=at.NEW,
            final=frozenset({at.DONE, at.DENIED}),
            roles=Roles(asking=at.ASKING, waiting=at.WAITING, undelivered=at.LOST, granted=at.DONE, refused=at.DENIED),
            transitions=tuple(rows),
            due=dict.fromkeys(set(Island) - {at.DONE, at.DENIED}, waits_for_a_person),
        )
    found = [problem for problem in vars(caught.value)["problems"] if "unreachable" in problem]
    assert found == ["state here is unreachable from new", "state there is unreachable from new"]


# ---------------------------------------------------------------- what the table's rows do, not only say


def test_a_refusal_in_the_table_is_remembered() -> None:
    """The draft says why it came back, and may be submitted again."""
    refusal = ev.Refusal(number=1, owner="w1", remote_code=3900003, message="no such service", looked_up=True)
    draft = x.after(x.SENDING, (Trigger.REFUSE, refusal))

    assert draft.state == "draft"
    assert draft.expect_attempt().problem == "the gateway refused it (code 3900003): no such service"


@pytest.mark.parametrize("change", [x.SUSPECTED, attrs.evolve(x.FAILED_CALLBACK, suspicion=x.SUSPECTED.suspicion)])
def test_a_ticket_that_is_open_again_is_suspected_no_more(change: ChangeRequest) -> None:
    """Whichever state it waited in."""
    assert x.after(change, (Trigger.RESUME, x.snapshot())).suspicion is None


@pytest.mark.parametrize("known", [False, True])
def test_a_doubt_ends_the_wait_for_the_second_look(*, known: bool) -> None:
    """Two looks that agree are consecutive, also if a person knows of the doubt already."""
    doubt = ev.Concern(reason=AttentionReason.DISAGREEMENT, facts={"ticket": "7"})
    change = x.SUSPECTED
    if known:
        change = attrs.evolve(x.after(change, (Trigger.RAISE_ATTENTION, doubt)), suspicion=x.SUSPECTED.suspicion)

    assert x.after(change, (Trigger.RAISE_ATTENTION, doubt)).suspicion is None


def test_a_resend_has_dealt_with_what_was_heard_before() -> None:
    """Only a callback that comes later stops it."""
    heard = attrs.evolve(x.EXHAUSTED, heard=HeardCallback(sn="REQ7", digest="d", at=x.later(2)))

    assert x.after(heard, (Trigger.RESEND, ev.Decision())).heard is None


@pytest.mark.parametrize("part", ["guard", "update"])
def test_a_row_without_a_function_is_refused_by_name(part: str) -> None:
    """When the table is built, not when the trigger is fired."""
    nothing: dict[str, Any] = {part: None}
    row = attrs.evolve(COLLECTOR_CHANGE.transitions[0], **nothing)
    told = f"trigger {row.trigger.value}: its {part} is a NoneType, not a function of Facts"
    with pytest.raises(DefinitionError, match=told):
        attrs.evolve(COLLECTOR_CHANGE, transitions=(row, *COLLECTOR_CHANGE.transitions[1:]))
