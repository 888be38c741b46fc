"""What the library withdrew does not approve its change by itself, and an early refusal is asked again."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import Effect, State, Workflow
from itsm_workflow.change import WITHDRAW, AttentionReason, EffectStatus, Outcome
from itsm_workflow.errors import InvalidForm, TransitionRefused
from itsm_workflow.machine.definition import Transition, waits_for_a_person
from itsm_workflow.machine.evidence import Decision
from itsm_workflow.policy import Policy
from itsm_workflow.sandbox import DEFAULT_SERVICES, acting
from itsm_workflow.sandbox.behaviour import Behaviour
from tests.support import workflows as zoo
from tests.support.attention import reason_of
from tests.support.lost import STRICT_SERVICE
from tests.support.office import SUBJECT, Office, asked
from tests.support.workflows import Stage
from tests.support.world import APPROVER, World, times

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest
    from itsm_workflow.change import PlannedEffect
    from itsm_workflow.machine.definition import WorkflowDefinition

LATE = 30.0
"""Seconds until a ticket's flow starts: a withdrawal comes before it."""


@pytest.fixture
def world() -> World:
    """Return a world in which flows start late, so that a withdrawn ticket revives."""
    return World(behaviour=Behaviour(start_delay=LATE, decision_delay=0.0))


@pytest.fixture
def workflow(world: World) -> Workflow:
    """Open a workflow."""
    return world.workflow()


@pytest.fixture
def change(world: World, workflow: Workflow) -> ChangeRequest:
    """Apply."""
    return world.apply(workflow)


def withdraw(world: World, workflow: Workflow, change: ChangeRequest) -> ChangeRequest:
    """Ask for a withdrawal, and let it be delivered before the ticket's flow starts."""
    workflow.withdraw(change.id, actor="alice", reason="not wanted any more")
    world.clock.advance(6)
    workflow.reconcile()
    return workflow.get(change.id)


def revive(world: World, change: ChangeRequest, *, approved: bool | None = None) -> None:
    """Let the withdrawn ticket's flow start after all, and its approver decide."""
    world.clock.advance(LATE)
    world.gateway.run_due()
    if approved is not None:
        acting.decide(world.ledger, world.ticket_of(change), APPROVER, approved=approved, remark="")
    world.clock.advance(1)
    world.gateway.run_due()


def the_withdrawal(change: ChangeRequest) -> PlannedEffect:
    """Return the only withdrawal of a change."""
    [effect] = [one for one in change.effects if one.name == "withdraw"]
    return effect


def test_a_revived_ticket_calls_a_person(world: World, workflow: Workflow, change: ChangeRequest) -> None:
    """It does not wait for its approver again without a word."""
    assert the_withdrawal(withdraw(world, workflow, change)).status is EffectStatus.DELIVERED
    revive(world, change)
    after = workflow.settle(change.id)

    assert (after.state, reason_of(after)) == (State.PENDING, AttentionReason.WITHDRAWAL_UNRESOLVED)
    assert after.attention is not None
    assert dict(after.attention.facts) == {
        "ticket": change.expect_ticket().id,
        "status": "revoked",
        "since": "2026-03-02 08:00:06 UTC",
    }
    why = workflow.why(change.id)
    assert f"waits for ticket {change.sn} to end as withdrawn, since it was withdrawn (2026-03-02 08:00:06 UTC)" in why
    assert "accept_after_withdrawal" in why
    assert APPROVER not in why


