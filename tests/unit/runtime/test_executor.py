"""The executor: what it claims, what it drops, and what it does when somebody else was first."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import COLLECTOR_CHANGE, Effect, State
from itsm_workflow.change import AttentionReason, EffectStatus, Phase
from itsm_workflow.errors import ChangeNotFound, StorageConflict, TransitionRefused
from itsm_workflow.gateway.protocol import Refused
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.evidence import Channel
from itsm_workflow.policy import Policy
from itsm_workflow.sandbox import Draft
from itsm_workflow.settle import Read
from tests.support.callback_examples import body, knock
from tests.support.desk import ASKED, SUBJECT, Desk, Work

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.machine.definition import Facts, WorkflowDefinition


def pending(**options: Any) -> tuple[Desk, Workflow, ChangeRequest]:
    """Return a change that waits for its approvers."""
    desk = Desk()
    workflow = desk.workflow(**options)
    return desk, workflow, workflow.apply(subject=SUBJECT, **ASKED)


def lost() -> tuple[Desk, Workflow, ChangeRequest]:
    """Return a change whose ticket was filed, with the answer lost, and is not found by the search yet."""
    desk = Desk()
    workflow = desk.workflow()
    desk.hide_tickets()
    return desk, workflow, workflow.apply(subject=SUBJECT, **ASKED)


# ---------------------------------------------------------------- when to ask


def test_a_change_that_is_not_due_is_not_asked_about() -> None:
    """Unless somebody insists."""
    desk, workflow, change = pending()
    before = desk.ledger.requests["get_ticket_info"]

    workflow._executor.advance(change.id, forced=False)
    assert desk.ledger.requests["get_ticket_info"] == before
    workflow._executor.advance(change.id, forced=True)
    assert desk.ledger.requests["get_ticket_info"] == before + 1


def test_a_change_that_another_worker_claims_first_is_left_to_it() -> None:
    """Insisting counts for once: after a lost race only what is due is asked about."""
    desk, workflow, change = pending()
    before = desk.ledger.requests["get_ticket_info"]
    desk.race_once(change.id)

    workflow.settle(change.id)
    assert desk.ledger.requests["get_ticket_info"] == before


def test_a_change_that_is_always_due_is_not_asked_about_for_ever() -> None:
    """A policy without pauses must not hold up whoever called."""
    desk, workflow, change = pending(policy=Policy(poll=timedelta()))
    before = desk.ledger.requests["get_ticket_info"]

    assert workflow.settle(change.id).state == State.PENDING
    assert desk.ledger.requests["get_ticket_info"] == before + 32


def test_a_change_that_there_is_not_cannot_be_advanced() -> None:
    """The error names it."""
    with pytest.raises(ChangeNotFound, match="'C9'"):
        Desk().workflow()._executor.advance("C9", forced=True)


def test_a_ticket_that_is_not_known_cannot_be_read() -> None:
    """A host's own trigger may lead to waiting without one: nothing is asked, and it counts as not answered."""
    desk, workflow, change = pending()
    before = desk.ledger.requests.copy()
    stored = attrs.evolve(workflow._journal.load(change.id), change=attrs.evolve(change, ticket=None))

    after, answered = workflow._executor.carry_out(stored, Read(), 0.0)

    assert (after.change, answered) == (stored.change, False)
    assert desk.ledger.requests == before


# ---------------------------------------------------------------- looking a ticket up


def test_a_ticket_that_the_search_does_not_show_yet_is_found_by_the_callbacks_number() -> None:
    """It carries our key, so that the callback's word is not needed."""
    desk, workflow, change = lost()
    assert change.expect_attempt().phase is Phase.UNKNOWN
    [ticket] = desk.ledger.tickets()
    knock(workflow, change.id, body(sn=ticket.sn))

    workflow.reconcile()

    found = workflow.get(change.id).expect_ticket()
    assert (found.id, found.channel) == (str(ticket.id), Channel.CALLBACK)


def test_a_number_that_a_callback_made_up_binds_no_ticket() -> None:
    """The ticket of another change does not carry our key."""
    desk, workflow, change = lost()
    desk.faults.clear("create")
    other = workflow.apply(subject="another", **ASKED)
    knock(workflow, change.id, body(sn=other.expect_ticket().sn))

    workflow.reconcile()

    assert (workflow.get(change.id).ticket, workflow.get(change.id).state) == (None, State.APPLYING)