def test_a_revived_ticket_that_is_approved_does_not_approve_the_change(
    world: World, workflow: Workflow, change: ChangeRequest
) -> None:
    """The applicant withdrew it: an operator decides, and no effect runs before."""
    withdraw(world, workflow, change)
    revive(world, change, approved=True)
    world.reconcile_for(workflow, hours=2)

    after = workflow.get(change.id)
    assert (after.state, after.outcome, world.deliveries) == (State.PENDING, None, [])
    assert reason_of(after) is AttentionReason.WITHDRAWAL_UNRESOLVED
    assert after.attention is not None
    assert after.attention.facts["status"] == "finished"

    accepted = workflow.accept_after_withdrawal(change.id, actor="ops", reason="alice wants it after all")

    assert (accepted.state, accepted.outcome, accepted.attention) == (State.APPROVED, Outcome.APPROVED, None)
    assert the_withdrawal(accepted).status is EffectStatus.SUPERSEDED
    assert len(world.deliveries) == 1
    decided = next(one for one in workflow.history(change.id) if one.trigger == "accept_after_withdrawal")
    assert (decided.actor, getattr(decided.evidence, "reason", "")) == ("ops", "alice wants it after all")


def test_a_revived_ticket_that_is_refused_ends_the_change(
    world: World, workflow: Workflow, change: ChangeRequest
) -> None:
    """A refusal and a withdrawal want the same."""
    withdraw(world, workflow, change)
    revive(world, change, approved=False)

    after = workflow.settle(change.id)
    assert (after.state, after.outcome, after.attention) == (State.REJECTED, Outcome.REJECTED, None)


def test_a_revived_ticket_can_be_withdrawn_again(world: World, workflow: Workflow, change: ChangeRequest) -> None:
    """With one withdrawal more; the ticket ends, and so does the change."""
    withdraw(world, workflow, change)
    revive(world, change)
    workflow.settle(change.id)
    ledger_ticket = world.ticket_of(change)
    world.ledger.end(ledger_ticket, ledger_ticket.status, "its step is closed")  # as a person does at the ticket system
    again = workflow.withdraw(change.id, actor="alice", reason="really")
    world.reconcile_for(workflow, hours=1)

    after = workflow.get(change.id)
    assert (len(again.effects), after.outcome, after.attention) == (2, Outcome.WITHDRAWN, None)


def test_what_nothing_was_withdrawn_of_cannot_be_accepted(
    world: World, workflow: Workflow, change: ChangeRequest
) -> None:
    """Neither before a withdrawal was delivered, nor without a reason."""
    workflow.withdraw(change.id, actor="alice", reason="not wanted")
    with pytest.raises(TransitionRefused, match="no delivered withdrawal is unresolved"):
        workflow.accept_after_withdrawal(change.id, actor="ops", reason="x")
    withdraw(world, workflow, change)
    with pytest.raises(TransitionRefused, match="a reason is required"):
        workflow.accept_after_withdrawal(change.id, actor="ops", reason="")
    with pytest.raises(InvalidForm, match="reason"):
        workflow.accept_after_withdrawal(change.id, actor="ops", reason=" ")


def test_an_approval_before_the_withdrawal_was_delivered_stands(
    world: World, workflow: Workflow, change: ChangeRequest
) -> None:
    """Which of the two came first is decided at the ticket system; the withdrawal is superseded."""
    world.clock.advance(LATE)
    world.gateway.run_due()
    acting.decide(world.ledger, world.ticket_of(change), APPROVER, approved=True, remark="")
    world.clock.advance(1)
    world.gateway.run_due()

    after = workflow.withdraw(change.id, actor="alice", reason="too late")

    assert (after.state, after.attention) == (State.APPROVED, None)
    assert the_withdrawal(after).status is EffectStatus.SUPERSEDED


def test_a_withdrawal_whose_answer_was_lost_counts_as_delivered(
    world: World, workflow: Workflow, change: ChangeRequest
) -> None:
    """The ticket was approved by the time it was tried again, which does not show whether it was withdrawn before."""
    world.faults.lose_answer("withdraw", always=True)
    lost = withdraw(world, workflow, change)
    assert (the_withdrawal(lost).status, the_withdrawal(lost).unsure) == (EffectStatus.PLANNED, True)
    world.faults.clear()
    revive(world, change, approved=True)
    world.reconcile_for(workflow, hours=1)

    after = workflow.get(change.id)
    assert (after.state, reason_of(after)) == (State.PENDING, AttentionReason.WITHDRAWAL_UNRESOLVED)
    assert the_withdrawal(after).status is EffectStatus.DELIVERED