def test_the_key_is_looked_for_first() -> None:
    """What it finds is ours whatever the callback says."""
    desk, workflow, change = lost()
    desk.faults.clear("find_by_key")
    knock(workflow, change.id, body(sn="REQ19990101000001"))

    workflow.reconcile()

    assert workflow.get(change.id).expect_ticket().channel == Channel.LOOKUP


def test_a_search_that_fails_is_not_an_empty_one() -> None:
    """It is counted as not answered, with what went wrong."""
    desk, workflow, change = lost()
    desk.faults.clear("find_by_key")
    desk.faults.unreachable("find_by_key")
    desk.pass_time(1)

    assert workflow.reconcile().failed == 1
    assert workflow.get(change.id).expect_attempt().look_problem == "GatewayUnavailable: find_by_key: no connection"


def test_a_refusal_is_not_believed_while_any_ticket_carries_our_key() -> None:
    """The gateway may have filed it half-way: a person compares it, and the change does not become a draft again."""
    desk = Desk()
    workflow = desk.workflow()

    def refuse(_: object) -> Refused:
        attempt = workflow.resolve(SUBJECT).expect_attempt()
        title = f"{ASKED['title']} #{attempt.key[-8:]}"
        service = next(iter(desk.ledger.services.values()))
        desk.ledger.file(Draft(title=title, creator="eve", service=service, approvers=("carol",), tag=attempt.key))
        return Refused(remote_code=3900003, message="no such service")

    desk.faults.intercept("create", refuse)
    change = workflow.apply(subject=SUBJECT, **ASKED)

    assert (change.state, change.expect_attempt().phase) == (State.APPLYING, Phase.UNKNOWN)
    assert change.attention is not None
    assert change.attention.reason is AttentionReason.MISMATCH
    assert "creator: sent alice, shows eve" in change.attention.facts["differences"]


# ---------------------------------------------------------------- recording what an answer decides


def test_the_answer_to_a_send_is_kept_through_a_race() -> None:
    """The ticket exists: it must be bound, whoever wrote meanwhile."""
    desk = Desk()
    workflow = desk.workflow()
    desk.faults.meanwhile("create", lambda: desk.race_once(workflow.resolve(SUBJECT).id), always=True)

    assert workflow.apply(subject=SUBJECT, **ASKED).state == State.PENDING


def test_the_answer_to_a_send_that_loses_every_race_is_not_lost() -> None:
    """The caller learns of it; the ticket is found by its key once the send's lease has ended."""
    desk = Desk()
    workflow = desk.workflow()
    desk.faults.meanwhile("create", lambda: desk.race_always(workflow.resolve(SUBJECT).id), always=True)
    with pytest.raises(StorageConflict, match="lost a race on its version"):
        workflow.apply(subject=SUBJECT, **ASKED)
    desk.store.before = lambda _: None

    desk.pass_time(31)
    workflow.reconcile()

    [ticket] = desk.ledger.tickets()
    assert workflow.resolve(SUBJECT).expect_ticket().id == str(ticket.id)


def test_a_look_that_is_out_of_date_is_dropped() -> None:
    """What was seen before somebody else wrote may be older than what they saw."""
    desk, workflow, change = pending()
    desk.decide(change)
    desk.faults.meanwhile("read", lambda: desk.race_once(change.id), always=True)

    assert workflow._executor.advance(change.id, forced=True).change.state == State.PENDING
    desk.faults.clear()
    assert workflow._executor.advance(change.id, forced=True).change.state == State.APPROVED


def stricter() -> WorkflowDefinition:
    """Return a definition that is stricter than the gateway."""

    def not_on_a_monday(_: Facts) -> str:
        return "nothing is approved on a Monday"

    rows = tuple(
        attrs.evolve(row, guard=not_on_a_monday) if row.trigger == Trigger.APPROVE and row.dest is not None else row
        for row in COLLECTOR_CHANGE.transitions
    )
    return attrs.evolve(COLLECTOR_CHANGE, transitions=rows)


def test_a_decided_step_that_the_machine_refuses_raises_attention() -> None:
    """Observers are notified and the state stays; a person learns why the change waits in spite of the decision."""
    desk, workflow, change = pending(definition=stricter())
    desk.decide(change)

    settled = workflow.settle(change.id)
    assert settled.state == State.PENDING
    [(change_id, error)] = desk.witness.troubles
    assert (change_id, type(error)) == (change.id, TransitionRefused)
    assert "nothing is approved on a Monday" in str(error)
    assert settled.attention is not None
    assert settled.attention.reason is AttentionReason.DECISION_REFUSED
    assert settled.attention.facts == {"trigger": "approve", "reason": "nothing is approved on a Monday"}
    assert "cannot accept the decision of ticket" in workflow.why(change.id)
    assert "waits for" not in workflow.why(change.id)
    assert ": compare the ticket with the guards" in workflow.why(change.id)


def test_a_step_that_is_refused_again_writes_no_second_entry() -> None:
    """The ticket goes on being read, at the usual times."""
    desk, workflow, change = pending(definition=stricter())
    desk.decide(change)
    workflow.settle(change.id)
    before = workflow.history(change.id)
    workflow.settle(change.id)

    assert workflow.history(change.id) == before
    assert workflow.reconcile().due == 0, "the refused look counts as a look"


def test_a_callback_after_the_end_is_looked_into_though_the_clock_was_set_back() -> None:
    """By the clock it came before the end; it may be about something that the end does not know."""
    desk, workflow, change = pending()
    desk.decide(change)
    ended = workflow.settle(change.id)
    desk.clock.set_wall(desk.clock.peek() - timedelta(hours=2))
    before = desk.ledger.requests["get_ticket_info"]

    assert knock(workflow, change.id, body(sn=change.sn)).status == 200
    assert workflow.reconcile().due == 1
    assert desk.ledger.requests["get_ticket_info"] == before + 1
    assert workflow.get(change.id).ended_at == ended.ended_at


# ---------------------------------------------------------------- delivering effects


def working(work: Work) -> tuple[Desk, Workflow, ChangeRequest]:
    """Return a change that is about to be approved, and what is done then."""
    desk, workflow, change = pending(effects={State.APPROVED: [Effect("start", work)]})
    desk.decide(change)
    return desk, workflow, change


def test_a_delivery_is_recorded_through_a_race() -> None:
    """The work was done: that must be known, whoever wrote meanwhile."""
    work = Work()
    desk, workflow, change = working(work)
    work.meanwhile = lambda: desk.race_once(change.id)

    assert [one.status for one in workflow.settle(change.id).effects] == [EffectStatus.DELIVERED]
    assert len(work.calls) == 1


def test_a_delivery_that_loses_every_race_is_made_again_under_its_id() -> None:
    """The caller learns of it; the work is done again once the lease has ended, and can be told by its id."""
    work = Work()
    desk, workflow, change = working(work)
    work.meanwhile = lambda: desk.race_always(change.id)
    with pytest.raises(StorageConflict, match=f"change {change.id} was not written: it lost a race on its version"):
        workflow.settle(change.id)
    desk.store.before, work.meanwhile = (lambda _: None), int

    desk.pass_time(301)
    workflow.reconcile()

    assert [one.status for one in workflow.get(change.id).effects] == [EffectStatus.DELIVERED]
    assert [call.id for call in work.calls] == [work.calls[0].id] * 2


def test_a_delivery_that_outlives_its_lease_is_recorded_once() -> None:
    """Another worker took over and told of it; the slow one has nothing to add."""
    slow, quick = Work(), Work()
    desk, workflow, change = working(slow)
    other = desk.workflow(effects={State.APPROVED: [Effect("start", quick)]})

    def take_over() -> None:
        desk.pass_time(301)
        other.reconcile()

    slow.meanwhile = take_over
    workflow.settle(change.id)

    assert (len(slow.calls), len(quick.calls)) == (1, 1)
    assert [entry.trigger for entry in workflow.history(change.id)].count("deliver_effect") == 1
    assert [one.status for one in workflow.get(change.id).effects] == [EffectStatus.DELIVERED]


def test_a_withdrawal_that_the_gateway_fails_is_told_in_the_effect_and_tried_again() -> None:
    """Like every effect."""
    desk, workflow, change = pending()
    desk.faults.unreachable("withdraw")
    workflow.withdraw(change.id, actor="alice")
    desk.pass_time(6)

    assert workflow.reconcile().failed == 1
    [effect] = workflow.get(change.id).effects
    assert (effect.status, effect.attempts) == (EffectStatus.PLANNED, 1)
    assert effect.error == "GatewayUnavailable: withdraw: no connection"
    desk.pass_time(10)
    workflow.reconcile()
    assert [ticket.current_status for ticket in desk.ledger.tickets()] == ["REVOKED"]