def test_a_worker_that_died_over_a_withdrawal_leaves_it_unresolved(world: World) -> None:
    """It may have withdrawn the ticket: another worker that finds it approved does not approve the change."""
    dying = World(behaviour=Behaviour(start_delay=LATE, decision_delay=0.0))
    dying.faults.answer("withdraw", KeyboardInterrupt(), processed=True)
    workflow = dying.workflow()
    change = dying.apply(workflow)
    workflow.withdraw(change.id, actor="alice", reason="not wanted")
    dying.clock.advance(6)
    with pytest.raises(KeyboardInterrupt):
        workflow.reconcile()
    revive(dying, change, approved=True)

    assert workflow.settle(change.id).state == State.PENDING  # while its claim lasts, nothing is decided
    dying.reconcile_for(workflow, hours=1)
    after = workflow.get(change.id)
    assert (after.state, reason_of(after)) == (State.PENDING, AttentionReason.WITHDRAWAL_UNRESOLVED)


# ---------------------------------------------------------------- refused too early


def test_an_early_refusal_is_not_counted_and_is_retried() -> None:
    """The server refuses while its worker lags; in the end the ticket is withdrawn, and nothing was parked."""
    world = World(behaviour=Behaviour(start_delay=600.0, early_refusal_chance=1.0))
    workflow = world.workflow(policy=Policy(effect_attempts=1))
    change = world.apply(workflow)
    workflow.withdraw(change.id, actor="alice", reason="wrong host")
    for _ in range(60):
        world.clock.advance(10)
        world.gateway.run_due()
        workflow.reconcile()
        effect = the_withdrawal(workflow.get(change.id))
        assert (effect.tries, effect.status is EffectStatus.PARKED) in {(0, False), (1, False)}
    world.reconcile_for(workflow, hours=2)

    after = workflow.get(change.id)
    assert (after.state, after.outcome, after.attention) == (State.REJECTED, Outcome.WITHDRAWN, None)
    # Each wait is as long as the ticket is old, so that a flow that never starts costs few requests.
    assert times(workflow, change, "fail_effect") < 12


def test_another_refusal_is_a_failed_attempt() -> None:
    """The ticket asks for its approval and the gateway refuses all the same: that is parked, and a person is called."""
    world = World()
    world.faults.refuse("withdraw", always=True)
    workflow = world.workflow(policy=Policy(effect_attempts=2))
    change = world.apply(workflow)
    world.start_flow()
    workflow.withdraw(change.id, actor="alice", reason="wrong host")
    world.reconcile_for(workflow, hours=2)

    after = workflow.get(change.id)
    assert (the_withdrawal(after).status, reason_of(after)) == (EffectStatus.PARKED, AttentionReason.EFFECT_PARKED)
    world.decide(world.ticket_of(change), approved=True)
    ended = workflow.settle(change.id)
    assert (ended.state, ended.attention) == (State.APPROVED, None)
    assert the_withdrawal(ended) == attrs.evolve(the_withdrawal(after), status=EffectStatus.SUPERSEDED)


def test_a_withdrawal_waits_for_the_ticket_and_its_age() -> None:
    """A ticket that is not known, or younger than the policy says, is not withdrawn."""
    world = World(behaviour=Behaviour(start_delay=0.5))
    workflow = world.workflow(effects={State.APPROVED: [Effect("start", lambda _: None)]})
    change = world.apply(workflow)
    workflow.withdraw(change.id, actor="alice")
    world.clock.advance(4)
    workflow.reconcile()
    assert the_withdrawal(workflow.get(change.id)).attempts == 0
    world.clock.advance(1)
    workflow.reconcile()
    assert the_withdrawal(workflow.get(change.id)).status is EffectStatus.DELIVERED


class Again(enum.StrEnum):
    """What a host does about a change that was refused."""

    REWORK = "rework"


def with_rework() -> WorkflowDefinition:
    """Return a workflow in which a change that was refused can be filed once more."""
    rework = Transition(trigger=Again.REWORK, sources=(Stage.REFUSED,), dest=Stage.DRAFT, evidence=Decision)
    definition = zoo.deployment(zoo.DEPLOY)
    return attrs.evolve(
        definition,
        final=frozenset({Stage.LIVE}),
        transitions=(*definition.transitions, rework),
        grants={Stage.GRANTED: True},
        due={**definition.due, Stage.REFUSED: waits_for_a_person},
    )


def test_a_withdrawal_says_nothing_of_the_ticket_that_the_change_is_filed_as_next() -> None:
    """What was withdrawn was the ticket before; the next one is approved as any other is."""
    world = World()
    with world.workflow(definition=with_rework(), effects={}) as workflow:
        change = world.apply(workflow)
        world.clock.advance(30)
        world.gateway.run_due()
        workflow.withdraw(change.id, actor="alice", reason="a mistake")
        for _ in range(4):
            world.clock.advance(100)
            workflow.reconcile()
        refused = workflow.get(change.id)
        assert (refused.state, the_withdrawal(refused).status) == (Stage.REFUSED, EffectStatus.DELIVERED)

        workflow.fire(change.id, Again.REWORK, Decision(), actor="alice")
        second = workflow.submit(change.id, actor="alice")
        assert (second.round, second.ticket != change.ticket) == (2, True)
        world.clock.advance(30)
        world.gateway.run_due()
        acting.decide(world.ledger, world.ticket_of(second), APPROVER, approved=True, remark="")
        world.clock.advance(1)
        world.gateway.run_due()
        approved = workflow.settle(change.id)
        assert (approved.state, approved.attention) == (Stage.GRANTED, None)
        assert workflow.require_approved(change.subject).id == change.id


def test_withdrawal_asked_for_before_a_refusal_does_not_hit_the_next_ticket(store_url: str) -> None:
    """Nothing was filed, so the wish is fulfilled; what is filed later with a better form stays."""
    with Office(store_url, services=(*DEFAULT_SERVICES, STRICT_SERVICE)) as office:
        # The list of fields is not shown, so that the server has the first word.
        office.sandbox.faults.refuse("get_service_detail", 1640301, always=True)
        workflow = office.workflow(office.settings(fast_approval=False, service_id="77"))

        def withdraw() -> None:
            office.sandbox.before.clear()
            workflow.withdraw(workflow.resolve(SUBJECT).id, actor="alice")

        office.sandbox.before["create_ticket"] = withdraw
        refused = workflow.apply(subject=SUBJECT, **asked(approvers=(), fields={}))
        assert refused.state == State.DRAFT
        change = workflow.apply(subject=SUBJECT, **asked(approvers=(), fields={"cluster": "gz-1"}))
        assert (change.id, change.state) == (refused.id, State.PENDING)

        for _ in range(3):
            office.pass_time(300)
            workflow.reconcile()

        assert workflow.get(change.id).state == State.PENDING
        assert office.only_ticket().current_status == "RUNNING"


def test_withdrawal_asked_for_while_the_create_is_on_its_way_is_done(office: Office) -> None:
    """It waits for the ticket."""
    workflow = office.workflow()

    def withdraw() -> None:
        office.sandbox.before.clear()
        workflow.withdraw(workflow.resolve(SUBJECT).id, actor="alice")

    office.sandbox.before["create_ticket"] = withdraw
    change = workflow.apply(subject=SUBJECT, **asked())
    assert (change.state, [one.name for one in change.effects]) == (State.PENDING, [WITHDRAW])

    office.pass_time(6)
    workflow.reconcile()

    assert office.only_ticket().current_status == "REVOKED"
    assert [one.status for one in workflow.get(change.id).effects] == [EffectStatus.DELIVERED]
